/*
 * buf.h - bytes that grow up to a bound.
 *
 * Runs in: caller and worker.  Pure: no descriptor, no process, no clock.
 * One byte more than asked is always there, so that a 0 can follow the data.
 */
#ifndef BUF_H
#define BUF_H

#include <stddef.h>
#include <string.h>

/* Copies bytes.  Inline, and without a call for the size that the smallest
   items have most often, as it is done for each item. */
static inline void buf_copy(void *to, const void *from, size_t size)
{
	if (size == 8)
		memcpy(to, from, 8);
	else if (size > 0)
		memcpy(to, from, size);
}

/* Empty is all zero but for max.  data is aligned for any type. */
struct buf {
	unsigned char *data;	/* NULL while nothing was ever needed */
	size_t len;
	size_t cap;		/* of data, without the spare byte */
	size_t max;		/* len never passes it */
};

/* An empty one that may hold max bytes.  Allocates nothing. */
void buf_init(struct buf *, size_t max);

/* Makes room where there is not enough; buf_reserve() asks for it. */
int buf_grow(struct buf *, size_t size);

/* Room for size bytes behind len: 0, -EFBIG beyond max, -ENOMEM.  What data
   points to may change. */
static inline int buf_reserve(struct buf *b, size_t size)
{
	return b->data != NULL && size <= b->cap - b->len ? 0 :
	    buf_grow(b, size);
}

/* Appends a copy: 0, or as buf_reserve() with nothing changed. */
int buf_append(struct buf *, const void *from, size_t size);

/* Forgets the bytes; keeps no more memory than that for others. */
void buf_empty(struct buf *, size_t keep);

/* Frees the bytes; init again before use. */
void buf_release(struct buf *);

#endif
