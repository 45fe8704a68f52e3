/*
 * test_teardowns.c - how teardowns end, and who hears of it: those that fail
 * are told by vm_close(), of workers replaced in mid-run too.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"
#include "tools.h"

enum { BUSY };

enum way { WELL, EXITS_WELL, FAILS, FAILS_MUTE, ABORTS, EXITS, HANGS,
	GARBLES };

static enum way way;
static struct shared *sh;

static int plain(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static _Noreturn void hang(void)
{
	for (;;)
		pause();
}

/* Writes garbage to the pipe that results go to. */
static void garble(void)
{
	struct stat st;

	for (int fd = 3; fd < 64; fd++)
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
		    write(fd, "garbage, garbage", 16) == 16)
			hang();
}

static void tear_down(struct vm_context *me)
{
	if (way == EXITS_WELL)
		exit(0);
	if (way == FAILS)
		vm_fail(me, 5, "The disk is full.");
	if (way == FAILS_MUTE)
		vm_fail(me, 6, NULL);
	if (way == ABORTS)
		abort();
	if (way == EXITS)
		exit(9);
	if (way == HANGS)
		hang();
	if (way == GARBLES)
		garble();
}

static void expect_text(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "\"%s\" without \"%s\"",
	    text, part);
}

/* Closes it: 1 and words for the first, and how many; or 0 and none. */
static void close_with(vm_pool *pool, const char *words, int count)
{
	char text[64];

	errno = EDOM;
	ck_assert_int_eq(vm_close(pool), words != NULL);
	ck_assert_int_eq(errno, EDOM);
	if (words == NULL) {
		ck_assert_str_eq(vm_error(NULL), "");
		return;
	}
	expect_text(vm_error(NULL), words);
	snprintf(text, sizeof text, "(%d teardowns failed.)", count);
	if (count > 1)
		expect_text(vm_error(NULL), text);
	else
		ck_assert_ptr_null(strstr(vm_error(NULL), "failed.)"));
}

static const struct vm_worker worker = { .process = plain,
	.teardown = tear_down };

/* ---- told by vm_close() ---- */

static const struct { enum way way; const char *words; } ways[] = {
	{ WELL, NULL },
	{ EXITS_WELL, NULL },
	{ FAILS, "Teardown failed in worker 7: The disk is full." },
	{ FAILS_MUTE, "Teardown failed in worker 7 with code 6." },
	{ ABORTS, "Worker 7 was killed by signal 6 (SIGABRT) in its "
	    "teardown." },
	{ EXITS, "Worker 7 exited with status 9 in its teardown." },
	{ HANGS, "Teardown in worker 7 took longer than the 100 ms of "
	    "teardown_timeout_ms." },
	{ GARBLES, "Worker 7 broke the protocol when it was to tear "
	    "down." },
};

START_TEST(close_tells_of_a_teardown_that_fails)
{
	const int index = 7;
	const struct vm_options options = { .workers = 1,
		.worker_indices = &index, .teardown_timeout_ms = 100 };

	no_cores();
	for (size_t i = 0; i < COUNTOF(ways); i++) {
		vm_pool *pool;

		way = ways[i].way;
		pool = fork_pool(&worker, &options);
		ck_assert_int_eq(vm_ready(pool, -1), 0);
		close_with(pool, ways[i].words, 1);
	}
}
END_TEST

/* Those of workers that were replaced long ago count: here three had 2, 2 and
   1 items. */
START_TEST(close_tells_of_workers_that_were_replaced)
{
	const int index = 7;
	const struct vm_options options = { .workers = 1,
		.worker_indices = &index, .max_items_per_worker = 2,
		.teardown_timeout_ms = 100 };
	int cause[5];

	no_cores();
	for (size_t i = 0; i < COUNTOF(ways); i++) {
		vm_pool *pool;

		way = ways[i].way;
		pool = fork_pool(&worker, &options);
		imap_to(pool, vm_range(0, 5));
		ck_assert_int_eq(take_numbers(pool, 5, cause), 0);
		for (int k = 0; k < 5; k++)
			ck_assert_int_eq(cause[k], 0);
		ck_assert_str_eq(vm_error(pool), "");
		close_with(pool, ways[i].words, 3);
	}
}
END_TEST

