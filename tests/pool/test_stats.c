/*
 * test_stats.c - vm_stats() and vm_worker_stats(): the counts are those of what
 * really happened, and the times are in their bounds.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "shm/slot.h"
#include "tools.h"

enum { RUNNING, GO, DEATHS, SETUPS };

static struct shared *sh;

static void start(void)
{
	no_cores();
	sh = shared_new();
}

static struct vm_stats stats_of(vm_pool *pool)
{
	struct vm_stats s;

	ck_assert_int_eq(vm_stats(pool, &s), 0);
	return s;
}

static uint64_t caused(const struct vm_stats *s, enum vm_cause cause)
{
	int bit = 0;

	while (1 << bit != (int)cause)
		bit++;
	return s->by_cause[bit];
}

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static const struct vm_worker echoer = { .process = echo };

/* ---- counts ---- */

/* Every 50th input fails in one of five ways; each but the last only at its
   first two attempts of three. */
static int mischief(struct vm_context *me, const void *input, size_t size)
{
	const int64_t i = number(input);

	if (i % 50 != 0 || (me->attempt == 3 && i % 250 != 200))
		return vm_output(me, input, size);
	if (i % 250 != 0)
		atomic_fetch_add(&sh->counter[DEATHS], i % 250 != 200);
	switch (i / 50 % 5) {
	case 0:
		return vm_fail(me, 7, "no");
	case 1:
		raise(SIGKILL);
		break;
	case 3:
		if (i == 150)
			pause();
		_exit(3);
	case 2:
		_exit(3);
	}
	return vm_fail_for_good(me, 8, "never");
}

static void count_mischief(size_t chunk_size)
{
	const struct vm_worker w = { .process = mischief };
	const struct vm_options o = { .workers = 3, .max_attempts = 3,
		.item_timeout_ms = 500, .chunk_size = chunk_size };
	uint64_t causes[16] = { 0 }, outputs = 0, attempts = 0, taken = 0;
	struct vm_stats s;
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(0, 1000));
	s = stats_of(pool);
	ck_assert_uint_eq(s.inputs + s.outputs + s.taken, 0);
	ck_assert_uint_eq(s.total, 1000);
	while (vm_zip_in_out(pool, &r) == 1) {
		taken++;
		attempts += (uint64_t)r.attempts;
		if (r.type == VM_OUTPUT)
			outputs++;
		else
			for (int bit = 0; bit < 16; bit++)
				causes[bit] +=
				    (int)r.exception->cause == 1 << bit;
		s = stats_of(pool);
		ck_assert_uint_eq(s.taken, taken);
		ck_assert_uint_ge(s.outputs + s.exceptions, taken);
		ck_assert_uint_ge(s.inputs, s.outputs + s.exceptions);
	}
	ck_assert_uint_eq(s.inputs, 1000);
	ck_assert_uint_eq(s.total, 1000);
	ck_assert_uint_eq(s.outputs, outputs);
	ck_assert_uint_eq(outputs, 996);
	ck_assert_uint_eq(s.exceptions, 4);
	ck_assert_mem_eq(s.by_cause, causes, sizeof causes);
	ck_assert_uint_eq(caused(&s, VM_FAILED), 4);
	ck_assert_uint_eq(s.retries, attempts - 1000);
	ck_assert_uint_eq(s.retries, 32);
	ck_assert_uint_eq(s.deaths,
	    (uint64_t)atomic_load(&sh->counter[DEATHS]));
	ck_assert_uint_eq(s.deaths, 24);
	close_pool(pool);
	shared_free(sh);
}

START_TEST(counts_are_those_of_the_results)
{
	count_mischief(0);
	count_mischief(7);
}
END_TEST

