/*
 * shuffle.h - collects the pairs of each partition from the outputs of workers.
 *
 * Runs in: caller.  It does not parse the pairs of workers here: it notes each
 * run that a worker has written, and appends the pairs in an output to the
 * buffer of their partition, which is written as a run when it is large enough.
 *
 * Easy to get wrong: an output may lie in shared memory to which the worker can
 * still write; so its description is copied once, and only the copy is checked
 * and used.
 */
#ifndef SHUFFLE_H
#define SHUFFLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "reduce/store.h"

struct shuffle_part {
	struct buf open;	/* buffer of records that are in no run yet */
	struct buf runs;	/* array of struct run, in order of arrival */
};

struct shuffle {
	struct store *store;
	size_t most;		/* bytes in each open buffer */
	bool in_order;		/* keep pairs in the order of the outputs */
	uint32_t count;
	struct shuffle_part *parts;
	struct buf pieces;	/* copy of those of the present output */
};

/* Allocates the array of partitions.  Returns 0 or -ENOMEM. */
int shuffle_open(struct shuffle *, struct store *, uint32_t partitions,
    size_t most, bool in_order);

/* Frees all memory.  Does nothing for a struct of zeroes. */
void shuffle_close(struct shuffle *);

/* Forgets all pairs; keeps the memory. */
void shuffle_clear(struct shuffle *);

/* Adds an output that emit_end() made on the worker at that place.  Returns 0;
   -EBADMSG if the output is invalid, and leaves the partitions unchanged; or
   another -errno, and pieces may have been added. */
int shuffle_add(struct shuffle *, size_t place, const void *output,
    size_t size);

/* The same for the output of a worker on another machine, which has all pairs,
   of at most pair_most bytes a key or a value.  Parses them, writes large
   values to the store, and finds the partition of each key itself.  Returns as
   shuffle_add(). */
int shuffle_add_far(struct shuffle *, const void *output, size_t size,
    size_t pair_most);

/* Writes the open buffer, if not empty, and then the array of runs of a
   partition as a run, "list".  Returns 1, 0 if the partition has no pairs, or
   -errno. */
int shuffle_list(struct shuffle *, uint32_t partition, struct run *list);

/* Gives back the runs of a partition and the list. */
void shuffle_drop(struct shuffle *, uint32_t partition,
    const struct run *list);

#endif
