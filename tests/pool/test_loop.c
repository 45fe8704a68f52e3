/*
 * test_loop.c - vm_fd(): a program that only polls the descriptor gets every
 * result, whatever happens, and is not woken for nothing.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "tools.h"

enum special { CRASHES = 100, EXITS, HANGS, FAILS_ONCE, SLOW };
#define N 1000

static int work(struct vm_context *me, const void *input, size_t size)
{
	(void)size;
	switch (number(input)) {
	case CRASHES:
		raise(SIGKILL);
		break;
	case EXITS:
		exit(4);
	case HANGS:
		for (;;)
			pause();
	case FAILS_ONCE:
		if (me->attempt == 1)
			return vm_fail(me, 1, "once");
		break;
	case SLOW:
		nap_ms(300);
		break;
	default:
		break;
	}
	return vm_output(me, input, sizeof(int64_t));
}

static const struct vm_worker worker = { .process = work };

/* What a loop has seen. */
struct seen {
	int results;
	int wakes;		/* polls that returned */
	int vain;		/* of which no result came */
	int cause[N];		/* by input: 0 for an output; -1: none yet */
	int attempts[N];
	int last;		/* return value of the last call */
};

static void note(struct seen *s, const struct vm_result *r)
{
	int64_t i = number(r->input);

	ck_assert_int_lt(i, N);
	ck_assert_int_eq(s->cause[i], -1);
	s->cause[i] = r->type == VM_OUTPUT ? 0 : (int)r->exception->cause;
	s->attempts[i] = r->attempts;
	s->results++;
}

/* Waits for the descriptor alone.  Takes up to "most" results a time.  Returns
   at the end, or at a failure. */
static void loop(vm_pool *pool, int most, struct seen *s)
{
	struct pollfd fd = { .fd = vm_fd(pool), .events = POLLIN };
	struct vm_result r;
	int n, rc = VM_LATER;

	ck_assert_int_ge(fd.fd, 0);
	do {
		ck_assert_msg(poll(&fd, 1, limit_ms()) == 1, "no wake-up "
		    "after %d results", s->results);
		ck_assert_int_eq(fd.revents, POLLIN);
		s->wakes++;
		for (n = 0; n < most; n++) {
			rc = vm_zip_in_out_within(pool, &r, 0);
			if (rc != 1)
				break;
			note(s, &r);
		}
		s->vain += n == 0;
		ck_assert_int_eq(vm_fd(pool), fd.fd);
	} while (rc == 1 || rc == VM_LATER);
	s->last = rc;
}

static void init(struct seen *s)
{
	*s = (struct seen){ .results = 0 };
	for (int i = 0; i < N; i++)
		s->cause[i] = -1;
}

/* A thousand inputs with a crash, an exit, a timeout and a retry. */
static void run(unsigned flags, int most, size_t chunk_size)
{
	struct vm_options o = { .workers = 2, .flags = flags,
		.item_timeout_ms = 500, .max_attempts = 2,
		.retry_on = VM_FAILED, .retry_delay_ms = 200,
		.chunk_size = chunk_size };
	struct seen s;
	vm_pool *pool = fork_pool(&worker, &o);

	init(&s);
	imap_to(pool, vm_range(0, N));
	loop(pool, most, &s);
	ck_assert_msg(s.last == 0, "%s", vm_error(pool));
	ck_assert_int_eq(s.results, N);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(s.cause[i], i == CRASHES ? VM_KILLED :
		    i == EXITS ? VM_EXITED : i == HANGS ? VM_TIMED_OUT : 0);
	ck_assert_int_eq(s.attempts[FAILS_ONCE], 2);
	/* Far fewer than a loop that never sleeps would have. */
	ck_assert_int_lt(s.vain, 2000);
	close_pool(pool);
}

START_TEST(a_loop_gets_every_result)
{
	run(0, N, 0);
	run(VM_ORDERED, N, 0);
}
END_TEST

START_TEST(a_loop_may_take_results_singly)
{
	run(0, 1, 0);
	run(VM_ORDERED, 1, 0);
}
END_TEST

