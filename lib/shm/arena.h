/*
 * arena.h - regions of a shared memory area.
 *
 * Runs in: caller; arena_place() in the worker, too.  Pure: handles positions,
 * not bytes.  Regions are given back in any order.
 *
 * An area from which the caller takes regions gives out the first gap that is
 * large enough: so no more pages are touched than needed, and those stay in the
 * caches of the CPUs.
 *
 * In an area in which the worker places regions, these come one after the
 * other, as in a ring; the room of a region is free again when it and all
 * regions before it are back.  When all are back, the next region begins where
 * the area does; likewise if ARENA_TURN bytes or an eighth of the area were
 * used and the begin has room again.
 *
 * Easy to get wrong: a region never wraps around, so some room at the end may
 * be skipped; and it must be given back before its area is released.
 */
#ifndef ARENA_H
#define ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_TURN ((size_t)512 * 1024)

struct arena {
	size_t size;		/* bytes; 0: no room at all */
	uint64_t head;		/* placed regions: earliest position of the next
				   one; else 0 */
	struct region *first;	/* list of regions not yet freed, in the order
				   of their positions */
	struct region *last;	/* placed regions: the newest */
	size_t reach;		/* offset behind all regions there have been */
};

struct region {
	struct arena *area;
	struct region *next;	/* behind this region */
	uint64_t from, to;	/* positions, of placed regions only growing */
	void *of;		/* pointer for its taker, at first NULL */
	bool placed;		/* by the worker */
	bool back;		/* given back, while an older region is not */
};

/* Makes an empty arena for an area of size bytes. */
void arena_init(struct arena *, size_t size);

/* Computes where the next region begins in an area of "area" bytes, of which
   the positions from held to head are taken; held equals head if all is free.
   near: bytes from the area's begin on in which the region must lie, at most
   area.  Sets *at and returns true, or returns false if there is no room. */
bool arena_place(size_t area, size_t near, uint64_t held, uint64_t head,
    size_t size, uint64_t *at);

/* Placed regions: returns where the taken part begins; the head if nothing is
   taken. */
static inline uint64_t arena_held(const struct arena *a)
{
	return a->first ? a->first->from : a->head;
}

/* Has an area without placed regions room for a region of size bytes? */
bool arena_has(const struct arena *, size_t size);

/* Takes that region.  Returns NULL without room or without memory. */
struct region *arena_take(struct arena *, size_t size);

/* For a region placed by the worker.  May it be there?  Checks untrusted
   values. */
bool arena_allows(const struct arena *, uint64_t at, size_t size);
/* Takes that region, after arena_allows().  Returns NULL without memory. */
struct region *arena_take_at(struct arena *, uint64_t at, size_t size);
/* Takes that region and gives it back at once; allocates nothing. */
void arena_pass(struct arena *, uint64_t at, size_t size);

/* Returns its offset in the area, in bytes. */
size_t region_offset(const struct region *);

/* Gives a region back; NULL is allowed. */
void region_drop(struct region *);

#endif
