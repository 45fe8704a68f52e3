/*
 * test_tasks.c - the books of a link: answers in any order come out in the order
 * of the items, each once; and the credit that follows the rate of answers.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "link/credit.h"
#include "link/tasks.h"
#include "tools.h"

static struct tasks tasks;

static void start(void)
{
	memset(&tasks, 0, sizeof tasks);
}

/* Adds a chunk of that many items, all of them shipped. */
static struct task *add(uint32_t ordinal, uint32_t first, uint32_t count)
{
	const struct frame_chunk c = { .ordinal = ordinal, .first = first,
		.count = count };
	struct task *t = tasks_add(&tasks, &c);

	ck_assert_ptr_nonnull(t);
	ck_assert_ptr_eq(tasks_shipping(&tasks), t);
	t->shipped = first + count;
	tasks.in_flight += count;
	tasks_close(&tasks);
	return t;
}

/* An answer whose body is two numbers. */
static _Alignas(16) unsigned char room[FRAME_START + 32];

static struct frame answer(uint32_t ordinal, uint32_t number)
{
	const uint32_t both[2] = { ordinal, number };
	struct frame f;

	frame_write(room + FRAME_START, FRAME_OUTPUT, both, sizeof both);
	frame_look(room + FRAME_START, &f);
	return f;
}

/* What comes out, in order. */
static uint32_t out[64][2];
static size_t outs;

static void note(const unsigned char *frame)
{
	memcpy(out[outs++], frame + FRAME_HEAD, sizeof out[0]);
}

/* Takes an answer as a link does. */
static bool heed(uint32_t ordinal, uint32_t number)
{
	struct frame f = answer(ordinal, number);
	struct task *t = tasks_find(&tasks, ordinal, number);
	struct early *e;

	if (t == NULL)
		return false;
	if (!tasks_is_next(&tasks, t, number)) {
		ck_assert_int_eq(tasks_keep(&tasks, t, number, &f), 0);
		return true;
	}
	note(f.body - FRAME_HEAD);
	tasks_answered(&tasks);
	for (;;) {
		if (tasks_done(&tasks)) {
			tasks_drop(&tasks);
		} else if ((e = tasks_take(&tasks)) != NULL) {
			note(e->frame);
			free(e);
			tasks_answered(&tasks);
		} else {
			return true;
		}
	}
}

/* All orders of the six items of two chunks. */
static void permute(int *order, int n)
{
	static const uint32_t items[6][2] = { { 0, 5 }, { 0, 6 }, { 0, 7 },
		{ 1, 0 }, { 1, 1 }, { 1, 2 } };

	if (n < 6) {
		for (int i = n; i < 6; i++) {
			int kept = order[n];

			order[n] = order[i];
			order[i] = kept;
			permute(order, n + 1);
			order[i] = order[n];
			order[n] = kept;
		}
		return;
	}
	start();
	outs = 0;
	add(0, 5, 3);
	add(1, 0, 3);
	for (int i = 0; i < 6; i++) {
		ck_assert(heed(items[order[i]][0], items[order[i]][1]));
		/* The same answer does not count twice. */
		ck_assert(!heed(items[order[i]][0], items[order[i]][1]));
		/* An early answer is no item that the agent still has. */
		ck_assert_uint_eq(tasks.in_flight, (uint64_t)(5 - i));
		ck_assert(outs == (size_t)i + 1 ? tasks.kept == 0 :
		    tasks.kept >= (size_t)i + 1 - outs);
	}
	ck_assert_uint_eq(outs, 6);
	ck_assert_int_eq(memcmp(out, items, sizeof items), 0);
	ck_assert_uint_eq(tasks.in_flight, 0);
	ck_assert_ptr_null(tasks_first(&tasks));
}

START_TEST(answers_come_out_in_order)
{
	int order[6] = { 0, 1, 2, 3, 4, 5 };

	permute(order, 0);
}
END_TEST

START_TEST(answers_to_nothing_are_refused)
{
	struct task *t;

	start();
	outs = 0;
	ck_assert(!heed(0, 0));
	t = add(0, 5, 3);
	ck_assert(!heed(0, 4));
	ck_assert(!heed(0, 8));
	ck_assert(!heed(1, 5));
	ck_assert(!heed(64, 5));
	ck_assert(!heed(UINT32_MAX, 5));
	ck_assert(!heed(0, UINT32_MAX));
	/* Not yet shipped. */
	t->shipped = 6;
	ck_assert(!heed(0, 6));
	ck_assert_uint_eq(outs, 0);
}
END_TEST

