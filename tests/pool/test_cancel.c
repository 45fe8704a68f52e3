/*
 * test_cancel.c - vm_cancel() from any context, at any moment: items that have
 * not begun are returned as cancelled, running items end as usual, none is
 * lost; and waits for results with a time limit.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/base.h"
#include "tools.h"

/* Places in shared->counter. */
enum { BEGUN, GATE };

/* Every item waits for the gate. */
static int wait_gate(struct vm_context *me, const void *input, size_t size)
{
	struct shared *s = me->config;

	atomic_fetch_add(&s->counter[BEGUN], 1);
	if (await(&s->counter[GATE], 1, limit_ms()) < 0)
		return vm_fail(me, 1, "the gate stayed shut");
	return vm_output(me, input, size);
}

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

/* ---- counting results ---- */

/* An endless source that counts its inputs. */
struct endless {
	int64_t given, now;
	int closed;
};

static int next_endless(void *from, const void **input, size_t *size)
{
	struct endless *e = from;

	e->now = e->given++;
	*input = &e->now;
	*size = sizeof e->now;
	return 1;
}

static void close_endless(void *from)
{
	((struct endless *)from)->closed++;
}

static struct vm_source endless(struct endless *e)
{
	return (struct vm_source){ .next = next_endless,
		.close = close_endless, .from = e };
}

struct tally {
	long outputs, cancelled;
	char seen[100000];
};

/* Notes a result, which must be an output or cancelled, and not seen before. */
static void note(struct tally *t, const struct vm_result *r)
{
	const struct vm_exception *x = r->exception;

	ck_assert_uint_lt(r->index, sizeof t->seen);
	ck_assert_int_eq(t->seen[r->index]++, 0);
	ck_assert_int_eq(*(const int64_t *)r->input, (int64_t)r->index);
	if (r->type == VM_OUTPUT) {
		ck_assert_int_eq(r->attempts, 1);
		t->outputs++;
		return;
	}
	ck_assert_msg(x->cause == VM_CANCELLED, "%s", x->message);
	ck_assert_int_eq(r->attempts, 0);
	ck_assert_int_eq(r->worker_index, -1);
	ck_assert_int_eq(x->worker_index, -1);
	ck_assert_int_eq(x->pid, 0);
	ck_assert_str_ne(x->message, "");
	t->cancelled++;
}

/* Takes the other results: every input that was read has exactly one result. */
static void note_rest(vm_pool *pool, struct tally *t,
    const struct endless *e)
{
	struct vm_result r;
	int rc;

	while ((rc = vm_zip_in_out(pool, &r)) == 1)
		note(t, &r);
	ck_assert_msg(rc == 0, "%d: %s", rc, vm_error(pool));
	ck_assert_int_eq(t->outputs + t->cancelled, e->given);
	ck_assert_int_eq(e->closed, 1);
}

/* The pool must still work. */
static void check_use(vm_pool *pool)
{
	struct vm_result r;

	imap_to(pool, vm_range(5, 6));
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	ck_assert_int_eq(*(const int64_t *)r.output, 5);
	take_end(pool);
}

/* ---- contexts that cancel ---- */

/* Cancels a pool of gated workers by the callback "start": items that had begun
   have outputs, all others are cancelled. */
static void cancel_gated(void (*start)(vm_pool *, struct shared *),
    const struct vm_options *options)
{
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = wait_gate,
		.config = s };
	vm_pool *pool = fork_pool(&worker, options);
	struct tally *t = calloc(1, sizeof *t);
	struct endless e = { 0 };

	imap_to(pool, endless(&e));
	start(pool, s);
	note_rest(pool, t, &e);
	/* Stops the signals before on_signal() would read freed counters. */
	ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
	ck_assert_int_eq(t->outputs, atomic_load(&s->counter[BEGUN]));
	check_use(pool);
	close_pool(pool);
	free(t);
	shared_free(s);
}

static vm_pool *handled;
static struct shared *handled_shared;

