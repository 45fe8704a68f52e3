/*
 * chunk.h - inputs of one source, packed in a buffer as the frames to send.
 *
 * Runs in: caller.  Pure.  The buffer of a chunk is written once, while the
 * chunk is filled, and never moves afterwards: it is sent, sent again when a
 * worker dies, and its inputs are returned with the results.  Spans (span.h)
 * refer to parts of the chunk; dropping the last reference frees it.  Items of
 * an array that workers inherited are not packed: only their address is sent.
 *
 * Easy to get wrong: offsets point at ITEM frames, not at inputs, unless the
 * items are inherited.  In a chunk in shared memory they are item numbers: the
 * caller trusts no byte of those pages to find an item.
 */
#ifndef CHUNK_H
#define CHUNK_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "journal/digest.h"
#include "shm/arena.h"
#include "shm/slot.h"
#include "wire/frame.h"

struct freelist;

/* Bytes charged for an item beside its data, in the bound on bytes. */
#define CHUNK_ITEM_CHARGE 64

/* Upper bound on the items in a chunk: as many as a lease word can count, with
   those that workers take beyond the last. */
#define CHUNK_ITEMS_MOST ((1u << 24) - 2 * SLOT_STRIDE_MANY)

/* Where the items of a chunk lie. */
enum chunk_where {
	CHUNK_PACKED,		/* in its buffer, as ITEM frames */
	CHUNK_INHERITED,	/* in an array that the workers have too */
	CHUNK_PLACED		/* as PACKED, in a worker's payload area */
};

/* PLACED: the caller's own copy of an item's head, and the frame's offset. */
struct chunk_head {
	unsigned char head[FRAME_HEAD];
	size_t at;
};

struct chunk {
	size_t refs;
	struct freelist *freelist;	/* its spans' too; NULL: none */
	enum chunk_where where;
	uint64_t index;		/* of the first item in its source */
	uint64_t seq;		/* of the first item among all read */
	uint64_t skipped;	/* inputs read before it that are no items: the
				   journal has them */
	void *tag;		/* of the source, or of the first item */
	bool given_up;		/* the source is cancelled: begin no item */
	uint32_t count;		/* items in it */
	uint32_t untaken;	/* items not yet handed to the caller */
	size_t each;		/* bytes from one item to the next; 0: their
				   sizes differ, or they have none */
	size_t size;		/* of an item, if all have one; else of the
				   last */
	const unsigned char *array; /* INHERITED: its first item */
	struct region *region;	/* PLACED: its region; owned */
	struct buf items;	/* PACKED, PLACED: the buffer of frames */
	struct buf heads;	/* PLACED: array with a chunk_head per item */
	struct buf tags;	/* array with a tag per item; empty: all have
				   that above */
	struct buf keys;	/* array with a key per item, for the journal;
				   empty: it does not want them */
};

/* Returns an empty chunk with a reference, or NULL.  It comes from the
   freelist, which must outlive it, and goes back there when the last reference
   is dropped; freelist may be NULL. */
struct chunk *chunk_new(struct freelist *, uint64_t index, uint64_t seq,
    void *tag);

/* Makes room for the tag of the next item, and sets it after the item was
   packed, for a chunk whose items have tags of their own.  The first returns 0
   or -ENOMEM, the second cannot fail then. */
int chunk_expect_tag(struct chunk *, const void *tag);
void chunk_keep_tag(struct chunk *, void *tag);

/* Makes room for the tags of the next n items, if they are in an array.
   Returns 0 or -ENOMEM. */
int chunk_expect_tags(struct chunk *, size_t n);

/* The same for the key of the next item. */
int chunk_expect_key(struct chunk *);
void chunk_keep_key(struct chunk *, const struct digest *key);

/* Returns the key of the nth item, from 0; NULL if there are none. */
const struct digest *chunk_key(const struct chunk *, uint64_t nth);

/* Returns a pointer to the tags of the nth item and of those behind it; NULL if
   all have one. */
