/*
 * values.h - the values of one key, one after another: of a table in the
 * worker's memory, or as they lie in the store.
 *
 * Runs in: caller and workers.
 *
 *	in the store:  size 4 | value | size 4 | value ...
 *
 * where a large value lies apart, as in a record.  Only one of them is in
 * memory at a time, so a key may have more than fits there.
 */
#ifndef VALUES_H
#define VALUES_H

#include <stdint.h>

#include "base/buf.h"
#include "reduce/record.h"
#include "reduce/store.h"

/* The values of a key that were brought together: what an index says of it. */
struct group {
	uint64_t at;		/* in the store */
	uint64_t size;		/* bytes there, their sizes included */
	uint64_t count;
	uint64_t seal;		/* of all values */
};

struct table;
struct table_entry;

/* Which values are next.  One of both. */
struct vm_values {
	const struct table *table;
	const struct table_entry *entry; /* there; NULL: its value was given */
	uint32_t block;		/* there, of the next one, */
	uint32_t nth;		/* and its number in it */
	/* The present one, if it fits. */
	_Alignas(16) unsigned char small[64];
	const struct store *store;
	struct group group;
	uint64_t read;		/* bytes of it so far */
	uint64_t seal;		/* of the values given */
	uint64_t given;
	size_t value_most;
	size_t from;		/* in buf, of what was not given */
	struct buf buf;		/* read ahead */
	struct buf value;	/* the present one, if it does not */
	int error;		/* errno of what could not be read, or 0 */
};

/* Makes them empty, for values of at most so many bytes; once. */
void values_init(struct vm_values *, size_t value_most);

/* The values of an entry of a table, which does not change meanwhile. */
void values_of_table(struct vm_values *, const struct table *,
    uint32_t entry);

/* The values of a group. */
void values_of_group(struct vm_values *, const struct store *,
    const struct group *);

/* Frees their memory. */
void values_release(struct vm_values *);

/* A value's part of the seal of its group. */
uint64_t values_seal(uint64_t seal, const void *value, size_t size);

/* The same of one that lies apart, of which only the run is known. */
uint64_t values_seal_apart(uint64_t seal, const struct run *run);

#endif
