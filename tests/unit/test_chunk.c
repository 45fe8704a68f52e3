/*
 * test_chunk.c - chunk: inputs of any size are intact when unpacked, aligned
 * and followed by a 0, in the form in which they are sent.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "items/chunk.h"
#include "tools.h"
#include "wire/frame.h"

/* The sizes that are packed: 0 .. 300, and some larger sizes. */
#define SIZES 304
#define LARGEST ((size_t)3 << 20)

static size_t size_of(size_t nth)
{
	static const size_t large[] = { 65535, 100000, LARGEST };

	return nth <= 300 ? nth : large[nth - 301];
}

static unsigned char byte_of(size_t nth, size_t i)
{
	return (unsigned char)(1 + (nth * 31 + i) % 255);
}

/* Packs the inputs of these numbers. */
static void pack(struct chunk *c, size_t begin, size_t end)
{
	unsigned char *input = malloc(LARGEST);

	ck_assert_ptr_nonnull(input);
	for (size_t nth = begin; nth < end; nth++) {
		for (size_t i = 0; i < size_of(nth); i++)
			input[i] = byte_of(nth, i);
		ck_assert_int_eq(chunk_pack(c, input, size_of(nth)), 0);
		ck_assert_uint_eq(c->count, nth - begin + 1);
	}
	free(input);
}

static struct chunk *chunk_with(size_t inputs)
{
	struct chunk *c = chunk_new(NULL, 1000, 2000, NULL);

	ck_assert_ptr_nonnull(c);
	pack(c, 0, inputs);
	return c;
}

static bool is_input(size_t nth, const unsigned char *at, size_t size)
{
	if (size != size_of(nth))
		return false;
	for (size_t i = 0; i < size; i++)
		if (at[i] != byte_of(nth, i))
			return false;
	return at[size] == 0;
}

START_TEST(a_new_one_is_empty)
{
	int tag;
	struct chunk *c = chunk_new(NULL, 5, 77, &tag);

	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->refs, 1);
	ck_assert_uint_eq(c->index, 5);
	ck_assert_uint_eq(c->seq, 77);
	ck_assert_ptr_eq(c->tag, &tag);
	ck_assert_uint_eq(c->count, 0);
	ck_assert_uint_eq(c->untaken, 0);
	ck_assert_uint_eq(chunk_charge(c), 0);
	chunk_drop(c);
	chunk_drop(NULL);
}
END_TEST

START_TEST(unpacks_what_was_packed)
{
	struct chunk *c = chunk_with(SIZES);
	size_t at = FRAME_START, size;
	const void *input;

	ck_assert_uint_eq(c->count, SIZES);
	ck_assert_uint_eq(c->untaken, SIZES);
	for (size_t nth = 0; nth < SIZES; nth++) {
		at = chunk_unpack(c, at, &input, &size);
		ck_assert_msg(is_input(nth, input, size), "input %zu", nth);
		ck_assert_uint_eq((uintptr_t)input % 16, 0);
	}
	ck_assert_uint_eq(at, c->items.len);
	chunk_drop(c);
}
END_TEST

/* Inputs packed together are as if packed singly. */
START_TEST(a_run_is_packed_the_same)
{
	static const size_t sizes[] = { 1, 7, 8, 9, 12, 24, 300 };
	enum { COUNT = 50 };
	unsigned char items[COUNT * 300];

	for (size_t i = 0; i < sizeof items; i++)
		items[i] = byte_of(3, i);
	for (size_t i = 0; i < COUNTOF(sizes); i++)
		for (size_t n = 1; n < COUNT; n += 12) {
			struct chunk *one = chunk_new(NULL, 0, 0, NULL);
			struct chunk *run = chunk_new(NULL, 0, 0, NULL);
			size_t size = sizes[i];

			for (size_t k = 0; k <= n; k++)
				ck_assert_int_eq(chunk_pack(one,
				    items + k * size, size), 0);
			ck_assert_int_eq(chunk_pack(run, items, size), 0);
			ck_assert_int_eq(chunk_expect_run(run, n, size), 0);
			chunk_pack_run(run, items + size, n, size);
			ck_assert_uint_eq(run->count, n + 1);
			ck_assert_uint_eq(run->untaken, one->untaken);
			ck_assert_uint_eq(run->each, one->each);
			ck_assert_uint_eq(run->items.len, one->items.len);
			ck_assert_mem_eq(run->items.data + FRAME_START,
			    one->items.data + FRAME_START,
			    one->items.len + 1 - FRAME_START);
			chunk_drop(one);
			chunk_drop(run);
		}
}
END_TEST

START_TEST(an_input_of_no_bytes_may_be_null)
{
	struct chunk *c = chunk_new(NULL, 0, 0, NULL);
	size_t at, size = 1;
	const void *input = NULL;

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(chunk_pack(c, NULL, 0), 0);
	ck_assert_int_eq(chunk_pack(c, "x", 1), 0);
	at = chunk_unpack(c, FRAME_START, &input, &size);
	ck_assert_ptr_nonnull(input);
	ck_assert_uint_eq(size, 0);
	ck_assert_int_eq(*(const char *)input, 0);
	chunk_unpack(c, at, &input, &size);
	ck_assert_str_eq(input, "x");
	chunk_drop(c);
}
END_TEST

