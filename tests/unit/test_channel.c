/*
 * test_channel.c - channel, over real pipes: order is kept through partial
 * writes and reads, held buffers stay unchanged, and bytes from the ring are
 * not received twice.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "os/fdlist.h"
#include "os/sys.h"
#include "tools.h"
#include "wire/channel.h"

#define SEED UINT64_C(1181783497276652981)

static uint64_t rnd(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Makes a pipe with both ends non-blocking.  The channel owns the read end;
   returns the write end. */
static int open_in(struct channel *c)
{
	int ends[2];

	ck_assert_int_eq(sys_pipe(ends), 0);
	ck_assert_int_eq(sys_nonblock(ends[0]), 0);
	ck_assert_int_eq(sys_nonblock(ends[1]), 0);
	channel_open(c, ends[0], -1);
	return ends[1];
}

static int open_out(struct channel *c)
{
	int ends[2];

	ck_assert_int_eq(sys_pipe(ends), 0);
	ck_assert_int_eq(sys_nonblock(ends[0]), 0);
	ck_assert_int_eq(sys_nonblock(ends[1]), 0);
	channel_open(c, -1, ends[1]);
	return ends[0];
}

static void close_both(struct channel *c, int fd)
{
	channel_close(c, sys_close);
	sys_close(&fd);
}

static unsigned char *bytes_new(size_t size)
{
	unsigned char *bytes = malloc(size);

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(i * 2654435761u >> 13);
	return bytes;
}

/* ---- sending ---- */

/* Reads up to "most" bytes and compares them with want.  Returns their
   number. */
static size_t drain(int fd, const unsigned char *want, size_t most)
{
	static unsigned char got[100000];
	ssize_t r = sys_read(fd, got, MIN(most, sizeof got));

	if (r == -EAGAIN)
		return 0;
	ck_assert_int_ge(r, 0);
	ck_assert_int_eq(memcmp(got, want, (size_t)r), 0);
	return (size_t)r;
}

/* Queues ranges of random sizes while a slow reader takes bytes now and
   then. */
static void send_ranges(size_t total, size_t largest)
{
	unsigned char *bytes = bytes_new(total);
	size_t queued = 0, got = 0, full = 0;
	uint64_t state = SEED;
	struct channel c;
	int far = open_out(&c);

	while (got < total) {
		size_t n = 1 + rnd(&state) % largest;
		size_t before = c.pending;
		int r;

		n = MIN(n, total - queued);
		ck_assert_int_eq(channel_prepare(&c, 1), 0);
		if (n > 0)
			channel_send(&c, bytes + queued, n);
		queued += n;
		ck_assert_uint_eq(c.pending, before + n);
		r = channel_flush(&c);
		ck_assert_int_eq(r, c.pending == 0);
		ck_assert_uint_eq(channel_sent(&c) + c.pending, queued);
		full += c.pending == before + n && c.pending > 0;
		if (rnd(&state) % 4 == 0)
			got += drain(far, bytes + got,
			    rnd(&state) % (2 * largest));
		ck_assert_uint_le(got + c.pending, queued);
	}
	ck_assert_uint_gt(full, 0);	/* the pipe was full at times */
	ck_assert_int_eq(channel_flush(&c), 1);
	ck_assert_uint_eq(drain(far, bytes, 1), 0);
	close_both(&c, far);
	free(bytes);
}

START_TEST(order_is_kept_through_a_full_pipe)
{
	send_ranges(2000000, 20000);
	send_ranges(1000000, 200000);
	send_ranges(300000, 900);
}
END_TEST

START_TEST(one_flush_sends_many)
{
	unsigned char *bytes = bytes_new(50 * 48);
	struct channel c;
	int far = open_out(&c);

	ck_assert_int_eq(channel_flush(&c), 1);
	ck_assert_int_eq(channel_prepare(&c, 50), 0);
	for (size_t i = 0; i < 50; i++)
		channel_send(&c, bytes + 48 * i, 48);
	ck_assert_uint_eq(c.pending, 50 * 48);
	ck_assert_int_eq(channel_flush(&c), 1);
	ck_assert_uint_eq(c.pending, 0);
	ck_assert_uint_eq(drain(far, bytes, 100000), 50 * 48);
	close_both(&c, far);
	free(bytes);
}
END_TEST

