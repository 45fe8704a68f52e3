/*
 * test_sizer.c - sizer: a single input at first, then as many as the measured
 * times allow, within bounds; or a given number.
 */
#include "config.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/base.h"
#include "items/chunk.h"
#include "items/sizer.h"
#include "tools.h"

#define SEED UINT64_C(0x9e3779b97f4a7c15)
#define SECOND (1000 * MS_IN_NS)

static uint64_t rnd(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Returns the least number of small items that is enough for a chunk. */
static uint32_t aim_of(const struct sizer *p)
{
	uint32_t few = 0, many = CHUNK_ITEMS_MOST + 1;

	while (many - few > 1) {
		uint32_t n = few + (many - few) / 2;

		if (sizer_enough(p, n, 0))
			many = n;
		else
			few = n;
	}
	return many;
}

START_TEST(one_at_first)
{
	struct sizer p;

	sizer_init(&p, 0);
	ck_assert(!sizer_enough(&p, 0, 0));
	ck_assert(sizer_enough(&p, 1, 0));
	ck_assert(sizer_enough(&p, 1, 1000000));
}
END_TEST

START_TEST(a_given_number_is_kept)
{
	static const uint32_t sizes[] = { 1, 2, 1000, CHUNK_ITEMS_MOST };
	struct sizer p;

	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		sizer_init(&p, sizes[i]);
		for (int round = 0; round < 10; round++) {
			ck_assert(!sizer_enough(&p, sizes[i] - 1, SIZE_MAX));
			ck_assert(sizer_enough(&p, sizes[i], 0));
			sizer_learn(&p, 10, round % 2 ? 1 : SECOND);
		}
	}
}
END_TEST

START_TEST(fast_items_travel_together)
{
	struct sizer p;
	uint32_t before = 1;

	sizer_init(&p, 0);
	for (int i = 0; i < 40; i++) {
		uint32_t aim;

		sizer_learn(&p, before, before * UINT64_C(100));
		aim = aim_of(&p);
		ck_assert_uint_ge(aim, before);
		ck_assert_uint_le(aim, 2 * before);
		before = aim;
	}
	ck_assert_uint_ge(before, 100);
	ck_assert_uint_le(before, 100000);
}
END_TEST

START_TEST(slow_items_travel_alone_at_once)
{
	struct sizer p;

	sizer_init(&p, 0);
	for (int i = 0; i < 100; i++)
		sizer_learn(&p, 1000, 1000);
	ck_assert_uint_gt(aim_of(&p), 1000);
	sizer_learn(&p, 1, SECOND);
	ck_assert_uint_eq(aim_of(&p), 1);
	ck_assert(sizer_enough(&p, 1, 0));
}
END_TEST

START_TEST(slower_is_believed_at_once_faster_by_and_by)
{
	struct sizer p;
	uint32_t fast, slow;

	sizer_init(&p, 0);
	for (int i = 0; i < 100; i++)
		sizer_learn(&p, 100, 100 * UINT64_C(100));
	fast = aim_of(&p);
	sizer_learn(&p, 100, 100 * UINT64_C(10000));
	slow = aim_of(&p);
	ck_assert_uint_le(slow, fast / 50);
	sizer_learn(&p, 100, 100 * UINT64_C(100));
	ck_assert_uint_ge(aim_of(&p), slow);
	ck_assert_uint_le(aim_of(&p), 2 * slow);
}
END_TEST

START_TEST(many_bytes_are_enough)
{
	struct sizer p;

	sizer_init(&p, 0);
	for (int i = 0; i < 100; i++)
		sizer_learn(&p, 1000, 1000);
	ck_assert(!sizer_enough(&p, 1, 64));
	ck_assert(sizer_enough(&p, 1, 1 << 20));
	ck_assert(sizer_enough(&p, 1, SIZE_MAX));
}
END_TEST

