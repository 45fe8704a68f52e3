/* batch.c - see batch.h: records in memory, in the order of keys. */
#include "config.h"

#include "batch.h"

#include <stdlib.h>
#include <string.h>

#include "base.h"

/* A record in memory, and the first bytes of its key. */
struct handle {
	uint64_t prefix;
	union {
		size_t at;	/* while records are added: where it is */
		const unsigned char *record;	/* when they are sorted */
	};
};

void batch_init(struct batch *b)
{
	buf_init(&b->records, SIZE_MAX / 4);
	buf_init(&b->handles, SIZE_MAX / 4);
}

void batch_release(struct batch *b)
{
	buf_release(&b->records);
	buf_release(&b->handles);
}

void batch_clear(struct batch *b)
{
	b->records.len = b->handles.len = 0;
}

/* qsort() takes as much again for the handles. */
size_t batch_size(const struct batch *b)
{
	return b->records.len + 2 * b->handles.len;
}

/* The first bytes of a key as a number with the same order. */
static uint64_t prefix_of(const struct record *r)
{
	unsigned char bytes[8] = { 0 };
	uint64_t n = 0;

	memcpy(bytes, r->key, MIN(r->key_size, sizeof bytes));
	for (size_t i = 0; i < sizeof bytes; i++)
		n = n << 8 | bytes[i];
	return n;
}

int batch_add(struct batch *b, const struct record *r)
{
	struct handle h = { prefix_of(r), { b->records.len } };
	int error = record_append(&b->records, r);

	return error == 0 ? buf_append(&b->handles, &h, sizeof h) : error;
}

/* Reads one again that was checked when it came. */
static void look(const struct handle *h, struct record *r)
{
	record_read(h->record, SIZE_MAX, UINT32_MAX, r);
}

/* Equal keys are in the order of where they lie, which is that they came in;
   qsort() alone would not keep it. */
static int by_key(const void *a, const void *b)
{
	const struct handle *x = a, *y = b;
	struct record p, q;
	int r;

	if (x->prefix != y->prefix)
		return x->prefix < y->prefix ? -1 : 1;
	look(x, &p);
	look(y, &q);
	r = record_compare(p.key, p.key_size, q.key, q.key_size);
	return r != 0 ? r : (x->record > y->record) - (x->record < y->record);
}

size_t batch_sort(struct batch *b)
{
	struct handle *h = (void *)b->handles.data;
	size_t count = b->handles.len / sizeof *h;

	for (size_t i = 0; i < count; i++)
		h[i].record = b->records.data + h[i].at;
	if (count > 0)
		qsort(h, count, sizeof *h, by_key);
	return count;
}

void batch_look(const struct batch *b, size_t which, struct record *r)
{
	look((const struct handle *)(const void *)b->handles.data + which, r);
}
