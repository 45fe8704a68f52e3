/*
 * test_blocks.c - files in parts: each record in exactly one part, whatever
 * lies where the file is cut; files that are not as they were, or no files.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "tools.h"

/* A directory with files, and their paths. */
static char dir[64];
static char path[8][80];
static const char *const paths[8] = { path[0], path[1], path[2], path[3],
	path[4], path[5], path[6], path[7] };

static void make_dir(void)
{
	snprintf(dir, sizeof dir, "/tmp/vimap_blocks.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	for (size_t i = 0; i < COUNTOF(path); i++)
		snprintf(path[i], sizeof path[i], "%s/file %zu", dir, i);
}

static void remove_dir(void)
{
	for (size_t i = 0; i < COUNTOF(path); i++)
		remove(path[i]);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void write_file(const char *name, const void *text, size_t size)
{
	FILE *f = fopen(name, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, size, f), size);
	ck_assert_int_eq(fclose(f), 0);
}

static void write_text(const char *name, const char *text)
{
	write_file(name, text, strlen(text));
}

/* The output is the records of the part; the byte behind them must be 0. */
static int copy(struct vm_context *me, const void *input, size_t size)
{
	const char *bytes = NULL;
	size_t length = 0;

	if (vm_read_block(me, input, size, &bytes, &length) == -1)
		return -1;
	if (bytes[length] != '\0')
		return vm_fail(me, 1, "no 0 behind the records");
	return vm_output(me, bytes, length);
}

static const struct vm_worker copying = { .process = copy };

static vm_pool *in_order(int workers, size_t max_item)
{
	return fork_pool(&copying, &(struct vm_options){ .flags = VM_ORDERED,
	    .workers = workers, .max_item_bytes = max_item });
}

/* The next result must be the records, of that file. */
static void expect(vm_pool *pool, const char *name, const char *records)
{
	struct vm_result r;

	take(pool, &r);
	ck_assert_str_eq(vm_block_path(r.input), name);
	ck_assert_msg(r.type == VM_OUTPUT, "%s",
	    r.exception ? r.exception->message : "");
	ck_assert_uint_eq(r.output_size, strlen(records));
	ck_assert_str_eq(r.output, records);
}

/* The next result must be a failure with that code, of that file, with a
   message that has the words. */
static void expect_failure(vm_pool *pool, const char *name, int code,
    const char *words)
{
	struct vm_result r;

	take(pool, &r);
	ck_assert_str_eq(vm_block_path(r.input), name);
	ck_assert_int_eq(r.type, VM_EXCEPTION);
	ck_assert_int_eq(r.exception->cause, VM_FAILED);
	ck_assert_int_eq(r.exception->code, code);
	ck_assert_ptr_nonnull(strstr(r.exception->message, name));
	ck_assert_msg(strstr(r.exception->message, words) != NULL, "%s",
	    r.exception->message);
}

/* ---- records ---- */

/* Every part has whole records, namely those that begin in it. */
static void check_file(vm_pool *pool, const unsigned char *text, size_t size,
    uint64_t block_size, int separator)
{
	uint64_t parts = 0, cut = 0;
	size_t done = 0;
	struct vm_result r;
	int rc;

	imap_to(pool, vm_blocks(paths, 1, block_size, separator));
	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		const struct vm_block *b = r.input;

		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_uint_eq(b->offset, cut);
		ck_assert_uint_le(r.output_size, size - done);
		ck_assert_mem_eq(r.output, text + done, r.output_size);
		cut = b->offset + b->limit;
		if (r.output_size > 0)
			ck_assert(done >= b->offset && done < cut);
		done += r.output_size;
		ck_assert(done >= cut);
		if (separator < 0)
			ck_assert_uint_eq(done, cut);
		else
			ck_assert(done == size || text[done - 1] == separator);
		parts++;
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_uint_eq(done, size);
	ck_assert_uint_eq(parts, size / block_size + (size % block_size > 0));
}

/* Contents with a separator at each place that matters. */
static void check_text(vm_pool *pool, const char *text, size_t size)
{
	write_file(paths[0], text, size);
	for (uint64_t n = 1; n <= size + 2; n++) {
		check_file(pool, (const unsigned char *)text, size, n, '\n');
		check_file(pool, (const unsigned char *)text, size, n, 'b');
		check_file(pool, (const unsigned char *)text, size, n, '\0');
		check_file(pool, (const unsigned char *)text, size, n, -1);
	}
}

START_TEST(each_record_is_in_the_part_where_it_begins)
{
	static const char *const texts[] = { "a\n", "a", "\n", "\n\n\n\n",
		"a\nbb\nccc\ndddd", "\naaaaaaaaaaaa\n\nb", "aaaaaaaaaaaaaaa",
		"aaaaaaaaaaaaaaa\n", "bab\nba\nabba\nb" };
	vm_pool *pool = in_order(VM_SERIAL, 0);

	make_dir();
	for (size_t i = 0; i < COUNTOF(texts); i++)
		check_text(pool, texts[i], strlen(texts[i]));
	check_text(pool, "a\0\0bb\0c", 7);
	close_pool(pool);
	remove_dir();
}
END_TEST

/* Records of 0 to 40,000 bytes: the longest begin before several parts, and
   end behind the first bytes that are read beyond a part. */
START_TEST(records_of_any_length_in_workers)
{
	enum { SIZE = 500000 };
	static const uint64_t sizes[] = { 1000, 4095, 4096, 4097, 65536, SIZE };
	unsigned char *text = malloc(SIZE);
	vm_pool *pool = in_order(2, 0);
	uint32_t x = 1;

	make_dir();
	ck_assert_ptr_nonnull(text);
	memset(text, 'x', SIZE);
	for (size_t at = 0; at < SIZE; at += (x >> 8) % (x % 7 ? 90 : 40000)) {
		text[at] = '\n';
		x = x * 1103515245 + 12345;
	}
	write_file(paths[0], text, SIZE);
	for (size_t i = 0; i < COUNTOF(sizes); i++)
		check_file(pool, text, SIZE, sizes[i], '\n');
	close_pool(pool);
	remove_dir();
	free(text);
}
END_TEST

START_TEST(many_files_and_empty_ones)
{
	vm_pool *pool = in_order(2, 0);
	const char *const ended[] = { path[1], NULL, path[1] };

	make_dir();
	write_text(paths[0], "");
	write_text(paths[1], "1\n2");
	write_text(paths[2], "");
	write_text(paths[3], "3\n");
	write_text(paths[4], "");
	imap_to(pool, vm_blocks(paths, 5, 0, '\n'));
	imap_to(pool, vm_blocks(ended, SIZE_MAX, 2, '\n'));
	imap_to(pool, vm_blocks(NULL, 0, 0, '\n'));
	imap_to(pool, vm_blocks(paths, 1, 0, '\n'));
	expect(pool, path[1], "1\n2");
	expect(pool, path[3], "3\n");
	expect(pool, path[1], "1\n");
	expect(pool, path[1], "2");
	take_end(pool);
	close_pool(pool);
	remove_dir();
}
END_TEST

START_TEST(the_number_of_parts_is_known)
{
	struct vm_source s;

	make_dir();
	write_text(paths[0], "12345");
	write_text(paths[1], "");
	write_text(paths[2], "1234");
	/* Three, none, two, and the failure of a file that is not there. */
	s = vm_blocks(paths, 4, 2, '\n');
	ck_assert_uint_eq(s.length, 6);
	s.close(s.from);
	s = vm_files(paths, 4);
	ck_assert_uint_eq(s.length, 4);
	s.close(s.from);
	/* Holes of 2^61 bytes, where the file system takes them. */
	if (truncate(paths[0], INT64_MAX / 4) == 0 &&
	    truncate(paths[2], INT64_MAX / 4) == 0) {
		const char *const holes[] = { path[0], path[2], path[0],
			path[2], path[0], path[2], path[0], path[2], path[0] };

		s = vm_blocks(holes, 9, 1, '\n');
		ck_assert_uint_eq(s.length, 0);
		s.close(s.from);
	}
	remove_dir();
}
END_TEST

/* ---- limits ---- */

/* A record may be longer than a part, by max_item_bytes. */
START_TEST(a_record_may_be_too_long)
{
	char text[9002];
	vm_pool *pool = in_order(1, 9000);

	make_dir();
	memset(text, 'x', sizeof text);
	text[8500] = '\n';
	write_file(paths[0], text, 8504);
	imap_to(pool, vm_blocks(paths, 1, 8500, '\n'));
	imap_to(pool, vm_blocks(paths, 1, 10, '\n'));
	text[8500] = text[8501] = '\0';
	expect(pool, path[0], strcat(text, "\n"));
	expect(pool, path[0], "xxx");
	text[8501] = '\0';
	expect(pool, path[0], text);
	for (int i = 1; i < 850; i++)
		expect(pool, path[0], "");
	expect(pool, path[0], "xxx");
	take_end(pool);
	close_pool(pool);

	pool = in_order(1, 8000);
	imap_to(pool, vm_blocks(paths, 1, 500, '\n'));
	expect_failure(pool, path[0], EFBIG, "max_item_bytes");
	for (int i = 1; i < 17; i++)
		expect(pool, path[0], "");
	expect(pool, path[0], "xxx");
	take_end(pool);
	close_pool(pool);
	remove_dir();
}
END_TEST

/* ---- files that change ---- */

START_TEST(a_file_that_shrinks_fails_what_it_lost)
{
	vm_pool *pool = in_order(1, 0);

	make_dir();
	write_text(paths[0], "1\n2\n3\n4\n");
	imap_to(pool, vm_blocks(paths, 1, 4, '\n'));
	ck_assert_int_eq(truncate(paths[0], 4), 0);
	expect(pool, path[0], "1\n2\n");
	expect_failure(pool, path[0], ESTALE, "ends at byte 4, ");
	take_end(pool);
	write_text(paths[0], "1\n2\n3\n4\n");
	imap_to(pool, vm_blocks(paths, 1, 4, '\n'));
	imap_to(pool, vm_files(paths, 1));
	ck_assert_int_eq(truncate(paths[0], 6), 0);
	expect(pool, path[0], "1\n2\n");
	expect_failure(pool, path[0], ESTALE, "ends at byte 6, ");
	expect_failure(pool, path[0], ESTALE, "ends at byte 6, ");
	take_end(pool);
	close_pool(pool);
	remove_dir();
}
END_TEST

START_TEST(a_file_that_grows_ends_with_its_last_record)
{
	vm_pool *pool = in_order(1, 0);

	make_dir();
	write_text(paths[0], "1\n2");
	write_text(paths[1], "1\n2\n");
	imap_to(pool, vm_blocks(paths, 2, 2, '\n'));
	write_text(paths[0], "1\n234\n5\n");
	write_text(paths[1], "1\n2\n3\n");
	expect(pool, path[0], "1\n");
	expect(pool, path[0], "234\n");
	expect(pool, path[1], "1\n");
	expect(pool, path[1], "2\n");
	take_end(pool);
	close_pool(pool);
	remove_dir();
}
END_TEST

START_TEST(a_file_that_cannot_be_read_fails)
{
	vm_pool *pool = in_order(1, 0);
	char below[128];
	const char *const list[] = { path[0], below, path[1], path[2],
		path[3] };

	make_dir();
	snprintf(below, sizeof below, "%s/below", path[0]);
	write_text(paths[0], "1\n");
	write_text(paths[2], "2\n");
	write_text(paths[3], "3\n");
	imap_to(pool, vm_blocks(list, 5, 0, '\n'));
	imap_to(pool, vm_files(list + 2, 3));
	/* A file that comes, is removed, or is no file any more. */
	write_text(paths[1], "3\n");
	ck_assert_int_eq(remove(paths[2]), 0);
	ck_assert_int_eq(remove(paths[3]), 0);
	ck_assert_int_eq(mkdir(path[3], 0700), 0);
	expect(pool, path[0], "1\n");
	expect_failure(pool, below, ENOTDIR, "could not be had");
	expect_failure(pool, path[1], ENOENT, "could not be had");
	expect_failure(pool, path[2], ENOENT, "cannot be opened");
	expect_failure(pool, path[3], EISDIR, "cannot be read");
	expect_failure(pool, path[1], ENOENT, "could not be had");
	expect_failure(pool, path[2], ENOENT, "cannot be opened");
	expect_failure(pool, path[3], EISDIR, "cannot be read");
	take_end(pool);
	close_pool(pool);
	remove_dir();
}
END_TEST

/* ---- what is refused ---- */

static void expect_refusal(vm_pool *pool, struct vm_source s, const char *words)
{
	errno = 0;
	ck_assert_int_eq(vm_imap(pool, s), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_msg(strstr(vm_error(pool), words) != NULL, "%s",
	    vm_error(pool));
}

START_TEST(only_files_are_taken)
{
	vm_pool *pool = in_order(1, 0);
	const char *const others[] = { path[0], path[1], "/dev/null", dir };

	make_dir();
	write_text(paths[0], "1\n");
	ck_assert_int_eq(mkfifo(path[1], 0600), 0);
	expect_refusal(pool, vm_blocks(others, 4, 0, '\n'), path[1]);
	expect_refusal(pool, vm_files(others, 4), path[1]);
	expect_refusal(pool, vm_blocks(others + 2, 2, 0, '\n'), "/dev/null");
	expect_refusal(pool, vm_blocks(others + 3, 1, 0, '\n'), dir);
	expect_refusal(pool, vm_blocks(NULL, 1, 0, '\n'), "NULL");
	expect_refusal(pool, vm_files(NULL, 1), "NULL");
	expect_refusal(pool, vm_blocks(others, 1, 0, 256), "separator");
	expect_refusal(pool, vm_blocks(others, 1, 0, -2), "separator");
	/* A pipe that takes the place of a file is not waited for. */
	imap_to(pool, vm_blocks(others, 1, 0, '\n'));
	ck_assert_int_eq(remove(path[0]), 0);
	ck_assert_int_eq(mkfifo(path[0], 0600), 0);
	expect_failure(pool, path[0], ESPIPE, "cannot be read");
	take_end(pool);
	close_pool(pool);
	remove_dir();
}
END_TEST

/* Inputs that no source of the library gives, and NULL. */
static int misuse(struct vm_context *me, const void *input, size_t size)
{
	const char *bytes = "";
	size_t length = 0;
	int bad = 0;

	errno = 0;
	bad += vm_read_block(NULL, input, size, &bytes, &length) != -1;
	bad += errno != EINVAL || vm_has_failed(me);
	errno = 0;
	switch (me->index % 4) {
	case 0:
		bad += vm_read_block(me, input, size, NULL, &length) != -1;
		break;
	case 1:
		bad += vm_read_block(me, input, size, &bytes, NULL) != -1;
		break;
	case 2:
		bad += vm_read_block(me, NULL, 0, &bytes, &length) != -1;
		break;
	default:
		bad += vm_read_block(me, input, size, &bytes, &length) != -1;
	}
	bad += errno != EINVAL || !vm_has_failed(me);
	return bad == 0 ? 0 : vm_fail(me, 77, "not refused");
}

/* vm_read_block() is for process() only. */
static int read_too_early(struct vm_context *me)
{
	const struct vm_block b = { .separator = -1 };
	const char *bytes;
	size_t length;

	errno = 0;
	return vm_read_block(me, &b, sizeof b, &bytes, &length) != -1 ||
	    errno != EINVAL || vm_has_failed(me);
}

START_TEST(other_inputs_are_refused)
{
	struct { struct vm_block b; char path[8]; } inputs[] = {
		{ { 0, 4, '\n', 0 }, "/x" }, { { 0, 4, '\n', 0 }, "/x" },
		{ { 0, 4, '\n', 0 }, "/x" }, { { 0, 4, 256, 0 }, "/x" },
		{ { 0, 4, -2, 0 }, "/x" }, { { 0, 4, -2, 0 }, "/x" },
		{ { 0, 4, -2, 0 }, "/x" }, { { 0, 4, 0, -1 }, "/x" },
		{ { 0, 4, -2, 0 }, "/x" }, { { 0, 4, -2, 0 }, "/x" },
		{ { 0, 4, -2, 0 }, "/x" }, { { INT64_MAX, 1, 0, 0 }, "/x" },
		{ { 0, 4, -2, 0 }, "/x" }, { { 0, 4, -2, 0 }, "/x" },
		{ { 0, 4, -2, 0 }, "/x" },
		{ { 1, 4, 0, 0 }, { 'n', 'o', ' ', 'z', 'e', 'r', 'o', '!' } } };
	const struct vm_worker worker = { .setup = read_too_early,
		.process = misuse };
	vm_pool *pool = fork_pool(&worker, NULL);
	struct vm_result r;

	imap_to(pool, vm_array(inputs, COUNTOF(inputs), sizeof *inputs));
	imap_to(pool, vm_array(inputs, 4, sizeof inputs->b));
	imap_to(pool, vm_array(NULL, 4, 0));
	for (size_t i = 0; i < COUNTOF(inputs) + 8; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		ck_assert_int_eq(r.exception->code, EINVAL);
	}
	take_end(pool);
	close_pool(pool);
	ck_assert_str_eq(vm_block_path(NULL), "");
}
END_TEST

/* ---- whole files ---- */

/* The output is the size, and the worker could open the path. */
static int tell_size(struct vm_context *me, const void *input, size_t size)
{
	const struct vm_block *b = input;

	(void)size;
	if (access(vm_block_path(b), R_OK) == -1)
		return vm_fail(me, errno, "%s: %m", vm_block_path(b));
	return vm_output(me, &b->limit, sizeof b->limit);
}

START_TEST(whole_files_with_their_sizes)
{
	const struct vm_worker worker = { .process = tell_size };
	vm_pool *pool = in_order(2, 0);
	struct vm_result r;
	uint64_t size;

	make_dir();
	write_text(paths[0], "1\n2\n3");
	write_text(paths[1], "");
	imap_to(pool, vm_files(paths, 3));
	expect(pool, path[0], "1\n2\n3");
	expect(pool, path[1], "");
	expect_failure(pool, path[2], ENOENT, "could not be had");
	take_end(pool);
	close_pool(pool);
	pool = fork_pool(&worker, &(struct vm_options){ .flags = VM_ORDERED });
	imap_to(pool, vm_files(paths, 2));
	for (uint64_t i = 0; i < 2; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		memcpy(&size, r.output, sizeof size);
		ck_assert_uint_eq(size, i == 0 ? 5 : 0);
	}
	take_end(pool);
	close_pool(pool);
	remove_dir();
}
END_TEST

/* Two parts in one call of process(): the library reuses its buffer. */
static int copy_twice(struct vm_context *me, const void *input, size_t size)
{
	return copy(me, input, size) == -1 ? -1 : copy(me, input, size);
}

/* The buffer of a large file is kept or freed, and none of its bytes are seen
   in smaller ones. */
START_TEST(large_and_small_files_in_turn)
{
	enum { LARGE = 20 * 1024 * 1024 };
	const struct vm_worker worker = { .process = copy_twice };
	const char *const turns[] = { path[0], path[1], path[0], path[1] };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){ .workers = 1,
	    .flags = VM_ORDERED });
	struct vm_result r;

	make_dir();
	write_text(paths[0], "");
	ck_assert_int_eq(truncate(paths[0], LARGE), 0);
	write_text(paths[1], "small");
	imap_to(pool, vm_files(turns, 4));
	for (int i = 0; i < 2; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_uint_eq(r.output_size, 2 * LARGE);
		expect(pool, path[1], "smallsmall");
	}
	take_end(pool);
	close_pool(pool);
	remove_dir();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_record_is_in_the_part_where_it_begins,
		records_of_any_length_in_workers, many_files_and_empty_ones,
		the_number_of_parts_is_known, a_record_may_be_too_long,
		a_file_that_shrinks_fails_what_it_lost,
		a_file_that_grows_ends_with_its_last_record,
		a_file_that_cannot_be_read_fails, only_files_are_taken,
		other_inputs_are_refused, whole_files_with_their_sizes,
		large_and_small_files_in_turn };

	return run_tests("blocks", tests, COUNTOF(tests));
}
