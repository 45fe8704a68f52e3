/*
 * test_retries.c - further attempts: for which causes, after which pauses, and
 * at the cost of which item; and the limit on failures of a run.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "engine/receive.h"
#include "tools.h"

/* Counters; from TIMES on, two for each attempt of an input. */
enum { ANSWERED, RUNS, CLOSED, TIMES = 16 };

static struct shared *sh;

static void start(void)
{
	no_cores();
	sh = shared_new();
}

/* Counts the runs of each input in sh->pid. */
static int64_t count_run(const void *input)
{
	int64_t n = number(input);

	atomic_fetch_add(&sh->pid[n], 1);
	return n;
}

/* ---- causes that are retried ---- */

static const int causes[] = { VM_FAILED, VM_KILLED, VM_EXITED, VM_TIMED_OUT,
	VM_TOO_BIG, VM_GARBLED };
enum { CAUSES = COUNTOF(causes) };

/* Writes nonsense into the result pipe, which is write-only for the worker. */
static void garble(void)
{
	unsigned char ones[64];
	struct stat s;

	memset(ones, 0xff, sizeof ones);
	for (int fd = 1023; fd > 2; fd--)
		if (fstat(fd, &s) == 0 && S_ISFIFO(s.st_mode) &&
		    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY &&
		    (fcntl(fd, F_GETFD) & FD_CLOEXEC) &&
		    write(fd, ones, sizeof ones) < 0)
			_exit(97);
}

/* Input n fails with the n-th cause. */
static int fail_of(struct vm_context *me, const void *input, size_t size)
{
	static const char much[200];
	int64_t n = count_run(input);

	if (n >= CAUSES)
		return vm_output(me, input, size);
	switch (causes[n]) {
	case VM_FAILED:
		return vm_fail(me, 1, "attempt %d", me->attempt);
	case VM_KILLED:
		raise(SIGKILL);
		break;
	case VM_EXITED:
		_exit(3);
	case VM_TIMED_OUT:
		break;
	case VM_TOO_BIG:
		return vm_output(me, much, sizeof much);
	case VM_GARBLED:
		garble();
		break;
	}
	for (;;)
		pause();
}

static void check_mask(unsigned mask, int workers)
{
	const struct vm_worker worker = { .process = fail_of };
	const struct vm_options options = { .workers = workers,
		.chunk_size = 1, .max_real_in_flight_factor = 1,
		.max_item_bytes = 100, .item_timeout_ms = 150,
		.max_attempts = 2, .retry_on = mask };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 20));
	for (int i = 0; i < 20; i++) {
		int64_t n;
		int cause;

		take(pool, &r);
		n = number(r.input);
		cause = n < CAUSES ? causes[n] : 0;
		ck_assert_int_eq(r.exception ? (int)r.exception->cause : 0,
		    cause);
		ck_assert_int_eq(r.attempts, (unsigned)cause & mask ? 2 : 1);
		ck_assert_int_eq(sh->pid[n], r.attempts);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}

START_TEST(only_causes_in_the_mask_are_tried_again)
{
	for (size_t i = 0; i < CAUSES; i++)
		check_mask((unsigned)causes[i], 3);
	check_mask(VM_FAILED | VM_EXITED | VM_GARBLED, 2);
}
END_TEST

/* ---- pauses ---- */

enum { ATTEMPTS = 5 };

static void burn_ms(int ms)
{
	uint64_t until = clock_ns() + (uint64_t)ms * MS_IN_NS;

	while (clock_ns() < until)
		continue;
}

/* Notes the begin and end of each attempt; the last attempt succeeds. */
static int note_attempts(struct vm_context *me, const void *input, size_t size)
{
	atomic_long *at = &sh->counter[TIMES + 2 * me->attempt];

	count_run(input);
	if (number(input) != 0)
		return vm_output(me, input, size);
	atomic_store(&at[0], (long)clock_ns());
	if (me->attempt != sh->pid[0])
		_exit(9);
	burn_ms(1);
	atomic_store(&at[1], (long)clock_ns());
	if (me->attempt == 3 && me->config != NULL)
		raise(SIGKILL);
	if (me->attempt < ATTEMPTS)
		return vm_fail(me, 1, "not yet");
	return vm_output(me, input, size);
}