START_TEST(workers_are_counted)
{
	const struct vm_worker w = { .process = echo };
	const struct vm_options o = { .workers = 2, .worker_max_items = 10,
		.chunk_size = 5 };
	struct vm_worker_stats each;
	uint64_t items = 0, setups = 0;
	struct vm_stats s;
	struct vm_result r;
	vm_pool *pool = fork_pool(&w, &o);

	imap_to(pool, vm_range(0, 100));
	for (int i = 0; i < 100; i++)
		take(pool, &r);
	take_end(pool);
	s = stats_of(pool);
	/* Workers that leave are no deaths. */
	ck_assert_uint_eq(s.deaths, 0);
	ck_assert_uint_ge(s.forked, 10);
	ck_assert_uint_eq(s.replaced, s.forked - 2);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(vm_worker_stats(pool, i, &each), 1);
		ck_assert_int_eq(each.index, i);
		items += each.items;
		setups += each.setups;
	}
	ck_assert_uint_eq(items, 100);
	ck_assert_uint_eq(setups, s.setups);
	ck_assert_uint_gt(s.max_rss, 0);
	close_pool(pool);
}
END_TEST

START_TEST(items_cancelled_or_lost_are_counted)
{
	const struct vm_options o = { .workers = 1 };
	struct vm_stats s;
	struct vm_result r;
	vm_pool *pool = fork_pool(&echoer, &o);
	pid_t server;

	imap_to(pool, vm_range(0, 50));
	vm_cancel(pool, VM_CANCEL_UNREAD);
	while (vm_zip_in_out(pool, &r) == 1)
		ck_assert_int_eq(r.type, VM_EXCEPTION);
	s = stats_of(pool);
	ck_assert_uint_eq(caused(&s, VM_CANCELLED), 50);
	ck_assert_uint_eq(s.inputs, 50);

	ck_assert_int_eq(list_children(getpid(), &server, 1), 1);
	kill(server, SIGKILL);
	wait_gone(server);
	imap_to(pool, vm_range(0, 50));
	while (vm_zip_in_out(pool, &r) == 1)
		;
	ck_assert_int_eq(vm_broken(pool), 1);
	s = stats_of(pool);
	ck_assert_uint_eq(s.inputs, s.outputs + s.exceptions);
	ck_assert_uint_eq(s.inputs, s.taken);
	ck_assert_uint_eq(caused(&s, VM_LOST) + s.outputs + 50, s.inputs);
	vm_close(pool);
}
END_TEST

static int three(void *from, const void **input, size_t *size)
{
	int *left = from;

	*input = left;
	*size = sizeof *left;
	return (*left)-- > 0;
}

START_TEST(the_total_is_that_of_all_sources)
{
	const struct vm_options o = { .workers = 1 };
	vm_pool *pool = fork_pool(&echoer, &o);
	int left = 3;
	struct vm_result r;

	imap_to(pool, vm_range(0, 10));
	imap_to(pool, vm_range(0, 5));
	ck_assert_uint_eq(stats_of(pool).total, 15);
	take(pool, &r);
	ck_assert_uint_eq(stats_of(pool).total, 15);
	/* Of unknown length until it was read. */
	imap_to(pool, (struct vm_source){ .next = three, .from = &left });
	ck_assert_uint_eq(stats_of(pool).total, left > 0 ? 0 : 18);
	for (int i = 1; i < 18; i++)
		take(pool, &r);
	take_end(pool);
	ck_assert_uint_eq(stats_of(pool).total, 18);
	close_pool(pool);
}
END_TEST

/* As those of sources that never end may have. */
START_TEST(a_total_beyond_64_bits_is_unknown)
{
	const struct vm_options o = { .workers = 1 };
	vm_pool *pool = fork_pool(&echoer, &o);

	imap_to(pool, vm_range(0, INT64_MAX));
	imap_to(pool, vm_range(0, INT64_MAX));
	ck_assert_uint_eq(stats_of(pool).total, UINT64_MAX - 1);
	imap_to(pool, vm_range(0, 50));
	ck_assert_uint_eq(stats_of(pool).total, 0);
	close_pool(pool);
}
END_TEST

