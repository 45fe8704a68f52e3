/*
 * test_sources.c - sources of inputs: the ready-made sources, and sources of
 * the user's own callbacks, correct and incorrect.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "sample.h"
#include "tools.h"

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static const struct vm_worker echoing = { .process = echo };

/* A pool that gives results in order. */
static vm_pool *in_order(int workers, size_t max_item)
{
	return fork_pool(&echoing, &(struct vm_options){ .flags = VM_ORDERED,
	    .workers = workers, .max_item_bytes = max_item });
}

/* The next result must have these bytes as input and as output.  Returns its
   index. */
static uint64_t expect(vm_pool *pool, const void *bytes, size_t size)
{
	struct vm_result r;

	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	ck_assert_uint_eq(r.input_size, size);
	ck_assert_uint_eq(r.output_size, size);
	if (size > 0) {
		ck_assert_mem_eq(r.input, bytes, size);
		ck_assert_mem_eq(r.output, bytes, size);
	}
	return r.index;
}

static void expect_text(vm_pool *pool, const char *text)
{
	expect(pool, text, strlen(text));
}

/* The next call must fail with this error, and the pool continue. */
static void expect_error(vm_pool *pool, int error)
{
	struct vm_result r;
	int rc;

	errno = 0;
	rc = vm_zip_in_out(pool, &r);
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(errno, error);
	ck_assert_str_ne(vm_error(pool), "");
	ck_assert_int_eq(vm_broken(pool), 0);
}

/* vm_imap() must refuse this source. */
static void expect_refusal(vm_pool *pool, struct vm_source s, int error)
{
	errno = 0;
	ck_assert_int_eq(vm_imap(pool, s), -1);
	ck_assert_int_eq(errno, error);
	ck_assert_str_ne(vm_error(pool), "");
}

/* ---- arrays, strings, numbers ---- */

START_TEST(arrays)
{
	const struct { char bytes[12]; } items[] = { { "one" }, { "two" },
		{ "three" } };
	vm_pool *pool = in_order(2, 0);

	imap_to(pool, vm_array(items, 3, sizeof *items));
	imap_to(pool, vm_array(NULL, 0, 4));
	imap_to(pool, vm_array(NULL, 2, 0));
	for (int i = 0; i < 3; i++)
		expect(pool, &items[i], sizeof *items);
	expect(pool, "", 0);
	expect(pool, "", 0);
	take_end(pool);
	expect_refusal(pool, vm_array(NULL, 1, 1), EINVAL);
	expect_refusal(pool, vm_array(items, SIZE_MAX / 2, 3), EINVAL);
	take_end(pool);
	close_pool(pool);
}
END_TEST

static int next_of_wrapped(void *from, const void **input, size_t *size)
{
	struct vm_source *s = from;

	return s->next(s->from, input, size);
}

enum { IN_ARRAY = 3000 };

/* The library packs inputs of one size together, within all bounds (each worker
   may have an input more); but asks a source for each if the program has
   wrapped it. */
static void map_array(const unsigned char *items, size_t size, bool wrapped,
    struct vm_options o)
{
	struct vm_source array = vm_array(items, IN_ARRAY, size), s = array;
	vm_pool *pool;

	if (wrapped) {
		s.next = next_of_wrapped;
		s.from = &array;
		s.close = NULL;
	}
	pool = fork_pool(&echoing, &o);
	imap_to(pool, s);
	for (size_t i = 0; i < IN_ARRAY; i++) {
		ck_assert_uint_eq(expect(pool, items + i * size, size), i);
		ck_assert(o.max_in_flight_bytes == 0 ||
		    pool->engine.window.bytes <= o.max_in_flight_bytes +
		    2 * (size + 2 * CHUNK_ITEM_CHARGE));
	}
	take_end(pool);
	close_pool(pool);
	if (wrapped)
		array.close(array.from);
}

/* Every size; of the ways to pass the items a sample, another for each size. */
START_TEST(arrays_of_any_size)
{
	static const size_t sizes[] = { 1, 8, 12, 100, 20000 };
	static const size_t chunks[] = { 0, 1, 7, 2000 };
	unsigned char *items;

	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		items = malloc(IN_ARRAY * sizes[i]);
		ck_assert_ptr_nonnull(items);
		for (size_t k = 0; k < IN_ARRAY * sizes[i]; k++)
			items[k] = (unsigned char)(k * 31 + k / 251);
		for (size_t k = 0; k < 2 * COUNTOF(chunks); k++) {
			struct vm_options o = { .flags = VM_ORDERED,
				.workers = 2, .chunk_size = chunks[k / 2],
				.max_in_flight_bytes = k % 2 ? 50000 : 0 };

			if (sample_takes((unsigned)(k + 9 * i), 4))
				map_array(items, sizes[i], (k + k / 2) % 2, o);
		}
		free(items);
	}
}
END_TEST