/* Cancels as soon as an item runs; lets the item end at the next signal. */
static void on_signal(int signal)
{
	int kept = errno;

	(void)signal;
	if (atomic_load(&handled_shared->counter[BEGUN]) == 0)
		return;
	if (handled != NULL) {
		errno = 99;
		vm_cancel(handled, 0);
		if (errno != 99)
			abort();
		handled = NULL;
	} else {
		atomic_store(&handled_shared->counter[GATE], 1);
	}
	errno = kept;
}

static void by_signal(vm_pool *pool, struct shared *s)
{
	const struct itimerval often = { { 0, 20000 }, { 0, 20000 } };
	struct sigaction action = { .sa_handler = on_signal };

	handled = pool;
	handled_shared = s;
	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
}

START_TEST(from_a_signal_handler_while_waiting)
{
	for (int i = 0; i < 4; i++)
		cancel_gated(by_signal, &(struct vm_options){
		    .workers = 1 + 2 * (i & 1), .chunk_size = i & 2 ? 5 : 0 });
}
END_TEST

static void *cancel_when_begun(void *arg)
{
	vm_pool *pool = arg;

	if (await(&handled_shared->counter[BEGUN], 1, limit_ms()) < 0)
		return NULL;
	vm_cancel(pool, 0);
	vm_cancel(pool, 0);
	nap_ms(10);
	atomic_store(&handled_shared->counter[GATE], 1);
	return NULL;
}

static void by_thread(vm_pool *pool, struct shared *s)
{
	pthread_t thread;

	handled_shared = s;
	ck_assert_int_eq(pthread_create(&thread, NULL, cancel_when_begun,
	    pool), 0);
	ck_assert_int_eq(pthread_detach(thread), 0);
}

START_TEST(from_another_thread_while_waiting)
{
	for (int i = 0; i < 8; i++)
		cancel_gated(by_thread, &(struct vm_options){
		    .workers = 1 + 2 * (i & 1), .chunk_size = i & 2 ? 7 : 0,
		    .flags = (i & 4) != 0 ? VM_ORDERED : 0 });
}
END_TEST

/* The caller cancels between two calls, after an item has begun. */
static void by_caller(vm_pool *pool, struct shared *s)
{
	struct vm_result r;

	while (atomic_load(&s->counter[BEGUN]) == 0)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1), VM_LATER);
	vm_cancel(pool, 0);
	/* Items begin until the next call; later no item begins. */
	ck_assert_int_ne(vm_zip_in_out_within(pool, &r, 0), -1);
	atomic_store(&s->counter[GATE], 1);
}

START_TEST(between_calls_while_items_run)
{
	/* A result taken by by_caller() is missing in the counts, so
	   by_caller() must take none.  Hence VM_ORDERED, and the first item
	   runs. */
	cancel_gated(by_caller, &(struct vm_options){ .workers = 1,
	    .flags = VM_ORDERED, .chunk_size = 4 });
	cancel_gated(by_caller, &(struct vm_options){ .workers = 1,
	    .flags = VM_ORDERED });
}
END_TEST

/* ---- moments of a cancellation ---- */

START_TEST(before_vm_imap_it_means_nothing_later)
{
	const struct vm_worker worker = { .process = echo };
	vm_pool *pool = fork_pool(&worker, NULL);

	for (int i = 0; i < 20; i++) {
		vm_cancel(pool, 0);
		check_use(pool);
	}
	vm_cancel(pool, 0);
	take_end(pool);
	check_use(pool);
	close_pool(pool);
}
END_TEST

START_TEST(before_anything_was_read_sources_are_closed_unread)
{
	const struct vm_worker worker = { .process = echo };
	vm_pool *pool = fork_pool(&worker, NULL);
	struct endless e[3] = { { 0 }, { 0 }, { 0 } };

	for (int i = 0; i < 3; i++)
		imap_to(pool, endless(&e[i]));
	vm_cancel(pool, 0);
	take_end(pool);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(e[i].given, 0);
		ck_assert_int_eq(e[i].closed, 1);
	}
	check_use(pool);
	close_pool(pool);
}
END_TEST