static void check_pauses(const struct vm_options *options, bool kill,
    const int *ms)
{
	const struct vm_worker worker = { .process = note_attempts,
		.config = kill ? &kill : NULL };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, options);
	imap_to(pool, vm_range(0, 10));
	for (int i = 0; i < 10; i++) {
		int first;

		take(pool, &r);
		first = number(r.input) == 0;
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_eq(r.attempts, first ? ATTEMPTS : 1);
		ck_assert_int_eq(sh->pid[number(r.input)], r.attempts);
	}
	take_end(pool);
	for (int i = 2; i <= ATTEMPTS; i++)
		ck_assert_int_ge(sh->counter[TIMES + 2 * i] -
		    sh->counter[TIMES + 2 * i - 1],
		    ms[i - 2] * (long)MS_IN_NS);
	close_pool(pool);
	shared_free(sh);
}

START_TEST(pauses_double_up_to_a_bound)
{
	const int bounded[] = { 10, 20, 25, 25 };
	const int doubled[] = { 5, 10, 20, 40 };
	const int at_most[] = { 7, 7, 7, 7 };
	struct vm_options o = { .workers = 2, .max_attempts = ATTEMPTS,
		.chunk_size = 3 };

	for (int i = 0; i < 6; i++) {
		o.workers = i == 5 ? VM_SERIAL : 1 + i % 2;
		o.flags = i > 2 ? VM_ORDERED : 0;
		o.retry_delay_ms = 10;
		o.retry_delay_max_ms = 25;
		check_pauses(&o, i % 3 == 1, bounded);
		o.retry_delay_ms = 5;
		o.retry_delay_max_ms = 0;
		check_pauses(&o, i == 2, doubled);
		o.retry_delay_ms = 100;
		o.retry_delay_max_ms = 7;
		check_pauses(&o, false, at_most);
	}
}
END_TEST

/* In a turn of the loop, time may pass between its read of the clock and the
   failure. */
START_TEST(a_pause_begins_with_the_failure)
{
	const struct vm_worker worker = { .process = note_attempts };
	const struct vm_options options = { .workers = 1, .max_attempts = 2,
		.retry_delay_ms = 60000 };
	uint64_t now = clock_ns();
	struct vm_result r;
	struct engine *e;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	e = &pool->engine;
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, 1));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), VM_LATER);
	wait_for(&sh->counter[TIMES + 3], 1);
	while (window_due(&e->window) == NEVER)
		ck_assert_int_ge(receive_read(e, &e->crew.members[0], now), 0);
	ck_assert_uint_ge(window_due(&e->window), 60000 * MS_IN_NS +
	    (uint64_t)sh->counter[TIMES + 3]);
	close_pool(pool);
}
END_TEST

/* ---- other items during a pause ---- */

/* Fails at its first attempt, so that it pauses for a minute. */
static int first_pauses(struct vm_context *me, const void *input, size_t size)
{
	if (count_run(input) == 0 && me->attempt == 1)
		return vm_fail(me, 1, "not yet");
	return vm_output(me, input, size);
}

/* Takes all other results; the first item is left in its pause. */
static vm_pool *fork_pausing(int workers, size_t chunk_size)
{
	const struct vm_worker worker = { .process = first_pauses };
	const struct vm_options options = { .workers = workers,
		.chunk_size = chunk_size, .max_attempts = 4,
		.retry_delay_ms = 60000 };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 40));
	for (int i = 1; i < 40; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_ne(number(r.input), 0);
		ck_assert_int_eq(r.attempts, 1);
	}
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 20), VM_LATER);
	ck_assert_int_eq(sh->pid[0], 1);
	return pool;
}