static int kills(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) == 0)
		raise(SIGKILL);
	return vm_output(me, input, size);
}

/* What became of its item tells enough of a worker that was not to leave. */
START_TEST(a_worker_that_dies_of_its_item_owes_no_teardown)
{
	const struct vm_worker w = { .process = kills,
		.teardown = tear_down };
	int cause[4];
	vm_pool *pool = fork_pool(&w, &(struct vm_options){ .workers = 1 });

	imap_to(pool, vm_range(0, 4));
	ck_assert_int_eq(take_numbers(pool, 4, cause), 0);
	ck_assert_int_eq(cause[0], VM_KILLED);
	close_with(pool, NULL, 0);
}
END_TEST

static int never_ends(struct vm_context *me, const void *input, size_t size)
{
	(void)me, (void)input, (void)size;
	atomic_fetch_add(&sh->counter[BUSY], 1);
	hang();
}

/* Busy when it was to leave, and killed for that: its teardown never ran. */
START_TEST(a_teardown_that_never_ran_is_told)
{
	const struct vm_worker w = { .process = never_ends,
		.teardown = tear_down };
	const struct vm_options options = { .workers = 1,
		.close_timeout_ms = 20 };
	struct vm_result r;
	vm_pool *pool;

	sh = shared_new();
	pool = fork_pool(&w, &options);
	imap_to(pool, vm_range(0, 1));
	while (sh->counter[BUSY] == 0)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1), VM_LATER);
	close_with(pool, "Worker 0 was killed before its teardown: it did not "
	    "come to that in time.", 1);
	shared_free(sh);
}
END_TEST

/* Without a hook there is nothing to fail. */
START_TEST(no_teardown_never_fails)
{
	const struct vm_worker w = { .process = never_ends };
	const struct vm_options options = { .workers = 1,
		.close_timeout_ms = 20 };
	struct vm_result r;
	vm_pool *pool;

	sh = shared_new();
	pool = fork_pool(&w, &options);
	imap_to(pool, vm_range(0, 1));
	while (sh->counter[BUSY] == 0)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1), VM_LATER);
	close_with(pool, NULL, 0);
	shared_free(sh);
}
END_TEST

START_TEST(serial_teardowns_fail_as_well)
{
	struct vm_options options = { .workers = VM_SERIAL };
	int cause[1];
	vm_pool *pool = fork_pool(&worker, &options);

	way = FAILS;
	close_with(pool, NULL, 0);	/* no setup, no teardown */
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 1));
	ck_assert_int_eq(take_numbers(pool, 1, cause), 0);
	close_with(pool, "Teardown failed in worker 0: The disk is full.", 1);
}
END_TEST

START_TEST(map_array_has_words_for_it)
{
	const struct vm_options options = { .workers = 1 };
	int in[3] = { 1, 2, 3 }, out[3] = { 0 };

	way = FAILS;
	ck_assert_int_eq(vm_map_array(&worker, &options, in, 3, sizeof *in,
	    out, sizeof *out, NULL, NULL), 0);
	ck_assert_int_eq(out[2], 3);
	ck_assert_str_eq(vm_error(NULL),
	    "Teardown failed in worker 0: The disk is full.");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		close_tells_of_a_teardown_that_fails,
		close_tells_of_workers_that_were_replaced,
		a_worker_that_dies_of_its_item_owes_no_teardown,
		a_teardown_that_never_ran_is_told, no_teardown_never_fails,
		serial_teardowns_fail_as_well, map_array_has_words_for_it,
	};

	return run_tests("teardowns", tests, COUNTOF(tests));
}