/* Cancelled after this number of results. */
static void cancel_after(long n, const struct vm_options *options)
{
	const struct vm_worker worker = { .process = echo };
	vm_pool *pool = fork_pool(&worker, options);
	struct tally *t = calloc(1, sizeof *t);
	struct endless e = { 0 };
	struct vm_result r;
	int64_t given;

	imap_to(pool, endless(&e));
	for (long i = 0; i < n; i++) {
		take(pool, &r);
		note(t, &r);
	}
	given = e.given;
	vm_cancel(pool, 0);
	note_rest(pool, t, &e);
	ck_assert_int_eq(e.given, given);	/* no further input is read */
	ck_assert_int_ge(t->outputs, n);
	check_use(pool);
	close_pool(pool);
	free(t);
}

START_TEST(after_any_number_of_results)
{
	const long counts[] = { 1, 2, 3, 10, 57, 1000 };
	const int workers[] = { 1, 3, VM_SERIAL };

	for (size_t i = 0; i < COUNTOF(counts); i++)
		for (int j = 0; j < 6; j++) {
			cancel_after(counts[i], &(struct vm_options){
			    .workers = workers[j % 3],
			    .flags = (j / 3) ? VM_ORDERED : 0 });
			cancel_after(counts[i], &(struct vm_options){
			    .workers = workers[j % 3],
			    .flags = (j / 3) ? VM_ORDERED : 0,
			    .chunk_size = 10 });
		}
}
END_TEST

START_TEST(what_comes_after_it_is_not_meant)
{
	const struct vm_worker worker = { .process = echo };
	vm_pool *pool = fork_pool(&worker,
	    &(struct vm_options){ .workers = 2, .chunk_size = 3 });
	struct endless e = { 0 };
	struct tally *t = calloc(1, sizeof *t);
	struct vm_source s = vm_range(0, 50);
	int fresh = 0, rc;
	struct vm_result r;

	imap_to(pool, endless(&e));
	take(pool, &r);
	note(t, &r);
	vm_cancel(pool, 0);
	s.tag = t;
	imap_to(pool, s);
	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		if (r.tag == NULL) {
			note(t, &r);
			continue;
		}
		ck_assert_int_eq(r.type, VM_OUTPUT);
		fresh++;
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_int_eq(fresh, 50);
	ck_assert_int_eq(t->outputs + t->cancelled, e.given);
	ck_assert_int_eq(e.closed, 1);
	close_pool(pool);
	free(t);
}
END_TEST

/* A thread that cancels repeatedly while pools are used. */
struct storm {
	_Atomic(vm_pool *) pool;
	atomic_int stop;
};

static void *cancel_often(void *arg)
{
	struct storm *s = arg;

	while (!atomic_load(&s->stop)) {
		vm_cancel(atomic_load(&s->pool), 0);
		nap_ms(1);
	}
	return NULL;
}

START_TEST(a_storm_of_them_loses_nothing)
{
	const struct vm_worker worker = { .process = echo };
	vm_pool *pool = fork_pool(&worker,
	    &(struct vm_options){ .workers = 3 });
	struct storm s = { .pool = pool };
	struct tally *t = calloc(1, sizeof *t);
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, cancel_often, &s), 0);
	for (int i = 0; i < 200; i++) {
		struct endless e = { 0 };

		memset(t, 0, sizeof *t);
		imap_to(pool, endless(&e));
		note_rest(pool, t, &e);
	}
	atomic_store(&s.stop, 1);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	close_pool(pool);
	free(t);
}
END_TEST

/* ---- waits with a time limit ---- */

static void look_for_nothing(vm_pool *pool)
{
	struct vm_result r;

	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), VM_LATER);
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 50),
		    VM_LATER);
	}
}

