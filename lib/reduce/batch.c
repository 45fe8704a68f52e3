/* batch.c - see batch.h: records in memory, sorted by key. */
#include "config.h"

#include "reduce/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/* Number of records sorted or merged between two calls of vm_alive(), which
   report that the item still makes progress. */
#define SLICE ((size_t)4096)

/* Pointer to a record in memory, and the first bytes of its key. */
struct handle {
	uint64_t prefix;
	union {
		size_t at;	/* offset in records, while they are added */
		const unsigned char *record;	/* pointer, from batch_sort()
						   on */
	};
};

void batch_init(struct batch *b)
{
	buf_init(&b->records, SIZE_MAX / 4);
	buf_init(&b->handles, SIZE_MAX / 4);
	buf_init(&b->room, SIZE_MAX / 4);
}

void batch_release(struct batch *b)
{
	buf_release(&b->records);
	buf_release(&b->handles);
	buf_release(&b->room);
}

void batch_clear(struct batch *b)
{
	b->records.len = b->handles.len = 0;
}

/* Sorting allocates a second array of handles. */
size_t batch_size(const struct batch *b)
{
	return b->records.len + 2 * b->handles.len;
}

/* The first bytes of a key as a number that sorts in the same order. */
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

/* Parses a record again; record_append() wrote it, so no bound is needed. */
static void look(const struct handle *h, struct record *r)
{
	record_read(h->record, SIZE_MAX, UINT32_MAX, r);
}

/* Records with equal keys compare by address, which is their order of arrival;
   qsort() alone is not stable. */
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

/* Merges two sorted neighbours in the array h: its first "first" handles and
   the others up to count. */
static void merge(struct handle *h, size_t first, size_t count,
    struct handle *room, struct vm_context *me)
{
	size_t a = 0, b = first, n = 0;

	memcpy(room, h, first * sizeof *h);
	while (a < first && b < count) {
		if (n % SLICE == 0)
			vm_alive(me);
		if (by_key(&h[b], &room[a]) < 0)
			h[n++] = h[b++];
		else
			h[n++] = room[a++];
	}
	memcpy(h + n, room + a, (first - a) * sizeof *h);
}

int64_t batch_sort(struct batch *b, struct vm_context *me)
{
	struct handle *h = (void *)b->handles.data, *room;
	size_t count = b->handles.len / sizeof *h;

	if (buf_reserve(&b->room, b->handles.len) < 0)
		return -ENOMEM;
	room = (void *)b->room.data;
	for (size_t i = 0; i < count; i++)
		h[i].record = b->records.data + h[i].at;
	for (size_t i = 0; i < count; i += SLICE) {
		qsort(h + i, MIN(SLICE, count - i), sizeof *h, by_key);
		vm_alive(me);
	}
	for (size_t n = SLICE; n < count; n *= 2)
		for (size_t i = 0; i + n < count; i += 2 * n)
			merge(h + i, n, MIN(2 * n, count - i), room, me);
	return (int64_t)count;
}

void batch_look(const struct batch *b, size_t which, struct record *r)
{
	look((const struct handle *)(const void *)b->handles.data + which, r);
}
