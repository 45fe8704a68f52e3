/*
 * test_tasks.c - the chunks of a link: they come by their ordinals, are shipped
 * in order and then forgotten; and the credit that follows the rate of answers.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "items/chunk.h"
#include "link/credit.h"
#include "link/tasks.h"
#include "tools.h"

static struct tasks tasks;

static void start(void)
{
	memset(&tasks, 0, sizeof tasks);
}

/* Adds a chunk of that many items, all of which are to come. */
static struct task *add(uint32_t ordinal, uint32_t count)
{
	const struct frame_chunk c = { .ordinal = ordinal, .first = 5,
		.count = count, .where = CHUNK_PACKED };

	return tasks_add(&tasks, &c);
}

/* An item whose body is a number. */
static int receive(uint64_t number)
{
	_Alignas(16) unsigned char room[FRAME_START + 32];
	struct frame f;

	frame_write(room + FRAME_START, FRAME_ITEM, &number, sizeof number);
	frame_look(room + FRAME_START, &f);
	return tasks_receive(&tasks, &f);
}

/* Ships the next item, which must be that number. */
static void ship(struct task *t, uint64_t number)
{
	struct frame f;

	ck_assert(tasks_next(t, &f));
	ck_assert_int_eq(f.kind, FRAME_ITEM);
	ck_assert_uint_eq(f.size, sizeof number);
	ck_assert_int_eq(memcmp(f.body, &number, sizeof number), 0);
	tasks_ship(&tasks, t);
}

START_TEST(items_are_shipped_in_order)
{
	struct task *t;
	struct frame f;

	start();
	ck_assert_ptr_null(tasks_first(&tasks));
	ck_assert_ptr_null(tasks_newest(&tasks));
	ck_assert_int_eq(receive(0), -EPROTO);
	t = add(0, 2);
	ck_assert_ptr_eq(tasks_first(&tasks), t);
	ck_assert(!tasks_next(t, &f));
	ck_assert_int_eq(receive(100), 0);
	ship(t, 100);
	ck_assert(!tasks_next(t, &f));
	ck_assert(!tasks_is_whole(t));
	ck_assert(!tasks_is_over(t));
	ck_assert_int_eq(receive(101), 0);
	ck_assert_int_eq(receive(102), -EPROTO);
	ck_assert(tasks_is_whole(t));
	ck_assert(!tasks_is_over(t));
	ship(t, 101);
	ck_assert(tasks_is_over(t));
	ck_assert_uint_eq(t->shipped, 7);
	ck_assert_uint_eq(tasks_in_flight(&tasks), 2);
	tasks.answered++;
	ck_assert_uint_eq(tasks_in_flight(&tasks), 1);
	tasks_drop(&tasks);
	ck_assert_ptr_null(tasks_first(&tasks));
	ck_assert_uint_eq(tasks_in_flight(&tasks), 1);
}
END_TEST

/* The caller has taken back what was not shipped. */
START_TEST(a_chunk_that_is_taken_back_comes_whole)
{
	struct task *t;

	start();
	t = add(0, 2);
	t->over = true;
	ck_assert(!tasks_is_over(t));
	ck_assert_int_eq(receive(0), 0);
	ck_assert_int_eq(receive(1), 0);
	ck_assert(tasks_is_over(t));
	tasks_drop(&tasks);
}
END_TEST

START_TEST(chunks_come_by_their_ordinals)
{
	start();
	ck_assert_ptr_null(add(3, 1));
	for (uint32_t i = 0; i < SLOT_LEASES; i++)
		ck_assert_ptr_nonnull(add(i, 1));
	ck_assert_ptr_null(add(SLOT_LEASES, 1));
	tasks_drop(&tasks);
	ck_assert_ptr_nonnull(add(SLOT_LEASES, 1));
	ck_assert_ptr_null(add(SLOT_LEASES + 1, 1));
	ck_assert_uint_eq(tasks_first(&tasks)->chunk.ordinal, 1);
	ck_assert_uint_eq(tasks_newest(&tasks)->chunk.ordinal, SLOT_LEASES);
	while (tasks_first(&tasks) != NULL)
		tasks_drop(&tasks);
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
	const TTest *const tests[] = { items_are_shipped_in_order,
		a_chunk_that_is_taken_back_comes_whole,
		chunks_come_by_their_ordinals,
		credit_follows_the_rate_of_answers,
		credit_is_bounded_in_bytes };

	return run_tests("tasks", tests, COUNTOF(tests));
}