static void look_while_gated(const struct vm_options *options)
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = wait_gate,
		.config = s };
	vm_pool *pool = fork_pool(&worker, options);
	struct vm_result r;
	int rc, seen = 0;

	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 50), 0);
	imap_to(pool, vm_range(0, 100));
	look_for_nothing(pool);
	atomic_store(&s->counter[GATE], 1);
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, -1), 1);
	seen++;
	while ((rc = vm_zip_in_out_within(pool, &r, seen % 3 * 5)) != 0) {
		ck_assert(rc == 1 || rc == VM_LATER);
		if (rc == VM_LATER)
			continue;
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_mem_eq(r.output, r.input, sizeof(int64_t));
		seen++;
	}
	ck_assert_int_eq(seen, 100);
	close_pool(pool);
	shared_free(s);
}

START_TEST(within_a_time_there_may_be_nothing_yet)
{
	look_while_gated(&(struct vm_options){ .workers = 2 });
	look_while_gated(&(struct vm_options){ .workers = 2,
		.flags = VM_ORDERED, .chunk_size = 7 });
}
END_TEST

START_TEST(looking_alone_is_progress_enough)
{
	const struct vm_worker worker = { .process = echo };
	vm_pool *pool = fork_pool(&worker,
	    &(struct vm_options){ .workers = 3, .chunk_size = 2 });
	struct vm_result r;
	int rc, seen = 0;

	imap_to(pool, vm_range(0, 1000));
	while ((rc = vm_zip_in_out_within(pool, &r, 0)) != 0) {
		ck_assert(rc == 1 || rc == VM_LATER);
		seen += rc == 1;
		if (rc == VM_LATER)
			nap_ms(1);
	}
	ck_assert_int_eq(seen, 1000);
	close_pool(pool);
}
END_TEST

/* ---- single items ---- */

/* Inputs from HANGS on never end; the input HANGS - 1 waits for the gate. */
enum { HANGS = 100 };

static int hang_or_not(struct vm_context *me, const void *input, size_t size)
{
	struct shared *s = me->config;
	int64_t n = number(input);

	atomic_fetch_add(&s->counter[BEGUN], 1);
	if (n == HANGS - 1 && await(&s->counter[GATE], 1, limit_ms()) < 0)
		return vm_fail(me, 1, "the gate stayed shut");
	while (n >= HANGS)
		pause();
	return vm_output(me, input, size);
}

static void begin_items(vm_pool *pool, const struct shared *s, long items)
{
	struct vm_result r;

	while (s->counter[BEGUN] < items)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1), VM_LATER);
}

static void expect_cancelled(const struct vm_result *r, int attempts)
{
	ck_assert_int_eq(r->type, VM_EXCEPTION);
	ck_assert_int_eq(r->exception->cause, VM_CANCELLED);
	ck_assert_int_eq(r->attempts, attempts);
	ck_assert_int_eq(r->exception->signal, 0);
	ck_assert_int_eq(r->exception->pid != 0, attempts > 0);
}

/* The first item of a chunk runs for ever, with further items behind it. */
START_TEST(one_that_runs_alone_ends)
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = hang_or_not,
		.config = s };
	char tag;
	struct vm_source source = vm_range(HANGS, HANGS + 1);
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){ .workers = 1,
	    .chunk_size = 10, .flags = VM_ORDERED, .max_attempts = 3,
	    .max_failures = 1 });
	struct vm_result r;

	source.tag = &tag;
	imap_to(pool, source);
	imap_to(pool, vm_range(0, 19));
	begin_items(pool, s, 1);
	ck_assert_int_eq(vm_cancel_item(pool, NULL, 19), 0);
	ck_assert_int_eq(vm_cancel_item(pool, s, 0), 0);
	errno = EDOM;
	ck_assert_int_eq(vm_cancel_item(pool, &tag, 0), 1);
	ck_assert_int_eq(errno, EDOM);
	/* Again: its worker is killed once. */
	ck_assert_int_eq(vm_cancel_item(pool, &tag, 0), 1);
	take(pool, &r);
	ck_assert_ptr_eq(r.tag, &tag);
	expect_cancelled(&r, 1);
	ck_assert_str_eq(r.exception->message, "The item was cancelled while "
	    "it ran, and its worker was killed.");
	ck_assert_int_eq(vm_cancel_item(pool, &tag, 0), 0);
	for (int i = 0; i < 19; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_eq(r.attempts, 1);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(s);
}
END_TEST