/* More ranges than fit in a single system call: each flush makes progress. */
START_TEST(very_many_small_sends)
{
	enum { COUNT = 5000 };
	unsigned char *bytes = bytes_new(COUNT * 3);
	struct channel c;
	int far = open_out(&c), r;
	size_t left = COUNT * 3, got = 0;

	ck_assert_int_eq(channel_prepare(&c, COUNT), 0);
	for (size_t i = 0; i < COUNT; i++)
		channel_send(&c, bytes + 3 * i, 3);
	do {
		r = channel_flush(&c);
		ck_assert_int_ge(r, 0);
		ck_assert_uint_lt(c.pending, left);
		left = c.pending;
		got += drain(far, bytes + got, 100000);
		ck_assert_uint_eq(got + left, COUNT * 3);
	} while (r == 0);
	ck_assert_uint_eq(got, COUNT * 3);
	close_both(&c, far);
	free(bytes);
}
END_TEST

START_TEST(preparing_fails_without_harm)
{
	struct channel c;
	int far = open_out(&c);

	ck_assert_int_eq(channel_prepare(&c, 2), 0);
	channel_send(&c, "abc", 3);
	ck_assert_int_eq(channel_prepare(&c, (size_t)1 << 56), -ENOMEM);
	ck_assert_uint_eq(c.pending, 3);
	channel_send(&c, "def", 3);
	ck_assert_int_eq(channel_flush(&c), 1);
	ck_assert_uint_eq(drain(far, (const unsigned char *)"abcdef", 9), 6);
	close_both(&c, far);
}
END_TEST

START_TEST(nobody_reads_is_epipe)
{
	struct channel c;
	int far = open_out(&c);

	ck_assert_ptr_ne(signal(SIGPIPE, SIG_IGN), SIG_ERR);
	ck_assert_int_eq(channel_prepare(&c, 1), 0);
	channel_send(&c, "abc", 3);
	sys_close(&far);
	ck_assert_int_eq(channel_flush(&c), -EPIPE);
	channel_close(&c, sys_close);
}
END_TEST

/* ---- receiving ---- */

/* A stream of frames; each body depends on the number of its frame. */
#define FRAMES_MOST 200
struct stream {
	unsigned char *bytes;
	size_t length;
	size_t size[FRAMES_MOST];
	size_t count;
};

static unsigned char body_byte(size_t nth, size_t i)
{
	return (unsigned char)(1 + (nth * 37 + i * 11) % 255);
}

static void stream_add(struct stream *s, size_t size)
{
	unsigned char *body = malloc(size + 1);

	s->bytes = realloc(s->bytes, s->length + frame_length(size));
	ck_assert(body != NULL && s->bytes != NULL);
	for (size_t i = 0; i < size; i++)
		body[i] = body_byte(s->count, i);
	frame_write(s->bytes + s->length, FRAME_OUTPUT, body, size);
	free(body);
	s->length += frame_length(size);
	s->size[s->count++] = size;
}

static struct stream stream_new(const size_t *sizes, size_t count)
{
	struct stream s = { .count = 0 };

	for (size_t i = 0; i < count; i++)
		stream_add(&s, sizes[i]);
	return s;
}

/* Sizes with and without padding behind the body. */
static const size_t few[] = { 0, 1, 8, 9, 24, 7, 0, 40 };

static bool is_body(const struct stream *s, size_t nth,
    const unsigned char *body, size_t size)
{
	if (size != s->size[nth] || (uintptr_t)body % 16 != 0)
		return false;
	for (size_t i = 0; i < size; i++)
		if (body[i] != body_byte(nth, i))
			return false;
	return true;
}

/* Receives all complete frames.  Returns false after an error, or if a frame is
   not the next of the stream. */
