/*
 * test_window.c - window: the bounds, the order of the waiting spans, and
 * counts that always return to 0.
 */
#include "config.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/base.h"
#include "items/window.h"
#include "tools.h"

#define SEED UINT64_C(88172645463325252)

static uint64_t rnd(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint32_t below(uint64_t *state, size_t most)
{
	return (uint32_t)(rnd(state) % most);
}

/* Admits a chunk of that many items of 8 bytes.  Returns the bytes charged. */
static size_t admit(struct window *w, uint64_t seq, uint32_t items)
{
	struct chunk *c = chunk_new(NULL, seq, seq, NULL);
	size_t charge;

	ck_assert_ptr_nonnull(c);
	for (uint32_t i = 0; i < items; i++)
		ck_assert_int_eq(chunk_pack(c, "01234567", 8), 0);
	charge = chunk_charge(c);
	ck_assert_int_eq(window_admit(w, c), 0);
	chunk_drop(c);
	return charge;
}

/* Moves the first waiting span to the sent and then to the answered spans, with
   that number of output bytes. */
static struct span *answer_first(struct window *w, size_t bytes)
{
	struct span *s = w->waiting;

	window_move(w, s, SPAN_SENT);
	s->bytes = bytes;
	window_move(w, s, SPAN_ANSWERED);
	return s;
}

static void take_all(struct window *w, struct span *s)
{
	window_taken(w, s, s->count);
	window_free(w, s);
}

static void is_empty(const struct window *w)
{
	ck_assert_ptr_null(w->waiting);
	ck_assert_ptr_null(w->paused);
	ck_assert_uint_eq(w->nsent, 0);
	ck_assert_uint_eq(w->nwaiting, 0);
	ck_assert_uint_eq(w->nchunks, 0);
	ck_assert_uint_eq(w->bytes, 0);
	ck_assert_uint_eq(w->result_bytes, 0);
}

START_TEST(an_admitted_chunk_waits_whole)
{
	struct window w;
	struct span *s;

	window_init(&w, 4, 8, 1000000);
	is_empty(&w);
	admit(&w, 10, 3);
	s = w.waiting;
	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(s->state, SPAN_WAITING);
	ck_assert_uint_eq(span_seq(s), 10);
	ck_assert_uint_eq(s->first, 0);
	ck_assert_uint_eq(s->count, 3);
	ck_assert_uint_eq(s->at, FRAME_START);
	ck_assert_int_eq(s->attempt, 1);
	ck_assert_uint_eq(s->chunk->refs, 1);
	ck_assert_uint_eq(w.nwaiting, 1);
	ck_assert_uint_eq(w.nchunks, 1);
	window_release(&w);
}
END_TEST

START_TEST(counts_return_to_zero)
{
	struct window w;
	struct span *s;

	window_init(&w, 4, 8, 1000000);
	ck_assert_uint_eq(admit(&w, 0, 3), w.bytes);
	s = w.waiting;
	window_move(&w, s, SPAN_SENT);
	ck_assert_uint_eq(w.nwaiting, 0);
	ck_assert_uint_eq(w.nsent, 1);
	s->bytes = 500;
	window_move(&w, s, SPAN_ANSWERED);
	ck_assert_uint_eq(w.nsent, 0);
	ck_assert_uint_eq(w.result_bytes, 500);
	window_taken(&w, s, 1);
	window_taken(&w, s, 1);
	ck_assert_uint_eq(w.nchunks, 1);
	window_taken(&w, s, 1);
	ck_assert_uint_eq(w.nchunks, 0);
	ck_assert_uint_eq(w.bytes, 0);
	ck_assert_uint_eq(w.result_bytes, 500);
	window_free(&w, s);
	is_empty(&w);
	window_free(&w, NULL);
	window_release(&w);
}
END_TEST

START_TEST(room_is_counted_in_chunks)
{
	struct window w;

	window_init(&w, 1, 5, SIZE_MAX);
	for (uint64_t seq = 0; seq < 5; seq++) {
		ck_assert(window_room(&w));
		admit(&w, seq, 1);
	}
	ck_assert(!window_room(&w));
	ck_assert_uint_gt(window_bytes_left(&w), 0);
	for (int i = 0; i < 5; i++) {
		struct span *s = answer_first(&w, 1);

		ck_assert_int_eq(window_room(&w), i > 0);
		take_all(&w, s);
		ck_assert(window_room(&w));
	}
	is_empty(&w);
	window_release(&w);
}
END_TEST

/* Many small chunks of pushed inputs wait, and few large chunks. */
START_TEST(few_pushed_inputs_wait)
{
	const uint32_t items = 3000;
	struct span *held[16];
	struct window w;
	uint64_t seq = 0;
	size_t n = 0;

	window_init(&w, 8, 100, SIZE_MAX);
	for (; seq < 20; seq++) {
		ck_assert(window_room_pushed(&w));
		admit(&w, seq, 1);
	}
	while (w.waiting != NULL)
		take_all(&w, answer_first(&w, 1));
	/* Results that are held count for the bytes alone. */
	while (w.bytes < WINDOW_PUSHED) {
		ck_assert(window_room_pushed(&w));
		admit(&w, seq++, items);
		ck_assert_uint_lt(n, COUNTOF(held));
		held[n++] = answer_first(&w, 1);
	}
	for (int i = 0; i < 8; i++) {
		ck_assert(window_room_pushed(&w));
		admit(&w, seq++, 1);
	}
	ck_assert(!window_room_pushed(&w));
	ck_assert(window_room(&w));
	take_all(&w, answer_first(&w, 1));
	ck_assert(window_room_pushed(&w));
	/* One may always wait. */
	window_limit(&w, 1, 100);
	ck_assert(!window_room_pushed(&w));
	while (w.waiting != NULL)
		take_all(&w, answer_first(&w, 1));
	ck_assert(window_room_pushed(&w));
	while (n > 0)
		take_all(&w, held[--n]);
	is_empty(&w);
	window_release(&w);
}
END_TEST

START_TEST(room_is_counted_in_bytes)
{
	struct window w;
	size_t charge;

	window_init(&w, 9, 9, 1);
	ck_assert(window_room(&w));
	ck_assert_uint_eq(window_bytes_left(&w), 1);
	charge = admit(&w, 0, 10);
	ck_assert(!window_room(&w));
	ck_assert_uint_eq(window_bytes_left(&w), 0);
	w.max_bytes = charge;
	ck_assert(!window_room(&w));
	ck_assert_uint_eq(window_bytes_left(&w), 0);
	w.max_bytes = charge + 7;
	ck_assert(window_room(&w));
	ck_assert_uint_eq(window_bytes_left(&w), 7);
	window_release(&w);
}
END_TEST

/* The bytes of other chunks do not keep a worker idle; but results not yet
   taken count like chunks in flight. */
START_TEST(one_chunk_a_worker_passes_the_bytes)
{
	struct window w;

	window_init(&w, 30, 300, 1000);
	window_bound(&w, 1, 1, 3);
	for (uint64_t seq = 0; seq < 3; seq++) {
		ck_assert(window_room(&w));
		admit(&w, seq, 1);
		ck_assert_uint_eq(window_bytes_left(&w), 0);
	}
	ck_assert(!window_room(&w));
	for (int i = 0; i < 3; i++) {
		struct span *s = answer_first(&w, 100);

		ck_assert_int_eq(window_room(&w), i > 0);
		take_all(&w, s);
		ck_assert(window_room(&w));
	}
	is_empty(&w);
	window_bound(&w, 1, 1, 0);
	ck_assert(window_room(&w));
	admit(&w, 3, 1);
	ck_assert(!window_room(&w));
	window_release(&w);
}
END_TEST

/* Many workers need no more bytes of small items than few, but of large inputs
   or results four for each worker. */
START_TEST(the_bytes_go_by_the_size_of_items)
{
	const size_t mib = 1 << 20;
	struct window w;
	struct span *s;

	window_init(&w, 30000, 30000, 0);
	window_bound(&w, mib, 100 * mib, 8);
	ck_assert_uint_eq(w.max_bytes, mib);
	for (uint64_t seq = 0; seq < 50; seq++)
		admit(&w, seq, 1);
	ck_assert_uint_eq(w.max_bytes, mib);
	for (int i = 0; i < 50; i++) {
		s = answer_first(&w, 2 * mib);
		ck_assert_uint_gt(w.max_bytes, mib);
		take_all(&w, s);
	}
	ck_assert_uint_gt(w.max_bytes, 8 * 4 * 2 * mib - mib);
	ck_assert_uint_lt(w.max_bytes, 8 * 4 * 2 * mib + mib);
	window_bound(&w, mib, 10 * mib, 8);
	ck_assert_uint_eq(w.max_bytes, 10 * mib);
	for (uint64_t seq = 50; seq < 250; seq++) {
		admit(&w, seq, 1);
		take_all(&w, answer_first(&w, 0));
	}
	ck_assert_uint_eq(w.max_bytes, mib);
	is_empty(&w);
	window_release(&w);
}
END_TEST

START_TEST(results_count_against_the_bytes)
{
	struct window w;
	size_t charge;
	struct span *s;

	window_init(&w, 9, 9, 10000);
	charge = admit(&w, 0, 1);
	admit(&w, 1, 1);
	s = answer_first(&w, 9999);
	ck_assert(!window_room(&w));
	ck_assert(!window_full_of_results(&w));
	ck_assert_uint_eq(window_bytes_left(&w), 0);
	take_all(&w, s);
	ck_assert(window_room(&w));
	ck_assert_uint_eq(window_bytes_left(&w), 10000 - charge);
	s = answer_first(&w, 10000);
	ck_assert(window_full_of_results(&w));
	take_all(&w, s);
	is_empty(&w);
	window_release(&w);
}
END_TEST

/* However tight the bounds, a chunk is read and a span is sent. */
START_TEST(one_is_always_admitted)
{
	struct window w;
	struct span *held;

	window_init(&w, 0, 0, 0);
	ck_assert(window_room(&w));
	ck_assert(window_may_send(&w));
	admit(&w, 0, 1);
	ck_assert(!window_room(&w));
	held = answer_first(&w, 100);
	ck_assert(!window_room(&w));
	ck_assert(window_may_send(&w));
	window_taken(&w, held, 1);
	ck_assert(window_room(&w));	/* though its bytes still count */
	window_free(&w, held);
	window_release(&w);
}
END_TEST

START_TEST(so_many_may_be_sent)
{
	struct window w;
	struct span *sent[3];

	window_init(&w, 3, 100, SIZE_MAX);
	for (uint64_t seq = 0; seq < 5; seq++)
		admit(&w, seq, 1);
	for (size_t i = 0; i < 3; i++) {
		ck_assert(window_may_send(&w));
		sent[i] = w.waiting;
		window_move(&w, sent[i], SPAN_SENT);
	}
	ck_assert(!window_may_send(&w));
	window_move(&w, sent[1], SPAN_WAITING);
	ck_assert(window_may_send(&w));
	window_move(&w, w.waiting, SPAN_SENT);
	ck_assert(!window_may_send(&w));
	for (size_t i = 0; i < 3; i++)
		window_move(&w, sent[i], SPAN_WAITING);
	ck_assert_uint_eq(w.nsent, 0);
	ck_assert_uint_eq(w.nwaiting, 5);
	window_release(&w);
}
END_TEST

START_TEST(what_comes_back_waits_in_its_place)
{
	enum { COUNT = 50 };
	struct span *sent[COUNT];
	uint64_t state = SEED;
	struct window w;

	printf("test_window: seed %" PRIu64 "\n", state);
	window_init(&w, COUNT, COUNT, SIZE_MAX);
	for (uint64_t seq = 0; seq < COUNT; seq++)
		admit(&w, seq, 1);
	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < COUNT; i++) {
			sent[i] = w.waiting;
			ck_assert_uint_eq(span_seq(sent[i]), i);
			window_move(&w, sent[i], SPAN_SENT);
		}
		ck_assert_ptr_null(w.waiting);
		for (size_t left = COUNT; left > 0; left--) {
			size_t i = below(&state, left);

			window_move(&w, sent[i], SPAN_WAITING);
			sent[i] = sent[left - 1];
		}
		ck_assert_uint_eq(w.nwaiting, COUNT);
	}
	window_release(&w);
}
END_TEST

