/*
 * test_slot.c - slot: a ring that wraps, untrusted words in shared memory, and
 * items that are either taken by a worker or taken back, never both.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "items/chunk.h"
#include "sample.h"
#include "shm/slots.h"
#include "tools.h"
#include "wire/frame.h"
#include "worker/outstream.h"

#define SEED UINT64_C(362436069362436069)

static uint64_t rnd(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static struct slots slots_new(size_t count)
{
	struct slots s;

	ck_assert_int_eq(slots_map(&s, count, SLOT_PAYLOAD), 0);
	ck_assert_uint_eq(s.count, count);
	for (size_t i = 0; i < count; i++)
		slot_reset(slots_get(&s, i));
	return s;
}

/* ---- the pages ---- */

START_TEST(slots_lie_apart)
{
	struct slots s = slots_new(5);
	unsigned char *end = s.at + 5 * s.stride;

	ck_assert_uint_gt(s.stride, SLOT_RING + sizeof(struct slot) - 1);
	for (size_t i = 0; i < 5; i++) {
		unsigned char *at = (unsigned char *)slots_get(&s, i);
		size_t size;
		const unsigned char *ring = slot_view(slots_get(&s, i), 0,
		    SLOT_RING, &size);

		ck_assert_ptr_eq(at, s.at + i * s.stride);
		ck_assert_uint_eq((uintptr_t)at % _Alignof(struct slot), 0);
		ck_assert_uint_eq(size, SLOT_RING);
		ck_assert(ring >= at + sizeof(struct slot));
		ck_assert(ring + size <= at + s.stride);
		ck_assert(ring + size <= end);
	}
	slots_unmap(&s);
	ck_assert_ptr_null(s.at);
	slots_unmap(&s);
}
END_TEST

START_TEST(a_reset_slot_knows_nothing)
{
	struct slots s = slots_new(1);
	struct slot *slot = slots_get(&s, 0);

	atomic_store(&slot->committed, 9);
	atomic_store(&slot->flushed, 8);
	atomic_store(&slot->wanted, 1);
	for (uint32_t i = 0; i < SLOT_LEASES; i++)
		slot_lease(slot, i + 1, 2, 3);
	slot_reset(slot);
	ck_assert_uint_eq(atomic_load(&slot->committed), 0);
	ck_assert_uint_eq(atomic_load(&slot->flushed), 0);
	ck_assert_uint_eq(atomic_load(&slot->wanted), 0);
	for (uint32_t i = 0; i < SLOT_LEASES; i++)
		ck_assert_uint_eq(atomic_load(&slot->lease[i]), 0);
	slots_unmap(&s);
}
END_TEST

START_TEST(notes_are_those_written_last)
{
	struct slots s = slots_new(1);
	struct slot *slot = slots_get(&s, 0);
	struct slot_note n;

	slot_note_leg(slot, 5);
	slot_note(slot, 7, 8, 9);
	n = slot_noted(slot);
	ck_assert_uint_eq(n.leg_at, 5);
	ck_assert_uint_eq(n.started_at, 7);
	ck_assert_uint_eq(n.started_cpu, 8);
	ck_assert_uint_eq(n.tail_from, 9);
	slot_note_leg(slot, UINT64_MAX);
	n = slot_noted(slot);
	ck_assert_uint_eq(n.leg_at, UINT64_MAX);
	ck_assert_uint_eq(n.started_at, 7);
	/* A new worker has noted nothing yet. */
	slot_reset(slot);
	n = slot_noted(slot);
	ck_assert_uint_eq(n.leg_at, 0);
	ck_assert_uint_eq(n.started_at, 0);
	ck_assert_uint_eq(n.started_cpu, 0);
	ck_assert_uint_eq(n.tail_from, 0);
	slots_unmap(&s);
}
END_TEST

/* Is the n-th slot mapped in this process? */
static bool is_mapped(const struct slots *s, size_t which)
{
	return msync(slots_get(s, which), s->stride, MS_ASYNC) == 0;
}

static int keeps_the_second(void *arg)
{
	struct slots *s = arg;
	pid_t pid;
	int status = -1;

	slots_keep_one(s, 1);
	if (is_mapped(s, 0) || !is_mapped(s, 1) || is_mapped(s, 2))
		return 1;
	pid = fork();
	if (pid == 0)
		_exit(is_mapped(s, 1));
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 2;
}