static bool receive_all(struct channel *c, const struct stream *s,
    size_t *nth)
{
	struct frame f, again;
	int r;

	while ((r = channel_receive(c, SIZE_MAX, &f)) == 1) {
		if (*nth == s->count || f.kind != FRAME_OUTPUT ||
		    !is_body(s, *nth, f.body, f.size))
			return false;
		/* The frame is returned again until channel_pass(). */
		if (channel_receive(c, SIZE_MAX, &again) != 1 ||
		    again.body != f.body)
			return false;
		channel_pass(c, &f);
		++*nth;
	}
	return r == 0;
}

/* Writes all bytes into the pipe, which must have room for them. */
static bool put(int fd, const unsigned char *at, size_t size)
{
	return size == 0 || sys_write(fd, at, size) == (ssize_t)size;
}

/* Reads until the pipe is empty.  Returns false after an error. */
static bool fill_all(struct channel *c)
{
	int r;

	do
		r = channel_fill(c);
	while (r > 0);
	return r == 0;
}

START_TEST(nothing_is_there_at_first)
{
	struct channel c;
	int far = open_in(&c);
	struct frame f;

	ck_assert_int_eq(channel_receive(&c, 100, &f), 0);
	ck_assert(!channel_partial(&c));
	ck_assert_int_eq(channel_fill(&c), 0);
	ck_assert_int_eq(channel_receive(&c, 100, &f), 0);
	ck_assert(!channel_partial(&c));
	ck_assert_uint_eq(c.position, 0);
	close_both(&c, far);
}
END_TEST

/* Few bytes need a small buffer, and many bytes need few reads. */
START_TEST(room_grows_with_what_comes)
{
	static const unsigned char much[32 * 1024];
	unsigned char little[16];
	struct channel c;
	struct frame f;
	int far = open_in(&c);

	frame_write(little, FRAME_LEAVING, NULL, 0);
	for (int i = 0; i < 1000; i++) {
		ck_assert(put(far, little, sizeof little));
		ck_assert_int_eq(channel_fill(&c), sizeof little);
		ck_assert_int_eq(channel_receive(&c, 0, &f), 1);
		channel_pass(&c, &f);
	}
	ck_assert_uint_lt(c.rxbuf->cap, 1024);
	ck_assert(put(far, much, sizeof much));
	ck_assert_int_gt(channel_fill(&c), 0);
	ck_assert_int_ge(channel_fill(&c), 8 * 1024);
	close_both(&c, far);
}
END_TEST

/* Frames that are cut by the end of a block must not leave so little room that
   the next reads bring a few bytes each. */
START_TEST(many_small_frames_need_few_reads)
{
	enum { EACH = 24 * 1024, TIMES = 100 };
	static unsigned char frames[EACH];
	size_t reads = 0, brought = 0, passed = 0, left;
	struct channel c;
	struct frame f;
	int far = open_in(&c), r;

	for (size_t at = 0; at < sizeof frames; at += 16)
		frame_write(frames + at, FRAME_LEAVING, NULL, 0);
	for (size_t i = 0; i < TIMES; i++) {
		/* It begins and ends within a frame. */
		left = i == 0 ? sizeof frames - 8 : sizeof frames;
		ck_assert(put(far, frames + (i == 0 ? 0 : 8),
		    left - (i == 0 ? 0 : 8)));
		ck_assert(i == 0 || put(far, frames, 8));
		while ((r = channel_fill(&c)) > 0) {
			reads++;
			brought += (size_t)r;
			while (channel_receive(&c, 0, &f) == 1) {
				channel_pass(&c, &f);
				passed++;
			}
		}
		ck_assert_int_eq(r, 0);
	}
	ck_assert_uint_eq(passed, brought / 16);
	ck_assert_uint_gt(passed, TIMES * (sizeof frames / 16) - 2);
	ck_assert_uint_le(reads, 10 * TIMES);
	close_both(&c, far);
}
END_TEST

/* Receives a frame of a stream that is larger than the pipe.  Returns the
   largest capacity of the block in the first quarter. */
