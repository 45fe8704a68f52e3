/*
 * merge.h - merges several sorted runs while it reads them.
 *
 * Runs in: caller and workers.  The merge is stable: records with the same key
 * come in the order of their runs and, within a run, in their order there.
 */
#ifndef MERGE_H
#define MERGE_H

#include <stddef.h>

#include "reduce/record.h"

struct merge {
	struct scan *scans;	/* array of count */
	size_t count;
	size_t *heap;		/* indices of scans, by their present record */
	size_t left;		/* scans in the heap: not at their end */
	bool fresh;		/* merge_next() was not called yet */
};

/* Opens a scan of each run and reads its first record.  The array may be freed
   afterwards.  Returns 0 or -errno; merge_close() is needed in each case. */
int merge_open(struct merge *, const struct store *, const struct run *,
    size_t count, size_t key_most);

/* Gives the next record; its pointers are valid until the next call.  Returns
   1, 0 at the end, -EBADMSG or another -errno. */
int merge_next(struct merge *, struct record *);

/* Closes the scans and frees all memory. */
void merge_close(struct merge *);

#endif
