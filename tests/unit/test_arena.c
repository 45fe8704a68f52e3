/*
 * test_arena.c - arena: regions never overlap, never wrap around, and are all
 * available again when all were freed, in any order.
 */
#include "config.h"

#include <string.h>

#include "base/base.h"
#include "sample.h"
#include "shm/arena.h"
#include "tools.h"

/* Who takes the regions: the caller, the first gap; or a worker, in turn. */
static bool in_turn;

static bool has(const struct arena *a, size_t size)
{
	uint64_t at;

	return in_turn ? arena_place(a->size, a->size, arena_held(a), a->head,
	    size, &at) : arena_has(a, size);
}

static struct region *take_one_of(struct arena *a, size_t size)
{
	uint64_t at;

	if (!in_turn)
		return arena_take(a, size);
	if (!arena_place(a->size, a->size, arena_held(a), a->head, size,
	    &at))
		return NULL;
	ck_assert(arena_allows(a, at, size));
	return arena_take_at(a, at, size);
}

/* Takes a region of size bytes, which must succeed at that offset. */
static struct region *taken(struct arena *a, size_t size, size_t offset)
{
	struct region *r;

	ck_assert(has(a, size));
	r = take_one_of(a, size);
	ck_assert_ptr_nonnull(r);
	ck_assert_uint_eq(region_offset(r), offset);
	ck_assert_uint_eq(r->to - r->from, size);
	return r;
}

static void check_none(struct arena *a, size_t size)
{
	ck_assert(!has(a, size));
	ck_assert_ptr_null(take_one_of(a, size));
}

/* Checks that nothing is taken: a single region can cover the whole area. */
static void check_empty(struct arena *a)
{
	struct region *r;

	ck_assert(has(a, a->size));
	r = take_one_of(a, a->size);
	ck_assert_ptr_nonnull(r);
	ck_assert_uint_eq(region_offset(r), 0);
	check_none(a, 1);
	region_drop(r);
	ck_assert_ptr_null(a->first);
}

START_TEST(an_area_of_nothing_has_no_room)
{
	struct arena a;

	arena_init(&a, 0);
	check_none(&a, 0);
	check_none(&a, 1);
	check_none(&a, SIZE_MAX);
	region_drop(NULL);
}
END_TEST

START_TEST(one_may_have_all_and_none_more_than_that)
{
	struct arena a;

	arena_init(&a, 100);
	check_none(&a, 0);
	check_none(&a, 101);
	check_none(&a, SIZE_MAX);
	check_empty(&a);
	check_empty(&a);
	region_drop(taken(&a, 1, 0));
	check_none(&a, 101);
	check_empty(&a);
}
END_TEST

/* A region takes the first gap, wherever others are. */
START_TEST(the_first_gap_is_used)
{
	struct arena a;
	struct region *r[4];

	arena_init(&a, 100);
	for (size_t i = 0; i < 4; i++)
		r[i] = taken(&a, 20, 20 * i);
	region_drop(r[1]);
	region_drop(r[2]);
	r[1] = taken(&a, 10, 20);
	r[2] = taken(&a, 30, 30);
	check_none(&a, 21);
	region_drop(r[0]);
	r[0] = taken(&a, 20, 0);
	region_drop(r[3]);
	ck_assert_uint_eq(a.reach, 80);
	r[3] = taken(&a, 40, 60);
	check_none(&a, 1);
	ck_assert_uint_eq(a.reach, 100);
	for (size_t i = 0; i < 4; i++)
		region_drop(r[i]);
	check_empty(&a);
}
END_TEST

START_TEST(regions_come_in_turn)
{
	struct arena a;
	struct region *r[10];

	in_turn = true;
	arena_init(&a, 100);
	for (size_t i = 0; i < 10; i++)
		r[i] = taken(&a, 10, 10 * i);
	check_none(&a, 1);
	for (size_t i = 0; i < 10; i++) {
		region_drop(r[i]);
		check_none(&a, 11);
		r[i] = taken(&a, 10, 10 * i);
		check_none(&a, 1);
	}
	for (size_t i = 0; i < 10; i++)
		region_drop(r[i]);
	check_empty(&a);
}
END_TEST

