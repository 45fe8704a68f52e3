/*
 * gather.h - brings the values of each key of a partition together.
 *
 * Runs in: worker.  Runs are read one after another into memory, where records
 * are sorted by key; what does not fit in memory is written, sorted, and merged
 * in the end.  Where collect() may make fewer of them it is run before that.
 * Out come the values of one key behind those of another, and an
 * index of the keys in their order, which says where they are.
 *
 * Easy to get wrong: the order of values of a key is that of the runs, and in
 * each as they lie there; each step keeps it.
 */
#ifndef GATHER_H
#define GATHER_H

#include <stddef.h>
#include <stdint.h>

#include "reduce/combine.h"
#include "reduce/record.h"
#include "reduce/store.h"
#include "vimap.h"

/* What is to be gathered, and in how much memory. */
struct gather_phase {
	struct store *store;
	size_t place;
	size_t memory;		/* bytes, about */
	size_t key_most;
	struct vm_context *me;	/* whose item it is, to say that it goes on */
	struct combine *combine;
	const struct vm_job *job;	/* whose collect() is run; NULL: none */
};

/* What came of it. */
struct gathered {
	struct run index;	/* records whose bodies are struct group */
	uint64_t keys;
};

/* Gathers so many runs: 0 or -errno; -EBADMSG if one is not what was
   written, -ECANCELED if collect() has failed. */
int gather(const struct gather_phase *, const struct run *runs, size_t count,
    struct gathered *);

#endif
