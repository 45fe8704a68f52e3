/*
 * test_store.c - storage of pairs: extents that never overlap, memory first and
 * then the disk, room that is freed, files that cannot be made.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "reduce/pages.h"
#include "reduce/store.h"
#include "tools.h"

#define PAGE ((uint64_t)4096)
#define SPILL ((uint64_t)1 << 63)

static void open_store(struct store *s, size_t workers, uint64_t memory)
{
	struct words w = { "" };

	ck_assert_msg(store_open(s, workers, memory, NULL, &w) == 0, "%s",
	    w.text);
}

static long room(const struct store *s, int which)
{
	struct stat st;

	ck_assert_int_eq(fstat(s->file[which], &st), 0);
	return (long)st.st_blocks * 512;
}

static void write_all(struct store *s, const struct extent *e, int byte)
{
	unsigned char *bytes = malloc(e->size + 1);

	memset(bytes, byte, e->size + 1);
	ck_assert_int_eq(store_write(s, e->at, bytes, e->size), 0);
	free(bytes);
}

static void check_all(const struct store *s, const struct extent *e, int byte)
{
	unsigned char *bytes = malloc(e->size + 1);

	memset(bytes, ~byte, e->size + 1);
	ck_assert_int_eq(store_read(s, e->at, bytes, e->size), 0);
	for (uint64_t i = 0; i < e->size; i++)
		ck_assert_int_eq(bytes[i], (unsigned char)byte);
	free(bytes);
}

START_TEST(memory_first)
{
	struct extent e[4];
	struct store s;

	open_store(&s, 1, 3 * PAGE);
	ck_assert_int_eq(store_take(&s, 0, 1, &e[0]), 0);
	ck_assert_int_eq(store_take(&s, 1, PAGE + 1, &e[1]), 0);
	ck_assert_uint_eq(e[0].at & SPILL, 0);
	ck_assert_uint_eq(e[1].at & SPILL, 0);
	ck_assert_uint_eq(s.words->in_memory, 3 * PAGE);
	/* All memory is taken, until an extent is dropped. */
	ck_assert_int_eq(store_take(&s, 0, 1, &e[2]), 0);
	ck_assert_uint_eq(e[2].at & SPILL, SPILL);
	store_drop(&s, &e[0]);
	ck_assert_int_eq(store_take(&s, 0, PAGE, &e[3]), 0);
	ck_assert_uint_eq(e[3].at & SPILL, 0);
	ck_assert_uint_ne(e[3].at, e[0].at);
	/* Dropping an extent on disk does not change the count of memory. */
	store_drop(&s, &e[2]);
	ck_assert_uint_eq(s.words->in_memory, 3 * PAGE);
	store_shorten(&s, &e[1], PAGE);
	ck_assert_uint_eq(s.words->in_memory, 2 * PAGE);
	store_shorten(&s, &e[1], PAGE + 1);
	ck_assert_uint_eq(e[1].size, PAGE);
	store_shorten(&s, &e[1], 0);
	store_drop(&s, &e[1]);
	ck_assert_uint_eq(s.words->in_memory, PAGE);
	store_close(&s);
}
END_TEST

/* Extents of all places and sizes, each with different bytes. */
START_TEST(extents_never_overlap)
{
	enum { PLACES = 5, EACH = 12, ALL = PLACES * EACH };
	struct extent e[ALL];
	struct store s;

	open_store(&s, PLACES - 1, 40 * PAGE);
	ck_assert_uint_eq(store_own_place(&s), PLACES - 1);
	for (size_t i = 0; i < ALL; i++) {
		ck_assert_int_eq(store_take(&s, i % PLACES, i * i * 7 %
		    (3 * PAGE), &e[i]), 0);
		write_all(&s, &e[i], (int)i);
	}
	for (size_t i = 0; i < ALL; i++)
		check_all(&s, &e[i], (int)i);
	/* The other extents keep their bytes. */
	for (size_t i = 0; i < ALL; i += 2)
		store_drop(&s, &e[i]);
	for (size_t i = 1; i < ALL; i += 2)
		check_all(&s, &e[i], (int)i);
	store_close(&s);
}
END_TEST

