/*
 * test_loops.c - vm_fd(): a host that calls the pool only when the descriptor
 * is readable, and has no timer, gets every result, and sleeps in between.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "tools.h"

enum { GATE, BEGUN, TEARDOWNS };
enum { N = 1000, CRASH = 100, LEAVE = 200, HANG = 300, FAIL = 400, BIG = 500 };
enum { BIG_BYTES = 3 << 20, TIMEOUT_MS = 400, RETRY_MS = 100 };
/* A host that spins makes far more calls for each item. */
enum { CALLS_MOST = 20 };

static struct shared *sh;

static void start(void)
{
	no_cores();
	sh = shared_new();
}

/* ---- the host ---- */

/* A host's loop: its pool, the calls it has made, and the last of their
   values. */
struct looper {
	vm_pool *pool;
	struct pollfd fd;
	long calls;
	int said;
};

static void follow(struct looper *h, vm_pool *pool)
{
	int fd = vm_fd(pool);

	ck_assert_msg(fd >= 0, "%s", vm_error(pool));
	ck_assert_int_eq(vm_fd(pool), fd);
	*h = (struct looper){ .pool = pool, .said = VM_LATER,
		.fd = { .fd = fd, .events = POLLIN } };
}

static bool is_readable(struct looper *h, int ms)
{
	int r;

	do
		r = poll(&h->fd, 1, ms);
	while (r < 0 && errno == EINTR);
	ck_assert_int_ge(r, 0);
	return r == 1;
}

/* Calls the pool each time it is readable, until there is a result.  Returns
   what the last call has said: 1, 0 or -1. */
static int next_result(struct looper *h, struct vm_result *r)
{
	do {
		ck_assert_msg(is_readable(h, limit_ms()), "a hang");
		h->calls++;
		h->said = vm_zip_in_out_within(h->pool, r, 0);
	} while (h->said == VM_LATER);
	return h->said;
}

/* Calls the pool until it has nothing more to do. */
static void calm(struct looper *h)
{
	uint64_t by = clock_ns() + limit_ns();
	struct vm_result r;

	while (is_readable(h, 0)) {
		ck_assert_int_eq(vm_zip_in_out_within(h->pool, &r, 0), h->said);
		ck_assert_msg(clock_ns() < by, "never idle");
	}
}

/* ---- all kinds of items ---- */

static int mixed(struct vm_context *me, const void *input, size_t size)
{
	int64_t i = number(input);
	void *big;

	(void)size;
	if (i == CRASH)
		raise(SIGSEGV);
	if (i == LEAVE)
		exit(3);
	while (i == HANG)
		pause();
	if (i == FAIL && me->attempt == 1)
		return vm_fail(me, 7, "not yet");
	if (i % 100 == 7)
		nap_ms(5);
	if (i != BIG)
		return vm_output(me, &i, sizeof i);
	big = vm_reserve(me, BIG_BYTES);
	memset(big, 'x', BIG_BYTES);
	memcpy(big, &i, sizeof i);
	return vm_commit(me, BIG_BYTES);
}

static vm_pool *fork_mixed(int workers, unsigned flags)
{
	const struct vm_worker worker = { .process = mixed };
	const struct vm_options options = { .workers = workers,
		.flags = flags, .item_timeout_ms = TIMEOUT_MS,
		.max_attempts = 2, .retry_on = VM_FAILED,
		.retry_delay_ms = RETRY_MS };

	start();
	return fork_pool(&worker, &options);
}

/* The first results of a pool of fork_mixed() are checked here. */
static void check_mixed(const struct vm_result *r, char *seen)
{
	int64_t i = number(r->input);
	enum vm_cause cause = i == CRASH ? VM_KILLED : i == LEAVE ? VM_EXITED :
	    i == HANG ? VM_TIMED_OUT : 0;

	ck_assert_int_eq(seen[i]++, 0);
	ck_assert_int_eq(r->attempts, i == FAIL ? 2 : 1);
	ck_assert_int_eq(r->exception ? r->exception->cause : 0, cause);
	if (cause == 0)
		ck_assert_int_eq(number(r->output), i);
}

/* Takes all results, "most" with each event at most (0: all that are there).
   Returns the number of events. */