/* The worker waits for the gate and holds a second chunk; a third chunk waits
   in the window.  Three items of each of these chunks are cancelled. */
START_TEST(those_that_wait_never_begin)
{
	static const int gone[] = { 1, 5, 9, 10, 14, 18 };
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = hang_or_not,
		.config = s };
	const struct vm_options options = { .workers = 1, .chunk_size = 10,
		.max_real_in_flight_factor = 2, .flags = VM_ORDERED };
	vm_pool *pool = fork_pool(&worker, &options);
	struct vm_result r;

	imap_to(pool, vm_range(HANGS - 1, HANGS));
	imap_to(pool, vm_range(0, 30));
	begin_items(pool, s, 1);
	for (size_t i = 0; i < COUNTOF(gone); i++)
		ck_assert_int_eq(vm_cancel_item(pool, NULL,
		    (uint64_t)gone[i]), 1);
	ck_assert_int_eq(vm_cancel_item(pool, NULL, 5), 0);
	atomic_store(&s->counter[GATE], 1);
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	for (int i = 0, k = 0; i < 30; i++) {
		take(pool, &r);
		ck_assert_uint_eq(r.index, (uint64_t)i);
		if (k < (int)COUNTOF(gone) && gone[k] == i) {
			expect_cancelled(&r, 0);
			k++;
		} else {
			ck_assert_int_eq(r.type, VM_OUTPUT);
		}
	}
	take_end(pool);
	ck_assert_int_eq(s->counter[BEGUN], 31 - (int)COUNTOF(gone));
	close_pool(pool);
	shared_free(s);
}
END_TEST

/* The cancelled items lie behind the running item, in the same chunk. */
START_TEST(what_its_worker_has_not_begun_is_taken_back)
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = hang_or_not,
		.config = s };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){ .workers = 1,
	    .chunk_size = 10, .flags = VM_ORDERED });
	struct vm_result r;

	imap_to(pool, vm_range(HANGS - 1, HANGS + 3));
	begin_items(pool, s, 1);
	ck_assert_int_eq(vm_cancel_item(pool, NULL, 2), 1);
	ck_assert_int_eq(vm_cancel_item(pool, NULL, 1), 1);
	ck_assert_int_eq(vm_cancel_item(pool, NULL, 3), 1);
	atomic_store(&s->counter[GATE], 1);
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	for (int i = 0; i < 3; i++) {
		take(pool, &r);
		expect_cancelled(&r, 0);
	}
	take_end(pool);
	ck_assert_int_eq(s->counter[BEGUN], 1);
	close_pool(pool);
	shared_free(s);
}
END_TEST

static int fails(struct vm_context *me, const void *input, size_t size)
{
	struct shared *s = me->config;

	(void)input, (void)size;
	atomic_fetch_add(&s->counter[BEGUN], 1);
	return vm_fail(me, 1, "once more");
}

/* Three items pause before their next attempt; the last item, the middle item
   and then the first item are cancelled. */
START_TEST(those_that_pause_are_not_tried_again)
{
	static const uint64_t gone[] = { 2, 1, 0 };
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = fails, .config = s };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){ .workers = 1,
	    .max_attempts = 3, .retry_delay_ms = 1000000000,
	    .retry_delay_max_ms = 1000000000 });
	struct vm_result r;

	imap_to(pool, vm_range(0, 3));
	begin_items(pool, s, 3);
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 20), VM_LATER);
	for (size_t i = 0; i < COUNTOF(gone); i++) {
		ck_assert_int_eq(vm_cancel_item(pool, NULL, gone[i]), 1);
		take(pool, &r);
		ck_assert_uint_eq(r.index, gone[i]);
		expect_cancelled(&r, 1);
	}
	take_end(pool);
	ck_assert_int_eq(s->counter[BEGUN], 3);
	close_pool(pool);
	shared_free(s);
}
END_TEST

