/*
 * freelist.h - unused spans and chunks, kept to save allocations.
 *
 * Runs in: caller.  Pure.  Each pool keeps a few spans and chunks in its
 * freelist, so that items which are sent singly cost no allocation.  A span or
 * chunk that is freed goes to it; if it is full, the memory is freed.
 *
 * Easy to get wrong: a span or chunk from the list has its old contents,
 * except that a chunk's buffers are empty.
 */
#ifndef FREELIST_H
#define FREELIST_H

#include <stddef.h>

struct chunk;
struct span;

/* Upper bounds on the spans and on the chunks in it, and on the buffer bytes of
   a chunk. */
#define FREELIST_MOST 4
#define FREELIST_ROOM ((size_t)32 * 1024)

struct freelist {
	struct span *spans[FREELIST_MOST];
	struct chunk *chunks[FREELIST_MOST];
	int nspans, nchunks;
};

/* Frees all spans and chunks in it. */
void freelist_release(struct freelist *);

/* Returns a span from the list or a newly allocated span, which the caller then
   owns, or NULL.  The list may be NULL. */
struct span *freelist_take_span(struct freelist *);

/* The same for a chunk.  Its buffers are empty, and may have room. */
struct chunk *freelist_take_chunk(struct freelist *);

/* Puts a span or chunk on the list, or frees it if the list is full or NULL.
   The chunk must own the buffer "items", or that must have no room. */
void freelist_put_span(struct freelist *, struct span *);
void freelist_put_chunk(struct freelist *, struct chunk *);

#endif
