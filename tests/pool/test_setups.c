/*
 * test_setups.c - setups that fail repeatedly: the pauses between them, workers
 * that are given up, the error text, and the results of the inputs.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "tools.h"

enum { FAILURES = 5, PLACES = 16 };

/* SETUPS + i counts the setups of worker i; CLOCK + n is the time at which the
   n-th setup of the only worker began. */
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

/* Counts a setup.  Returns its number among the setups of this worker, from
   0. */
static long count_setup(const struct vm_context *me)
{
	return atomic_fetch_add(&sh->counter[SETUPS + me->worker_index], 1);
}

/* ---- taking results ---- */

static void note_input(const struct vm_result *r, int n, int *cause)
{
	int64_t i;

	ck_assert_uint_eq(r->input_size, sizeof i);
	memcpy(&i, r->input, sizeof i);
	ck_assert(i >= 0 && i < n);
	ck_assert_int_eq(cause[i], -1);
	cause[i] = r->exception ? (int)r->exception->cause : 0;
	ck_assert_int_eq(r->attempts, r->exception ? 0 : 1);
}

/* Takes all results of the inputs 0 .. n - 1.  Returns the last return value of
   vm_zip_in_out_within(); cause[i] is -1 for an input without a result, 0 for
   an output. */
static int take_all(vm_pool *pool, int n, int *cause)
{
	struct vm_result r;
	int rc;

	for (int i = 0; i < n; i++)
		cause[i] = -1;
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1)
		note_input(&r, n, cause);
	ck_assert_int_ne(rc, VM_LATER);
	return rc;
}

/* Waits until the error text of the pool says that this worker was given up.
   Until then an idle pool returns 0. */
static void wait_given_up(vm_pool *pool, int worker)
{
	struct vm_result r;
	char text[32];
	int rc = 0;

	snprintf(text, sizeof text, "Worker %d was given up", worker);
	for (int i = 0; i < limit_ms() && rc == 0 &&
	    strstr(vm_error(pool), text) == NULL; i++) {
		rc = vm_zip_in_out(pool, &r);
		nap_ms(1);
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_ptr_eq(strstr(vm_error(pool), text), vm_error(pool));
}

/* Closes a pool that has given workers up, and checks the error text, which is
   not the last of the pool. */
static void close_telling(vm_pool *pool, const char *text)
{
	ck_assert_int_eq(vm_resize(pool, 0), -1);
	ck_assert_ptr_null(strstr(vm_error(pool), text));
	ck_assert_int_eq(vm_close(pool), 1);
	ck_assert_msg(strstr(vm_error(NULL), text) != NULL, "%s",
	    vm_error(NULL));
}

static void all_are(const int *cause, int n, int expected)
{
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(cause[i], expected);
}

/* A pool that breaks down fails all inputs it has read, from the first on, and
   returns no other result. */
static void those_read_failed(const int *cause, int n)
{
	int read = 0;

	while (read < n && cause[read] == VM_SETUP_FAILED)
		read++;
	ck_assert_int_ge(read, 1);
	all_are(cause + read, n - read, -1);
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

/* ---- no worker can work ---- */

/* Each worker fails in another way. */
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

static void check_nobody(int ordered)
{
	const struct vm_worker worker = { .setup = fails_somehow,
		.process = plain };
	const struct vm_options options = { .workers = 4,
		.flags = VM_STDERR_TAIL | (ordered ? VM_ORDERED : 0) };
	int fds = count_fds();
	struct vm_result r;
	int cause[10];
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 10));
	ck_assert_int_eq(take_all(pool, 10, cause), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(vm_broken(pool), 1);
	those_read_failed(cause, 10);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(sh->counter[SETUPS + i], FAILURES);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(vm_zip_in_out(pool, &r), -1);
	close_pool(pool);
	ck_assert_int_eq(count_fds(), fds);
	shared_free(sh);
}

START_TEST(all_inputs_are_answered)
{
	check_nobody(0);
	check_nobody(1);
}
END_TEST

/* A pool without inputs breaks down as well. */
START_TEST(idle_pools_break)
{
	const struct vm_worker worker = { .setup = fails_somehow,
		.process = plain };
	const struct vm_options options = { .workers = 2 };
	struct vm_result r;
	vm_pool *pool;
	int rc = 0;

	start();
	pool = fork_pool(&worker, &options);
	for (int i = 0; i < limit_ms() && rc == 0; i++) {
		rc = vm_zip_in_out(pool, &r);
		nap_ms(1);
	}
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(errno, EPIPE);
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

START_TEST(setups_that_hang_are_killed)
{
	const struct vm_worker worker = { .setup = hangs, .process = plain };
	const struct vm_options options = { .workers = 2,
		.setup_timeout_ms = 20 };
	int cause[5];
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 5));
	ck_assert_int_eq(take_all(pool, 5, cause), -1);
	those_read_failed(cause, 5);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "setup_timeout_ms"));
	close_pool(pool);
}
END_TEST

