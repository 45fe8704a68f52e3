/*
 * test_away.c - the caller's books of the items that a link has shipped: answers
 * in any order, each once; what is left of a lease is away when it ends.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "items/window.h"
#include "pool/away.h"
#include "tools.h"

/* Two chunks; the items of the second are leased when the first is away. */
#define FIRST 3
#define SECOND 3
#define ALL (FIRST + SECOND)

static _Alignas(64) struct slot slot;
static struct crew crew;
static struct member member;
static struct window window;

static void start(void)
{
	memset(&slot, 0, sizeof slot);
	crew = (struct crew){ .leases = 2, .members = &member, .count = 1 };
	member = (struct member){ .weight = 2, .host = 1, .slot = &slot,
		.session = SESSION_READY, .state = MEMBER_RUNNING };
	member.sent_end = member.leases = &member.sent;
	channel_open(&member.channel, -1, -1);
	window_init(&window, 10, 10, 1 << 20);
	roster_book(&crew, &member);
}

/* The channel has no pipes. */
static void close_none(int *fd)
{
	ck_assert_int_eq(*fd, -1);
}

/* Leases a chunk of inputs of many sizes, whose first byte is their number from
   "from" on. */
static void lease(uint64_t from, uint32_t count)
{
	unsigned char input[100] = { 0 };
	struct chunk *c = chunk_new(NULL, from, from, NULL);
	struct span *s;

	ck_assert_ptr_nonnull(c);
	for (uint32_t i = 0; i < count; i++) {
		input[0] = (unsigned char)(from + i);
		ck_assert_int_eq(chunk_pack(c, input, 1 + 17 * i % 90), 0);
	}
	ck_assert_int_eq(window_admit(&window, c), 0);
	chunk_drop(c);
	s = window.waiting;
	ck_assert_int_eq(crew_lease(&crew, &member, s, 1), 0);
	window_move(&window, s, SPAN_SENT);
}

/* Are the counts those of the list? */
static void check(void)
{
	uint32_t all = 0, leased = 0;
	uint64_t last = 0;

	for (const struct span *s = member.sent; s != NULL; s = s->next) {
		all++;
		leased += !s->away;
		ck_assert(leased == 0 || !s->away);
		ck_assert(s->count > 0 || !s->away);
		ck_assert(last <= span_seq(s));
		last = span_seq(s) + s->count;
	}
	ck_assert_uint_eq(member.nsent, all);
	ck_assert_uint_eq(member.nleased, leased);
	ck_assert_uint_eq(window.nsent, all);
	ck_assert((*member.leases != NULL) == (leased > 0));
	ck_assert(*member.leases == NULL || !(*member.leases)->away);
	ck_assert_ptr_null(*member.sent_end);
	ck_assert((leased == 0) == (member.load == 0));
	ck_assert(roster_is_right(&crew));
}

/* Answers an item as receive.c does.  Returns as away_seek(). */
static int answer(uint64_t number)
{
	struct span **at, *s;
	const void *input;
	size_t size;
	int r;

	member.next = number;
	r = away_seek(&crew, &window, &member, &at);
	check();
	if (r < 0)
		return r;
	s = *at;
	ck_assert_uint_eq(span_seq(s), number);
	chunk_unpack(s->chunk, s->at, &input, &size);
	ck_assert_uint_eq(*(const unsigned char *)input, number);
	span_advance(s, 1);
	away_tidy(&crew, &window, &member, at);
	check();
	return 0;
}

static void end_lease(void)
{
	away_ship(&crew, &window, &member);
	check();
}

static void release(void)
{
	while (member.sent != NULL) {
		struct span *s = crew_unlease(&crew, &member);

		window_move(&window, s, SPAN_SPENT);
		span_free(s);
		check();
	}
	span_free(member.spare);
	member.spare = NULL;
	channel_close(&member.channel, close_none);
}

/* Answers the items in an order; the first lease ends before the nth answer, the
   second before the last. */
