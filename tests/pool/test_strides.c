/*
 * test_strides.c - items that a worker takes several at a time: a death is
 * blamed on the item that ran, never on items that had not begun, and no
 * finished item waits for items that were taken.
 */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "items/chunk.h"
#include "tools.h"

/* A chunk of three strides. */
enum { ITEMS = 3 * SLOT_STRIDE };
enum { GATE, OTHERS, STARTED, SEEN, TAKEN };

static struct shared *sh;
static int stride = SLOT_STRIDE;
static bool in_arrays;		/* outputs are 8 bytes, as is known before */
static int bad;
static void (*harm)(void);

/* Returns the number of items of its first chunk that the worker has taken. */
static long taken(void)
{
	size_t size;
	const struct slot *s = (void *)own_slot(sh, &size);

	return (long)(s->lease[0] & 0xffffff);
}

/* Records the number of items that were taken with the first item. */
static void note_first(int64_t n)
{
	if (n == 0)
		atomic_store(&sh->counter[SEEN], taken());
	atomic_fetch_add(&sh->counter[STARTED], 1);
}

static vm_pool *start(int (*process)(struct vm_context *, const void *,
    size_t), struct vm_options options)
{
	const struct vm_worker worker = { .process = process };
	vm_pool *pool;

	no_cores();
	sh = shared_new();
	options.chunk_size = ITEMS;
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	/* As if measured items had taken no time, or long. */
	pool->engine.sizer.item_ns = stride > 1 ? 1 : 1e6;
	pool->engine.crew.usual = in_arrays ? 8 : 0;
	imap_to(pool, vm_range(0, ITEMS));
	return pool;
}

static void stop(vm_pool *pool)
{
	ck_assert_int_eq(atomic_load(&sh->counter[SEEN]), stride);
	close_pool(pool);
	ck_assert_int_eq(count_children(), 0);
	shared_free(sh);
}

/* Takes the next result, which must be an output of the first attempt.  Returns
   its number. */
static int64_t take_well(vm_pool *pool)
{
	struct vm_result r;

	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	ck_assert_int_eq(r.attempts, 1);
	ck_assert_int_eq(number(r.output), number(r.input));
	return number(r.input);
}

/* ---- deaths ---- */

static int may_harm(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);

	note_first(n);
	atomic_fetch_add(&sh->pid[n], 1);
	if (n == bad)
		harm();
	return vm_output(me, input, size);
}

static void be_killed(void)
{
	raise(SIGKILL);
}

static void leave(void)
{
	_exit(3);
}

static void hang(void)
{
	for (;;)
		pause();
}

static void check_one(struct vm_options options, enum vm_cause cause)
{
	vm_pool *pool = start(may_harm, options);
	struct vm_result r;

	for (int i = 0; i < ITEMS; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		ck_assert_int_eq(r.attempts, 1);
		if (number(r.input) != bad) {
			ck_assert_int_eq(r.type, VM_OUTPUT);
			continue;
		}
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		ck_assert_int_eq(r.exception->cause, cause);
	}
	take_end(pool);
	for (int i = 0; i < ITEMS; i++)
		ck_assert_int_eq(atomic_load(&sh->pid[i]), 1);
	stop(pool);
}

/* Runs with the bad item at each position of a stride, and at some of the next
   stride. */
static void check_harm(void (*how)(void), enum vm_cause cause, int step,
    int timeout_ms)
{
	harm = how;
	for (bad = 0; bad < SLOT_STRIDE + 2; bad += step)
		for (int workers = 1; workers < 3; workers++)
			check_one((struct vm_options){ .workers = workers,
			    .flags = bad & 1 ? VM_ORDERED : 0,
			    .item_timeout_ms = timeout_ms }, cause);
}

START_TEST(killed_at_any_item)
{
	check_harm(be_killed, VM_KILLED, 1, 0);
}
END_TEST

START_TEST(exits_at_any_item)
{
	check_harm(leave, VM_EXITED, 1, 0);
}
END_TEST