START_TEST(a_worker_keeps_its_own_to_itself)
{
	struct slots s = slots_new(3);

	ck_assert_int_eq(in_child(keeps_the_second, &s), 0);
	for (size_t i = 0; i < 3; i++)
		ck_assert(is_mapped(&s, i));
	slots_unmap(&s);
}
END_TEST

static int has_none(void *arg)
{
	const struct slots *s = arg;

	return is_mapped(s, 0) || is_mapped(s, 1);
}

START_TEST(later_children_get_none)
{
	struct slots s = slots_new(2);

	ck_assert_int_ne(in_child(has_none, &s), 0);
	slots_dont_fork(&s);
	ck_assert_int_eq(in_child(has_none, &s), 0);
	slots_unmap(&s);
}
END_TEST

static struct slots pair[2];

/* Returns a bit for each element of pair[] that is mapped in this process. */
static int left_mapped(void)
{
	return is_mapped(&pair[0], 0) | is_mapped(&pair[1], 0) << 1;
}

static int drops_what_is_the_callers(void *arg)
{
	(void)arg;
	slots_drop_others(&pair[1], getppid());
	return left_mapped();
}

/* Entries of other processes than "owner" are left alone: a grandparent's
   mapping is not here, and another mapping may have its address. */
static int drops_nothing(void *arg)
{
	(void)arg;
	slots_drop_others(&pair[1], getpid());
	return left_mapped();
}

START_TEST(a_fork_server_keeps_one_pools)
{
	for (size_t i = 0; i < COUNTOF(pair); i++)
		pair[i] = slots_new(1 + i);
	ck_assert_int_eq(in_child(drops_what_is_the_callers, NULL), 2 << 8);
	ck_assert_int_eq(in_child(drops_nothing, NULL), 3 << 8);
	slots_unmap(&pair[0]);
	ck_assert_int_eq(in_child(drops_what_is_the_callers, NULL), 2 << 8);
	slots_unmap(&pair[1]);
}
END_TEST

#define TRIES 64

/* Maps slots until they have the address of the parent's mapping, unmaps them,
   and keeps another mapping there. */
static int lies_where_another_was(void *arg)
{
	const struct slots *first = arg;
	struct slots own[TRIES];
	int n = 0;

	do
		own[n] = slots_new(first->count);
	while (own[n].at != first->at && ++n < TRIES);
	ck_assert_int_lt(n, TRIES);
	slots_unmap(&own[n]);
	ck_assert_ptr_eq(mmap(first->at, first->stride, PROT_READ,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), first->at);
	pair[0] = *first;
	pair[1] = slots_new(1);
	slots_drop_others(&pair[1], getpid());
	return left_mapped();
}

START_TEST(what_was_given_back_is_not_dropped)
{
	struct slots s = slots_new(1);

	slots_dont_fork(&s);
	ck_assert_int_eq(in_child(lies_where_another_was, &s), 3 << 8);
	slots_unmap(&s);
}
END_TEST

/* ---- the ring ---- */

static unsigned char byte_of(uint64_t position)
{
	return (unsigned char)(position * 2654435761u >> 11);
}

/* Is the ring full of FILLER, except the bytes at these positions? */
#define FILLER 0xa5
static bool ring_has(const struct slot *slot, uint64_t position, size_t size)
{
	const unsigned char *ring = slot_view(slot, 0, SLOT_RING,
	    &(size_t){ 0 });
	uint64_t begin = position % SLOT_RING;

	for (size_t i = 0; i < SLOT_RING; i++) {
		uint64_t past = (i + SLOT_RING - begin) % SLOT_RING;
		unsigned char want = past < size ? byte_of(position + past) :
		    FILLER;

		if (ring[i] != want)
			return false;
	}
	return true;
}

/* Writes bytes at a position and copies them out; no other byte changes. */
static void in_and_out(struct slots *s, uint64_t position, size_t size)
{
	struct slot *slot = slots_get(s, 1);
	static unsigned char in[SLOT_RING], out[SLOT_RING + 1];

	memset(s->at, FILLER, s->stride * s->count);
	for (size_t i = 0; i < size; i++)
		in[i] = byte_of(position + i);
	slot_copy_in(slot, position, in, size);
	ck_assert(ring_has(slot, position, size));
	for (size_t i = 0; i < sizeof *slot; i++)
		ck_assert_msg(((unsigned char *)slot)[i] == FILLER &&
		    ((unsigned char *)slots_get(s, 2))[i] == FILLER,
		    "byte %zu of the control page was hit", i);
	ck_assert(ring_has(slots_get(s, 0), 0, 0));
	memset(out, 1, sizeof out);
	slot_copy_out(slot, position, out, size);
	ck_assert_int_eq(memcmp(in, out, size), 0);
	ck_assert_uint_eq(out[size], 1);
}