static long run_mixed(struct looper *h, int most)
{
	char seen[N] = { 0 };
	struct vm_result r;
	long events = 0, n = 0;

	while (h->said == VM_LATER) {
		ck_assert_msg(is_readable(h, limit_ms()), "a hang");
		events++;
		for (int i = 0; most == 0 || i < most; i++) {
			h->said = vm_zip_in_out_within(h->pool, &r, 0);
			if (h->said != 1)
				break;
			check_mixed(&r, seen);
			n++;
			h->said = VM_LATER;
		}
	}
	ck_assert_int_eq(h->said, 0);
	ck_assert_int_eq(n, N);
	return events;
}

static void try_mixed(unsigned flags, int most)
{
	struct looper h;

	follow(&h, fork_mixed(3, flags));
	imap_to(h.pool, vm_range(0, N));
	ck_assert_int_lt(run_mixed(&h, most), CALLS_MOST * N);
	calm(&h);
	close_pool(h.pool);
	shared_free(sh);
}

START_TEST(all_that_is_there)
{
	try_mixed(0, 0);
	try_mixed(VM_ORDERED, 0);
}
END_TEST

START_TEST(one_by_one)
{
	try_mixed(0, 1);
	try_mixed(VM_ORDERED, 1);
}
END_TEST

START_TEST(some_at_a_time)
{
	try_mixed(0, 16);
	try_mixed(VM_ORDERED, 16);
}
END_TEST

/* ---- sources ---- */

/* A source that reads its inputs from a pipe. */
struct trickle {
	int ends[2];
	int64_t input;
};

static int trickle_next(void *from, const void **input, size_t *size)
{
	struct trickle *t = from;
	ssize_t r = read(t->ends[0], &t->input, sizeof t->input);

	*input = &t->input;
	*size = sizeof t->input;
	if (r < 0)
		return errno == EAGAIN ? VM_LATER : -1;
	return r > 0;
}

static int trickle_fd(void *from)
{
	return ((struct trickle *)from)->ends[0];
}

static struct vm_source trickle(struct trickle *t)
{
	ck_assert_int_eq(pipe(t->ends), 0);
	ck_assert_int_eq(fcntl(t->ends[0], F_SETFL, O_NONBLOCK), 0);
	return (struct vm_source){ .next = trickle_next, .from = t,
		.wait_fd = trickle_fd };
}

static void *feed_trickle(void *arg)
{
	const struct trickle *t = arg;

	for (int64_t i = 0; i < N; i++) {
		if (write(t->ends[1], &i, sizeof i) != sizeof i)
			abort();
		if (i % 100 == 0)
			nap_ms(5);
	}
	close(t->ends[1]);
	return NULL;
}

START_TEST(a_source_that_has_nothing_yet)
{
	struct trickle t;
	struct looper h;
	pthread_t feeder;

	follow(&h, fork_mixed(3, 0));
	imap_to(h.pool, trickle(&t));
	ck_assert_int_eq(pthread_create(&feeder, NULL, feed_trickle, &t), 0);
	ck_assert_int_lt(run_mixed(&h, 0), CALLS_MOST * N);
	pthread_join(feeder, NULL);
	close_pool(h.pool);
	close(t.ends[0]);
	shared_free(sh);
}
END_TEST

START_TEST(an_input_ends_the_sleep)
{
	const int64_t one = 1;
	struct vm_result r;
	struct trickle t;
	struct looper h;

	follow(&h, fork_mixed(3, 0));
	imap_to(h.pool, trickle(&t));
	h.said = VM_LATER;
	calm(&h);
	ck_assert_int_eq(write(t.ends[1], &one, sizeof one), sizeof one);
	ck_assert_int_eq(next_result(&h, &r), 1);
	ck_assert_int_eq(number(r.output), 1);
	close(t.ends[1]);
	ck_assert_int_eq(next_result(&h, &r), 0);
	close_pool(h.pool);
	close(t.ends[0]);
	shared_free(sh);
}
END_TEST

/* The results of a pool as the inputs of another. */
static int chain_next(void *from, const void **input, size_t *size)
{
	struct vm_result r;
	int said = vm_zip_in_out_within(from, &r, 0);

	*input = r.output;
	*size = said == 1 ? r.output_size : 0;
	return said;
}

static int chain_fd(void *from)
{
	return vm_fd(from);
}

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