static void check_cancel(int workers, size_t chunk_size)
{
	vm_pool *pool = fork_pausing(workers, chunk_size);
	struct vm_result r;

	vm_cancel(pool, 0);
	take(pool, &r);
	ck_assert_int_eq(number(r.input), 0);
	ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
	ck_assert_int_eq(r.attempts, 1);
	ck_assert_int_eq(sh->pid[0], 1);
	take_end(pool);
	imap_to(pool, vm_range(1, 2));
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}

START_TEST(others_go_on_and_a_pause_may_be_cancelled)
{
	check_cancel(1, 1);
	check_cancel(2, 10);
	check_cancel(3, 0);
	check_cancel(VM_SERIAL, 0);
}
END_TEST

static int crashes(struct vm_context *me, const void *input, size_t size)
{
	(void)me;
	(void)size;
	count_run(input);
	return raise(SIGKILL);
}

/* The reason is the cancellation, not the failure of the attempt before. */
START_TEST(a_cancelled_item_tells_of_no_death)
{
	const struct vm_worker worker = { .process = crashes };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 1,
	    .max_attempts = 2, .retry_delay_ms = 60000 });
	imap_to(pool, vm_range(0, 1));
	while (sh->pid[0] == 0)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1), VM_LATER);
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 300), VM_LATER);
	vm_cancel(pool, 0);
	take(pool, &r);
	ck_assert_int_eq(r.attempts, 1);
	ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
	ck_assert_int_eq(r.exception->signal, 0);
	ck_assert_int_eq(r.exception->exit_status, -1);
	ck_assert_uint_eq(r.exception->max_rss, 0);
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

/* The first item pauses; the outputs of the others exceed the bound on
   bytes. */
static int first_fails(struct vm_context *me, const void *input, size_t size)
{
	static const char much[1000];

	(void)size;
	if (count_run(input) == 0)
		return vm_fail(me, 1, "never");
	return vm_output(me, much, sizeof much);
}

static void slow_teardown(struct vm_context *me)
{
	(void)me;
	nap_ms(100);
	atomic_fetch_add(&sh->counter[CLOSED], 1);
}

/* The pause ends when the pool is closed, although a worker was kept for the
   item. */
START_TEST(closing_sends_nothing_that_had_paused)
{
	const struct vm_worker worker = { .process = first_fails,
		.teardown = slow_teardown };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 2,
	    .flags = VM_ORDERED, .chunk_size = 1, .max_attempts = 9,
	    .retry_delay_ms = 1000, .max_in_flight_bytes = 400 });
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, 4));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 300), VM_LATER);
	ck_assert_int_eq(sh->pid[0], 1);
	nap_ms(1000);
	close_pool(pool);
	ck_assert_int_eq(sh->pid[0], 1);
	ck_assert_int_eq(sh->counter[CLOSED], 2);
	shared_free(sh);
}
END_TEST

START_TEST(closing_does_not_wait_for_a_pause)
{
	uint64_t began;
	vm_pool *pool;

	for (int workers = 1; workers < 3; workers++) {
		pool = fork_pausing(workers, 10);
		began = clock_ns();
		close_pool(pool);
		ck_assert_uint_lt(clock_ns() - began, 60000 * MS_IN_NS);
		ck_assert_int_eq(sh->pid[0], 1);
		shared_free(sh);
	}
}
END_TEST

/* ---- sources that wait for their own item ---- */

/* The second input comes after the result of the first. */
static int next_after_answer(void *from, const void **input, size_t *size)
{
	static int64_t n;
	int64_t *given = from;

	if (*given == 2)
		return 0;
	if (*given == 1 && sh->counter[ANSWERED] == 0)
		return VM_LATER;
	n = (*given)++;
	*input = &n;
	*size = sizeof n;
	return 1;
}

/* The third input comes after the result of the second, when the first item has
   been begun again. */