/* ---- arrays that workers inherit ---- */

enum { MANY = 5000 };

/* Echoes; a number that ends in 77 kills its worker, one in 33 fails. */
static int echo_or_die(struct vm_context *me, const void *input, size_t size)
{
	const int *number = input;

	if (*number % 100 == 77)
		abort();
	if (*number % 100 == 33)
		return vm_fail(me, 33, "no");
	return vm_output(me, input, size);
}

/* Workers read the items as they were at vm_fork(), though the caller has
   changed the array since; the input of a result points into the caller's
   array. */
static void map_inherited(const struct vm_options *options)
{
	const struct vm_worker worker = { .process = echo_or_die };
	static int numbers[MANY];
	bool seen[MANY] = { false };
	struct vm_result r;
	vm_pool *pool;

	for (int i = 0; i < MANY; i++)
		numbers[i] = 3 * i + 1;
	pool = fork_pool(&worker, options);
	for (int i = 0; i < MANY; i++)
		numbers[i] = -i;
	imap_to(pool, vm_inherited_array(numbers, MANY, sizeof *numbers));
	for (int n = 0; n < MANY; n++) {
		int was;

		take(pool, &r);
		was = 3 * (int)r.index + 1;
		ck_assert(r.index < MANY && !seen[r.index]);
		seen[r.index] = true;
		ck_assert_ptr_eq(r.input, &numbers[r.index]);
		ck_assert_uint_eq(r.input_size, sizeof *numbers);
		if (was % 100 == 77) {
			ck_assert_int_eq(r.exception->cause, VM_KILLED);
		} else if (was % 100 == 33) {
			ck_assert_int_eq(r.exception->code, 33);
		} else {
			ck_assert_int_eq(r.type, VM_OUTPUT);
			ck_assert_mem_eq(r.output, &was, sizeof was);
		}
		ck_assert_int_eq(r.attempts, r.type == VM_OUTPUT ? 1 : 2);
	}
	take_end(pool);
	close_pool(pool);
}

START_TEST(arrays_may_be_inherited)
{
	map_inherited(&(struct vm_options){ .workers = 2,
	    .max_attempts = 2 });
	map_inherited(&(struct vm_options){ .workers = 3, .flags = VM_ORDERED,
	    .max_attempts = 2 });
	map_inherited(&(struct vm_options){ .workers = 2, .chunk_size = 64,
	    .max_attempts = 2, .worker_max_items = 100 });
}
END_TEST

/* Inherited items exceed the bound in bytes, but each counts as an address
   only. */
START_TEST(what_is_inherited_does_not_count)
{
	enum { SIZE = 1 << 20 };
	char *items = calloc(16, SIZE);
	vm_pool *pool;
	struct vm_result r;

	ck_assert_ptr_nonnull(items);
	pool = fork_pool(&(struct vm_worker){ .process = echo },
	    &(struct vm_options){ .workers = 2, .max_item_bytes = SIZE / 2,
	    .max_in_flight_bytes = 1, .chunk_size = 16 });
	imap_to(pool, vm_inherited_array(items, 16, SIZE));
	for (int i = 0; i < 16; i++) {
		take(pool, &r);
		ck_assert_uint_eq(r.input_size, SIZE);
		ck_assert_int_eq(r.exception->cause, VM_TOO_BIG);
	}
	take_end(pool);
	close_pool(pool);
	free(items);
}
END_TEST

START_TEST(corners_of_inherited_arrays)
{
	const int number = 5;
	vm_pool *pool = in_order(2, 0);

	imap_to(pool, vm_inherited_array(NULL, 0, 4));
	imap_to(pool, vm_inherited_array(NULL, 2, 0));
	imap_to(pool, vm_array(&number, 1, sizeof number));
	imap_to(pool, vm_inherited_array("ab", 2, 1));
	expect(pool, "", 0);
	expect(pool, "", 0);
	expect(pool, &number, sizeof number);
	expect(pool, "a", 1);
	expect(pool, "b", 1);
	take_end(pool);
	expect_refusal(pool, vm_inherited_array(NULL, 1, 1), EINVAL);
	close_pool(pool);
	pool = in_order(VM_SERIAL, 0);
	imap_to(pool, vm_inherited_array("ab", 2, 1));
	expect(pool, "a", 1);
	expect(pool, "b", 1);
	take_end(pool);
	close_pool(pool);
}
END_TEST