START_TEST(stretches_have_ends)
{
	struct extent e, first;
	struct store s;

	open_store(&s, 2, UINT64_MAX);
	ck_assert_int_eq(store_take(&s, 3, 1, &e), -ENOSPC);
	ck_assert_int_eq(store_take(&s, SIZE_MAX, 1, &e), -ENOSPC);
	ck_assert_int_eq(store_take(&s, 0, UINT64_MAX, &e), -ENOSPC);
	ck_assert_int_eq(store_take(&s, 0, s.stretch + 1, &e), -ENOSPC);
	ck_assert_uint_eq(s.words->in_memory, 0);
	ck_assert_int_eq(store_take(&s, 0, s.stretch, &first), 0);
	ck_assert_int_eq(store_take(&s, 0, 1, &e), -ENOSPC);
	ck_assert_uint_eq(s.words->in_memory, s.stretch);
	ck_assert_int_eq(store_take(&s, 1, 1, &e), 0);
	ck_assert_uint_ge(e.at, first.at + s.stretch);
	store_close(&s);
}
END_TEST

START_TEST(room_is_given_back)
{
	const uint64_t size = 64 * PAGE;
	struct extent e[2];
	struct store s;

	for (int which = 0; which < 2; which++) {
		open_store(&s, 1, which ? 0 : UINT64_MAX);
		for (int i = 0; i < 2; i++) {
			ck_assert_int_eq(store_take(&s, 0, size, &e[i]), 0);
			write_all(&s, &e[i], i + 1);
		}
		ck_assert_int_ge(room(&s, which), 2 * (long)size);
		ck_assert_int_eq(room(&s, !which), 0);
		store_drop(&s, &e[0]);
		ck_assert_int_lt(room(&s, which), 2 * (long)size);
		ck_assert_int_ge(room(&s, which), (long)size);
		check_all(&s, &e[1], 2);
		ck_assert_int_eq(store_empty(&s), 0);
		ck_assert_int_eq(room(&s, which), 0);
		ck_assert_uint_eq(s.words->in_memory, 0);
		ck_assert_int_eq(store_take(&s, 0, PAGE, &e[1]), 0);
		ck_assert_uint_eq(e[1].at, e[0].at);
		store_close(&s);
	}
}
END_TEST

/* Room beyond the written bytes of an extent is taken for the next. */
START_TEST(what_is_not_written_is_taken_again)
{
	struct extent e[3];
	struct store s;

	for (uint64_t memory = 0; memory <= UINT64_MAX / 2;
	    memory += UINT64_MAX / 2) {
		open_store(&s, 1, memory);
		ck_assert_int_eq(store_take(&s, 0, s.stretch, &e[0]), 0);
		write_all(&s, &(struct extent){ e[0].at, PAGE + 1 }, 1);
		store_shorten(&s, &e[0], PAGE + 1);
		ck_assert_int_eq(store_take(&s, 0, 2 * PAGE, &e[1]), 0);
		ck_assert_uint_eq(e[1].at, e[0].at + 2 * PAGE);
		write_all(&s, &e[1], 2);
		/* Only the last extent can give its end to the next. */
		store_shorten(&s, &e[0], 1);
		ck_assert_int_eq(store_take(&s, 0, 1, &e[2]), 0);
		ck_assert_uint_eq(e[2].at, e[1].at + 2 * PAGE);
		check_all(&s, &e[0], 1);
		check_all(&s, &e[1], 2);
		store_close(&s);
	}
}
END_TEST

START_TEST(what_was_for_nothing_is_taken_again)
{
	struct store_mark mark;
	struct extent e[4];
	struct store s;

	open_store(&s, 2, 4 * PAGE);
	ck_assert_int_eq(store_take(&s, 1, PAGE, &e[0]), 0);
	write_all(&s, &e[0], 1);
	mark = store_mark(&s, 1);
	ck_assert_int_eq(store_take(&s, 1, PAGE, &e[1]), 0);
	write_all(&s, &e[1], 1);
	for (size_t i = 2; i < 4; i++) {
		ck_assert_int_eq(store_take(&s, 1, 2 * PAGE + 1, &e[i]), 0);
		ck_assert_uint_eq(e[i].at & SPILL, SPILL);
		write_all(&s, &e[i], 1);
	}
	store_rewind(&s, 1, mark);
	ck_assert_uint_eq(s.words->in_memory, PAGE);
	ck_assert_int_eq(room(&s, 0), (long)PAGE);
	ck_assert_int_eq(room(&s, 1), 0);
	ck_assert_int_eq(store_take(&s, 1, PAGE, &e[3]), 0);
	ck_assert_uint_eq(e[3].at, e[1].at);
	ck_assert_int_eq(store_take(&s, 1, 4 * PAGE, &e[3]), 0);
	ck_assert_uint_eq(e[3].at, e[2].at);
	check_all(&s, &e[0], 1);
	store_close(&s);
}
END_TEST