START_TEST(a_loop_gets_results_of_single_inputs)
{
	run(0, 16, 1);
}
END_TEST

/* The pool needs nothing while an item runs. */
START_TEST(a_slow_item_wakes_nobody)
{
	struct vm_options o = { .workers = 1 };
	struct seen s;
	vm_pool *pool = fork_pool(&worker, &o);

	init(&s);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(SLOW, SLOW + 1));
	loop(pool, 1, &s);
	ck_assert_int_eq(s.last, 0);
	ck_assert_int_eq(s.results, 1);
	ck_assert_int_lt(s.wakes, 20);
	close_pool(pool);
}
END_TEST

START_TEST(an_idle_pool_is_not_readable)
{
	struct vm_options o = { .workers = 2 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct pollfd fd = { .fd = vm_fd(pool), .events = POLLIN };
	struct vm_result r;
	struct seen s;

	init(&s);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, 10));
	loop(pool, 1, &s);
	/* Workers that say hello may wake it, each at most a few times. */
	for (int i = 0; i < 20 && poll(&fd, 1, 0) == 1; i++)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), 0);
	ck_assert_int_eq(poll(&fd, 1, 50), 0);
	vm_cancel(pool, 0);
	ck_assert_int_eq(poll(&fd, 1, limit_ms()), 1);
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), 0);
	ck_assert_int_eq(poll(&fd, 1, 0), 0);
	close_pool(pool);
}
END_TEST

/* Results that the program leaves keep the descriptor readable. */
START_TEST(results_left_keep_it_readable)
{
	struct vm_options o = { .workers = 1 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct pollfd fd = { .fd = vm_fd(pool), .events = POLLIN };
	struct vm_result r;
	int rc;

	imap_to(pool, vm_range(0, 50));
	do {
		ck_assert_int_eq(poll(&fd, 1, limit_ms()), 1);
		rc = vm_zip_in_out_within(pool, &r, 0);
	} while (rc == VM_LATER);
	for (int i = 1; i < 50; i++) {
		ck_assert_int_eq(rc, 1);
		ck_assert_int_eq(poll(&fd, 1, limit_ms()), 1);
		while ((rc = vm_zip_in_out_within(pool, &r, 0)) == VM_LATER)
			ck_assert_int_eq(poll(&fd, 1, limit_ms()), 1);
	}
	close_pool(pool);
}
END_TEST

/* Blocking calls work as before, and do not spin. */
START_TEST(blocking_calls_may_be_mixed_in)
{
	struct vm_options o = { .workers = 2 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct pollfd fd = { .fd = vm_fd(pool), .events = POLLIN };
	struct vm_result r;
	unsigned long before;

	imap_to(pool, vm_range(SLOW, SLOW + 1));
	ck_assert_int_eq(poll(&fd, 1, limit_ms()), 1);
	before = switches_of(getpid());
	take(pool, &r);
	ck_assert_int_lt(switches_of(getpid()) - before, 100);
	take_end(pool);
	close_pool(pool);
}
END_TEST

START_TEST(serial_pools_have_it)
{
	struct vm_options o = { .workers = VM_SERIAL };
	vm_pool *pool = fork_pool(&worker, &o);
	struct seen s;

	init(&s);
	imap_to(pool, vm_range(0, 50));
	loop(pool, 3, &s);
	ck_assert_int_eq(s.last, 0);
	ck_assert_int_eq(s.results, 50);
	close_pool(pool);
}
END_TEST

/* ---- sources ---- */

static int ends[2];
static int64_t sent, current;

/* An input for each byte in the pipe. */
static int next(void *from, const void **input, size_t *size)
{
	char byte;
	ssize_t n = read(ends[0], &byte, 1);

	(void)from;
	if (n == 0)
		return 0;
	if (n < 0)
		return errno == EAGAIN ? VM_LATER : -1;
	current = sent++;
	*input = &current;
	*size = sizeof current;
	return 1;
}

static int wait_fd(void *from)
{
	(void)from;
	return ends[0];
}

START_TEST(a_source_that_waits_wakes_it)
{
	struct vm_options o = { .workers = 1 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct pollfd fd = { .fd = vm_fd(pool), .events = POLLIN };
	struct vm_result r;
	int rc;

	sent = 0;
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, (struct vm_source){ .next = next, .wait_fd = wait_fd });
	for (int64_t i = 0; i < 20; i++) {
		while (poll(&fd, 1, 20) == 1)
			ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0),
			    VM_LATER);
		ck_assert_int_eq(write(ends[1], "x", 1), 1);
		do {
			ck_assert_int_eq(poll(&fd, 1, limit_ms()), 1);
			rc = vm_zip_in_out_within(pool, &r, 0);
		} while (rc == VM_LATER);
		ck_assert_int_eq(rc, 1);
		ck_assert_int_eq(number(r.input), i);
	}
	close(ends[1]);
	do {
		ck_assert_int_eq(poll(&fd, 1, limit_ms()), 1);
		rc = vm_zip_in_out_within(pool, &r, 0);
	} while (rc == VM_LATER);
	ck_assert_int_eq(rc, 0);
	close_pool(pool);
	close(ends[0]);
}
END_TEST

