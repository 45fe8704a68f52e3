/*
 * test_results.c - results: unordered or in the order of the inputs, each
 * exactly once, and a returned result stays valid until the next.
 */
#include "config.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "items/results.h"
#include "tools.h"

#define SEED UINT64_C(2463534242)
#define MOST 2000

static uint64_t rnd(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A window and its results; input n and output n contain n. */
struct books {
	struct window window;
	struct results results;
	uint64_t seq;		/* inputs admitted */
};

static void books_open(struct books *b, bool ordered)
{
	*b = (struct books){ .seq = 0 };
	window_init(&b->window, MOST, MOST, SIZE_MAX);
	results_init(&b->results, &b->window, ordered);
	ck_assert(!results_ready(&b->results));
	ck_assert(!results_in_hand(&b->results));
}

static void books_close(struct books *b)
{
	results_release(&b->results);
	ck_assert_uint_eq(b->window.result_bytes, 0);
	window_release(&b->window);
}

/* Sends a chunk of count items.  Returns its span, with index seq + 1000. */
static struct span *send_chunk(struct books *b, uint32_t items)
{
	struct chunk *c = chunk_new(NULL, b->seq + 1000, b->seq, NULL);
	struct span *s;

	ck_assert_ptr_nonnull(c);
	for (uint32_t i = 0; i < items; i++, b->seq++)
		ck_assert_int_eq(chunk_pack(c, &b->seq, sizeof b->seq), 0);
	ck_assert_int_eq(window_admit(&b->window, c), 0);
	chunk_drop(c);
	s = b->window.waiting;
	window_move(&b->window, s, SPAN_SENT);
	return s;
}

/* Returns a buffer of outputs: output n is n mod 40 bytes, all of them n, not
   followed by a 0 yet. */
static struct rxbuf *block_of(uint64_t seq, uint32_t count)
{
	struct rxbuf *b = rxbuf_new(NULL, (size_t)count * 64);
	unsigned char body[40];

	ck_assert_ptr_nonnull(b);
	memset(b->data, 0xff, b->cap + 1);
	for (uint64_t n = seq; n < seq + count; n++) {
		memset(body, (int)(unsigned char)n, sizeof body);
		frame_write(b->data + FRAME_START + b->len, FRAME_OUTPUT,
		    body, n % 40);
		b->len += frame_length(n % 40);
	}
	b->len += FRAME_START;
	return b;
}

/* Answers the rest of a sent span with its outputs. */
static void answer(struct books *b, struct span *s)
{
	s->rxbuf = block_of(span_seq(s), s->count);
	s->output_at = FRAME_START;
	s->bytes = s->rxbuf->len;
	window_move(&b->window, s, SPAN_ANSWERED);
	results_put(&b->results, s);
}

static bool is_item(const struct item *i, uint64_t seq)
{
	uint64_t input;

	memcpy(&input, i->input, sizeof input);
	if (input != seq || i->input_size != sizeof input ||
	    i->index != seq + 1000 || i->kind != FRAME_OUTPUT ||
	    i->size != seq % 40)
		return false;
	for (size_t n = 0; n < i->size; n++)
		if (i->body[n] != (unsigned char)seq)
			return false;
	return i->body[i->size] == 0 && (uintptr_t)i->body % 16 == 0;
}

/* Checks that the next result is this item. */
static void takes(struct books *b, uint64_t seq)
{
	struct item i;

	ck_assert(results_ready(&b->results));
	ck_assert(results_take(&b->results, &i));
	ck_assert_msg(is_item(&i, seq), "number %" PRIu64 " is not there",
	    seq);
}

static void takes_none(struct books *b)
{
	struct item i;

	ck_assert(!results_ready(&b->results));
	ck_assert(!results_take(&b->results, &i));
}

/* Requests a result after the last, and checks that the window is empty. */
static void nothing_left(struct books *b)
{
	takes_none(b);
	ck_assert_uint_eq(b->window.nchunks, 0);
	ck_assert_uint_eq(b->window.bytes, 0);
	ck_assert_uint_eq(b->window.result_bytes, 0);
	ck_assert_uint_eq(b->window.nsent, 0);
	books_close(b);
}

START_TEST(as_they_come)
{
	static const size_t order[] = { 2, 0, 4, 1, 3 };
	struct span *s[5];
	struct books b;

	books_open(&b, false);
	takes_none(&b);
	for (size_t i = 0; i < 5; i++)
		s[i] = send_chunk(&b, 3);
	for (size_t i = 0; i < 5; i++)
		answer(&b, s[order[i]]);
	for (size_t i = 0; i < 5; i++)
		for (uint64_t n = 0; n < 3; n++)
			takes(&b, 3 * order[i] + n);
	nothing_left(&b);
}
END_TEST

/* Puts and takes alternate: an emptied list works again. */
START_TEST(as_they_come_by_and_by)
{
	struct books b;

	books_open(&b, false);
	for (uint64_t n = 0; n < 300; n += 3) {
		struct span *first = send_chunk(&b, 1);
		struct span *second = send_chunk(&b, 2);

		answer(&b, second);
		takes(&b, n + 1);
		ck_assert(results_in_hand(&b.results));
		answer(&b, first);
		takes(&b, n + 2);
		ck_assert(!results_in_hand(&b.results));
		takes(&b, n);
		takes_none(&b);
	}
	nothing_left(&b);
}
END_TEST

START_TEST(in_order_waits_for_gaps)
{
	struct span *s[4];
	struct books b;

	books_open(&b, true);
	for (size_t i = 0; i < 4; i++)
		s[i] = send_chunk(&b, 2);
	answer(&b, s[3]);
	takes_none(&b);
	answer(&b, s[1]);
	takes_none(&b);
	answer(&b, s[0]);
	for (uint64_t n = 0; n < 4; n++)
		takes(&b, n);
	takes_none(&b);
	answer(&b, s[2]);
	for (uint64_t n = 4; n < 8; n++)
		takes(&b, n);
	nothing_left(&b);
}
END_TEST

/* Sends chunks of random sizes and cuts them at random. */
static size_t send_cut(struct books *b, struct span *s[], uint64_t *state)
{
	size_t count = 0;

	while (b->seq < MOST - 20) {
		s[count++] = send_chunk(b, 1 + (uint32_t)(rnd(state) % 20));
		while (s[count - 1]->count > 1 && rnd(state) % 3) {
			struct span *whole = s[count - 1];
			uint32_t at = whole->first + 1 +
			    (uint32_t)(rnd(state) % (whole->count - 1));

			s[count] = span_cut(whole, at);
			ck_assert_ptr_nonnull(s[count++]);
		}
	}
	return count;
}

/* Spans arrive in random order, with takes in between. */
static void ordered_round(uint64_t *state)
{
	static struct span *s[MOST];
	struct books b;
	uint64_t taken = 0;
	size_t count;

	books_open(&b, true);
	count = send_cut(&b, s, state);
	for (size_t left = count; left > 0; left--) {
		size_t i = (size_t)(rnd(state) % left);

		answer(&b, s[i]);
		s[i] = s[left - 1];
		while (results_ready(&b.results) && rnd(state) % 8)
			takes(&b, taken++);
	}
	while (taken < b.seq)
		takes(&b, taken++);
	ck_assert_uint_gt(count, 200);
	ck_assert_uint_gt(taken, 1900);
	nothing_left(&b);
}

START_TEST(any_order_becomes_the_order_of_inputs)
{
	uint64_t state = SEED;

	printf("test_results: seed %" PRIu64 "\n", state);
	for (int round = 0; round < 20; round++)
		ordered_round(&state);
}
END_TEST

/* The extremes of a heap: rising and falling arrival. */
START_TEST(rising_and_falling_arrival)
{
	static struct span *s[MOST];
	struct books b;

	for (int falling = 0; falling < 2; falling++) {
		books_open(&b, true);
		for (size_t i = 0; i < MOST; i++)
			s[i] = send_chunk(&b, 1);
		for (size_t i = 0; i < MOST; i++)
			answer(&b, s[falling ? MOST - 1 - i : i]);
		for (uint64_t n = 0; n < MOST; n++)
			takes(&b, n);
		nothing_left(&b);
	}
}
END_TEST

/* The returned item stays unchanged while further results arrive. */
static void stays_in_hand(bool ordered)
{
	struct books b;
	struct item i;
	uint64_t n = 0;

	books_open(&b, ordered);
	answer(&b, send_chunk(&b, 2));
	for (int round = 0; round < 100; round++) {
		ck_assert(results_take(&b.results, &i));
		ck_assert(is_item(&i, n));
		for (int more = 0; more < 2; more++)
			answer(&b, send_chunk(&b, 1));
		ck_assert(results_ready(&b.results));
		ck_assert_msg(is_item(&i, n), "number %" PRIu64 " is gone",
		    n);
		n++;
	}
	books_close(&b);
}

START_TEST(what_is_in_hand_stays)
{
	stays_in_hand(false);
	stays_in_hand(true);
}
END_TEST

START_TEST(the_last_in_hand_stays_till_the_next_take)
{
	struct books b;
	struct item i, none;

	books_open(&b, false);
	answer(&b, send_chunk(&b, 1));
	ck_assert(results_take(&b.results, &i));
	ck_assert(!results_ready(&b.results));
	ck_assert_uint_eq(b.window.nchunks, 0);	/* room for a chunk */
	ck_assert(is_item(&i, 0));
	ck_assert_uint_gt(b.window.result_bytes, 0);
	ck_assert(!results_take(&b.results, &none));
	ck_assert_uint_eq(b.window.result_bytes, 0);
	nothing_left(&b);
}
END_TEST

START_TEST(an_outcome_has_no_frames)
{
	struct span *s;
	struct books b;
	struct item i;

	books_open(&b, true);
	s = send_chunk(&b, 3);
	s->outcome.cause = VM_KILLED;
	window_move(&b.window, s, SPAN_ANSWERED);
	results_put(&b.results, s);
	for (uint64_t n = 0; n < 3; n++) {
		ck_assert(results_take(&b.results, &i));
		ck_assert_uint_eq(i.index, n + 1000);
		ck_assert_int_eq(i.span->outcome.cause, VM_KILLED);
		ck_assert_int_eq(memcmp(i.input, &n, sizeof n), 0);
		ck_assert_ptr_null(i.body);
		ck_assert_uint_eq(i.size, 0);
	}
	nothing_left(&b);
}
END_TEST

/* Outputs and failures alternate, and each has its own kind. */
START_TEST(a_failure_is_told_from_an_output)
{
	struct span *s;
	struct books b;
	struct item i;

	books_open(&b, false);
	s = send_chunk(&b, 4);
	s->rxbuf = rxbuf_new(NULL, FRAME_START + 64);
	ck_assert_ptr_nonnull(s->rxbuf);
	for (int n = 0; n < 4; n++)
		frame_write(s->rxbuf->data + FRAME_START + 16 * n, n % 2 ?
		    FRAME_FAILURE : FRAME_OUTPUT, "abc", 3);
	s->rxbuf->len = FRAME_START + 64;
	s->output_at = FRAME_START;
	window_move(&b.window, s, SPAN_ANSWERED);
	results_put(&b.results, s);
	for (int n = 0; n < 4; n++) {
		ck_assert(results_take(&b.results, &i));
		ck_assert_int_eq(i.kind, n % 2 ? FRAME_FAILURE :
		    FRAME_OUTPUT);
		ck_assert_str_eq((char *)i.body, "abc");
	}
	nothing_left(&b);
}
END_TEST

/* Answers a sent span with outputs of one size, all of them "byte". */
static void answer_alike(struct books *b, struct span *s, int byte, size_t size)
{
	const size_t length = frame_length(size);
	unsigned char body[40];

	s->rxbuf = rxbuf_new(NULL, s->count * length + FRAME_START);
	ck_assert_ptr_nonnull(s->rxbuf);
	memset(s->rxbuf->data, 0xff, s->rxbuf->cap + 1);
	memset(body, byte, sizeof body);
	for (size_t i = 0; i < s->count; i++) {
		unsigned char *at = s->rxbuf->data + FRAME_START + i * length;

		frame_head(at, FRAME_OUTPUT, size);
		memcpy(at + FRAME_HEAD, body, size);
	}
	s->rxbuf->len = FRAME_START + s->count * length;
	s->output_at = FRAME_START;
	s->bytes = s->rxbuf->len;
	s->alike = true;
	window_move(&b->window, s, SPAN_ANSWERED);
	results_put(&b->results, s);
}

/* Checks that the last item of a row has this number. */
static void is_stepped(const struct vm_result *r, uint64_t seq, int byte)
{
	const unsigned char *out = r->output;

	ck_assert_mem_eq(r->input, &seq, sizeof seq);
	ck_assert_uint_eq(r->index, seq + 1000);
	for (size_t i = 0; i < r->output_size; i++)
		ck_assert_uint_eq(out[i], byte);
	ck_assert_uint_eq(out[r->output_size], 0);
}

/* The front of a pool of this process, without a row. */
static void make_front(struct vm_front *f)
{
	static const unsigned char ours = 1;

	*f = (struct vm_front){ .ours = &ours };
}

/* Lets take_front() hand out the next items, if they are in a row. */
static void line_up(struct books *b, struct vm_front *f)
{
	results_line_up(&b->results, f);
	f->left = b->results.row ? b->results.left : 0;
}

static int take_front(struct vm_front *f, struct vm_result *r)
{
	return vm_front_take((vm_pool *)(void *)f, r);
}

/* Items are stepped through and drawn in turns. */
START_TEST(a_row_is_what_draws_would_give)
{
	static const size_t sizes[] = { 0, 1, 7, 8, 9, 23, 24, 40 };
	struct vm_front f;
	struct vm_result r;
	struct books b;
	struct item i;
	uint64_t n = 0;

	make_front(&f);

	books_open(&b, false);
	for (size_t k = 0; k < COUNTOF(sizes); k++) {
		answer_alike(&b, send_chunk(&b, 9), (int)k + 1, sizes[k]);
		for (int item = 0; item < 9; item++, n++) {
			if (item % 4 == 0) {
				results_settle(&b.results, &f);
				ck_assert(results_take(&b.results, &i));
				ck_assert_uint_eq(i.index, n + 1000);
				ck_assert_uint_eq(i.size, sizes[k]);
				ck_assert_mem_eq(i.input, &n, sizeof n);
				f.shown = (struct vm_result){
					.output_size = sizes[k] };
				line_up(&b, &f);
				ck_assert_uint_eq(f.left, 8 - (size_t)item);
				continue;
			}
			ck_assert_int_eq(take_front(&f, &r), 1);
			is_stepped(&r, n, (int)k + 1);
			ck_assert_ptr_null(r.tag);
		}
		ck_assert_int_eq(take_front(&f, &r), 0);
		results_settle(&b.results, &f);
		ck_assert_uint_eq(b.window.nchunks, 0);
	}
	nothing_left(&b);
}
END_TEST

START_TEST(a_row_has_the_tags_of_its_items)
{
	char tags[3];
	struct chunk *c = chunk_new(NULL, 1000, 0, NULL);
	struct vm_front f;
	struct vm_result r;
	struct span *s;
	struct books b;
	struct item i;

	make_front(&f);
	f.shown.output_size = 8;
	books_open(&b, false);
	for (uint64_t n = 0; n < 3; n++) {
		ck_assert_int_eq(chunk_expect_tag(c, &tags[n]), 0);
		ck_assert_int_eq(chunk_pack(c, &n, sizeof n), 0);
		chunk_keep_tag(c, &tags[n]);
	}
	ck_assert_int_eq(window_admit(&b.window, c), 0);
	chunk_drop(c);
	s = b.window.waiting;
	window_move(&b.window, s, SPAN_SENT);
	answer_alike(&b, s, 5, 8);
	ck_assert(results_take(&b.results, &i));
	line_up(&b, &f);
	for (uint64_t n = 1; n < 3; n++) {
		ck_assert_int_eq(take_front(&f, &r), 1);
		is_stepped(&r, n, 5);
		ck_assert_ptr_eq(r.tag, &tags[n]);
	}
	books_close(&b);
}
END_TEST

START_TEST(no_row_where_inputs_or_outputs_differ)
{
	struct vm_front f;
	struct books b;
	struct item i;
	struct chunk *c;
	struct span *s;

	make_front(&f);
	books_open(&b, false);
	answer(&b, send_chunk(&b, 3));
	ck_assert(results_take(&b.results, &i));
	line_up(&b, &f);
	ck_assert_uint_eq(f.left, 0);
	takes(&b, 1);
	takes(&b, 2);
	/* Inputs of 5 and 6 bytes, whose frames have one length. */
	c = chunk_new(NULL, 0, b.seq, NULL);
	for (size_t size = 5; size < 7; size++)
		ck_assert_int_eq(chunk_pack(c, "abcdef", size), 0);
	ck_assert_int_eq(window_admit(&b.window, c), 0);
	chunk_drop(c);
	s = b.window.waiting;
	window_move(&b.window, s, SPAN_SENT);
	answer_alike(&b, s, 5, 8);
	ck_assert(results_take(&b.results, &i));
	line_up(&b, &f);
	ck_assert_uint_eq(f.left, 0);
	ck_assert(results_take(&b.results, &i));
	ck_assert_uint_eq(i.input_size, 6);
	nothing_left(&b);
}
END_TEST

START_TEST(releasing_gives_all_back)
{
	struct rxbuf *block = block_of(0, 2);
	struct books b;

	for (int ordered = 0; ordered < 2; ordered++) {
		books_open(&b, ordered);
		for (int n = 0; n < 20; n++) {
			struct span *s = send_chunk(&b, 2);

			s->rxbuf = rxbuf_hold(block);
			s->output_at = FRAME_START;
			s->bytes = 10;
			window_move(&b.window, s, SPAN_ANSWERED);
			results_put(&b.results, s);
		}
		ck_assert(results_take(&b.results, &(struct item){ 0 }));
		ck_assert_uint_eq(block->refs, 21);
		books_close(&b);
		ck_assert_uint_eq(block->refs, 1);
		ck_assert(!results_ready(&b.results));
	}
	rxbuf_drop(block);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { as_they_come, as_they_come_by_and_by,
		in_order_waits_for_gaps,
		any_order_becomes_the_order_of_inputs,
		rising_and_falling_arrival, what_is_in_hand_stays,
		the_last_in_hand_stays_till_the_next_take,
		an_outcome_has_no_frames, a_row_is_what_draws_would_give,
		a_row_has_the_tags_of_its_items,
		no_row_where_inputs_or_outputs_differ,
		a_failure_is_told_from_an_output,
		releasing_gives_all_back };

	return run_tests("results", tests, COUNTOF(tests));
}