START_TEST(takes_too_long_at_any_item)
{
	check_harm(hang, VM_TIMED_OUT, 3, 200);
}
END_TEST

/* ---- an item that ends on SIGTERM ---- */

enum { SLOW = 3 };

static volatile sig_atomic_t told;

static void note_told(int signal)
{
	(void)signal;
	told = 1;
}

/* Exceeds its time limit at first, but ends before the worker is killed; the
   worker is killed in the next item. */
static int makes_it(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);
	bool first = atomic_fetch_add(&sh->pid[n], 1) == 0;

	note_first(n);
	signal(SIGTERM, note_told);
	while (n == SLOW && first && !told)
		nap_ms(1);
	if (n == SLOW + 1 && first && told)
		hang();
	return vm_output(me, input, size);
}

/* Returns whether the next item was begun; on a busy machine the worker may be
   killed earlier.  In both cases that item must not be blamed. */
static bool next_one_is_begun(void)
{
	vm_pool *pool = start(makes_it, (struct vm_options){ .workers = 1,
	    .item_timeout_ms = 200 });
	struct vm_result r;
	bool begun;

	for (int i = 0; i < ITEMS; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		ck_assert_int_eq(r.attempts, 1);
		ck_assert_msg(r.type == VM_OUTPUT || number(r.input) == SLOW,
		    "%d: %s", (int)number(r.input), r.exception->message);
	}
	take_end(pool);
	begun = atomic_load(&sh->pid[SLOW + 1]) == 2;
	stop(pool);
	return begun;
}

START_TEST(the_next_one_does_not_pay_for_it)
{
	for (int i = 0; i < 20; i++)
		if (next_one_is_begun())
			return;
	ck_abort_msg("it was never begun");
}
END_TEST

/* The worker does not begin items that it has not taken by then. */
START_TEST(nothing_is_taken_after_it)
{
	stride = 1;
	ck_assert(!next_one_is_begun());
}
END_TEST

/* ---- slow items ---- */

static int slow_at_gate(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);

	note_first(n);
	if (n == SLOW)
		atomic_store(&sh->counter[TAKEN], taken());
	if (n == SLOW && await(&sh->counter[GATE], 1, limit_ms()) < 0)
		return vm_fail(me, 1, "nobody has opened the gate");
	return vm_output(me, input, size);
}

/* Results of items before a slow item arrive, though they were taken with
   it. */
START_TEST(fast_ones_are_not_held_up)
{
	for (int ordered = 0; ordered < 2; ordered++) {
		vm_pool *pool = start(slow_at_gate, (struct vm_options){
		    .workers = 1, .flags = ordered ? VM_ORDERED : 0 });

		for (int i = 0; i < SLOW; i++)
			ck_assert_int_eq(take_well(pool), i);
		atomic_store(&sh->counter[GATE], 1);
		for (int i = SLOW; i < ITEMS; i++)
			ck_assert_int_eq(take_well(pool), i);
		take_end(pool);
		stop(pool);
	}
}
END_TEST

START_TEST(cancelled_within_a_stride)
{
	vm_pool *pool = start(slow_at_gate, (struct vm_options){
	    .workers = 1 });
	bool seen[ITEMS] = { false };
	struct vm_result r;
	long behind;

	for (int i = 0; i < SLOW; i++)
		seen[take_well(pool)] = true;
	wait_for(&sh->counter[TAKEN], SLOW + 1);
	behind = atomic_load(&sh->counter[TAKEN]);
	vm_cancel(pool, 0);
	/* While the gate is shut, the results of all items that were not taken
	   arrive. */
	for (long i = behind; i < ITEMS; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
		ck_assert_int_eq(r.attempts, 0);
		ck_assert_int_ge(number(r.input), behind);
		ck_assert(!seen[number(r.input)]);
		seen[number(r.input)] = true;
	}
	atomic_store(&sh->counter[GATE], 1);
	for (long i = SLOW; i < behind; i++) {
		int64_t n = take_well(pool);

		ck_assert(n < behind && !seen[n]);
		seen[n] = true;
	}
	take_end(pool);
	stop(pool);
}
END_TEST