static void answer_in(const int *order, int nth)
{
	start();
	lease(0, FIRST);
	lease(FIRST, SECOND);
	check();
	for (int i = 0; i < ALL; i++) {
		if (i == nth)
			end_lease();
		if (i == ALL - 1)
			end_lease();
		ck_assert_int_eq(answer((uint64_t)order[i]), 0);
		/* The same answer does not count twice. */
		ck_assert_int_eq(answer((uint64_t)order[i]), -EPROTO);
	}
	ck_assert_ptr_null(member.sent);
	ck_assert_uint_eq(member.shipped, ALL);
	release();
}

/* All orders of the items, those of the second chunk not before the first lease
   has ended. */
static void permute(int *order, int n)
{
	int nth = 0;

	if (n < ALL) {
		for (int i = n; i < ALL; i++) {
			int kept = order[n];

			order[n] = order[i];
			order[i] = kept;
			permute(order, n + 1);
			order[i] = order[n];
			order[n] = kept;
		}
		return;
	}
	while (nth < ALL - 1 && order[nth] < FIRST)
		nth++;
	answer_in(order, nth);
	if (nth > 0)
		answer_in(order, 0);
}

START_TEST(answers_come_in_any_order)
{
	int order[ALL] = { 0, 1, 2, 3, 4, 5 };

	permute(order, 0);
}
END_TEST

START_TEST(answers_to_nothing_are_refused)
{
	start();
	ck_assert_int_eq(answer(0), -EPROTO);
	lease(0, FIRST);
	lease(FIRST, SECOND);
	ck_assert_int_eq(answer(UINT64_MAX), -EPROTO);
	ck_assert_int_eq(answer((uint64_t)1 << 32), -EPROTO);
	/* The link has not ended the first lease. */
	ck_assert_int_eq(answer(FIRST), -EPROTO);
	ck_assert_int_eq(answer(1), 0);
	/* A span that an answer has split is none that was sent. */
	ck_assert_uint_eq(window.nsent, 3);
	ck_assert_uint_eq(window.peak_sent, 2);
	end_lease();
	ck_assert_int_eq(answer(1), -EPROTO);
	ck_assert_int_eq(answer(ALL), -EPROTO);
	ck_assert_int_eq(answer(ALL - 1), 0);
	release();
}
END_TEST

/* Items are numbered as they are shipped, without those taken back. */
START_TEST(items_taken_back_have_no_number)
{
	struct span *s, *rest;

	start();
	lease(0, FIRST);
	lease(100, SECOND);
	s = member.sent;
	ck_assert_int_eq(slot_lower(&slot, s->ordinal, 1, &s->limit), 0);
	ck_assert_uint_eq(s->limit, 1);
	/* Also while memory is short, and the span is not cut. */
	ck_assert_int_eq(answer(1), -EPROTO);
	rest = span_cut(s, 1);
	ck_assert_ptr_nonnull(rest);
	span_free(rest);
	ck_assert_int_eq(answer(1), -EPROTO);
	end_lease();
	member.next = 1;
	ck_assert_uint_eq(away_number(*member.leases, 2), 3);
	ck_assert_int_eq(away_seek(&crew, &window, &member, &(struct span **){
	    NULL }), 0);
	ck_assert_uint_eq(span_seq(member.sent->next), 100);
	ck_assert_int_eq(answer(0), 0);
	release();
}
END_TEST

/* The number of leases is bounded, that of chunks on their way is not. */
START_TEST(leases_that_have_ended_make_room)
{
	start();
	member.weight = 100;
	for (uint64_t i = 0; i < SLOT_LEASES; i++) {
		ck_assert(!member.sated);
		lease(i, 1);
	}
	ck_assert(member.sated);
	end_lease();
	ck_assert(!member.sated);
	lease(SLOT_LEASES, 1);
	ck_assert(member.sated);
	ck_assert_uint_eq(member.nsent, SLOT_LEASES + 1);
	release();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { answers_come_in_any_order,
		answers_to_nothing_are_refused,
		items_taken_back_have_no_number,
		leases_that_have_ended_make_room };

	return run_tests("away", tests, COUNTOF(tests));
}
