/* values.c - see values.h: iterates over the values of a key. */
#include "config.h"

#include "reduce/values.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "reduce/hash.h"
#include "reduce/table.h"
#include "vimap_reduce.h"

/* Bytes that are read from the store at once. */
#define AHEAD ((size_t)64 * 1024)
/* Bytes of memory for a large value that are kept for the next key. */
#define KEEP ((size_t)1024 * 1024)
#define SIZE sizeof(uint32_t)

void values_init(struct vm_values *v, size_t value_most, size_t pages_most)
{
	*v = (struct vm_values){ .value_most = value_most };
	pages_init(&v->pages, pages_most);
	buf_init(&v->buf, SIZE_MAX / 4);
	buf_init(&v->value, SIZE_MAX / 4);
}

void values_of_table(struct vm_values *v, const struct table *t,
    uint32_t entry)
{
	const struct table_entry *e = table_entry(t, entry);

	v->table = t;
	v->entry = e->has_value ? e : NULL;
	v->block = e->first;
	v->nth = 0;
	v->group.count = e->count;
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
	buf_empty(&v->value, KEEP);
	v->error = 0;
}

void values_forget(struct vm_values *v)
{
	pages_forget(&v->pages);
}

void values_release(struct vm_values *v)
{
	pages_release(&v->pages);
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

/* Returns a buffer for the present value, aligned, with a 0 behind it; NULL
   without memory.  Inline, since a small value needs little more. */
static inline unsigned char *room_for(struct vm_values *v, size_t size)
{
	unsigned char *at = v->small;

	if (size >= sizeof v->small) {
		v->value.len = 0;
		if (buf_reserve(&v->value, size) < 0)
			return NULL;
		at = v->value.data;
	}
	at[size] = 0;
	return at;
}

/* ---- values in a table ---- */

/* Copies the next value and points *to to it.  Returns 1, 0 or -ENOMEM. */
static inline int next_of_table(struct vm_values *v, const unsigned char **to,
    size_t *size)
{
	const struct table_block *b;
	unsigned char *at;

	if (v->entry != NULL) {
		*size = sizeof v->entry->value;
		*to = memcpy(v->small, v->entry->value, *size);
		v->small[*size] = 0;
		v->entry = NULL;
		return 1;
	}
	for (;; v->block = b->next, v->nth = 0) {
		if (v->block == TABLE_NONE)
			return 0;
		b = table_block(v->table, v->block);
		if (v->nth < b->used)
			break;
	}
	at = room_for(v, b->size);
	if (at == NULL)
		return -ENOMEM;
	buf_copy(at, b->values + v->nth++ * table_stride(b->size), b->size);
	*to = at;
	*size = b->size;
	return 1;
}

/* ---- values in the store ---- */

/* Reads until the buffer has "want" bytes.  Returns 0 or -errno. */
static int read_ahead(struct vm_values *v, size_t want)
{
	size_t have = v->buf.len - v->from;
	uint64_t left = v->group.size - v->read;
	size_t n = (size_t)MIN(left, MAX(want, AHEAD));
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
		r = pages_read(&v->pages, v->store, v->group.at + v->read,
		    v->buf.data + have, n);
	if (r < 0)
		return r;
	v->read += n;
	v->buf.len += n;
	return 0;
}

/* Reads a value that lies apart, as a run.  Returns 0 or -errno. */
static int fetch(struct vm_values *v, const unsigned char **to, size_t *size)
{
	struct run run;
	unsigned char *at;
	int r = read_ahead(v, sizeof run);

	if (r < 0)
		return r;
	memcpy(&run, v->buf.data + v->from, sizeof run);
	v->from += sizeof run;
	if (run.extent.size > v->value_most)
		return -EBADMSG;
	*size = (size_t)run.extent.size;
	at = room_for(v, *size);
	if (at == NULL)
		return -ENOMEM;
	*to = at;
	v->seal = values_seal_apart(v->seal, &run);
	return run_read(v->store, &run, at);
}

/* Copies a value from the buffer.  Returns 0 or -errno. */
static int take(struct vm_values *v, const unsigned char **to, size_t size)
{
	unsigned char *at;
	int r = size <= RECORD_LARGE ? read_ahead(v, size) : -EBADMSG;

	if (r < 0)
		return r;
	at = room_for(v, size);
	if (at == NULL)
		return -ENOMEM;
	*to = at;
	buf_copy(at, v->buf.data + v->from, size);
	v->seal = values_seal(v->seal, at, size);
	v->from += size;
	return 0;
}

/* Reads the next value and points *to to it.  Returns 1, 0 after the last, or
   -errno. */
static int next_of_group(struct vm_values *v, const unsigned char **to,
    size_t *size)
{
	uint32_t n;
	int r;

	if (v->given == v->group.count)
		return 0;
	r = read_ahead(v, SIZE);
	if (r < 0)
		return r;
	memcpy(&n, v->buf.data + v->from, SIZE);
	v->from += SIZE;
	*size = n;
	r = n == RECORD_APART ? fetch(v, to, size) : take(v, to, n);
	/* The last value is withheld if the seal does not match. */
	if (r == 0 && ++v->given == v->group.count &&
	    v->seal != v->group.seal)
		r = -EBADMSG;
	return r < 0 ? r : 1;
}

/* ---- the public functions ---- */

const void *vm_value(struct vm_values *v, size_t *size)
{
	const unsigned char *at;
	size_t n;
	int r;

	if (v->error != 0)
		return NULL;
	r = v->table != NULL ? next_of_table(v, &at, &n) :
	    next_of_group(v, &at, &n);
	if (r < 0)
		v->error = -r;
	if (r <= 0)
		return NULL;
	if (size != NULL)
		*size = n;
	return at;
}

uint64_t vm_value_count(const struct vm_values *v)
{
	return v->group.count;
}