START_TEST(bytes_come_out_as_they_went_in)
{
	static const size_t offsets[] = { 0, 1, 8, 15, 16, 4095, 4096,
		SLOT_RING / 2, SLOT_RING - 16, SLOT_RING - 1 };
	static const size_t sizes[] = { 0, 1, 16, 17, SLOT_RING - 1,
		SLOT_RING };
	struct slots s = slots_new(3);

	for (size_t i = 0; i < COUNTOF(offsets); i++)
		for (size_t n = 0; n < COUNTOF(sizes); n++) {
			in_and_out(&s, offsets[i], sizes[n]);
			in_and_out(&s, SLOT_RING * (UINT64_C(1) << 40) +
			    offsets[i], sizes[n]);
		}
	slots_unmap(&s);
}
END_TEST

START_TEST(a_view_ends_at_the_gap)
{
	struct slots s = slots_new(1);
	struct slot *slot = slots_get(&s, 0);
	const unsigned char *ring = slot_view(slot, 0, 1, &(size_t){ 0 });
	uint64_t far = SLOT_RING * UINT64_C(12345);
	size_t size;

	ck_assert_ptr_eq(slot_view(slot, far + 5, far + 5, &size), ring + 5);
	ck_assert_uint_eq(size, 0);
	ck_assert_ptr_eq(slot_view(slot, far + 5, far + 25, &size), ring + 5);
	ck_assert_uint_eq(size, 20);
	ck_assert_ptr_eq(slot_view(slot, far + SLOT_RING - 3,
	    far + SLOT_RING + 9, &size), ring + SLOT_RING - 3);
	ck_assert_uint_eq(size, 3);
	slots_unmap(&s);
}
END_TEST

/* Returns the value of slot_ahead() for these words. */
static int64_t ahead(uint64_t committed, uint64_t flushed, uint64_t position)
{
	struct slots s = slots_new(1);
	int64_t r;

	atomic_store(&slots_get(&s, 0)->committed, committed);
	atomic_store(&slots_get(&s, 0)->flushed, flushed);
	r = slot_ahead(slots_get(&s, 0), position);
	slots_unmap(&s);
	return r;
}

START_TEST(ahead_is_what_only_the_ring_has)
{
	const uint64_t far = UINT64_C(1) << 50;

	ck_assert_int_eq(ahead(0, 0, 0), 0);
	ck_assert_int_eq(ahead(100, 0, 0), 100);
	ck_assert_int_eq(ahead(100, 40, 40), 60);
	ck_assert_int_eq(ahead(100, 40, 60), 40);
	ck_assert_int_eq(ahead(100, 40, 39), 0);	/* the pipe has it */
	ck_assert_int_eq(ahead(100, 100, 100), 0);
	ck_assert_int_eq(ahead(100, 40, 100), 0);
	ck_assert_int_eq(ahead(far + SLOT_RING, far, far), SLOT_RING);
	ck_assert_int_eq(ahead(far + SLOT_RING, far - 5, far), SLOT_RING);
}
END_TEST

START_TEST(hostile_words_give_no_more_than_a_ring)
{
	const uint64_t far = UINT64_C(1) << 50;
	uint64_t state = SEED;

	ck_assert_int_eq(ahead(SLOT_RING + 1, 0, 0), -EPROTO);
	ck_assert_int_eq(ahead(far + SLOT_RING + 1, far, far), -EPROTO);
	ck_assert_int_eq(ahead(UINT64_MAX, 0, 0), -EPROTO);
	ck_assert_int_eq(ahead(UINT64_MAX, far, far), -EPROTO);
	ck_assert_int_eq(ahead(UINT64_C(1) << 63, 0, 0), -EPROTO);
	ck_assert_int_eq(ahead(99, 0, 100), 0);
	ck_assert_int_eq(ahead(0, 0, far), 0);
	ck_assert_int_eq(ahead(UINT64_MAX, UINT64_MAX, far), 0);
	for (int i = 0; i < 2000; i++) {
		uint64_t committed = rnd(&state) >> rnd(&state) % 64;
		uint64_t flushed = rnd(&state) >> rnd(&state) % 64;
		uint64_t position = rnd(&state) >> (2 + rnd(&state) % 62);
		int64_t r = ahead(committed, flushed, position);

		ck_assert_msg(r == 0 || r == -EPROTO || (r > 0 &&
		    r <= (int64_t)SLOT_RING &&
		    position + (uint64_t)r == committed),
		    "%" PRIu64 " %" PRIu64 " %" PRIu64 ": %" PRId64,
		    committed, flushed, position, r);
	}
}
END_TEST

