/*
 * shuffle.h - the pairs of each partition, as they come from the workers.
 *
 * Runs in: caller.  Never looks into pairs: of what a worker has written the
 * run is noted, and what came with the output is added, as it is, to bytes that
 * become a run when there are enough of them.
 *
 * Easy to get wrong: an output was made by a worker, and may lie in pages that
 * the worker still writes to; so what it says of itself is copied once, and the
 * copy is checked and used.
 */
#ifndef SHUFFLE_H
#define SHUFFLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "reduce/store.h"

struct shuffle_part {
	struct buf open;	/* records that are in no run yet */
	struct buf runs;	/* struct run, in the order they came */
};

struct shuffle {
	struct store *store;
	size_t most;		/* bytes in "open" of each */
	bool in_order;		/* pairs stay in the order outputs came */
	uint32_t count;
	struct shuffle_part *parts;
	struct buf pieces;	/* of the output being added, copied */
};

/* For so many partitions: 0 or -ENOMEM. */
int shuffle_open(struct shuffle *, struct store *, uint32_t partitions,
    size_t most, bool in_order);

/* Frees it all; one that was never opened, but is all zero, is fine. */
void shuffle_close(struct shuffle *);

/* Forgets all pairs. */
void shuffle_clear(struct shuffle *);

/* Adds what emit_end() has put out, at that place: 0; -EBADMSG if that cannot
   be it, and nothing was added; -errno. */
int shuffle_add(struct shuffle *, size_t place, const void *output,
    size_t size);

/* Writes a list of the runs of a partition, and what was in no run: 1 and the
   run the list is, 0 if there are none, or -errno. */
int shuffle_list(struct shuffle *, uint32_t partition, struct run *list);

/* The runs of a partition are not needed any more, nor the list of them. */
void shuffle_drop(struct shuffle *, uint32_t partition,
    const struct run *list);

#endif
