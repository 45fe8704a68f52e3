/* shelf.c - see shelf.h: spans and chunks to be used again. */
#include "config.h"

#include "shelf.h"

#include <stdlib.h>

#include "chunk.h"
#include "span.h"

static void throw_away(struct chunk *c)
{
	buf_release(&c->items);
	buf_release(&c->heads);
	free(c);
}

void shelf_release(struct shelf *f)
{
	while (f->nspans > 0)
		free(f->spans[--f->nspans]);
	while (f->nchunks > 0)
		throw_away(f->chunks[--f->nchunks]);
}

struct span *shelf_take_span(struct shelf *f)
{
	if (f != NULL && f->nspans > 0)
		return f->spans[--f->nspans];
	return malloc(sizeof(struct span));
}

struct chunk *shelf_take_chunk(struct shelf *f)
{
	struct chunk *c;

	if (f != NULL && f->nchunks > 0)
		return f->chunks[--f->nchunks];
	c = malloc(sizeof *c);
	if (c != NULL) {
		buf_init(&c->items, 0);
		buf_init(&c->heads, 0);
	}
	return c;
}

void shelf_put_span(struct shelf *f, struct span *s)
{
	if (f != NULL && f->nspans < SHELF_MOST)
		f->spans[f->nspans++] = s;
	else
		free(s);
}

void shelf_put_chunk(struct shelf *f, struct chunk *c)
{
	if (f == NULL || f->nchunks == SHELF_MOST ||
	    c->items.cap + c->heads.cap > SHELF_ROOM) {
		throw_away(c);
		return;
	}
	c->items.len = c->heads.len = 0;
	f->chunks[f->nchunks++] = c;
}