static size_t receive_large(struct channel *c, int far, struct stream *s)
{
	size_t at = 0, nth = 0, most = 0;

	while (nth == 0) {
		size_t n = MIN(s->length - at, (size_t)10000);

		ck_assert(put(far, s->bytes + at, n));
		at += n;
		ck_assert_int_gt(channel_fill(c), 0);
		ck_assert(receive_all(c, s, &nth));
		if (at < s->length / 4)
			most = MAX(most, c->rxbuf->cap);
	}
	ck_assert_uint_eq(at, s->length);
	return most;
}

/* Its size is not trusted before its bytes come, unless an unused block costs
   nothing. */
START_TEST(a_large_frame_has_a_block_of_its_size)
{
	const size_t size = 1000000, whole = FRAME_START + frame_length(size);
	struct stream s = stream_new(&size, 1);
	struct rxlist list = { .bytes_most = RXLIST_BYTES };
	struct channel c;
	int far = open_in(&c);

	c.list = &list;
	ck_assert_uint_lt(receive_large(&c, far, &s), whole * 3 / 4);
	ck_assert_uint_eq(c.rxbuf->cap, whole);
	ck_assert_uint_eq(receive_large(&c, far, &s), whole);
	ck_assert_uint_eq(c.rxbuf->cap, whole);
	close_both(&c, far);
	rxlist_release(&list);
	free(s.bytes);
}
END_TEST

START_TEST(frames_come_whole_wherever_they_are_split)
{
	struct stream s = stream_new(few, COUNTOF(few));

	for (size_t split = 0; split <= s.length; split++) {
		struct channel c;
		int far = open_in(&c);
		size_t nth = 0;

		ck_assert(put(far, s.bytes, split));
		ck_assert(fill_all(&c) && receive_all(&c, &s, &nth));
		ck_assert_uint_eq(c.position, split);
		ck_assert_uint_eq(c.rxbuf->len - c.at, channel_partial(&c) ?
		    split - (c.at - FRAME_START) : 0);
		ck_assert(put(far, s.bytes + split, s.length - split));
		ck_assert(fill_all(&c) && receive_all(&c, &s, &nth));
		ck_assert_uint_eq(nth, s.count);
		ck_assert_uint_eq(c.position, s.length);
		ck_assert(!channel_partial(&c));
		close_both(&c, far);
	}
	free(s.bytes);
}
END_TEST

START_TEST(frames_come_byte_by_byte)
{
	struct stream s = stream_new(few, COUNTOF(few));
	size_t nth = 0, end = 0;
	struct channel c;
	int far = open_in(&c);

	for (size_t i = 0; i < s.length; i++) {
		size_t before = nth;

		ck_assert(put(far, s.bytes + i, 1));
		ck_assert_int_eq(channel_fill(&c), 1);
		ck_assert(receive_all(&c, &s, &nth));
		if (i + 1 == end + frame_length(s.size[before])) {
			ck_assert_uint_eq(nth, before + 1);
			ck_assert(!channel_partial(&c));
			end = i + 1;
		} else {
			ck_assert_uint_eq(nth, before);
			ck_assert(channel_partial(&c));
		}
		ck_assert_uint_eq(channel_boundary(&c), end);
	}
	ck_assert_uint_eq(nth, s.count);
	close_both(&c, far);
	free(s.bytes);
}
END_TEST

START_TEST(refuses_what_is_no_frame)
{
	static const size_t one[] = { 10 };
	struct stream s = stream_new(one, 1);
	struct channel c;
	int far = open_in(&c);
	struct frame f;

	ck_assert(put(far, s.bytes, s.length) && fill_all(&c));
	ck_assert_int_eq(channel_receive(&c, 9, &f), -EPROTO);
	ck_assert_int_eq(channel_receive(&c, 10, &f), 1);
	channel_pass(&c, &f);
	ck_assert(put(far, (const unsigned char *)"nonsense", 8));
	ck_assert(fill_all(&c));
	ck_assert_int_eq(channel_receive(&c, 100, &f), -EPROTO);
	close_both(&c, far);
	free(s.bytes);
}
END_TEST

