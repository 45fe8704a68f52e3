/*
 * buf.h - byte buffers that grow up to a bound.
 *
 * Runs in: caller and worker.  Pure: no descriptor, no process, no clock.  A
 * buffer has a byte more than its capacity, for a 0 behind the data.
 */
#ifndef BUF_H
#define BUF_H

#include <stddef.h>
#include <string.h>

/* Copies bytes.  Inline, as it runs for each item; 8 bytes, the most common
   size of small items, are copied without a call. */
static inline void buf_copy(void *to, const void *from, size_t size)
{
	if (size == 8)
		memcpy(to, from, 8);
	else if (size > 0)
		memcpy(to, from, size);
}

/* A growing buffer.  An empty buffer is all zero except max.  The data pointer
   is aligned for any type. */
struct buf {
	unsigned char *data;	/* NULL until the first byte is needed */
	size_t len;
	size_t cap;		/* of data, without the spare byte */
	size_t max;		/* upper bound of len */
};

/* Makes an empty buffer that may hold max bytes.  Allocates nothing. */
void buf_init(struct buf *, size_t max);

/* Reallocates a full buffer; called by buf_reserve(), and returns the same. */
int buf_grow(struct buf *, size_t size);

/* Makes room for size bytes behind len.  Returns 0, -EFBIG beyond max, or
   -ENOMEM.  May move the data, so pointers into the buffer become invalid. */
static inline int buf_reserve(struct buf *b, size_t size)
{
	return b->data != NULL && size <= b->cap - b->len ? 0 :
	    buf_grow(b, size);
}

/* Appends a copy of size bytes.  Returns as buf_reserve(); on failure the
   contents are unchanged. */
int buf_append(struct buf *, const void *from, size_t size);

/* Empties the buffer.  Frees its memory if the capacity is larger than keep
   bytes. */
void buf_empty(struct buf *, size_t keep);

/* Frees the memory.  Call buf_init() before the buffer is used again. */
void buf_release(struct buf *);

#endif