START_TEST(a_pool_behind_a_pool)
{
	const struct vm_worker worker = { .process = echo };
	const struct vm_options options = { .workers = 2 };
	struct vm_result r;
	struct looper h;
	vm_pool *first;
	int64_t sum = 0;

	start();
	first = fork_pool(&worker, &options);
	follow(&h, fork_pool(&worker, &options));
	imap_to(first, vm_range(0, N));
	imap_to(h.pool, (struct vm_source){ .next = chain_next, .from = first,
		.wait_fd = chain_fd });
	while (next_result(&h, &r) == 1)
		sum += number(r.output);
	ck_assert_int_eq(h.said, 0);
	ck_assert_int_eq(sum, N * (N - 1) / 2);
	ck_assert_int_lt(h.calls, CALLS_MOST * N);
	close_pool(h.pool);
	close_pool(first);
	shared_free(sh);
}
END_TEST

/* ---- what ends the host's sleep ---- */

/* The last input waits until the test opens the gate. */
static int gated(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) > 0) {
		atomic_fetch_add(&sh->counter[BEGUN], 1);
		if (await(&sh->counter[GATE], 1, limit_ms()) < 0)
			return vm_fail(me, 1, "the gate stays closed");
	}
	return vm_output(me, input, size);
}

static void note_teardown(struct vm_context *me)
{
	atomic_fetch_add(&sh->counter[TEARDOWNS], 1);
	vm_output(me, "bye", 3);
}

static void follow_gated(struct looper *h, int workers, unsigned flags)
{
	const struct vm_worker worker = { .process = gated,
		.teardown = note_teardown };
	const struct vm_options options = { .workers = workers,
		.chunk_size = 2, .flags = flags };

	start();
	follow(h, fork_pool(&worker, &options));
}

/* The worker stages the first output and begins the second input. */
START_TEST(a_result_that_its_worker_holds_back)
{
	struct vm_result r;
	struct looper h;

	follow_gated(&h, 1, 0);
	imap_to(h.pool, vm_range(0, 2));
	ck_assert_int_eq(next_result(&h, &r), 1);
	ck_assert_int_eq(number(r.output), 0);
	wait_for(&sh->counter[BEGUN], 1);
	h.said = VM_LATER;
	calm(&h);
	atomic_store(&sh->counter[GATE], 1);
	ck_assert_int_eq(next_result(&h, &r), 1);
	ck_assert_int_eq(next_result(&h, &r), 0);
	close_pool(h.pool);
	shared_free(sh);
}
END_TEST

START_TEST(a_result_in_hand)
{
	struct vm_result r;
	struct looper h;

	follow(&h, fork_mixed(3, 0));
	imap_to(h.pool, vm_range(0, 10));
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(next_result(&h, &r), 1);
		ck_assert(is_readable(&h, 0));
	}
	ck_assert_int_eq(next_result(&h, &r), 0);
	close_pool(h.pool);
	shared_free(sh);
}
END_TEST

/* A blocking call in between leaves the descriptor right. */
START_TEST(calls_that_block_in_between)
{
	struct vm_result r;
	struct looper h;

	follow(&h, fork_mixed(3, 0));
	for (int i = 0; i < 50; i++) {
		imap_to(h.pool, vm_range(0, 2));
		take(h.pool, &r);
		ck_assert_int_eq(vm_ready(h.pool, -1), 0);
		ck_assert_int_eq(next_result(&h, &r), 1);
		take_end(h.pool);
		calm(&(struct looper){ .pool = h.pool, .fd = h.fd });
	}
	close_pool(h.pool);
	shared_free(sh);
}
END_TEST

static int large(struct vm_context *me, const void *input, size_t size)
{
	static const char bytes[65536];

	(void)size;
	if (number(input) == 0 &&
	    await(&sh->counter[GATE], 1, limit_ms()) < 0)
		return vm_fail(me, 1, "the gate stays closed");
	return vm_output(me, bytes, sizeof bytes);
}

/* The first result is awaited, and no more can be held of the others. */
START_TEST(results_that_may_not_be_read_now)
{
	const struct vm_worker worker = { .process = large };
	const struct vm_options options = { .workers = 2, .chunk_size = 1,
		.flags = VM_ORDERED, .max_in_flight_bytes = 1 << 18 };
	struct vm_result r;
	struct looper h;
	int64_t i = 0;

	start();
	follow(&h, fork_pool(&worker, &options));
	imap_to(h.pool, vm_range(0, 100));
	h.said = VM_LATER;
	for (int n = 0; n < 5; n++) {
		calm(&h);
		nap_ms(10);
	}
	atomic_store(&sh->counter[GATE], 1);
	for (; next_result(&h, &r) == 1; i++)
		ck_assert_int_eq(number(r.input), i);
	ck_assert_int_eq(i, 100);
	ck_assert_int_lt(h.calls, CALLS_MOST * 100);
	close_pool(h.pool);
	shared_free(sh);
}
END_TEST

