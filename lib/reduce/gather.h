/*
 * gather.h - brings the values of each key of a partition together.
 *
 * Runs in: worker.  Runs are read one after another into a buffer, where
 * records are sorted by key; when the buffer exceeds its memory, it is written
 * as a sorted run, and all sorted runs are merged at the end.  If the job has
 * collect(), pairs pass it before they enter the buffer.  The result is a run
 * with the values, grouped by key, and an index: a run of the keys in their
 * order, each with the place of its values.
 *
 * Easy to get wrong: values of a key stay in the order of the runs and, within
 * a run, of their records; each step keeps that order.
 */
#ifndef GATHER_H
#define GATHER_H

#include <stddef.h>
#include <stdint.h>

#include "reduce/combine.h"
#include "reduce/record.h"
#include "reduce/store.h"
#include "vimap.h"

/* Parameters of gather().  All pointers are borrowed. */
struct gather_phase {
	struct store *store;
	size_t place;
	size_t memory;		/* bytes for records, about */
	size_t key_most;
	struct vm_context *me;	/* context of the item, for vm_alive() */
	struct combine *combine;
	const struct vm_job *job;	/* job whose collect() runs; NULL:
					   none */
};

/* The result. */
struct gathered {
	struct run index;	/* records whose bodies are struct group */
	uint64_t keys;
};

/* Gathers "count" runs and fills in the result.  Returns 0 or -errno; -EBADMSG
   if a run does not match its seal, -ECANCELED if collect() has failed. */
int gather(const struct gather_phase *, const struct run *runs, size_t count,
    struct gathered *);

#endif
