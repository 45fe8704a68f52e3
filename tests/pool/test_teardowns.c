/*
 * test_teardowns.c - outcomes of teardowns, and their reports: vm_close()
 * reports failed teardowns, including those of workers replaced during the run.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "tools.h"
#include "vimap_reduce.h"

enum { BUSY, AWAY };

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

/* Writes garbage to the result pipe. */
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

/* Closes a pool.  With words, vm_close() must return 1 and its error text
   contain the words and the number of failed teardowns; with NULL it must
   return 0 without text. */
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

/* ---- reports by vm_close() ---- */

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

/* Teardowns of workers that were replaced long ago count: here three workers
   ran 2, 2 and 1 items. */
START_TEST(close_tells_of_workers_that_were_replaced)
{
	const int index = 7;
	const struct vm_options options = { .workers = 1,
		.worker_indices = &index, .worker_max_items = 2,
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

/* A worker that dies in an item is reported by the result of the item; a
   missing teardown is not reported as well. */
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

/* The worker was busy when it had to leave, and was killed: its teardown never
   ran. */
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

/* Of two workers, each at an item that is cancelled, one had to leave. */
START_TEST(a_teardown_is_missed_as_its_item_was_cancelled)
{
	const struct vm_worker w = { .process = never_ends,
		.teardown = tear_down };
	const struct vm_options options = { .workers = 2, .chunk_size = 1 };
	struct vm_result r;
	vm_pool *pool;

	sh = shared_new();
	pool = fork_pool(&w, &options);
	imap_to(pool, vm_range(0, 2));
	while (sh->counter[BUSY] < 2)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1), VM_LATER);
	ck_assert_int_eq(vm_resize(pool, 1), 0);
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), VM_LATER);
	for (uint64_t i = 0; i < 2; i++)
		ck_assert_int_eq(vm_cancel_item(pool, NULL, i), 1);
	for (int i = 0; i < 2; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
	}
	take_end(pool);
	close_with(pool, "was killed before its teardown: its item was "
	    "cancelled.", 1);
	shared_free(sh);
}
END_TEST

/* Without a teardown callback no failure is reported. */
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
	ck_assert_int_eq(vm_map_array(&worker, &options,
	    &(struct vm_array_map){ .in = in, .count = 3, .in_size = sizeof *in,
	        .out = out, .out_size = sizeof *out }), 0);
	ck_assert_int_eq(out[2], 3);
	ck_assert_str_eq(vm_error(NULL),
	    "Teardown failed in worker 0: The disk is full.");
}
END_TEST

/* ---- reports by results ---- */

/* Counts the items of its worker, in the pointer me->state. */
static int count_up(struct vm_context *me, const void *input, size_t size)
{
	me->state = (char *)me->state + 1;
	return vm_output(me, input, size);
}

/* Number of bytes that a teardown outputs per item of its worker, behind the
   count of items. */
static size_t each;

static void say_sum(struct vm_context *me)
{
	long sum = (long)(uintptr_t)me->state;

	tear_down(me);
	if (vm_output(me, &sum, sizeof sum) != 0)
		exit(77);
	for (long i = 0; i < sum && each > 0; i++) {
		unsigned char *at = vm_reserve(me, each);

		if (at == NULL)
			return;
		memset(at, 's', each);
		vm_commit(me, each);
	}
}

static const struct vm_worker summing = { .process = count_up,
	.teardown = say_sum };

/* Takes all results up to the end: of items, and of teardowns, each of which
   runs just once.  Returns the number of teardowns. */
static int take_sums(vm_pool *pool, long items, int workers)
{
	long taken = 0, sum = 0, one;
	int teardowns = 0, rc;
	struct vm_result r;

	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1) {
		if (r.type == VM_OUTPUT) {
			taken++;
			continue;
		}
		ck_assert_int_eq(r.type, VM_TEARDOWN);
		ck_assert_ptr_null(r.exception);
		ck_assert_ptr_null(r.input);
		ck_assert_uint_eq(r.index, UINT64_MAX);
		ck_assert_int_lt(r.worker_index, workers);
		memcpy(&one, r.output, sizeof one);
		ck_assert_uint_eq(r.output_size,
		    sizeof one + (size_t)one * each);
		for (size_t i = sizeof one; i < r.output_size; i += 1000)
			ck_assert_int_eq(((const char *)r.output)[i], 's');
		ck_assert_int_eq(((const char *)r.output)[r.output_size], 0);
		sum += one;
		teardowns++;
	}
	ck_assert_msg(rc == 0, "%d: %s", rc, vm_error(pool));
	ck_assert_int_eq(taken, items);
	ck_assert_int_eq(sum, items);
	return teardowns;
}

static void finish(vm_pool *pool)
{
	ck_assert_int_eq(vm_finish(pool), 0);
	errno = 0;
	ck_assert_int_eq(vm_imap(pool, vm_range(0, 1)), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "vm_finish"));
}

