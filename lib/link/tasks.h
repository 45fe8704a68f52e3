/*
 * tasks.h - the chunks that a link has been given and not shipped.
 *
 * Runs in: link.  Pure.  Items are shipped in order, and chunks forgotten once
 * they have no further item; the caller's books say which items are answered.
 *
 * Easy to get wrong: the number of items that have come for a chunk depends on
 * the caller, and so does the chunk's ordinal.
 */
#ifndef TASKS_H
#define TASKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "shm/slot.h"
#include "wire/frame.h"

struct task {
	struct frame_chunk chunk;
	uint32_t received;	/* ITEM frames that have come, */
	struct buf items;	/* which wait here to be shipped; */
	size_t items_at;	/* offset of the next */
	uint32_t taken;		/* number behind the last item of the lease that
				   was taken */
	uint32_t shipped;	/* number of the next item to ship */
	bool over;		/* no item of the lease is left to take */
	unsigned char *at;	/* next item in shared or inherited memory;
				   NULL: see items */
};

/* Chunks by ordinal; at most SLOT_LEASES at a time. */
struct tasks {
	struct task ring[SLOT_LEASES];
	uint32_t first;		/* ordinal of the chunk being shipped, */
	uint32_t last;		/* and of the next to come */
	uint64_t shipped;	/* items so far, */
	uint64_t answered;	/* and answered by the agent */
};

/* Adds the next chunk.  Returns it, or NULL if its ordinal is not the next. */
struct task *tasks_add(struct tasks *, const struct frame_chunk *);

/* Returns the chunk being shipped, and the newest; NULL: none. */
struct task *tasks_first(struct tasks *);
struct task *tasks_newest(struct tasks *);

/* Adds an ITEM frame to the newest chunk.  Returns 0, -EPROTO if it may have no
   more, or -ENOMEM. */
int tasks_receive(struct tasks *, const struct frame *);

/* Sets the frame to the next item of a chunk to ship, and passes it; false if
   it has not come. */
bool tasks_next(struct task *, struct frame *);

/* Is no further item of the chunk to be shipped? */
bool tasks_is_over(const struct task *);

/* Have all ITEM frames of the chunk come? */
bool tasks_is_whole(const struct task *);

/* Counts the next item of a chunk as shipped. */
void tasks_ship(struct tasks *, struct task *);

/* Returns the number of items that the agent has not answered. */
uint64_t tasks_in_flight(const struct tasks *);

/* Forgets the chunk being shipped. */
void tasks_drop(struct tasks *);

#endif