START_TEST(intact_until_the_pipe_has_more)
{
	struct slots s = slots_new(1);
	struct slot *slot = slots_get(&s, 0);

	atomic_store(&slot->committed, 1000);
	for (uint64_t flushed = 0; flushed <= 100; flushed++) {
		atomic_store(&slot->flushed, flushed);
		for (uint64_t position = 0; position <= 100; position++)
			ck_assert_int_eq(slot_intact(slot, position),
			    flushed <= position);
	}
	slots_unmap(&s);
}
END_TEST

/* ---- the payload arena ---- */

/* Makes a large output, which the caller takes. */
static bool places(struct outstream *g, size_t size)
{
	size_t room, length = frame_length(size);
	unsigned char *at = outstream_place_large(g, length, &room);

	if (at == NULL)
		return false;
	ck_assert_uint_ge(room, length);
	frame_head(at, FRAME_OUTPUT, size);
	ck_assert_int_eq(outstream_add(g, at, length), 0);
	atomic_store(&g->slot->released, g->told);
	return true;
}

START_TEST(an_output_that_does_not_fit_takes_no_room)
{
	struct slots s = slots_new(1);
	struct outstream g;

	outstream_init(&g, slots_get(&s, 0), &s, -1);
	ck_assert(places(&g, 100000));
	atomic_store(&g.slot->released, 0);
	ck_assert(!places(&g, s.payload - 50000));
	atomic_store(&g.slot->released, g.told);
	for (int i = 0; i < 100; i++)
		ck_assert(places(&g, 1000000));
	slots_unmap(&s);
}
END_TEST

/* Makes an output that is announced, but not yet received by the caller.  Sets
   *at to its position. */
static bool tells(struct outstream *g, size_t size, uint64_t *at)
{
	uint64_t released = atomic_load(&g->slot->released);
	bool placed = places(g, size);

	atomic_store(&g->slot->released, released);
	*at = g->told - slot_room(size);
	return placed;
}

START_TEST(an_empty_payload_area_begins_again)
{
	struct slots s = slots_new(1);
	struct outstream g;
	uint64_t at;

	outstream_init(&g, slots_get(&s, 0), &s, -1);
	for (int i = 0; i < 100; i++) {
		ck_assert(tells(&g, 20000, &at));
		ck_assert_uint_eq(at % s.payload, 0);
		atomic_store(&g.slot->released, g.told);
	}
	slots_unmap(&s);
}
END_TEST

START_TEST(what_was_left_out_is_not_used)
{
	struct slots s = slots_new(1);
	struct outstream g;
	size_t size = s.payload / 4 * 3 - 100, rest = s.payload / 4 - 8192;
	uint64_t at;

	outstream_init(&g, slots_get(&s, 0), &s, -1);
	for (int i = 0; i < 100; i++) {
		ck_assert(tells(&g, size, &at));
		ck_assert_uint_eq(at % s.payload, 0);
		/* The caller does not know yet where that output begins. */
		ck_assert(tells(&g, rest, &at));
		ck_assert(!tells(&g, rest, &at));
		atomic_store(&g.slot->released, g.told);
	}
	slots_unmap(&s);
}
END_TEST

/* The next worker in the slot does not overwrite outputs that are still
   read. */
START_TEST(a_new_stage_begins_behind_what_is_held)
{
	struct slots s = slots_new(1);
	struct slot *slot = slots_get(&s, 0);
	uint64_t at, first;
	struct outstream g;

	outstream_init(&g, slot, &s, -1);
	ck_assert(tells(&g, s.payload / 2, &first));
	atomic_store(&slot->released, g.told);
	ck_assert(tells(&g, s.payload / 4, &first));
	ck_assert(tells(&g, s.payload / 4, &at));
	slot_reset(slot);
	slot_hold(slot, first, g.told);
	outstream_init(&g, slot, &s, -1);
	ck_assert(!tells(&g, s.payload / 4 * 3, &at));
	ck_assert(tells(&g, s.payload / 4, &at));
	ck_assert_uint_ge(at, first + 2 * (s.payload / 4));
	slots_unmap(&s);
}
END_TEST

