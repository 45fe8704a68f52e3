/* freelist.c - see freelist.h: unused spans and chunks. */
#include "config.h"

#include "items/freelist.h"

#include <stdlib.h>

#include "items/chunk.h"
#include "items/span.h"

static void throw_away(struct chunk *c)
{
	buf_release(&c->items);
	buf_release(&c->heads);
	buf_release(&c->tags);
	buf_release(&c->keys);
	free(c);
}

void freelist_release(struct freelist *f)
{
	while (f->nspans > 0)
		free(f->spans[--f->nspans]);
	while (f->nchunks > 0)
		throw_away(f->chunks[--f->nchunks]);
}

struct span *freelist_take_span(struct freelist *f)
{
	if (f != NULL && f->nspans > 0)
		return f->spans[--f->nspans];
	return malloc(sizeof(struct span));
}

struct chunk *freelist_take_chunk(struct freelist *f)
{
	struct chunk *c;

	if (f != NULL && f->nchunks > 0)
		return f->chunks[--f->nchunks];
	c = malloc(sizeof *c);
	if (c != NULL) {
		buf_init(&c->items, 0);
		buf_init(&c->heads, 0);
		buf_init(&c->tags, 0);
		buf_init(&c->keys, 0);
	}
	return c;
}

void freelist_put_span(struct freelist *f, struct span *s)
{
	if (f != NULL && f->nspans < FREELIST_MOST)
		f->spans[f->nspans++] = s;
	else
		free(s);
}

void freelist_put_chunk(struct freelist *f, struct chunk *c)
{
	if (f == NULL || f->nchunks == FREELIST_MOST ||
	    c->items.cap + c->heads.cap + c->tags.cap + c->keys.cap >
	    FREELIST_ROOM) {
		throw_away(c);
		return;
	}
	c->items.len = c->heads.len = c->tags.len = c->keys.len = 0;
	f->chunks[f->nchunks++] = c;
}