/* Two regions at a time use room for three, and not the whole area. */
START_TEST(the_begin_is_used_again)
{
	struct arena a;
	struct region *last, *next;

	in_turn = true;
	arena_init(&a, 1000);
	last = taken(&a, 60, 0);
	for (size_t i = 1; i < 10; i++) {
		next = taken(&a, 60, i % 3 * 60);
		region_drop(last);
		last = next;
	}
	/* As much again as is taken would not fit before it. */
	next = taken(&a, 60, 60);
	region_drop(taken(&a, 100, 120));
	region_drop(last);
	last = taken(&a, 100, 220);
	region_drop(next);
	region_drop(last);
	check_empty(&a);
}
END_TEST

/* With less in use the regions go on, so that more may be in use at once. */
START_TEST(a_part_is_used_first)
{
	struct arena a;
	struct region *last, *next;

	in_turn = true;
	arena_init(&a, 1000);
	last = taken(&a, 10, 0);
	for (size_t i = 1; i <= 20; i++) {
		next = taken(&a, 10, i % 13 * 10);
		region_drop(last);
		last = next;
	}
	region_drop(last);
	check_empty(&a);
}
END_TEST

START_TEST(none_goes_across_the_end)
{
	struct arena a;
	struct region *first, *second, *third;

	in_turn = true;
	arena_init(&a, 100);
	first = taken(&a, 40, 0);
	second = taken(&a, 40, 40);
	check_none(&a, 21);
	region_drop(first);
	/* The last 20 bytes are skipped, and count as taken until the region
	   before them is freed. */
	third = taken(&a, 40, 0);
	check_none(&a, 1);
	region_drop(second);
	second = taken(&a, 30, 40);
	check_none(&a, 31);
	first = taken(&a, 30, 70);
	check_none(&a, 1);
	region_drop(third);
	region_drop(second);
	region_drop(first);
	check_empty(&a);
}
END_TEST

START_TEST(the_oldest_holds_what_comes_after)
{
	struct arena a;
	struct region *first, *second, *third;

	in_turn = true;
	arena_init(&a, 100);
	first = taken(&a, 30, 0);
	second = taken(&a, 30, 30);
	third = taken(&a, 30, 60);
	region_drop(third);
	region_drop(second);
	check_none(&a, 11);
	second = taken(&a, 10, 90);
	check_none(&a, 1);
	region_drop(first);
	first = taken(&a, 90, 0);
	region_drop(second);
	region_drop(first);
	check_empty(&a);
}
END_TEST

/* Once the area is empty, the next region begins at offset 0, however little of
   the area was used. */
START_TEST(an_empty_one_begins_again)
{
	struct arena a;
	struct region *first;

	in_turn = true;
	arena_init(&a, 100);
	for (size_t i = 0; i < 100; i++) {
		first = taken(&a, 10 + i % 7, 0);
		region_drop(taken(&a, 20, 10 + i % 7));
		ck_assert_uint_eq(arena_held(&a), first->from);
		region_drop(first);
		ck_assert_uint_eq(arena_held(&a), a.head);
	}
	check_empty(&a);
}
END_TEST

/* ---- regions placed by another process ---- */