/* The slow item waits for all items that another worker can have. */
static int slow_for_others(struct vm_context *me, const void *input,
    size_t size)
{
	int64_t n = number(input);

	note_first(n);
	if (n == SLOW && await(&sh->counter[OTHERS], ITEMS - SLOT_STRIDE,
	    limit_ms()) < 0)
		return vm_fail(me, 1, "the others are not done");
	if (n >= SLOT_STRIDE)
		atomic_fetch_add(&sh->counter[OTHERS], 1);
	return vm_output(me, input, size);
}

START_TEST(what_is_not_taken_is_taken_back)
{
	for (int ordered = 0; ordered < 2; ordered++) {
		vm_pool *pool = start(slow_for_others, (struct vm_options){
		    .workers = 2, .flags = ordered ? VM_ORDERED : 0 });

		for (int i = 0; i < ITEMS; i++)
			take_well(pool);
		take_end(pool);
		ck_assert_int_eq(atomic_load(&sh->counter[STARTED]), ITEMS);
		stop(pool);
	}
}
END_TEST

/* ---- items that become long within a stride ---- */

enum { LONG = 4 };

/* Waits until the caller asks this worker for results.  Returns how many bytes
   of them it has written out by then. */
static uint64_t await_caller(void)
{
	size_t size;
	const struct slot *s = (void *)own_slot(sh, &size);

	while (atomic_load(&s->wanted) == 0)
		nap_ms(1);
	return atomic_load(&s->flushed);
}

/* The first items end when the caller waits; so each finds the result of the
   item before written out. */
static int long_at_first(struct vm_context *me, const void *input, size_t size)
{
	static uint64_t before;
	int64_t n = number(input);
	uint64_t written;

	note_first(n);
	written = n < LONG ? await_caller() : 0;
	if (n > 0 && n < LONG && written == before)
		return vm_fail(me, 1, "the last result is held up");
	before = written;
	return vm_output(me, input, size);
}

START_TEST(long_ones_arrive_one_by_one)
{
	for (int arrays = 0; arrays < 2; arrays++) {
		vm_pool *pool;

		in_arrays = arrays;
		pool = start(long_at_first, (struct vm_options){
		    .workers = 1 });
		for (int i = 0; i < ITEMS; i++)
			ck_assert_int_eq(take_well(pool), i);
		take_end(pool);
		stop(pool);
	}
}
END_TEST

/* The slow item ends when the caller waits.  Of the items taken with it the
   first to run waits for the second. */
static int slow_then_together(struct vm_context *me, const void *input,
    size_t size)
{
	int64_t n = number(input);

	note_first(n);
	if (n == SLOW)
		await_caller();
	if (n > SLOW && n < SLOT_STRIDE &&
	    atomic_fetch_add(&sh->counter[OTHERS], 1) == 0 &&
	    await(&sh->counter[OTHERS], 2, limit_ms()) < 0)
		return vm_fail(me, 1, "no other worker has begun an item");
	return vm_output(me, input, size);
}

START_TEST(they_are_given_back)
{
	for (int arrays = 0; arrays < 2; arrays++) {
		vm_pool *pool;

		in_arrays = arrays;
		pool = start(slow_then_together, (struct vm_options){
		    .workers = 2 });
		for (int i = 0; i < ITEMS; i++)
			take_well(pool);
		take_end(pool);
		ck_assert_int_eq(atomic_load(&sh->counter[STARTED]), ITEMS);
		stop(pool);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		killed_at_any_item, fast_ones_are_not_held_up,
		cancelled_within_a_stride, what_is_not_taken_is_taken_back,
		long_ones_arrive_one_by_one, they_are_given_back };
	const TTest *const drawn[] = {
		takes_too_long_at_any_item, nothing_is_taken_after_it,
		the_next_one_does_not_pay_for_it, exits_at_any_item };

	return run_sampled_tests("strides", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
