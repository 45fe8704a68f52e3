/*
 * test_frame.c - frame: frames that were written are read, only when complete,
 * with bodies aligned and followed by a 0; malformed frames are refused.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "tools.h"
#include "wire/frame.h"

#define FILLER 0xa5

/* The sizes that are tried: 0 .. 40, and some larger sizes. */
static size_t size_of(size_t nth)
{
	static const size_t large[] = { 4096, 100000 };

	return nth <= 40 ? nth : large[nth - 41];
}
#define SIZES 43

/* Buffer for a stream of this many bytes, 16-aligned, with no 0 byte. */
static unsigned char *room_new(size_t size)
{
	unsigned char *room = malloc(FRAME_START + size + 16);

	ck_assert_ptr_nonnull(room);
	ck_assert_uint_eq((uintptr_t)room % 16, 0);
	memset(room, FILLER, FRAME_START + size + 16);
	return room;
}

/* A body without zeroes, different for each seed. */
static unsigned char *body_new(size_t size, size_t seed)
{
	unsigned char *body = malloc(size + 1);

	ck_assert_ptr_nonnull(body);
	for (size_t i = 0; i < size; i++)
		body[i] = (unsigned char)(1 + (i * 7 + seed) % 251);
	return body;
}

static bool all_are(const unsigned char *at, size_t size, int value)
{
	for (size_t i = 0; i < size; i++)
		if (at[i] != value)
			return false;
	return true;
}

static void round_trip(enum frame_kind kind, size_t size)
{
	size_t length = frame_length(size);
	unsigned char *room = room_new(length);
	unsigned char *body = body_new(size, kind);
	unsigned char *at = room + FRAME_START;
	struct frame f;

	frame_write(at, kind, size ? body : NULL, size);
	ck_assert(all_are(room, FRAME_START, FILLER));
	ck_assert(all_are(at + length, 16, FILLER));
	ck_assert(all_are(at + FRAME_HEAD + size, length - FRAME_HEAD - size,
	    0));
	ck_assert_int_eq(frame_read(at, length, size, &f), 1);
	ck_assert_int_eq(f.kind, kind);
	ck_assert_uint_eq(f.size, size);
	ck_assert_uint_eq(f.length, length);
	ck_assert_ptr_eq(f.body, at + FRAME_HEAD);
	ck_assert_int_eq(memcmp(f.body, body, size), 0);
	free(body);
	free(room);
}

START_TEST(every_kind_and_size_comes_back)
{
	for (int kind = 1; kind < FRAME_KINDS; kind++)
		for (size_t i = 0; i < SIZES; i++)
			round_trip((enum frame_kind)kind, size_of(i));
}
END_TEST

START_TEST(lengths_are_the_least_multiples_of_16)
{
	for (size_t size = 0; size < 1000; size++) {
		size_t length = frame_length(size);

		ck_assert_uint_eq(length % 16, 0);
		ck_assert_uint_ge(length, FRAME_HEAD + size);
		ck_assert_uint_lt(length, FRAME_HEAD + size + 16);
	}
}
END_TEST

/* Writes a stream with a frame of each size, and STOP at the end.  Returns its
   length. */
static size_t write_stream(unsigned char **room)
{
	size_t length = frame_length(0), at = FRAME_START;

	for (size_t i = 0; i < SIZES; i++)
		length += frame_length(size_of(i));
	*room = room_new(length);
	for (size_t i = 0; i < SIZES; i++) {
		unsigned char *body = body_new(size_of(i), i);

		frame_write(*room + at, FRAME_OUTPUT, body, size_of(i));
		at += frame_length(size_of(i));
		free(body);
	}
	frame_write(*room + at, FRAME_STOP, NULL, 0);
	return length;
}

START_TEST(bodies_are_aligned_and_end_with_a_zero)
{
	unsigned char *room;
	size_t left = write_stream(&room), at = FRAME_START;
	struct frame f;

	for (size_t i = 0; i < SIZES; i++) {
		ck_assert_int_eq(frame_read(room + at, left, SIZE_MAX, &f),
		    1);
		ck_assert_uint_eq(f.size, size_of(i));
		ck_assert_uint_eq((uintptr_t)f.body % 16, 0);
		ck_assert_uint_eq(f.body[f.size], 0);
		at += f.length;
		left -= f.length;
	}
	ck_assert_int_eq(frame_read(room + at, left, 0, &f), 1);
	ck_assert_int_eq(f.kind, FRAME_STOP);
	ck_assert_uint_eq(left, f.length);
	free(room);
}
END_TEST

/* Each frame is complete with its last byte, and not before. */
START_TEST(a_stream_fed_byte_by_byte)
{
	unsigned char *room;
	size_t length = write_stream(&room), at = 0, n = 0, early = 0;
	struct frame f;

	for (size_t have = 1; have <= length; have++) {
		int r = frame_read(room + FRAME_START + at, have - at,
		    SIZE_MAX, &f);

		if (r == 0)
			continue;
		ck_assert_int_eq(r, 1);
		early += have != at + f.length;
		n++;
		at += f.length;
	}
	ck_assert_uint_eq(early, 0);
	ck_assert_uint_eq(n, SIZES + 1);
	ck_assert_uint_eq(at, length);
	free(room);
}
END_TEST