START_TEST(as_many_are_missing_as_make_it_enough)
{
	static const size_t lengths[] = { 16, 32, 1040, SIZER_BYTES + 16 };
	static const size_t fixed[] = { 0, 1, 7, 100000 };

	for (size_t i = 0; i < COUNTOF(fixed); i++)
		for (size_t k = 0; k < COUNTOF(lengths); k++) {
			struct sizer p;
			uint32_t items = 1;
			size_t length = lengths[k], n;

			sizer_init(&p, fixed[i]);
			for (int t = 0; t < 100; t++)
				sizer_learn(&p, 1000, 1000);
			n = sizer_missing(&p, items, length, length);
			ck_assert(sizer_enough(&p, items + (uint32_t)n,
			    (items + n) * length));
			ck_assert(n == 0 || !sizer_enough(&p, items +
			    (uint32_t)n - 1, (items + n - 1) * length));
		}
}
END_TEST

/* A worker takes long items singly: the caller can only take back items that
   the worker has not taken. */
START_TEST(only_short_items_are_taken_together)
{
	struct sizer p;

	for (uint32_t fixed = 0; fixed <= 256; fixed += 256) {
		sizer_init(&p, fixed);
		ck_assert_uint_eq(sizer_stride(&p), 1);
		for (int i = 0; i < 100; i++)
			sizer_learn(&p, 1000, 1000 * UINT64_C(15));
		ck_assert_uint_eq(sizer_stride(&p), SLOT_STRIDE);
		sizer_learn(&p, 1000, 1000 * UINT64_C(300));
		ck_assert_uint_ge(sizer_stride(&p), 2);
		ck_assert_uint_le(sizer_stride(&p), 4);
		sizer_learn(&p, 1000, 1000 * UINT64_C(2000));
		ck_assert_uint_eq(sizer_stride(&p), 1);
	}
}
END_TEST

START_TEST(nothing_teaches_nothing)
{
	struct sizer p, before;

	sizer_init(&p, 0);
	sizer_learn(&p, 0, SECOND);
	ck_assert_uint_eq(aim_of(&p), 1);
	for (int i = 0; i < 10; i++)
		sizer_learn(&p, 8, 8000);
	before = p;
	sizer_learn(&p, 0, 0);
	sizer_learn(&p, 0, UINT64_MAX);
	ck_assert_uint_eq(p.aim, before.aim);
	ck_assert(p.item_ns <= before.item_ns && p.item_ns >= before.item_ns);
}
END_TEST

/* Whatever the times, a chunk has at least an item and no more than its
   bound. */
START_TEST(stays_within_bounds)
{
	uint64_t state = SEED;
	uint32_t before = 1;
	struct sizer p;

	printf("test_sizer: seed %" PRIu64 "\n", state);
	sizer_init(&p, 0);
	for (int i = 0; i < 20000; i++) {
		uint64_t ns = rnd(&state) >> rnd(&state) % 64;
		bool calm = i % 1000 < 100;	/* let it grow, too */

		sizer_learn(&p, (uint32_t)(rnd(&state) % CHUNK_ITEMS_MOST),
		    calm ? 0 : ns);
		ck_assert_uint_ge(p.aim, 1);
		ck_assert_uint_le(p.aim, CHUNK_ITEMS_MOST);
		ck_assert_uint_le(p.aim, 2 * before);
		before = p.aim;
	}
}
END_TEST

START_TEST(grows_to_the_most_and_no_further)
{
	struct sizer p;

	sizer_init(&p, 0);
	for (int i = 0; i < 200; i++)
		sizer_learn(&p, CHUNK_ITEMS_MOST, 0);
	ck_assert_uint_eq(aim_of(&p), CHUNK_ITEMS_MOST);
}
END_TEST