START_TEST(the_end_is_epipe_after_all_was_read)
{
	struct stream s = stream_new(few, COUNTOF(few));
	size_t nth = 0;
	struct channel c;
	int far = open_in(&c);

	ck_assert(put(far, s.bytes, s.length - 1));
	sys_close(&far);
	ck_assert_int_eq(channel_fill(&c), (int)s.length - 1);
	ck_assert_int_eq(channel_fill(&c), -EPIPE);
	ck_assert(receive_all(&c, &s, &nth));
	ck_assert_uint_eq(nth, s.count - 1);
	ck_assert(channel_partial(&c));
	ck_assert_int_eq(channel_fill(&c), -EPIPE);
	channel_close(&c, sys_close);
	free(s.bytes);
}
END_TEST

START_TEST(closing_twice_closes_once)
{
	struct channel c;
	int before = count_fds(), other = open_in(&c), far[2];

	ck_assert_int_eq(sys_pipe(far), 0);
	c.out = far[1];
	fdlist_lock();
	ck_assert_int_eq(fdlist_add(c.in), 0);
	ck_assert_int_eq(fdlist_add(c.out), 0);
	fdlist_unlock();
	ck_assert(put(other, (const unsigned char *)"x", 1) && fill_all(&c));
	ck_assert_int_eq(channel_prepare(&c, 1), 0);
	channel_send(&c, "x", 1);
	channel_close(&c, fdlist_drop);
	ck_assert_int_eq(count_fds(), before + 2);
	ck_assert_int_eq(c.in, -1);
	ck_assert_int_eq(c.out, -1);
	ck_assert_ptr_null(c.rxbuf);
	ck_assert_uint_eq(c.pending, 0);
	sys_close(&other);
	sys_close(&far[0]);
	ck_assert_int_eq(sys_pipe(far), 0);	/* the same numbers again */
	channel_close(&c, fdlist_drop);
	channel_close(&c, sys_close);
	ck_assert_int_eq(count_fds(), before + 2);
	sys_close(&far[0]);
	sys_close(&far[1]);
}
END_TEST

/* ---- buffers that others hold ---- */

struct held {
	struct rxbuf *rxbuf;
	unsigned char *body;
	size_t size;
};

/* Receives all complete frames and holds their buffers, as results do, and
   writes the 0 behind each body. */
static void hold_all(struct channel *c, const struct stream *s,
    struct held held[], size_t *nth)
{
	struct frame f;

	while (channel_receive(c, SIZE_MAX, &f) == 1) {
		ck_assert(is_body(s, *nth, f.body, f.size));
		f.body[f.size] = 0;
		held[(*nth)++] = (struct held){ rxbuf_hold(c->rxbuf), f.body,
			f.size };
		channel_pass(c, &f);
	}
}

static void held_as_received(const struct stream *s,
    const struct held held[], size_t begin, size_t end)
{
	for (size_t n = begin; n < end; n++) {
		ck_assert_msg(is_body(s, n, held[n].body, held[n].size),
		    "held body %zu was changed", n);
		ck_assert_msg(held[n].body[held[n].size] == 0,
		    "no 0 is behind held body %zu any more", n);
	}
}

static void let_go(struct held held[], size_t begin, size_t end)
{
	for (size_t n = begin; n < end; n++)
		rxbuf_drop(held[n].rxbuf);
}

/* Sends the whole stream in random pieces; drops the oldest buffers so that at
   most "keep" bodies are held. */
static void hold_while_reading(const struct stream *s, size_t keep,
    uint64_t *state)
{
	static struct held held[FRAMES_MOST];
	size_t nth = 0, begin = 0, sent = 0;
	struct channel c;
	int far = open_in(&c);

	while (sent < s->length) {
		size_t n = 1 + rnd(state) % 60000;
		ssize_t r = sys_write(far, s->bytes + sent,
		    MIN(n, s->length - sent));

		ck_assert(r > 0 || r == -EAGAIN);
		sent += r > 0 ? (size_t)r : 0;
		if (rnd(state) % 4 == 0 && sent < s->length)
			continue;
		ck_assert_int_ge(channel_fill(&c), 0);
		hold_all(&c, s, held, &nth);
		if (nth > begin + keep) {
			held_as_received(s, held, begin, nth);
			let_go(held, begin, nth - keep);
			begin = nth - keep;
		}
	}
	ck_assert(fill_all(&c));
	hold_all(&c, s, held, &nth);
	ck_assert_uint_eq(nth, s->count);
	close_both(&c, far);
	held_as_received(s, held, begin, nth);
	let_go(held, begin, nth);
}

