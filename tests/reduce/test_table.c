/*
 * test_table.c - the keys of a call and their values: each is found again, in
 * order, for all keys and however often values are taken and replaced.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "reduce/hash.h"
#include "reduce/table.h"
#include "reduce/values.h"
#include "tools.h"
#include "vimap_reduce.h"

static uint32_t find(struct table *t, uint64_t hash, const void *key,
    size_t size)
{
	int64_t entry = table_find(t, hash, key, size);
	const struct table_entry *e;

	ck_assert_int_ge(entry, 0);
	e = table_entry(t, (uint32_t)entry);
	ck_assert_uint_eq(e->key_size, size);
	ck_assert_mem_eq(e->key, key, size);
	ck_assert_int_eq(e->key[size], 0);
	return (uint32_t)entry;
}

START_TEST(keys_are_found_again)
{
	enum { KEYS = 5000 };
	static uint32_t entries[KEYS];
	char key[64] = "";
	struct table t;

	table_init(&t);
	for (int round = 0; round < 6; round++) {
		for (int n = 0; n < KEYS; n++) {
			size_t size = 4 + (size_t)n % 50;
			uint32_t e;

			memcpy(key, &n, sizeof n);
			e = find(&t, hash_bytes(key, size), key, size);
			ck_assert(round % 2 == 0 || e == entries[n]);
			entries[n] = e;
		}
		ck_assert_uint_eq(t.count, KEYS);
		if (round % 2 == 0)
			continue;
		table_clear(&t);
		ck_assert_uint_eq(t.count, 0);
		ck_assert_uint_eq(table_end(&t), 0);
	}
	table_release(&t);
}
END_TEST

/* Equal hashes are not equal keys; an empty key is a key. */
START_TEST(hashes_collide)
{
	uint32_t entries[300];
	struct table t;

	table_init(&t);
	for (int round = 0; round < 2; round++)
		for (int n = 0; n < 300; n++) {
			uint32_t e = find(&t, 42, &n, n == 0 ? 0 : sizeof n);

			ck_assert(round == 0 || e == entries[n]);
			entries[n] = e;
		}
	ck_assert_uint_eq(t.count, 300);
	table_release(&t);
}
END_TEST

/* Sizes of values, equal or mixed; the first bytes of a value are its
   number. */
static size_t size_of_value(int n, int kind)
{
	const size_t sizes[] = { 8, 8, 4, 8, 255, 256, 257, 70000, 8, 4 };

	return kind == 0 ? 8 : kind == 1 ? 4 : sizes[n % 10];
}

static void add(struct table *t, uint32_t entry, int n, int kind)
{
	static unsigned char value[70000];

	memcpy(value, &n, sizeof n);
	ck_assert_int_eq(table_add(t, entry, value, size_of_value(n, kind)),
	    0);
}

static void check_values(struct vm_values *v, const struct table *t,
    uint32_t entry, int from, int to, int kind)
{
	const unsigned char *at;
	size_t size;
	int found;

	values_of_table(v, t, entry);
	ck_assert_uint_eq(vm_value_count(v), (uint64_t)(to - from));
	for (int n = from; n < to; n++) {
		at = vm_value(v, &size);
		ck_assert_ptr_nonnull(at);
		ck_assert_uint_eq((uintptr_t)at % 16, 0);
		ck_assert_uint_eq(size, size_of_value(n, kind));
		memcpy(&found, at, sizeof found);
		ck_assert_int_eq(found, n);
		ck_assert_int_eq(at[size], 0);
	}
	ck_assert_ptr_null(vm_value(v, &size));
	ck_assert_int_eq(v->error, 0);
}

START_TEST(values_stay_in_order)
{
	uint32_t a, b;
	struct vm_values v;
	struct table t;

	values_init(&v, 1 << 20, 0);
	for (int kind = 0; kind < 3; kind++) {
		table_init(&t);
		a = find(&t, 1, "a", 1);
		b = find(&t, 2, "b", 1);
		check_values(&v, &t, a, 0, 0, kind);
		/* Values of both keys are added in turns, and some are
		   dropped. */
		for (int round = 0; round < 5; round++) {
			for (int n = 0; n < 100; n++) {
				add(&t, a, n, kind);
				add(&t, b, n + round, kind);
			}
			check_values(&v, &t, a, 0, 100, kind);
			check_values(&v, &t, b, round, 100 + round, kind);
			table_empty(&t, a);
			check_values(&v, &t, a, 0, 0, kind);
			add(&t, a, 3, kind);
			check_values(&v, &t, a, 3, 4, kind);
			table_empty(&t, a);
			table_empty(&t, b);
		}
		table_release(&t);
	}
	values_release(&v);
}
END_TEST

/* Blocks of values that were given up are used again. */
START_TEST(room_is_used_again)
{
	struct table t;
	uint32_t entry;
	size_t size = 0;

	table_init(&t);
	entry = find(&t, 1, "a", 1);
	for (int round = 0; round < 1000; round++) {
		for (int n = 0; n < 30; n++)
			add(&t, entry, n, 0);
		table_empty(&t, entry);
		if (round == 0)
			size = table_size(&t);
	}
	ck_assert_uint_eq(table_size(&t), size);
	table_release(&t);
}
END_TEST

START_TEST(empty_values_are_values)
{
	struct vm_values v;
	struct table t;
	uint32_t entry;
	size_t size;

	values_init(&v, 10, 0);
	table_init(&t);
	entry = find(&t, 1, "", 0);
	for (int n = 0; n < 20; n++)
		ck_assert_int_eq(table_add(&t, entry, "", 0), 0);
	values_of_table(&v, &t, entry);
	for (int n = 0; n < 20; n++) {
		ck_assert_ptr_nonnull(vm_value(&v, &size));
		ck_assert_uint_eq(size, 0);
	}
	ck_assert_ptr_null(vm_value(&v, NULL));
	table_release(&t);
	values_release(&v);
}
END_TEST

START_TEST(numbers_add_up)
{
	const uint64_t numbers[] = { UINT64_MAX, 2, 40 };
	uint64_t sum;
	struct table t;
	uint32_t entry;

	table_init(&t);
	entry = find(&t, 1, "a", 1);
	ck_assert(!table_sum(table_entry(&t, entry), &numbers[0]));
	ck_assert_int_eq(table_add(&t, entry, &numbers[0], 8), 0);
	ck_assert(table_sum(table_entry(&t, entry), &numbers[1]));
	ck_assert(table_sum(table_entry(&t, entry), &numbers[2]));
	memcpy(&sum, table_entry(&t, entry)->value, sizeof sum);
	ck_assert_uint_eq(sum, 41);
	ck_assert_int_eq(table_add(&t, entry, &numbers[0], 8), 0);
	ck_assert(!table_sum(table_entry(&t, entry), &numbers[1]));
	/* A value of another size, alone and before a value of 8 bytes. */
	entry = find(&t, 2, "b", 1);
	ck_assert_int_eq(table_add(&t, entry, "abc", 3), 0);
	ck_assert(!table_sum(table_entry(&t, entry), &numbers[1]));
	ck_assert_int_eq(table_add(&t, entry, &numbers[0], 8), 0);
	ck_assert(!table_sum(table_entry(&t, entry), &numbers[1]));
	table_release(&t);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { keys_are_found_again, hashes_collide,
		values_stay_in_order, room_is_used_again,
		empty_values_are_values, numbers_add_up };

	return run_tests("table", tests, COUNTOF(tests));
}
