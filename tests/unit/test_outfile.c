/*
 * test_outfile.c - outfile: a write that fails, of which a part stays as the
 * file cannot be cut either, is cut off before the next.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "os/fdlist.h"
#include "os/outfile.h"
#include "tools.h"

static char path[32];

static void open_file(struct outfile *f)
{
	int fd;

	strcpy(path, "/tmp/vimap-outfile.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(outfile_open(f, path, false), 0);
	ck_assert_int_eq(outfile_write(f, "first\n", 6), 0);
}

static void close_file(struct outfile *f, const char *contents)
{
	char found[64] = "";
	int fd = open(path, O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(read(fd, found, sizeof found - 1), 0);
	ck_assert_str_eq(found, contents);
	close(fd);
	outfile_close(f, fdlist_drop);
	ck_assert_int_eq(f->fd, -1);
	ck_assert_int_eq(unlink(path), 0);
}

/* Makes the descriptor of the file another of the same file. */
static void reopen(const struct outfile *f, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dup3(fd, f->fd, O_CLOEXEC), f->fd);
	close(fd);
}

/* Leaves a part of a write in the file, as a disk does that is full. */
static void leave_part(const char *part)
{
	FILE *f = fopen(path, "a");

	ck_assert_ptr_nonnull(f);
	fputs(part, f);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(parts_of_writes_are_cut_off_later)
{
	static const char *const parts[] = { "", "pa", "a part of a write" };

	for (size_t i = 0; i < COUNTOF(parts); i++) {
		struct outfile f;

		open_file(&f);
		reopen(&f, O_RDONLY);
		ck_assert_int_eq(outfile_write(&f, "lost\n", 5), -EBADF);
		ck_assert(f.torn);
		ck_assert_uint_eq(f.size, 6);
		leave_part(parts[i]);
		/* Nothing is appended to a part. */
		ck_assert_int_lt(outfile_write(&f, "lost\n", 5), 0);
		ck_assert(f.torn);
		reopen(&f, O_WRONLY | O_APPEND);
		ck_assert_int_eq(outfile_write(&f, "2nd\n", 4), 0);
		ck_assert(!f.torn);
		ck_assert_int_eq(outfile_write(&f, "3rd\n", 4), 0);
		ck_assert_uint_eq(f.size, 14);
		close_file(&f, "first\n2nd\n3rd\n");
	}
}
END_TEST

/* Bytes of another program are no part of a write. */
START_TEST(other_bytes_are_not_cut_off)
{
	struct outfile f;

	open_file(&f);
	leave_part("another's\n");
	ck_assert_int_eq(outfile_write(&f, "2nd\n", 4), -ESTALE);
	ck_assert(!f.torn);
	close_file(&f, "first\nanother's\n");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { parts_of_writes_are_cut_off_later,
		other_bytes_are_not_cut_off };

	return run_tests("outfile", tests, COUNTOF(tests));
}
