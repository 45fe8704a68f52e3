/* slot.c - see slot.h: a worker's shared memory. */
#include "config.h"

#include "shm/slot.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/base.h"

#define BITS 24
#define FIELD (((uint64_t)1 << BITS) - 1)

_Static_assert(sizeof(struct slot) <= SLOT_CONTROL, "the ring lies behind it");

void slot_reset(struct slot *s)
{
	atomic_store(&s->committed, 0);
	atomic_store(&s->flushed, 0);
	atomic_store(&s->intended, 0);
	atomic_store(&s->wanted, 0);
	atomic_store(&s->begun, 0);
	atomic_store(&s->done, 0);
	atomic_store(&s->started_at, 0);
	atomic_store(&s->started_cpu, 0);
	atomic_store(&s->tail_from, 0);
	atomic_store(&s->leg_at, 0);
	atomic_store(&s->bytes_out, 0);
	atomic_store(&s->bytes_in, 0);
	atomic_store(&s->round_trip, 0);
	atomic_store(&s->crash_size, 0);
	atomic_store(&s->exit_hidden, 0);
	for (size_t i = 0; i < SLOT_LEASES; i++)
		atomic_store(&s->lease[i], 0);
}

void slot_hold(struct slot *s, uint64_t from, uint64_t to)
{
	atomic_store_explicit(&s->next, to, memory_order_relaxed);
	atomic_store_explicit(&s->released, from, memory_order_release);
}

unsigned char *slot_array(const struct slot *s, const struct frame_chunk *c)
{
	const size_t room = SLOT_ARRAYS - FRAME_HEAD;

	if (c->element > SLOT_ELEMENT_MOST ||
	    c->step != slot_step(c->element) || c->count > room / c->step ||
	    c->outputs > room - (size_t)c->count * c->step)
		return NULL;
	return slot_arrays(s) + c->outputs + FRAME_HEAD;
}

/* ---- the ring ---- */

void slot_copy_out(const struct slot *s, uint64_t position, void *to,
    size_t size)
{
	unsigned char *out = to;

	while (size > 0) {
		size_t n;
		const unsigned char *at = slot_view(s, position,
		    position + size, &n);

		memcpy(out, at, n);
		out += n;
		position += n;
		size -= n;
	}
}

void slot_copy_in(struct slot *s, uint64_t position, const void *from,
    size_t size)
{
	const unsigned char *in = from;

	assert(size <= SLOT_RING);
	while (size > 0) {
		size_t n;
		unsigned char *at = slot_view(s, position, position + size,
		    &n);

		memcpy(at, in, n);
		in += n;
		position += n;
		size -= n;
	}
}

/* Loads committed first: a later value of flushed only makes the result 0. */
int64_t slot_ahead(const struct slot *s, uint64_t position)
{
	uint64_t committed = atomic_load(&s->committed);
	uint64_t flushed = atomic_load(&s->flushed);

	if (committed <= position || flushed > position)
		return 0;
	if (committed - position > SLOT_RING)
		return -EPROTO;
	return (int64_t)(committed - position);
}

bool slot_meant(const struct slot *s, uint64_t position)
{
	return position <= atomic_load(&s->intended);
}

bool slot_is_read(const struct slot *s, uint64_t position)
{
	return atomic_load(&s->committed) <= position;
}

bool slot_allows(const struct slot *s, uint64_t begin, size_t length)
{
	uint64_t committed = atomic_load(&s->committed);

	return committed >= begin + length ||
	    (length > SLOT_RING && committed == begin);
}

/* The worker moves "flushed" before it overwrites the bytes below it. */
bool slot_intact(const struct slot *s, uint64_t position)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load(&s->flushed) <= position;
}

void slot_live(struct slot *s)
{
	atomic_fetch_add_explicit(&s->alive, 1, memory_order_relaxed);
}

/* ---- begun items and crashes ---- */

void slot_note(struct slot *s, uint64_t started_at, uint64_t started_cpu,
    uint64_t tail_from)
{
	atomic_store_explicit(&s->started_at, started_at,
	    memory_order_relaxed);
	atomic_store_explicit(&s->started_cpu, started_cpu,
	    memory_order_relaxed);
	atomic_store_explicit(&s->tail_from, tail_from, memory_order_relaxed);
}

void slot_note_leg(struct slot *s, uint64_t leg_at)
{
	atomic_store_explicit(&s->leg_at, leg_at, memory_order_relaxed);
}

struct slot_note slot_noted(const struct slot *s)
{
	return (struct slot_note){
		.leg_at = atomic_load(&s->leg_at),
		.started_at = atomic_load(&s->started_at),
		.started_cpu = atomic_load(&s->started_cpu),
		.tail_from = atomic_load(&s->tail_from),
	};
}

void slot_tell_crash(struct slot *s, const char *text, size_t size)
{
	uint64_t have = atomic_load(&s->crash_size);

	if (have > SLOT_CRASH)
		return;
	size = MIN(size, SLOT_CRASH - (size_t)have);
	memcpy(s->crash + have, text, size);
	atomic_store(&s->crash_size, have + size);
}

void slot_hide_exit(struct slot *s)
{
	atomic_store(&s->exit_hidden, 1);
}

bool slot_exit_is_hidden(const struct slot *s)
{
	return atomic_load(&s->exit_hidden) != 0;
}