static inline void *const *chunk_tags(const struct chunk *c, uint64_t nth)
{
	return c->tags.len == 0 ? NULL :
	    (void *const *)(void *)c->tags.data + nth;
}

/* Returns the tag of the nth item, from 0.  Inline, as it runs for each
   item. */
static inline void *chunk_tag(const struct chunk *c, uint64_t nth)
{
	void *const *own = chunk_tags(c, nth);

	return own != NULL ? *own : c->tag;
}

/* Returns the number of inputs that were read before an item of that index. */
static inline uint64_t chunk_number(const struct chunk *c, uint64_t index)
{
	return c->seq + c->skipped + (index - c->index);
}

/* Reserves buffer space for that many bytes of frames.  Ignores errors. */
void chunk_expect(struct chunk *, size_t bytes);

/* Take and drop a reference (NULL is fine). */
struct chunk *chunk_hold(struct chunk *);
void chunk_drop(struct chunk *);

/* PLACED: reserves room for the copy of a head, and appends it, for a frame at
   that offset.  The first returns 0 or -ENOMEM, the second cannot fail then. */
int chunk_expect_head(struct chunk *);
void chunk_keep_head(struct chunk *, size_t at, size_t size);

/* Appends a copy of an input; there must be fewer than CHUNK_ITEMS_MOST.
   Returns 0, or -ENOMEM and leaves the chunk unchanged.  Inline, as it runs for
   each item. */
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
	c->each = count == 0 || (c->each != 0 && c->size == size) ? length : 0;
	c->size = size;
	c->count = c->untaken = count + 1;
	frame_write(c->items.data + at, FRAME_ITEM, input, size);
	c->items.data[at + length] = 0;
	return 0;
}

/* PACKED, with an item: makes room for n more inputs of that size, fewer than
   CHUNK_ITEMS_MOST in all, and appends copies of them, which lie one behind the
   other.  The first returns 0 or -ENOMEM, the second cannot fail then. */
int chunk_expect_run(struct chunk *, size_t n, size_t size);
void chunk_pack_run(struct chunk *, const void *items, size_t n, size_t size);

/* Counts n inputs that were written, with their tags, into the room that
   chunk_expect_run() and chunk_expect_tags() had made. */
void chunk_count(struct chunk *, size_t n);

/* Makes an empty chunk refer to items of an array, which it does not own. */
void chunk_inherit(struct chunk *, const unsigned char *array,
    uint32_t count, size_t size);

/* Makes an empty chunk pack its items in that region, which it owns from now
   on.  at: pointer to the bytes of the region. */
void chunk_place(struct chunk *, struct region *, unsigned char *at);

/* Is there room in its region for an input of that size?  Always true without
   a region. */
bool chunk_fits(const struct chunk *, size_t size);

/* Returns the offset of the first item. */
static inline size_t chunk_begin(const struct chunk *c)
{
	return c->where == CHUNK_PACKED ? FRAME_START : 0;
}

/* PLACED: returns the caller's copy of an item's head. */
static inline const struct chunk_head *chunk_head(const struct chunk *c,
    size_t item)
{
	return (const struct chunk_head *)(void *)c->heads.data + item;
}

/* PLACED: sets input and size to the item of that number; returns the next
   number. */
size_t chunk_unpack_placed(const struct chunk *, size_t item,
    const void **input, size_t *size);

/* Sets input and size to the item at an offset; returns the next offset.  The
   pointer is valid while the chunk is.  Inline, as it runs for each item. */
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

/* Returns the offset that is "items" items behind an offset. */
size_t chunk_skip(const struct chunk *, size_t at, uint32_t items);

/* Returns the bytes to send for that many items from an offset on. */
size_t chunk_bytes(const struct chunk *, size_t at, uint32_t items);

/* Returns the bytes it is charged with in the bound on bytes. */
static inline size_t chunk_charge(const struct chunk *c)
{
	if (c->where == CHUNK_INHERITED)
		return CHUNK_ITEM_CHARGE;
	return c->items.len + (size_t)c->count * CHUNK_ITEM_CHARGE;
}

#endif
