/* buf.c - see buf.h: byte buffers that grow up to a bound. */
#include "config.h"

#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

/* Doubling keeps appending cheap; the first step fits small contents. */
int buf_grow(struct buf *b, size_t size)
{
	unsigned char *grown;
	size_t cap;

	assert(b->len <= b->max);
	if (size > b->max - b->len)
		return -EFBIG;
	cap = MAX(b->cap, MIN(b->max, (size_t)256));
	while (cap < b->len + size)
		cap = cap > b->max / 2 ? b->max : 2 * cap;
	if (cap + 1 == 0)
		return -ENOMEM;
	grown = realloc(b->data, cap + 1);
	if (grown == NULL)
		return -ENOMEM;
	b->data = grown;
	b->cap = cap;
	return 0;
}

int buf_append(struct buf *b, const void *from, size_t size)
{
	int r = buf_reserve(b, size);

	if (r == 0 && size > 0)
		memcpy(b->data + b->len, from, size);
	if (r == 0)
		b->len += size;
	return r;
}

void buf_empty(struct buf *b, size_t keep)
{
	size_t max = b->max;

	if (b->cap > keep) {
		buf_release(b);
		buf_init(b, max);
	}
	b->len = 0;
}

void buf_release(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}