START_TEST(bounds_have_peaks)
{
	const struct vm_options o = { .workers = 2, .chunk_size = 1,
		.max_real_in_flight_factor = 3,
		.max_total_in_flight_factor = 5 };
	vm_pool *pool = fork_pool(&echoer, &o);
	struct vm_result r;
	struct vm_stats s;

	imap_to(pool, vm_range(0, 100));
	for (int i = 0; i < 100; i++)
		take(pool, &r);
	s = stats_of(pool);
	ck_assert_uint_eq(s.real_bound, 6);
	ck_assert_uint_eq(s.total_bound, 10);
	ck_assert_uint_ge(s.real_peak, 1);
	ck_assert_uint_le(s.real_peak, 6);
	ck_assert_uint_ge(s.total_peak, s.real_peak);
	ck_assert_uint_le(s.total_peak, 10);
	ck_assert_uint_ge(s.bytes_peak, sizeof(int64_t));
	ck_assert_uint_le(s.bytes_peak, s.bytes_bound);
	ck_assert_uint_ge(s.input_bytes, 100 * sizeof(int64_t));
	ck_assert_uint_le(s.input_bytes, 100 * (sizeof(int64_t) + 32));
	ck_assert_uint_ge(s.output_bytes, 100 * sizeof(int64_t));
	ck_assert_uint_le(s.output_bytes, 100 * (sizeof(int64_t) + 32));
	close_pool(pool);
}
END_TEST

START_TEST(a_pool_without_processes_counts_too)
{
	const struct vm_options o = { .workers = VM_SERIAL,
		.max_attempts = 2 };
	const struct vm_worker w = { .process = mischief };
	struct vm_worker_stats each;
	struct vm_stats s;
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(0, 50));
	imap_to(pool, vm_range(200, 210));
	while (vm_zip_in_out(pool, &r) == 1)
		;
	s = stats_of(pool);
	ck_assert_uint_eq(s.outputs, 58);
	ck_assert_uint_eq(caused(&s, VM_FAILED), 2);
	ck_assert_uint_eq(s.retries, 1);
	ck_assert_int_eq(s.workers, 1);
	ck_assert_int_eq(vm_worker_stats(pool, 0, &each), 0);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

/* ---- times ---- */

static int slow_setup(struct vm_context *me)
{
	(void)me;
	nap_ms(30);
	return 0;
}

static int nap(struct vm_context *me, const void *input, size_t size)
{
	(void)me, (void)input, (void)size;
	nap_ms(20);
	return 0;
}

static int late_next(void *from, const void **input, size_t *size)
{
	nap_ms(10);
	return three(from, input, size);
}

/* Each part of the time has a part of the run that must be in it. */
START_TEST(times_are_where_they_were_spent)
{
	const struct vm_worker w = { .setup = slow_setup, .process = nap };
	const struct vm_options o = { .workers = 1, .chunk_size = 1 };
	uint64_t began = clock_ns();
	struct vm_stats s;
	struct vm_result r;
	vm_pool *pool = fork_pool(&w, &o);
	int left = 3;

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	/* Time without inputs is left out. */
	nap_ms(50);
	ck_assert_uint_eq(stats_of(pool).wall_ns, 0);
	imap_to(pool, (struct vm_source){ .next = late_next, .from = &left });
	for (int i = 0; i < 3; i++) {
		take(pool, &r);
		nap_ms(5);
	}
	take_end(pool);
	nap_ms(50);
	s = stats_of(pool);
	ck_assert_uint_ge(s.setup_ns, 30 * MS_IN_NS);
	ck_assert_uint_ge(s.busy_ns, 60 * MS_IN_NS);
	ck_assert_uint_ge(s.sources_ns, 40 * MS_IN_NS);
	ck_assert_uint_ge(s.yours_ns, 15 * MS_IN_NS);
	ck_assert_uint_gt(s.asleep_ns, 0);
	ck_assert_uint_le(s.yours_ns + s.sources_ns + s.asleep_ns, s.wall_ns);
	ck_assert_uint_le(s.wall_ns, clock_ns() - began - 130 * MS_IN_NS);
	ck_assert_uint_lt(s.cpu_ns, clock_ns() - began);
	close_pool(pool);
}
END_TEST

