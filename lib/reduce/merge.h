/*
 * merge.h - several runs that are sorted, read as one that is.
 *
 * Runs in: caller and workers.  Records with the same key come in the order of
 * their runs, and in each as they lie there.
 */
#ifndef MERGE_H
#define MERGE_H

#include <stddef.h>

#include "reduce/record.h"

struct merge {
	struct scan *scans;	/* count of them */
	size_t count;
	size_t *heap;		/* numbers of scans, by their present record */
	size_t left;		/* scans that are not at their end */
	bool fresh;		/* nothing was asked for yet */
};

/* Begins to read runs, which may be freed then: 0 or -errno. */
int merge_open(struct merge *, const struct store *, const struct run *,
    size_t count, size_t key_most);

/* The next record, valid until the next call: 1; 0 at the end; -EBADMSG or
   -errno. */
int merge_next(struct merge *, struct record *);

/* Frees its memory. */
void merge_close(struct merge *);

#endif