/* No frame follows the last input, so that no other head brings the 0. */
START_TEST(the_last_input_ends_with_a_zero_too)
{
	for (size_t nth = 0; nth < 64; nth++) {
		struct chunk *c = chunk_new(NULL, 0, 0, NULL);
		const void *input;
		size_t size;

		ck_assert_ptr_nonnull(c);
		pack(c, nth, nth + 1);
		chunk_unpack(c, FRAME_START, &input, &size);
		ck_assert_msg(is_input(nth, input, size), "input %zu", nth);
		chunk_drop(c);
	}
}
END_TEST

/* The buffer holds the very stream of frames that a worker reads. */
START_TEST(is_a_stream_of_item_frames)
{
	struct chunk *c = chunk_with(SIZES);
	size_t at = FRAME_START;
	struct frame f;

	for (size_t nth = 0; nth < SIZES; nth++) {
		ck_assert_int_eq(frame_read(c->items.data + at,
		    c->items.len - at, LARGEST, &f), 1);
		ck_assert_int_eq(f.kind, FRAME_ITEM);
		ck_assert_uint_eq(f.size, size_of(nth));
		at += f.length;
	}
	ck_assert_uint_eq(at, c->items.len);
	chunk_drop(c);
}
END_TEST

START_TEST(skips_any_number)
{
	enum { COUNT = 40 };
	struct chunk *c = chunk_with(COUNT);
	size_t at[COUNT + 1] = { FRAME_START }, size;
	const void *input;

	for (size_t i = 0; i < COUNT; i++)
		at[i + 1] = chunk_unpack(c, at[i], &input, &size);
	for (uint32_t from = 0; from <= COUNT; from++)
		for (uint32_t to = from; to <= COUNT; to++)
			ck_assert_uint_eq(chunk_skip(c, at[from], to - from),
			    at[to]);
	chunk_drop(c);
}
END_TEST

START_TEST(charges_for_bytes_and_items)
{
	struct chunk *c = chunk_new(NULL, 0, 0, NULL);
	size_t before = 0;

	ck_assert_ptr_nonnull(c);
	for (size_t i = 0; i < 300; i++) {
		ck_assert_int_eq(chunk_pack(c, "0123456789", 10), 0);
		ck_assert_uint_ge(chunk_charge(c) - before,
		    10 + CHUNK_ITEM_CHARGE);
		ck_assert_uint_eq(chunk_charge(c),
		    c->items.len + (i + 1) * CHUNK_ITEM_CHARGE);
		before = chunk_charge(c);
	}
	chunk_drop(c);
}
END_TEST

START_TEST(lives_until_the_last_lets_go)
{
	struct chunk *c = chunk_with(3);

	ck_assert_ptr_eq(chunk_hold(c), c);
	ck_assert_ptr_eq(chunk_hold(c), c);
	ck_assert_uint_eq(c->refs, 3);
	chunk_drop(c);
	chunk_drop(c);
	ck_assert_uint_eq(c->refs, 1);
	ck_assert_uint_eq(c->count, 3);
	chunk_drop(c);
}
END_TEST

/* chunk_pack() fails to allocate before it reads any byte of the input. */
START_TEST(without_memory_nothing_changes)
{
	/* Volatile: compilers would notice that no input is that large. */
	volatile size_t most = FRAME_MAX;
	static const char some[8] = "";
	struct chunk *c = chunk_with(5);
	struct chunk *empty = chunk_new(NULL, 0, 0, NULL);
	size_t len = c->items.len, charge = chunk_charge(c), size;
	const void *input;

	ck_assert_ptr_nonnull(empty);
	ck_assert_int_eq(chunk_pack(c, some, most), -ENOMEM);
	ck_assert_uint_eq(c->count, 5);
	ck_assert_uint_eq(c->untaken, 5);
	ck_assert_uint_eq(c->items.len, len);
	ck_assert_uint_eq(chunk_charge(c), charge);
	ck_assert_int_eq(chunk_pack(empty, some, most), -ENOMEM);
	ck_assert_uint_eq(chunk_charge(empty), 0);
	ck_assert_int_eq(chunk_pack(empty, "x", 1), 0);
	chunk_unpack(empty, FRAME_START, &input, &size);
	ck_assert_str_eq(input, "x");
	chunk_drop(empty);
	chunk_drop(c);
}
END_TEST

/* All items up to some number have the same tag. */
START_TEST(tags_that_differ_are_listed)
{
	enum { ITEMS = 9 };
	char tags[ITEMS + 1];

	for (int same = 0; same <= ITEMS; same++) {
		struct chunk *c = chunk_new(NULL, 0, 0, tags + ITEMS);

		for (int n = 0; n < ITEMS; n++) {
			void *tag = tags + (n < same ? 0 : n);

			ck_assert_int_eq(chunk_expect_tag(c, tag), 0);
			ck_assert_int_eq(chunk_pack(c, "x", 1), 0);
			chunk_keep_tag(c, tag);
		}
		ck_assert((chunk_tags(c, 0) == NULL) == (same == ITEMS));
		for (int n = 0; n < ITEMS; n++)
			ck_assert_ptr_eq(chunk_tag(c, (uint64_t)n),
			    tags + (n < same ? 0 : n));
		chunk_drop(c);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { a_new_one_is_empty,
		tags_that_differ_are_listed,
		unpacks_what_was_packed, a_run_is_packed_the_same, the_last_input_ends_with_a_zero_too,
		an_input_of_no_bytes_may_be_null,
		is_a_stream_of_item_frames, skips_any_number,
		charges_for_bytes_and_items, lives_until_the_last_lets_go,
		without_memory_nothing_changes };

	return run_tests("chunk", tests, COUNTOF(tests));
}