/* The place of a frame in the ring is forgotten where a frame is copied there:
   a link only copies, and a place that moved on could become a frame of its
   own. */
START_TEST(a_copy_has_no_place)
{
	enum { FRAMES = 6, LENGTH = 32 };
	struct slots s = slots_new(1);
	_Alignas(16) unsigned char frame[LENGTH], all[FRAMES * LENGTH];
	struct outstream g;
	size_t room;

	outstream_init(&g, slots_get(&s, 0), &s, -1);
	for (int i = 0; i < FRAMES; i++) {
		unsigned char *at = i % 3 == 2 ? outstream_place(&g, &room) :
		    frame;

		memset(at, i + 1, LENGTH);
		ck_assert_int_eq(outstream_add(&g, at, LENGTH), 0);
		ck_assert((g.place == NULL) == (at == frame));
	}
	ck_assert_int_eq(slot_ahead(g.slot, 0), sizeof all);
	slot_copy_out(g.slot, 0, all, sizeof all);
	for (size_t i = 0; i < sizeof all; i++)
		ck_assert_uint_eq(all[i], i / LENGTH + 1);
	slots_unmap(&s);
}
END_TEST

/* ---- leases without concurrency ---- */

START_TEST(takes_each_item_up_to_the_limit)
{
	struct slots s = slots_new(1);
	struct slot *slot = slots_get(&s, 0);
	uint32_t limit, next;

	for (uint32_t ordinal = 0; ordinal < 200000; ordinal += 997) {
		slot_lease(slot, ordinal, 3, 10);
		for (uint32_t i = 3; i < 10; i++) {
			ck_assert_int_eq(slot_next(slot, ordinal, 10, &next),
			    0);
			ck_assert_uint_eq(next, i);
			ck_assert_uint_eq(slot_take(slot, ordinal, 1, &limit),
			    i);
			ck_assert_uint_eq(limit, 10);
		}
		ck_assert_uint_ge(slot_take(slot, ordinal, 1, &limit), 10);
		ck_assert_uint_eq(limit, 10);
		/* Taking an item beyond the limit is legal, and is not
		   reported. */
		ck_assert_int_eq(slot_next(slot, ordinal, 10, &next), 0);
		ck_assert_uint_eq(next, 10);
	}
	slots_unmap(&s);
}
END_TEST

START_TEST(leases_do_not_meddle)
{
	struct slots s = slots_new(1);
	struct slot *slot = slots_get(&s, 0);
	uint32_t limit, next;

	for (uint32_t i = 0; i < SLOT_LEASES; i++)
		slot_lease(slot, 1000 + i, i, 100 + i);
	for (uint32_t i = 0; i < SLOT_LEASES; i += 2)
		slot_take(slot, 1000 + i, 1, &limit);
	for (uint32_t i = 0; i < SLOT_LEASES; i++) {
		ck_assert_int_eq(slot_next(slot, 1000 + i, 100 + i, &next),
		    0);
		ck_assert_uint_eq(next, i + (i % 2 == 0));
	}
	slots_unmap(&s);
}
END_TEST

START_TEST(takes_several_at_once)
{
	struct slots s = slots_new(1);
	struct slot *slot = slots_get(&s, 0);
	uint32_t limit = 20, next, seen;

	slot_lease(slot, 7, 0, 20);
	ck_assert_uint_eq(slot_take(slot, 7, 8, &seen), 0);
	ck_assert_int_eq(slot_lower(slot, 7, 0, &limit), 0);
	ck_assert_uint_eq(limit, 8);
	ck_assert_uint_eq(slot_take(slot, 7, SLOT_STRIDE, &seen), 8);
	ck_assert_uint_eq(seen, 8);
	ck_assert_int_eq(slot_next(slot, 7, 8, &next), 0);
	ck_assert_uint_eq(next, 8);
	slots_unmap(&s);
}
END_TEST

