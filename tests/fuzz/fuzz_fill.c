/* fuzz_fill.c - see fuzz_fill.h: chunks of an inherited array. */
#include "config.h"

#include "fuzz_fill.h"

#include <string.h>

#include "base/base.h"
#include "items/chunk.h"

#define ITEMS_MOST 8192
#define INPUT_LARGEST 2000
/* Bounds of the items in a chunk, and of the index of the first. */
#define COUNT_MOST 16
#define STARTS 8
/* Least number of zero bytes between two places. */
#define GUARD 64

static unsigned char inputs[(COUNT_MOST + STARTS) * INPUT_LARGEST];
static struct fill_item items[ITEMS_MOST];
static size_t nitems;

static const struct slots *all;
static unsigned char *outputs;
static size_t element, in_size;
static size_t used;		/* offset in the payload half for outputs */
static size_t last;		/* a place that ends at the end of the half
				   begins there */
static struct { size_t from, to; } taken[ITEMS_MOST];
static size_t ntaken;

void fill_begin(const struct slots *its_slots, struct slot *slot,
    size_t its_element, unsigned how)
{
	static const size_t sizes[] = { 8, 0, 24, INPUT_LARGEST };

	all = its_slots;
	outputs = slot_outputs(slot);
	element = its_element;
	in_size = sizes[how % COUNTOF(sizes)];
	nitems = ntaken = used = 0;
	last = its_slots->payload;
	memset(inputs, 0x44, sizeof inputs);
}

static uint64_t take(size_t from, size_t size)
{
	taken[ntaken].from = from;
	taken[ntaken++].to = from + size;
	return from;
}

/* Chooses a place for the outputs, or none. */
static uint64_t place(size_t size, unsigned how)
{
	size_t from = (used + 63) / 64 * 64 + (how & 4 ? how >> 3 : 0);

	if (from + size + GUARD > last || ntaken == ITEMS_MOST)
		return FRAME_NOWHERE;
	if ((how & 7) == 7 && last == all->payload) {
		last -= size + GUARD;
		return take(last + GUARD, size);
	}
	used = from + size + GUARD;
	return take(from, size);
}

/* An invalid place: beyond the end of the half, or of all memory. */
static uint64_t misplace(size_t size, unsigned how)
{
	if (how & 1)
		return FRAME_NOWHERE - 1 - how;
	return all->payload - MIN(size, all->payload) + 1 + how;
}

static void remember(const struct frame_chunk *c, bool refused)
{
	const unsigned char *at = c->where == CHUNK_INHERITED ?
	    (void *)(uintptr_t)c->at : NULL;
	bool placed = c->outputs != FRAME_NOWHERE && !refused;

	for (uint32_t i = 0; i < c->count && nitems < ITEMS_MOST; i++)
		items[nitems++] = (struct fill_item){
			.input = at ? at + i * c->size : NULL,
			.size = c->size,
			.place = placed ? outputs + c->outputs + FRAME_HEAD +
			    i * element : NULL,
			.refused = refused,
			.strides = i % c->stride == 0,
			.ordinal = c->ordinal,
			.number = c->first + i,
		};
}

void fill_chunk(struct frame_chunk *c, unsigned how)
{
	size_t size = FRAME_HEAD + c->count * element;
	bool refused = (how & 0xe0) == 0xe0;

	if (how & 3) {
		c->where = CHUNK_INHERITED;
		c->at = (uintptr_t)inputs + how / 4 % STARTS * in_size;
		c->size = in_size;
	}
	if (refused && (element == 0 || (how & 3) == 0))
		c->outputs = 0;
	else if (refused)
		c->outputs = misplace(size, how);
	else if (element > 0 && (how & 3) > 1)
		c->outputs = place(size, how / 4);
	remember(c, refused);
}

const struct fill_item *fill_item(uint64_t index)
{
	return index < nitems ? &items[index] : NULL;
}

static bool is_clean(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (outputs[i] != 0)
			return false;
	return true;
}

/* Checks the gaps before each place, with the room of its head, and behind
   it. */
bool fill_is_clean(void)
{
	bool clean = true;

	for (size_t i = 0; i < ntaken; i++) {
		size_t from = taken[i].from, to = taken[i].to;

		clean &= is_clean(from > GUARD ? from - GUARD : 0,
		    from + FRAME_HEAD);
		clean &= is_clean(to, MIN(to + GUARD, all->payload));
	}
	return clean;
}