/* ---- the error text ---- */

/* The worker with this index fails in its own way; the others succeed. */
static int bad;

static int one_fails_somehow(struct vm_context *me)
{
	return me->worker_index == bad ? fails_somehow(me) : 0;
}

/* vm_error(), vm_ready() and vm_close() name the worker and the reason. */
START_TEST(the_reason_is_told)
{
	const struct vm_worker worker = { .setup = one_fails_somehow,
		.process = plain };
	const struct vm_options options = { .workers = 5,
		.flags = VM_STDERR_TAIL };
	vm_pool *pool;

	for (bad = 0; bad < 4; bad++) {
		start();
		pool = fork_pool(&worker, &options);
		wait_given_up(pool, bad);
		ck_assert_ptr_nonnull(strstr(vm_error(pool), said[bad]));
		ck_assert_int_eq(vm_ready(pool, limit_ms()), -1);
		ck_assert_int_eq(errno, ECHILD);
		ck_assert_ptr_nonnull(strstr(vm_error(pool), said[bad]));
		close_telling(pool, said[bad]);
		ck_assert_ptr_null(strstr(vm_error(NULL), "were given up"));
		shared_free(sh);
	}
}
END_TEST

/* More than a pipe holds. */
enum { TEXT = 200000 };
static int held[2][2];
static char text[TEXT];

/* Reports the last failure of each worker before the worker can write out its
   text and end. */
static int fails_slowly(struct vm_context *me)
{
	static char long_text[400];

	if (me->worker_index == 2)
		return 0;
	if (count_setup(me) == FAILURES - 1) {
		setvbuf(stdout, text, _IOFBF, TEXT);
		dup2(held[me->worker_index][1], STDOUT_FILENO);
		for (int i = 0; i < TEXT - 1; i++)
			putchar('x');
	}
	memset(long_text, 'y', sizeof long_text - 1);
	return vm_fail(me, 1, "own text of %d, %s", me->worker_index,
	    long_text);
}

/* Lets the caller read of both failures while both workers are alive, and then
   lets the workers end. */
static void hold_up_both(vm_pool *pool)
{
	static char sink[TEXT];
	struct pollfd fds[2];
	struct vm_result r;
	size_t all;
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

START_TEST(each_text_is_the_workers_own)
{
	const struct vm_worker worker = { .setup = fails_slowly,
		.process = plain };
	const struct vm_options options = { .workers = 3 };
	struct vm_result r;
	char own[32];
	vm_pool *pool;
	int index;

	start();
	ck_assert_int_eq(pipe(held[0]) | pipe(held[1]), 0);
	pool = fork_pool(&worker, &options);
	hold_up_both(pool);
	for (int i = 0; i < limit_ms() &&
	    pool->engine.staffing.given_up < 2; i++) {
		ck_assert_int_eq(vm_zip_in_out(pool, &r), 0);
		nap_ms(1);
	}
	ck_assert_int_eq(vm_close(pool), 1);
	ck_assert_int_eq(sscanf(vm_error(NULL), "Worker %d was given up",
	    &index), 1);
	snprintf(own, sizeof own, "own text of %d, ", index);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), own));
	ck_assert_ptr_nonnull(strstr(vm_error(NULL),
	    "(2 workers were given up.)"));
	shared_free(sh);
}
END_TEST