START_TEST(strings)
{
	const char *const words[] = { "a", "", "long enough to be two", NULL,
		"beyond" };
	vm_pool *pool = in_order(2, 0);

	imap_to(pool, vm_strings(words, 5));
	imap_to(pool, vm_strings(words, 2));
	imap_to(pool, vm_strings(words + 3, 2));
	imap_to(pool, vm_strings(NULL, 0));
	for (int i = 0; i < 3; i++)
		expect_text(pool, words[i]);
	for (int i = 0; i < 2; i++)
		expect_text(pool, words[i]);
	take_end(pool);
	expect_refusal(pool, vm_strings(NULL, 1), EINVAL);
	close_pool(pool);
}
END_TEST

static void expect_range(vm_pool *pool, int64_t begin, int64_t end)
{
	imap_to(pool, vm_range(begin, end));
	for (int64_t i = begin; i < end; i++)
		expect(pool, &i, sizeof i);
	take_end(pool);
}

START_TEST(ranges)
{
	vm_pool *pool = in_order(2, 0);
	struct vm_source all = vm_range(INT64_MIN, INT64_MAX);
	struct vm_result r;

	expect_range(pool, -3, 4);
	expect_range(pool, 4, 4);
	expect_range(pool, 5, -5);
	expect_range(pool, INT64_MAX, INT64_MIN);
	expect_range(pool, INT64_MAX - 3, INT64_MAX);
	expect_range(pool, INT64_MIN, INT64_MIN + 3);
	ck_assert_uint_eq(all.length, UINT64_MAX);
	imap_to(pool, all);
	take(pool, &r);
	ck_assert_int_eq(*(const int64_t *)r.input, INT64_MIN);
	close_pool(pool);
}
END_TEST

/* ---- names of files ---- */

