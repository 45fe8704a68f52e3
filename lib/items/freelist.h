/*
 * freelist.h - spans and chunks that are not needed any more, for new ones.
 *
 * Runs in: caller.  Pure.  One a pool: a few of each, so that items which go
 * and come one by one cost no allocation.  Who frees a span or a chunk puts it
 * here; what does not fit is freed.
 *
 * Easy to get wrong: what is taken from it has whatever was left in it, but
 * for a chunk's room for items.
 */
#ifndef FREELIST_H
#define FREELIST_H

#include <stddef.h>

struct chunk;
struct span;

/* So many of each are kept, and chunks with so many bytes of room. */
#define SHELF_MOST 4
#define SHELF_ROOM ((size_t)32 * 1024)

struct freelist {
	struct span *spans[SHELF_MOST];
	struct chunk *chunks[SHELF_MOST];
	int nspans, nchunks;
};

/* Frees what is on it. */
void freelist_release(struct freelist *);

/* One that is on it, or a new one, or NULL.  Without a freelist (NULL) a new
   one. */
struct span *freelist_take_span(struct freelist *);

/* The same; its items are empty, and may have room. */
struct chunk *freelist_take_chunk(struct freelist *);

/* It is not used any more: put there, or freed.  A chunk's items are its own,
   or it has no room. */
void freelist_put_span(struct freelist *, struct span *);
void freelist_put_chunk(struct freelist *, struct chunk *);

#endif
