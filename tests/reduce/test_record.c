/*
 * test_record.c - records in runs, runs that are merged and gathered: every
 * size, every order, and corrupted bytes.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "reduce/gather.h"
#include "reduce/hash.h"
#include "reduce/merge.h"
#include "reduce/record.h"
#include "reduce/store.h"
#include "reduce/values.h"
#include "tools.h"
#include "vimap_reduce.h"

#define KEY_MOST ((size_t)80000)

static struct store store;

static void open_store(uint64_t memory)
{
	struct words w = { "" };

	ck_assert_msg(store_open(&store, 1, memory, NULL, &w) == 0, "%s",
	    w.text);
}

static const unsigned char *bytes(int seed)
{
	static unsigned char some[KEY_MOST + 256];

	if (some[1] == 0)
		for (size_t i = 0; i < sizeof some; i++)
			some[i] = (unsigned char)(i * 31 + i / 250);
	return some + (unsigned)seed % 256;
}

static struct record record(int seed, size_t key, size_t body)
{
	return (struct record){ bytes(seed), bytes(seed + 1), (uint32_t)key,
		(uint32_t)body, false };
}

static void check_record(const struct record *r, const struct record *due)
{
	ck_assert_uint_eq(r->key_size, due->key_size);
	ck_assert_uint_eq(r->body_size, due->body_size);
	ck_assert_int_eq(r->apart, due->apart);
	ck_assert_mem_eq(r->key, due->key, due->key_size);
	ck_assert_mem_eq(r->body, due->body, due->body_size);
}

/* ---- a single record ---- */

START_TEST(each_beginning_is_too_short)
{
	const size_t sizes[][2] = { { 0, 0 }, { 1, 0 }, { 0, 1 }, { 3, 17 } };
	struct record r;
	struct buf b;

	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		struct record due = record(1, sizes[i][0], sizes[i][1]);
		unsigned char *exact;

		buf_init(&b, 1000);
		ck_assert_int_eq(record_append(&b, &due), 0);
		for (size_t n = 0; n < b.len; n++) {
			/* A buffer of exactly that size, for memory
			   checkers. */
			exact = malloc(n + !n);
			memcpy(exact, b.data, n);
			ck_assert_int_eq(record_read(exact, n, 10, &r), 0);
			free(exact);
		}
		ck_assert_int_eq(record_read(b.data, b.len, 10, &r),
		    (int64_t)b.len);
		check_record(&r, &due);
		if (sizes[i][0] > 0)
			ck_assert_int_eq(record_read(b.data, b.len,
			    sizes[i][0] - 1, &r), -EBADMSG);
		buf_release(&b);
	}
}
END_TEST

START_TEST(keys_have_an_order)
{
	const struct { const char *key; size_t size; } keys[] = { { "", 0 },
		{ "\0", 1 }, { "\0\0", 2 }, { "\0a", 2 }, { "a", 1 },
		{ "a\0", 2 }, { "ab", 2 }, { "b", 1 }, { "\x7f", 1 },
		{ "\x80", 1 }, { "\xff", 1 }, { "\xff\xff", 2 } };

	for (size_t i = 0; i < COUNTOF(keys); i++)
		for (size_t k = 0; k < COUNTOF(keys); k++) {
			int r = record_compare(keys[i].key, keys[i].size,
			    keys[k].key, keys[k].size);

			ck_assert_int_eq((r > 0) - (r < 0), (i > k) - (i < k));
		}
}
END_TEST

/* ---- runs ---- */

/* Writes these records as a run. */
static struct run write_run(const struct record *r, size_t count)
{
	struct sink sink;
	struct run run;
	uint64_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += RECORD_HEAD + (uint64_t)r[i].key_size +
		    r[i].body_size;
	ck_assert_int_eq(sink_open(&sink, &store, 0, size), 0);
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(sink_put_record(&sink, &r[i]), 0);
	ck_assert_int_eq(sink_close(&sink, &run), 0);
	sink_release(&sink);
	ck_assert_uint_eq(run.extent.size, size);
	return run;
}

static void check_run(const struct run *run, const struct record *due,
    size_t count)
{
	struct scan s;

	ck_assert_int_eq(scan_open(&s, &store, run, KEY_MOST), 0);
	for (size_t i = 0; i < count; i++) {
		ck_assert_int_eq(scan_next(&s), 1);
		check_record(&s.now, &due[i]);
	}
	ck_assert_int_eq(scan_next(&s), 0);
	ck_assert_int_eq(scan_next(&s), 0);
	scan_release(&s);
}