static void touch(const char *dir, const char *name, char *path, size_t room)
{
	FILE *f;

	snprintf(path, room, "%s/%s", dir, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(globs)
{
	const char *const names[] = { "c.txt", "a.txt", "b.txt", "d.no" };
	const int sorted[] = { 1, 2, 0 };
	char dir[] = "/tmp/vimap-test-XXXXXX", paths[4][60], pattern[60];
	vm_pool *pool = in_order(2, 0);

	ck_assert_ptr_nonnull(mkdtemp(dir));
	for (int i = 0; i < 4; i++)
		touch(dir, names[i], paths[i], sizeof paths[i]);
	snprintf(pattern, sizeof pattern, "%s/*.txt", dir);
	imap_to(pool, vm_glob(pattern));
	imap_to(pool, vm_glob("/nowhere/at/all/*.txt"));
	for (int i = 0; i < 4; i++)	/* the matches are those at the call */
		ck_assert_int_eq(unlink(paths[i]), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	for (int i = 0; i < 3; i++)
		expect_text(pool, paths[sorted[i]]);
	take_end(pool);
	imap_to(pool, vm_glob(pattern));
	imap_to(pool, vm_glob(""));
	take_end(pool);
	expect_refusal(pool, vm_glob(NULL), EINVAL);
	close_pool(pool);
}
END_TEST

/* A directory that even root cannot read: its name is too long. */
START_TEST(globs_read_all)
{
	char dir[] = "/tmp/vimap-test-XXXXXX", file[60], loop[60], pattern[400];
	vm_pool *pool = in_order(1, 0);

	ck_assert_ptr_nonnull(mkdtemp(dir));
	touch(dir, "file", file, sizeof file);
	snprintf(loop, sizeof loop, "%s/loop", dir);
	ck_assert_int_eq(symlink("loop", loop), 0);
	snprintf(pattern, sizeof pattern, "%s/%0300d/*", dir, 0);
	expect_refusal(pool, vm_glob(pattern), EIO);
	snprintf(pattern, sizeof pattern, "%s/loop/*", dir);
	imap_to(pool, vm_glob(pattern));
	snprintf(pattern, sizeof pattern, "%s/file/*", dir);
	imap_to(pool, vm_glob(pattern));
	take_end(pool);
	ck_assert_int_eq(unlink(loop) | unlink(file) | rmdir(dir), 0);
	close_pool(pool);
}
END_TEST

/* ---- lines ---- */

static const char text[] = "first\n\nthird\n \nno newline";
static const char *const lines[] = { "first", "", "third", " ",
	"no newline" };

/* Returns an unlinked file with this text. */
static FILE *file_of(const char *bytes, size_t size)
{
	FILE *f = tmpfile();

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
	ck_assert_int_eq(fflush(f), 0);
	rewind(f);
	return f;
}

START_TEST(lines_of_a_file)
{
	vm_pool *pool = in_order(2, 0);
	FILE *f = file_of(text, sizeof text - 1);
	int fd = fileno(f);

	imap_to(pool, vm_lines(f));
	for (size_t i = 0; i < COUNTOF(lines); i++)
		expect_text(pool, lines[i]);
	take_end(pool);
	rewind(f);			/* vm_lines() leaves it open */
	imap_to(pool, vm_lines_fd(fd));
	for (size_t i = 0; i < COUNTOF(lines); i++)
		expect_text(pool, lines[i]);
	take_end(pool);
	imap_to(pool, vm_lines(f));	/* at the end of the file */
	imap_to(pool, vm_lines_fd(fd));
	take_end(pool);
	ck_assert_int_eq(fclose(f), 0);
	expect_refusal(pool, vm_lines(NULL), EINVAL);
	expect_refusal(pool, vm_lines_fd(-1), EBADF);
	close_pool(pool);
}
END_TEST

START_TEST(lines_with_all_bytes_and_of_all_lengths)
{
	static char big[1200000];
	size_t at = 0, lengths[400];
	vm_pool *pool = in_order(3, 0);
	FILE *f;

	for (size_t i = 0; i < COUNTOF(lengths); i++) {
		lengths[i] = i % 40 ? i : i * 500;
		ck_assert_uint_lt(at + lengths[i], sizeof big);
		for (size_t j = 0; j < lengths[i]; j++)
			big[at + j] = (char)((i + j) % 256 == '\n' ? 0 :
			    (i + j) % 256);
		at += lengths[i];
		big[at++] = '\n';
	}
	f = file_of(big, at);
	for (int way = 0; way < 2; way++) {
		size_t from = 0;

		rewind(f);
		lseek(fileno(f), 0, SEEK_SET);
		imap_to(pool, way ? vm_lines_fd(fileno(f)) : vm_lines(f));
		for (size_t i = 0; i < COUNTOF(lengths); i++) {
			expect(pool, big + from, lengths[i]);
			from += lengths[i] + 1;
		}
		take_end(pool);
	}
	fclose(f);
	close_pool(pool);
}
END_TEST

struct feeder {
	int fd;
	const char *bytes;
	size_t size, piece;
};

static void *feed(void *arg)
{
	struct feeder *f = arg;

	for (size_t i = 0; i < f->size; i += f->piece) {
		size_t n = MIN(f->piece, f->size - i);

		if (write(f->fd, f->bytes + i, n) != (ssize_t)n)
			abort();
		nap_ms(2);
	}
	close(f->fd);
	return NULL;
}

static void feed_slowly(size_t piece, int workers, int blocking)
{
	vm_pool *pool = in_order(workers, 0);
	int ends[2];
	struct feeder feeder = { -1, text, sizeof text - 1, piece };
	pthread_t thread;
	FILE *f;

	ck_assert_int_eq(pipe(ends), 0);
	feeder.fd = ends[1];
	f = fdopen(ends[0], "r");
	ck_assert_ptr_nonnull(f);
	imap_to(pool, blocking ? vm_lines(f) : vm_lines_fd(ends[0]));
	ck_assert_int_eq(pthread_create(&thread, NULL, feed, &feeder), 0);
	for (size_t i = 0; i < COUNTOF(lines); i++)
		expect_text(pool, lines[i]);
	take_end(pool);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	fclose(f);
	close_pool(pool);
}

START_TEST(lines_of_a_pipe_fed_slowly)
{
	for (int i = 0; i < 4; i++) {
		feed_slowly(1, i & 1 ? 2 : VM_SERIAL, i & 2);
		feed_slowly(3, i & 1 ? 1 : VM_SERIAL, i & 2);
		feed_slowly(100, i & 1 ? 3 : VM_SERIAL, i & 2);
	}
}
END_TEST

START_TEST(lines_come_while_the_pipe_stays_open)
{
	vm_pool *pool = in_order(2, 0);
	struct vm_result r;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	imap_to(pool, vm_lines_fd(ends[0]));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), VM_LATER);
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 20), VM_LATER);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(write(ends[1], "abc\nde", 6), 6);
		expect_text(pool, i ? "deabc" : "abc");
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 5), VM_LATER);
	}
	close(ends[1]);
	expect_text(pool, "de");
	take_end(pool);
	close(ends[0]);
	close_pool(pool);
}
END_TEST

