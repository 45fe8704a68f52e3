/*
 * arena.h - room in shared pages, given out in turn.
 *
 * Runs in: caller; arena_place() in the worker, too.  Pure: only positions, no
 * bytes.  Regions are taken one after the other, as in a ring, and given back
 * in any order; the room of one can be used again when all that were taken
 * before it are back.  When all are, the next one begins where the area does,
 * so that no more memory is gone through than is needed.
 *
 * Easy to get wrong: a region never wraps around, so some room at the end may
 * be left out; and it must be given back before its area is released.
 */
#ifndef ARENA_H
#define ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
	size_t size;		/* bytes; 0: there is no room at all */
	uint64_t head;		/* where the next one begins, at the earliest */
	struct region *first;	/* the oldest not yet forgotten */
	struct region *last;
};

struct region {
	struct arena *area;
	struct region *next;	/* taken after it */
	uint64_t from, to;	/* positions, which only grow */
	void *of;		/* its taker's, at first NULL */
	bool back;		/* given back */
};

/* An empty one. */
void arena_init(struct arena *, size_t size);

/* Where the next region begins in an area of that size, of which held .. head
   is taken, head being its head: true, or false if there is no room. */
bool arena_place(size_t area, uint64_t held, uint64_t head, size_t size,
    uint64_t *at);

/* From where on it is taken; its head if nothing is. */
static inline uint64_t arena_held(const struct arena *a)
{
	return a->first ? a->first->from : a->head;
}

/* Is there room for so many bytes? */
bool arena_has(const struct arena *, size_t size);

/* A region of so many bytes, or NULL: no room, or no memory. */
struct region *arena_take(struct arena *, size_t size);

/* The same where somebody else has placed it.  May it be there? */
bool arena_allows(const struct arena *, uint64_t at, size_t size);
/* It is taken, if it may: NULL if there is no memory. */
struct region *arena_take_at(struct arena *, uint64_t at, size_t size);
/* Or it is back at once, which needs none. */
void arena_pass(struct arena *, uint64_t at, size_t size);

/* Where it begins, in bytes from the area's begin. */
size_t region_offset(const struct region *);

/* Gives it back; NULL is fine. */
void region_drop(struct region *);

#endif