static int next_after_run(void *from, const void **input, size_t *size)
{
	static int64_t n;
	int64_t *given = from;

	if (*given == 3)
		return 0;
	if (*given == 2 && sh->counter[ANSWERED] == 0)
		return VM_LATER;
	if (*given == 2 && await(&sh->counter[RUNS], 2, limit_ms()) < 0)
		return -1;
	n = (*given)++;
	*input = &n;
	*size = sizeof n;
	return 1;
}

static int fail_first_run(struct vm_context *me, const void *input,
    size_t size)
{
	if (number(input) == 0 &&
	    atomic_fetch_add(&sh->counter[RUNS], 1) == 0)
		return vm_fail(me, 1, "not yet");
	return vm_output(me, input, size);
}

static void check_waiting(int workers, int inputs,
    int (*next)(void *, const void **, size_t *))
{
	const struct vm_worker worker = { .process = fail_first_run };
	const struct vm_options options = { .workers = workers,
		.max_attempts = 2, .retry_delay_ms = 30 };
	int64_t given = 0;
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, (struct vm_source){ .next = next, .from = &given });
	for (int i = 0; i < inputs; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_eq(r.attempts, number(r.input) == 0 ? 2 : 1);
		atomic_fetch_add(&sh->counter[ANSWERED], 1);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}

START_TEST(a_source_may_wait_for_a_pausing_item)
{
	check_waiting(1, 2, next_after_answer);
	check_waiting(2, 2, next_after_answer);
	check_waiting(VM_SERIAL, 2, next_after_answer);
	check_waiting(1, 3, next_after_run);
}
END_TEST

/* A source of two inputs; the payload area has space for only one at a time. */
static int next_huge(void *from, const void **input, size_t *size)
{
	long given = atomic_fetch_add(&sh->counter[RUNS], 1);

	*input = from;
	*size = SLOT_PAYLOAD / 4 * 3;
	return given < 2;
}

/* The first item fails when the source has given the second. */
static int fail_after_next(struct vm_context *me, const void *input,
    size_t size)
{
	(void)input;
	(void)size;
	return me->index == 0 ? await(&sh->counter[RUNS], 2, limit_ms()) - 1 : 0;
}

START_TEST(what_was_read_does_not_wait_for_a_pause)
{
	const struct vm_worker worker = { .process = fail_after_next };
	const struct vm_options options = { .workers = 1, .max_attempts = 2,
		.retry_delay_ms = 300000, .retry_delay_max_ms = 300000 };
	void *bytes = calloc(1, SLOT_PAYLOAD);
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	imap_to(pool, (struct vm_source){ .next = next_huge, .from = bytes });
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	ck_assert_uint_eq(r.index, 1);
	close_pool(pool);
	shared_free(sh);
	free(bytes);
}
END_TEST

/* ---- the item that pays for a death ---- */

enum { POISON = 77 };

static int poisonous(struct vm_context *me, const void *input, size_t size)
{
	if (count_run(input) == POISON)
		raise(SIGKILL);
	return vm_output(me, input, size);
}

static void check_poison(const struct vm_options *options)
{
	const struct vm_worker worker = { .process = poisonous };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, options);
	imap_to(pool, vm_range(0, 200));
	for (int i = 0; i < 200; i++) {
		bool guilty;

		take(pool, &r);
		guilty = number(r.input) == POISON;
		ck_assert_int_eq(r.attempts, guilty ? 4 : 1);
		ck_assert_int_eq(sh->pid[number(r.input)], r.attempts);
		ck_assert_int_eq(r.exception ? (int)r.exception->cause : 0,
		    guilty ? VM_KILLED : 0);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}

START_TEST(only_the_guilty_attempt_counts)
{
	for (int workers = 1; workers < 4; workers++) {
		check_poison(&(struct vm_options){ .workers = workers,
		    .chunk_size = 10, .max_attempts = 4 });
		check_poison(&(struct vm_options){ .workers = workers,
		    .chunk_size = 10, .max_attempts = 4,
		    .retry_delay_ms = 3, .flags = VM_ORDERED });
	}
}
END_TEST