size_t slot_crash_size(const struct slot *s)
{
	uint64_t size = atomic_load(&s->crash_size);

	return (size_t)MIN(size, SLOT_CRASH);
}

void slot_crash(const struct slot *s, char *to, size_t size)
{
	memcpy(to, s->crash, size);
	for (size_t i = 0; i < size; i++)
		if ((to[i] < ' ' && to[i] != '\n') || to[i] > '~')
			to[i] = '?';
}

void slot_tell_traffic(struct slot *s, const struct slot_traffic *t)
{
	atomic_store_explicit(&s->bytes_out, t->bytes_out,
	    memory_order_relaxed);
	atomic_store_explicit(&s->bytes_in, t->bytes_in, memory_order_relaxed);
	atomic_store_explicit(&s->round_trip, t->round_trip,
	    memory_order_relaxed);
}

struct slot_traffic slot_traffic(const struct slot *s)
{
	return (struct slot_traffic){
		.bytes_out = atomic_load(&s->bytes_out),
		.bytes_in = atomic_load(&s->bytes_in),
		.round_trip = atomic_load(&s->round_trip),
	};
}

/* ---- leases ---- */

static uint64_t word(uint32_t ordinal, uint32_t limit, uint32_t next)
{
	return (uint64_t)(uint16_t)ordinal << (2 * BITS) |
	    (uint64_t)limit << BITS | next;
}

static _Atomic uint64_t *lease_of(const struct slot *s, uint32_t ordinal)
{
	return (_Atomic uint64_t *)&s->lease[ordinal % SLOT_LEASES];
}

/* Does the lease word still match the caller's copy?  "next" may pass the limit
   by a stride. */
static bool sane(uint64_t w, uint32_t ordinal, uint32_t limit)
{
	return (uint16_t)(w >> (2 * BITS)) == (uint16_t)ordinal &&
	    (uint32_t)(w >> BITS & FIELD) == limit &&
	    (w & FIELD) <= limit + (uint64_t)2 * SLOT_STRIDE_MANY;
}

void slot_lease(struct slot *s, uint32_t ordinal, uint32_t first,
    uint32_t limit)
{
	atomic_store(lease_of(s, ordinal), word(ordinal, limit, first));
}

uint32_t slot_take(struct slot *s, uint32_t ordinal, uint32_t items,
    uint32_t *limit)
{
	uint64_t w = atomic_fetch_add(lease_of(s, ordinal), items);

	*limit = (uint32_t)(w >> BITS & FIELD);
	return (uint32_t)(w & FIELD);
}

/* The caller may lower the limit meanwhile. */
void slot_give_back(struct slot *s, uint32_t ordinal, uint32_t next)
{
	_Atomic uint64_t *lease = lease_of(s, ordinal);
	uint64_t w = atomic_load(lease);

	while (!atomic_compare_exchange_weak(lease, &w,
	    (w & ~(uint64_t)FIELD) | next))
		continue;
}

int slot_lower(struct slot *s, uint32_t ordinal, uint32_t from,
    uint32_t *limit)
{
	_Atomic uint64_t *lease = lease_of(s, ordinal);
	uint64_t w = atomic_load(lease);
	uint32_t next, lower;

	do {
		if (!sane(w, ordinal, *limit))
			return -EPROTO;
		next = (uint32_t)(w & FIELD);
		lower = MIN(MAX(next, from), *limit);
	} while (!atomic_compare_exchange_weak(lease, &w,
	    word(ordinal, lower, next)));
	*limit = lower;
	return 0;
}

int slot_next(const struct slot *s, uint32_t ordinal, uint32_t limit,
    uint32_t *next)
{
	uint64_t w = atomic_load(lease_of(s, ordinal));

	if (!sane(w, ordinal, limit))
		return -EPROTO;
	*next = (uint32_t)MIN(w & FIELD, (uint64_t)limit);
	return 0;
}

/* Loads "begun" first: the items it counts were taken before. */
int slot_begun(const struct slot *s, uint32_t ordinal, uint32_t limit,
    uint32_t *next)
{
	uint64_t w = atomic_load(&s->begun);
	int16_t ahead = (int16_t)((uint16_t)(w >> (2 * BITS)) - ordinal);
	uint32_t number = (uint32_t)MIN(w & FIELD, (uint64_t)limit), taken;
	int r = slot_next(s, ordinal, limit, &taken);

	if (r == 0 && ahead == 0 && number > taken)
		r = -EPROTO;
	if (r == 0 && ahead == 0)
		*next = number;
	else if (r == 0)
		*next = ahead > 0 ? taken : 0;
	return r;
}

/* Loads "begun" first: by the first item begun, "done" is about this chunk. */
uint32_t slot_done(const struct slot *s, uint32_t ordinal, uint32_t limit,
    bool together)
{
	uint64_t begun = atomic_load(&s->begun), done = atomic_load(&s->done);
	uint64_t last = 0;

	if ((uint16_t)(begun >> (2 * BITS)) != (uint16_t)ordinal)
		return 0;
	if ((uint16_t)(done >> (2 * BITS)) == (uint16_t)ordinal)
		last = done & FIELD;
	/* The item begun last may not be done, but all items before it are,
	   unless they began with it. */
	if (!together)
		last = MAX(last, MAX(begun & FIELD, 1) - 1);
	return (uint32_t)MIN(last, (uint64_t)limit);
}