/* ---- a window against a simple model ---- */

#define MOST 400

struct model {
	struct window w;
	uint64_t state;
	uint64_t seq;
	struct span *sent[MOST], *answered[MOST];
	size_t nsent, nanswered, nwaiting;
	size_t result_bytes;
	struct {
		uint64_t seq;
		uint32_t items, untaken;
		size_t charge;
	} chunks[MOST];		/* entries with untaken 0 are reused */
	size_t nchunks;
};

static void do_admit(struct model *m)
{
	uint32_t items = 1 + below(&m->state, 12);
	size_t at = 0;

	while (at < m->nchunks && m->chunks[at].untaken > 0)
		at++;
	if (!window_room(&m->w) || at == MOST)
		return;
	m->nchunks = MAX(m->nchunks, at + 1);
	m->chunks[at].seq = m->seq;
	m->chunks[at].items = m->chunks[at].untaken = items;
	m->chunks[at].charge = admit(&m->w, m->seq, items);
	m->seq += items;
	m->nwaiting++;
}

static void do_send(struct model *m)
{
	struct span *s = m->w.waiting;

	if (s == NULL || !window_may_send(&m->w))
		return;
	window_move(&m->w, s, SPAN_SENT);
	m->sent[m->nsent++] = s;
	m->nwaiting--;
}