static int burn(struct vm_context *me, const void *input, size_t size)
{
	uint64_t until = clock_ns() + 50 * MS_IN_NS;

	while (clock_ns() < until)
		;
	return vm_output(me, input, size);
}

/* The time without inputs is left out of a worker's time as far as it lived
   then, and was not in its setup. */
START_TEST(workers_are_idle_while_they_live)
{
	const struct vm_worker w = { .setup = slow_setup, .process = echo };
	const struct vm_options o = { .workers = 1, .chunk_size = 1 };
	struct vm_worker_stats each;
	struct vm_result r;
	vm_pool *pool = fork_pool(&w, &o);
	int left = 3;

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	nap_ms(100);
	ck_assert_int_eq(vm_resize(pool, 2), 0);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, (struct vm_source){ .next = late_next, .from = &left });
	for (int i = 0; i < 3; i++)
		take(pool, &r);
	take_end(pool);
	for (int place = 0; place < 2; place++) {
		ck_assert_int_eq(vm_worker_stats(pool, place, &each), 1);
		ck_assert_uint_ge(each.setup_ns, 30 * MS_IN_NS);
		ck_assert_uint_ge(each.idle_ns + each.busy_ns, 20 * MS_IN_NS);
		ck_assert_uint_le(each.idle_ns + each.busy_ns,
		    stats_of(pool).wall_ns);
	}
	close_pool(pool);
}
END_TEST

/* Pushed inputs end the time that is left out, as a source does. */
START_TEST(pushed_inputs_have_their_time)
{
	const struct vm_worker w = { .process = nap };
	const struct vm_options o = { .workers = 1 };
	uint64_t began = clock_ns();
	struct vm_stats s;
	struct vm_result r;
	vm_pool *pool = fork_pool(&w, &o);

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	for (int i = 0; i < 3; i++) {
		nap_ms(50);
		ck_assert_int_eq(vm_submit(pool, "", 1, NULL), 1);
		take(pool, &r);
	}
	s = stats_of(pool);
	ck_assert_uint_ge(s.wall_ns, 60 * MS_IN_NS);
	ck_assert_uint_gt(s.asleep_ns, 0);
	ck_assert_uint_le(s.wall_ns, clock_ns() - began - 150 * MS_IN_NS);
	close_pool(pool);
}
END_TEST

static int fail_at_once(void *from, const void **input, size_t *size)
{
	(void)from, (void)input, (void)size;
	errno = EIO;
	return -1;
}

/* The pool goes on to the next source. */
START_TEST(the_time_behind_a_source_that_failed_counts)
{
	const struct vm_worker w = { .process = nap };
	const struct vm_options o = { .workers = 1 };
	struct vm_result r;
	vm_pool *pool = fork_pool(&w, &o);

	imap_to(pool, vm_callback(fail_at_once, NULL));
	imap_to(pool, vm_range(0, 3));
	ck_assert_int_eq(vm_zip_in_out(pool, &r), -1);
	ck_assert_int_eq(errno, EIO);
	for (int i = 0; i < 3; i++)
		take(pool, &r);
	take_end(pool);
	ck_assert_uint_ge(stats_of(pool).wall_ns, 60 * MS_IN_NS);
	close_pool(pool);
}
END_TEST

START_TEST(cpu_time_grows_while_a_worker_lives)
{
	const struct vm_worker w = { .process = burn };
	const struct vm_options o = { .workers = 1, .chunk_size = 1 };
	struct vm_worker_stats each;
	struct vm_result r;
	vm_pool *pool = fork_pool(&w, &o);
	uint64_t before;

	imap_to(pool, vm_range(0, 2));
	take(pool, &r);
	ck_assert_int_eq(vm_worker_stats(pool, 0, &each), 1);
	ck_assert_uint_gt(each.cpu_ns, 0);
	before = each.cpu_ns;
	take(pool, &r);
	ck_assert_int_eq(vm_worker_stats(pool, 0, &each), 1);
	ck_assert_uint_gt(each.cpu_ns, before);
	ck_assert_uint_ge(each.busy_ns, 90 * MS_IN_NS);
	ck_assert_uint_gt(each.max_rss, 0);
	close_pool(pool);
}
END_TEST

