/*
 * chunk.h - inputs of one source, packed together as the frames to send.
 *
 * Runs in: caller.  Pure.  A chunk's bytes are written once, while it is
 * filled, and never move afterwards: they are what is sent, what is sent
 * again when a worker dies, and what is handed back with the results.  Spans
 * (span.h) refer to parts of it; the last one to go frees it.
 *
 * Easy to get wrong: offsets point at ITEM frames, not at inputs.
 */
#ifndef CHUNK_H
#define CHUNK_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "frame.h"

/* What an item costs beside its bytes, in the bound on bytes. */
#define CHUNK_ITEM_CHARGE 64

/* The most items that a worker takes at once. */
#define CHUNK_STRIDE 16

/* The most items in a chunk: what a lease word can count, with those that are
   taken beyond the last. */
#define CHUNK_ITEMS_MOST ((1u << 24) - 2 * CHUNK_STRIDE)

struct chunk {
	size_t refs;
	uint64_t index;		/* of the first item in its source */
	uint64_t seq;		/* of the first item among all read */
	void *tag;		/* the source's */
	uint32_t count;		/* items in it */
	uint32_t untaken;	/* of them, not yet handed to the caller */
	size_t each;		/* bytes of every frame; 0: they differ */
	struct buf items;	/* ITEM frames from FRAME_START on */
};

/* An empty one with one reference, or NULL. */
struct chunk *chunk_new(uint64_t index, uint64_t seq, void *tag);

/* So many bytes of frames are expected: room for them, if there is memory. */
void chunk_expect(struct chunk *, size_t bytes);

/* Takes another reference, gives one back (NULL is fine). */
struct chunk *chunk_hold(struct chunk *);
void chunk_drop(struct chunk *);

/* Appends an input, where there are fewer than CHUNK_ITEMS_MOST: 0, -ENOMEM
   with nothing changed.  Inline, as it is done for each item. */
static inline int chunk_pack(struct chunk *c, const void *input, size_t size)
{
	size_t length = frame_length(size);
	size_t start = c->count == 0 ? FRAME_START : 0;

	if (buf_reserve(&c->items, start + length) < 0)
		return -ENOMEM;
	c->items.len += start;
	frame_write(c->items.data + c->items.len, FRAME_ITEM, input, size);
	c->items.len += length;
	c->items.data[c->items.len] = 0;
	c->each = c->count == 0 || c->each == length ? length : 0;
	c->count++;
	c->untaken++;
	return 0;
}

/* The input whose frame lies at an offset; returns the next offset. */
size_t chunk_unpack(const struct chunk *, size_t at, const void **input,
    size_t *size);

/* The offset so many items after the one at an offset. */
size_t chunk_skip(const struct chunk *, size_t at, uint32_t items);

/* What it counts for in the bound on bytes. */
static inline size_t chunk_charge(const struct chunk *c)
{
	return c->items.len + (size_t)c->count * CHUNK_ITEM_CHARGE;
}

#endif