START_TEST(chunks_come_by_their_ordinals)
{
	const struct frame_chunk wrong = { .ordinal = 3, .count = 1 };

	start();
	outs = 0;
	ck_assert_ptr_null(tasks_add(&tasks, &wrong));
	for (uint32_t i = 0; i < SLOT_LEASES; i++)
		add(i, 0, 1);
	ck_assert_ptr_null(tasks_add(&tasks, &(struct frame_chunk){
	    .ordinal = SLOT_LEASES, .count = 1 }));
	ck_assert(heed(0, 0));
	add(SLOT_LEASES, 0, 1);
	for (uint32_t i = 1; i <= SLOT_LEASES && i < 60; i++)
		ck_assert(heed(i, 0));
}
END_TEST

/* ---- credit ---- */

/* Answers n items at once, and lets the time pass. */
static void answers(struct credit *c, uint64_t n, uint64_t *now, uint64_t ns)
{
	for (uint64_t i = 0; i < n; i++)
		credit_answered(c);
	*now += ns;
	credit_update(c, 0, *now);
}

START_TEST(credit_follows_the_rate_of_answers)
{
	struct credit c;
	uint64_t now = 1000000;

	credit_init(&c, 4, now);
	ck_assert_uint_eq(credit_left(&c, 0), 4);
	ck_assert_uint_eq(credit_left(&c, 4), 0);
	ck_assert_uint_eq(credit_left(&c, 5), 0);
	/* All within a round trip of a millisecond: doubled each time. */
	answers(&c, 4, &now, MS_IN_NS);
	ck_assert_uint_eq(credit_left(&c, 0), 8);
	answers(&c, 8, &now, MS_IN_NS);
	ck_assert_uint_eq(credit_left(&c, 0), 16);
	/* Long items: back to the least, however many have ended at last. */
	answers(&c, 1, &now, CREDIT_NS);
	ck_assert_uint_eq(credit_left(&c, 0), 4);
	answers(&c, 0, &now, CREDIT_NS);
	ck_assert_uint_eq(credit_left(&c, 0), 4);
	answers(&c, 4, &now, 50 * CREDIT_NS);
	ck_assert_uint_eq(credit_left(&c, 0), 4);
	/* A steady rate of 1,000 in CREDIT_NS. */
	c.items = 100000;
	answers(&c, 1000, &now, CREDIT_NS);
	ck_assert_uint_eq(credit_left(&c, 0), 2000);
	/* A long way: the agent has inputs for two round trips. */
	c.items = 100000;
	answers(&c, 40, &now, CREDIT_NS);
	ck_assert_uint_eq(credit_left(&c, 0), 80);
	for (int i = 0; i < 40; i++)
		credit_answered(&c);
	now += 2 * CREDIT_NS;
	credit_update(&c, CREDIT_NS / 2, now);
	ck_assert_uint_eq(credit_left(&c, 0), 80);
	now += CREDIT_NS;
	credit_update(&c, CREDIT_NS, now);
	ck_assert_uint_eq(credit_left(&c, 0), 80);
	for (int i = 0; i < 64; i++)
		answers(&c, MIN(c.items, 2000000), &now, 1);
	ck_assert_uint_eq(c.items, CREDIT_ITEMS);
}
END_TEST

START_TEST(credit_is_bounded_in_bytes)
{
	struct credit c;

	credit_init(&c, 100, 0);
	for (int i = 0; i < 100; i++)
		credit_shipped(&c, CREDIT_BYTES / 4);
	ck_assert_uint_ge(credit_left(&c, 0), 3);
	ck_assert_uint_le(credit_left(&c, 0), 4);
	for (int i = 0; i < 100; i++)
		credit_shipped(&c, 4 * CREDIT_BYTES);
	ck_assert_uint_eq(credit_left(&c, 0), 1);
	ck_assert_uint_eq(credit_left(&c, 1), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { answers_come_out_in_order,
		answers_to_nothing_are_refused, chunks_come_by_their_ordinals,
		credit_follows_the_rate_of_answers,
		credit_is_bounded_in_bytes };

	return run_tests("tasks", tests, COUNTOF(tests));
}