/* Requeues a sent span or its end, as after the death of a worker. */
static void do_put_back(struct model *m)
{
	size_t i = below(&m->state, m->nsent + 1);
	struct span *s = i < m->nsent ? m->sent[i] : NULL, *rest;

	if (s == NULL || m->nwaiting >= MOST / 2)
		return;
	if (s->count > 1 && rnd(&m->state) % 2) {
		rest = span_cut(s, s->first + 1 + below(&m->state,
		    s->count - 1));
		window_move(&m->w, rest, SPAN_WAITING);
	} else {
		m->sent[i] = m->sent[--m->nsent];
		window_move(&m->w, s, SPAN_WAITING);
	}
	m->nwaiting++;
}

/* Answers the first items of a sent span, or all of them. */
static void do_answer(struct model *m)
{
	size_t i = below(&m->state, m->nsent + 1);
	struct span *s = i < m->nsent ? m->sent[i] : NULL, *answer;
	uint32_t n;

	if (s == NULL || m->nanswered == MOST)
		return;
	n = 1 + below(&m->state, s->count);
	answer = span_new(NULL);
	ck_assert_ptr_nonnull(answer);
	span_set(answer, s->chunk, s->first, n, s->at);
	answer->bytes = below(&m->state, 3000);
	m->result_bytes += answer->bytes;
	span_advance(s, n);
	window_move(&m->w, answer, SPAN_ANSWERED);
	m->answered[m->nanswered++] = answer;
	if (s->count == 0) {
		window_move(&m->w, s, SPAN_SPENT);
		span_free(s);
		m->sent[i] = m->sent[--m->nsent];
	}
}