/* ---- too many failures ---- */

/* A source of numbers without end. */
static int64_t endless;

static int next_endless(void *from, const void **input, size_t *size)
{
	static int64_t n;

	(void)from;
	n = endless++;
	*input = &n;
	*size = sizeof n;
	return 1;
}

static void count_close(void *from)
{
	(void)from;
	atomic_fetch_add(&sh->counter[CLOSED], 1);
}

/* Every third item fails, at each attempt; of the others, every fifth fails at
   first. */
static int every_third(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);

	if (n % 3 == 2)
		return vm_fail(me, 1, "a third");
	if (n % 5 == 4 && me->attempt < 2)
		return vm_fail(me, 1, "a fifth");
	return vm_output(me, input, size);
}

static void check_usable(vm_pool *pool, int most)
{
	int cause[3];

	for (int i = 0; i < most - 1; i++) {
		imap_to(pool, vm_range(0, 3));
		ck_assert_int_eq(take_numbers(pool, 3, cause), 0);
		ck_assert_int_eq(cause[0], 0);
		ck_assert_int_eq(cause[1], 0);
		ck_assert_int_eq(cause[2], VM_FAILED);
	}
}

static void check_failures(struct vm_options options, int most)
{
	const struct vm_worker worker = { .process = every_third };
	const struct vm_source source = { .next = next_endless,
		.close = count_close };
	int failed = 0, rc;
	struct vm_result r;
	vm_pool *pool;

	start();
	endless = 0;
	options.max_failures = most;
	options.max_attempts = 2;
	pool = fork_pool(&worker, &options);
	imap_to(pool, source);
	imap_to(pool, source);
	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		int cause = r.exception ? (int)r.exception->cause : 0;

		ck_assert_int_eq(cause & ~(VM_FAILED | VM_CANCELLED), 0);
		failed += cause == VM_FAILED;
		if (cause == VM_FAILED)
			ck_assert_int_eq(r.attempts, 2);
		if (cause == 0)
			ck_assert_int_ne(number(r.input) % 3, 2);
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_int_ge(failed, most);
	/* Items in flight may have failed before the caller could act. */
	ck_assert_int_le(failed, most + 10 * 2 * (int)options.chunk_size);
	ck_assert_int_eq(sh->counter[CLOSED], 2);
	check_usable(pool, most);
	close_pool(pool);
	shared_free(sh);
}

START_TEST(too_many_failures_cancel_the_rest)
{
	for (int most = 1; most < 12; most += 5) {
		check_failures((struct vm_options){ .workers = 2,
		    .chunk_size = 1 }, most);
		check_failures((struct vm_options){ .workers = 2,
		    .flags = VM_ORDERED, .chunk_size = 10 }, most);
		check_failures((struct vm_options){ .workers = 1,
		    .chunk_size = 3, .retry_delay_ms = 2 }, most);
		check_failures((struct vm_options){ .workers = VM_SERIAL,
		    .chunk_size = 1, .retry_delay_ms = 1 }, most);
	}
}
END_TEST

static int fail_for_good_but_first(struct vm_context *me, const void *input,
    size_t size)
{
	(void)size;
	return number(input) == 0 ? vm_fail(me, 1, "for now") :
	    vm_fail_for_good(me, 2, "for good");
}

/* No process wakes the caller, which runs the items itself. */
START_TEST(too_many_failures_end_a_pause_without_processes)
{
	const struct vm_worker worker = { .process = fail_for_good_but_first };
	const struct vm_options options = { .workers = VM_SERIAL,
		.flags = VM_ORDERED, .max_attempts = 2, .max_failures = 1,
		.retry_delay_ms = 1000000000, .retry_delay_max_ms = 1000000000 };
	static const int wanted[] = { VM_CANCELLED, VM_FAILED };
	vm_pool *pool = fork_pool(&worker, &options);
	struct vm_result r;

	for (int64_t i = 0; i < 2; i++)
		ck_assert_int_eq(vm_submit(pool, &i, sizeof i, NULL), 1);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		ck_assert_int_eq(number(r.input), i);
		ck_assert_int_eq(r.exception->cause, wanted[i]);
	}
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* Fails at two attempts, or dies, and then succeeds: this counts as no
   failure. */
