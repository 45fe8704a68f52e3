/*
 * table.h - hash table of the values of each key, for collect().
 *
 * Runs in: worker, in the phases map and gather.  Open addressing; entries and
 * blocks of values lie in two growing buffers, which are emptied as a whole.
 * To touch few cache lines, a key lies directly behind its entry, and a first
 * value of 8 bytes in the entry.  Other values lie in a list of blocks, each
 * for values of the same size; when collect() has reduced the values, the entry
 * keeps its blocks.
 *
 *	slot -> | entry, value | key | -> block -> block ...
 *
 * Easy to get wrong: the buffers move when they grow, so entries and blocks
 * refer to each other by number, not by pointer.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

#define TABLE_NONE UINT32_MAX
/* Size and alignment of an entry are multiples of this many bytes. */
#define TABLE_UNIT ((size_t)16)

struct table_block {
	uint32_t next;		/* number of the next block, or TABLE_NONE */
	uint32_t size;		/* bytes of each value */
	uint32_t used, room;	/* in values */
	unsigned char values[];
};

struct table_slot {
	uint32_t tag;		/* upper half of the hash */
	uint32_t entry;		/* its number; TABLE_NONE: free */
};

struct table_entry {
	uint64_t hash;
	uint32_t key_size;
	uint32_t first, last;	/* list of blocks, TABLE_NONE if empty; last:
				   the next value goes there */
	uint32_t count : 31;	/* number of values */
	uint32_t has_value : 1;	/* the first value is in this field: */
	unsigned char value[8];
	unsigned char key[];	/* aligned, with a 0 behind it */
};

struct table {
	struct table_slot *slots;
	uint32_t mask;
	uint32_t count;		/* number of entries */
	struct buf entries, blocks;
};

/* Initialises an empty table.  Allocates nothing. */
void table_init(struct table *);

/* Frees all memory; the table is empty again. */
void table_release(struct table *);

/* Forgets all keys; keeps the memory. */
void table_clear(struct table *);

/* Returns the bytes of the slots, entries and blocks. */
size_t table_size(const struct table *);

/* Returns the number of a key's entry, which is made if there was none;
   -ENOMEM; or -EFBIG beyond 64 GiB of entries or 2^30 keys. */
int64_t table_find(struct table *, uint64_t hash, const void *key,
    size_t size);

/* Appends a copy of a value to an entry.  Returns 0, -ENOMEM or -EFBIG. */
int table_add(struct table *, uint32_t entry, const void *value,
    size_t size);

/* Removes the values of an entry; its blocks stay for later values. */
void table_empty(struct table *, uint32_t entry);

/* If an entry has a single value, of 8 bytes, adds the number to it and returns
   true.  Inline, since jobs that count call it for each pair. */
static inline bool table_sum(struct table_entry *e, const void *number)
{
	uint64_t sum, n;

	if (e->count != 1 || !e->has_value)
		return false;
	memcpy(&sum, e->value, sizeof sum);
	memcpy(&n, number, sizeof n);
	sum += n;
	memcpy(e->value, &sum, sizeof sum);
	return true;
}

/* Returns the entry; the pointer is valid until an entry is added. */
static inline struct table_entry *table_entry(const struct table *t,
    uint32_t entry)
{
	return (struct table_entry *)(void *)(t->entries.data +
	    (size_t)entry * TABLE_UNIT);
}

/* Returns the number of the entry that follows in the buffer. */
static inline uint32_t table_behind(const struct table *t, uint32_t entry)
{
	return entry + (uint32_t)((sizeof(struct table_entry) +
	    table_entry(t, entry)->key_size + TABLE_UNIT) / TABLE_UNIT);
}

/* Returns the number behind the last entry. */
static inline uint32_t table_end(const struct table *t)
{
	return (uint32_t)(t->entries.len / TABLE_UNIT);
}

/* Returns the block; the pointer is valid until a block is added. */
static inline struct table_block *table_block(const struct table *t,
    uint32_t block)
{
	return (struct table_block *)(void *)(t->blocks.data +
	    (size_t)block * 8);
}

/* Returns the distance in bytes of values of that size in a block. */
static inline size_t table_stride(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

#endif