/* Reads from a buffer of exactly "have" bytes, so that a checker sees a look
   beyond. */
static void read_part(const unsigned char *whole, size_t have, size_t size)
{
	unsigned char *part = malloc(MAX(have, 1));
	struct frame f = { .length = 1 };

	ck_assert_ptr_nonnull(part);
	memcpy(part, whole, have);
	ck_assert_int_eq(frame_read(part, have, size, &f), 0);
	ck_assert_uint_eq(f.length, have < FRAME_HEAD ? 0 :
	    frame_length(size));
	free(part);
}

START_TEST(no_part_of_a_frame_is_a_frame)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t size = size_of(i), length = frame_length(size);
		size_t step = size > 4096 ? 977 : 1;
		unsigned char *whole = room_new(length);
		unsigned char *body = body_new(size, i);

		frame_write(whole, FRAME_ITEM, body, size);
		for (size_t have = 0; have < length; have += step)
			read_part(whole, have, size);
		read_part(whole, length - 1, size);
		free(body);
		free(whole);
	}
}
END_TEST

/* Checks that the frame is refused, twice, even with only its head there, and
   that no byte changes but the 0 that ends the body before, and the kind. */
static void refused(const unsigned char *at, size_t max)
{
	static const size_t haves[] = { FRAME_HEAD, FRAME_HEAD + 1, 32 };
	unsigned char copy[32];
	struct frame f;

	for (size_t i = 0; i < COUNTOF(haves); i++) {
		memcpy(copy, at, sizeof copy);
		f = (struct frame){ .kind = FRAME_KINDS, .size = 77 };
		ck_assert_int_eq(frame_read(copy, haves[i], max, &f),
		    -EPROTO);
		ck_assert_uint_eq(copy[0], 0);
		ck_assert_int_eq(memcmp(copy + 2, at + 2, 30), 0);
		ck_assert_int_eq(f.kind, FRAME_KINDS);
		ck_assert_uint_eq(f.size, 77);
		ck_assert_ptr_null(f.body);
		ck_assert_uint_eq(f.length, 0);
		ck_assert_int_eq(frame_read(copy, haves[i], max, &f),
		    -EPROTO);
	}
}

START_TEST(refuses_heads_that_are_none)
{
	unsigned char at[32];
	struct frame f;

	for (int first = 1; first < 256; first++) {
		frame_write(at, FRAME_OUTPUT, "0123456789abcdef", 16);
		at[0] = (unsigned char)first;
		refused(at, 100);
	}
	for (int kind = 0; kind < 256; kind++) {
		frame_write(at, FRAME_OUTPUT, "0123456789abcdef", 16);
		at[1] = (unsigned char)kind;
		if (kind == 0 || kind >= FRAME_KINDS)
			refused(at, 100);
		else
			ck_assert_int_eq(frame_read(at, 32, 100, &f), 1);
	}
}
END_TEST

START_TEST(refuses_bodies_beyond_the_given_size)
{
	unsigned char at[32];
	struct frame f;

	for (size_t max = 0; max < 70000; max = 3 * max + 1) {
		memset(at, FILLER, sizeof at);
		frame_head(at, FRAME_OUTPUT, max + 1);
		refused(at, max);
		frame_head(at, FRAME_OUTPUT, max);
		ck_assert_int_eq(frame_read(at, FRAME_HEAD, max, &f), 0);
		ck_assert_uint_eq(f.length, frame_length(max));
	}
}
END_TEST

START_TEST(refuses_bodies_beyond_any_size)
{
	unsigned char at[32];
	struct frame f;

	memset(at, FILLER, sizeof at);
	frame_head(at, FRAME_OUTPUT, FRAME_MAX);
	ck_assert_int_eq(frame_read(at, 32, SIZE_MAX, &f), 0);
	ck_assert_uint_eq(f.length, frame_length(FRAME_MAX));
	refused(at, FRAME_MAX - 1);
	memset(at + 2, 0xff, FRAME_HEAD - 2);	/* all 48 bits of the size */
	refused(at, SIZE_MAX);
	refused(at, FRAME_MAX);
}
END_TEST

/* The size has 48 bits, and no bit is lost. */
START_TEST(every_bit_of_a_size_counts)
{
	unsigned char at[16];
	struct frame f;

	for (int bit = 0; bit < 48; bit++) {
		size_t size = (size_t)1 << bit;

		frame_head(at, FRAME_ITEM, size);
		ck_assert_int_eq(frame_read(at, FRAME_HEAD, SIZE_MAX, &f), 0);
		ck_assert_uint_eq(f.size, size);
		ck_assert_uint_eq(f.length, frame_length(size));
	}
}
END_TEST

