/* combine.c - see combine.h: runs collect() over values of the same key. */
#include "config.h"

#include "reduce/combine.h"

#include <errno.h>
#include <string.h>

#include "reduce/record.h"

/* When a key has this number of values, collect() runs over them.  If it leaves
   more than half of the threshold, the threshold rises, for all keys, to twice
   the number left. */
#define COLLECT_AT 10

void combine_init(struct combine *c, struct vm_context *me,
    combine_hook *add_up, size_t memory, size_t value_most)
{
	*c = (struct combine){ .me = me, .add_up = add_up, .memory = memory };
	buf_init(&c->collected, SIZE_MAX / 4);
	table_init(&c->table);
	values_init(&c->values, value_most, 0);
}

void combine_release(struct combine *c)
{
	buf_release(&c->collected);
	table_release(&c->table);
	values_release(&c->values);
}

void combine_begin(struct combine *c, const struct vm_job *job,
    combine_to to, void *arg)
{
	c->job = job;
	c->to = to;
	c->arg = arg;
	c->code = 0;
	c->collect_at = COLLECT_AT;
	c->each_alive = false;
	table_clear(&c->table);
}

/* ---- collecting ---- */

/* Replaces the values of a key by those that collect() emitted. */
static int replace(struct combine *c, uint32_t entry)
{
	const struct buf *b = &c->collected;
	uint32_t size;
	int r = 0;

	table_empty(&c->table, entry);
	for (size_t at = 0; at < b->len && r == 0; at += size) {
		memcpy(&size, b->data + at, sizeof size);
		at += sizeof size;
		r = table_add(&c->table, entry, b->data + at, size);
	}
	return r;
}

static int collect(struct combine *c, uint32_t entry)
{
	const struct table_entry *e = table_entry(&c->table, entry);
	int r;

	c->entry = entry;
	c->collected.len = 0;
	values_of_table(&c->values, &c->table, entry);
	if (c->each_alive)
		vm_alive(c->me);
	c->collecting = true;
	c->code = c->job->collect(c->me, e->key, e->key_size, &c->values);
	c->collecting = false;
	if (c->code != 0)
		return -ECANCELED;
	if (c->values.error != 0)
		return -c->values.error;
	r = replace(c, entry);
	if (e->count > c->collect_at / 2)
		c->collect_at = 2 * (size_t)e->count;
	return r;
}

int combine_take(struct combine *c, const void *key, size_t key_size,
    const void *value, size_t value_size)
{
	const struct table_entry *e = table_entry(&c->table, c->entry);
	uint32_t size = (uint32_t)value_size;
	int r;

	if (e->key_size != key_size ||
	    (key_size > 0 && memcmp(e->key, key, key_size) != 0))
		return -EINVAL;
	r = buf_append(&c->collected, &size, sizeof size);
	return r == 0 ? buf_append(&c->collected, value, value_size) : r;
}

/* ---- pairs ---- */

/* Passes the values of a key on to the callback. */
static int pass(struct combine *c, uint32_t entry)
{
	const struct table_entry *e = table_entry(&c->table, entry);
	const void *value;
	size_t size;
	int r = 0;

	values_of_table(&c->values, &c->table, entry);
	while (r == 0 && (value = vm_value(&c->values, &size)) != NULL)
		r = c->to(c->arg, e->hash, e->key, e->key_size, value, size);
	return r == 0 ? -c->values.error : r;
}

int combine_end(struct combine *c)
{
	struct table *t = &c->table;
	int r = 0;

	for (uint32_t i = 0; i < table_end(t) && r == 0;
	    i = table_behind(t, i)) {
		if (table_entry(t, i)->count > 1)
			r = collect(c, i);
		if (r == 0)
			r = pass(c, i);
	}
	table_clear(t);
	return r;
}

int combine_add(struct combine *c, uint64_t hash, const void *key,
    size_t key_size, const void *value, size_t value_size)
{
	struct table *t = &c->table;
	int64_t found;
	uint32_t entry;
	int r;

	if (value_size >= RECORD_LARGE)
		return c->to(c->arg, hash, key, key_size, value, value_size);
	found = table_find(t, hash, key, key_size);
	if (found < 0)
		return (int)found;
	entry = (uint32_t)found;
	if (value_size == sizeof(uint64_t) && c->job->collect == c->add_up &&
	    table_sum(table_entry(t, entry), value))
		return 0;
	r = table_add(t, entry, value, value_size);
	if (r == 0 && table_entry(t, entry)->count >= c->collect_at)
		r = collect(c, entry);
	return r == 0 && table_size(t) > c->memory ? combine_end(c) : r;
}
