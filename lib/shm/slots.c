/* slots.c - see slots.h: the shared memory of all workers of a pool. */
#include "config.h"

#include "shm/slots.h"

#include <errno.h>
#include <stdlib.h>

#include "base/base.h"
#include "os/fdlist.h"
#include "os/sys.h"

/* The payload area begins at a multiple of the largest page size.  Outputs
   start there as in the ring, so that bodies are aligned, and may need a page
   more at the end. */
#define PAGE_MOST ((size_t)64 * 1024)
#define PAYLOAD (3 * PAGE_MOST)
_Static_assert(SLOT_CONTROL + SLOT_RING + SLOT_ARRAYS <= PAYLOAD,
    "it lies behind the ring and the arrays");

/* A payload area is smaller, or there is none, where fewer addresses would be
   left to the program and to what is in flight. */
#define LEFT ((size_t)16 * 1024 * 1024)

/* Bytes of the first mapping, including the fork server's page. */
static size_t size_of(const struct slots *s)
{
	return s->stride * s->count + SLOTS_BEHIND;
}

/* ---- mappings of this process ---- */

/* All mappings made by a process, under the lock of fdlist.h.  A child of the
   host program does not have its parent's mappings, and may have other memory
   at their addresses. */
static struct {
	unsigned char *at;
	size_t size;
	pid_t owner;
} *listed;
static size_t listed_count;
static unsigned books;		/* fdlist_books() when the list was begun */

/* Forgets a list inherited from the parent, which may be inconsistent. */
static void turn_page(void)
{
	if (books == fdlist_books())
		return;
	books = fdlist_books();
	listed = NULL;
	listed_count = 0;
}

static int enlist(unsigned char *at, size_t size)
{
	void *grown;

	turn_page();
	grown = realloc(listed, (listed_count + 1) * sizeof *listed);
	if (grown == NULL)
		return -ENOMEM;
	listed = grown;
	listed[listed_count].at = at;
	listed[listed_count].size = size;
	listed[listed_count++].owner = sys_getpid();
	return 0;
}

/* Compares the owner too, as the parent may have had a mapping at the same
   address.  The list is freed with its last entry. */
static void strike_off(const unsigned char *at)
{
	pid_t owner = sys_getpid();
	size_t i = 0;

	turn_page();
	while (i < listed_count &&
	    (listed[i].at != at || listed[i].owner != owner))
		i++;
	if (i < listed_count)
		listed[i] = listed[--listed_count];
	if (listed_count == 0) {
		free(listed);
		listed = NULL;
	}
}

void slots_drop_others(const struct slots *s, pid_t owner)
{
	for (size_t i = 0; i < listed_count; i++)
		if (listed[i].owner == owner && listed[i].at != s->at &&
		    listed[i].at != s->inputs)
			sys_unmap(listed[i].at, listed[i].size);
}

/* ---- mapping ---- */

/* Maps the halves for inputs.  Returns 0, also without a mapping if they cannot
   be made read-only for workers; or -ENOMEM. */
static int map_inputs(struct slots *s)
{
	const size_t size = s->payload > 0 ?
	    (s->payload + SLOT_COPIES) * s->count : 0;
	void *at;
	int r;

	if (size == 0)
		return 0;
	s->readable = sys_map_file(size, &at);
	if (s->readable < 0) {
		r = s->readable;
		s->readable = -1;
		return r == -ENOMEM ? r : 0;
	}
	r = fdlist_add(s->readable);
	if (r == 0)
		r = enlist(at, size);
	s->inputs = at;
	s->room = s->payload;
	return r;
}

static void unmap_all(struct slots *s)
{
	strike_off(s->at);
	strike_off(s->inputs);
	sys_unmap(s->at, size_of(s));
	sys_unmap(s->inputs, slots_inputs_stride(s) * s->count);
	s->at = s->inputs = NULL;
	s->room = 0;
}

static int map_all(struct slots *s)
{
	s->stride = PAYLOAD + s->payload + (s->payload > 0 ? PAGE_MOST : 0);
	s->at = sys_map_shared(size_of(s));
	if (s->at == NULL || enlist(s->at, size_of(s)) < 0)
		return -ENOMEM;
	return map_inputs(s);
}

