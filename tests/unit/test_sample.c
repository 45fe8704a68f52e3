/*
 * test_sample.c - cases that the tests of a day leave out are tried on another
 * day; and the time limit grows with the costs of the machine.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "machine.h"
#include "sample.h"
#include "tools.h"

#define CASES 100

static void set_seed(unsigned seed)
{
	char text[32];

	snprintf(text, sizeof text, "%u", seed);
	ck_assert_int_eq(setenv("VIMAP_TEST_SEED", text, 1), 0);
	ck_assert_uint_eq(sample_seed(), seed);
}

/* Consecutive seeds, from any start, draw each case once, and case 0 always. */
START_TEST(seeds_in_a_row_draw_all)
{
	unsetenv("VIMAP_LONG");
	for (unsigned of = 1; of < 20; of++) {
		int drawn[CASES] = { 0 };

		for (unsigned day = 0; day < of; day++) {
			set_seed(20785 + day);
			for (unsigned i = 0; i < CASES; i++)
				drawn[i] += sample_takes(i, of);
		}
		ck_assert_int_eq(drawn[0], of);
		for (unsigned i = 1; i < CASES; i++)
			ck_assert_int_eq(drawn[i], 1);
	}
}
END_TEST

/* Each time a case is drawn, another part is picked; over the days all are. */
START_TEST(seeds_in_a_row_pick_all)
{
	enum { OF = 6, WIDTH = 9 };
	int picked[WIDTH] = { 0 };

	unsetenv("VIMAP_LONG");
	for (unsigned day = 0; day < OF * WIDTH; day++) {
		set_seed(OF * 1000 + day);
		if (sample_takes(5, OF))
			picked[sample_pick(5, OF, WIDTH)]++;
	}
	for (int i = 0; i < WIDTH; i++)
		ck_assert_int_eq(picked[i], 1);
}
END_TEST

START_TEST(the_long_form_tries_all)
{
	ck_assert_int_eq(setenv("VIMAP_LONG", "1", 1), 0);
	for (unsigned i = 0; i < CASES; i++)
		ck_assert(sample_takes(i, 50));
	ck_assert_int_eq(sample_size(100, 3), 100);
	ck_assert_int_eq(unsetenv("VIMAP_LONG"), 0);
	ck_assert_int_eq(sample_size(100, 3), 3);
	ck_assert(!sample_takes(1, 50) || !sample_takes(2, 50));
}
END_TEST

START_TEST(all_tests_may_be_wanted_and_few_cases)
{
	ck_assert_int_eq(setenv("VIMAP_LONG", "tests", 1), 0);
	for (unsigned i = 0; i < CASES; i++)
		ck_assert(sample_takes_test(i, 50));
	ck_assert_int_eq(sample_size(100, 3), 3);
	ck_assert(!sample_takes(1, 50) || !sample_takes(2, 50));
	ck_assert_int_eq(unsetenv("VIMAP_LONG"), 0);
	ck_assert(!sample_takes_test(1, 50) || !sample_takes_test(2, 50));
}
END_TEST

START_TEST(without_a_seed_the_day_is_it)
{
	unsetenv("VIMAP_TEST_SEED");
	ck_assert_uint_gt(sample_seed(), 20000);
	ck_assert_uint_lt(sample_seed(), 200000);
}
END_TEST

START_TEST(the_limit_grows_with_the_machine)
{
	struct machine m = { .cpus = 2, .load = 0.5, .fork_ms = 0.1,
		.fault_us = 1 };
	char words[256];

	unsetenv("VIMAP_TEST_SLOWER");
	ck_assert_int_eq(machine_limit(&m), 120);
	m.fork_ms = 1;
	ck_assert_int_eq(machine_limit(&m), 242);
	m.load = 8;
	ck_assert_int_eq(machine_limit(&m), 969);
	ck_assert_int_eq(setenv("VIMAP_TEST_SLOWER", "2", 1), 0);
	ck_assert_int_eq(machine_limit(&m), 1939);
	m.load = 1000;
	ck_assert_int_eq(machine_limit(&m), 3600);
	machine_tell(&m, words, sizeof words);
	ck_assert_ptr_nonnull(strstr(words, "2 CPUs, load 1000.0, fork 1.00"));
}
END_TEST

START_TEST(the_machine_can_be_measured)
{
	int fds = count_fds();
	struct machine m;

	machine_measure(&m);
	ck_assert_int_ge(m.cpus, 1);
	ck_assert(m.load >= 0);
	ck_assert(m.fork_ms > 0);
	ck_assert(m.fault_us > 0);
	ck_assert(m.call_us > 0);
	ck_assert(m.wake_us > 0);
	ck_assert_int_eq(count_fds(), fds);
	ck_assert_int_eq(count_children(), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { seeds_in_a_row_draw_all,
		seeds_in_a_row_pick_all, the_long_form_tries_all,
		all_tests_may_be_wanted_and_few_cases,
		without_a_seed_the_day_is_it,
		the_limit_grows_with_the_machine,
		the_machine_can_be_measured };

	return run_tests("sample", tests, COUNTOF(tests));
}