START_TEST(gives_back_what_has_not_begun)
{
	struct slots s = slots_new(1);
	struct slot *slot = slots_get(&s, 0);
	uint32_t limit = 20, next, seen;

	slot_lease(slot, 7, 0, 20);
	ck_assert_uint_eq(slot_take(slot, 7, 8, &seen), 0);
	slot_begin(slot, 7, 3);
	slot_give_back(slot, 7, 3);
	ck_assert_int_eq(slot_next(slot, 7, 20, &next), 0);
	ck_assert_uint_eq(next, 3);
	ck_assert_uint_eq(slot_take(slot, 7, 1, &seen), 3);
	ck_assert_uint_eq(seen, 20);
	ck_assert_int_eq(slot_lower(slot, 7, 0, &limit), 0);
	ck_assert_uint_eq(limit, 4);
	/* The limit stays as the caller has set it. */
	slot_give_back(slot, 7, 3);
	ck_assert_uint_eq(slot_take(slot, 7, 8, &seen), 3);
	ck_assert_uint_eq(seen, 4);
	slots_unmap(&s);
}
END_TEST

/* Returns the number that slot_begun() sets for chunk 7, of which items 3 to 9
   are leased and 5 are taken, if the word "begun" has these values; or
   -EPROTO. */
static int begun_of(uint32_t ordinal, uint32_t number)
{
	struct slots s = slots_new(1);
	struct slot *slot = slots_get(&s, 0);
	uint32_t limit, next = 1000;
	int r;

	slot_lease(slot, 7, 3, 10);
	slot_take(slot, 7, 5, &limit);
	slot_begin(slot, ordinal, number);
	r = slot_begun(slot, 7, 10, &next);
	ck_assert((r == 0 && next <= 10) || (r == -EPROTO && next == 1000));
	slots_unmap(&s);
	return r == 0 ? (int)next : r;
}

START_TEST(tells_how_far_the_worker_is)
{
	ck_assert_int_eq(begun_of(7, 4), 4);
	ck_assert_int_eq(begun_of(7, 8), 8);
	ck_assert_int_eq(begun_of(7, 3), 3);
	ck_assert_int_eq(begun_of(7, 9), -EPROTO);
	/* Words about chunks before that chunk, and behind it. */
	ck_assert_int_eq(begun_of(6, 5), 0);
	ck_assert_int_eq(begun_of(0xffff, 5), 0);
	ck_assert_int_eq(begun_of(8, 1), 8);
	ck_assert_int_eq(begun_of(70, 0), 8);
}
END_TEST

START_TEST(ordinals_that_wrap_around_are_in_order)
{
	struct slots s = slots_new(1);
	struct slot *slot = slots_get(&s, 0);
	uint32_t limit, next;

	slot_lease(slot, 0xffff, 0, 4);
	slot_lease(slot, 0x10000, 0, 4);
	slot_take(slot, 0xffff, 4, &limit);
	slot_begin(slot, 0xffff, 2);
	ck_assert_int_eq(slot_begun(slot, 0xffff, 4, &next), 0);
	ck_assert_uint_eq(next, 2);
	ck_assert_int_eq(slot_begun(slot, 0x10000, 4, &next), 0);
	ck_assert_uint_eq(next, 0);
	slot_take(slot, 0x10000, 2, &limit);
	slot_begin(slot, 0x10000, 1);
	ck_assert_int_eq(slot_begun(slot, 0xffff, 4, &next), 0);
	ck_assert_uint_eq(next, 4);
	ck_assert_int_eq(slot_begun(slot, 0x10000, 4, &next), 0);
	ck_assert_uint_eq(next, 1);
	slots_unmap(&s);
}
END_TEST

/* Lowers a lease of 100 items, of which 30 are taken.  Returns the limit in
   force. */
static uint32_t lowered(uint32_t from, bool twice)
{
	struct slots s = slots_new(1);
	struct slot *slot = slots_get(&s, 0);
	uint32_t limit = 100, seen, next;

	slot_lease(slot, 5, 0, 100);
	for (int i = 0; i < 30; i++)
		slot_take(slot, 5, 1, &seen);
	ck_assert_int_eq(slot_lower(slot, 5, from, &limit), 0);
	if (twice)
		ck_assert_int_eq(slot_lower(slot, 5, 0, &limit), 0);
	ck_assert_int_eq(slot_next(slot, 5, limit, &next), 0);
	ck_assert_uint_eq(next, 30);
	for (uint32_t i = 30; i < limit; i++)
		ck_assert_uint_eq(slot_take(slot, 5, 1, &seen), i);
	ck_assert_uint_ge(slot_take(slot, 5, 1, &seen), limit);
	ck_assert_uint_eq(seen, limit);
	ck_assert_int_eq(slot_lower(slot, 5, 0, &seen), 0);
	ck_assert_uint_eq(seen, limit);
	slots_unmap(&s);
	return limit;
}