/* Records end anywhere around the blocks of 64 KiB. */
START_TEST(records_lie_across_blocks)
{
	const size_t keys[] = { 0, 1, 7, 8, 255, 65535, 65536, 65537, 70000 };
	struct record r[4];
	struct run run;

	open_store(UINT64_MAX);
	for (size_t off = 65536 - 40; off < 65536 + 40; off++) {
		r[0] = record(3, 4, 65536 - 60);
		r[1] = record(5, off - (65536 - 60), 0);
		r[2] = record(7, 11, off % 20);
		r[3] = record(9, 0, 0);
		run = write_run(r, 4);
		check_run(&run, r, 4);
		store_drop(&store, &run.extent);
	}
	for (size_t i = 0; i < COUNTOF(keys); i++) {
		for (int k = 0; k < 4; k++)
			r[k] = record(k, keys[i], keys[(i + (size_t)k) % 5]);
		run = write_run(r, 4);
		check_run(&run, r, 4);
	}
	run = write_run(r, 0);
	check_run(&run, r, 0);
	store_close(&store);
}
END_TEST

START_TEST(sinks_keep_to_their_size)
{
	struct sink sink;
	struct run run;

	open_store(UINT64_MAX);
	ck_assert_int_eq(sink_open(&sink, &store, 0, 100), 0);
	ck_assert_uint_eq(sink_at(&sink), sink.extent.at);
	ck_assert_int_eq(sink_put(&sink, bytes(0), 60), 0);
	ck_assert_uint_eq(sink_at(&sink), sink.extent.at + 60);
	ck_assert_int_eq(sink_put(&sink, bytes(0), 41), 0);
	ck_assert_int_eq(sink_close(&sink, &run), -ENOSPC);
	sink_release(&sink);
	ck_assert_int_eq(sink_open(&sink, &store, 7, 100), -ENOSPC);
	sink_release(&sink);
	store_close(&store);
}
END_TEST

/* ---- corrupted bytes ---- */

static void flip(const struct run *run, uint64_t at, unsigned char mask)
{
	unsigned char byte;

	ck_assert_int_eq(store_read(&store, run->extent.at + at, &byte, 1), 0);
	byte ^= mask;
	ck_assert_int_eq(store_write(&store, run->extent.at + at, &byte, 1),
	    0);
}

/* Checks that a scan ends with -EBADMSG, after any number of records. */
static void check_noticed(const struct run *run)
{
	struct scan s;
	int r;

	ck_assert_int_eq(scan_open(&s, &store, run, KEY_MOST), 0);
	while ((r = scan_next(&s)) == 1)
		continue;
	ck_assert_int_eq(r, -EBADMSG);
	scan_release(&s);
}

START_TEST(each_garbled_byte_is_noticed)
{
	struct record r[] = { record(1, 5, 9), record(2, 0, 0),
		record(3, 1, 0), record(4, 0, 3), record(5, 16, 8) };
	const unsigned char masks[] = { 1, 0x80, 0xff };
	unsigned char to[200];
	struct run run;

	open_store(UINT64_MAX);
	run = write_run(r, COUNTOF(r));
	for (uint64_t i = 0; i < run.extent.size; i++)
		for (size_t m = 0; m < COUNTOF(masks); m++) {
			flip(&run, i, masks[m]);
			check_noticed(&run);
			ck_assert_int_eq(run_read(&store, &run, to), -EBADMSG);
			flip(&run, i, masks[m]);
		}
	check_run(&run, r, COUNTOF(r));
	ck_assert_int_eq(run_read(&store, &run, to), 0);
	/* The extent is shorter, longer, or elsewhere. */
	for (uint64_t n = 0; n < run.extent.size; n++) {
		struct run part = run;

		part.extent.size = n;
		check_noticed(&part);
		part.extent.size = run.extent.size + n + 1;
		check_noticed(&part);
		part = run;
		part.extent.at += n + 1;
		check_noticed(&part);
	}
	store_close(&store);
}
END_TEST