/* Many small bodies, and some that are larger than a buffer and the pipe. */
START_TEST(held_bytes_neither_move_nor_change)
{
	static const size_t keeps[] = { 0, 1, 3, FRAMES_MOST };
	struct stream s = { .count = 0 };
	uint64_t state = SEED;

	printf("test_channel: seed %" PRIu64 "\n", state);
	while (s.count < FRAMES_MOST) {
		if (s.count % 80 == 40)
			stream_add(&s, (1 << 20) + 5);
		else
			stream_add(&s, rnd(&state) % 5000);
	}
	for (size_t i = 0; i < COUNTOF(keeps); i++)
		hold_while_reading(&s, keeps[i], &state);
	free(s.bytes);
}
END_TEST

/* ---- bytes from the ring ---- */

/* The stream arrives through the pipe up to "begin", through the ring up to
   "end", and then through the pipe again from "begin", in two pieces. */
static bool twice(const struct stream *s, size_t begin, size_t end,
    size_t split)
{
	struct channel c;
	int far = open_in(&c);
	size_t nth = 0;
	unsigned char *at;
	bool good;

	good = put(far, s->bytes, begin) && fill_all(&c) &&
	    receive_all(&c, s, &nth);
	at = channel_place(&c, end - begin);
	if (at != NULL)
		memcpy(at, s->bytes + begin, end - begin);
	channel_placed(&c, end - begin);
	good &= at != NULL && c.position == end && receive_all(&c, s, &nth) &&
	    channel_brought(&c) == begin;
	good &= put(far, s->bytes + begin, split - begin) && fill_all(&c) &&
	    receive_all(&c, s, &nth) && c.position == MAX(end, split) &&
	    channel_brought(&c) == split;
	good &= put(far, s->bytes + split, s->length - split) &&
	    fill_all(&c) && receive_all(&c, s, &nth);
	good &= nth == s->count && c.position == s->length &&
	    !channel_partial(&c);
	close_both(&c, far);
	return good;
}

START_TEST(placed_bytes_are_not_heard_twice)
{
	static const size_t sizes[] = { 8, 1, 24 };
	struct stream s = stream_new(sizes, COUNTOF(sizes));

	for (size_t begin = 0; begin <= s.length; begin++)
		for (size_t end = begin; end <= s.length; end++)
			for (size_t split = begin; split <= s.length;
			    split += 5)
				if (!twice(&s, begin, end, split))
					ck_abort_msg("%zu %zu %zu", begin,
					    end, split);
	free(s.bytes);
}
END_TEST

/* A bit of the repeated bytes is flipped, at any place and in any piece: the
   read of these bytes fails, and no frame from the ring is lost. */
START_TEST(other_bytes_in_place_of_the_ring_s_are_refused)
{
	static const size_t sizes[] = { 8, 1, 24 };
	struct stream s = stream_new(sizes, COUNTOF(sizes));

	for (size_t i = 0; i < s.length * 8; i += 7) {
		struct channel c;
		int far = open_in(&c);
		size_t nth = 0;
		unsigned char *at = channel_place(&c, s.length);

		ck_assert_ptr_nonnull(at);
		memcpy(at, s.bytes, s.length);
		channel_placed(&c, s.length);
		s.bytes[i / 8] ^= (unsigned char)(1 << i % 8);
		ck_assert(put(far, s.bytes, i / 8) && fill_all(&c));
		ck_assert(put(far, s.bytes + i / 8, s.length - i / 8));
		ck_assert_int_eq(channel_fill(&c), -EPROTO);
		s.bytes[i / 8] ^= (unsigned char)(1 << i % 8);
		ck_assert_uint_eq(c.position, s.length);
		ck_assert(receive_all(&c, &s, &nth));
		ck_assert_uint_eq(nth, s.count);
		close_both(&c, far);
	}
	free(s.bytes);
}
END_TEST