static int third_time_well(struct vm_context *me, const void *input,
    size_t size)
{
	if (me->attempt == 1)
		return -1;
	if (me->attempt == 2 && number(input) % 10 == 0)
		raise(SIGKILL);
	if (me->attempt == 2)
		return -1;
	return vm_output(me, input, size);
}

START_TEST(attempts_are_no_failures)
{
	const struct vm_worker worker = { .process = third_time_well };
	const struct vm_options options = { .workers = 2, .max_attempts = 3,
		.max_failures = 1 };
	int cause[50];
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 50));
	ck_assert_int_eq(take_numbers(pool, 50, cause), 0);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(cause[i], 0);
	close_pool(pool);
}
END_TEST

/* ---- items that control their further attempts ---- */

enum { PLAIN, FOR_GOOD, FAILED_AGAIN, LARGE_FOR_GOOD, SAYS };

/* Indexed by number; each item is begun three times, unless it refuses further
   attempts. */
static int says(struct vm_context *me, const void *input, size_t size)
{
	static const char much[200];
	int64_t n = count_run(input);

	if (n == FOR_GOOD || n == FAILED_AGAIN)
		vm_fail_for_good(me, 4, "never, at %d", me->attempt);
	if (n == LARGE_FOR_GOOD) {
		vm_fail_for_good(me, 4, "never");
		return vm_output(me, much, sizeof much);
	}
	if (n == FAILED_AGAIN)
		vm_fail(me, 5, "at %d", me->attempt);
	return n == PLAIN ? 3 : vm_output(me, input, size);
}

START_TEST(an_item_may_fail_for_good)
{
	static const struct { int runs, code; const char *words; } want[] = {
		[PLAIN] = { 3, 3, NULL },
		[FOR_GOOD] = { 1, 4, "never, at 1" },
		[FAILED_AGAIN] = { 3, 5, "at 3" },
		[LARGE_FOR_GOOD] = { 1, EFBIG, NULL },
	};
	const struct vm_worker worker = { .process = says };
	const int workers[] = { 1, VM_SERIAL };

	for (size_t i = 0; i < COUNTOF(workers); i++) {
		struct vm_result r;
		vm_pool *pool;

		start();
		pool = fork_pool(&worker, &(struct vm_options){
		    .workers = workers[i], .max_item_bytes = 100,
		    .max_attempts = 3, .flags = VM_ORDERED });
		/* The next item does not inherit the refusal. */
		imap_to(pool, vm_range(0, SAYS));
		imap_to(pool, vm_range(0, 1));
		for (int n = 0; n < SAYS; n++) {
			take(pool, &r);
			ck_assert_int_eq(r.attempts, want[n].runs);
			ck_assert_int_eq(r.exception->code, want[n].code);
			if (want[n].words != NULL)
				ck_assert_str_eq(r.exception->message,
				    want[n].words);
		}
		take(pool, &r);
		ck_assert_int_eq(r.attempts, 3);
		take_end(pool);
		ck_assert_int_eq(sh->pid[PLAIN], 6);
		close_pool(pool);
		shared_free(sh);
	}
}
END_TEST

/* The first input sets its own pauses: at first 0, then 60 ms; the second
   always sets a pause of 0. */
static int asks_when(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);

	atomic_store(&sh->counter[TIMES + 4 * n + me->attempt],
	    (long)clock_ns());
	if (vm_retry_after(me, -1) != -1 || errno != EINVAL)
		return 99;
	if (vm_retry_after(me, 5000) != 0)
		return 99;
	if (n == 1 || me->attempt == 1)
		vm_retry_after(me, 0);
	else
		vm_retry_after(me, 60);
	return me->attempt < 3 ? 1 : vm_output(me, input, size);
}

