/*
 * test_setups.c - setups that fail repeatedly: the pauses in between, workers
 * that are given up and the report of it, and the fate of the inputs.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "tools.h"

enum { FAILURES = 5, PLACES = 16 };

/* SETUPS counts those of each worker, CLOCK has when one's began. */
enum { GATE, SETUPS, CLOCK = SETUPS + PLACES };

static struct shared *sh;

static void start(void)
{
	no_cores();
	sh = shared_new();
}

static int plain(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

/* Counts a setup: which one of this worker's it is, from 0. */
static long count_setup(const struct vm_context *me)
{
	return atomic_fetch_add(&sh->counter[SETUPS + me->worker_index], 1);
}

/* ---- taking ---- */

/* What came of a pool: by input, and by worker that was given up. */
struct taken {
	int cause[500];
	int told[PLACES];
};

static void note_told(const struct vm_result *r, struct taken *t)
{
	const struct vm_exception *x = r->exception;

	ck_assert_int_eq(r->type, VM_EXCEPTION);
	ck_assert_uint_eq(r->input_size, 0);
	ck_assert_uint_eq(r->index, UINT64_MAX);
	ck_assert_ptr_null(r->output);
	ck_assert_uint_eq(r->output_size, 0);
	ck_assert_ptr_null(r->tag);
	ck_assert_int_eq(r->attempts, 0);
	ck_assert(r->worker_index >= 0 && r->worker_index < PLACES);
	ck_assert_int_eq(x->cause, VM_SETUP_FAILED);
	ck_assert_int_eq(x->signal, 0);
	ck_assert_int_eq(x->exit_status, -1);
	ck_assert_int_eq(x->worker_index, r->worker_index);
	ck_assert_int_gt(x->pid, 0);
	ck_assert_str_ne(x->message, "");
	t->told[r->worker_index]++;
}

static void note_input(const struct vm_result *r, int n, struct taken *t)
{
	int64_t i;

	ck_assert_uint_eq(r->input_size, sizeof i);
	memcpy(&i, r->input, sizeof i);
	ck_assert(i >= 0 && i < n);
	ck_assert_int_eq(t->cause[i], -1);
	t->cause[i] = r->exception ? (int)r->exception->cause : 0;
	ck_assert_int_eq(r->attempts, r->exception ? 0 : 1);
}

static void forget_all(struct taken *t)
{
	memset(t->told, 0, sizeof t->told);
	for (size_t i = 0; i < COUNTOF(t->cause); i++)
		t->cause[i] = -1;
}

/* Takes all there is of the inputs 0 .. n - 1: what was said at the end. */
static int take_all(vm_pool *pool, int n, struct taken *t)
{
	struct vm_result r;
	int rc;

	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1) {
		if (r.input == NULL)
			note_told(&r, t);
		else
			note_input(&r, n, t);
	}
	ck_assert_int_ne(rc, VM_LATER);
	return rc;
}

/* The next result, which tells of a worker that was given up.  An idle pool
   says that it is at the end until it knows. */
static void take_told(vm_pool *pool, struct vm_result *r)
{
	int rc = 0;

	for (int i = 0; i < limit_ms() && rc == 0; i++) {
		rc = vm_zip_in_out(pool, r);
		if (rc == 0)
			nap_ms(1);
	}
	ck_assert_int_eq(rc, 1);
	ck_assert_ptr_null(r->input);
}

static void all_are(const int *cause, int n, int expected)
{
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(cause[i], expected);
}

/* A pool that breaks down answers what it has read, from the first on. */
static void those_read_failed(const int *cause, int n)
{
	int read = 0;

	while (read < n && cause[read] == VM_SETUP_FAILED)
		read++;
	ck_assert_int_ge(read, 1);
	all_are(cause + read, n - read, -1);
}

static int total(const struct taken *t)
{
	int n = 0;

	for (size_t i = 0; i < PLACES; i++)
		n += t->told[i];
	return n;
}

/* ---- the pauses ---- */