/* Another descriptor of the file keeps no disk space after store_close(). */
START_TEST(copies_have_nothing_after_the_end)
{
	struct extent e;
	struct stat st;
	struct store s;
	int copy;

	open_store(&s, 1, 0);
	ck_assert_int_eq(store_take(&s, 0, PAGE, &e), 0);
	write_all(&s, &e, 1);
	copy = dup(s.file[1]);
	store_close(&s);
	ck_assert_int_eq(fstat(copy, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
	close(copy);
	/* Closing again, or a store that was never opened, is allowed. */
	store_close(&s);
	s = (struct store){ 0 };
	store_close(&s);
}
END_TEST

START_TEST(left_files_stay_as_they_are)
{
	struct store s, copy;
	struct extent e;
	int fds = count_fds();

	open_store(&s, 1, 0);
	ck_assert_int_eq(store_take(&s, 0, PAGE, &e), 0);
	write_all(&s, &e, 1);
	copy = s;
	for (int i = 0; i < 2; i++)
		s.file[i] = dup(copy.file[i]);
	copy.words = NULL;
	store_leave(&copy);
	check_all(&s, &e, 1);
	store_close(&s);
	ck_assert_int_eq(count_fds(), fds);
}
END_TEST

START_TEST(what_was_not_written_is_noticed)
{
	unsigned char byte;
	struct extent e;
	struct store s;

	open_store(&s, 1, 0);
	ck_assert_int_eq(store_take(&s, 0, PAGE, &e), 0);
	ck_assert_int_eq(store_read(&s, e.at, &byte, 1), -EBADMSG);
	ck_assert_int_eq(store_read(&s, e.at | SPILL >> 1, &byte, 1),
	    -EBADMSG);
	ck_assert_int_eq(store_read(&s, e.at, &byte, 0), 0);
	store_close(&s);
}
END_TEST

/* Reads a range through the table of pages, and compares it with the store. */
static void check_pages(struct pages *p, const struct store *s, uint64_t at,
    size_t size)
{
	static unsigned char mine[100000], right[100000];

	memset(mine, 0xee, sizeof mine);
	ck_assert_int_eq(store_read(s, at, right, size), 0);
	ck_assert_int_eq(pages_read(p, s, at, mine, size), 0);
	ck_assert_mem_eq(mine, right, size);
	ck_assert_int_eq(mine[size], 0xee);
}

/* Of both files, over the ends of pages, in tables of all sizes; nothing is
   read behind the end of a file. */
START_TEST(pages_have_the_bytes_of_the_store)
{
	const size_t sizes[] = { 0, 1, 12, 4095, 4096, 4097, 16384, 16385,
		50000 };
	unsigned char bytes[65536];
	struct extent e[2];
	struct store s;
	struct pages p;

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i * 2654435769u >> 24);
	open_store(&s, 1, sizeof bytes);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(store_take(&s, 0, sizeof bytes, &e[i]), 0);
		ck_assert_int_eq(store_write(&s, e[i].at, bytes, 60001), 0);
		bytes[0]++;
	}
	ck_assert_uint_ne(e[0].at & SPILL, e[1].at & SPILL);
	for (size_t most = 0; most <= 1 << 20; most = 8 * most + 1000) {
		pages_init(&p, most);
		for (size_t n = 0; n < 9 * 200; n++)
			check_pages(&p, &s, e[n % 2].at + n * 977 % 10001,
			    sizes[n / 2 % 9]);
		ck_assert_int_eq(pages_read(&p, &s, e[0].at + 60000, bytes, 1),
		    0);
		ck_assert_int_eq(pages_read(&p, &s, e[0].at + 60000, bytes, 2),
		    -EBADMSG);
		ck_assert_int_eq(pages_read(&p, &s, e[0].at + 70000, bytes, 1),
		    -EBADMSG);
		pages_release(&p);
	}
	store_close(&s);
}
END_TEST

