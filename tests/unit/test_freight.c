/*
 * test_freight.c - the items of a link: shipped before an order to end them is
 * passed on, and never answered more often than they were shipped; STOP once.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "items/chunk.h"
#include "link/freight.h"
#include "shm/slots.h"
#include "tools.h"
#include "wire/far.h"

#define COUNT 3

static struct slots slots;
static struct peer agent;
static struct freight freight;

/* Hands a frame with that body to a function of the freight. */
static int hand(int (*to)(struct freight *, const struct frame *),
    enum frame_kind kind, const void *body, size_t size)
{
	_Alignas(16) unsigned char room[FRAME_START + 512];
	struct frame f;

	ck_assert_uint_le(frame_length(size), sizeof room - FRAME_START);
	frame_write(room + FRAME_START, kind, body, size);
	frame_look(room + FRAME_START, &f);
	return to(&freight, &f);
}

static void add_item(uint64_t number)
{
	ck_assert_int_eq(hand(freight_add_item, FRAME_ITEM, &number,
	    sizeof number), 0);
}

/* Ships the first item of a chunk; the others were taken with it and come
   later. */
static void start(void)
{
	const struct frame_chunk c = { .count = COUNT, .where = CHUNK_PACKED,
		.outputs = FRAME_NOWHERE };
	struct slot *slot;

	ck_assert_int_eq(slots_map(&slots, 1, SLOT_PAYLOAD), 0);
	slot = slots_get(&slots, 0);
	slot_reset(slot);
	slot_lease(slot, 0, 0, COUNT);
	memset(&agent, 0, sizeof agent);
	outbox_init(&agent.out);
	freight_open(&freight, slot, NULL, NULL, &agent, COUNT);
	ck_assert_int_eq(hand(freight_add_chunk, FRAME_CHUNK, &c, sizeof c),
	    0);
	add_item(0);
	ck_assert_int_eq(freight_ship(&freight), 0);
	ck_assert_uint_eq(freight_in_flight(&freight), 1);
	for (uint64_t i = 1; i < COUNT; i++)
		add_item(i);
}

static void end(void)
{
	while (tasks_first(&freight.tasks) != NULL)
		tasks_drop(&freight.tasks);
	buf_release(&agent.out.frames);
	slots_unmap(&slots);
}

/* Asserts that the agent is sent the chunk, all of its items and then the
   order. */
static void expect(enum frame_kind order)
{
	unsigned char *at = agent.out.frames.data;
	const unsigned char *behind = at + agent.out.frames.len;
	struct frame f;

	for (int i = 0; i < 1 + COUNT + 1; i++) {
		ck_assert_ptr_ne(at, behind);
		frame_look(at, &f);
		ck_assert_int_eq(f.kind, i == 0 ? FRAME_CHUNK :
		    i <= COUNT ? FRAME_ITEM : order);
		at += f.length;
	}
	ck_assert_ptr_eq(at, behind);
	ck_assert_uint_eq(freight_in_flight(&freight), COUNT);
}

START_TEST(a_recall_follows_what_was_taken)
{
	const struct far_recall said = { .running = 1 };

	start();
	ck_assert_int_eq(hand(freight_recall, FRAME_RECALL, &said,
	    sizeof said), 0);
	expect(FRAME_RECALL);
	end();
}
END_TEST

START_TEST(a_cancel_follows_what_was_taken)
{
	const struct far_seek last = { .item = COUNT - 1 };

	start();
	ck_assert_int_eq(hand(freight_cancel, FRAME_CANCEL, &last,
	    sizeof last), 0);
	expect(FRAME_CANCEL);
	end();
}
END_TEST

START_TEST(what_was_not_taken_is_not_cancelled)
{
	const struct far_seek said[FAR_CANCELS + 1] = { { .item = COUNT } };

	start();
	ck_assert_int_eq(hand(freight_cancel, FRAME_CANCEL, said,
	    sizeof said[0]), -EPROTO);
	ck_assert_int_eq(hand(freight_cancel, FRAME_CANCEL, said, 3), -EPROTO);
	ck_assert_int_eq(hand(freight_cancel, FRAME_CANCEL, said, sizeof said),
	    -EPROTO);
	end();
}
END_TEST

START_TEST(no_more_answers_than_items)
{
	const struct far_recall said = { .running = 0 };

	start();
	ck_assert_int_eq(freight_answer(&freight), 0);
	ck_assert_uint_eq(freight_in_flight(&freight), 0);
	/* The next was not shipped, and the first has its answer. */
	ck_assert_int_eq(freight_answer(&freight), -EPROTO);
	freight_seek(&freight, 0);
	ck_assert_int_eq(freight_answer(&freight), -EPROTO);
	ck_assert_int_eq(hand(freight_recall, FRAME_RECALL, &said,
	    sizeof said), 0);
	ck_assert_uint_eq(freight_in_flight(&freight), COUNT - 1);
	freight_seek(&freight, COUNT);
	ck_assert_int_eq(freight_answer(&freight), -EPROTO);
	freight_seek(&freight, 1);
	for (int i = 1; i < COUNT; i++)
		ck_assert_int_eq(freight_answer(&freight), 0);
	ck_assert(!freight_is_done(&freight));
	end();
}
END_TEST

START_TEST(stop_is_told_once)
{
	struct frame f;

	memset(&agent, 0, sizeof agent);
	outbox_init(&agent.out);
	freight_open(&freight, NULL, NULL, NULL, &agent, 1);
	ck_assert_int_eq(freight_ship(&freight), 0);
	ck_assert_uint_eq(outbox_left(&agent.out), 0);
	freight_stop(&freight);
	ck_assert(!freight_is_done(&freight));
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(freight_ship(&freight), 0);
		ck_assert(freight_is_done(&freight));
		frame_look(agent.out.frames.data, &f);
		ck_assert_int_eq(f.kind, FRAME_STOP);
		ck_assert_uint_eq(outbox_left(&agent.out), f.length);
	}
	buf_release(&agent.out.frames);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { a_recall_follows_what_was_taken,
		a_cancel_follows_what_was_taken,
		what_was_not_taken_is_not_cancelled,
		no_more_answers_than_items, stop_is_told_once };

	return run_tests("freight", tests, COUNTOF(tests));
}