static void *cancel(void *pool)
{
	nap_ms(20);
	vm_cancel(pool, VM_CANCEL_RUNNING);
	return NULL;
}

START_TEST(cancelling_in_another_thread)
{
	struct vm_result r;
	struct looper h;
	pthread_t other;
	int n = 0;

	follow_gated(&h, 2, 0);
	imap_to(h.pool, vm_range(1, 11));
	ck_assert_int_eq(pthread_create(&other, NULL, cancel, h.pool), 0);
	for (; next_result(&h, &r) == 1; n++)
		ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
	ck_assert_int_eq(h.said, 0);
	ck_assert_int_eq(n, 10);
	pthread_join(other, NULL);
	calm(&h);
	close_pool(h.pool);
	shared_free(sh);
}
END_TEST

/* A source whose wait_fd(), which is called just before the wait, cancels. */
struct sentry {
	vm_pool *pool;
	int fd;
	enum { QUIET, CANCELS, HAS_CANCELLED } state;
};

static int nothing_yet(void *from, const void **input, size_t *size)
{
	(void)from, (void)input, (void)size;
	return VM_LATER;
}

static int cancel_before_the_wait(void *from)
{
	struct sentry *s = from;

	if (s->state == CANCELS) {
		s->state = HAS_CANCELLED;
		vm_cancel(s->pool, VM_CANCEL_RUNNING);
	}
	return s->fd;
}

/* The call that reads the event of vm_cancel() does not carry it out; with a
   chunk_size of 1 nothing else is to be done for seconds. */
START_TEST(cancelling_within_a_call)
{
	const struct vm_worker worker = { .process = gated };
	const struct vm_options options = { .workers = 1, .chunk_size = 1 };
	const int64_t input = 1;
	struct vm_result r;
	struct looper h;
	struct sentry s;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	start();
	follow(&h, fork_pool(&worker, &options));
	s = (struct sentry){ .pool = h.pool, .fd = ends[0] };
	ck_assert_int_eq(vm_submit(h.pool, &input, sizeof input, NULL), 1);
	imap_to(h.pool, (struct vm_source){ .next = nothing_yet, .from = &s,
		.wait_fd = cancel_before_the_wait });
	while (sh->counter[BEGUN] == 0)
		calm(&h);
	for (int n = 0; n < 5; n++) {
		nap_ms(10);
		calm(&h);
	}
	s.state = CANCELS;
	ck_assert_int_eq(vm_zip_in_out_within(h.pool, &r, 0), VM_LATER);
	ck_assert_int_eq(s.state, HAS_CANCELLED);
	ck_assert(is_readable(&h, 0));
	ck_assert_int_eq(next_result(&h, &r), 1);
	ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
	ck_assert_int_eq(next_result(&h, &r), 0);
	close_pool(h.pool);
	close(ends[0]);
	close(ends[1]);
	shared_free(sh);
}
END_TEST

START_TEST(a_new_number_of_workers)
{
	struct vm_result r;
	struct looper h;

	follow_gated(&h, 1, 0);
	imap_to(h.pool, vm_range(1, 7));
	h.said = VM_LATER;
	calm(&h);
	ck_assert_int_eq(vm_resize(h.pool, 3), 0);
	while (atomic_load(&sh->counter[BEGUN]) < 3) {
		ck_assert(is_readable(&h, limit_ms()));
		ck_assert_int_eq(vm_zip_in_out_within(h.pool, &r, 0), VM_LATER);
	}
	ck_assert_int_eq(vm_resize(h.pool, 1), 0);
	atomic_store(&sh->counter[GATE], 1);
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(next_result(&h, &r), 1);
	ck_assert_int_eq(next_result(&h, &r), 0);
	close_pool(h.pool);
	shared_free(sh);
}
END_TEST