START_TEST(takes_back_what_has_not_begun)
{
	ck_assert_uint_eq(lowered(0, false), 30);
	ck_assert_uint_eq(lowered(29, false), 30);
	ck_assert_uint_eq(lowered(30, false), 30);
	ck_assert_uint_eq(lowered(31, false), 31);
	ck_assert_uint_eq(lowered(60, false), 60);
	ck_assert_uint_eq(lowered(60, true), 30);
	ck_assert_uint_eq(lowered(99, false), 99);
	ck_assert_uint_eq(lowered(100, false), 100);
	ck_assert_uint_eq(lowered(101, false), 100);
	ck_assert_uint_eq(lowered(UINT32_MAX, false), 100);
}
END_TEST

/* Does the caller accept this lease word for chunk 5, up to 100? */
static bool believed(uint64_t generation, uint64_t limit, uint64_t next)
{
	struct slots s = slots_new(1);
	struct slot *slot = slots_get(&s, 0);
	uint64_t word = generation << 48 | limit << 24 | next;
	uint32_t known = 100, number = 7;
	int lower, peek;

	atomic_store(&slot->lease[5], word);
	peek = slot_next(slot, 5, 100, &number);
	ck_assert(peek == 0 || (peek == -EPROTO && number == 7));
	ck_assert(peek != 0 || number <= 100);
	ck_assert_uint_eq(atomic_load(&slot->lease[5]), word);
	lower = slot_lower(slot, 5, 50, &known);
	ck_assert_int_eq(lower, peek);
	ck_assert(lower == 0 ? known <= 100 : known == 100);
	ck_assert(lower == 0 || atomic_load(&slot->lease[5]) == word);
	slots_unmap(&s);
	return lower == 0;
}

START_TEST(a_word_that_lies_is_not_believed)
{
	const uint64_t most = ((uint64_t)1 << 24) - 1;

	ck_assert(believed(5, 100, 0));
	ck_assert(believed(5, 100, 100));
	ck_assert(believed(5, 100, 100 + 2 * SLOT_STRIDE_MANY));
	ck_assert(!believed(5, 100, 101 + 2 * SLOT_STRIDE_MANY));
	ck_assert(!believed(5, 100, most));
	ck_assert(!believed(5, 101, 0));
	ck_assert(!believed(5, 99, 0));
	ck_assert(!believed(5, 0, 0));
	ck_assert(!believed(5, most, 0));
	ck_assert(!believed(4, 100, 0));
	ck_assert(!believed(5 + SLOT_LEASES, 100, 0));
	ck_assert(!believed(0xffff, most, most));
	ck_assert(!believed(0, 0, 0));
}
END_TEST

/* ---- leases, while the worker takes items ---- */

#define ITEMS 1000
#define CHUNKS 100
#define ROUNDS 10

/* Shared memory of both processes. */
struct race {
	atomic_uint given;	/* chunks leased so far */
	atomic_uint done;	/* chunks finished */
	atomic_uint begun;	/* items taken of the present chunk */
	unsigned char taken[ITEMS];
};

/* Waits for a value; exits if the other process is gone. */
static void wait_until(const atomic_uint *at, unsigned value, pid_t parent)
{
	while (atomic_load(at) < value) {
		if (parent != 0 && getppid() != parent)
			_exit(1);
		sched_yield();
	}
}

/* The worker: takes its items, with pauses of many lengths. */
static void take_all(struct race *r, struct slot *slot, pid_t parent)
{
	uint64_t state = SEED;

	for (unsigned chunk = 0; chunk < CHUNKS; chunk++) {
		uint32_t limit, item;

		wait_until(&r->given, chunk + 1, parent);
		do {
			uint32_t n = 1 + (uint32_t)rnd(&state) % SLOT_STRIDE;

			item = slot_take(slot, chunk, n, &limit);
			for (; n > 0 && item < limit; n--, item++) {
				slot_begin(slot, chunk, item + 1);
				r->taken[item]++;
				atomic_fetch_add(&r->begun, 1);
			}
			if (rnd(&state) % 64 == 0)
				sched_yield();
		} while (item < limit);
		atomic_store(&r->done, chunk + 1);
	}
	_exit(0);
}

