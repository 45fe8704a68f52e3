/*
 * test_span.c - span: advancing and cutting lose no item and count none twice,
 * and references to the chunk and the buffer are released.
 */
#include "config.h"

#include <string.h>

#include "base/base.h"
#include "items/span.h"
#include "tools.h"

#define COUNT 20
#define INDEX 500
#define SEQ 7000

/* A chunk of 20 items; item n is n bytes, all of them n. */
static struct chunk *chunk_of_20(void)
{
	struct chunk *c = chunk_new(NULL, INDEX, SEQ, NULL);
	unsigned char input[COUNT];

	ck_assert_ptr_nonnull(c);
	for (uint32_t n = 0; n < COUNT; n++) {
		memset(input, (int)n, n);
		ck_assert_int_eq(chunk_pack(c, input, n), 0);
	}
	return c;
}

static struct span *span_of(struct chunk *c)
{
	struct span *s = span_new(NULL);

	ck_assert_ptr_nonnull(s);
	ck_assert_ptr_eq(span_set(s, c, 0, COUNT, FRAME_START), s);
	return s;
}

/* Does a span stand for exactly the items first .. first + count - 1? */
static void stands_for(const struct span *s, uint32_t first, uint32_t count)
{
	size_t at = s->at, size;
	const void *input;

	ck_assert_uint_eq(s->first, first);
	ck_assert_uint_eq(s->count, count);
	ck_assert_uint_eq(span_seq(s), SEQ + first);
	for (uint32_t n = first; n < first + count; n++) {
		at = chunk_unpack(s->chunk, at, &input, &size);
		ck_assert_uint_eq(size, n);
		if (n > 0)
			ck_assert_uint_eq(*(const unsigned char *)input, n);
	}
}

START_TEST(a_new_one_is_in_nobodys_books)
{
	struct span *s = span_new(NULL);

	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(s->state, SPAN_NEW);
	ck_assert_uint_eq(s->count, 0);
	ck_assert_ptr_null(s->chunk);
	ck_assert_ptr_null(s->rxbuf);
	ck_assert_int_eq(s->attempt, 0);
	ck_assert_int_eq(s->worker_index, -1);
	ck_assert_int_eq(s->outcome.cause, 0);
	ck_assert_int_eq(s->outcome.exit_status, -1);
	span_free(s);
	span_free(NULL);
}
END_TEST

START_TEST(holds_its_chunk_and_its_block)
{
	struct chunk *c = chunk_of_20();
	struct rxbuf *b = rxbuf_new(NULL, 10);
	struct span *s = span_of(c);

	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(c->refs, 2);
	s->rxbuf = rxbuf_hold(b);
	span_free(s);
	ck_assert_uint_eq(c->refs, 1);
	ck_assert_uint_eq(b->refs, 1);
	rxbuf_drop(b);
	chunk_drop(c);
}
END_TEST

START_TEST(advances_by_any_number)
{
	struct chunk *c = chunk_of_20();

	for (uint32_t step = 1; step <= COUNT; step++) {
		struct span *s = span_of(c);
		uint32_t first = 0;

		while (s->count >= step) {
			stands_for(s, first, COUNT - first);
			span_advance(s, step);
			first += step;
		}
		stands_for(s, first, COUNT - first);
		span_advance(s, 0);
		stands_for(s, first, COUNT - first);
		span_free(s);
	}
	ck_assert_uint_eq(c->refs, 1);
	chunk_drop(c);
}
END_TEST

/* Advances a span by "begin" items, and cuts off the rest from item "at" on. */
static void cut(struct chunk *c, uint32_t begin, uint32_t at)
{
	struct span *s = span_of(c), *rest;

	s->attempt = 3;
	s->worker_index = 17;
	span_advance(s, begin);
	rest = span_cut(s, at);
	ck_assert_ptr_nonnull(rest);
	ck_assert_uint_eq(c->refs, 3);
	ck_assert_int_eq(rest->state, SPAN_NEW);
	ck_assert_int_eq(rest->attempt, 3);
	ck_assert_int_eq(rest->worker_index, 17);
	stands_for(s, begin, at - begin);
	stands_for(rest, at, COUNT - at);
	span_free(s);
	stands_for(rest, at, COUNT - at);
	span_free(rest);
	ck_assert_uint_eq(c->refs, 1);
}

START_TEST(is_cut_anywhere)
{
	struct chunk *c = chunk_of_20();

	for (uint32_t begin = 0; begin <= COUNT; begin++)
		for (uint32_t at = begin; at <= COUNT; at++)
			cut(c, begin, at);
	chunk_drop(c);
}
END_TEST

START_TEST(its_head_is_a_chunk_frame)
{
	struct chunk *c = chunk_of_20();
	struct span *s = span_of(c);
	struct frame_chunk said;
	struct frame f;

	span_advance(s, 4);
	span_free(span_cut(s, 10));
	s->ordinal = 70000;
	s->attempt = 2;
	span_write_head(s);
	ck_assert_int_eq(frame_read(s->head, sizeof s->head, sizeof said,
	    &f), 1);
	ck_assert_int_eq(f.kind, FRAME_CHUNK);
	ck_assert_uint_eq(f.length, sizeof s->head);
	ck_assert_int_eq(frame_body(&f, &said, sizeof said), 0);
	ck_assert_uint_eq(said.index, INDEX + 4);
	ck_assert_uint_eq(said.seq, SEQ + 4);
	ck_assert_uint_eq(said.ordinal, 70000);
	ck_assert_uint_eq(said.first, 4);
	ck_assert_uint_eq(said.count, 6);
	ck_assert_uint_eq(said.attempt, 2);
	span_free(s);
	chunk_drop(c);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { a_new_one_is_in_nobodys_books,
		holds_its_chunk_and_its_block, advances_by_any_number,
		is_cut_anywhere, its_head_is_a_chunk_frame };

	return run_tests("span", tests, COUNTOF(tests));
}
