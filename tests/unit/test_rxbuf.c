/*
 * test_rxbuf.c - rxbuf: references to the buffer are counted, and room is made
 * without changing a byte that other references hold.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/base.h"
#include "tools.h"
#include "wire/rxbuf.h"

/* More bytes than any machine has. */
#define TOO_MUCH ((size_t)1 << 60)

/* A buffer with room for 64 bytes that holds len. */
static struct rxbuf *block_with(size_t len)
{
	struct rxbuf *b = rxbuf_new(NULL, 64);

	ck_assert_ptr_nonnull(b);
	for (size_t i = 0; i < len; i++)
		b->data[i] = (unsigned char)(i + 1);
	b->len = len;
	return b;
}

/* Are these n bytes equal to those of block_with(), from that index on? */
static bool are_from(const unsigned char *at, size_t n, size_t from)
{
	for (size_t i = 0; i < n; i++)
		if (at[i] != (unsigned char)(from + i + 1))
			return false;
	return true;
}

START_TEST(a_new_one_is_empty_and_aligned)
{
	for (size_t cap = 0; cap < 100; cap++) {
		struct rxbuf *b = rxbuf_new(NULL, cap);

		ck_assert_ptr_nonnull(b);
		ck_assert_uint_eq(b->refs, 1);
		ck_assert_uint_eq(b->cap, cap);
		ck_assert_uint_eq(b->len, 0);
		ck_assert_uint_eq((uintptr_t)b->data % 16, 0);
		memset(b->data, 1, cap);
		b->data[cap] = 0;	/* a spare byte follows the data */
		rxbuf_drop(b);
	}
}
END_TEST

START_TEST(lives_until_the_last_lets_go)
{
	struct rxbuf *b = block_with(20);

	for (size_t i = 1; i <= 100; i++) {
		ck_assert_ptr_eq(rxbuf_hold(b), b);
		ck_assert_uint_eq(b->refs, i + 1);
	}
	for (size_t i = 100; i > 0; i--) {
		rxbuf_drop(b);
		ck_assert_uint_eq(b->refs, i);
		ck_assert(are_from(b->data, 20, 0));
	}
	rxbuf_drop(b);
	rxbuf_drop(NULL);
}
END_TEST

START_TEST(renewing_nothing_makes_one)
{
	struct rxbuf *b = NULL;

	ck_assert_int_eq(rxbuf_renew(NULL, &b, 0, 8, 40), 0);
	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(b->refs, 1);
	ck_assert_uint_eq(b->len, 8);
	ck_assert_uint_ge(b->cap, 40);
	rxbuf_drop(b);
}
END_TEST

/* The only reference: bytes move, for any overlap and new size. */
static void renew_alone(size_t from, size_t to, size_t cap)
{
	struct rxbuf *b = block_with(40);

	ck_assert_int_eq(rxbuf_renew(NULL, &b, from, to, cap), 0);
	ck_assert_uint_eq(b->refs, 1);
	ck_assert_uint_eq(b->len, to + 40 - from);
	ck_assert_uint_ge(b->cap, cap);
	ck_assert(are_from(b->data + to, 40 - from, from));
	memset(b->data + b->len, 0, b->cap + 1 - b->len);
	ck_assert(are_from(b->data + to, 40 - from, from));
	rxbuf_drop(b);
}

START_TEST(one_that_nobody_holds_serves_itself)
{
	for (size_t from = 0; from <= 40; from++)
		for (size_t to = 0; to <= 24; to++) {
			renew_alone(from, to, 64);
			renew_alone(from, to, 200);
		}
}
END_TEST

/* A reader holds a reference: its bytes stay unchanged. */
static void renew_held(size_t from, size_t to, size_t cap)
{
	struct rxbuf *mine = block_with(40);
	struct rxbuf *b = rxbuf_hold(mine);

	ck_assert_int_eq(rxbuf_renew(NULL, &b, from, to, cap), 0);
	ck_assert_ptr_ne(b, mine);
	ck_assert_uint_eq(b->refs, 1);
	ck_assert_uint_eq(b->len, to + 40 - from);
	ck_assert_uint_ge(b->cap, cap);
	ck_assert(are_from(b->data + to, 40 - from, from));
	ck_assert_uint_eq(mine->refs, 1);
	memset(b->data, 0, b->cap + 1);
	rxbuf_drop(b);
	ck_assert_uint_eq(mine->len, 40);
	ck_assert_uint_eq(mine->cap, 64);
	ck_assert(are_from(mine->data, 40, 0));
	rxbuf_drop(mine);
}

START_TEST(one_that_others_hold_stays_as_it_is)
{
	for (size_t from = 0; from <= 40; from++)
		for (size_t to = 0; to <= 24; to++) {
			renew_held(from, to, to + 40 - from);
			renew_held(from, to, 200);
		}
}
END_TEST

