/*
 * batch.h - a buffer of records, which can be sorted by key.
 *
 * Runs in: worker.  The sort is stable: records with the same key stay in the
 * order in which they were added.
 */
#ifndef BATCH_H
#define BATCH_H

#include <stddef.h>

#include "base/buf.h"
#include "reduce/record.h"
#include "vimap.h"

struct batch {
	struct buf records, handles;
	struct buf room;	/* copy of handles, while they are merged */
};

/* Initialises an empty batch; call it once. */
void batch_init(struct batch *);

/* Frees all buffers. */
void batch_release(struct batch *);

/* Forgets all records; keeps the memory. */
void batch_clear(struct batch *);

/* Returns the bytes of the buffers, including those that sorting will need. */
size_t batch_size(const struct batch *);

/* Copies a record into the batch.  Returns 0 or -ENOMEM. */
int batch_add(struct batch *, const struct record *);

/* Sorts the records by key and calls vm_alive() meanwhile.  Returns the number
   of records or -ENOMEM.  Call it once; afterwards no record can be added until
   batch_clear(). */
int64_t batch_sort(struct batch *, struct vm_context *);

/* Reads a record of a sorted batch, by its number from 0.  Its pointers point
   into the batch. */
void batch_look(const struct batch *, size_t which, struct record *);

#endif