static int note_clock(struct vm_context *me)
{
	struct timespec now;
	long nth = count_setup(me);

	clock_gettime(CLOCK_MONOTONIC, &now);
	atomic_store(&sh->counter[CLOCK + nth],
	    now.tv_sec * 1000000L + now.tv_nsec / 1000);
	return 1;
}

START_TEST(pauses_double)
{
	const struct vm_worker worker = { .setup = note_clock,
		.process = plain };
	const struct vm_options options = { .workers = 1 };
	int cause[5];
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 5));
	ck_assert_int_eq(take_numbers(pool, 5, cause), -1);
	those_read_failed(cause, 5);
	ck_assert_int_eq(sh->counter[SETUPS], FAILURES);
	for (int k = 1; k < FAILURES; k++)
		ck_assert_int_ge(sh->counter[CLOCK + k] -
		    sh->counter[CLOCK + k - 1], 10000L << (k - 1));
	close_pool(pool);
	ck_assert_int_eq(count_children(), 0);
}
END_TEST

/* ---- nobody can work ---- */

/* Each worker fails in a way of its own. */
static int fails_somehow(struct vm_context *me)
{
	count_setup(me);
	fprintf(stderr, "setup %d wrote this\n", me->worker_index);
	if (me->worker_index == 0)
		return vm_fail(me, 3, "no luck in %d", me->worker_index);
	if (me->worker_index == 1)
		raise(SIGSEGV);
	if (me->worker_index == 2)
		exit(0);
	return 7;
}

static const char *const said[] = { "no luck in 0", "signal 11", "status 0",
	"code 7" };

static void check_nobody(int ordered, int tell)
{
	const struct vm_worker worker = { .setup = fails_somehow,
		.process = plain };
	const struct vm_options options = { .workers = 4, .ordered = ordered,
		.stderr_tail = 1, .tell_setup_failures = tell };
	int fds = count_fds();
	struct vm_result r;
	struct taken t;
	vm_pool *pool;

	start();
	forget_all(&t);
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 10));
	ck_assert_int_eq(take_all(pool, 10, &t), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(vm_broken(pool), 1);
	those_read_failed(t.cause, 10);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(t.told[i], tell);
		ck_assert_int_eq(sh->counter[SETUPS + i], FAILURES);
	}
	ck_assert_int_eq(total(&t), 4 * tell);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(vm_zip_in_out(pool, &r), -1);
	close_pool(pool);
	ck_assert_int_eq(count_fds(), fds);
	shared_free(sh);
}

START_TEST(all_are_told_and_all_inputs_answered)
{
	check_nobody(0, 1);
	check_nobody(1, 1);
}
END_TEST

START_TEST(nothing_is_told_unasked)
{
	check_nobody(0, 0);
	check_nobody(1, 0);
}
END_TEST

/* A pool without inputs tells as well, and breaks down. */
START_TEST(idle_pools_tell)
{
	const struct vm_worker worker = { .setup = fails_somehow,
		.process = plain };
	const struct vm_options options = { .workers = 2, .stderr_tail = 1,
		.tell_setup_failures = 1 };
	struct vm_result r;
	struct taken t;
	vm_pool *pool;

	start();
	forget_all(&t);
	pool = fork_pool(&worker, &options);
	for (int i = 0; i < 2; i++) {
		take_told(pool, &r);
		note_told(&r, &t);
	}
	ck_assert_int_eq(t.told[0], 1);
	ck_assert_int_eq(t.told[1], 1);
	ck_assert_int_eq(vm_zip_in_out(pool, &r), -1);
	ck_assert_int_eq(errno, EPIPE);
	close_pool(pool);
}
END_TEST

/* ---- what is told ---- */

static void check_evidence(const struct vm_result *r, int tail)
{
	const struct vm_exception *x = r->exception;
	char wrote[64];

	snprintf(wrote, sizeof wrote, "setup %d wrote this\n",
	    r->worker_index);
	ck_assert_msg(strstr(x->message, said[r->worker_index]) != NULL,
	    "worker %d: %s", r->worker_index, x->message);
	if (tail)
		ck_assert_str_eq(x->stderr_tail, wrote);
	else
		ck_assert_ptr_null(x->stderr_tail);
	if (r->worker_index == 1 && !SANITIZED)
		ck_assert_ptr_eq(strstr(x->traceback, "SIGSEGV"),
		    x->traceback);
	else
		ck_assert_ptr_null(x->traceback);
}