START_TEST(without_memory_nothing_changes)
{
	struct rxbuf *b = block_with(40), *same = b, *none = NULL;

	ck_assert_ptr_null(rxbuf_new(NULL, TOO_MUCH));
	ck_assert_int_eq(rxbuf_renew(NULL, &b, 10, 0, TOO_MUCH), -ENOMEM);
	ck_assert_ptr_eq(b, same);
	rxbuf_hold(b);
	ck_assert_int_eq(rxbuf_renew(NULL, &b, 10, 0, TOO_MUCH), -ENOMEM);
	ck_assert_ptr_eq(b, same);
	ck_assert_uint_eq(b->refs, 2);
	ck_assert_uint_eq(b->cap, 64);
	ck_assert_uint_eq(b->len, 40);
	ck_assert(are_from(b->data, 40, 0));
	rxbuf_drop(b);
	rxbuf_drop(b);
	ck_assert_int_eq(rxbuf_renew(NULL, &none, 0, 8, TOO_MUCH), -ENOMEM);
	ck_assert_ptr_null(none);
}
END_TEST

/* A block for a large frame is not kept for small ones, though a part of the
   next frame is always in it. */
START_TEST(a_block_far_too_large_is_replaced)
{
	struct rxbuf *b = rxbuf_new(NULL, 3000000);

	ck_assert_ptr_nonnull(b);
	memset(b->data, 7, 100);
	b->len = 100;
	ck_assert_int_eq(rxbuf_renew(NULL, &b, 90, 8, 1000000), 0);
	ck_assert_uint_eq(b->cap, 3000000);
	ck_assert_int_eq(rxbuf_renew(NULL, &b, 8, 8, 64 * 1024), 0);
	ck_assert_uint_eq(b->cap, 64 * 1024);
	ck_assert_uint_eq(b->len, 18);
	ck_assert_int_eq(b->data[17], 7);
	ck_assert_int_eq(rxbuf_renew(NULL, &b, 8, 8, 512), 0);
	ck_assert_uint_eq(b->cap, 64 * 1024);
	rxbuf_drop(b);
}
END_TEST

/* ---- lists of unused blocks ---- */

START_TEST(unused_blocks_are_used_again)
{
	struct rxlist l = { .bytes_most = RXLIST_BYTES };
	struct rxbuf *a = rxbuf_new(&l, 10000), *b, *again;

	ck_assert_ptr_nonnull(a);
	b = rxbuf_new(&l, 10000);
	ck_assert_ptr_ne(a, b);
	rxbuf_hold(a);
	a->len = 10000;
	rxbuf_drop(a);
	ck_assert_uint_eq(l.count, 0);
	rxbuf_drop(a);
	ck_assert_uint_eq(l.count, 1);
	ck_assert_uint_eq(l.bytes, a->cap);
	again = rxbuf_new(&l, 9000);
	ck_assert_ptr_eq(again, a);
	ck_assert_uint_eq(again->refs, 1);
	ck_assert_uint_eq(again->len, 0);
	ck_assert_uint_ge(again->cap, 9000);
	ck_assert_uint_eq(l.count, 0);
	ck_assert_uint_eq(l.bytes, 0);
	rxbuf_drop(again);
	rxbuf_drop(b);
	ck_assert_uint_eq(l.count, 2);
	rxlist_release(&l);
	ck_assert_uint_eq(l.count, 0);
}
END_TEST

/* Neither a block that is too small nor a block that would be wasted. */
START_TEST(a_block_must_fit)
{
	struct rxlist l = { .bytes_most = RXLIST_BYTES };
	struct rxbuf *b = rxbuf_new(&l, 40000), *other;

	rxbuf_drop(b);
	other = rxbuf_new(&l, 40001);
	ck_assert_ptr_ne(other, b);
	rxbuf_drop(other);
	other = rxbuf_new(&l, 100);
	ck_assert_ptr_ne(other, b);
	rxbuf_drop(other);
	ck_assert_uint_eq(l.count, 2);
	other = rxbuf_new(&l, 20000);
	ck_assert(other->cap >= 40000);
	rxbuf_drop(other);
	rxlist_release(&l);
}
END_TEST

START_TEST(lists_are_bounded)
{
	struct rxlist l = { .bytes_most = RXLIST_BYTES };
	struct rxbuf *b[2 * RXLIST_MOST];

	for (size_t size = 5000; size < RXLIST_BYTES; size *= 20) {
		for (size_t i = 0; i < COUNTOF(b); i++)
			b[i] = rxbuf_new(&l, size);
		for (size_t i = 0; i < COUNTOF(b); i++)
			rxbuf_drop(b[i]);
		ck_assert_uint_le(l.count, RXLIST_MOST);
		ck_assert_uint_le(l.bytes, RXLIST_BYTES);
		ck_assert_uint_ge(l.count, MIN(RXLIST_MOST,
		    RXLIST_BYTES / 4 / size));
		rxlist_release(&l);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { a_new_one_is_empty_and_aligned,
		lives_until_the_last_lets_go, renewing_nothing_makes_one,
		one_that_nobody_holds_serves_itself,
		one_that_others_hold_stays_as_it_is,
		without_memory_nothing_changes,
		a_block_far_too_large_is_replaced,
		unused_blocks_are_used_again, a_block_must_fit,
		lists_are_bounded };

	return run_tests("block", tests, COUNTOF(tests));
}