/* The source of a pool takes the results of another. */
static vm_pool *upstream;
static struct vm_result passed;

static int next_result(void *from, const void **input, size_t *size)
{
	int rc = vm_zip_in_out_within(upstream, &passed, 0);

	(void)from;
	*input = passed.output;
	*size = passed.output_size;
	return rc;
}

static int upstream_fd(void *from)
{
	(void)from;
	return vm_fd(upstream);
}

START_TEST(pools_make_a_pipeline)
{
	struct vm_options o = { .workers = 2 };
	struct seen s;
	vm_pool *pool = fork_pool(&worker, &o);

	upstream = fork_pool(&worker, &o);
	init(&s);
	imap_to(upstream, vm_range(0, CRASHES));
	imap_to(pool, (struct vm_source){ .next = next_result,
	    .wait_fd = upstream_fd });
	loop(pool, 10, &s);
	ck_assert_int_eq(s.last, 0);
	ck_assert_int_eq(s.results, CRASHES);
	close_pool(pool);
	close_pool(upstream);
}
END_TEST

/* ---- ends ---- */

START_TEST(vm_finish_ends_a_loop)
{
	struct vm_options o = { .workers = 2 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct seen s;

	init(&s);
	imap_to(pool, vm_range(0, 50));
	ck_assert_int_eq(vm_finish(pool), 0);
	loop(pool, 4, &s);
	ck_assert_int_eq(s.last, 0);
	ck_assert_int_eq(s.results, 50);
	close_pool(pool);
}
END_TEST

START_TEST(a_broken_pool_tells_it_in_the_loop)
{
	struct vm_options o = { .workers = 2 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct pollfd fd = { .fd = vm_fd(pool), .events = POLLIN };
	pid_t server;
	struct seen s;

	init(&s);
	ck_assert_int_eq(list_children(getpid(), &server, 1), 1);
	imap_to(pool, vm_range(SLOW, SLOW + 3));
	kill(server, SIGKILL);
	loop(pool, 1, &s);
	ck_assert_int_eq(s.last, -1);
	ck_assert_int_eq(vm_broken(pool), 1);
	ck_assert_int_eq(poll(&fd, 1, 0), 0);
	vm_close(pool);
}
END_TEST

static void *cancel_later(void *pool)
{
	nap_ms(50);
	vm_cancel(pool, 0);
	return NULL;
}

START_TEST(a_cancel_of_another_thread_wakes_it)
{
	struct vm_options o = { .workers = 1, .chunk_size = 1 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct seen s;
	pthread_t thread;

	init(&s);
	imap_to(pool, vm_range(SLOW, N));
	ck_assert_int_eq(pthread_create(&thread, NULL, cancel_later, pool), 0);
	loop(pool, 1, &s);
	ck_assert_int_eq(s.last, 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	close_pool(pool);
}
END_TEST

START_TEST(resizing_wakes_it)
{
	struct vm_options o = { .workers = 1 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct seen s;

	init(&s);
	imap_to(pool, vm_range(0, 10));
	loop(pool, 1, &s);
	ck_assert_int_eq(vm_resize(pool, 4), 0);
	imap_to(pool, vm_range(10, 50));
	loop(pool, 1, &s);
	ck_assert_int_eq(s.results, 50);
	ck_assert_int_eq(vm_resize(pool, 1), 0);
	imap_to(pool, vm_range(50, 90));
	loop(pool, 1, &s);
	ck_assert_int_eq(s.results, 90);
	close_pool(pool);
}
END_TEST

/* Closes a pool in the loop.  Returns the number of calls. */
static int close_in_loop(vm_pool *pool, int *result)
{
	struct pollfd fd = { .fd = vm_fd(pool), .events = POLLIN };
	struct vm_result r;
	int calls = 1, rc;

	while ((rc = vm_close_within(pool, 0)) == VM_LATER) {
		errno = 0;
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), -1);
		ck_assert_int_eq(errno, EPIPE);
		ck_assert_int_eq(vm_imap(pool, vm_range(0, 1)), -1);
		ck_assert_int_eq(poll(&fd, 1, limit_ms()), 1);
		calls++;
	}
	*result = rc;
	return calls;
}

static void tear_down(struct vm_context *me)
{
	(void)me;
	nap_ms(100);
}

START_TEST(a_loop_closes_without_stalling)
{
	const struct vm_worker slow = { .process = work,
		.teardown = tear_down };
	struct vm_options o = { .workers = 2 };
	vm_pool *pool = fork_pool(&slow, &o);
	struct vm_result r;
	uint64_t begin;
	int rc, calls;

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(SLOW, SLOW + 1));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), VM_LATER);
	begin = clock_ns();
	calls = close_in_loop(pool, &rc);
	ck_assert_int_eq(rc, 0);
	ck_assert_int_gt(calls, 1);
	/* It was not woken for nothing all the time. */
	ck_assert_int_lt(calls, 200);
	ck_assert_uint_gt(clock_ns() - begin, 100 * MS_IN_NS);
}
END_TEST

