/*
 * emit.h - the pairs of one call of map(), gathered by partition.
 *
 * Runs in: worker.  What has been gathered past a bound is written to the
 * store, at the worker's own place, as a run a partition; in the end the
 * output says where that is, with what is left:
 *
 *	| struct piece | ... | bytes of the pieces that are not in the store |
 *	| struct parcel |
 *
 * Pairs of a call that fails are forgotten, for nobody hears where they are; if
 * its worker dies, they take room until the run ends.
 *
 * Easy to get wrong: the output ends with its description, since what map()
 * itself has put into the output comes before.
 */
#ifndef EMIT_H
#define EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "reduce/record.h"
#include "reduce/store.h"
#include "vimap.h"

/* Pairs of one partition. */
struct piece {
	uint32_t partition;
	uint32_t here;		/* not 0: in the output, and so many bytes */
	struct run run;		/* else */
};

/* What an output ends with. */
struct parcel {
	uint64_t size;		/* bytes, this struct included */
	uint64_t pieces;
};

struct emit {
	struct store *store;
	size_t place;
	uint32_t partitions;
	size_t most;		/* bytes gathered before they are written */
	size_t here;		/* bytes that go through the caller */
	size_t keep;		/* bytes of memory that an empty part keeps */
	size_t pair_most;	/* of a key, and of a value */
	struct buf *parts;	/* records, a partition each */
	size_t bytes;		/* in all of them */
	bool begun;		/* there may be some, of a call that failed */
	struct store_mark mark;	/* of the store, before this call */
	struct buf pieces;	/* of what was written */
};

/* For so many partitions: 0 or -ENOMEM. */
int emit_open(struct emit *, struct store *, size_t place,
    uint32_t partitions, size_t most, size_t pair_most);

/* Frees it all. */
void emit_close(struct emit *);

/* Forgets what was gathered: another call begins. */
void emit_begin(struct emit *);

/* Adds a pair to the partition of its key, of that hash: 0, -EFBIG, -ENOSPC,
   -ENOMEM or another -errno. */
int emit_pair(struct emit *, uint64_t hash, const void *key, size_t key_size,
    const void *value, size_t value_size);

/* The call has failed: what it has written is given back. */
void emit_undo(struct emit *);

/* Makes all of it the output of the call: 0 or -errno. */
int emit_end(struct emit *, struct vm_context *);

#endif