static int nap_at_each(struct vm_context *me, const void *input, size_t size)
{
	const int64_t i = number(input);

	if (i == 7000)
		nap_ms(300);
	if (i == 9000)
		nap_ms(150);
	return vm_output(me, input, size);
}

/* Long items are found among short items of the same chunk. */
START_TEST(slow_inputs_are_named)
{
	const struct vm_worker w = { .process = nap_at_each };
	const struct vm_options o = { .workers = 1 };
	vm_pool *pool = fork_pool(&w, &o);
	static int tag;
	struct vm_source source = vm_range(-1000, 10000);
	struct vm_result r;
	struct vm_stats s;

	source.tag = &tag;
	imap_to(pool, source);
	for (int i = 0; i < 11000; i++)
		take(pool, &r);
	s = stats_of(pool);
	ck_assert_uint_eq(s.slowest[0].index, 8000);
	ck_assert_ptr_eq(s.slowest[0].tag, &tag);
	ck_assert_uint_ge(s.slowest[0].ns, 290 * MS_IN_NS);
	ck_assert_uint_eq(s.slowest[1].index, 10000);
	ck_assert_uint_ge(s.slowest[1].ns, 140 * MS_IN_NS);
	ck_assert_uint_lt(s.median_ns, 10 * MS_IN_NS);
	ck_assert_uint_le(s.median_ns, s.p90_ns);
	ck_assert_uint_le(s.p90_ns, s.p99_ns);
	ck_assert_uint_le(s.p99_ns, s.slowest[0].ns);
	close_pool(pool);
}
END_TEST

/* Input 9, the last of its chunk, goes on until its worker is asked for results,
   and longer.  Tells the time. */
static int wait_for_caller(struct vm_context *me, const void *input,
    size_t size)
{
	const uint64_t began = clock_ns();
	uint64_t ns;
	size_t pages;
	struct slot *slot;

	(void)size;
	if (number(input) == 9) {
		slot = (void *)own_slot(sh, &pages);
		while (atomic_load(&slot->wanted) == 0 &&
		    clock_ns() - began < limit_ns())
			nap_ms(1);
		nap_ms(50);
	}
	ns = clock_ns() - began;
	return vm_output(me, &ns, sizeof ns);
}

START_TEST(a_slow_input_may_be_the_last_of_its_chunk)
{
	const struct vm_worker w = { .process = wait_for_caller };
	const struct vm_options o = { .workers = 1, .chunk_size = 5 };
	uint64_t ns = 0;
	struct vm_result r;
	struct vm_stats s;
	vm_pool *pool;

	start();
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(0, 10));
	for (int i = 0; i < 10; i++) {
		take(pool, &r);
		if (r.index == 9)
			memcpy(&ns, r.output, sizeof ns);
	}
	take_end(pool);
	s = stats_of(pool);
	ck_assert_uint_eq(s.slowest[0].index, 9);
	ck_assert_uint_ge(s.slowest[0].ns, ns / 4 * 3);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

/* Input 1 waits until the caller has taken input 0; input 2 sleeps and dies. */
static int nap_and_die(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) == 1)
		await(&sh->counter[GO], 1, limit_ms());
	if (number(input) == 2) {
		atomic_fetch_add(&sh->counter[RUNNING], 1);
		nap_ms(200);
		raise(SIGKILL);
	}
	return vm_output(me, input, size);
}