START_TEST(teardowns_are_told)
{
	struct vm_result r;
	struct looper h;

	follow_gated(&h, 3, VM_TELL_TEARDOWNS);
	imap_to(h.pool, vm_range(0, 1));
	ck_assert_int_eq(next_result(&h, &r), 1);
	ck_assert_int_eq(next_result(&h, &r), 0);
	calm(&h);
	ck_assert_int_eq(vm_finish(h.pool), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(next_result(&h, &r), 1);
		ck_assert_int_eq(r.type, VM_TEARDOWN);
	}
	ck_assert_int_eq(next_result(&h, &r), 0);
	calm(&h);
	close_pool(h.pool);
	shared_free(sh);
}
END_TEST

START_TEST(a_pool_without_processes)
{
	struct vm_result r;
	struct looper h;
	int64_t i = 0;

	follow(&h, fork_mixed(VM_SERIAL, 0));
	calm(&(struct looper){ .pool = h.pool, .fd = h.fd });
	imap_to(h.pool, vm_range(FAIL - 20, FAIL + 20));
	for (; next_result(&h, &r) == 1; i++)
		ck_assert_ptr_null(r.exception);
	ck_assert_int_eq(i, 40);
	ck_assert_int_lt(h.calls, CALLS_MOST * 40);
	calm(&h);
	vm_cancel(h.pool, 0);
	ck_assert(is_readable(&h, 0));
	close_pool(h.pool);
	shared_free(sh);
}
END_TEST

/* ---- pools that break ---- */