START_TEST(it_may_begin_at_the_head_or_at_the_begin)
{
	struct arena a;
	struct region *first;

	in_turn = true;
	arena_init(&a, 100);
	ck_assert(arena_allows(&a, 0, 100));
	ck_assert(!arena_allows(&a, 0, 101));
	ck_assert(!arena_allows(&a, 1, 10));
	ck_assert(!arena_allows(&a, 100, 10));
	ck_assert(!arena_allows(&a, (uint64_t)0 - 100, 10));
	first = arena_take_at(&a, 0, 30);
	ck_assert_ptr_nonnull(first);
	ck_assert(arena_allows(&a, 30, 70));
	ck_assert(!arena_allows(&a, 30, 71));
	ck_assert(!arena_allows(&a, 31, 10));
	ck_assert(!arena_allows(&a, 0, 10));
	/* Position 100 is offset 0 again, which is taken. */
	ck_assert(!arena_allows(&a, 100, 1));
	arena_pass(&a, 30, 20);
	ck_assert_uint_eq(a.reach, 50);
	ck_assert_uint_eq(arena_held(&a), 0);
	check_none(&a, 51);
	region_drop(first);
	ck_assert_uint_eq(arena_held(&a), 50);
	ck_assert(arena_allows(&a, 50, 50));
	ck_assert(!arena_allows(&a, 50, 51));
	ck_assert(arena_allows(&a, 100, 100));
	ck_assert(!arena_allows(&a, 200, 10));
	arena_init(&a, 0);
	ck_assert(!arena_allows(&a, 0, 0));
}
END_TEST

/* arena_place() and arena_allows() agree, however old the value of held that
   arena_place() works with. */
START_TEST(what_is_placed_is_allowed)
{
	struct arena a;
	uint64_t head = 0, held = 0, at;
	struct region *r[8] = { NULL };
	uint32_t x = 4711;
	int placed = 0;

	in_turn = true;
	arena_init(&a, 100);
	for (size_t i = 0; i < 100000; i++) {
		size_t size;

		x = x * 1103515245u + 12345u;
		size = 1 + (x >> 16) % 60;
		if (x >> 30 == 0)
			held = arena_held(&a);
		region_drop(r[i % 8]);
		r[i % 8] = NULL;
		if (!arena_place(100, 100, held, head, size, &at))
			continue;
		ck_assert(arena_allows(&a, at, size));
		r[i % 8] = arena_take_at(&a, at, size);
		head = at + size;
		placed++;
	}
	ck_assert_int_gt(placed, 10000);
	for (size_t i = 0; i < 8; i++)
		region_drop(r[i]);
	check_empty(&a);
}
END_TEST

/* Small regions stay in the near part, whatever lies behind. */
START_TEST(small_regions_stay_near)
{
	struct arena a;
	struct region *large;
	uint64_t at;

	arena_init(&a, 1000);
	ck_assert(!arena_place(1000, 100, 0, 0, 101, &at));
	ck_assert(arena_place(1000, 100, 0, 90, 10, &at));
	ck_assert_uint_eq(at, 90);
	/* No room behind, nor at the begin: all from 5 on is taken. */
	ck_assert(!arena_place(1000, 100, 5, 95, 6, &at));
	ck_assert(arena_place(1000, 100, 5, 95, 5, &at));
	ck_assert_uint_eq(at, 95);
	ck_assert(arena_place(1000, 100, 6, 96, 6, &at));
	ck_assert_uint_eq(at, 1000);
	ck_assert(arena_allows(&a, 0, 500));
	large = arena_take_at(&a, 0, 500);
	ck_assert(!arena_place(1000, 100, arena_held(&a), a.head, 10, &at));
	region_drop(large);
	ck_assert(arena_place(1000, 100, arena_held(&a), a.head, 10, &at));
	ck_assert_uint_eq(at, 1000);
	ck_assert(arena_allows(&a, at, 10));
}
END_TEST

/* ---- both ways ---- */

/* Frees four regions in every order. */
START_TEST(they_come_back_in_any_order)
{
	struct arena a;

	arena_init(&a, 100);
	for (int n = 0; n < 2 * 4 * 4 * 4 * 4; n++) {
		struct region *r[4];
		bool back[4] = { false };

		in_turn = n % 2 == 1;
		for (size_t i = 0; i < 4; i++) {
			r[i] = take_one_of(&a, 25);
			ck_assert_ptr_nonnull(r[i]);
		}
		check_none(&a, 1);
		for (int i = 0, left = n / 2; i < 4; i++, left /= 4) {
			if (!back[left % 4])
				region_drop(r[left % 4]);
			back[left % 4] = true;
		}
		for (int i = 0; i < 4; i++)
			if (!back[i])
				region_drop(r[i]);
		check_empty(&a);
	}
}
END_TEST

