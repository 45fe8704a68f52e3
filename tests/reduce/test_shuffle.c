/*
 * test_shuffle.c - pairs from a call of map() to the partitions: no pair is
 * lost, none comes from a failed call, and impossible data of workers are
 * refused.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "reduce/emit.h"
#include "reduce/hash.h"
#include "reduce/shuffle.h"
#include "tools.h"

#define PARTITIONS 3
#define KEY_MOST 1000

static struct store store;
static struct emit emit;

static void open_store(void)
{
	struct words w = { "" };

	ck_assert_msg(store_open(&store, 1, UINT64_MAX, NULL, &w) == 0, "%s",
	    w.text);
}

/* ---- reading the partitions ---- */

/* Counts how often each number is a value, over all partitions.  Within a
   partition the numbers have to ascend, if pairs are in order. */
static void tally(struct shuffle *s, int *often, int most)
{
	struct run list, runs[1000];
	struct scan scan;
	int r, n, last;

	memset(often, 0, (size_t)most * sizeof *often);
	for (uint32_t p = 0; p < s->count; p++) {
		r = shuffle_list(s, p, &list);
		ck_assert_int_ge(r, 0);
		if (r == 0)
			continue;
		ck_assert_uint_le(list.extent.size, sizeof runs);
		ck_assert_int_eq(run_read(&store, &list, runs), 0);
		last = -1;
		for (size_t i = 0; i < list.extent.size / sizeof *runs; i++) {
			scan_open(&scan, &store, &runs[i], KEY_MOST);
			while ((r = scan_next(&scan)) == 1) {
				memcpy(&n, scan.now.body, sizeof n);
				ck_assert_int_lt(n, most);
				ck_assert(!s->in_order || n > last);
				last = n;
				often[n]++;
			}
			ck_assert_int_eq(r, 0);
			scan_release(&scan);
		}
		shuffle_drop(s, p, &list);
		ck_assert_int_eq(shuffle_list(s, p, &list), 0);
	}
}

/* ---- calls that emit ---- */

/* An input: numbers from .. to - 1 are emitted, with keys of "key" bytes. */
struct call {
	int from, to;
	size_t key;
	int before;		/* bytes of an output of its own */
};

static int emit_numbers(const struct call *c)
{
	char key[KEY_MOST] = "";
	int r = 0;

	emit_begin(&emit);
	for (int n = c->from; n < c->to && r == 0; n++) {
		memcpy(key, &n, sizeof n);
		r = emit_pair(&emit, hash_bytes(key, c->key), key, c->key, &n,
		    sizeof n);
	}
	return r;
}

static int process(struct vm_context *me, const void *input, size_t size)
{
	struct call c;
	int r;

	ck_assert_uint_eq(size, sizeof c);
	memcpy(&c, input, sizeof c);
	if (c.before > 0)
		vm_output(me, "what map() had to say", (size_t)c.before);
	r = emit_numbers(&c);
	return r == 0 ? emit_end(&emit, me) : -r;
}

/* Runs calls and adds their outputs.  Returns how many calls failed. */
static int add_calls(struct shuffle *s, const struct call *calls, size_t n)
{
	const struct vm_worker worker = { .process = process };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = VM_SERIAL });
	struct vm_result result;
	int failed = 0;

	imap_to(pool, vm_array(calls, n, sizeof *calls));
	for (size_t i = 0; i < n; i++) {
		take(pool, &result);
		if (result.type == VM_OUTPUT)
			ck_assert_int_eq(shuffle_add(s, 0, result.output,
			    result.output_size), 0);
		failed += result.type != VM_OUTPUT;
	}
	take_end(pool);
	close_pool(pool);
	return failed;
}

