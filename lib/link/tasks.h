/*
 * tasks.h - the chunks that a link has been given, and the answers that came
 * before their turn.
 *
 * Runs in: link.  Pure.  The caller expects the answers of a worker in the
 * order of its chunks and items; an agent answers as items finish.  An answer
 * that is early is kept here.
 *
 * Easy to get wrong: the chunk and the number of an answer come from another
 * machine.
 */
#ifndef TASKS_H
#define TASKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "shm/slot.h"
#include "wire/frame.h"

/* A copy of an answer's frame. */
struct early {
	size_t length;
	_Alignas(16) unsigned char start[FRAME_START];
	unsigned char frame[];
};

struct task {
	struct frame_chunk chunk;
	uint32_t received;	/* ITEM frames that have come, */
	struct buf items;	/* which wait here to be shipped; */
	size_t items_at;	/* offset of the next */
	uint32_t taken;		/* number behind the last item of the lease that
				   was taken */
	uint32_t shipped;	/* number of the next item to ship */
	uint32_t answered;	/* number of the next item to answer */
	bool over;		/* no item of the lease is left to take */
	bool closed;		/* no further item is shipped */
	uint64_t began;		/* time, ns */
	unsigned char *at;	/* next item in shared or inherited memory;
				   NULL: see items */
	struct early **early;	/* array of an answer for each item, or NULL */
};

/* Chunks by ordinal; at most SLOT_LEASES at a time. */
struct tasks {
	struct task ring[SLOT_LEASES];
	uint32_t first;		/* ordinal of the oldest, */
	uint32_t shipping;	/* of the chunk being shipped, */
	uint32_t last;		/* and of the next to come */
	uint64_t in_flight;	/* items shipped and not answered by the
				   agent */
	size_t kept;		/* bytes of early answers */
};

/* Adds the next chunk.  Returns it, or NULL if its ordinal is not the next. */
struct task *tasks_add(struct tasks *, const struct frame_chunk *);

/* Returns the oldest chunk, the chunk being shipped, and the newest; NULL:
   none. */
struct task *tasks_first(struct tasks *);
struct task *tasks_shipping(struct tasks *);
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

/* Ends the shipping of a chunk. */
void tasks_close(struct tasks *);

/* Finds the item that an answer is about.  Returns its chunk, or NULL if no
   item of that number was shipped and is unanswered. */
struct task *tasks_find(struct tasks *, uint32_t ordinal, uint32_t number);

/* Is the answer to that item the next that the caller expects? */
bool tasks_is_next(const struct tasks *, const struct task *, uint32_t number);

/* Keeps a copy of the frame of an early answer.  Returns 0 or -ENOMEM. */
int tasks_keep(struct tasks *, struct task *, uint32_t number,
    const struct frame *);

/* Returns the early answer that is next now, which the caller frees; NULL:
   none. */
struct early *tasks_take(struct tasks *);

/* Counts the answer of the next item. */
void tasks_answered(struct tasks *);

/* Is the oldest chunk done?  If so it can be dropped. */
bool tasks_done(const struct tasks *);
void tasks_drop(struct tasks *);

#endif
