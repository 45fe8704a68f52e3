/* store.c - see store.h: files for pairs, in memory and on a disk. */
#include "config.h"

#include "reduce/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "os/sys.h"

/* The bit of an offset that selects the file on a disk. */
#define SPILL ((uint64_t)1 << 63)
/* Largest offset in either file: half of the smallest limit of the usual file
   systems. */
#define REACH ((uint64_t)1 << 43)
/* Extents begin at page boundaries, so that the kernel can free each. */
#define PAGE ((uint64_t)4096)

/* ---- open and close ---- */

static size_t words_size(size_t places)
{
	return sizeof(struct store_words) +
	    places * sizeof(struct store_place);
}

static const char *temporary_dir(const char *dir)
{
	const char *tmp = getenv("TMPDIR");

	if (dir != NULL)
		return dir;
	return tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp";
}

int store_open(struct store *s, size_t workers, uint64_t memory_most,
    const char *dir, struct words *w)
{
	int r;

	*s = (struct store){
		.file = { -1, -1 },
		.memory_most = memory_most,
		.places = workers + 1,
	};
	s->stretch = MIN(REACH, sys_file_limit()) / s->places / PAGE * PAGE;
	s->words = sys_map_shared(words_size(s->places));
	if (s->words == NULL)
		return words_set(w, ENOMEM, "There was no memory for a "
		    "reducer.");
	s->file[0] = sys_memory_file();
	s->file[1] = sys_temporary(temporary_dir(dir));
	if (s->file[1] >= 0)
		return 0;
	r = words_set(&s->lack, -s->file[1], "No temporary file can be made "
	    "in %s: %s.", temporary_dir(dir), strerror(-s->file[1]));
	/* A directory that the user named must be usable. */
	if (s->file[0] >= 0 && dir == NULL)
		return 0;
	*w = s->lack;
	return r;
}

void store_leave(struct store *s)
{
	if (s->places == 0)
		return;
	for (size_t i = 0; i < COUNTOF(s->file); i++)
		sys_close(&s->file[i]);
	sys_unmap(s->words, words_size(s->places));
	*s = (struct store){ .file = { -1, -1 } };
}

void store_close(struct store *s)
{
	/* Free the pages now, since other processes may keep the files open. */
	if (s->places > 0)
		store_empty(s);
	store_leave(s);
}

int store_empty(struct store *s)
{
	int r = 0;

	for (size_t i = 0; i < COUNTOF(s->file); i++)
		if (s->file[i] >= 0 && r == 0)
			r = sys_truncate(s->file[i], 0);
	if (r == 0 && s->words != NULL)
		memset(s->words, 0, words_size(s->places));
	return r;
}

size_t store_own_place(const struct store *s)
{
	return s->places - 1;
}

/* ---- extents ---- */

static uint64_t whole_pages(uint64_t size)
{
	return (size + PAGE - 1) / PAGE * PAGE;
}

/* Counts "size" bytes if they fit in the memory bound, else returns false. */
static bool take_memory(struct store *s, uint64_t size)
{
	uint64_t have = atomic_load(&s->words->in_memory);

	if (s->file[0] < 0)
		return false;
	do {
		if (have > s->memory_most || size > s->memory_most - have)
			return false;
	} while (!atomic_compare_exchange_weak(&s->words->in_memory, &have,
	    have + size));
	return true;
}

static void give_memory(struct store *s, uint64_t size)
{
	atomic_fetch_sub(&s->words->in_memory, size);
}

int store_take(struct store *s, size_t place, uint64_t size,
    struct extent *e)
{
	uint64_t room = whole_pages(size);
	_Atomic uint64_t *taken;
	uint64_t from;
	bool spill;

	if (room < size || place >= s->places)
		return -ENOSPC;
	spill = !take_memory(s, room);
	taken = &s->words->place[place].taken[spill];
	from = atomic_load(taken);
	if (s->file[spill] < 0 || from > s->stretch ||
	    room > s->stretch - from) {
		if (!spill)
			give_memory(s, room);
		return -ENOSPC;
	}
	atomic_store(taken, from + room);
	e->at = (spill ? SPILL : 0) | (place * s->stretch + from);
	e->size = size;
	return 0;
}

bool store_has(const struct store *s, size_t place, const struct extent *e)
{
	uint64_t at = e->at & ~SPILL, from = place * s->stretch;

	return s->file[(e->at & SPILL) != 0] >= 0 && place < s->places &&
	    at >= from && e->size <= s->stretch &&
	    at - from <= s->stretch - e->size;
}

void store_shorten(struct store *s, struct extent *e, uint64_t size)
{
	uint64_t at = e->at & ~SPILL, room = whole_pages(e->size);
	bool spill = (e->at & SPILL) != 0;
	_Atomic uint64_t *taken;

	if (size >= e->size)
		return;
	if (!spill)
		give_memory(s, room - whole_pages(size));
	taken = &s->words->place[at / s->stretch].taken[spill];
	if (atomic_load(taken) == at % s->stretch + room)
		atomic_fetch_sub(taken, room - whole_pages(size));
	e->size = size;
}

void store_drop(struct store *s, const struct extent *e)
{
	uint64_t room = whole_pages(e->size);

	if (room == 0)
		return;
	if ((e->at & SPILL) == 0)
		give_memory(s, room);
	sys_punch(s->file[(e->at & SPILL) != 0], e->at & ~SPILL, room);
}

struct store_mark store_mark(const struct store *s, size_t place)
{
	const struct store_place *p = &s->words->place[place];

	return (struct store_mark){ { atomic_load(&p->taken[0]),
	    atomic_load(&p->taken[1]) } };
}

void store_rewind(struct store *s, size_t place, struct store_mark m)
{
	struct store_place *p = &s->words->place[place];

	for (size_t i = 0; i < COUNTOF(m.taken); i++) {
		const struct extent e = {
			(i > 0 ? SPILL : 0) | (place * s->stretch + m.taken[i]),
			atomic_load(&p->taken[i]) - m.taken[i] };

		store_drop(s, &e);
		atomic_store(&p->taken[i], m.taken[i]);
	}
}

int store_write(const struct store *s, uint64_t at, const void *from,
    size_t size)
{
	const unsigned char *bytes = from;
	int fd = s->file[(at & SPILL) != 0];
	ssize_t n;

	for (at &= ~SPILL; size > 0; at += (size_t)n, size -= (size_t)n) {
		n = sys_pwrite(fd, bytes, size, at);
		if (n <= 0)
			return n < 0 ? (int)n : -ENOSPC;
		bytes += n;
	}
	return 0;
}

int64_t store_read_some(const struct store *s, uint64_t at, void *to,
    size_t size)
{
	unsigned char *bytes = to;
	int fd = s->file[(at & SPILL) != 0];
	size_t done = 0;
	ssize_t n;

	for (at &= ~SPILL; done < size; done += (size_t)n) {
		n = sys_pread(fd, bytes + done, size - done, at + done);
		if (n < 0)
			return n;
		if (n == 0)
			break;
	}
	return (int64_t)done;
}

int store_read(const struct store *s, uint64_t at, void *to, size_t size)
{
	int64_t n = store_read_some(s, at, to, size);

	if (n < 0)
		return (int)n;
	return (size_t)n == size ? 0 : -EBADMSG;
}
