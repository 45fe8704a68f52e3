/* block.c - see block.h: received bytes, shared by their readers. */
#include "config.h"

#include "block.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

struct block *block_new(size_t cap)
{
	struct block *b = malloc(sizeof *b + cap + 1);

	if (b != NULL) {
		b->refs = 1;
		b->cap = cap;
		b->len = 0;
	}
	return b;
}

struct block *block_hold(struct block *b)
{
	b->refs++;
	return b;
}

void block_drop(struct block *b)
{
	if (b == NULL)
		return;
	assert(b->refs > 0);
	if (--b->refs == 0)
		free(b);
}

/* Grows a block that nobody else holds. */
static int grow(struct block **b, size_t cap)
{
	struct block *grown;

	if (cap <= (*b)->cap)
		return 0;
	grown = realloc(*b, sizeof **b + cap + 1);
	if (grown == NULL)
		return -ENOMEM;
	grown->cap = cap;
	*b = grown;
	return 0;
}

int block_renew(struct block **b, size_t from, size_t to, size_t cap)
{
	struct block *old = *b;
	size_t wanted = old ? old->len - from : 0;
	struct block *new;

	assert(to + wanted <= cap);
	if (old != NULL && old->refs == 1) {
		if (grow(b, cap) < 0)
			return -ENOMEM;
		memmove((*b)->data + to, (*b)->data + from, wanted);
		(*b)->len = to + wanted;
		return 0;
	}
	new = block_new(cap);
	if (new == NULL)
		return -ENOMEM;
	if (wanted > 0)
		memcpy(new->data + to, old->data + from, wanted);
	new->len = to + wanted;
	block_drop(old);
	*b = new;
	return 0;
}