START_TEST(lines_too_long_fail_their_source)
{
	static const char bytes[] = "12345\n123456\nnever\n";
	vm_pool *pool = in_order(2, 5);
	FILE *f = file_of(bytes, sizeof bytes - 1);
	FILE *g = file_of(bytes, sizeof bytes - 1);

	imap_to(pool, vm_lines(f));
	imap_to(pool, vm_lines_fd(fileno(g)));
	imap_to(pool, vm_range(0, 0));
	expect_text(pool, "12345");
	expect_error(pool, EFBIG);
	expect_text(pool, "12345");
	expect_error(pool, EFBIG);
	take_end(pool);
	fclose(f);
	fclose(g);
	close_pool(pool);
}
END_TEST

/* A line that does not end is not awaited, nor kept in a buffer. */
START_TEST(lines_without_end_fail_their_source)
{
	static const char bytes[5000] = "x";
	vm_pool *pool = in_order(2, 1000);
	struct vm_result r;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], bytes, sizeof bytes), sizeof bytes);
	imap_to(pool, vm_lines_fd(ends[0]));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), -1);
	ck_assert_int_eq(errno, EFBIG);
	take_end(pool);
	close(ends[0]);
	close(ends[1]);
	close_pool(pool);
}
END_TEST

START_TEST(descriptors_that_cannot_be_read_fail_their_source)
{
	const int64_t one = 1;
	vm_pool *pool = in_order(2, 0);
	int fd = open("/dev/null", O_RDONLY), dir = open("/", O_RDONLY);
	FILE *f = fopen("/dev/null", "w");

	ck_assert(fd >= 0 && dir >= 0 && f != NULL);
	close(fd);
	imap_to(pool, vm_lines_fd(fd));
	imap_to(pool, vm_lines_fd(dir));
	imap_to(pool, vm_lines(f));
	imap_to(pool, vm_range(1, 2));
	expect_error(pool, EBADF);
	expect_error(pool, EISDIR);
	expect_error(pool, EBADF);
	expect(pool, &one, sizeof one);
	take_end(pool);
	close(dir);
	fclose(f);
	close_pool(pool);
}
END_TEST

/* ---- callbacks of the caller: a script of values that next() returns ---- */

struct script {
	const int *says;	/* one per call; the last value repeats */
	size_t at, last;
	int error;		/* errno for -1 */
	const void *input;
	size_t size;
	int calls, closed;
	int call_of_close;	/* number of calls of next() before close() */
	void (*extra)(struct script *); /* called in next() and close() */
	vm_pool *pool;
};

static int next_of_script(void *from, const void **input, size_t *size)
{
	struct script *s = from;
	int said = s->says[s->at];

	ck_assert_int_eq(s->closed, 0);
	s->calls++;
	s->at += s->at < s->last;
	*input = s->input;
	*size = s->size;
	if (s->extra != NULL)
		s->extra(s);
	errno = s->error;
	return said;
}

static void close_of_script(void *from)
{
	struct script *s = from;

	s->closed++;
	s->call_of_close = s->calls;
	if (s->extra != NULL)
		s->extra(s);
}

static struct vm_source source_of(struct script *s)
{
	return (struct vm_source){ .next = next_of_script,
		.close = close_of_script, .from = s };
}

#define SCRIPT(...) { .says = (const int[]){ __VA_ARGS__ }, \
	.last = COUNTOF(((const int[]){ __VA_ARGS__ })) - 1, \
	.input = "xy", .size = 2 }

/* A source gives this many good inputs, then fails; the pool continues with the
   next source. */
static void expect_failure(vm_pool *pool, struct script *s, int good,
    int error)
{
	imap_to(pool, source_of(s));
	imap_to(pool, vm_array("tail", 1, 4));
	for (int i = 0; i < good; i++)
		expect(pool, s->input, s->size);
	expect_error(pool, error);
	ck_assert_int_eq(s->closed, 1);
	ck_assert_int_eq(s->call_of_close, s->calls);
	expect_text(pool, "tail");
	take_end(pool);
	ck_assert_int_eq(s->closed, 1);
}

static void check_failures(vm_pool *pool)
{
	struct script first = SCRIPT(-1), later = SCRIPT(1, 1, 1, -1),
	    zero = SCRIPT(1, -1), odd = SCRIPT(1, 1, 7), low = SCRIPT(-2),
	    null = SCRIPT(1), big = SCRIPT(1);

	first.error = EACCES;
	later.error = ENOENT;
	null.input = NULL;
	big.size = 1001;
	expect_failure(pool, &first, 0, EACCES);
	expect_failure(pool, &later, 3, ENOENT);
	imap_to(pool, source_of(&zero));	/* errno left at 0 */
	expect_text(pool, "xy");
	errno = 0;
	ck_assert_int_eq(vm_zip_in_out(pool, &(struct vm_result){ 0 }), -1);
	ck_assert_int_ne(errno, 0);
	expect_failure(pool, &odd, 2, EINVAL);
	expect_failure(pool, &low, 0, EINVAL);
	expect_failure(pool, &null, 0, EINVAL);
	expect_failure(pool, &big, 0, EFBIG);
	close_pool(pool);
}