START_TEST(shaped_bodies_have_exactly_their_size)
{
	const struct frame_end said = { .ordinal = 7, .next = 9 };
	struct frame_end heard = { .ordinal = 1, .next = 2 };
	unsigned char at[FRAME_HEAD + sizeof said + 16];
	struct frame f;

	frame_write(at, FRAME_END, &said, sizeof said);
	ck_assert_int_eq(frame_read(at, sizeof at, 100, &f), 1);
	ck_assert_int_eq(frame_body(&f, &heard, sizeof heard - 1), -EPROTO);
	ck_assert_int_eq(frame_body(&f, &heard, sizeof heard + 1), -EPROTO);
	ck_assert_uint_eq(heard.ordinal, 1);
	ck_assert_uint_eq(heard.next, 2);
	ck_assert_int_eq(frame_body(&f, &heard, sizeof heard), 0);
	ck_assert_uint_eq(heard.ordinal, 7);
	ck_assert_uint_eq(heard.next, 9);
}
END_TEST

/* ---- failures ---- */

#define NOTE "why so"
#define TAIL "written"

/* Writes a failure's body with a message and, if asked for, a tail.  Returns
   its size. */
static size_t failure_body(unsigned char *at, bool with_tail)
{
	const struct frame_failure head = { .code = -3, .cause = 1,
		.wall_ns = 5, .cpu_ns = 4, .message_size = strlen(NOTE),
		.tail_size = with_tail ? (int32_t)strlen(TAIL) : -1 };
	size_t size = sizeof head + strlen(NOTE);

	memcpy(at, &head, sizeof head);
	memcpy(at + sizeof head, NOTE, sizeof NOTE);
	if (with_tail)
		memcpy(at + size + 1, TAIL, sizeof TAIL);
	return size + (with_tail ? 1 + strlen(TAIL) : 0);
}

START_TEST(failures_come_back)
{
	unsigned char at[200];
	struct failure f;

	for (int tail = 0; tail < 2; tail++) {
		size_t size = failure_body(at, tail);

		ck_assert_int_eq(frame_failure(at, size, &f), 0);
		ck_assert_int_eq(f.head.code, -3);
		ck_assert_uint_eq(f.head.wall_ns, 5);
		ck_assert_uint_eq(f.head.cpu_ns, 4);
		ck_assert_mem_eq(f.message, NOTE, strlen(NOTE));
		ck_assert_int_eq(f.tail != NULL, tail);
		if (tail)
			ck_assert_mem_eq(f.tail, TAIL, strlen(TAIL));
	}
}
END_TEST

/* Reads from a heap copy of exactly size bytes, so that memory checkers find
   overruns. */
static int read_failure(const unsigned char *at, size_t size)
{
	unsigned char *part = malloc(size > 0 ? size : 1);
	struct failure f;
	int r;

	ck_assert_ptr_nonnull(part);
	memcpy(part, at, size);
	r = frame_failure(part, size, &f);
	free(part);
	return r;
}

START_TEST(no_part_of_a_failure_is_one)
{
	unsigned char at[200] = { 0 };

	for (int tail = 0; tail < 2; tail++) {
		size_t size = failure_body(at, tail);

		for (size_t n = 0; n < sizeof at; n++)
			ck_assert_int_eq(read_failure(at, n),
			    n == size ? 0 : -EPROTO);
	}
}
END_TEST

START_TEST(failures_whose_sizes_lie_are_refused)
{
	const int32_t tails[] = { -2, INT32_MIN, -1, 0, 6, 8, INT32_MAX };
	const uint32_t messages[] = { 0, 5, 7, 14, 15, UINT32_MAX,
		(uint32_t)INT32_MAX };
	struct frame_failure head;
	unsigned char at[200];
	size_t size = failure_body(at, true);

	for (size_t i = 0; i < COUNTOF(tails); i++) {
		failure_body(at, true);
		memcpy(&head, at, sizeof head);
		head.tail_size = tails[i];
		memcpy(at, &head, sizeof head);
		ck_assert_int_eq(read_failure(at, size), -EPROTO);
	}
	for (size_t i = 0; i < COUNTOF(messages); i++) {
		failure_body(at, true);
		memcpy(&head, at, sizeof head);
		head.message_size = messages[i];
		memcpy(at, &head, sizeof head);
		ck_assert_int_eq(read_failure(at, size), -EPROTO);
	}
	failure_body(at, true);
	at[sizeof head + strlen(NOTE)] = 'x';
	ck_assert_int_eq(read_failure(at, size), -EPROTO);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { every_kind_and_size_comes_back,
		lengths_are_the_least_multiples_of_16,
		bodies_are_aligned_and_end_with_a_zero,
		a_stream_fed_byte_by_byte, no_part_of_a_frame_is_a_frame,
		refuses_heads_that_are_none,
		refuses_bodies_beyond_the_given_size,
		refuses_bodies_beyond_any_size, every_bit_of_a_size_counts,
		shaped_bodies_have_exactly_their_size,
		failures_come_back,
		no_part_of_a_failure_is_one,
		failures_whose_sizes_lie_are_refused };

	return run_tests("frame", tests, COUNTOF(tests));
}