static int fails_in(struct vm_context *me, const void *input, size_t size)
{
	atomic_store(&((struct shared *)me->config)->pid[0], (int)getpid());
	return fails(me, input, size);
}

/* The failure is not read yet when the item is cancelled: it has ended by
   itself. */
START_TEST(one_that_has_failed_is_not_tried_again)
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = fails_in, .config = s };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){ .workers = 2,
	    .max_attempts = 3 });
	const int64_t input = 0;
	struct vm_result r;

	ck_assert_int_eq(vm_ready(pool, -1), 0);
	ck_assert_int_eq(vm_submit(pool, &input, sizeof input, NULL), 1);
	wait_for(&s->counter[BEGUN], 1);
	wait_asleep(s->pid[0]);
	ck_assert_int_eq(vm_cancel_item(pool, NULL, 0), 1);
	take(pool, &r);
	ck_assert_int_eq(r.exception->cause, VM_FAILED);
	ck_assert_int_eq(r.attempts, 1);
	take_end(pool);
	ck_assert_int_eq(s->counter[BEGUN], 1);
	close_pool(pool);
	shared_free(s);
}
END_TEST

static int next_cancels(void *from, const void **input, size_t *size)
{
	(void)input, (void)size;
	errno = 0;
	ck_assert_int_eq(vm_cancel_item(from, NULL, 0), -1);
	ck_assert_int_eq(errno, EDEADLK);
	return 0;
}

START_TEST(single_ones_where_they_cannot_be_had)
{
	const struct vm_worker worker = { .process = echo };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = VM_SERIAL, .chunk_size = 4 });
	struct vm_result r;

	errno = 0;
	ck_assert_int_eq(vm_cancel_item(NULL, NULL, 0), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(vm_cancel_item(pool, NULL, 0), 0);
	imap_to(pool, vm_range(0, 4));
	take(pool, &r);
	ck_assert_int_eq(vm_cancel_item(pool, NULL, 0), 0);
	ck_assert_int_eq(vm_cancel_item(pool, NULL, 2), 1);
	for (int i = 0, cancelled = 0; i < 3; i++) {
		take(pool, &r);
		cancelled += r.type != VM_OUTPUT;
		if (r.index == 2)
			expect_cancelled(&r, 0);
		ck_assert_int_le(cancelled, 1);
	}
	imap_to(pool, (struct vm_source){ .next = next_cancels,
	    .from = pool });
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* Cancels items that run shorter than the call itself, in every state. */
START_TEST(a_storm_of_single_ones_loses_nothing)
{
	enum { MANY = 20000, CALLS = 40 };
	const struct vm_worker worker = { .process = echo };
	struct tally *t = calloc(1, sizeof *t);
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 2 });
	struct vm_result r;
	long found = 0;

	ck_assert_ptr_nonnull(t);
	imap_to(pool, vm_range(0, MANY));
	for (uint64_t i = 0; i < MANY; i++) {
		take(pool, &r);
		ck_assert_int_eq(t->seen[r.index]++, 0);
		if (r.type == VM_OUTPUT) {
			ck_assert_int_eq(r.attempts, 1);
		} else {
			ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
			t->cancelled++;
		}
		if (i % (MANY / CALLS) == 0)
			found += vm_cancel_item(pool, NULL,
			    r.index + 1 + i % 977);
	}
	take_end(pool);
	ck_assert_int_le(t->cancelled, found);
	check_use(pool);
	close_pool(pool);
	free(t);
}
END_TEST

/* ---- vm_cancel() with flags ---- */