START_TEST(failures_come_after_what_was_read)
{
	check_failures(in_order(1, 1000));
	check_failures(in_order(4, 1000));
	check_failures(in_order(VM_SERIAL, 1000));
}
END_TEST

START_TEST(no_input_may_be_null)
{
	struct script s = SCRIPT(1, 1, 0);
	vm_pool *pool = in_order(2, 0);

	s.input = NULL;
	s.size = 0;
	imap_to(pool, source_of(&s));
	expect(pool, "", 0);
	expect(pool, "", 0);
	take_end(pool);
	ck_assert_int_eq(s.closed, 1);
	close_pool(pool);
}
END_TEST

/* ---- VM_LATER ---- */

START_TEST(later_with_nothing_in_flight_is_a_deadlock)
{
	struct script s = SCRIPT(VM_LATER, VM_LATER, 1, 0);
	vm_pool *pool = in_order(2, 0);

	imap_to(pool, source_of(&s));
	expect_error(pool, EDEADLK);
	expect_error(pool, EDEADLK);
	ck_assert_int_eq(s.closed, 0);
	expect_text(pool, "xy");
	take_end(pool);
	ck_assert_int_eq(s.closed, 1);
	close_pool(pool);
}
END_TEST

/* Gives the next input only after the previous result was taken. */
struct turns {
	int64_t given, taken, count;
	int asked_in_vain;
};

static int next_turn(void *from, const void **input, size_t *size)
{
	struct turns *t = from;

	if (t->given == t->count)
		return 0;
	if (t->given > 0 && t->given > t->taken) {
		t->asked_in_vain++;
		return VM_LATER;
	}
	t->given++;
	*input = &t->given;
	*size = sizeof t->given;
	return 1;
}

static void take_turns(const struct vm_options *options)
{
	struct turns t = { 0, 0, 50, 0 };
	vm_pool *pool = fork_pool(&echoing, options);
	struct vm_result r;

	imap_to(pool, (struct vm_source){ .next = next_turn, .from = &t });
	for (int64_t i = 1; i <= 50; i++) {
		take(pool, &r);
		ck_assert_int_eq(*(const int64_t *)r.output, i);
		t.taken++;
	}
	take_end(pool);
	close_pool(pool);
}

START_TEST(later_is_asked_again_after_a_result)
{
	take_turns(&(struct vm_options){ .workers = 1 });
	take_turns(&(struct vm_options){ .workers = 3, .chunk_size = 10 });
	take_turns(&(struct vm_options){ .workers = VM_SERIAL });
}
END_TEST

/* Gives the bytes of a pipe, one byte per input. */
static int next_byte(void *from, const void **input, size_t *size)
{
	static char byte;
	ssize_t n = read(*(int *)from, &byte, 1);

	if (n < 0)
		return errno == EAGAIN ? VM_LATER : -1;
	*input = &byte;
	*size = 1;
	return n > 0;
}

static int pipe_fd(void *from)
{
	return *(int *)from;
}

START_TEST(later_with_wait_fd_is_waited_for)
{
	const int workers[] = { 1, 3, VM_SERIAL };

	for (size_t i = 0; i < COUNTOF(workers); i++) {
		struct feeder feeder = { -1, "abcdefghij", 10, 1 };
		vm_pool *pool = in_order(workers[i], 0);
		pthread_t thread;
		int ends[2];

		ck_assert_int_eq(pipe(ends), 0);
		ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
		feeder.fd = ends[1];
		imap_to(pool, (struct vm_source){ .next = next_byte,
			.wait_fd = pipe_fd, .from = &ends[0] });
		ck_assert_int_eq(pthread_create(&thread, NULL, feed,
		    &feeder), 0);
		for (int j = 0; j < 10; j++)
			expect(pool, &"abcdefghij"[j], 1);
		take_end(pool);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
		close_pool(pool);
		close(ends[0]);
	}
}
END_TEST

/* ---- callbacks that call the pool ---- */

/* Every call but vm_cancel() is refused. */
static void call_pool(struct script *s)
{
	struct script never = SCRIPT(0);
	struct vm_result r;

#define REFUSED(call) do { \
		errno = 0; \
		ck_assert_int_eq((call), -1); \
		ck_assert_int_eq(errno, EDEADLK); \
	} while (0)
	REFUSED(vm_zip_in_out(s->pool, &r));
	REFUSED(vm_zip_in_out_within(s->pool, &r, 0));
	REFUSED(vm_imap(s->pool, source_of(&never)));
	ck_assert_int_eq(never.closed, 1);
	REFUSED(vm_ready(s->pool, 0));
	REFUSED(vm_close(s->pool));
}