static void do_take(struct model *m)
{
	size_t i = below(&m->state, m->nanswered + 1), at = 0;
	struct span *s = i < m->nanswered ? m->answered[i] : NULL;

	if (s == NULL)
		return;
	while (m->chunks[at].untaken == 0 ||
	    span_seq(s) < m->chunks[at].seq ||
	    span_seq(s) >= m->chunks[at].seq + m->chunks[at].items)
		at++;
	m->chunks[at].untaken -= s->count;
	m->result_bytes -= s->bytes;
	m->answered[i] = m->answered[--m->nanswered];
	take_all(&m->w, s);
}

static bool in_order(const struct window *w)
{
	const struct span *s = w->waiting;
	size_t n = 0;

	for (; s != NULL; s = s->next, n++)
		if (s->state != SPAN_WAITING || (s->next != NULL &&
		    span_seq(s) + s->count > span_seq(s->next)))
			return false;
	return n == w->nwaiting;
}

static void compare(const struct model *m, int step)
{
	size_t nchunks = 0, bytes = 0;

	for (size_t i = 0; i < m->nchunks; i++)
		if (m->chunks[i].untaken > 0) {
			nchunks++;
			bytes += m->chunks[i].charge;
		}
	ck_assert_msg(m->w.nwaiting == m->nwaiting && in_order(&m->w),
	    "step %d: what waits is wrong", step);
	ck_assert_msg(m->w.nsent == m->nsent, "step %d: %zu sent, not %zu",
	    step, m->w.nsent, m->nsent);
	ck_assert_msg(m->w.nchunks == nchunks, "step %d: %zu chunks, not %zu",
	    step, m->w.nchunks, nchunks);
	ck_assert_msg(m->w.bytes == bytes, "step %d: %zu bytes, not %zu",
	    step, m->w.bytes, bytes);
	ck_assert_msg(m->w.result_bytes == m->result_bytes, "step %d: %zu "
	    "bytes of results, not %zu", step, m->w.result_bytes,
	    m->result_bytes);
}