/* Pairs in the output, in files, in both; with small and large buffers. */
START_TEST(pairs_come_once)
{
	const struct call calls[] = { { 0, 10, 4, 0 }, { 10, 10, 4, 0 },
		{ 10, 500, 4, 7 }, { 500, 900, 300, 0 }, { 900, 901, 9, 21 },
		{ 901, 1000, 900, 3 } };
	const size_t most[] = { 1, 5000, 1 << 20 };
	int often[1000];
	struct shuffle s;

	for (int i = 0; i < 18; i++) {
		open_store();
		ck_assert_int_eq(emit_open(&emit, &store, 0, PARTITIONS,
		    most[i % 3], KEY_MOST), 0);
		ck_assert_int_eq(shuffle_open(&s, &store, PARTITIONS,
		    most[i / 3 % 3], i >= 9), 0);
		for (int round = 0; round < 2; round++) {
			ck_assert_int_eq(add_calls(&s, calls,
			    COUNTOF(calls)), 0);
			tally(&s, often, 1000);
			/* All memory of the store is free again. */
			ck_assert_uint_eq(store.words->in_memory, 0);
			for (int n = 0; n < 1000; n++)
				ck_assert_int_eq(often[n], 1);
		}
		ck_assert_int_eq(add_calls(&s, calls, 1), 0);
		shuffle_clear(&s);
		tally(&s, often, 1000);
		ck_assert_int_eq(often[0], 0);
		shuffle_close(&s);
		emit_close(&emit);
		store_close(&store);
	}
}
END_TEST

/* The store has room for the runs of some partitions; the next call finds no
   pair of a call that failed. */
START_TEST(calls_that_fail_leave_nothing)
{
	const struct call calls[] = { { 0, 30, 900, 0 }, { 30, 40, 4, 0 } };
	int often[40], failed = 0;
	struct shuffle s;

	for (uint64_t pages = 0; pages < 40; pages++) {
		open_store();
		store.stretch = pages * 4096;
		ck_assert_int_eq(emit_open(&emit, &store, 0, PARTITIONS,
		    20000, KEY_MOST), 0);
		ck_assert_int_eq(shuffle_open(&s, &store, PARTITIONS, 1 << 20,
		    false), 0);
		failed = add_calls(&s, calls, 2);
		ck_assert_int_le(failed, 1);
		/* The buffers of open pairs are written to a place of their
		   own. */
		store.stretch = 1 << 20;
		tally(&s, often, 40);
		for (int n = 0; n < 40; n++)
			ck_assert_int_eq(often[n], n >= 30 || failed == 0);
		shuffle_close(&s);
		emit_close(&emit);
		store_close(&store);
	}
	ck_assert_int_eq(failed, 0);
}
END_TEST

START_TEST(large_pairs_are_refused)
{
	static char key[KEY_MOST + 1];

	open_store();
	ck_assert_int_eq(emit_open(&emit, &store, 0, PARTITIONS, 100,
	    KEY_MOST), 0);
	emit_begin(&emit);
	ck_assert_int_eq(emit_pair(&emit, 0, key, KEY_MOST + 1, "", 0),
	    -EFBIG);
	ck_assert_int_eq(emit_pair(&emit, 0, key, 0, "", KEY_MOST + 1),
	    -EFBIG);
	ck_assert_uint_eq(emit.bytes, 0);
	ck_assert_int_eq(emit_pair(&emit, UINT64_MAX, key, KEY_MOST, key,
	    KEY_MOST), 0);
	emit_close(&emit);
	store_close(&store);
}
END_TEST

/* ---- outputs that no worker can have made ---- */

struct forged {
	struct piece pieces[3];
	unsigned char here[30];
	struct parcel parcel;
};

static const struct forged right = {
	.pieces = { { .partition = 0, .here = 10 },
		{ .partition = 2, .run = { { 4096, 100 }, 5 } },
		{ .partition = 1, .here = 20 } },
	.parcel = { sizeof(struct piece) * 3 + 30 + sizeof(struct parcel), 3 },
};

/* Lays out the parts as in an output, without the padding of the struct. */
static size_t forge(const struct forged *f, unsigned char *at)
{
	memcpy(at, f->pieces, sizeof f->pieces);
	memcpy(at + sizeof f->pieces, f->here, sizeof f->here);
	memcpy(at + sizeof f->pieces + sizeof f->here, &f->parcel,
	    sizeof f->parcel);
	return sizeof f->pieces + sizeof f->here + sizeof f->parcel;
}

static size_t held(const struct shuffle *s)
{
	size_t n = 0;

	for (uint32_t p = 0; p < s->count; p++)
		n += s->parts[p].open.len + s->parts[p].runs.len;
	return n;
}

static void refuses(struct shuffle *s, const struct forged *f)
{
	unsigned char at[sizeof *f];
	size_t size = forge(f, at);

	ck_assert_int_eq(shuffle_add(s, 0, at, size), -EBADMSG);
	ck_assert_uint_eq(held(s), 0);
}

