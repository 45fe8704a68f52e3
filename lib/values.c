/* values.c - see values.h: the values of one key. */
#include "config.h"

#include "values.h"

#include <errno.h>
#include <string.h>

#include "base.h"
#include "hash.h"
#include "table.h"
#include "vimap_reduce.h"

/* Bytes that are read ahead. */
#define AHEAD ((size_t)64 * 1024)
#define SIZE sizeof(uint32_t)

void values_init(struct vm_values *v, size_t value_most)
{
	*v = (struct vm_values){ .value_most = value_most };
	buf_init(&v->buf, SIZE_MAX / 4);
	buf_init(&v->value, SIZE_MAX / 4);
}

void values_of_table(struct vm_values *v, struct table *t, uint32_t node,
    uint64_t count)
{
	v->table = t;
	v->node = node;
	v->group.count = count;
	v->given = 0;
	v->error = 0;
}

void values_of_group(struct vm_values *v, const struct store *s,
    const struct group *g)
{
	v->table = NULL;
	v->store = s;
	v->group = *g;
	v->read = v->given = 0;
	v->seal = HASH_START;
	v->from = v->buf.len = 0;
	v->error = 0;
}

void values_release(struct vm_values *v)
{
	buf_release(&v->buf);
	buf_release(&v->value);
}

uint64_t values_seal(uint64_t seal, const void *value, size_t size)
{
	return hash_word(seal, hash_bytes(value, size));
}

uint64_t values_seal_apart(uint64_t seal, const struct run *run)
{
	return hash_word(seal, run->seal);
}

/* Makes room for the present value, and a 0: 0 or -errno. */
static int make_room(struct vm_values *v, uint64_t size)
{
	int r;

	if (size > v->value_most)
		return -EBADMSG;
	v->value.len = 0;
	r = buf_reserve(&v->value, (size_t)size);
	if (r == 0) {
		v->value.len = (size_t)size;
		v->value.data[size] = 0;
	}
	return r;
}

/* ---- of a table ---- */

/* The next one, to v->value: 1, 0 or -errno.  A copy, for the table may move
   when collect() emits. */
static int next_of_table(struct vm_values *v)
{
	const struct table_node *n;
	int r;

	if (v->node == TABLE_NONE)
		return 0;
	n = table_node(v->table, v->node);
	r = make_room(v, n->size);
	if (r < 0)
		return r;
	v->node = n->next;
	buf_copy(v->value.data, n->value, n->size);
	return 1;
}

/* ---- of a group ---- */

/* Has bytes ahead, read as far as they are wanted: 0 or -errno. */
static int read_ahead(struct vm_values *v, size_t want)
{
	size_t have = v->buf.len - v->from;
	uint64_t left = v->group.size - v->read;
	size_t n = MIN(left, MAX(want, AHEAD));
	int r;

	if (have >= want)
		return 0;
	if (want - have > left)
		return -EBADMSG;
	if (have > 0)
		memmove(v->buf.data, v->buf.data + v->from, have);
	v->from = 0;
	v->buf.len = have;
	r = buf_reserve(&v->buf, n);
	if (r == 0)
		r = store_read(v->store, v->group.at + v->read,
		    v->buf.data + have, n);
	if (r < 0)
		return r;
	v->read += n;
	v->buf.len += n;
	return 0;
}

/* The present value lies apart. */
static int fetch(struct vm_values *v)
{
	struct run run;
	int r = read_ahead(v, sizeof run);

	if (r < 0)
		return r;
	memcpy(&run, v->buf.data + v->from, sizeof run);
	v->from += sizeof run;
	r = make_room(v, run.extent.size);
	if (r == 0)
		r = run_read(v->store, &run, v->value.data);
	if (r == 0)
		v->seal = values_seal_apart(v->seal, &run);
	return r;
}

/* The next one, to v->value: 1; 0 after the last; -errno. */
static int next_of_group(struct vm_values *v)
{
	uint32_t size;
	int r;

	if (v->given == v->group.count)
		return v->seal == v->group.seal ? 0 : -EBADMSG;
	r = read_ahead(v, SIZE);
	if (r < 0)
		return r;
	memcpy(&size, v->buf.data + v->from, SIZE);
	v->from += SIZE;
	if (size == RECORD_APART) {
		r = fetch(v);
	} else {
		r = size <= RECORD_LARGE ? read_ahead(v, size) : -EBADMSG;
		if (r == 0)
			r = make_room(v, size);
		if (r < 0)
			return r;
		buf_copy(v->value.data, v->buf.data + v->from, size);
		v->seal = values_seal(v->seal, v->value.data, size);
		v->from += size;
	}
	v->given++;
	return r < 0 ? r : 1;
}

/* ---- the public functions ---- */

const void *vm_value(struct vm_values *v, size_t *size)
{
	int r;

	if (v->error != 0)
		return NULL;
	r = v->table != NULL ? next_of_table(v) : next_of_group(v);
	if (r < 0)
		v->error = -r;
	if (r <= 0)
		return NULL;
	if (size != NULL)
		*size = v->value.len;
	return v->value.data;
}

uint64_t vm_value_count(const struct vm_values *v)
{
	return v->group.count;
}
