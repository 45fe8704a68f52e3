/*
 * emit.h - buffers the pairs of a call of map(), by partition.
 *
 * Runs in: worker.  When the buffers exceed a bound, they are written to the
 * store, at the worker's own place, as a run for each partition.  At the end
 * the output of the call lists the runs and has the bytes of the other pieces:
 *
 *	| struct piece | ... | bytes of the pieces that are not in the store |
 *	| struct parcel |
 *
 * If the call fails, its runs are given back, since no output lists them; if
 * its worker dies, they keep their room until the run ends.
 *
 * On another machine there is no store: all pairs are in the output, without
 * pieces, large values within their records.
 *
 * Easy to get wrong: the description stands at the end of the output, since the
 * output of map() itself comes before it.
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

/* Pairs of a single partition. */
struct piece {
	uint32_t partition;
	uint32_t here;		/* bytes in the output; 0: in the store */
	struct run run;		/* if "here" is 0 */
};

/* The last bytes of an output. */
struct parcel {
	uint64_t size;		/* bytes, this struct included */
	uint64_t pieces;
};

struct emit {
	struct store *store;	/* NULL: there is none */
	size_t place;
	uint32_t partitions;
	size_t most;		/* bytes in the buffers before they are
				   written; without a store, at most */
	size_t here;		/* bytes that may go through the caller */
	size_t keep;		/* bytes of memory an empty buffer keeps */
	size_t pair_most;	/* bytes of a key, or of a value */
	struct buf *parts;	/* array of buffers of records, by partition */
	size_t bytes;		/* in all these buffers */
	bool begun;		/* the buffers may have records of a call
				   before */
	struct store_mark mark;	/* of the store, before this call */
	struct buf pieces;	/* array of struct piece, for written runs */
};

/* Allocates the array of buffers; of a single buffer, if there is no store.
   "most" and "pair_most" are in bytes.  Returns 0 or -ENOMEM. */
int emit_open(struct emit *, struct store *, size_t place,
    uint32_t partitions, size_t most, size_t pair_most);

/* Frees all buffers. */
void emit_close(struct emit *);

/* Empties the buffers for the next call of map(). */
void emit_begin(struct emit *);

/* Copies a pair to the buffer of its key's partition; hash is that of the key.
   Writes all buffers to the store when they reach the bound.  Returns 0,
   -EFBIG, -EMSGSIZE beyond the bound without a store, -ENOSPC, -ENOMEM or
   another -errno. */
int emit_pair(struct emit *, uint64_t hash, const void *key, size_t key_size,
    const void *value, size_t value_size);

/* Gives back the runs of a call that has failed. */
void emit_undo(struct emit *);

/* Appends the pieces and the parcel to the output of the call.  Returns 0;
   -EOVERFLOW if the output would have too many bytes; or another -errno. */
int emit_end(struct emit *, struct vm_context *);

#endif
