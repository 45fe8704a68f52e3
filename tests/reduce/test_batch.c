/*
 * test_batch.c - records in memory are sorted by key, records with the same key
 * keep their order, and sorts of any size call vm_alive() all along.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "reduce/batch.h"
#include "reduce/gather.h"
#include "tools.h"

/* In place of vm_alive(), which needs a worker. */
static size_t times_alive;
void __wrap_vm_alive(struct vm_context *);
void __wrap_vm_alive(struct vm_context *me)
{
	ck_assert_ptr_null(me);
	times_alive++;
}

static uint64_t state;

static uint32_t draw(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 33) % below);
}

/* Adds a record.  Its key has 0 to 11 bytes of few values, so that many keys
   are equal, are prefixes of others, or share their first 8 bytes. */
static void add(struct batch *b, uint64_t number)
{
	unsigned char key[11];
	struct record r = { key, (const unsigned char *)&number, 0,
		sizeof number, false };

	r.key_size = draw(sizeof key + 1);
	for (size_t i = 0; i < sizeof key; i++)
		key[i] = i < 6 ? 0xff : (unsigned char)draw(7);
	ck_assert_int_eq(batch_add(b, &r), 0);
}

static uint64_t number_of(const struct record *r)
{
	uint64_t number;

	ck_assert_uint_eq(r->body_size, sizeof number);
	memcpy(&number, r->body, sizeof number);
	return number;
}

static void check_order(const struct batch *b, size_t count)
{
	char *seen = calloc(count + 1, 1);
	struct record last = { 0 }, r;
	int order;

	ck_assert_ptr_nonnull(seen);
	for (size_t i = 0; i < count; i++, last = r) {
		batch_look(b, i, &r);
		ck_assert_uint_lt(number_of(&r), count);
		ck_assert_int_eq(seen[number_of(&r)]++, 0);
		if (i == 0)
			continue;
		order = record_compare(last.key, last.key_size, r.key,
		    r.key_size);
		ck_assert_int_le(order, 0);
		if (order == 0)
			ck_assert_uint_lt(number_of(&last), number_of(&r));
	}
	free(seen);
}

static const size_t sizes[] = { 0, 1, 2, 3, 1000, 4095, 4096, 4097, 8192, 12289,
	20000 };

START_TEST(sorts)
{
	struct batch b;

	batch_init(&b);
	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		batch_clear(&b);
		for (size_t n = 0; n < sizes[i]; n++)
			add(&b, n);
		ck_assert_int_eq(batch_sort(&b, NULL), (int64_t)sizes[i]);
		check_order(&b, sizes[i]);
	}
	batch_release(&b);
}
END_TEST

/* Sorting n records takes n log2(n) comparisons; vm_alive() is called once for
   20,000 comparisons. */
START_TEST(says_that_it_goes_on)
{
	enum { COUNT = 1 << 15, BITS = 15 };
	struct batch b;

	batch_init(&b);
	for (size_t n = 0; n < COUNT; n++)
		add(&b, n);
	times_alive = 0;
	ck_assert_int_eq(batch_sort(&b, NULL), COUNT);
	ck_assert_uint_gt(times_alive, (size_t)COUNT * BITS / 20000);
	batch_release(&b);
}
END_TEST

/* To gather records, they are read once more, and written. */
START_TEST(gathering_says_so_too)
{
	enum { COUNT = 5000 };
	struct gather_phase g = { .memory = 1 << 20, .key_most = 11 };
	struct words w = { "" };
	struct gathered out;
	struct store store;
	struct batch b;
	struct run run;
	size_t to_sort;

	ck_assert_int_eq(store_open(&store, 1, UINT64_MAX, NULL, &w), 0);
	batch_init(&b);
	for (size_t n = 0; n < COUNT; n++)
		add(&b, n);
	ck_assert_int_eq(run_write(&store, 0, b.records.data, b.records.len,
	    &run), 0);
	times_alive = 0;
	ck_assert_int_eq(batch_sort(&b, NULL), COUNT);
	to_sort = times_alive;
	times_alive = 0;
	g.store = &store;
	ck_assert_int_eq(gather(&g, &run, 1, &out), 0);
	/* vm_alive() is called once for 2,000 records, each time that gather()
	   goes through them. */
	ck_assert_uint_ge(times_alive, to_sort + 2 * COUNT / 2000);
	batch_release(&b);
	store_close(&store);
}
END_TEST

static size_t collected, alive_before;

/* A collect callback that leaves no pair. */
static int drop(struct vm_context *me, const void *key, size_t size,
    struct vm_values *values)
{
	(void)me, (void)key, (void)size, (void)values;
	ck_assert_uint_gt(times_alive, alive_before);
	alive_before = times_alive;
	collected++;
	return 0;
}

/* item_timeout_ms is for each call of a hook, however many there are. */
START_TEST(each_call_of_collect_has_its_own_time)
{
	const struct vm_job job = { .collect = drop };
	struct combine combine;
	struct gather_phase g = { .memory = 1 << 20, .key_most = 11,
		.combine = &combine, .job = &job };
	struct words w = { "" };
	struct gathered out;
	struct store store;
	struct batch b;
	struct run run;

	ck_assert_int_eq(store_open(&store, 1, UINT64_MAX, NULL, &w), 0);
	combine_init(&combine, NULL, NULL, 1 << 20, 8);
	batch_init(&b);
	for (size_t n = 0; n < 500; n++)
		add(&b, n);
	ck_assert_int_eq(run_write(&store, 0, b.records.data, b.records.len,
	    &run), 0);
	times_alive = alive_before = collected = 0;
	g.store = &store;
	ck_assert_int_eq(gather(&g, &run, 1, &out), 0);
	ck_assert_uint_gt(collected, 10);
	batch_release(&b);
	combine_release(&combine);
	store_close(&store);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		says_that_it_goes_on, gathering_says_so_too,
		each_call_of_collect_has_its_own_time };
	const TTest *const drawn[] = {
		sorts };

	return run_sampled_tests("batch", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
