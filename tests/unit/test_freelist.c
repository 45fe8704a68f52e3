/*
 * test_freelist.c - freelist: reused memory behaves like new, and only a
 * bounded number of blocks is kept.
 */
#include "config.h"

#include <string.h>

#include "base/base.h"
#include "items/chunk.h"
#include "items/freelist.h"
#include "items/span.h"
#include "tools.h"

static char tag;

/* Returns a span of a new chunk with a single input, from that freelist. */
static struct span *one(struct freelist *f, const char *input)
{
	struct chunk *c = chunk_new(f, 3, 4, &tag);
	struct span *s = span_new(f);

	ck_assert_ptr_nonnull(c);
	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(chunk_pack(c, input, strlen(input)), 0);
	span_set(s, c, 0, 1, chunk_begin(c));
	chunk_drop(c);
	return s;
}

START_TEST(what_was_freed_is_used_again)
{
	struct freelist f = { .nspans = 0 };
	struct span *s = one(&f, "first"), *again;
	struct chunk *c = s->chunk;
	unsigned char *room = c->items.data;

	ck_assert_int_eq(f.nspans + f.nchunks, 0);
	span_free(s);
	ck_assert_int_eq(f.nspans, 1);
	ck_assert_int_eq(f.nchunks, 1);
	again = one(&f, "second");
	ck_assert_ptr_eq(again, s);
	ck_assert_ptr_eq(again->chunk, c);
	ck_assert_ptr_eq(c->items.data, room);
	ck_assert_int_eq(f.nspans + f.nchunks, 0);
	span_free(again);
	freelist_release(&f);
	ck_assert_int_eq(f.nspans + f.nchunks, 0);
}
END_TEST

START_TEST(nothing_of_the_last_use_is_left)
{
	struct freelist f = { .nspans = 0 };
	struct span *s = one(&f, "longer than the next"), *new = span_new(NULL);
	const void *input;
	size_t size;

	s->attempt = 7;
	s->alone = true;
	s->outcome.cause = VM_LOST;
	s->chunk->untaken = 9;
	s->chunk->where = CHUNK_INHERITED;
	span_free(s);
	s = one(&f, "x");
	ck_assert_uint_eq(s->chunk->refs, 1);
	ck_assert_int_eq(s->chunk->where, CHUNK_PACKED);
	ck_assert_uint_eq(s->chunk->count, 1);
	ck_assert_uint_eq(s->chunk->untaken, 1);
	ck_assert_uint_eq(s->chunk->items.len, FRAME_START + frame_length(1));
	chunk_unpack(s->chunk, s->at, &input, &size);
	ck_assert_uint_eq(size, 1);
	ck_assert_str_eq(input, "x");
	ck_assert_int_eq(s->attempt, new->attempt);
	ck_assert_int_eq(s->alone, new->alone);
	ck_assert_int_eq(s->worker_index, new->worker_index);
	ck_assert_int_eq(s->outcome.cause, new->outcome.cause);
	ck_assert_int_eq(s->outcome.exit_status, new->outcome.exit_status);
	ck_assert_int_eq(s->state, SPAN_NEW);
	span_free(s);
	span_free(new);
	freelist_release(&f);
}
END_TEST

START_TEST(only_a_few_are_kept)
{
	struct freelist f = { .nspans = 0 };
	struct span *many[3 * FREELIST_MOST];

	for (size_t i = 0; i < COUNTOF(many); i++)
		many[i] = one(&f, "");
	for (size_t i = 0; i < COUNTOF(many); i++)
		span_free(many[i]);
	ck_assert_int_eq(f.nspans, FREELIST_MOST);
	ck_assert_int_eq(f.nchunks, FREELIST_MOST);
	freelist_release(&f);
}
END_TEST

START_TEST(a_chunk_with_much_room_is_not_kept)
{
	static char large[FREELIST_ROOM];
	struct freelist f = { .nspans = 0 };
	struct chunk *c = chunk_new(&f, 0, 0, NULL);

	ck_assert_int_eq(chunk_pack(c, large, sizeof large), 0);
	chunk_drop(c);
	ck_assert_int_eq(f.nchunks, 0);
}
END_TEST

/* The region belongs to its worker: the freelist must not keep it as a
   buffer. */
START_TEST(a_chunk_that_was_placed_leaves_its_region)
{
	static _Alignas(16) unsigned char area[4096];
	struct freelist f = { .nspans = 0 };
	struct arena a;
	struct chunk *c;

	arena_init(&a, sizeof area);
	span_free(one(&f, "has room"));
	c = chunk_new(&f, 0, 0, NULL);
	chunk_place(c, arena_take(&a, 1024), area);
	ck_assert_int_eq(chunk_pack(c, "there", 5), 0);
	ck_assert_ptr_eq(c->items.data, area);
	chunk_drop(c);
	ck_assert_int_eq(f.nchunks, 1);
	memset(area, 0x55, sizeof area);
	c = chunk_new(&f, 0, 0, NULL);
	ck_assert_int_eq(chunk_pack(c, "here", 4), 0);
	ck_assert_ptr_ne(c->items.data, area);
	for (size_t i = 0; i < sizeof area; i++)
		ck_assert_uint_eq(area[i], 0x55);
	chunk_drop(c);
	freelist_release(&f);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { what_was_freed_is_used_again,
		nothing_of_the_last_use_is_left, only_a_few_are_kept,
		a_chunk_with_much_room_is_not_kept,
		a_chunk_that_was_placed_leaves_its_region };

	return run_tests("freelist", tests, COUNTOF(tests));
}
