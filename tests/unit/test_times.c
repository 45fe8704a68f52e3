/*
 * test_times.c - times of items: percentiles within an eighth, and the slowest.
 */
#include "config.h"

#include <stdlib.h>

#include "base/base.h"
#include "report/times.h"
#include "tools.h"

static void assert_near(uint64_t ns, uint64_t wanted)
{
	ck_assert_uint_ge(ns + wanted / 8 + 1, wanted);
	ck_assert_uint_le(ns, wanted + wanted / 8 + 1);
}

START_TEST(each_time_has_its_class)
{
	for (uint64_t ns = 0; ns < (uint64_t)1 << 49; ns += 1 + ns / 100) {
		struct times t = { 0 };

		times_add(&t, ns, 3);
		ck_assert_uint_eq(t.items, 3);
		if (ns < (uint64_t)1 << 48)
			assert_near(times_part(&t, 500), ns);
		ck_assert_uint_eq(times_part(&t, 0), times_part(&t, 1000));
	}
}
END_TEST

START_TEST(percentiles_are_those_of_the_items)
{
	struct times t = { 0 };

	ck_assert_uint_eq(times_part(&t, 500), 0);
	for (uint64_t ns = 1; ns <= 10000; ns++)
		times_add(&t, ns * 1000, 1);
	assert_near(times_part(&t, 500), 5000 * 1000);
	assert_near(times_part(&t, 900), 9000 * 1000);
	assert_near(times_part(&t, 990), 9900 * 1000);
	times_add(&t, 5, 1000000);
	ck_assert_uint_eq(times_part(&t, 500), 5);
	ck_assert_uint_eq(times_part(&t, 990), 5);
	ck_assert_uint_gt(times_part(&t, 999), 1000000);
}
END_TEST

START_TEST(very_long_times_are_the_last_class)
{
	struct times t = { 0 };

	times_add(&t, UINT64_MAX, 1);
	ck_assert_uint_ge(times_part(&t, 500), (uint64_t)1 << 47);
}
END_TEST

static void list(struct times *t, uint64_t seq, uint64_t ns)
{
	times_list(t, &(struct times_item){ .ns = ns, .seq = seq,
		.index = seq + 100 });
}

START_TEST(the_slowest_come_first)
{
	const uint64_t wanted[] = { 9, 8, 7, 6, 5 };
	struct times t = { 0 };

	for (uint64_t i = 0; i < 10; i++)
		list(&t, i, i * 7 % 10);
	for (int i = 0; i < TIMES_SLOWEST; i++) {
		ck_assert_uint_eq(t.slowest[i].ns, wanted[i]);
		ck_assert_uint_eq(t.slowest[i].seq * 7 % 10, wanted[i]);
		ck_assert_uint_eq(t.slowest[i].index, t.slowest[i].seq + 100);
	}
}
END_TEST

START_TEST(each_item_is_listed_once)
{
	struct times t = { 0 };

	list(&t, 1, 10);
	list(&t, 2, 20);
	list(&t, 3, 30);
	list(&t, 1, 5);
	ck_assert_uint_eq(t.slowest[2].ns, 10);
	list(&t, 1, 25);
	ck_assert_uint_eq(t.slowest[0].seq, 3);
	ck_assert_uint_eq(t.slowest[1].seq, 1);
	ck_assert_uint_eq(t.slowest[1].ns, 25);
	ck_assert_uint_eq(t.slowest[2].seq, 2);
	ck_assert_uint_eq(t.slowest[3].ns, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_time_has_its_class, percentiles_are_those_of_the_items,
		very_long_times_are_the_last_class, the_slowest_come_first,
		each_item_is_listed_once,
	};

	return run_tests("times", tests, COUNTOF(tests));
}
