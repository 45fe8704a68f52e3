/*
 * test_cancel.c - vm_cancel() from anywhere, at any moment: what has not
 * begun comes back as such, what runs ends as usual, nothing is lost; and
 * waiting for results within a time.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base.h"
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

/* ---- counting ---- */

/* An endless source that counts. */
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

/* Notes one result, which must be an output or cancelled, and new. */
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

/* Takes all the rest: each input that was read, once. */
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

/* The pool still works. */
static void check_use(vm_pool *pool)
{
	struct vm_result r;

	imap_to(pool, vm_range(5, 6));
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	ck_assert_int_eq(*(const int64_t *)r.output, 5);
	take_end(pool);
}

/* ---- from where ---- */

/* One pool of gated workers, cancelled by "start"; what had begun are
   outputs, all else is cancelled. */
static void cancel_gated(void (*start)(vm_pool *, struct shared *),
    const struct vm_options *options)
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = wait_gate,
		.config = s };
	vm_pool *pool = fork_pool(&worker, options);
	struct tally *t = calloc(1, sizeof *t);
	struct endless e = { 0 };

	imap_to(pool, endless(&e));
	start(pool, s);
	note_rest(pool, t, &e);
	ck_assert_int_eq(t->outputs, atomic_load(&s->counter[BEGUN]));
	check_use(pool);
	close_pool(pool);
	free(t);
	shared_free(s);
}

static vm_pool *handled;
static struct shared *handled_shared;

/* As soon as an item runs: cancels; next time: lets it end. */
static void on_signal(int signal)
{
	int kept = errno;

	(void)signal;
	if (atomic_load(&handled_shared->counter[BEGUN]) == 0)
		return;
	if (handled != NULL) {
		errno = 99;
		vm_cancel(handled);
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
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };

	for (int i = 0; i < 4; i++) {
		cancel_gated(by_signal, &(struct vm_options){
		    .workers = 1 + 2 * (i & 1), .chunk_size = i & 2 ? 5 : 0 });
		ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
	}
}
END_TEST

static void *cancel_when_begun(void *arg)
{
	vm_pool *pool = arg;

	if (await(&handled_shared->counter[BEGUN], 1, limit_ms()) < 0)
		return NULL;
	vm_cancel(pool);
	vm_cancel(pool);
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
		    .ordered = (i & 4) != 0 });
}
END_TEST

/* An item is begun, looked for in vain, and all is cancelled. */
static void by_caller(vm_pool *pool, struct shared *s)
{
	struct vm_result r;

	while (atomic_load(&s->counter[BEGUN]) == 0)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1), VM_LATER);
	vm_cancel(pool);
	/* Items begin till the next call; from then on none does. */
	ck_assert_int_ne(vm_zip_in_out_within(pool, &r, 0), -1);
	atomic_store(&s->counter[GATE], 1);
}

START_TEST(between_calls_while_items_run)
{
	/* The one result by_caller() may take is missed if chunks are small,
	   so there must be none: ordered, and the first item runs. */
	cancel_gated(by_caller, &(struct vm_options){ .workers = 1,
	    .ordered = 1, .chunk_size = 4 });
	cancel_gated(by_caller, &(struct vm_options){ .workers = 1,
	    .ordered = 1 });
}
END_TEST

/* ---- when ---- */

START_TEST(before_vm_imap_it_means_nothing_later)
{
	const struct vm_worker worker = { .process = echo };
	vm_pool *pool = fork_pool(&worker, NULL);

	for (int i = 0; i < 20; i++) {
		vm_cancel(pool);
		check_use(pool);
	}
	vm_cancel(pool);
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
	vm_cancel(pool);
	take_end(pool);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(e[i].given, 0);
		ck_assert_int_eq(e[i].closed, 1);
	}
	check_use(pool);
	close_pool(pool);
}
END_TEST

/* Cancelled after so many results. */
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
	vm_cancel(pool);
	note_rest(pool, t, &e);
	ck_assert_int_eq(e.given, given);	/* not read any more */
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
			    .workers = workers[j % 3], .ordered = j / 3 });
			cancel_after(counts[i], &(struct vm_options){
			    .workers = workers[j % 3], .ordered = j / 3,
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
	vm_cancel(pool);
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

/* A thread that cancels again and again while pools are used. */
struct storm {
	_Atomic(vm_pool *) pool;
	atomic_int stop;
};

static void *cancel_often(void *arg)
{
	struct storm *s = arg;

	while (!atomic_load(&s->stop)) {
		vm_cancel(atomic_load(&s->pool));
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

/* ---- within a time ---- */

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
	look_while_gated(&(struct vm_options){ .workers = 2, .ordered = 1,
	    .chunk_size = 7 });
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

int main(void)
{
	const TTest *const tests[] = {
		from_a_signal_handler_while_waiting,
		from_another_thread_while_waiting,
		between_calls_while_items_run,
		before_vm_imap_it_means_nothing_later,
		before_anything_was_read_sources_are_closed_unread,
		after_any_number_of_results, what_comes_after_it_is_not_meant,
		within_a_time_there_may_be_nothing_yet,
		looking_alone_is_progress_enough };
	const TTest *const drawn[] = {
		a_storm_of_them_loses_nothing };

	return run_sampled_tests("cancel", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