static void check_calls(int workers)
{
	struct script s = SCRIPT(1, 1, 0), unread = SCRIPT(1),
	    refused = SCRIPT(1);
	vm_pool *pool = in_order(workers, 0);
	struct vm_source without = source_of(&refused);

	s.extra = unread.extra = refused.extra = call_pool;
	s.pool = unread.pool = refused.pool = pool;
	imap_to(pool, source_of(&s));
	expect_text(pool, "xy");
	expect_text(pool, "xy");
	take_end(pool);
	ck_assert_int_eq(s.closed, 1);
	without.next = NULL;
	expect_refusal(pool, without, EINVAL);
	ck_assert_int_eq(refused.closed, 1);
	imap_to(pool, source_of(&unread));	/* closed by vm_close() */
	close_pool(pool);
	ck_assert_int_eq(unread.closed, 1);
	ck_assert_int_eq(unread.calls, 0);
}

START_TEST(hooks_must_not_call_their_pool)
{
	check_calls(2);
	check_calls(VM_SERIAL);
}
END_TEST

static void cancel_pool(struct script *s)
{
	vm_cancel(s->pool, 0);
}

START_TEST(hooks_may_cancel)
{
	const int workers[] = { 1, 3, VM_SERIAL };

	for (size_t i = 0; i < COUNTOF(workers); i++) {
		struct script s = SCRIPT(1), behind = SCRIPT(1);
		vm_pool *pool = in_order(workers[i], 0);
		struct vm_result r;
		int results = 0, rc;

		s.extra = cancel_pool;
		s.pool = pool;
		imap_to(pool, source_of(&s));
		imap_to(pool, source_of(&behind));
		while ((rc = vm_zip_in_out(pool, &r)) == 1)
			results++;
		ck_assert_int_eq(rc, 0);
		ck_assert_int_eq(results, s.calls);
		ck_assert_int_eq(s.closed, 1);
		ck_assert_int_eq(behind.calls, 0);
		ck_assert_int_eq(behind.closed, 1);
		imap_to(pool, vm_array("on", 1, 2));
		expect_text(pool, "on");
		take_end(pool);
		close_pool(pool);
	}
}
END_TEST

/* ---- close() ---- */

static int close_in(int (*end)(vm_pool *, struct script *), int workers)
{
	struct script s = SCRIPT(1);
	vm_pool *pool = in_order(workers, 0);

	s.pool = pool;
	return end(pool, &s) == 0 && s.closed == 1;
}

static int by_close_at_once(vm_pool *pool, struct script *s)
{
	imap_to(pool, source_of(s));
	return vm_close(pool);
}

static int by_close_in_the_middle(vm_pool *pool, struct script *s)
{
	imap_to(pool, source_of(s));
	expect_text(pool, "xy");
	return vm_close(pool);
}

static int by_cancel(vm_pool *pool, struct script *s)
{
	struct vm_result r;

	imap_to(pool, source_of(s));
	expect_text(pool, "xy");
	vm_cancel(pool, 0);
	while (vm_zip_in_out(pool, &r) == 1)
		ck_assert_uint_eq(r.input_size, 2);
	ck_assert_int_eq(s->closed, 1);
	return vm_close(pool);
}

static int by_cancel_and_close(vm_pool *pool, struct script *s)
{
	imap_to(pool, source_of(s));
	expect_text(pool, "xy");
	vm_cancel(pool, 0);
	return vm_close(pool);
}

static int by_a_null_pool(vm_pool *pool, struct script *s)
{
	errno = 0;
	ck_assert_int_eq(vm_imap(NULL, source_of(s)), -1);
	ck_assert_int_eq(errno, EINVAL);
	return vm_close(pool);
}

static int by_a_bad_source(vm_pool *pool, struct script *s)
{
	struct vm_source source = source_of(s);

	source.next = NULL;
	ck_assert_int_eq(vm_imap(pool, source), -1);
	ck_assert_int_eq(s->closed, 1);
	return vm_close(pool);
}

START_TEST(close_is_called_just_once)
{
	int (*const ends[])(vm_pool *, struct script *) = {
		by_close_at_once, by_close_in_the_middle, by_cancel,
		by_cancel_and_close, by_a_null_pool, by_a_bad_source };

	for (size_t i = 0; i < COUNTOF(ends); i++) {
		ck_assert_msg(close_in(ends[i], 2), "end %zu", i);
		ck_assert_msg(close_in(ends[i], VM_SERIAL), "end %zu", i);
	}
}
END_TEST

