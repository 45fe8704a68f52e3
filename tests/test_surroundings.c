/*
 * test_surroundings.c - what a program has around a pool: text that stdio has
 * read ahead, limits, locks that its other threads hold.
 */
#include "config.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "base.h"
#include "tools.h"

/* ---- standard input that was read ahead ---- */

#define LINES 1000

static bool wide;

/* Reads a line of stdin: how many characters, 0 at the end. */
static size_t read_line(char *line, size_t size)
{
	wchar_t text[100];

	if (!wide)
		return fgets(line, (int)size, stdin) ? strlen(line) : 0;
	if (fgetws(text, COUNTOF(text), stdin) == NULL)
		return 0;
	return (size_t)snprintf(line, size, "%ls", text);
}

/* The output is what a hook reads of stdin. */
static int reads_stdin(struct vm_context *me, const void *input, size_t size)
{
	char line[100];

	(void)input, (void)size;
	return vm_output(me, line, read_line(line, sizeof line));
}

/* Where the host is to go on. */
static void expect_line(int number)
{
	char line[100], expected[100];

	snprintf(expected, sizeof expected, "line %d\n", number);
	ck_assert_uint_gt(read_line(line, sizeof line), 0);
	ck_assert_str_eq(line, expected);
}

/* No hook reads a byte of stdin, also in workers that are forked later. */
static void check_hooks_read_nothing(void)
{
	struct vm_worker worker = { .process = reads_stdin };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 2, .chunk_size = 1, .max_items_per_worker = 1 });
	struct vm_result r;

	imap_to(pool, vm_range(0, 8));
	for (int i = 0; i < 8; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_str_eq(r.output, "");
		ck_assert_uint_eq(r.output_size, 0);
	}
	take_end(pool);
	close_pool(pool);
}

/* stdin becomes a file of lines that has no name. */
static void have_lines(void)
{
	FILE *f = tmpfile();

	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < LINES; i++)
		fprintf(f, "line %d\n", i);
	ck_assert_int_eq(fflush(f), 0);
	ck_assert_int_eq(dup2(fileno(f), 0), 0);
	ck_assert_int_eq(lseek(0, 0, SEEK_SET), 0);
	fclose(f);
}

static void have_lines_in_a_pipe(void)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(dup2(ends[0], 0), 0);
	for (int i = 0; i < LINES; i++)
		ck_assert_int_gt(dprintf(ends[1], "line %d\n", i), 0);
	close(ends[0]);
	close(ends[1]);
}

static int reads_ahead_in_a_file(void *unused)
{
	off_t at;

	(void)unused;
	have_lines();
	expect_line(0);
	at = lseek(0, 0, SEEK_CUR);
	ck_assert_int_gt(at, 7);	/* stdio has read ahead */
	check_hooks_read_nothing();
	ck_assert_int_eq(lseek(0, 0, SEEK_CUR), at);
	for (int i = 1; i < LINES; i++)
		expect_line(i);
	return 0;
}

static int reads_ahead_in_a_pipe(void *unused)
{
	char line[100];

	(void)unused;
	have_lines_in_a_pipe();
	expect_line(0);
	check_hooks_read_nothing();
	for (int i = 1; i < LINES; i++)
		expect_line(i);
	ck_assert_uint_eq(read_line(line, sizeof line), 0);
	return 0;
}

/* A character that was put back is the host's too. */
static int puts_back(void *unused)
{
	(void)unused;
	have_lines();
	expect_line(0);
	if (wide)
		ck_assert_int_eq(ungetwc(L'x', stdin), L'x');
	else
		ck_assert_int_eq(ungetc('x', stdin), 'x');
	check_hooks_read_nothing();
	if (wide)
		ck_assert_int_eq(getwc(stdin), L'x');
	else
		ck_assert_int_eq(getchar(), 'x');
	expect_line(1);
	return 0;
}

/* With a buffer of the program's a part of it only is converted at once. */
static int has_buffer(void *host)
{
	static char buffer[4096];
	int (*const *body)(void *) = host;

	if (setvbuf(stdin, buffer, _IOFBF, sizeof buffer) != 0)
		return 1;
	return (*body)(NULL);
}

/* A stream has bytes or wide characters, and that is so for good. */
static void check_both(int (*host)(void *))
{
	for (int i = 0; i < 2; i++) {
		wide = i == 1;
		ck_assert_int_eq(in_child(host, NULL), 0);
		ck_assert_int_eq(in_child(has_buffer, &host), 0);
	}
}

START_TEST(hooks_read_nothing_of_a_file)
{
	check_both(reads_ahead_in_a_file);
}
END_TEST

START_TEST(hooks_read_nothing_of_a_pipe)
{
	check_both(reads_ahead_in_a_pipe);
}
END_TEST

START_TEST(hooks_read_nothing_that_was_put_back)
{
	check_both(puts_back);
}
END_TEST

/* ---- stdin that another thread has ---- */

static pthread_barrier_t barrier;

/* Has a stream until it is told otherwise. */
static void *holds(void *stream)
{
	flockfile(stream);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	funlockfile(stream);
	return NULL;
}

/* Nobody waits for the stream: neither vm_fork(), nor a hook that does not use
   it, nor one that does where fork() frees it in the child. */
static void check_with_locked(FILE *stream)
{
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 2);
	ck_assert_int_eq(pthread_create(&thread, NULL, holds, stream), 0);
	pthread_barrier_wait(&barrier);
	ck_assert_int_ne(ftrylockfile(stream), 0);
#ifdef __GLIBC__
	check_hooks_read_nothing();
#else
	close_pool(fork_pool(&(struct vm_worker){ .process = reads_stdin },
	    &(struct vm_options){ .workers = 2 }));
#endif
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

START_TEST(another_thread_has_a_stream)
{
	FILE *streams[] = { stdin, stdout, stderr };

	wide = false;
	have_lines();
	expect_line(0);
	for (size_t i = 0; i < COUNTOF(streams); i++)
		check_with_locked(streams[i]);
	expect_line(1);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		hooks_read_nothing_of_a_file,
		hooks_read_nothing_of_a_pipe,
		hooks_read_nothing_that_was_put_back,
		another_thread_has_a_stream,
	};

	return run_tests("surroundings", tests, COUNTOF(tests));
}
