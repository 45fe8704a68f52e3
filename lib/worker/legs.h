/*
 * legs.h - times of a chunk: a leg is the items from one write of results to
 * the next or, if they are not written, to where the caller waits for them.
 *
 * Runs in: worker.
 */
#ifndef LEGS_H
#define LEGS_H

#include <stdint.h>

#include "shm/slot.h"
#include "wire/frame.h"

struct legs {
	uint64_t chunk_began;	/* ns */
	uint64_t began;		/* of the leg, ns */
	uint64_t blocked;	/* time of blocked writes by then */
	uint64_t chunk_blocked;	/* the same when the chunk began */
	uint32_t first;		/* number of the leg's first item */
	struct frame_end longest; /* of the chunk */
};

/* Begins a chunk with the item of that number.  blocked: time of all blocked
   writes of the worker until now. */
void legs_begin(struct legs *, struct slot *, uint32_t first, uint64_t now,
    uint64_t blocked);

/* Ends a leg before the item "next". */
void legs_end(struct legs *, struct slot *, uint32_t next, uint64_t now,
    uint64_t blocked);

/* Returns the END of a chunk, after its last leg has ended, at that time. */
struct frame_end legs_report(const struct legs *, uint32_t ordinal,
    uint32_t next, uint64_t now, uint64_t blocked);

#endif