START_TEST(ready_made_sources_may_be_dropped_unread)
{
	vm_pool *pool = in_order(2, 0);
	FILE *f = file_of(text, sizeof text - 1);

	for (int i = 0; i < 2; i++) {
		imap_to(pool, vm_range(0, 100));
		imap_to(pool, vm_lines(f));
		imap_to(pool, vm_lines_fd(fileno(f)));
		imap_to(pool, vm_glob("/*"));
		if (i == 0) {
			vm_cancel(pool, 0);
			take_end(pool);
		}
	}
	close_pool(pool);
	rewind(f);
	ck_assert_int_eq(getc(f), 'f');
	fclose(f);
}
END_TEST

/* ---- pools in a row ---- */

/* Inputs are the results of another pool. */
static int next_of_pool(void *from, const void **input, size_t *size)
{
	struct vm_result r;
	int rc = vm_zip_in_out(from, &r);

	if (rc != 1)
		return rc;
	if (r.type != VM_OUTPUT) {
		errno = EIO;
		return -1;
	}
	*input = r.output;
	*size = r.output_size;
	return 1;
}

static int add_one(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = *(const int64_t *)input + 1;

	(void)size;
	return vm_output(me, &n, sizeof n);
}

static void chain_pools(int workers, size_t chunk_size)
{
	const struct vm_worker adding = { .process = add_one };
	const struct vm_options options = { .workers = workers,
		.chunk_size = chunk_size };
	vm_pool *a = fork_pool(&adding, &options);
	vm_pool *b = fork_pool(&adding, &options);
	struct vm_source s = { .next = next_of_pool, .from = a };
	int64_t sum = 0;
	struct vm_result r;

	imap_to(a, vm_range(0, 2000));
	imap_to(b, s);
	for (int i = 0; i < 2000; i++) {
		take(b, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		sum += *(const int64_t *)r.output;
	}
	take_end(b);
	take_end(a);
	ck_assert_int_eq(sum, 2000 * 1999 / 2 + 2 * 2000);
	close_pool(b);
	close_pool(a);
}

START_TEST(a_pool_may_feed_another)
{
	chain_pools(2, 0);
	chain_pools(1, 1);
	chain_pools(3, 20);
	chain_pools(VM_SERIAL, 0);
}
END_TEST

/* ---- a source that may block ---- */

/* Number of results taken. */
static int taken_by_now;
static struct shared *sh;

static int at_gate(struct vm_context *me, const void *input, size_t size)
{
	if (await(&sh->counter[0], 1, limit_ms()) < 0)
		return vm_fail(me, 1, "nobody has opened the gate");
	return vm_output(me, input, size);
}

/* With the third input the results of the first two become ready. */
static int next_of_four(void *from, const void **input, size_t *size)
{
	int *n = from;

	if (*n == 4)
		return 0;
	if (*n == 2) {
		atomic_store(&sh->counter[0], 1);
		nap_ms(100);
	}
	if (*n == 3)
		ck_assert_int_ge(taken_by_now, 2);
	++*n;
	*input = n;
	*size = sizeof *n;
	return 1;
}

/* Whatever the source waits for, results that are ready must not wait. */
START_TEST(it_is_not_asked_while_results_are_ready)
{
	const struct vm_worker worker = { .process = at_gate };
	struct vm_result r;
	vm_pool *pool;
	int n = 0;

	sh = shared_new();
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 3,
	    .chunk_size = 1 });
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_callback(next_of_four, &n));
	for (taken_by_now = 0; taken_by_now < 4; taken_by_now++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		nap_ms(1);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		arrays, arrays_of_any_size, what_is_inherited_does_not_count,
		corners_of_inherited_arrays, strings, ranges, globs,
		globs_read_all,
		lines_of_a_file, lines_with_all_bytes_and_of_all_lengths,
		lines_of_a_pipe_fed_slowly,
		lines_come_while_the_pipe_stays_open,
		lines_too_long_fail_their_source,
		lines_without_end_fail_their_source,
		descriptors_that_cannot_be_read_fail_their_source,
		failures_come_after_what_was_read, no_input_may_be_null,
		later_with_nothing_in_flight_is_a_deadlock,
		later_is_asked_again_after_a_result,
		later_with_wait_fd_is_waited_for,
		hooks_must_not_call_their_pool, hooks_may_cancel,
		close_is_called_just_once,
		ready_made_sources_may_be_dropped_unread,
		a_pool_may_feed_another,
		it_is_not_asked_while_results_are_ready };
	const TTest *const drawn[] = {
		arrays_may_be_inherited };

	return run_sampled_tests("sources", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