START_TEST(a_hung_item_ends_with_the_pool)
{
	struct vm_options o = { .workers = 1, .close_timeout_ms = 200 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct vm_result r;
	int rc;

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(HANGS, HANGS + 1));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 20), VM_LATER);
	ck_assert_int_lt(close_in_loop(pool, &rc), 200);
	ck_assert_int_eq(rc, 0);
}
END_TEST

START_TEST(vm_close_may_end_what_was_begun)
{
	struct vm_options o = { .workers = 1, .close_timeout_ms = 100 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct vm_result r;

	imap_to(pool, vm_range(HANGS, HANGS + 1));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 20), VM_LATER);
	ck_assert_int_eq(vm_close_within(pool, 1), VM_LATER);
	ck_assert_int_eq(vm_close(pool), 0);
	ck_assert_int_eq(vm_close_within(NULL, 1), 0);
	pool = fork_pool(&worker, &(struct vm_options){ .workers = VM_SERIAL });
	ck_assert_int_eq(vm_close_within(pool, 0), 0);
}
END_TEST

START_TEST(it_is_refused_where_calls_are)
{
	errno = 0;
	ck_assert_int_eq(vm_fd(NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { a_loop_gets_every_result,
		a_loop_may_take_results_singly,
		a_loop_gets_results_of_single_inputs,
		a_slow_item_wakes_nobody, an_idle_pool_is_not_readable,
		results_left_keep_it_readable, blocking_calls_may_be_mixed_in,
		serial_pools_have_it, a_source_that_waits_wakes_it,
		pools_make_a_pipeline, vm_finish_ends_a_loop,
		a_broken_pool_tells_it_in_the_loop,
		a_cancel_of_another_thread_wakes_it, resizing_wakes_it,
		a_loop_closes_without_stalling, a_hung_item_ends_with_the_pool,
		vm_close_may_end_what_was_begun,
		it_is_refused_where_calls_are };

	return run_tests("loop", tests, COUNTOF(tests));
}