/* The caller: once the worker has taken enough, lowers the limit from the end
   in steps.  Returns the limit that holds in the end. */
static uint32_t lower_some(struct race *r, struct slot *slot, unsigned chunk,
    uint64_t *state)
{
	unsigned start = (unsigned)(rnd(state) % ITEMS);
	uint32_t step = 1 + (uint32_t)(rnd(state) % 8);
	uint32_t limit = ITEMS, next;

	while (atomic_load(&r->begun) < start &&
	    atomic_load(&r->done) <= chunk)
		sched_yield();
	while (atomic_load(&r->done) <= chunk) {
		uint32_t before = limit;

		ck_assert_int_eq(slot_lower(slot, chunk,
		    limit > step ? limit - step : 0, &limit), 0);
		ck_assert_uint_le(limit, before);
		ck_assert_int_eq(slot_begun(slot, chunk, limit, &next), 0);
		ck_assert_uint_le(next, limit);
	}
	return limit;
}

/* Each item below the limit was taken once, and none beyond. */
static void one_chunk(struct race *r, struct slot *slot, unsigned chunk,
    uint64_t *state)
{
	uint32_t limit, next;
	size_t wrong = 0;

	memset(r->taken, 0, sizeof r->taken);
	atomic_store(&r->begun, 0);
	slot_lease(slot, chunk, 0, ITEMS);
	atomic_store(&r->given, chunk + 1);
	limit = lower_some(r, slot, chunk, state);
	wait_until(&r->done, chunk + 1, 0);
	for (size_t i = 0; i < ITEMS; i++)
		wrong += r->taken[i] != (i < limit);
	ck_assert_msg(wrong == 0, "chunk %u, limit %u: %zu items are wrong",
	    chunk, limit, wrong);
	ck_assert_uint_eq(atomic_load(&r->begun), limit);
	ck_assert_int_eq(slot_next(slot, chunk, limit, &next), 0);
	ck_assert_uint_eq(next, limit);
	ck_assert_int_eq(slot_begun(slot, chunk, limit, &next), 0);
	ck_assert_uint_eq(next, limit);
}

static void one_round(uint64_t *state)
{
	struct slots s = slots_new(1);
	struct race *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t parent = getpid(), pid;
	int status;

	ck_assert_ptr_ne(r, MAP_FAILED);
	fflush(NULL);
	pid = new_process();
	if (pid == 0)
		take_all(r, slots_get(&s, 0), parent);
	for (unsigned chunk = 0; chunk < CHUNKS; chunk++)
		one_chunk(r, slots_get(&s, 0), chunk, state);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	munmap(r, sizeof *r);
	slots_unmap(&s);
}

START_TEST(taken_or_taken_back_never_both)
{
	uint64_t state = SEED + sample_seed();
	int rounds = sample_size(ROUNDS, 3);

	printf("test_slot: seed %" PRIu64 "\n", state);
	for (int round = 0; round < rounds; round++)
		one_round(&state);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		slots_lie_apart, a_reset_slot_knows_nothing,
		notes_are_those_written_last,
		a_worker_keeps_its_own_to_itself, later_children_get_none,
		a_fork_server_keeps_one_pools,
		what_was_given_back_is_not_dropped, a_view_ends_at_the_gap,
		ahead_is_what_only_the_ring_has,
		hostile_words_give_no_more_than_a_ring,
		intact_until_the_pipe_has_more,
		an_output_that_does_not_fit_takes_no_room,
		an_empty_payload_area_begins_again,
		what_was_left_out_is_not_used,
		a_new_stage_begins_behind_what_is_held, a_copy_has_no_place,
		takes_each_item_up_to_the_limit, leases_do_not_meddle,
		takes_several_at_once,
		gives_back_what_has_not_begun, tells_how_far_the_worker_is,
		ordinals_that_wrap_around_are_in_order,
		takes_back_what_has_not_begun,
		a_word_that_lies_is_not_believed,
		taken_or_taken_back_never_both };
	const TTest *const drawn[] = {
		bytes_come_out_as_they_went_in };

	return run_sampled_tests("slot", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
