/*
 * table.h - the values of each key that a call of map() has emitted, for
 * collect().
 *
 * Runs in: worker.  A hash table with open addressing; keys and values lie in
 * arenas that grow, and are all given up at once.  A key lies behind its entry,
 * and a first value of 8 bytes in it, for what costs is how many places in
 * memory are looked at.  Other values lie in blocks, side by side if they have
 * the same size; the entry keeps its blocks when collect() has made fewer.
 *
 *	slot -> | entry, value | key | -> block -> block ...
 *
 * Easy to get wrong: arenas move when they grow, so entries and blocks know
 * each other by numbers.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

#define TABLE_NONE UINT32_MAX
/* Entries are whole numbers of these. */
#define TABLE_UNIT ((size_t)16)

struct table_block {
	uint32_t next;		/* number of the next one, or TABLE_NONE */
	uint32_t size;		/* of each value */
	uint32_t used, room;	/* values */
	unsigned char values[];
};

struct table_slot {
	uint32_t tag;		/* some bits of the hash */
	uint32_t entry;		/* TABLE_NONE: free */
};

struct table_entry {
	uint64_t hash;
	uint32_t key_size;
	uint32_t first, last;	/* blocks; first is TABLE_NONE: there are none,
				   last: where the next value goes */
	uint32_t count : 31;	/* values */
	uint32_t has_value : 1;	/* the first one is this: */
	unsigned char value[8];
	unsigned char key[];	/* aligned, with a 0 behind it */
};

struct table {
	struct table_slot *slots;
	uint32_t mask;
	uint32_t count;		/* entries */
	struct buf entries, blocks;
};

/* An empty one.  Allocates nothing. */
void table_init(struct table *);

/* Frees it all. */
void table_release(struct table *);

/* Forgets all keys; keeps the memory. */
void table_clear(struct table *);

/* Bytes it takes for what it has. */
size_t table_size(const struct table *);

/* The number of the entry of a key, a new one if there was none; or -ENOMEM,
   or -EFBIG beyond 64 GiB of keys. */
int64_t table_find(struct table *, uint64_t hash, const void *key,
    size_t size);

/* Adds a value to an entry, behind the others: 0, -ENOMEM or -EFBIG. */
int table_add(struct table *, uint32_t entry, const void *value,
    size_t size);

/* An entry loses its values, but not the room for them. */
void table_empty(struct table *, uint32_t entry);

/* If an entry has one value, of 8 bytes, adds a number to that one: true.
   Inline, as it is done for each pair of those jobs that count. */
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

/* An entry; valid until the next one is made. */
static inline struct table_entry *table_entry(const struct table *t,
    uint32_t entry)
{
	return (struct table_entry *)(void *)(t->entries.data +
	    (size_t)entry * TABLE_UNIT);
}

/* The number of the entry behind another one. */
static inline uint32_t table_behind(const struct table *t, uint32_t entry)
{
	return entry + (uint32_t)((sizeof(struct table_entry) +
	    table_entry(t, entry)->key_size + TABLE_UNIT) / TABLE_UNIT);
}

/* The number behind the last one. */
static inline uint32_t table_end(const struct table *t)
{
	return (uint32_t)(t->entries.len / TABLE_UNIT);
}

/* A block; valid until the next one is made. */
static inline struct table_block *table_block(const struct table *t,
    uint32_t block)
{
	return (struct table_block *)(void *)(t->blocks.data +
	    (size_t)block * 8);
}

/* Bytes from a value of that size in a block to the next one. */
static inline size_t table_stride(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

#endif
