/* emit.c - see emit.h: buffers the pairs of a call, by partition. */
#include "config.h"

#include "reduce/emit.h"

#include <errno.h>
#include <stdlib.h>

#include "base/base.h"
#include "reduce/hash.h"

/* Bounds of the bytes that are put into the output itself; with more, each
   partition is written as a run.  An output of 16 KiB or more takes a payload
   in shared memory, in an arena of several MiB: if "most" is below ENOUGH, the
   bound stays below that size. */
#define HERE_MOST ((size_t)64 * 1024)
#define HERE_LEAST ((size_t)12 * 1024)
#define ENOUGH ((size_t)2 * 1024 * 1024)
/* Least memory that the buffer of a partition keeps between calls; usually it
   keeps twice its share of "most".  If inputs come sorted by key, most pairs of
   a call are of the same partition, and in time each buffer would have grown to
   "most". */
#define KEEP_LEAST ((size_t)1024)
/* The same for the buffer of all pairs, without a store. */
#define KEEP_ALL ((size_t)1024 * 1024)

int emit_open(struct emit *e, struct store *store, size_t place,
    uint32_t partitions, size_t most, size_t pair_most)
{
	*e = (struct emit){
		.store = store,
		.place = place,
		.most = most,
		.here = most < ENOUGH ? HERE_LEAST : HERE_MOST,
		.keep = store != NULL ?
		    MAX(2 * most / partitions, KEEP_LEAST) : KEEP_ALL,
		.pair_most = pair_most,
	};
	e->parts = calloc(partitions, sizeof *e->parts);
	if (e->parts == NULL)
		return -ENOMEM;
	e->partitions = partitions;
	for (uint32_t i = 0; i < partitions; i++)
		buf_init(&e->parts[i], SIZE_MAX / 4);
	buf_init(&e->pieces, SIZE_MAX / 4);
	return 0;
}

void emit_close(struct emit *e)
{
	for (uint32_t i = 0; i < e->partitions; i++)
		buf_release(&e->parts[i]);
	free(e->parts);
	buf_release(&e->pieces);
	*e = (struct emit){ 0 };
}

void emit_begin(struct emit *e)
{
	if (e->begun)
		for (uint32_t i = 0; i < e->partitions; i++)
			buf_empty(&e->parts[i], e->keep);
	e->begun = false;
	e->bytes = 0;
	e->pieces.len = 0;
	if (e->store != NULL)
		e->mark = store_mark(e->store, e->place);
}

void emit_undo(struct emit *e)
{
	if (e->store != NULL)
		store_rewind(e->store, e->place, e->mark);
}

/* Writes the buffer of each partition as a run. */
static int flush(struct emit *e)
{
	int r = 0;

	for (uint32_t i = 0; i < e->partitions && r == 0; i++) {
		struct piece p = { .partition = i };
		struct buf *part = &e->parts[i];

		if (part->len == 0)
			continue;
		r = run_write(e->store, e->place, part->data, part->len,
		    &p.run);
		if (r == 0)
			r = buf_append(&e->pieces, &p, sizeof p);
		buf_empty(part, e->keep);
	}
	e->bytes = 0;
	return r;
}

/* Appends a pair where there is no store.  Returns 0 or -errno. */
static int keep_pair(struct emit *e, const struct record *r)
{
	const size_t size = RECORD_HEAD + (size_t)r->key_size + r->body_size;
	int error;

	if (size > e->most - e->bytes)
		return -EMSGSIZE;
	error = record_append(&e->parts[0], r);
	if (error < 0)
		return error;
	e->begun = true;
	e->bytes += size;
	return 0;
}

int emit_pair(struct emit *e, uint64_t hash, const void *key,
    size_t key_size, const void *value, size_t value_size)
{
	struct record r = { key, value, (uint32_t)key_size,
		(uint32_t)value_size, false };
	struct buf *part = &e->parts[hash_share(hash, e->partitions)];
	struct run run;
	int error = 0;

	if (key_size > e->pair_most || value_size > e->pair_most)
		return -EFBIG;
	if (e->store == NULL)
		return keep_pair(e, &r);
	r.apart = value_size >= RECORD_LARGE;
	if (r.apart) {
		error = run_write(e->store, e->place, value, value_size, &run);
		r.body = (const unsigned char *)&run;
		r.body_size = sizeof run;
	}
	if (error == 0)
		error = record_append(part, &r);
	if (error < 0)
		return error;
	e->begun = true;
	e->bytes += RECORD_HEAD + key_size + r.body_size;
	return e->bytes < e->most ? 0 : flush(e);
}

/* Lists the buffers as pieces that are in the output. */
static int describe(struct emit *e)
{
	int r = 0;

	for (uint32_t i = 0; i < e->partitions && r == 0; i++) {
		struct piece p = { .partition = i,
			.here = (uint32_t)e->parts[i].len };

		if (p.here > 0)
			r = buf_append(&e->pieces, &p, sizeof p);
	}
	return r;
}

int emit_end(struct emit *e, struct vm_context *me)
{
	struct parcel parcel = { sizeof parcel, 0 };
	int r = 0;

	if (e->store != NULL)
		r = e->bytes > e->here || e->pieces.len > 0 ? flush(e) :
		    describe(e);
	if (r < 0)
		return r;
	parcel.pieces = e->pieces.len / sizeof(struct piece);
	parcel.size += e->pieces.len + e->bytes;
	r = vm_output(me, e->pieces.len ? e->pieces.data : NULL,
	    e->pieces.len);
	for (uint32_t i = 0; i < e->partitions && r == 0 && e->bytes > 0; i++)
		if (e->parts[i].len > 0)
			r = vm_output(me, e->parts[i].data, e->parts[i].len);
	if (r == 0)
		r = vm_output(me, &parcel, sizeof parcel);
	if (r < 0)
		return errno == EFBIG ? -EOVERFLOW : -errno;
	return 0;
}