static int all_but_the_last_fail(struct vm_context *me)
{
	return me->worker_index == 3 ? 0 : fails_somehow(me);
}

START_TEST(those_given_up_are_counted)
{
	const struct vm_worker worker = { .setup = all_but_the_last_fail,
		.process = plain };
	const struct vm_options options = { .workers = 4,
		.flags = VM_STDERR_TAIL };
	int cause[100], told = 0;
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	for (int i = 0; i < limit_ms() && told < 3; i++) {
		ck_assert_int_eq(vm_zip_in_out(pool, &r), 0);
		told = (int)pool->engine.staffing.given_up;
		nap_ms(1);
	}
	ck_assert_int_eq(told, 3);
	imap_to(pool, vm_range(0, 100));
	ck_assert_int_eq(take_all(pool, 100, cause), 0);
	all_are(cause, 100, 0);
	close_telling(pool, "(3 workers were given up.)");
	shared_free(sh);
}
END_TEST

/* ---- a bad worker among good workers ---- */

static int one_is_bad(struct vm_context *me)
{
	if (me->worker_index != 1)
		return 0;
	/* The last setup waits, so that the test decides when the place is
	   given up. */
	if (count_setup(me) == FAILURES - 1)
		await(&sh->counter[GATE], 1, limit_ms());
	return vm_fail(me, 1, "bad");
}

static void check_one_bad(int late, int ordered)
{
	const struct vm_worker worker = { .setup = one_is_bad,
		.process = plain };
	const struct vm_options options = { .workers = 3,
		.flags = ordered ? VM_ORDERED : 0 };
	int cause[500];
	vm_pool *pool;

	start();
	atomic_store(&sh->counter[GATE], !late);
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 500));
	ck_assert_int_eq(take_all(pool, 500, cause), 0);
	all_are(cause, 500, 0);
	if (late)
		ck_assert_ptr_null(strstr(vm_error(pool), "given up"));
	atomic_store(&sh->counter[GATE], 1);
	wait_given_up(pool, 1);
	ck_assert_int_eq(sh->counter[SETUPS + 1], FAILURES);
	/* The other workers continue. */
	imap_to(pool, vm_range(0, 100));
	ck_assert_int_eq(take_all(pool, 100, cause), 0);
	all_are(cause, 100, 0);
	ck_assert_int_eq(vm_broken(pool), 0);
	close_telling(pool, "Setup failed in worker 1: bad");
	shared_free(sh);
}

START_TEST(one_bad_worker_costs_only_itself)
{
	check_one_bad(0, 0);
	check_one_bad(0, 1);
}
END_TEST

START_TEST(a_worker_may_be_given_up_after_the_work)
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

/* Four setups fail and the fifth succeeds, which resets the count to 0: so
   setups may fail again. */
START_TEST(four_failures_are_forgiven)
{
	const struct vm_worker worker = { .setup = fifth_is_well,
		.process = dies_at_times };
	const struct vm_options options = { .workers = 2 };
	struct vm_result r;
	int outputs = 0;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 50));
	for (int i = 0; i < 50; i++) {
		take(pool, &r);
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
		pauses_double, all_inputs_are_answered, idle_pools_break,
		setups_that_hang_are_killed, the_reason_is_told,
		each_text_is_the_workers_own, those_given_up_are_counted, one_bad_worker_costs_only_itself };
	const TTest *const drawn[] = {
		a_worker_may_be_given_up_after_the_work,
		four_failures_are_forgiven };

	return run_sampled_tests("setups", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
