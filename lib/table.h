/*
 * table.h - the values of each key that a call of map() has emitted, for
 * collect().
 *
 * Runs in: worker.  A hash table with open addressing; keys and values lie in
 * arenas that grow, and are all given up at once.  Values are nodes of a list,
 * so that collect() can be given them as they came; those of a small value are
 * used again once collect() has made fewer of them.
 *
 * Easy to get wrong: arenas move when they grow, so entries and nodes know each
 * other by numbers.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdint.h>

#include "buf.h"

#define TABLE_NONE UINT32_MAX

/* A value.  Small ones take 16 bytes, and each is aligned for any type. */
struct table_node {
	uint32_t next;
	uint32_t size;
	unsigned char value[];
};

struct table_entry {
	uint64_t hash;
	uint32_t key, key_size;	/* in the keys */
	uint32_t first, last;	/* nodes; TABLE_NONE: no value */
	uint32_t count;
	uint32_t reserved;
};

struct table {
	uint32_t *slots;	/* numbers of entries, or TABLE_NONE */
	uint32_t mask;
	uint32_t count;		/* entries */
	struct buf entries, keys, nodes;
	uint32_t unused;	/* first of the small nodes to be used again */
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
   or -EFBIG beyond 4 GiB of keys. */
int64_t table_find(struct table *, uint64_t hash, const void *key,
    size_t size);

/* Adds a value to an entry, behind the others: 0, -ENOMEM or -EFBIG. */
int table_add(struct table *, uint32_t entry, const void *value,
    size_t size);

/* Takes all values from an entry, which are a list of so many then. */
uint32_t table_take(struct table *, uint32_t entry, uint32_t *count);

/* Nobody looks at a list of values any more. */
void table_reuse(struct table *, uint32_t first);

/* An entry; valid until the next one is made. */
static inline struct table_entry *table_entry(const struct table *t,
    uint32_t entry)
{
	return (struct table_entry *)(void *)t->entries.data + entry;
}

/* A node; valid until the next one is made. */
static inline struct table_node *table_node(const struct table *t,
    uint32_t node)
{
	return (struct table_node *)(void *)(t->nodes.data +
	    (size_t)node * 16 + 8);
}

/* The key of an entry; valid as long. */
static inline const unsigned char *table_key(const struct table *t,
    const struct table_entry *e)
{
	return t->keys.data + e->key;
}

#endif
