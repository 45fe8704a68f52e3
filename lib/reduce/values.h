/*
 * values.h - iterates over the values of a key, in a table of the worker or in
 * the store.
 *
 * Runs in: caller and workers.
 *
 *	in the store:  size 4 | value | size 4 | value ...
 *
 * A large value lies apart, as in a record.  Values are read from the store one
 * by one, through a buffer, so a key may have more values than fit in memory.
 */
#ifndef VALUES_H
#define VALUES_H

#include <stdint.h>

#include "base/buf.h"
#include "reduce/pages.h"
#include "reduce/record.h"
#include "reduce/store.h"

/* The gathered values of a key; body of its record in an index. */
struct group {
	uint64_t at;		/* offset in the store */
	uint64_t size;		/* bytes there, with the sizes */
	uint64_t count;
	uint64_t seal;		/* of all values */
};

struct table;
struct table_entry;

/* The iterator: over an entry of a table, or over a group. */
struct vm_values {
	const struct table *table;
	const struct table_entry *entry; /* NULL: its own value was given */
	uint32_t block;		/* block of the next value */
	uint32_t nth;		/* index of that value in the block */
	/* Buffer for a present value that fits. */
	_Alignas(16) unsigned char small[64];
	const struct store *store;
	struct pages pages;	/* of the store, for small groups */
	struct group group;
	uint64_t read;		/* bytes of the group read so far */
	uint64_t seal;		/* of the values given */
	uint64_t given;
	size_t value_most;
	size_t from;		/* offset in buf of the next value */
	struct buf buf;		/* bytes read ahead from the store */
	struct buf value;	/* buffer for a larger present value */
	int error;		/* errno of a failure, or 0 */
};

/* Initialises an empty iterator; value_most is in bytes, and so is pages_most,
   the memory for pages of the store.  Call it once. */
void values_init(struct vm_values *, size_t value_most, size_t pages_most);

/* Forgets the bytes read from the store: another run has filled it. */
void values_forget(struct vm_values *);

/* Begins to iterate over an entry, which must not change meanwhile. */
void values_of_table(struct vm_values *, const struct table *,
    uint32_t entry);

/* Begins to iterate over a group in the store. */
void values_of_group(struct vm_values *, const struct store *,
    const struct group *);

/* Frees the buffers. */
void values_release(struct vm_values *);

/* Returns the seal of a group after another value. */
uint64_t values_seal(uint64_t seal, const void *value, size_t size);

/* The same for a value apart, from its struct run alone. */
uint64_t values_seal_apart(uint64_t seal, const struct run *run);

#endif