START_TEST(what_runs_ends_if_asked)
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = hang_or_not,
		.config = s };
	struct endless e = { .given = HANGS };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 2, .max_attempts = 2 });
	struct vm_result r;
	int begun = 0;

	imap_to(pool, endless(&e));
	begin_items(pool, s, 2);
	vm_cancel(pool, VM_CANCEL_RUNNING);
	for (int64_t i = HANGS; i < e.given; i++) {
		take(pool, &r);
		expect_cancelled(&r, r.attempts > 0);
		begun += r.attempts;
	}
	take_end(pool);
	ck_assert_int_eq(e.closed, 1);
	ck_assert_int_eq(begun, 2);
	check_use(pool);
	close_pool(pool);
	shared_free(s);
}
END_TEST

/* Every input of all sources is returned, though few are ever begun; in order,
   and part of the inputs need not be sent. */
static void check_unread(const struct vm_options *options, unsigned how)
{
	static const int64_t there[3000];
	struct vm_result r;
	const struct vm_worker worker = { .process = echo };
	vm_pool *pool = fork_pool(&worker, options);
	long outputs = 0;

	imap_to(pool, vm_range(0, 5000));
	imap_to(pool, vm_inherited_array(there, 3000, sizeof *there));
	take(pool, &r);
	vm_cancel(pool, how);
	for (int i = 1; i < 8000; i++) {
		outputs += r.type == VM_OUTPUT;
		if (options->flags & VM_ORDERED)
			ck_assert_uint_eq(r.index,
			    (uint64_t)(i < 5001 ? i - 1 : i - 5001));
		take(pool, &r);
	}
	expect_cancelled(&r, 0);
	ck_assert_uint_eq(r.index, 2999);
	take_end(pool);
	ck_assert_int_lt(outputs, 5000);
	check_use(pool);
	close_pool(pool);
}

START_TEST(what_was_not_read_comes_back_if_asked)
{
	const unsigned all = VM_CANCEL_UNREAD | VM_CANCEL_RUNNING;

	check_unread(&(struct vm_options){ .workers = 2, .chunk_size = 3,
	    .flags = VM_ORDERED }, VM_CANCEL_UNREAD);
	check_unread(&(struct vm_options){ .workers = 2,
	    .max_total_in_flight_factor = 2 }, all);
	check_unread(&(struct vm_options){ .workers = VM_SERIAL,
	    .flags = VM_ORDERED }, all);
}
END_TEST

/* Large inputs that nobody is to have wait for no worker. */
START_TEST(what_was_not_read_comes_back_while_an_item_runs)
{
	enum { LARGE = 30000, MANY = 100 };
	static char items[MANY][LARGE];
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = wait_gate, .config = s };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 1, .chunk_size = 1 });
	struct vm_result r;

	imap_to(pool, vm_array(items, MANY, LARGE));
	begin_items(pool, s, 1);
	vm_cancel(pool, VM_CANCEL_UNREAD);
	for (int i = 1; i < MANY; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()),
		    1);
		expect_cancelled(&r, 0);
	}
	atomic_store(&s->counter[GATE], 1);
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	take_end(pool);
	close_pool(pool);
	shared_free(s);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		from_a_signal_handler_while_waiting,
		from_another_thread_while_waiting,
		between_calls_while_items_run,
		before_vm_imap_it_means_nothing_later,
		before_anything_was_read_sources_are_closed_unread,
		what_comes_after_it_is_not_meant,
		within_a_time_there_may_be_nothing_yet,
		looking_alone_is_progress_enough, one_that_runs_alone_ends,
		those_that_wait_never_begin,
		what_its_worker_has_not_begun_is_taken_back,
		those_that_pause_are_not_tried_again,
		one_that_has_failed_is_not_tried_again,
		single_ones_where_they_cannot_be_had, what_runs_ends_if_asked,
		what_was_not_read_comes_back_if_asked,
		what_was_not_read_comes_back_while_an_item_runs };
	const TTest *const drawn[] = {
		a_storm_of_them_loses_nothing,
		a_storm_of_single_ones_loses_nothing,
		after_any_number_of_results };

	return run_sampled_tests("cancel", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