size_t slots_half(size_t count)
{
	size_t each = SLOT_PAYLOAD_ALL / MAX(count, 1) / SLOT_PAYLOAD_LEAST *
	    SLOT_PAYLOAD_LEAST;

	if (SIZE_MAX <= UINT32_MAX || sys_memory_limit() < UINT64_MAX ||
	    sys_file_limit() < UINT64_MAX)
		return SLOT_PAYLOAD;
	return MIN(MAX(each, SLOT_PAYLOAD), SLOT_PAYLOAD_MOST);
}

int slots_map(struct slots *s, size_t count, size_t payload)
{
	int r;

	*s = (struct slots){ .count = count, .payload = 2 * payload,
		.readable = -1 };
	do {
		/* Whole pages, for any page size. */
		s->payload = s->payload / 2 / SLOT_PAYLOAD_LEAST *
		    SLOT_PAYLOAD_LEAST;
		fdlist_lock();
		r = map_all(s);
		if (r == 0 && s->payload > 0)
			r = sys_has_room(LEFT);
		if (r < 0)
			unmap_all(s);
		fdlist_unlock();
		if (r < 0)
			fdlist_drop(&s->readable);
	} while (r < 0 && s->payload > 0);
	return r;
}

void slots_unmap(struct slots *s)
{
	if (s->inputs != NULL)
		fdlist_drop(&s->readable);
	fdlist_lock();
	unmap_all(s);
	fdlist_unlock();
}

int slots_shut_inputs(struct slots *s)
{
	int fd = s->readable;

	s->readable = -1;
	return s->inputs == NULL ? 0 :
	    sys_map_to_read(s->inputs, slots_inputs_stride(s) * s->count, fd);
}

/* Unmaps a mapping of "all" bytes, except for the part with number "which". */
static void keep_part(unsigned char *at, size_t all, size_t part,
    size_t which)
{
	size_t before = which * part, after = all - before - part;

	sys_unmap(before ? at : NULL, before);
	sys_unmap(after ? at + before + part : NULL, after);
}

/* The input stays readable in processes forked by a hook. */
void slots_keep_one(struct slots *s, size_t which)
{
	keep_part(s->at, size_of(s), s->stride, which);
	sys_dont_fork(s->at + which * s->stride, s->stride);
	if (s->inputs != NULL)
		keep_part(s->inputs, slots_inputs_stride(s) * s->count,
		    slots_inputs_stride(s), which);
}

void slots_wipe(const struct slots *s, size_t which)
{
	sys_wipe(slots_get(s, which), PAYLOAD);
}

/* Gives back the memory of a half behind SLOT_PAYLOAD. */
static void trim(unsigned char *half, size_t size)
{
	if (size > SLOT_PAYLOAD)
		sys_give_back(half + SLOT_PAYLOAD, size - SLOT_PAYLOAD);
}

void slots_trim_inputs(const struct slots *s, size_t which)
{
	trim(slots_inputs(s, which), s->room);
}

void slots_trim_outputs(const struct slots *s, size_t which)
{
	trim((unsigned char *)slots_get(s, which) + PAYLOAD, s->payload);
}

void slots_dont_fork(struct slots *s)
{
	sys_dont_fork(s->at, size_of(s));
	if (s->inputs == NULL)
		return;
	sys_dont_fork(s->inputs, slots_inputs_stride(s) * s->count);
	fdlist_drop(&s->readable);
}

/* The step lies behind the busy flag, in the fork server's page. */
static atomic_int *step_of(const struct slots *s)
{
	return (atomic_int *)(void *)(s->at + s->stride * s->count) + 1;
}

void slots_set_step(const struct slots *s, enum slots_step step)
{
	atomic_store(step_of(s), (int)step);
}

enum slots_step slots_step(const struct slots *s)
{
	return (enum slots_step)atomic_load(step_of(s));
}

/* Behind the step; only the caller writes it. */
static atomic_bool *closing_of(const struct slots *s)
{
	return (atomic_bool *)(void *)(step_of(s) + 1);
}

void slots_set_closing(const struct slots *s)
{
	atomic_store(closing_of(s), true);
}

bool slots_closing(const struct slots *s)
{
	return atomic_load(closing_of(s));
}

struct slot *slots_get(const struct slots *s, size_t which)
{
	return (void *)(s->at + which * s->stride);
}

unsigned char *slots_inputs(const struct slots *s, size_t which)
{
	return s->inputs == NULL ? NULL :
	    s->inputs + which * slots_inputs_stride(s);
}

unsigned char *slot_outputs(const struct slot *s)
{
	return (unsigned char *)s + PAYLOAD + FRAME_START;
}