START_TEST(a_broken_pool)
{
	struct vm_result r;
	struct looper h;
	pid_t server;
	int n = 0;

	follow_gated(&h, 2, 0);
	imap_to(h.pool, vm_range(1, 11));
	h.said = VM_LATER;
	calm(&h);
	ck_assert_int_eq(list_children(getpid(), &server, 1), 1);
	kill(server, SIGKILL);
	for (; next_result(&h, &r) == 1; n++)
		ck_assert_int_eq(r.exception->cause, VM_LOST);
	ck_assert_int_eq(h.said, -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_gt(n, 0);
	ck_assert(is_readable(&h, 0));
	ck_assert_int_eq(vm_fd(h.pool), h.fd.fd);
	vm_close(h.pool);
	shared_free(sh);
}
END_TEST

/* The number of the pool's timer is a timer of the host's by now. */
START_TEST(a_timer_that_the_host_has_closed)
{
	const struct itimerspec hour = { .it_value.tv_sec = 3600 };
	struct itimerspec left;
	struct vm_result r;
	struct looper h;
	int timer, mine;

	follow_gated(&h, 2, 0);
	h.said = 0;
	calm(&h);
	timer = h.pool->engine.listening.poller.timer;
	close(timer);
	mine = timerfd_create(CLOCK_MONOTONIC, 0);
	ck_assert_int_eq(mine, timer);
	ck_assert_int_eq(timerfd_settime(mine, 0, &hour, NULL), 0);
	imap_to(h.pool, vm_range(0, 1));
	ck_assert_int_eq(vm_broken(h.pool), 1);
	ck_assert_ptr_nonnull(strstr(vm_error(h.pool), "closed"));
	ck_assert_int_eq(vm_zip_in_out(h.pool, &r), -1);
	vm_close(h.pool);
	ck_assert_int_eq(timerfd_gettime(mine, &left), 0);
	ck_assert_int_gt(left.it_value.tv_sec, 3000);
	close(mine);
	shared_free(sh);
}
END_TEST

/* ---- closing ---- */

/* Closes a pool in calls that do not wait.  Returns the last value. */
static int close_in_steps(struct looper *h)
{
	struct vm_result r;
	int rc = vm_close_within(h->pool, 0);

	for (h->calls = 1; rc == VM_LATER; h->calls++) {
		ck_assert_int_eq(vm_zip_in_out_within(h->pool, &r, 0), -1);
		ck_assert_int_eq(errno, EPIPE);
		ck_assert_int_eq(vm_imap(h->pool, vm_range(0, 1)), -1);
		ck_assert_int_eq(errno, EPIPE);
		ck_assert_int_eq(vm_finish(h->pool), -1);
		ck_assert_int_eq(vm_resize(h->pool, 1), -1);
		ck_assert_int_eq(vm_ready(h->pool, 0), -1);
		ck_assert_int_eq(vm_fd(h->pool), h->fd.fd);
		ck_assert_msg(is_readable(h, limit_ms()), "a hang");
		rc = vm_close_within(h->pool, 0);
	}
	return rc;
}

START_TEST(closing_in_steps)
{
	struct looper h;
	int fds = count_fds();

	follow_gated(&h, 3, 0);
	imap_to(h.pool, vm_range(0, 1));
	take(h.pool, &(struct vm_result){ .input = NULL });
	ck_assert_int_eq(close_in_steps(&h), 0);
	ck_assert_int_lt(h.calls, 1000);
	ck_assert_int_eq(sh->counter[TEARDOWNS], 3);
	ck_assert_int_eq(count_fds(), fds);
	ck_assert_int_eq(count_children(), 0);
	shared_free(sh);
}
END_TEST

/* An item runs on until the gate opens. */
START_TEST(closing_while_an_item_runs)
{
	struct vm_result r;
	struct looper h;

	follow_gated(&h, 1, 0);
	imap_to(h.pool, vm_range(1, 2));
	while (atomic_load(&sh->counter[BEGUN]) == 0)
		ck_assert_int_eq(vm_zip_in_out_within(h.pool, &r, 10),
		    VM_LATER);
	ck_assert_int_eq(vm_close_within(h.pool, 20), VM_LATER);
	ck_assert_int_eq(vm_zip_in_out(h.pool, &r), -1);
	ck_assert_ptr_nonnull(strstr(vm_error(h.pool), "vm_close_within"));
	atomic_store(&sh->counter[GATE], 1);
	ck_assert_int_eq(close_in_steps(&h), 0);
	ck_assert_int_eq(sh->counter[TEARDOWNS], 1);
	shared_free(sh);
}
END_TEST

START_TEST(closing_a_broken_pool)
{
	struct looper h;
	pid_t server;

	follow_gated(&h, 2, 0);
	ck_assert_int_eq(vm_ready(h.pool, -1), 0);
	ck_assert_int_eq(list_children(getpid(), &server, 1), 1);
	kill(server, SIGKILL);
	wait_gone(server);
	ck_assert_int_eq(close_in_steps(&h), 1);
	ck_assert_int_lt(h.calls, 1000);
	ck_assert_int_eq(count_children(), 0);
	shared_free(sh);
}
END_TEST

START_TEST(closing_without_processes)
{
	struct looper h;

	follow_gated(&h, VM_SERIAL, 0);
	imap_to(h.pool, vm_range(0, 1));
	take(h.pool, &(struct vm_result){ .input = NULL });
	ck_assert_int_eq(vm_close_within(h.pool, 0), 0);
	ck_assert_int_eq(sh->counter[TEARDOWNS], 1);
	ck_assert_int_eq(vm_close_within(NULL, 0), 0);
	shared_free(sh);
}
END_TEST

/* ---- calls ---- */

static int wrong_next(void *from, const void **input, size_t *size)
{
	(void)input;
	(void)size;
	ck_assert_int_eq(vm_fd(from), -1);
	ck_assert_int_eq(errno, EDEADLK);
	return 0;
}

static int in_a_child(void *pool)
{
	return vm_fd(pool) != -1 || errno != EPERM;
}

START_TEST(wrong_calls)
{
	struct looper h;

	ck_assert_int_eq(vm_fd(NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	follow_gated(&h, 1, 0);
	imap_to(h.pool, (struct vm_source){ .next = wrong_next,
		.from = h.pool });
	take_end(h.pool);
	ck_assert_int_eq(in_child(in_a_child, h.pool), 0);
	close_pool(h.pool);
	shared_free(sh);
}
END_TEST

START_TEST(no_descriptor_is_left)
{
	int fds = count_fds();

	for (int i = 0; i < 3; i++)
		try_mixed(0, 0);
	ck_assert_int_eq(count_fds(), fds);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		all_that_is_there, one_by_one, some_at_a_time,
		a_source_that_has_nothing_yet, an_input_ends_the_sleep,
		a_pool_behind_a_pool, a_result_that_its_worker_holds_back,
		a_result_in_hand, calls_that_block_in_between,
		results_that_may_not_be_read_now,
		cancelling_in_another_thread, cancelling_within_a_call,
		a_new_number_of_workers,
		teardowns_are_told, a_pool_without_processes, a_broken_pool,
		a_timer_that_the_host_has_closed, closing_in_steps,
		closing_while_an_item_runs, closing_a_broken_pool,
		closing_without_processes, wrong_calls,
		no_descriptor_is_left };

	return run_tests("loops", tests, COUNTOF(tests));
}
