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

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* What an item costs beside its bytes, in the bound on bytes. */
#define CHUNK_ITEM_CHARGE 64

/* The most items in a chunk: what a lease word can count. */
#define CHUNK_ITEMS_MOST ((1u << 24) - 2)

struct chunk {
	size_t refs;
	uint64_t index;		/* of the first item in its source */
	uint64_t seq;		/* of the first item among all read */
	void *tag;		/* the source's */
	uint32_t count;		/* items in it */
	uint32_t untaken;	/* of them, not yet handed to the caller */
	struct buf items;	/* ITEM frames from FRAME_START on */
};

/* An empty one with one reference, or NULL. */
struct chunk *chunk_new(uint64_t index, uint64_t seq, void *tag);

/* Takes another reference, gives one back (NULL is fine). */
struct chunk *chunk_hold(struct chunk *);
void chunk_drop(struct chunk *);

/* Appends an input: 0, -ENOMEM with nothing changed. */
int chunk_pack(struct chunk *, const void *input, size_t size);

/* The input whose frame lies at an offset; returns the next offset. */
size_t chunk_unpack(const struct chunk *, size_t at, const void **input,
    size_t *size);

/* The offset so many items after the one at an offset. */
size_t chunk_skip(const struct chunk *, size_t at, uint32_t items);

/* What it counts for in the bound on bytes. */
size_t chunk_charge(const struct chunk *);

#endif
