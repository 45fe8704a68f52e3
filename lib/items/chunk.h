/*
 * chunk.h - inputs of one source, packed together as the frames to send.
 *
 * Runs in: caller.  Pure.  A chunk's bytes are written once, while it is
 * filled, and never move afterwards: they are what is sent, what is sent
 * again when a worker dies, and what is handed back with the results.  Spans
 * (span.h) refer to parts of it; the last one to go frees it.  Items of an
 * array that workers inherited are not packed at all: only where they are is
 * sent.
 *
 * Easy to get wrong: offsets point at ITEM frames, not at inputs, unless the
 * items are inherited; of a chunk in shared pages they are numbers of items,
 * for nothing that lies in those pages tells the caller where an item is.
 */
#ifndef CHUNK_H
#define CHUNK_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "shm/arena.h"
#include "shm/slot.h"
#include "wire/frame.h"

struct freelist;

/* What an item costs beside its bytes, in the bound on bytes. */
#define CHUNK_ITEM_CHARGE 64

/* The most items in a chunk: what a lease word can count, with those that are
   taken beyond the last. */
#define CHUNK_ITEMS_MOST ((1u << 24) - 2 * SLOT_STRIDE)

/* Where the items of a chunk are. */
enum chunk_where {
	CHUNK_PACKED,		/* here, as ITEM frames from FRAME_START on */
	CHUNK_INHERITED,	/* in an array that the workers have too */
	CHUNK_PLACED		/* as PACKED, in a worker's payload area */
};

/* PLACED: the caller's own copy of an item's head, and where its frame lies. */
struct chunk_head {
	unsigned char head[FRAME_HEAD];
	size_t at;
};

struct chunk {
	size_t refs;
	struct freelist *freelist;	/* its spans' too; or NULL */
	enum chunk_where where;
	uint64_t index;		/* of the first item in its source */
	uint64_t seq;		/* of the first item among all read */
	void *tag;		/* the source's */
	bool given_up;		/* it is, too: nothing of it is to begin */
	uint32_t count;		/* items in it */
	uint32_t untaken;	/* of them, not yet handed to the caller */
	size_t each;		/* bytes from one item to the next; 0: they
				   differ, or have none */
	const unsigned char *array; /* INHERITED: its first item */
	struct region *region;	/* PLACED: where; owned */
	struct buf items;	/* PACKED, PLACED */
	struct buf heads;	/* PLACED: a struct chunk_head an item */
};

/* An empty one with one reference, or NULL.  The freelist, which must outlive
   it, is where one is looked for and where it goes in the end; or NULL. */
struct chunk *chunk_new(struct freelist *, uint64_t index, uint64_t seq,
    void *tag);

/* So many bytes of frames are expected: room for them, if there is memory. */
void chunk_expect(struct chunk *, size_t bytes);

/* Takes another reference, gives one back (NULL is fine). */
struct chunk *chunk_hold(struct chunk *);
void chunk_drop(struct chunk *);

/* PLACED: room for the caller's copy of one more head: 0 or -ENOMEM; and the
   copy, of a frame at that offset. */
int chunk_expect_head(struct chunk *);
void chunk_keep_head(struct chunk *, size_t at, size_t size);

/* Appends an input, where there are fewer than CHUNK_ITEMS_MOST: 0, -ENOMEM
   with nothing changed.  Inline, as it is done for each item. */
static inline int chunk_pack(struct chunk *c, const void *input, size_t size)
{
	const uint32_t count = c->count;
	const size_t length = frame_length(size);
	const size_t at = c->items.len + (count == 0 ? FRAME_START : 0);

	if (buf_reserve(&c->items, at - c->items.len + length) < 0 ||
	    (c->where == CHUNK_PLACED && chunk_expect_head(c) < 0))
		return -ENOMEM;
	if (c->where == CHUNK_PLACED)
		chunk_keep_head(c, at, size);
	c->items.len = at + length;
	c->each = count == 0 || c->each == length ? length : 0;
	c->count = c->untaken = count + 1;
	frame_write(c->items.data + at, FRAME_ITEM, input, size);
	c->items.data[at + length] = 0;
	return 0;
}

/* Makes an empty one stand for those items of an array, which is not ours. */
void chunk_inherit(struct chunk *, const unsigned char *array,
    uint32_t count, size_t size);

/* Lets an empty one be packed in that region, which is its own from now on, and
   whose bytes are there. */
void chunk_place(struct chunk *, struct region *, unsigned char *at);

/* Is there room in its region for an input of that size?  If it has none, there
   always is. */
bool chunk_fits(const struct chunk *, size_t size);

/* The offset of its first item. */
static inline size_t chunk_begin(const struct chunk *c)
{
	return c->where == CHUNK_PACKED ? FRAME_START : 0;
}

/* PLACED: the head of an item. */
static inline const struct chunk_head *chunk_head(const struct chunk *c,
    size_t item)
{
	return (const struct chunk_head *)(void *)c->heads.data + item;
}

/* The input of that number in a PLACED chunk; returns the next number. */
size_t chunk_unpack_placed(const struct chunk *, size_t item,
    const void **input, size_t *size);

/* The input at an offset; returns the next offset.  Inline, as it is done for
   each item. */
static inline size_t chunk_unpack(const struct chunk *c, size_t at,
    const void **input, size_t *size)
{
	struct frame f;

	if (c->where == CHUNK_INHERITED) {
		*input = c->array + at;
		*size = c->each;
		return at + c->each;
	}
	if (c->where == CHUNK_PLACED)
		return chunk_unpack_placed(c, at, input, size);
	frame_look(c->items.data + at, &f);
	*input = f.body;
	*size = f.size;
	return at + f.length;
}

/* The offset so many items after the one at an offset. */
size_t chunk_skip(const struct chunk *, size_t at, uint32_t items);

/* Bytes of so many items from an offset on that must be sent. */
size_t chunk_bytes(const struct chunk *, size_t at, uint32_t items);

/* What it counts for in the bound on bytes. */
static inline size_t chunk_charge(const struct chunk *c)
{
	if (c->where == CHUNK_INHERITED)
		return CHUNK_ITEM_CHARGE;
	return c->items.len + (size_t)c->count * CHUNK_ITEM_CHARGE;
}

#endif