START_TEST(counts_are_right_whatever_happens)
{
	static struct model m;
	static void (*const acts[])(struct model *) = { do_admit, do_send,
		do_send, do_put_back, do_answer, do_answer, do_take };

	m = (struct model){ .state = SEED };
	printf("test_window: seed %" PRIu64 "\n", m.state);
	window_init(&m.w, 20, 60, 40000);
	for (int step = 0; step < 20000; step++) {
		acts[below(&m.state, COUNTOF(acts))](&m);
		compare(&m, step);
	}
	ck_assert_uint_gt(m.seq, 1000);
	while (m.nwaiting + m.nsent + m.nanswered > 0) {
		do_send(&m);
		do_answer(&m);
		do_take(&m);
	}
	compare(&m, -1);
	is_empty(&m.w);
	window_release(&m.w);
}
END_TEST

/* ---- pauses ---- */

/* Pauses the first waiting span until due_at. */
static void pause_first(struct window *w, uint64_t due_at)
{
	struct span *s = w->waiting;

	s->due_at = due_at;
	window_move(w, s, SPAN_PAUSED);
}

START_TEST(what_pauses_wakes_when_it_is_due)
{
	const uint64_t due[] = { 30, 10, 50, 10, 20 };
	struct window w;

	window_init(&w, 4, 8, 1000000);
	ck_assert_uint_eq(window_due(&w), NEVER);
	window_wake(&w, NEVER);
	for (uint64_t seq = 0; seq < COUNTOF(due); seq++)
		admit(&w, seq, 1);
	for (size_t i = 0; i < COUNTOF(due); i++)
		pause_first(&w, due[i]);
	ck_assert_ptr_null(w.waiting);
	ck_assert_uint_eq(w.nwaiting, 0);
	ck_assert_uint_eq(w.nchunks, COUNTOF(due));
	ck_assert_uint_eq(window_due(&w), 10);
	window_wake(&w, 9);
	ck_assert_ptr_null(w.waiting);
	window_wake(&w, 10);
	ck_assert_uint_eq(w.nwaiting, 2);
	ck_assert_uint_eq(window_due(&w), 20);
	window_wake(&w, 30);
	ck_assert_uint_eq(w.nwaiting, 4);
	ck_assert_uint_eq(window_due(&w), 50);
	for (uint64_t seq = 0; seq < COUNTOF(due); seq++) {
		if (seq == 2)
			continue;
		ck_assert_uint_eq(span_seq(w.waiting), seq);
		ck_assert_int_eq(w.waiting->state, SPAN_WAITING);
		take_all(&w, answer_first(&w, 0));
	}
	window_wake(&w, NEVER);
	ck_assert_uint_eq(window_due(&w), NEVER);
	ck_assert_uint_eq(span_seq(w.waiting), 2);
	take_all(&w, answer_first(&w, 0));
	is_empty(&w);
	window_release(&w);
}
END_TEST