/* The whole time counts, though the caller reads the result before late. */
START_TEST(slow_inputs_may_die)
{
	const struct vm_worker w = { .process = nap_and_die };
	const struct vm_options o = { .workers = 1, .chunk_size = 5 };
	struct vm_result r;
	struct vm_stats s;
	vm_pool *pool;

	start();
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(0, 5));
	take(pool, &r);
	atomic_store(&sh->counter[GO], 1);
	wait_for(&sh->counter[RUNNING], 1);
	nap_ms(100);
	for (int i = 1; i < 5; i++)
		take(pool, &r);
	s = stats_of(pool);
	ck_assert_uint_eq(s.slowest[0].index, 2);
	ck_assert_uint_ge(s.slowest[0].ns, 200 * MS_IN_NS);
	ck_assert_uint_ge(s.busy_ns, 200 * MS_IN_NS);
	ck_assert_uint_ge(s.p99_ns, 150 * MS_IN_NS);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

static int large(struct vm_context *me, const void *input, size_t size)
{
	static char bytes[10000];

	(void)input, (void)size;
	return vm_output(me, bytes, sizeof bytes);
}

/* The caller takes nothing until pipe and ring of the worker are full. */
START_TEST(workers_that_wait_for_the_caller_are_blocked)
{
	const struct vm_worker w = { .process = large };
	const struct vm_options o = { .workers = 1, .chunk_size = 100 };
	vm_pool *pool = fork_pool(&w, &o);
	struct vm_result r;
	struct vm_stats s;

	imap_to(pool, vm_range(0, 1000));
	take(pool, &r);
	nap_ms(300);
	for (int i = 1; i < 1000; i++)
		take(pool, &r);
	take_end(pool);
	s = stats_of(pool);
	ck_assert_uint_ge(s.blocked_ns, 200 * MS_IN_NS);
	ck_assert_uint_le(s.blocked_ns, s.busy_ns);
	/* This is not the time of an item. */
	ck_assert_uint_lt(s.slowest[0].ns, 200 * MS_IN_NS);
	ck_assert_uint_ge(s.yours_ns, 300 * MS_IN_NS);
	close_pool(pool);
}
END_TEST

/* ---- workers ---- */

/* Waits at input 3 until it may go on, and dies at input 4. */
static int wait_or_die(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) == 3) {
		atomic_store(&sh->pid[0], getpid());
		atomic_fetch_add(&sh->counter[RUNNING], 1);
		await(&sh->counter[GO], 1, limit_ms());
	}
	if (number(input) == 4)
		raise(SIGKILL);
	return vm_output(me, input, size);
}

static int wait_in_setup(struct vm_context *me)
{
	(void)me;
	if (atomic_fetch_add(&sh->counter[SETUPS], 1) > 0)
		await(&sh->counter[GO], 1, limit_ms());
	return 0;
}

START_TEST(the_state_of_a_worker_is_told)
{
	const struct vm_worker w = { .setup = wait_in_setup,
		.process = wait_or_die };
	const struct vm_options o = { .workers = 1, .chunk_size = 1,
		.max_workers = 3 };
	struct vm_worker_stats each;
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&w, &o);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	ck_assert_int_eq(vm_worker_stats(pool, 0, &each), 1);
	ck_assert_int_eq(each.state, VM_WORKER_IDLE);
	ck_assert_int_ne(each.pid, 0);
	ck_assert_uint_eq(each.at, UINT64_MAX);
	ck_assert_int_eq(vm_worker_stats(pool, 2, &each), 0);

	imap_to(pool, vm_range(3, 5));
	while (atomic_load(&sh->counter[RUNNING]) == 0)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 10), VM_LATER);
	nap_ms(20);
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), VM_LATER);
	ck_assert_int_eq(vm_worker_stats(pool, 0, &each), 1);
	ck_assert_int_eq(each.state, VM_WORKER_RUNS);
	ck_assert_int_eq(each.pid, atomic_load(&sh->pid[0]));
	ck_assert_uint_eq(each.at, 0);
	ck_assert_uint_ge(each.since_ns, 20 * MS_IN_NS);
	ck_assert_uint_ge(each.busy_ns, 20 * MS_IN_NS);

	ck_assert_int_eq(vm_resize(pool, 2), 0);
	do {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 10), VM_LATER);
		ck_assert_int_eq(vm_worker_stats(pool, 1, &each), 1);
	} while (each.state != VM_WORKER_SETUP);
	ck_assert_int_ne(each.pid, 0);

	atomic_store(&sh->counter[GO], 1);
	take(pool, &r);
	take(pool, &r);
	ck_assert_int_eq(vm_worker_stats(pool, r.worker_index, &each), 1);
	ck_assert_int_ne(each.pid, r.exception->pid);
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

