/*
 * batch.h - records in memory, which can be brought into the order of keys.
 *
 * Runs in: worker.  Records with the same key stay in the order they came in.
 */
#ifndef BATCH_H
#define BATCH_H

#include <stddef.h>

#include "base/buf.h"
#include "reduce/record.h"
#include "vimap.h"

struct batch {
	struct buf records, handles;
	struct buf room;	/* for handles, while they are merged */
};

/* Makes it empty; once. */
void batch_init(struct batch *);

/* Frees it all. */
void batch_release(struct batch *);

/* Forgets all records; keeps the memory. */
void batch_clear(struct batch *);

/* Bytes of memory that it takes, and sorting. */
size_t batch_size(const struct batch *);

/* Adds a record: 0 or -ENOMEM. */
int batch_add(struct batch *, const struct record *);

/* Sorts them, once, saying meanwhile that the item goes on: how many there are,
   or -ENOMEM.  None can be added then. */
int64_t batch_sort(struct batch *, struct vm_context *);

/* One of them, from 0, in the order of keys. */
void batch_look(const struct batch *, size_t which, struct record *);

#endif
