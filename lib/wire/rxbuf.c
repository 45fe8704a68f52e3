/* rxbuf.c - see rxbuf.h: receive buffers, shared by their readers. */
#include "config.h"

#include "wire/rxbuf.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

struct rxbuf *rxbuf_new(size_t cap)
{
	struct rxbuf *b = malloc(sizeof *b + cap + 1);

	if (b != NULL) {
		b->refs = 1;
		b->cap = cap;
		b->len = 0;
	}
	return b;
}

struct rxbuf *rxbuf_hold(struct rxbuf *b)
{
	b->refs++;
	return b;
}

void rxbuf_drop(struct rxbuf *b)
{
	if (b == NULL)
		return;
	assert(b->refs > 0);
	if (--b->refs == 0)
		free(b);
}

/* Grows a block that has no other reference. */
static int grow(struct rxbuf **b, size_t cap)
{
	struct rxbuf *grown;

	if (cap <= (*b)->cap)
		return 0;
	grown = realloc(*b, sizeof **b + cap + 1);
	if (grown == NULL)
		return -ENOMEM;
	grown->cap = cap;
	*b = grown;
	return 0;
}

int rxbuf_renew(struct rxbuf **b, size_t from, size_t to, size_t cap)
{
	struct rxbuf *old = *b;
	size_t wanted = old ? old->len - from : 0;
	struct rxbuf *new;

	assert(to + wanted <= cap);
	if (old != NULL && old->refs == 1) {
		if (grow(b, cap) < 0)
			return -ENOMEM;
		memmove((*b)->data + to, (*b)->data + from, wanted);
		(*b)->len = to + wanted;
		return 0;
	}
	new = rxbuf_new(cap);
	if (new == NULL)
		return -ENOMEM;
	if (wanted > 0)
		memcpy(new->data + to, old->data + from, wanted);
	new->len = to + wanted;
	rxbuf_drop(old);
	*b = new;
	return 0;
}
