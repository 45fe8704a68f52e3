/* table.c - see table.h: hash table of emitted values, by key. */
#include "config.h"

#include "reduce/table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "reduce/hash.h"

#define SLOTS_LEAST 256
/* Number of values in the first block of a key and in each later block; a large
   value has a block of its own. */
#define FIRST_ROOM 2
#define MORE_ROOM 8
#define LARGE_VALUE 256

void table_init(struct table *t)
{
	*t = (struct table){ .slots = NULL };
	buf_init(&t->entries, SIZE_MAX / 4);
	buf_init(&t->blocks, SIZE_MAX / 4);
}

void table_release(struct table *t)
{
	free(t->slots);
	buf_release(&t->entries);
	buf_release(&t->blocks);
	table_init(t);
}

static size_t slots_size(const struct table *t)
{
	return t->slots ? (t->mask + (size_t)1) * sizeof *t->slots : 0;
}

void table_clear(struct table *t)
{
	if (t->count > 0)
		memset(t->slots, 0xff, slots_size(t));
	t->count = 0;
	t->entries.len = t->blocks.len = 0;
}

size_t table_size(const struct table *t)
{
	return t->entries.len + t->blocks.len + slots_size(t);
}

/* ---- keys ---- */

static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

static void put_slot(struct table *t, uint32_t entry)
{
	uint64_t hash = table_entry(t, entry)->hash;
	uint32_t at = (uint32_t)hash & t->mask;

	while (t->slots[at].entry != TABLE_NONE)
		at = (at + 1) & t->mask;
	t->slots[at] = (struct table_slot){ tag_of(hash), entry };
}

/* Doubles the array of slots. */
static RARELY int grow(struct table *t)
{
	size_t n = t->slots ? ((size_t)t->mask + 1) * 2 : SLOTS_LEAST;
	struct table_slot *slots;

	if (n > (size_t)1 << 31)
		return -EFBIG;
	slots = malloc(n * sizeof *slots);
	if (slots == NULL)
		return -ENOMEM;
	memset(slots, 0xff, n * sizeof *slots);
	free(t->slots);
	t->slots = slots;
	t->mask = (uint32_t)(n - 1);
	for (uint32_t i = 0; i < table_end(t); i = table_behind(t, i))
		put_slot(t, i);
	return 0;
}

static RARELY int64_t add_entry(struct table *t, uint64_t hash,
    const void *key, size_t size)
{
	const struct table_entry e = {
		.hash = hash,
		.key_size = (uint32_t)size,
		.first = TABLE_NONE,
		.last = TABLE_NONE,
	};
	size_t length = (sizeof e + size + TABLE_UNIT) / TABLE_UNIT *
	    TABLE_UNIT;
	uint32_t number = table_end(t);
	unsigned char *at;
	int r = t->entries.len / TABLE_UNIT < TABLE_NONE - 1 - length ?
	    buf_reserve(&t->entries, length) : -EFBIG;

	if (r < 0)
		return r;
	at = t->entries.data + t->entries.len;
	/* Zeroes the padding behind the key. */
	memset(at + length - TABLE_UNIT, 0, TABLE_UNIT);
	memcpy(at, &e, sizeof e);
	buf_copy(at + sizeof e, key, size);
	t->entries.len += length;
	put_slot(t, number);
	t->count++;
	return number;
}

/* Compares keys.  Inline, without a call of memcmp(): it runs for each pair. */
static inline bool is_same(const unsigned char *a, const unsigned char *b,
    size_t size)
{
	uint64_t x, y;

	for (; size >= 8; a += 8, b += 8, size -= 8) {
		memcpy(&x, a, 8);
		memcpy(&y, b, 8);
		if (x != y)
			return false;
	}
	if (size >= 4)
		return hash_tail(a, size) == hash_tail(b, size);
	for (; size > 0; size--)
		if (*a++ != *b++)
			return false;
	return true;
}

int64_t table_find(struct table *t, uint64_t hash, const void *key,
    size_t size)
{
	const struct table_entry *e;
	const struct table_slot *s;
	int r;

	/* At least half of the slots are free, so that searches are short. */
	if (t->slots == NULL || t->count > t->mask / 2) {
		r = grow(t);
		if (r < 0)
			return r;
	}
	for (uint32_t at = (uint32_t)hash & t->mask;; at = (at + 1) & t->mask) {
		s = &t->slots[at];
		if (s->entry == TABLE_NONE)
			return add_entry(t, hash, key, size);
		if (s->tag != tag_of(hash))
			continue;
		e = table_entry(t, s->entry);
		if (e->key_size == size && is_same(e->key, key, size))
			return s->entry;
	}
}

/* ---- values ---- */

/* Appends a block to the list of an entry.  Returns 0, -ENOMEM or -EFBIG. */
static RARELY int add_block(struct table *t, uint32_t entry, size_t size)
{
	struct table_entry *e = table_entry(t, entry);
	uint32_t number = (uint32_t)(t->blocks.len / 8);
	struct table_block b = {
		.next = TABLE_NONE,
		.size = (uint32_t)size,
		.room = size >= LARGE_VALUE ? 1 :
		    e->first == TABLE_NONE ? FIRST_ROOM : MORE_ROOM,
	};
	size_t length = sizeof b + b.room * table_stride(size);
	int r = t->blocks.len / 8 < TABLE_NONE - 1 ?
	    buf_reserve(&t->blocks, length) : -EFBIG;

	if (r < 0)
		return r;
	memcpy(t->blocks.data + t->blocks.len, &b, sizeof b);
	t->blocks.len += length;
	if (e->first == TABLE_NONE)
		e->first = number;
	else
		table_block(t, e->last)->next = number;
	e->last = number;
	return 0;
}

/* Returns a block with room for a value, which may be an emptied block, or
   NULL. */
static inline struct table_block *block_for(struct table *t,
    struct table_entry *e, size_t size)
{
	struct table_block *b;

	while (e->last != TABLE_NONE) {
		b = table_block(t, e->last);
		if (b->size == size && b->used < b->room)
			return b;
		if (b->next == TABLE_NONE)
			break;
		e->last = b->next;
	}
	return NULL;
}

int table_add(struct table *t, uint32_t entry, const void *value,
    size_t size)
{
	struct table_entry *e = table_entry(t, entry);
	struct table_block *b;
	int r;

	if (e->count == 0 && size == sizeof e->value) {
		memcpy(e->value, value, sizeof e->value);
		e->has_value = 1;
		e->count = 1;
		return 0;
	}
	b = block_for(t, e, size);
	if (b == NULL) {
		r = add_block(t, entry, size);
		if (r < 0)
			return r;
		b = table_block(t, e->last);
	}
	buf_copy(b->values + b->used++ * table_stride(size), value, size);
	e->count++;
	return 0;
}

void table_empty(struct table *t, uint32_t entry)
{
	struct table_entry *e = table_entry(t, entry);
	uint32_t at = e->first;

	for (; at != TABLE_NONE; at = table_block(t, at)->next)
		table_block(t, at)->used = 0;
	e->last = e->first;
	e->count = 0;
	e->has_value = 0;
}
