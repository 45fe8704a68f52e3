/* shuffle.c - see shuffle.h: collects the pairs of each partition. */
#include "config.h"

#include "reduce/shuffle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "reduce/emit.h"
#include "reduce/hash.h"

/* Bytes of memory that the buffer of pieces keeps. */
#define KEEP ((size_t)64 * 1024)

int shuffle_open(struct shuffle *s, struct store *store,
    uint32_t partitions, size_t most, bool in_order)
{
	*s = (struct shuffle){
		.store = store,
		.most = most,
		.in_order = in_order,
	};
	s->parts = calloc(partitions, sizeof *s->parts);
	if (s->parts == NULL)
		return -ENOMEM;
	s->count = partitions;
	buf_init(&s->pieces, SIZE_MAX / 4);
	for (uint32_t i = 0; i < partitions; i++) {
		buf_init(&s->parts[i].open, SIZE_MAX / 4);
		buf_init(&s->parts[i].runs, SIZE_MAX / 4);
	}
	return 0;
}

void shuffle_close(struct shuffle *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		buf_release(&s->parts[i].open);
		buf_release(&s->parts[i].runs);
	}
	free(s->parts);
	buf_release(&s->pieces);
	*s = (struct shuffle){ 0 };
}

void shuffle_clear(struct shuffle *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		s->parts[i].open.len = s->parts[i].runs.len = 0;
}

static int close_part(struct shuffle *s, struct shuffle_part *p)
{
	struct run run;
	int r;

	if (p->open.len == 0)
		return 0;
	r = run_write(s->store, store_own_place(s->store), p->open.data,
	    p->open.len, &run);
	if (r == 0)
		r = buf_append(&p->runs, &run, sizeof run);
	buf_empty(&p->open, 2 * s->most);
	return r;
}

/* ---- outputs of workers ---- */

/* Copies the pieces of an output, points *here to the bytes of those in the
   output, and sets *left to the number of these bytes.  Returns the number of
   pieces, -EBADMSG or -ENOMEM. */
static int64_t open_parcel(struct shuffle *s, const unsigned char *output,
    size_t size, const unsigned char **here, size_t *left)
{
	struct parcel p;
	size_t room;

	if (size < sizeof p)
		return -EBADMSG;
	memcpy(&p, output + size - sizeof p, sizeof p);
	if (p.size > size || p.size < sizeof p ||
	    p.pieces > (p.size - sizeof p) / sizeof(struct piece))
		return -EBADMSG;
	room = (size_t)p.pieces * sizeof(struct piece);
	output += size - p.size;
	buf_empty(&s->pieces, KEEP);
	if (buf_append(&s->pieces, output, room) < 0)
		return -ENOMEM;
	*here = output + room;
	*left = (size_t)p.size - sizeof p - room;
	return (int64_t)p.pieces;
}

static const struct piece *pieces(const struct shuffle *s)
{
	return (const struct piece *)(void *)s->pieces.data;
}

/* Are the pieces valid, with exactly "left" bytes in the output?  Returns 0 or
   -EBADMSG. */
static int check(const struct shuffle *s, size_t place, int64_t count,
    size_t left)
{
	for (int64_t i = 0; i < count; i++) {
		const struct piece *p = &pieces(s)[i];

		if (p->partition >= s->count || p->here > left ||
		    (p->here == 0 &&
		    !store_has(s->store, place, &p->run.extent)))
			return -EBADMSG;
		left -= p->here;
	}
	return left == 0 ? 0 : -EBADMSG;
}

static int add_piece(struct shuffle *s, const struct piece *p,
    const unsigned char *here)
{
	struct shuffle_part *part = &s->parts[p->partition];
	int r = 0;

	if (p->here == 0 && s->in_order)
		r = close_part(s, part);
	if (p->here == 0)
		return r == 0 ? buf_append(&part->runs, &p->run,
		    sizeof p->run) : r;
	r = buf_append(&part->open, here, p->here);
	return r == 0 && part->open.len >= s->most ? close_part(s, part) : r;
}

int shuffle_add(struct shuffle *s, size_t place, const void *output,
    size_t size)
{
	const unsigned char *here;
	size_t left;
	int64_t count = open_parcel(s, output, size, &here, &left);
	int r = count < 0 ? (int)count : check(s, place, count, left);

	for (int64_t i = 0; i < count && r == 0; i++) {
		const struct piece *p = &pieces(s)[i];

		r = add_piece(s, p, here);
		here += p->here;
	}
	return r;
}

/* ---- outputs of other machines ---- */

/* Are the bytes whole pairs? */
static bool are_pairs(const unsigned char *at, size_t left, size_t most)
{
	struct record r;
	int64_t length = 1;

	for (; left > 0 && length > 0; at += length, left -= (size_t)length)
		length = record_read_whole(at, left, most, &r);
	return length > 0;
}

static int add_pair(struct shuffle *s, const struct record *pair)
{
	const uint64_t hash = hash_bytes(pair->key, pair->key_size);
	struct shuffle_part *part = &s->parts[hash_share(hash, s->count)];
	struct record r = *pair;
	struct run run;
	int error = 0;

	if (r.body_size >= RECORD_LARGE) {
		error = run_write(s->store, store_own_place(s->store), r.body,
		    r.body_size, &run);
		r.body = (const unsigned char *)&run;
		r.body_size = sizeof run;
		r.apart = true;
	}
	if (error == 0)
		error = record_append(&part->open, &r);
	return error == 0 && part->open.len >= s->most ?
	    close_part(s, part) : error;
}

int shuffle_add_far(struct shuffle *s, const void *output, size_t size,
    size_t pair_most)
{
	const unsigned char *at;
	size_t left;
	int64_t length, count = open_parcel(s, output, size, &at, &left);
	struct record record;
	int r = 0;

	if (count != 0 || !are_pairs(at, left, pair_most))
		return count < 0 ? (int)count : -EBADMSG;
	for (; left > 0 && r == 0; at += length, left -= (size_t)length) {
		/* The bytes may have changed since the first look. */
		length = record_read_whole(at, left, pair_most, &record);
		if (length <= 0)
			return -EPROTO;
		r = add_pair(s, &record);
	}
	return r;
}

/* ---- lists of runs ---- */

int shuffle_list(struct shuffle *s, uint32_t partition, struct run *list)
{
	struct shuffle_part *p = &s->parts[partition];
	int r = close_part(s, p);

	if (r < 0 || p->runs.len == 0)
		return r;
	r = run_write(s->store, store_own_place(s->store), p->runs.data,
	    p->runs.len, list);
	return r < 0 ? r : 1;
}

void shuffle_drop(struct shuffle *s, uint32_t partition,
    const struct run *list)
{
	struct buf *runs = &s->parts[partition].runs;
	const struct run *run = (const void *)runs->data;

	for (size_t i = 0; i < runs->len / sizeof *run; i++)
		store_drop(s->store, &run[i].extent);
	store_drop(s->store, &list->extent);
	runs->len = 0;
}