START_TEST(sums_of_all_workers_add_up)
{
	static const struct { struct vm_options options; size_t each; } of[] = {
		{ { .workers = 3, .flags = VM_TELL_TEARDOWNS }, 0 },
		{ { .workers = 2, .flags = VM_TELL_TEARDOWNS | VM_ORDERED,
		    .worker_max_items = 7 }, 1000 },
		{ { .workers = 2, .flags = VM_TELL_TEARDOWNS, .chunk_size = 1,
		    .worker_max_items = 20, .max_in_flight_bytes = 1000 },
		    100000 },
		{ { .workers = VM_SERIAL, .flags = VM_TELL_TEARDOWNS }, 1000 },
	};

	way = WELL;
	for (size_t i = 0; i < COUNTOF(of); i++) {
		int workers = MAX(of[i].options.workers, 1), told;
		int share = of[i].options.worker_max_items;
		vm_pool *pool;

		each = of[i].each;
		pool = fork_pool(&summing, &of[i].options);
		imap_to(pool, vm_range(0, 100));
		finish(pool);
		told = take_sums(pool, 100, workers);
		ck_assert_int_ge(told, share ? 100 / share : workers);
		take_end(pool);
		close_pool(pool);
	}
}
END_TEST

/* Without VM_TELL_TEARDOWNS there are no results of teardowns; but vm_finish()
   waits until all workers have left. */
START_TEST(finishing_waits_for_all_to_leave)
{
	const struct vm_options options = { .workers = 2,
		.teardown_timeout_ms = 100 };
	int cause[10];
	vm_pool *pool;

	way = HANGS;
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	finish(pool);
	errno = 0;
	ck_assert_int_eq(vm_resize(pool, 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(take_numbers(pool, 0, cause), 0);
	close_with(pool, "took longer than the 100 ms", 2);
}
END_TEST

START_TEST(results_tell_of_teardowns_that_fail)
{
	static const struct { enum vm_cause cause; int value; } want[] = {
		[EXITS_WELL] = { VM_EXITED, 0 },
		[FAILS] = { VM_FAILED, 5 },
		[FAILS_MUTE] = { VM_FAILED, 6 },
		[ABORTS] = { VM_KILLED, SIGABRT },
		[EXITS] = { VM_EXITED, 9 },
		[HANGS] = { VM_TIMED_OUT, 0 },
		[GARBLES] = { VM_GARBLED, 0 },
	};
	const struct vm_options options = { .workers = 1,
		.teardown_timeout_ms = 100, .flags = VM_TELL_TEARDOWNS |
		VM_STDERR_TAIL };

	no_cores();
	each = 0;
	for (way = EXITS_WELL; way <= GARBLES; way++) {
		vm_pool *pool = fork_pool(&summing, &options);
		const struct vm_exception *x;
		struct vm_result r, *copy;

		ck_assert_int_eq(vm_ready(pool, -1), 0);
		ck_assert_int_eq(vm_finish(pool), 0);
		take(pool, &r);
		copy = vm_result_copy(&r);
		take_end(pool);
		ck_assert_int_eq(vm_close(pool), 1);
		x = copy->exception;
		ck_assert_int_eq(copy->type, VM_TEARDOWN);
		ck_assert_ptr_null(copy->output);
		ck_assert_int_eq(copy->worker_index, 0);
		ck_assert_int_eq(x->cause, want[way].cause);
		ck_assert_int_eq(x->cause == VM_FAILED ? x->code :
		    x->cause == VM_KILLED ? x->signal :
		    x->cause == VM_EXITED ? x->exit_status : 0,
		    want[way].value);
		ck_assert_int_ne(x->pid, 0);
		ck_assert_int_eq(x->worker_index, 0);
		ck_assert_str_eq(x->stderr_tail, "");
		if (way == FAILS)
			ck_assert_str_eq(x->message, "The disk is full.");
		else
			expect_text(x->message, way == GARBLES ? "protocol" :
			    "eardown");
		free(copy);
	}
}
END_TEST

static void say_late(struct vm_context *me)
{
	say_sum(me);
	atomic_store(&sh->pid[0], getpid());
	atomic_fetch_add(&sh->counter[BUSY], 1);
	/* A call that the caller is in could read all of the output. */
	await(&sh->counter[AWAY], 1, limit_ms());
}

/* The teardown ends in time; the worker blocks because the caller does not read
   its output, and must not be blamed. */
START_TEST(a_caller_that_is_away_costs_no_teardown)
{
	const struct vm_worker w = { .process = count_up,
		.teardown = say_late };
	const struct vm_options options = { .workers = 1,
		.teardown_timeout_ms = 500, .flags = VM_TELL_TEARDOWNS };
	struct vm_result r;
	vm_pool *pool;

	sh = shared_new();
	way = WELL;
	each = 500000;
	pool = fork_pool(&w, &options);
	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	finish(pool);
	while (vm_zip_in_out_within(pool, &r, 1) == VM_LATER &&
	    sh->counter[BUSY] == 0)
		;
	atomic_store(&sh->counter[AWAY], 1);
	for (int i = 0; i < 2; i++) {
		wait_asleep(sh->pid[0]);
		nap_ms(600);
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), VM_LATER);
	}
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_TEARDOWN);
	ck_assert_uint_eq(r.output_size, sizeof(long) + each);
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