START_TEST(what_was_sent_may_pause)
{
	struct window w;
	struct span *s;

	window_init(&w, 1, 8, 1000000);
	admit(&w, 0, 1);
	s = w.waiting;
	window_move(&w, s, SPAN_SENT);
	ck_assert(!window_may_send(&w));
	s->due_at = 5;
	window_move(&w, s, SPAN_PAUSED);
	ck_assert_uint_eq(w.nsent, 0);
	ck_assert(window_may_send(&w));
	ck_assert(w.paused == s);
	window_move(&w, s, SPAN_ANSWERED);
	ck_assert_ptr_null(w.paused);
	take_all(&w, s);
	is_empty(&w);
	window_release(&w);
}
END_TEST

/* Pauses with the same end keep the order of failures; paused spans are freed
   with the rest. */
START_TEST(pauses_keep_their_order_and_are_freed)
{
	struct window w;

	window_init(&w, 4, 8, 1000000);
	for (uint64_t seq = 0; seq < 3; seq++)
		admit(&w, seq, 1);
	for (int i = 0; i < 3; i++)
		pause_first(&w, 7);
	ck_assert_uint_eq(span_seq(w.paused), 0);
	ck_assert_uint_eq(span_seq(w.paused->next), 1);
	ck_assert_uint_eq(span_seq(w.paused->next->next), 2);
	window_release(&w);
	ck_assert_ptr_null(w.paused);
}
END_TEST

/* Spans leave from the middle, the end and the front; new spans find their
   place. */
START_TEST(any_may_leave)
{
	static const int order[] = { 1, 3, 0, 2 };
	struct window w;

	window_init(&w, 8, 8, 1000000);
	for (int paused = 0; paused < 2; paused++) {
		struct span *s[4];

		for (uint64_t seq = 0; seq < 4; seq++) {
			admit(&w, seq, 1);
			s[seq] = w.near;
		}
		for (int i = 0; paused && i < 4; i++)
			pause_first(&w, 7);
		for (int i = 0; i < 4; i++) {
			window_move(&w, s[order[i]], SPAN_ANSWERED);
			take_all(&w, s[order[i]]);
			if (i != 1)
				continue;
			/* The last span has left: append another. */
			admit(&w, 9, 1);
			s[3] = w.near;
			if (paused)
				window_move(&w, s[3], SPAN_SENT);
			if (paused)
				s[3]->due_at = 7;
			if (paused)
				window_move(&w, s[3], SPAN_PAUSED);
			ck_assert_ptr_eq(s[2]->next, s[3]);
		}
		window_move(&w, s[3], SPAN_ANSWERED);
		take_all(&w, s[3]);
		is_empty(&w);
	}
}
END_TEST

/* As many pauses as in a job that fails as a whole: each step takes constant
   time. */
START_TEST(many_pause_and_come_back_in_no_time)
{
	enum { MANY = 300000 };
	struct window w;
	struct span *s;

	window_init(&w, MANY, MANY, SIZE_MAX / 8);
	admit(&w, 0, MANY);
	while (w.waiting != NULL) {
		s = w.waiting;
		if (s->count > 1)
			window_move(&w, span_cut(s, s->first + 1),
			    SPAN_WAITING);
		pause_first(&w, 1 + span_seq(s) / 1000);
	}
	window_wake(&w, NEVER);
	ck_assert_uint_eq(w.nwaiting, MANY);
	for (uint64_t seq = 0; seq < MANY; seq++) {
		ck_assert_uint_eq(span_seq(w.waiting), seq);
		take_all(&w, answer_first(&w, 0));
	}
	is_empty(&w);
	window_release(&w);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		an_admitted_chunk_waits_whole, counts_return_to_zero,
		room_is_counted_in_chunks, few_pushed_inputs_wait,
		room_is_counted_in_bytes,
		results_count_against_the_bytes, one_is_always_admitted,
		one_chunk_a_worker_passes_the_bytes,
		the_bytes_go_by_the_size_of_items,
		so_many_may_be_sent, what_comes_back_waits_in_its_place,
		counts_are_right_whatever_happens,
		what_pauses_wakes_when_it_is_due, what_was_sent_may_pause,
		pauses_keep_their_order_and_are_freed,
		any_may_leave };
	const TTest *const drawn[] = {
		many_pause_and_come_back_in_no_time };

	return run_sampled_tests("window", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
