/*
 * test_hands.c - while items are tiny, few workers have them; as soon as some
 * take long, all workers share them.
 */
#include "config.h"

#include <stdlib.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "items/sizer.h"
#include "os/sys.h"
#include "tools.h"

/* Workers beyond one for each CPU; no pool of a test has more than MOST. */
enum { BEYOND = 6, MOST = 64 };
/* Tiny items before the first that waits, and from each of these to the
   next. */
enum { TINY = 60000, APART = 1000 };
/* Tiny inputs pushed at a time, and times at most. */
enum { BATCH = 500, BATCHES = 100 };

/* What the workers inherit. */
struct meeting {
	struct shared *shared;
	int workers;
};

/* From TINY on, every APARTth item ends when as many of them run as there are
   workers. */
static int meet_at_times(struct vm_context *me, const void *input, size_t size)
{
	const struct meeting *m = me->config;
	uint64_t i = me->index;

	if (i >= TINY && (i - TINY) % APART == 0) {
		atomic_fetch_add(&m->shared->counter[0], 1);
		if (await(&m->shared->counter[0], m->workers, limit_ms()) < 0)
			return vm_fail(me, 1, "only %ld workers have work",
			    atomic_load(&m->shared->counter[0]));
	}
	return vm_output(me, input, size);
}

static void all_meet(bool ordered)
{
	struct meeting m = { .shared = shared_new(),
		.workers = MIN(sys_affinity() + BEYOND, MOST) };
	size_t items = TINY + (size_t)m.workers * APART;
	vm_pool *pool = fork_pool(&(struct vm_worker){
	        .process = meet_at_times, .config = &m },
	    &(struct vm_options){ .workers = m.workers,
	        .flags = ordered ? VM_ORDERED : 0 });
	struct vm_result r;

	ck_assert_int_eq(vm_ready(pool, -1), 0);
	imap_to(pool, vm_range(0, items));
	for (size_t i = 0; i < items; i++) {
		take(pool, &r);
		ck_assert_msg(r.type == VM_OUTPUT, "%s",
		    r.exception ? r.exception->message : "");
	}
	take_end(pool);
	ck_assert_int_eq(atomic_load(&m.shared->counter[0]), m.workers);
	close_pool(pool);
	shared_free(m.shared);
}

START_TEST(long_items_among_tiny_items_reach_all_workers)
{
	all_meet(false);
}
END_TEST

START_TEST(they_do_so_in_order_too)
{
	all_meet(true);
}
END_TEST

/* Items that are 0 are tiny; the others end as those above do. */
static int meet_if_told(struct vm_context *me, const void *input, size_t size)
{
	const struct meeting *m = me->config;

	if (number(input) != 0) {
		atomic_fetch_add(&m->shared->counter[0], 1);
		if (await(&m->shared->counter[0], m->workers, limit_ms()) < 0)
			return vm_fail(me, 1, "only %ld workers have work",
			    atomic_load(&m->shared->counter[0]));
	}
	return vm_output(me, input, size);
}

static void push(vm_pool *pool, int64_t value)
{
	ck_assert_int_eq(vm_submit(pool, &value, sizeof value, NULL), 1);
}

/* Pushes tiny items until the fewest workers have them, several at once.  A slow
   machine may never come to that. */
static void push_tiny(vm_pool *pool)
{
	const struct engine *e = &pool->engine;
	struct vm_result r;

	for (int i = 0; i < BATCHES && (sizer_stride(&e->sizer) == 1 ||
	    e->crew.hands > e->cpus + 1); i++) {
		for (int n = 0; n < BATCH; n++)
			push(pool, 0);
		for (int n = 0; n < BATCH; n++)
			take(pool, &r);
		take_end(pool);
	}
}

/* An input for each worker is pushed after tiny inputs.  factor: that of chunks
   sent; 0: the default. */
static void all_meet_when_pushed(int factor)
{
	struct meeting m = { .shared = shared_new(),
		.workers = MIN(sys_affinity() + BEYOND, MOST) };
	vm_pool *pool = fork_pool(&(struct vm_worker){
	        .process = meet_if_told, .config = &m },
	    &(struct vm_options){ .workers = m.workers,
	        .max_real_in_flight_factor = factor });
	struct vm_result r;

	ck_assert_int_eq(vm_ready(pool, -1), 0);
	push_tiny(pool);
	for (int i = 0; i < m.workers; i++)
		push(pool, 1);
	for (int i = 0; i < m.workers; i++) {
		take(pool, &r);
		ck_assert_msg(r.type == VM_OUTPUT, "%s",
		    r.exception ? r.exception->message : "");
	}
	close_pool(pool);
	shared_free(m.shared);
}

START_TEST(pushed_items_reach_all_workers)
{
	all_meet_when_pushed(0);
}
END_TEST

/* The few workers may have no second chunk, so none can be taken back. */
START_TEST(they_do_so_with_a_chunk_each_too)
{
	all_meet_when_pushed(1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		long_items_among_tiny_items_reach_all_workers,
		they_do_so_in_order_too, pushed_items_reach_all_workers,
		they_do_so_with_a_chunk_each_too };

	return run_tests("hands", tests, COUNTOF(tests));
}