/* The same, while all complete frames are held. */
static void held_twice(const struct stream *s, size_t end, size_t split)
{
	struct held held[COUNTOF(few)];
	struct channel c;
	int far = open_in(&c);
	size_t nth = 0;
	unsigned char *at = channel_place(&c, end);

	ck_assert_ptr_nonnull(at);
	memcpy(at, s->bytes, end);
	channel_placed(&c, end);
	hold_all(&c, s, held, &nth);
	ck_assert(put(far, s->bytes, split) && fill_all(&c));
	held_as_received(s, held, 0, nth);
	ck_assert(put(far, s->bytes + split, s->length - split) &&
	    fill_all(&c));
	held_as_received(s, held, 0, nth);
	hold_all(&c, s, held, &nth);
	ck_assert_uint_eq(nth, s->count);
	held_as_received(s, held, 0, nth);
	close_both(&c, far);
	let_go(held, 0, nth);
}

START_TEST(held_bytes_stay_while_others_are_skipped)
{
	struct stream s = stream_new(few, COUNTOF(few));

	for (size_t end = 0; end <= s.length; end += 16)
		for (size_t split = 0; split <= s.length; split++)
			held_twice(&s, end, split);
	free(s.bytes);
}
END_TEST

/* Bytes that were written to the buffer but not passed to channel_placed() are
   discarded. */
START_TEST(room_that_is_not_used_changes_nothing)
{
	static const size_t sizes[] = { 8, 30 };
	struct stream s = stream_new(sizes, COUNTOF(sizes));
	struct held held[2];
	struct channel c;
	int far = open_in(&c);
	size_t nth = 0;
	unsigned char *at;

	ck_assert(put(far, s.bytes, 16) && fill_all(&c));
	hold_all(&c, &s, held, &nth);
	at = channel_place(&c, s.length - 16);
	ck_assert_ptr_nonnull(at);
	memset(at, 0xff, s.length - 16);
	channel_placed(&c, 0);
	ck_assert_uint_eq(c.position, 16);
	held_as_received(&s, held, 0, nth);
	ck_assert(put(far, s.bytes + 16, s.length - 16) && fill_all(&c));
	hold_all(&c, &s, held, &nth);
	ck_assert_uint_eq(nth, 2);
	held_as_received(&s, held, 0, 2);
	close_both(&c, far);
	let_go(held, 0, 2);
	free(s.bytes);
}
END_TEST

START_TEST(placing_fails_without_harm)
{
	struct stream s = stream_new(few, COUNTOF(few));
	struct channel c;
	int far = open_in(&c);
	size_t nth = 0;

	ck_assert(put(far, s.bytes, 30) && fill_all(&c));
	ck_assert_ptr_null(channel_place(&c, (size_t)1 << 60));
	ck_assert_uint_eq(c.position, 30);
	ck_assert(put(far, s.bytes + 30, s.length - 30) && fill_all(&c));
	ck_assert(receive_all(&c, &s, &nth));
	ck_assert_uint_eq(nth, s.count);
	close_both(&c, far);
	free(s.bytes);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		order_is_kept_through_a_full_pipe, one_flush_sends_many,
		very_many_small_sends, preparing_fails_without_harm,
		nobody_reads_is_epipe, nothing_is_there_at_first,
		room_grows_with_what_comes,
		many_small_frames_need_few_reads,
		a_large_frame_has_a_block_of_its_size,
		frames_come_whole_wherever_they_are_split,
		frames_come_byte_by_byte, refuses_what_is_no_frame,
		the_end_is_epipe_after_all_was_read, closing_twice_closes_once,
		held_bytes_neither_move_nor_change,
		other_bytes_in_place_of_the_ring_s_are_refused,
		held_bytes_stay_while_others_are_skipped,
		room_that_is_not_used_changes_nothing,
		placing_fails_without_harm };
	const TTest *const drawn[] = {
		placed_bytes_are_not_heard_twice };

	return run_sampled_tests("channel", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