/* A copy has all of it, and outlives the pool. */
static void check_copy(const struct vm_result *copy, int tail)
{
	struct taken t;

	forget_all(&t);
	ck_assert_ptr_null(copy->input);
	note_told(copy, &t);
	check_evidence(copy, tail);
}

static void check_told(int tail)
{
	const struct vm_worker worker = { .setup = fails_somehow,
		.process = plain };
	const struct vm_options options = { .workers = 4,
		.stderr_tail = tail, .tell_setup_failures = 1 };
	struct vm_result *copy[4], r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	for (int i = 0; i < 4; i++) {
		take_told(pool, &r);
		check_evidence(&r, tail);
		copy[i] = vm_result_copy(&r);
		ck_assert_ptr_nonnull(copy[i]);
	}
	close_pool(pool);
	for (int i = 0; i < 4; i++) {
		check_copy(copy[i], tail);
		free(copy[i]);
	}
	shared_free(sh);
}

START_TEST(words_and_traces_of_setup_are_told)
{
	check_told(1);
}
END_TEST

START_TEST(words_are_told_without_the_tail)
{
	/* What setup writes goes to ours. */
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	check_told(0);
}
END_TEST

/* More than a pipe holds. */
enum { TEXT = 200000 };
static int held[2][2];
static char text[TEXT];

/* The last setup of each has told of its failure before it can write out its
   text and end. */
static int fails_slowly(struct vm_context *me)
{
	if (count_setup(me) == FAILURES - 1) {
		setvbuf(stdout, text, _IOFBF, TEXT);
		dup2(held[me->worker_index][1], STDOUT_FILENO);
		for (int i = 0; i < TEXT - 1; i++)
			putchar('x');
	}
	return vm_fail(me, 1, "this is %d", me->worker_index);
}

/* Lets the caller hear of both failures while both workers are alive, and
   then lets them end. */
static void hold_up_both(vm_pool *pool)
{
	struct pollfd fds[2];
	struct vm_result r;
	static char sink[TEXT];
	size_t all = 0;
	ssize_t n;

	for (int i = 0; i < 2; i++) {
		fds[i] = (struct pollfd){ held[i][0], POLLIN, 0 };
		while (poll(&fds[i], 1, 1) == 0)
			ck_assert_int_eq(vm_zip_in_out(pool, &r), 0);
	}
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(vm_zip_in_out(pool, &r), 0);
	for (int i = 0; i < 2; i++)
		for (all = 0; all < TEXT - 1; all += (size_t)n) {
			n = read(held[i][0], sink, sizeof sink);
			ck_assert_int_gt(n, 0);
		}
}

/* What one says comes before the other is buried. */
START_TEST(each_is_told_with_its_own_words)
{
	const struct vm_worker worker = { .setup = fails_slowly,
		.process = plain };
	const struct vm_options options = { .workers = 2,
		.tell_setup_failures = 1 };
	struct vm_result r;
	char words[32];
	vm_pool *pool;

	start();
	ck_assert_int_eq(pipe(held[0]) | pipe(held[1]), 0);
	pool = fork_pool(&worker, &options);
	hold_up_both(pool);
	for (int i = 0; i < 2; i++) {
		take_told(pool, &r);
		snprintf(words, sizeof words, "this is %d", r.worker_index);
		ck_assert_msg(strstr(r.exception->message, words) != NULL,
		    "worker %d: %s", r.worker_index, r.exception->message);
	}
	close_pool(pool);
}
END_TEST

static int hangs(struct vm_context *me)
{
	count_setup(me);
	for (;;)
		pause();
	return 0;
}

