/*
 * batch.h - records in memory, which can be brought into the order of keys.
 *
 * Runs in: worker.  Records with the same key stay in the order they came in.
 */
#ifndef BATCH_H
#define BATCH_H

#include <stddef.h>

#include "buf.h"
#include "record.h"

struct batch {
	struct buf records, handles;
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

/* Sorts them, once: how many there are.  None can be added then. */
size_t batch_sort(struct batch *);

/* One of them, from 0, in the order of keys. */
void batch_look(const struct batch *, size_t which, struct record *);

#endif
