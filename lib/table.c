/* table.c - see table.h: what map() has emitted, by key. */
#include "config.h"

#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

#define SLOTS_LEAST 256
/* A node is a number of these. */
#define UNIT ((size_t)16)
/* A small value: one that fits in one of them, behind the node's head. */
#define SMALL ((size_t)8)

void table_init(struct table *t)
{
	*t = (struct table){ .unused = TABLE_NONE };
	buf_init(&t->entries, (size_t)UINT32_MAX);
	buf_init(&t->keys, (size_t)UINT32_MAX);
	/* Numbers of units have 32 bits. */
	buf_init(&t->nodes, SIZE_MAX / 4);
}

void table_release(struct table *t)
{
	free(t->slots);
	buf_release(&t->entries);
	buf_release(&t->keys);
	buf_release(&t->nodes);
	table_init(t);
}

void table_clear(struct table *t)
{
	if (t->slots != NULL)
		memset(t->slots, 0xff, (t->mask + (size_t)1) *
		    sizeof *t->slots);
	t->count = 0;
	t->entries.len = t->keys.len = t->nodes.len = 0;
	t->unused = TABLE_NONE;
}

size_t table_size(const struct table *t)
{
	return t->entries.len + t->keys.len + t->nodes.len +
	    (t->mask + (size_t)1) * sizeof *t->slots;
}

/* ---- keys ---- */

/* Where an entry of that hash is, or a free slot, at first. */
static uint32_t slot_of(const struct table *t, uint64_t hash)
{
	return (uint32_t)(hash >> 16) & t->mask;
}

static void put_slot(struct table *t, uint32_t entry)
{
	uint32_t at = slot_of(t, table_entry(t, entry)->hash);

	while (t->slots[at] != TABLE_NONE)
		at = (at + 1) & t->mask;
	t->slots[at] = entry;
}

/* Keeps half of the slots free. */
static int grow(struct table *t)
{
	size_t n = t->slots ? ((size_t)t->mask + 1) * 2 : SLOTS_LEAST;
	uint32_t *slots;

	if (t->slots != NULL && t->count < (t->mask + (size_t)1) / 2)
		return 0;
	if (n > (size_t)1 << 31)
		return -EFBIG;
	slots = malloc(n * sizeof *slots);
	if (slots == NULL)
		return -ENOMEM;
	memset(slots, 0xff, n * sizeof *slots);
	free(t->slots);
	t->slots = slots;
	t->mask = (uint32_t)(n - 1);
	for (uint32_t i = 0; i < t->count; i++)
		put_slot(t, i);
	return 0;
}

static int64_t add_entry(struct table *t, uint64_t hash, const void *key,
    size_t size)
{
	struct table_entry e = {
		.hash = hash,
		.key = (uint32_t)t->keys.len,
		.key_size = (uint32_t)size,
		.first = TABLE_NONE,
		.last = TABLE_NONE,
	};
	int r = buf_reserve(&t->entries, sizeof e);

	if (r == 0)
		r = buf_append(&t->keys, key, size);
	if (r < 0)
		return r;
	buf_append(&t->entries, &e, sizeof e);
	put_slot(t, t->count);
	return t->count++;
}

int64_t table_find(struct table *t, uint64_t hash, const void *key,
    size_t size)
{
	const struct table_entry *e;
	int r = grow(t);

	if (r < 0)
		return r;
	for (uint32_t at = slot_of(t, hash); t->slots[at] != TABLE_NONE;
	    at = (at + 1) & t->mask) {
		e = table_entry(t, t->slots[at]);
		if (e->hash == hash && e->key_size == size &&
		    memcmp(table_key(t, e), key, size) == 0)
			return t->slots[at];
	}
	return add_entry(t, hash, key, size);
}

/* ---- values ---- */

/* A node for a value: its number; or -ENOMEM, -EFBIG. */
static int64_t new_node(struct table *t, size_t size)
{
	size_t units = (SMALL + size + UNIT - 1) / UNIT;
	uint32_t node = t->unused;
	int r;

	if (size <= SMALL && node != TABLE_NONE) {
		t->unused = table_node(t, node)->next;
		return node;
	}
	/* Its value is aligned, so its head ends where a unit does. */
	if (t->nodes.len == 0) {
		r = buf_reserve(&t->nodes, UNIT);
		if (r < 0)
			return r;
		t->nodes.len = UNIT;
	}
	if (t->nodes.len / UNIT + units >= TABLE_NONE)
		return -EFBIG;
	r = buf_reserve(&t->nodes, units * UNIT);
	if (r < 0)
		return r;
	node = (uint32_t)(t->nodes.len / UNIT - 1);
	t->nodes.len += units * UNIT;
	return node;
}

int table_add(struct table *t, uint32_t entry, const void *value,
    size_t size)
{
	int64_t node = new_node(t, size);
	struct table_entry *e = table_entry(t, entry);
	struct table_node *n;

	if (node < 0)
		return (int)node;
	n = table_node(t, (uint32_t)node);
	n->next = TABLE_NONE;
	n->size = (uint32_t)size;
	buf_copy(n->value, value, size);
	if (e->first == TABLE_NONE)
		e->first = (uint32_t)node;
	else
		table_node(t, e->last)->next = (uint32_t)node;
	e->last = (uint32_t)node;
	e->count++;
	return 0;
}

uint32_t table_take(struct table *t, uint32_t entry, uint32_t *count)
{
	struct table_entry *e = table_entry(t, entry);
	uint32_t first = e->first;

	*count = e->count;
	e->first = e->last = TABLE_NONE;
	e->count = 0;
	return first;
}

void table_reuse(struct table *t, uint32_t first)
{
	struct table_node *n;
	uint32_t next;

	for (; first != TABLE_NONE; first = next) {
		n = table_node(t, first);
		next = n->next;
		if (n->size > SMALL)
			continue;
		n->next = t->unused;
		t->unused = first;
	}
}
