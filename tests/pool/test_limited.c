/*
 * test_limited.c - real runs with a known limit, and the limit that vm_stats()
 * finds.
 */
#include "config.h"

#include <poll.h>
#include <string.h>

#include "base/base.h"
#include "tools.h"

static void burn_ms(int ms)
{
	uint64_t until = clock_ns() + (uint64_t)ms * MS_IN_NS;

	while (clock_ns() < until)
		;
}

/* A set of limits, by bit. */
#define ANY_OF(one, other) (1u << (one) | 1u << (other))
#define ONLY(one) ANY_OF(one, one)

/* Runs all items in workers that have started; the caller takes that long for
   each result.  Asserts that one of these limits is found. */
static void check_limit(unsigned limits, const struct vm_worker *w,
    const struct vm_options *o, struct vm_source source, int taking_ms)
{
	vm_pool *pool = fork_pool(w, o);
	struct vm_stats s;
	struct vm_result r;

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, source);
	while (vm_zip_in_out(pool, &r) == 1)
		if (taking_ms > 0)
			nap_ms(taking_ms);
	ck_assert_int_eq(vm_stats(pool, &s), 0);
	ck_assert_msg(strlen(s.sentence) > 20, "%s", s.sentence);
	ck_assert_msg(limits >> s.limit & 1, "limit %d: %s", (int)s.limit,
	    s.sentence);
	close_pool(pool);
}

static int nothing(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static int sleeps(struct vm_context *me, const void *input, size_t size)
{
	nap_ms(10);
	return vm_output(me, input, size);
}

#define OTHERS 49

/* Input 0 takes five times as long as all others together, however fast the
   machine is. */
static int first_is_long(struct vm_context *me, const void *input, size_t size)
{
	struct shared *sh = me->config;
	const uint64_t began = clock_ns();

	if (number(input) == 0) {
		while (atomic_load(&sh->counter[0]) < OTHERS)
			nap_ms(1);
		nap_ms((int)(4 * (clock_ns() - began) / MS_IN_NS));
	} else {
		nap_ms(2);
		atomic_fetch_add(&sh->counter[0], 1);
	}
	return vm_output(me, input, size);
}

static int slow_setup(struct vm_context *me)
{
	(void)me;
	nap_ms(20);
	return 0;
}

START_TEST(workers_that_sleep_wait_for_something_outside)
{
	const struct vm_worker w = { .process = sleeps };
	const struct vm_options o = { .workers = 2 };

	check_limit(ONLY(VM_LIMIT_OUTSIDE), &w, &o, vm_range(0, 100), 0);
}
END_TEST

/* One worker, so that it has a CPU even if the machine has two and is at other
   work. */
static int burns(struct vm_context *me, const void *input, size_t size)
{
	burn_ms(10);
	return vm_output(me, input, size);
}

START_TEST(workers_that_compute_need_cpus)
{
	const struct vm_worker w = { .process = burns };
	/* A single chunk: between items, the worker does not wait for the
	   caller, which waits for a CPU as well. */
	const struct vm_options o = { .workers = 1, .chunk_size = 60 };

	/* Where others use the CPUs, the worker waits for one. */
	check_limit(ANY_OF(VM_LIMIT_WORKERS, VM_LIMIT_OUTSIDE), &w, &o,
	    vm_range(0, 60), 0);
}
END_TEST

static int slow_next(void *from, const void **input, size_t *size)
{
	int *left = from;

	nap_ms(3);
	*input = left;
	*size = sizeof *left;
	return (*left)-- > 0;
}

START_TEST(slow_sources_are_found)
{
	const struct vm_worker w = { .process = nothing };
	const struct vm_options o = { .workers = 2 };
	int left = 100;

	check_limit(ONLY(VM_LIMIT_INPUT), &w, &o, (struct vm_source){
	    .next = slow_next, .from = &left }, 0);
}
END_TEST

/* A program with an event loop waits there, not in the library. */
START_TEST(event_loops_are_not_taken_for_slow_callers)
{
	const struct vm_worker w = { .process = sleeps };
	const struct vm_options o = { .workers = 4 };
	vm_pool *pool = fork_pool(&w, &o);
	struct pollfd p = { .fd = vm_fd(pool), .events = POLLIN };
	struct vm_stats s;
	struct vm_result r;

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(vm_submit(pool, "", 0, NULL), 1);
		while (vm_zip_in_out_within(pool, &r, 0) != 1)
			ck_assert_int_ge(poll(&p, 1, limit_ms()), 0);
	}
	ck_assert_int_eq(vm_stats(pool, &s), 0);
	ck_assert_msg(s.limit == VM_LIMIT_INPUT, "%s", s.sentence);
	close_pool(pool);
}
END_TEST

START_TEST(slow_callers_are_found)
{
	const struct vm_worker w = { .process = nothing };
	const struct vm_options o = { .workers = 2 };

	check_limit(ONLY(VM_LIMIT_TAKING), &w, &o, vm_range(0, 100), 3);
}
END_TEST

START_TEST(small_items_are_found)
{
	const struct vm_worker w = { .process = nothing };
	const struct vm_options o = { .workers = 2 };

	check_limit(ONLY(VM_LIMIT_SENDING), &w, &o, vm_range(0, 4000000), 0);
}
END_TEST

START_TEST(an_item_that_holds_up_all_is_found)
{
	struct shared *sh = shared_new();
	const struct vm_worker w = { .process = first_is_long, .config = sh };
	const struct vm_options o = { .workers = 2 };

	check_limit(ONLY(VM_LIMIT_LONGEST), &w, &o, vm_range(0, 1 + OTHERS),
	    0);
	shared_free(sh);
}
END_TEST

START_TEST(setups_are_found)
{
	const struct vm_worker w = { .setup = slow_setup, .process = nothing };
	const struct vm_options o = { .workers = 2, .worker_max_items = 1 };

	check_limit(ONLY(VM_LIMIT_SETUP), &w, &o, vm_range(0, 40), 0);
}
END_TEST

/* Every tenth input takes long, and in order the others wait for it. */
static int tenth_is_long(struct vm_context *me, const void *input, size_t size)
{
	nap_ms(number(input) % 10 == 0 ? 50 : 1);
	return vm_output(me, input, size);
}

START_TEST(bounds_are_found)
{
	const struct vm_worker w = { .process = tenth_is_long };
	const struct vm_options o = { .workers = 4, .chunk_size = 1,
		.flags = VM_ORDERED, .max_real_in_flight_factor = 1,
		.max_total_in_flight_factor = 1 };

	check_limit(ONLY(VM_LIMIT_BOUND), &w, &o, vm_range(0, 100), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		workers_that_sleep_wait_for_something_outside,
		workers_that_compute_need_cpus, slow_sources_are_found,
		event_loops_are_not_taken_for_slow_callers,
		slow_callers_are_found, small_items_are_found,
		an_item_that_holds_up_all_is_found, setups_are_found,
		bounds_are_found,
	};

	return run_tests("limited", tests, COUNTOF(tests));
}