START_TEST(pages_are_read_once_until_forgotten)
{
	unsigned char byte;
	struct extent e;
	struct store s;
	struct pages p;

	open_store(&s, 1, PAGE);
	pages_init(&p, 1 << 20);
	ck_assert_int_eq(store_take(&s, 0, PAGE, &e), 0);
	write_all(&s, &e, 1);
	ck_assert_int_eq(pages_read(&p, &s, e.at, &byte, 1), 0);
	ck_assert_int_eq(byte, 1);
	write_all(&s, &e, 2);
	ck_assert_int_eq(pages_read(&p, &s, e.at + 1, &byte, 1), 0);
	ck_assert_int_eq(byte, 1);
	pages_forget(&p);
	ck_assert_int_eq(pages_read(&p, &s, e.at, &byte, 1), 0);
	ck_assert_int_eq(byte, 2);
	pages_release(&p);
	store_close(&s);
}
END_TEST

START_TEST(directories_that_will_not_do)
{
	struct words w = { "" };
	int fds = count_fds();
	struct store s;

	ck_assert_int_eq(store_open(&s, 1, 0, "/nowhere", &w), -ENOENT);
	ck_assert_ptr_nonnull(strstr(w.text, "/nowhere"));
	store_close(&s);
	ck_assert_int_eq(store_open(&s, 1, 0, "/proc/self/status", &w),
	    -ENOTDIR);
	store_close(&s);
	ck_assert_int_eq(count_fds(), fds);
}
END_TEST

/* Returns 0 if no file of a store has the number of a standard stream. */
static int without_streams(void *arg)
{
	struct words w = { "" };
	struct store s;

	(void)arg;
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		close(fd);
	if (store_open(&s, 1, 0, NULL, &w) < 0)
		return 1;
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			return 2;
	return s.file[0] > STDERR_FILENO && s.file[1] > STDERR_FILENO ? 0 : 3;
}

/* Otherwise a hook that prints, or a host that reopens its stdin, would write
   to pairs or close their file. */
START_TEST(closed_streams_stay_closed)
{
	ck_assert_int_eq(in_child(without_streams, NULL), 0);
}
END_TEST

static int in_small_files(void *arg)
{
	const struct rlimit limit = { 20 * PAGE, 20 * PAGE };
	struct extent e;
	struct store s;
	int n = 0;

	(void)arg;
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 1;
	open_store(&s, 3, 4 * PAGE);
	ck_assert_uint_eq(s.stretch, 5 * PAGE);
	/* No SIGXFSZ is sent, and all extents can be written. */
	for (size_t place = 0; place < 4; place++)
		for (; store_take(&s, place, PAGE, &e) == 0; n++)
			write_all(&s, &e, n);
	ck_assert_int_eq(n, 4 + 4 * 5);
	store_close(&s);
	return 0;
}

START_TEST(limits_on_files_are_kept_to)
{
	ck_assert_int_eq(in_child(in_small_files, NULL), 0);
}
END_TEST

/* Many processes at once take extents of their places, and memory is
   counted. */
START_TEST(workers_take_at_once)
{
	enum { WORKERS = 4, EACH = 2000 };
	struct shared *shared = shared_new();
	struct store s;

	open_store(&s, WORKERS, 1000 * PAGE);
	for (size_t w = 0; w < WORKERS; w++)
		if (fork() == 0) {
			struct extent e;

			for (int i = 0; i < EACH; i++) {
				if (store_take(&s, w, PAGE, &e) < 0)
					_exit(1);
				if ((e.at & SPILL) == 0)
					atomic_fetch_add(&shared->counter[0],
					    1);
			}
			atomic_fetch_add(&shared->counter[1], 1);
			_exit(0);
		}
	wait_for(&shared->counter[1], WORKERS);
	ck_assert_int_eq(shared->counter[0], 1000);
	ck_assert_uint_eq(s.words->in_memory, 1000 * PAGE);
	for (size_t w = 0; w < WORKERS; w++)
		ck_assert_uint_eq(s.words->place[w].taken[0] +
		    s.words->place[w].taken[1], EACH * PAGE);
	kill_children();
	store_close(&s);
	shared_free(shared);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		memory_first, stretches_have_ends,
		what_is_not_written_is_taken_again,
		what_was_for_nothing_is_taken_again,
		copies_have_nothing_after_the_end, left_files_stay_as_they_are,
		what_was_not_written_is_noticed,
		pages_have_the_bytes_of_the_store,
		pages_are_read_once_until_forgotten,
		directories_that_will_not_do,
		closed_streams_stay_closed, limits_on_files_are_kept_to,
		workers_take_at_once };
	const TTest *const drawn[] = {
		extents_never_overlap, room_is_given_back };

	return run_sampled_tests("store", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