START_TEST(setups_that_hang_are_told)
{
	const struct vm_worker worker = { .setup = hangs, .process = plain };
	const struct vm_options options = { .workers = 2,
		.setup_timeout_ms = 20, .tell_setup_failures = 1 };
	struct taken t;
	vm_pool *pool;

	start();
	forget_all(&t);
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 5));
	ck_assert_int_eq(take_all(pool, 5, &t), -1);
	those_read_failed(t.cause, 5);
	ck_assert_int_eq(t.told[0], 1);
	ck_assert_int_eq(t.told[1], 1);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "setup_timeout_ms"));
	close_pool(pool);
}
END_TEST

/* ---- one among others ---- */

static int one_is_bad(struct vm_context *me)
{
	if (me->worker_index != 1)
		return 0;
	/* The last one, so that this place is given up when we want. */
	if (count_setup(me) == FAILURES - 1)
		await(&sh->counter[GATE], 1, limit_ms());
	return vm_fail(me, 1, "bad");
}

static void check_one_bad(int late, int ordered)
{
	const struct vm_worker worker = { .setup = one_is_bad,
		.process = plain };
	const struct vm_options options = { .workers = 3,
		.ordered = ordered, .tell_setup_failures = 1 };
	struct vm_result r;
	struct taken t;
	vm_pool *pool;

	start();
	atomic_store(&sh->counter[GATE], !late);
	forget_all(&t);
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 500));
	ck_assert_int_eq(take_all(pool, 500, &t), 0);
	all_are(t.cause, 500, 0);
	ck_assert(total(&t) == 0 || !late);
	atomic_store(&sh->counter[GATE], 1);
	if (total(&t) == 0) {
		take_told(pool, &r);
		note_told(&r, &t);
	}
	ck_assert_int_eq(t.told[1], 1);
	ck_assert_int_eq(sh->counter[SETUPS + 1], FAILURES);
	/* The others work on, and it is told once. */
	forget_all(&t);
	imap_to(pool, vm_range(0, 100));
	ck_assert_int_eq(take_all(pool, 100, &t), 0);
	all_are(t.cause, 100, 0);
	ck_assert_int_eq(total(&t), 0);
	ck_assert_int_eq(vm_broken(pool), 0);
	close_pool(pool);
	shared_free(sh);
}

START_TEST(one_bad_worker_costs_only_itself)
{
	check_one_bad(0, 0);
	check_one_bad(0, 1);
}
END_TEST

START_TEST(what_happens_after_the_work_is_told_later)
{
	check_one_bad(1, 0);
	check_one_bad(1, 1);
}
END_TEST

static int fifth_is_well(struct vm_context *me)
{
	return count_setup(me) % FAILURES < FAILURES - 1 ?
	    vm_fail(me, 1, "no") : 0;
}

static int dies_at_times(struct vm_context *me, const void *input, size_t size)
{
	if (me->index % 20 == 5)
		_exit(1);
	return vm_output(me, input, size);
}

/* Fails four times, is well, and by then the count is back at 0: so it may fail
   again. */
START_TEST(four_failures_are_forgiven)
{
	const struct vm_worker worker = { .setup = fifth_is_well,
		.process = dies_at_times };
	const struct vm_options options = { .workers = 2,
		.tell_setup_failures = 1 };
	struct vm_result r;
	int outputs = 0;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 50));
	for (int i = 0; i < 50; i++) {
		take(pool, &r);
		ck_assert_ptr_nonnull(r.input);
		outputs += r.type == VM_OUTPUT;
	}
	ck_assert_int_eq(outputs, 47);
	take_end(pool);
	close_pool(pool);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		pauses_double, all_are_told_and_all_inputs_answered,
		idle_pools_tell, words_and_traces_of_setup_are_told,
		words_are_told_without_the_tail,
		each_is_told_with_its_own_words, setups_that_hang_are_told,
		one_bad_worker_costs_only_itself };
	const TTest *const drawn[] = {
		nothing_is_told_unasked,
		what_happens_after_the_work_is_told_later,
		four_failures_are_forgiven };

	return run_sampled_tests("setups", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