/* ---- calls ---- */

static int asks_stats(void *from, const void **input, size_t *size)
{
	struct vm_stats s;

	(void)input, (void)size;
	ck_assert_int_eq(vm_stats(from, &s), -1);
	ck_assert_int_eq(errno, EDEADLK);
	return 0;
}

static int in_another_process(void *pool)
{
	struct vm_worker_stats w;
	struct vm_stats s;

	return vm_stats(pool, &s) != -1 || errno != EPERM ||
	    vm_worker_stats(pool, 0, &w) != -1 || errno != EPERM;
}

START_TEST(calls_are_refused)
{
	const struct vm_options o = { .workers = 1 };
	vm_pool *pool = fork_pool(&echoer, &o);
	struct vm_worker_stats w;
	struct vm_stats s;
	int most;

	ck_assert_int_eq(vm_stats(NULL, &s), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(vm_stats(pool, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "vm_stats()"));
	for (most = 0; vm_worker_stats(pool, most, &w) >= 0; most++)
		;
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(most, 16);
	ck_assert_int_eq(vm_worker_stats(pool, -1, &w), -1);
	ck_assert_int_eq(vm_worker_stats(pool, 0, NULL), -1);
	ck_assert_int_eq(vm_worker_stats(NULL, 0, &w), -1);
	imap_to(pool, (struct vm_source){ .next = asks_stats, .from = pool });
	take_end(pool);
	ck_assert_int_eq(in_child(in_another_process, pool), 0);
	close_pool(pool);
}
END_TEST

/* A program may know fewer fields, or more. */
START_TEST(structs_of_other_versions_are_filled)
{
	const struct vm_options o = { .workers = 1 };
	vm_pool *pool = fork_pool(&echoer, &o);
	unsigned char room[2 * sizeof(struct vm_stats)];
	struct vm_result r;
	uint64_t inputs;

	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	memset(room, 'x', sizeof room);
	ck_assert_int_eq(vm_stats_sized(pool, (void *)room, sizeof inputs), 0);
	memcpy(&inputs, room, sizeof inputs);
	ck_assert_uint_eq(inputs, 1);
	ck_assert_uint_eq(room[sizeof inputs], 'x');
	ck_assert_int_eq(vm_stats_sized(pool, (void *)room, sizeof room), 0);
	for (size_t i = sizeof(struct vm_stats); i < sizeof room; i++)
		ck_assert_uint_eq(room[i], 0);
	close_pool(pool);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		counts_are_those_of_the_results, workers_are_counted,
		items_cancelled_or_lost_are_counted,
		the_total_is_that_of_all_sources,
		a_total_beyond_64_bits_is_unknown, bounds_have_peaks,
		a_pool_without_processes_counts_too,
		times_are_where_they_were_spent,
		workers_are_idle_while_they_live, pushed_inputs_have_their_time,
		the_time_behind_a_source_that_failed_counts,
		cpu_time_grows_while_a_worker_lives, slow_inputs_are_named,
		a_slow_input_may_be_the_last_of_its_chunk,
		slow_inputs_may_die,
		workers_that_wait_for_the_caller_are_blocked,
		the_state_of_a_worker_is_told, calls_are_refused,
		structs_of_other_versions_are_filled,
	};

	return run_tests("stats", tests, COUNTOF(tests));
}