static int count_type(void *sums, const struct vm_result *r)
{
	*(long *)sums += r->type == VM_TEARDOWN;
	return 0;
}

START_TEST(folding_takes_them_for_no_failure)
{
	const struct vm_options options = { .workers = 1,
		.worker_max_items = 2, .flags = VM_TELL_TEARDOWNS };
	long sums = 0;
	vm_pool *pool;

	way = WELL;
	each = 0;
	pool = fork_pool(&summing, &options);
	ck_assert_int_eq(vm_fold(pool, vm_range(0, 6), count_type, &sums), 0);
	ck_assert_int_ge(sums, 2);
	close_pool(pool);
}
END_TEST

/* The output of the teardown exceeds max_item_bytes; and vm_finish(NULL)
   fails. */
START_TEST(no_more_than_one_output_may_have)
{
	struct vm_options options = { .workers = 1, .flags = VM_TELL_TEARDOWNS,
		.max_item_bytes = 1000 };
	struct vm_result r;
	vm_pool *pool;

	way = WELL;
	each = 1000;
	pool = fork_pool(&summing, &options);
	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	ck_assert_int_eq(vm_finish(pool), 0);
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_TEARDOWN);
	ck_assert_int_eq(r.exception->cause, VM_TOO_BIG);
	take_end(pool);
	ck_assert_int_eq(vm_close(pool), 1);
	errno = 0;
	ck_assert_int_eq(vm_finish(NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* ---- vm_output() behind vm_commit() ---- */

enum { MOST = 1000 };
static size_t beyond;
static struct vm_context *kept;

static void fill_up(struct vm_context *me)
{
	void *room = vm_reserve(me, MOST);

	kept = me;
	if (room == NULL)
		exit(77);
	memset(room, 's', MOST);
	if (vm_commit(me, MOST) != 0)
		exit(77);
	vm_output(me, "s", beyond);
}

static const struct vm_worker filling = { .process = plain,
	.teardown = fill_up };

static vm_pool *fill_with(int workers, size_t more, struct vm_result *r)
{
	const struct vm_options options = { .workers = workers,
		.flags = VM_TELL_TEARDOWNS | VM_MEASURE_ITEMS,
		.max_item_bytes = MOST };
	vm_pool *pool;

	beyond = more;
	pool = fork_pool(&filling, &options);
	imap_to(pool, vm_range(0, 1));
	take(pool, r);
	ck_assert_int_eq(vm_finish(pool), 0);
	take(pool, r);
	ck_assert_int_eq(r->type, VM_TEARDOWN);
	return pool;
}

/* Items have their times before their outputs, which are not counted. */
START_TEST(measured_teardowns_have_the_same_bound)
{
	const int workers[] = { 1, VM_SERIAL };
	struct vm_result r;
	vm_pool *pool;

	for (size_t i = 0; i < COUNTOF(workers); i++) {
		pool = fill_with(workers[i], 0, &r);
		ck_assert_uint_eq(r.output_size, MOST);
		close_pool(pool);
		pool = fill_with(workers[i], 1, &r);
		ck_assert_int_eq(r.exception->cause, VM_TOO_BIG);
		ck_assert_int_eq(vm_close(pool), 1);
	}
}
END_TEST

START_TEST(no_output_follows_a_teardown)
{
	struct vm_result r;
	vm_pool *pool = fill_with(VM_SERIAL, 0, &r);

	errno = 0;
	ck_assert_int_eq(vm_output(kept, "", 0), -1);
	ck_assert_int_eq(errno, EINVAL);
	take_end(pool);
	close_pool(pool);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		close_tells_of_a_teardown_that_fails,
		a_worker_that_dies_of_its_item_owes_no_teardown,
		a_teardown_that_never_ran_is_told,
		a_teardown_is_missed_as_its_item_was_cancelled,
		no_teardown_never_fails,
		serial_teardowns_fail_as_well, map_array_has_words_for_it,
		sums_of_all_workers_add_up, finishing_waits_for_all_to_leave,
		results_tell_of_teardowns_that_fail,
		folding_takes_them_for_no_failure,
		no_more_than_one_output_may_have,
		measured_teardowns_have_the_same_bound,
		no_output_follows_a_teardown };
	const TTest *const drawn[] = {
		a_caller_that_is_away_costs_no_teardown,
		close_tells_of_workers_that_were_replaced };

	return run_sampled_tests("teardowns", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