/* A worker can seal any bytes: the last record must still be complete. */
START_TEST(cut_records_are_noticed)
{
	const struct record r[] = { record(1, 5, 9), record(2, 3, 7) };
	struct run run;
	struct buf b;

	open_store(UINT64_MAX);
	buf_init(&b, SIZE_MAX / 4);
	for (size_t i = 0; i < COUNTOF(r); i++)
		ck_assert_int_eq(record_append(&b, &r[i]), 0);
	for (size_t left = 1; left < RECORD_HEAD + 10; left++) {
		ck_assert_int_eq(run_write(&store, 0, b.data, b.len - left,
		    &run), 0);
		check_noticed(&run);
	}
	buf_release(&b);
	store_close(&store);
}
END_TEST

START_TEST(garbled_blocks_are_noticed)
{
	static struct record r[3000];
	struct run run;

	open_store(0);
	for (size_t i = 0; i < COUNTOF(r); i++)
		r[i] = record((int)i, i % 60, i % 50);
	run = write_run(r, COUNTOF(r));
	ck_assert_uint_gt(run.extent.size, 2 * 65536);
	check_run(&run, r, COUNTOF(r));
	for (uint64_t i = 0; i < run.extent.size; i += 1237) {
		flip(&run, i, 4);
		check_noticed(&run);
		flip(&run, i, 4);
	}
	store_close(&store);
}
END_TEST

/* ---- merging ---- */

/* A record with a short key; its body says where it came from. */
static struct record small(const char *key, size_t key_size, const int *from)
{
	return (struct record){ (const unsigned char *)key,
		(const unsigned char *)from, (uint32_t)key_size, sizeof *from,
		false };
}