/* Each of 64 workers on 2 CPUs has its turn every 32nd time only. */
START_TEST(a_crowd_is_paced_by_what_it_gets_done)
{
	struct sizer alone, crowd;
	uint64_t now = SECOND;

	sizer_init(&alone, 0);
	sizer_init(&crowd, 0);
	sizer_crowd(&crowd, 1, now, 64, 2);
	for (int i = 0; i < 40000; i++) {
		now += 1000;
		sizer_crowd(&alone, 10, now, 2, 2);
		sizer_crowd(&crowd, 10, now, 64, 2);
		sizer_learn(&alone, 10, 64000);
		sizer_learn(&crowd, 10, 64000);
	}
	ck_assert_uint_eq(aim_of(&alone), 1000000 / 6400);
	ck_assert_uint_eq(aim_of(&crowd), 1000 * 5);
}
END_TEST

/* Many workers sleep at the same time: none gets many more items than it can do
   soon. */
START_TEST(a_crowd_that_sleeps_has_short_chunks)
{
	struct sizer p;
	uint64_t now = SECOND;

	sizer_init(&p, 0);
	for (int i = 0; i < 10000; i++) {
		now += 10000;
		sizer_crowd(&p, 1, now, 1000, 2);
		sizer_learn(&p, 1, 10 * MS_IN_NS);
	}
	ck_assert_uint_eq(aim_of(&p), 5);
	/* With few workers, chunks are as without a crowd. */
	for (int i = 0; i < 1000; i++) {
		now += 10000;
		sizer_crowd(&p, 1, now, 2, 2);
		sizer_learn(&p, 1, 10 * MS_IN_NS);
	}
	ck_assert_uint_eq(aim_of(&p), 1);
}
END_TEST

START_TEST(few_workers_have_tiny_items)
{
	struct sizer p;

	sizer_init(&p, 0);
	ck_assert_uint_eq(sizer_hands(&p, 2), SIZE_MAX);
	for (int i = 0; i < 100; i++)
		sizer_learn(&p, 100, 10000);
	ck_assert_uint_eq(sizer_hands(&p, 2), 3);
	/* A chunk now and then had to wait for a CPU. */
	for (int i = 0; i < 100; i++) {
		sizer_learn(&p, 100, i % 4 == 0 ? 50 * MS_IN_NS : 10000);
		ck_assert_uint_eq(sizer_hands(&p, 2), 3);
	}
	for (int i = 0; i < 10; i++)
		sizer_learn(&p, 100, 50 * MS_IN_NS);
	ck_assert_uint_eq(sizer_hands(&p, 2), SIZE_MAX);
}
END_TEST

START_TEST(others_stand_in_for_silent_workers)
{
	struct sizer p;

	sizer_init(&p, 0);
	for (int i = 0; i < 100; i++)
		sizer_learn(&p, 100, 10000);
	sizer_silent(&p, 3);
	ck_assert_uint_eq(sizer_hands(&p, 2), 6);
	/* These end their chunks. */
	for (size_t left = 3; left > 0; left--) {
		ck_assert_uint_eq(sizer_hands(&p, 2), 3 + left);
		sizer_learn(&p, 100, 10000);
	}
	sizer_learn(&p, 100, 10000);
	ck_assert_uint_eq(sizer_hands(&p, 2), 3);
}
END_TEST

START_TEST(all_workers_have_chunks_of_a_given_number)
{
	struct sizer p;

	sizer_init(&p, 100);
	for (int i = 0; i < 100; i++)
		sizer_learn(&p, 100, 10000);
	ck_assert_uint_eq(sizer_hands(&p, 2), SIZE_MAX);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { one_at_first, a_given_number_is_kept,
		fast_items_travel_together, slow_items_travel_alone_at_once,
		slower_is_believed_at_once_faster_by_and_by,
		many_bytes_are_enough,
		as_many_are_missing_as_make_it_enough, only_short_items_are_taken_together,
		nothing_teaches_nothing,
		stays_within_bounds, grows_to_the_most_and_no_further,
		a_crowd_is_paced_by_what_it_gets_done,
		a_crowd_that_sleeps_has_short_chunks,
		few_workers_have_tiny_items,
		others_stand_in_for_silent_workers,
		all_workers_have_chunks_of_a_given_number };

	return run_tests("pace", tests, COUNTOF(tests));
}