START_TEST(garbage_is_refused)
{
	unsigned char at[sizeof right];
	size_t size = forge(&right, at);
	struct forged f;
	struct shuffle s;

	open_store();
	ck_assert_int_eq(shuffle_open(&s, &store, PARTITIONS, 1 << 20, false),
	    0);
	f = right, f.pieces[2].partition = PARTITIONS;
	refuses(&s, &f);
	f = right, f.pieces[0].partition = UINT32_MAX;
	refuses(&s, &f);
	f = right, f.pieces[0].here = 11;
	refuses(&s, &f);
	f = right, f.pieces[2].here = UINT32_MAX;
	refuses(&s, &f);
	f = right, f.pieces[2].here = 19;
	refuses(&s, &f);
	/* An extent in another place, or beyond all places. */
	f = right, f.pieces[1].run.extent.at = store.stretch;
	refuses(&s, &f);
	f = right, f.pieces[1].run.extent.at = store.stretch - 99;
	refuses(&s, &f);
	f = right, f.pieces[1].run.extent.size = UINT64_MAX;
	refuses(&s, &f);
	f = right, f.pieces[1].run.extent.at = UINT64_MAX;
	refuses(&s, &f);
	f = right, f.parcel.pieces = 2;
	refuses(&s, &f);
	f = right, f.parcel.pieces = UINT64_MAX;
	refuses(&s, &f);
	f = right, f.parcel.pieces = UINT64_MAX / sizeof(struct piece) + 1;
	refuses(&s, &f);
	f = right, f.parcel.size = UINT64_MAX;
	refuses(&s, &f);
	f = right, f.parcel.size = sizeof f.parcel - 1;
	refuses(&s, &f);
	f = right, f.parcel.size++;
	refuses(&s, &f);
	f = right, f.parcel.size--;
	refuses(&s, &f);
	f = right, f.parcel.size = 0;
	refuses(&s, &f);
	/* Cut anywhere; a buffer of exactly that size, for memory checkers. */
	for (size_t n = 0; n < size; n++) {
		unsigned char *exact = malloc(n + !n);

		memcpy(exact, at + size - n, n);
		ck_assert_int_eq(shuffle_add(&s, 0, exact, n), -EBADMSG);
		memcpy(exact, at, n);
		shuffle_add(&s, 0, exact, n);
		free(exact);
	}
	ck_assert_uint_eq(held(&s), 0);
	ck_assert_int_eq(shuffle_add(&s, 0, at, size), 0);
	ck_assert_uint_eq(held(&s), 30 + sizeof(struct run));
	shuffle_close(&s);
	store_close(&store);
}
END_TEST

/* ---- outputs of other machines ---- */

/* Lays out the output of a call that has emitted these pairs without a store;
   returns its size. */
static size_t emit_far(unsigned char *to)
{
	static const size_t values[] = { 4, 0, 70000, 100, 4 };
	static unsigned char value[70000];
	struct parcel parcel = { sizeof parcel, 0 };

	ck_assert_int_eq(emit_open(&emit, NULL, 0, 1, 1 << 20, 70000), 0);
	emit_begin(&emit);
	for (int n = 0; n < (int)COUNTOF(values); n++) {
		memcpy(value, &n, sizeof n);
		ck_assert_int_eq(emit_pair(&emit, 0, &n, n == 3 ? 0 : sizeof n,
		    value, values[n]), 0);
	}
	ck_assert_int_eq(emit_pair(&emit, 0, value, 70001, "", 0), -EFBIG);
	parcel.size += emit.parts[0].len;
	memcpy(to, emit.parts[0].data, emit.parts[0].len);
	memcpy(to + emit.parts[0].len, &parcel, sizeof parcel);
	emit_close(&emit);
	return (size_t)parcel.size;
}

START_TEST(pairs_without_a_store_are_bounded)
{
	static const char value[100];
	const size_t each = RECORD_HEAD + 3 + sizeof value;

	ck_assert_int_eq(emit_open(&emit, NULL, 0, 1, 10 * each, KEY_MOST), 0);
	for (int call = 0; call < 2; call++) {
		emit_begin(&emit);
		for (int i = 0; i < 10; i++)
			ck_assert_int_eq(emit_pair(&emit, 0, "key", 3, value,
			    sizeof value), 0);
		ck_assert_int_eq(emit_pair(&emit, 0, "", 0, "", 0), -EMSGSIZE);
		emit_undo(&emit);
	}
	emit_close(&emit);
}
END_TEST