/* ---- a long run against a map of taken bytes ---- */

enum { SIZE = 1000, LIVE = 40 };

static struct region *live[LIVE];
static size_t sizes[LIVE];
static unsigned char map[SIZE];	/* 1 + index of the region in live[] */

static void take_one(struct arena *a, size_t which, size_t size)
{
	size_t at;

	ck_assert(has(a, size));
	live[which] = take_one_of(a, size);
	ck_assert_ptr_nonnull(live[which]);
	sizes[which] = size;
	at = region_offset(live[which]);
	ck_assert_uint_le(at + size, SIZE);
	for (size_t i = at; i < at + size; i++) {
		ck_assert_uint_eq(map[i], 0);
		map[i] = (unsigned char)(which + 1);
	}
}

static void give_one(size_t which)
{
	size_t at = region_offset(live[which]);

	for (size_t i = at; i < at + sizes[which]; i++)
		ck_assert_uint_eq(map[i], which + 1);
	memset(map + at, 0, sizes[which]);
	region_drop(live[which]);
	live[which] = NULL;
}

/* Must a region of size bytes fit?  In turn only the positions outside the range
   from the oldest region to the head are promised to be free. */
static bool must_have(const struct arena *a, size_t size)
{
	size_t used = a->first ? (size_t)(a->head - a->first->from) : 0;
	size_t lost = (size_t)(a->head % a->size);

	lost = lost + size > a->size ? a->size - lost : 0;
	return a->first == NULL || used + lost + size <= a->size;
}

/* Where the first gap of size bytes in the map is; SIZE if there is none. */
static size_t first_gap(size_t size)
{
	for (size_t i = 0, n = 0; i < SIZE; i++) {
		n = map[i] == 0 ? n + 1 : 0;
		if (n == size)
			return i + 1 - size;
	}
	return SIZE;
}

static void run_long(void)
{
	struct arena a;
	uint32_t x = 4711;
	int took = 0, refused = 0, most = sample_size(200000, 20000);

	arena_init(&a, SIZE);
	for (int i = 0; i < most; i++) {
		size_t which, size;

		x = x * 1103515245u + 12345u;
		which = (x >> 16) % LIVE;
		x = x * 1103515245u + 12345u;
		size = 1 + (x >> 16) % (x >> 8 & 15 ? 60 : SIZE);
		if (live[which] != NULL) {
			give_one(which);
		} else if (in_turn ? must_have(&a, size) :
		    first_gap(size) < SIZE) {
			const size_t gap = first_gap(size);

			take_one(&a, which, size);
			if (!in_turn)
				ck_assert_uint_eq(region_offset(live[which]),
				    gap);
			took++;
		} else {
			check_none(&a, size);
			refused++;
		}
	}
	ck_assert_int_gt(took, most / 20);
	/* In turn more room is lost. */
	ck_assert_int_gt(refused, most / (in_turn ? 20 : 60));
	for (size_t i = 0; i < LIVE; i++)
		if (live[i] != NULL)
			give_one(i);
	check_empty(&a);
}

START_TEST(a_long_run_agrees_with_a_map)
{
	in_turn = false;
	run_long();
	in_turn = true;
	run_long();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		an_area_of_nothing_has_no_room,
		one_may_have_all_and_none_more_than_that,
		the_first_gap_is_used, regions_come_in_turn,
		the_begin_is_used_again, a_part_is_used_first,
		none_goes_across_the_end, the_oldest_holds_what_comes_after,
		an_empty_one_begins_again,
		it_may_begin_at_the_head_or_at_the_begin,
		what_is_placed_is_allowed, small_regions_stay_near,
		they_come_back_in_any_order };
	const TTest *const drawn[] = {
		a_long_run_agrees_with_a_map };

	return run_sampled_tests("area", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