START_TEST(merges_in_order)
{
	static const int from[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	const struct record a[] = { small("", 0, &from[0]),
		small("a", 1, &from[1]), small("a", 1, &from[2]),
		small("ab", 2, &from[3]) };
	const struct record b[] = { small("a", 1, &from[4]),
		small("a\0", 2, &from[5]), small("\xff", 1, &from[6]) };
	const struct record c[] = { small("a", 1, &from[7]) };
	const int due[] = { 0, 1, 2, 4, 7, 5, 3, 6 };
	struct run runs[5];
	struct record r;
	struct merge m;
	int n;

	open_store(UINT64_MAX);
	runs[0] = write_run(NULL, 0);
	runs[1] = write_run(a, COUNTOF(a));
	runs[2] = write_run(b, COUNTOF(b));
	runs[3] = write_run(NULL, 0);
	runs[4] = write_run(c, COUNTOF(c));
	ck_assert_int_eq(merge_open(&m, &store, runs, 5, 10), 0);
	for (size_t i = 0; i < COUNTOF(due); i++) {
		ck_assert_int_eq(merge_next(&m, &r), 1);
		memcpy(&n, r.body, sizeof n);
		ck_assert_int_eq(n, due[i]);
	}
	ck_assert_int_eq(merge_next(&m, &r), 0);
	ck_assert_int_eq(merge_next(&m, &r), 0);
	merge_close(&m);
	ck_assert_int_eq(merge_open(&m, &store, runs, 0, 10), 0);
	ck_assert_int_eq(merge_next(&m, &r), 0);
	merge_close(&m);
	/* Keys longer than the bound. */
	ck_assert_int_eq(merge_open(&m, &store, runs, 5, 1), 0);
	while ((n = merge_next(&m, &r)) == 1)
		continue;
	ck_assert_int_eq(n, -EBADMSG);
	merge_close(&m);
	flip(&runs[4], 0, 8);
	n = merge_open(&m, &store, runs, 5, 10);
	while (n == 0 && (n = merge_next(&m, &r)) == 1)
		n = 0;
	ck_assert_int_eq(n, -EBADMSG);
	merge_close(&m);
	store_close(&store);
}
END_TEST

/* ---- gathering ---- */

static struct gathered gather_all(const struct run *runs, size_t count,
    size_t memory)
{
	const struct gather_phase g = { &store, 0, memory, KEY_MOST, NULL,
		NULL, NULL };
	struct gathered out;

	ck_assert_int_eq(gather(&g, runs, count, &out), 0);
	return out;
}

/* The next group of an index. */
static int next_group(struct scan *s, struct group *g)
{
	int r = scan_next(s);

	ck_assert_int_ge(r, 0);
	if (r == 1) {
		ck_assert_uint_eq(s->now.body_size, sizeof *g);
		memcpy(g, s->now.body, sizeof *g);
	}
	return r;
}

#define RUNS 40
#define EACH 500

/* Writes runs of ascending numbers; their keys have 0 to 2 letters. */
static void write_numbered(struct run *runs, size_t keys)
{
	static const char letters[] = "\0a\xff" "ab";
	static struct record r[EACH];
	static int numbers[EACH];
	int n = 0;

	for (size_t run = 0; run < RUNS; run++) {
		for (size_t i = 0; i < EACH; i++) {
			size_t key = ((size_t)n * 7919) % keys;

			numbers[i] = n++;
			r[i] = small(letters + key % 3, key / 3 % 3,
			    &numbers[i]);
		}
		runs[run] = write_run(r, EACH);
	}
}

/* Checks that each value is there once, and those of a key in ascending
   order. */
static void check_gathered(const struct gathered *out)
{
	unsigned char last[4] = { 0 };
	size_t last_size = 0;
	uint64_t keys = 0, all = 0;
	struct vm_values v;
	struct group g;
	struct scan s;

	values_init(&v, 100, 1 << 20);
	ck_assert_int_eq(scan_open(&s, &store, &out->index, KEY_MOST), 0);
	for (; next_group(&s, &g) == 1; keys++) {
		int before = -1;
		const int *n;

		ck_assert(keys == 0 || record_compare(last, last_size,
		    s.now.key, s.now.key_size) < 0);
		last_size = s.now.key_size;
		memcpy(last, s.now.key, last_size);
		values_of_group(&v, &store, &g);
		ck_assert_uint_eq(vm_value_count(&v), g.count);
		for (; (n = vm_value(&v, NULL)) != NULL; all++) {
			ck_assert_int_gt(*n, before);
			before = *n;
		}
		ck_assert_int_eq(v.error, 0);
	}
	ck_assert_uint_eq(keys, out->keys);
	ck_assert_uint_eq(all, (uint64_t)RUNS * EACH);
	scan_release(&s);
	values_release(&v);
}

/* In memory, in a single merge, and in several rounds of merges. */
START_TEST(gathers_in_order)
{
	const size_t memory[] = { 100 << 20, 100000, 3000, 1 };
	const size_t keys[] = { 9, 1 };
	struct run runs[RUNS];
	struct gathered out;

	for (size_t m = 0; m < COUNTOF(memory); m++)
		for (size_t k = 0; k < COUNTOF(keys); k++) {
			open_store(m % 2 ? UINT64_MAX : 10000);
			write_numbered(runs, keys[k]);
			out = gather_all(runs, RUNS, memory[m]);
			check_gathered(&out);
			store_close(&store);
		}
}
END_TEST

START_TEST(gathers_nothing)
{
	struct gathered out;
	struct run run;
	struct scan s;

	open_store(UINT64_MAX);
	run = write_run(NULL, 0);
	for (size_t count = 0; count < 2; count++) {
		out = gather_all(&run, count, 1000);
		ck_assert_uint_eq(out.keys, 0);
		ck_assert_int_eq(scan_open(&s, &store, &out.index, 10), 0);
		ck_assert_int_eq(scan_next(&s), 0);
		scan_release(&s);
	}
	store_close(&store);
}
END_TEST

/* Each byte of a run is garbled in turn, and each byte of the gathered
   values. */
START_TEST(garbled_pairs_are_noticed)
{
	static const int from[] = { 1, 2 };
	const struct record r[] = { small("ab", 2, &from[0]),
		small("a", 1, &from[1]) };
	const struct gather_phase g = { &store, 0, 1000, 10, NULL,
		NULL, NULL };
	struct gathered out;
	struct vm_values v;
	struct group group;
	struct scan s;
	struct run run, values = { .seal = 0 };
	int n;

	open_store(UINT64_MAX);
	run = write_run(r, 2);
	for (uint64_t i = 0; i < run.extent.size; i++) {
		flip(&run, i, 0x41);
		ck_assert_int_eq(gather(&g, &run, 1, &out), -EBADMSG);
		flip(&run, i, 0x41);
	}
	ck_assert_int_eq(gather(&g, &run, 1, &out), 0);
	values_init(&v, 10, 1 << 20);
	ck_assert_int_eq(scan_open(&s, &store, &out.index, 10), 0);
	ck_assert_int_eq(next_group(&s, &group), 1);
	values.extent.at = group.at;
	for (uint64_t i = 0; i < group.size; i++) {
		flip(&values, i, 0x41);
		values_forget(&v);
		values_of_group(&v, &store, &group);
		for (n = 0; vm_value(&v, NULL) != NULL; n++)
			continue;
		ck_assert_int_eq(n, 0);
		ck_assert_int_eq(v.error, EBADMSG);
		flip(&values, i, 0x41);
	}
	values_forget(&v);
	values_of_group(&v, &store, &group);
	ck_assert_ptr_nonnull(vm_value(&v, NULL));
	ck_assert_ptr_null(vm_value(&v, NULL));
	ck_assert_int_eq(v.error, 0);
	values_release(&v);
	scan_release(&s);
	store_close(&store);
}
END_TEST

/* Values that lie apart come in order with the others. */
START_TEST(large_values_lie_apart)
{
	const size_t sizes[] = { 65535, 65536, 65537, 1 << 20, 0, 3 };
	unsigned char *large = malloc(1 << 20);
	const struct gather_phase g = { &store, 0, 1000, 10, NULL,
		NULL, NULL };
	struct record r[COUNTOF(sizes)];
	struct run apart[COUNTOF(sizes)], run;
	struct gathered out;
	const unsigned char *at;
	struct vm_values v;
	struct group group;
	struct scan s;
	size_t size;

	open_store(UINT64_MAX);
	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		memset(large, (int)i + 1, 1 << 20);
		r[i] = (struct record){ (const unsigned char *)"k",
			bytes((int)i), 1, (uint32_t)sizes[i], false };
		if (sizes[i] < RECORD_LARGE)
			continue;
		ck_assert_int_eq(run_write(&store, 0, large, sizes[i],
		    &apart[i]), 0);
		r[i].apart = true;
		r[i].body = (const unsigned char *)&apart[i];
		r[i].body_size = sizeof apart[i];
	}
	run = write_run(r, COUNTOF(r));
	ck_assert_int_eq(gather(&g, &run, 1, &out), 0);
	ck_assert_uint_eq(out.keys, 1);
	ck_assert_int_eq(scan_open(&s, &store, &out.index, 10), 0);
	ck_assert_int_eq(next_group(&s, &group), 1);
	values_init(&v, 1 << 20, 1 << 20);
	for (int round = 0; round < 2; round++) {
		values_of_group(&v, &store, &group);
		for (size_t i = 0; i < COUNTOF(sizes); i++) {
			at = vm_value(&v, &size);
			ck_assert_ptr_nonnull(at);
			ck_assert_uint_eq((uintptr_t)at % 16, 0);
			ck_assert_uint_eq(size, sizes[i]);
			ck_assert_int_eq(at[size], 0);
			if (size >= RECORD_LARGE)
				ck_assert(at[0] == i + 1 && at[size - 1] ==
				    i + 1);
		}
		ck_assert_ptr_null(vm_value(&v, &size));
		ck_assert_int_eq(v.error, 0);
	}
	/* A value is garbled, or larger than the bound. */
	flip(&apart[3], 70000, 1);
	values_of_group(&v, &store, &group);
	for (size_t i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(vm_value(&v, &size));
	ck_assert_ptr_null(vm_value(&v, &size));
	ck_assert_int_eq(v.error, EBADMSG);
	values_release(&v);
	values_init(&v, 65536, 1 << 20);
	values_of_group(&v, &store, &group);
	ck_assert_ptr_nonnull(vm_value(&v, &size));
	ck_assert_ptr_nonnull(vm_value(&v, &size));
	ck_assert_ptr_null(vm_value(&v, &size));
	ck_assert_int_eq(v.error, EBADMSG);
	values_release(&v);
	scan_release(&s);
	store_close(&store);
	free(large);
}
END_TEST

/* Any change within a word changes the hash. */
START_TEST(numbers_of_bytes_differ)
{
	unsigned char at[40] = { 0 };

	for (size_t size = 1; size <= sizeof at; size++) {
		uint64_t h = hash_bytes(at, size);

		ck_assert_uint_ne(h, hash_bytes(at, size - 1));
		for (size_t i = 0; i < 8 * size; i++) {
			at[i / 8] ^= (unsigned char)(1 << i % 8);
			ck_assert_uint_ne(h, hash_bytes(at, size));
			at[i / 8] = 0;
		}
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_beginning_is_too_short, keys_have_an_order,
		records_lie_across_blocks, sinks_keep_to_their_size,
		each_garbled_byte_is_noticed, cut_records_are_noticed,
		garbled_blocks_are_noticed,
		merges_in_order, gathers_nothing, garbled_pairs_are_noticed,
		large_values_lie_apart, numbers_of_bytes_differ };
	const TTest *const drawn[] = {
		gathers_in_order };

	return run_sampled_tests("record", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