START_TEST(an_item_may_ask_for_its_own_pause)
{
	const struct vm_worker worker = { .process = asks_when };
	const int workers[] = { 1, VM_SERIAL };

	for (size_t i = 0; i < COUNTOF(workers); i++) {
		atomic_long *at;
		int cause[2];
		vm_pool *pool;

		start();
		/* The pauses of the options would never end. */
		pool = fork_pool(&worker, &(struct vm_options){
		    .workers = workers[i], .max_attempts = 3,
		    .retry_delay_ms = 2000000000,
		    .retry_delay_max_ms = 2000000000 });
		imap_to(pool, vm_range(0, 2));
		ck_assert_int_eq(take_numbers(pool, 2, cause), 0);
		ck_assert(cause[0] == 0 && cause[1] == 0);
		at = &sh->counter[TIMES];
		ck_assert_int_ge(at[3] - at[2], 60 * (long)MS_IN_NS);
		close_pool(pool);
		shared_free(sh);
	}
}
END_TEST

/* A pause set by an item does not apply to the next item. */
static int asks_once(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) == 0) {
		vm_retry_after(me, 2000000000);
		return vm_output(me, input, size);
	}
	return me->attempt == 1 ? 1 : vm_output(me, input, size);
}

START_TEST(a_pause_is_of_one_attempt)
{
	const struct vm_worker worker = { .process = asks_once };
	int cause[2];
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){ .workers = 1,
	    .max_attempts = 2 });

	imap_to(pool, vm_range(0, 2));
	ck_assert_int_eq(take_numbers(pool, 2, cause), 0);
	ck_assert(cause[0] == 0 && cause[1] == 0);
	close_pool(pool);
}
END_TEST

enum { SECOND_FAILS = 1, FIRST_OF_NEXT };

/* The first item fails at once, the second when it is released; the next run
   waits until that failure was returned. */
static int fail_late(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);

	if (n == SECOND_FAILS)
		await(&sh->counter[RUNS], 1, limit_ms());
	if (n <= SECOND_FAILS)
		return vm_fail(me, 1, "as it should");
	if (n == FIRST_OF_NEXT)
		await(&sh->counter[ANSWERED], 2, limit_ms());
	return vm_output(me, input, size);
}

/* Late failures of a run that was given up do not count for the next run. */
START_TEST(each_job_has_its_own_failures)
{
	const struct vm_worker worker = { .process = fail_late };
	const struct vm_options options = { .workers = 2, .chunk_size = 1,
		.max_failures = 1 };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 2));
	take(pool, &r);
	ck_assert_int_eq(number(r.input), 0);
	imap_to(pool, vm_range(FIRST_OF_NEXT, 20));
	atomic_store(&sh->counter[RUNS], 1);
	for (int i = 1; i < 20; i++) {
		take(pool, &r);
		if (number(r.input) == SECOND_FAILS)
			atomic_store(&sh->counter[ANSWERED], 2);
		else
			ck_assert_int_eq(r.type, VM_OUTPUT);
	}
	ck_assert_int_eq(sh->counter[ANSWERED], 2);
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_pause_begins_with_the_failure,
		others_go_on_and_a_pause_may_be_cancelled,
		a_cancelled_item_tells_of_no_death,
		closing_does_not_wait_for_a_pause,
		a_source_may_wait_for_a_pausing_item,
		what_was_read_does_not_wait_for_a_pause,
		only_the_guilty_attempt_counts,
		too_many_failures_cancel_the_rest,
		too_many_failures_end_a_pause_without_processes,
		attempts_are_no_failures,
		an_item_may_fail_for_good, an_item_may_ask_for_its_own_pause,
		a_pause_is_of_one_attempt, each_job_has_its_own_failures };
	const TTest *const drawn[] = {
		pauses_double_up_to_a_bound,
		only_causes_in_the_mask_are_tried_again,
		closing_sends_nothing_that_had_paused };

	return run_sampled_tests("retries", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