/* Adds an output in a buffer of exactly its size, for memory checkers.  All or
   nothing of it is taken.  Returns whether it is. */
static bool takes(struct shuffle *s, const unsigned char *from, size_t size)
{
	unsigned char *exact = malloc(size + !size);
	int r;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, from, size);
	r = shuffle_add_far(s, exact, size, 70000);
	free(exact);
	ck_assert(r == 0 || r == -EBADMSG);
	ck_assert_int_eq(held(s) > 0, r == 0 && size > sizeof(struct parcel));
	shuffle_clear(s);
	return r == 0;
}

START_TEST(garbage_of_other_machines_is_refused)
{
	const size_t room = 100000;
	unsigned char *right_one = malloc(room), *at = malloc(room);
	static const uint32_t wrong[] = { 70001, UINT32_MAX, UINT32_MAX - 1,
		0x7fffffff };
	const size_t size = emit_far(right_one), end = size -
	    sizeof(struct parcel);
	int often[10];
	struct shuffle s;

	open_store();
	ck_assert_int_eq(shuffle_open(&s, &store, PARTITIONS, 1 << 20, false),
	    0);
	ck_assert(takes(&s, right_one, size));
	/* Sizes of the first key and value, and of the last. */
	for (size_t i = 0; i < 16; i++) {
		const size_t to = (i & 1) * 4 + (i & 2 ? end - 16 : 0);

		memcpy(at, right_one, size);
		memcpy(at + to, &wrong[i / 4], 4);
		ck_assert(!takes(&s, at, size));
	}
	/* Any bit of the parts around the value apart. */
	for (size_t i = 0; i < 8 * size; i++) {
		if (i == 8 * 100)
			i = 8 * (size - 200);
		memcpy(at, right_one, size);
		at[i / 8] ^= (unsigned char)(1 << i % 8);
		takes(&s, at, size);
	}
	/* Cut anywhere there, at both ends. */
	for (size_t n = 0; n < 200; n++) {
		ck_assert(!takes(&s, right_one, size - 1 - n));
		ck_assert(!takes(&s, right_one, n));
		takes(&s, right_one + size - n, n);
	}
	ck_assert_int_eq(shuffle_add_far(&s, right_one, size, 70000), 0);
	ck_assert_int_eq(shuffle_add_far(&s, right_one, size, 69999),
	    -EBADMSG);
	shuffle_clear(&s);
	tally(&s, often, 10);
	shuffle_close(&s);
	store_close(&store);
	free(right_one);
	free(at);
}
END_TEST

/* Each pair comes to the partition of its key, large values apart. */
START_TEST(pairs_of_other_machines_come_once)
{
	unsigned char *at = malloc(100000);
	const size_t size = emit_far(at);
	struct run list, runs[9];
	struct shuffle s;
	struct scan scan;
	size_t pairs = 0, apart = 0;
	int r;

	open_store();
	ck_assert_int_eq(shuffle_open(&s, &store, PARTITIONS, 1, false), 0);
	ck_assert_int_eq(shuffle_add_far(&s, at, size, 70000), 0);
	for (uint32_t p = 0; p < PARTITIONS; p++) {
		if (shuffle_list(&s, p, &list) != 1)
			continue;
		ck_assert_uint_le(list.extent.size, sizeof runs);
		ck_assert_int_eq(run_read(&store, &list, runs), 0);
		for (size_t i = 0; i < list.extent.size / sizeof *runs; i++) {
			scan_open(&scan, &store, &runs[i], 70000);
			while ((r = scan_next(&scan)) == 1) {
				pairs++;
				apart += scan.now.apart;
				ck_assert_uint_eq(p, hash_share(hash_bytes(
				    scan.now.key, scan.now.key_size),
				    PARTITIONS));
			}
			ck_assert_int_eq(r, 0);
			scan_release(&scan);
		}
	}
	ck_assert_uint_eq(pairs, 5);
	ck_assert_uint_eq(apart, 1);
	shuffle_close(&s);
	store_close(&store);
	free(at);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { pairs_come_once,
		calls_that_fail_leave_nothing, large_pairs_are_refused,
		garbage_is_refused, pairs_without_a_store_are_bounded,
		garbage_of_other_machines_is_refused,
		pairs_of_other_machines_come_once };

	return run_tests("shuffle", tests, COUNTOF(tests));
}
