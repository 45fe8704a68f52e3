/* rxbuf.c - see rxbuf.h: receive buffers, shared by their readers. */
#include "config.h"

#include "wire/rxbuf.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "os/sys.h"

/* Smaller blocks are not worth a place in the list. */
#define KEPT_LEAST ((size_t)4096)
/* A block this many times as large as is wanted would be wasted on it. */
#define FITS_TIMES 2
/* A block that its only reader has need not fit so well: from this size on, and
   this many times too large, it is replaced. */
#define WASTED_LEAST ((size_t)256 * 1024)
#define WASTED_TIMES 4

static bool fits(const struct rxbuf *b, size_t cap)
{
	return b->cap >= cap && b->cap / FITS_TIMES <= cap;
}

bool rxlist_has(const struct rxlist *l, size_t cap)
{
	size_t i = 0;

	while (l != NULL && i < l->count && !fits(l->kept[i], cap))
		i++;
	return l != NULL && i < l->count;
}

/* Takes a block that fits from the list, the last put there first, as its bytes
   are in the cache.  Returns NULL if there is none. */
static struct rxbuf *take(struct rxlist *l, size_t cap)
{
	size_t i = l->count;
	struct rxbuf *b;

	while (i-- > 0) {
		b = l->kept[i];
		if (fits(b, cap)) {
			l->kept[i] = l->kept[--l->count];
			l->bytes -= b->cap;
			return b;
		}
	}
	return NULL;
}

/* Puts an unused block on its list, or frees it. */
static void put(struct rxbuf *b)
{
	struct rxlist *l = b->list;

	if (l == NULL || l->count == RXLIST_MOST || b->cap < KEPT_LEAST ||
	    b->cap > l->bytes_most - l->bytes) {
		free(b);
		return;
	}
	l->kept[l->count++] = b;
	l->bytes += b->cap;
}

struct rxbuf *rxbuf_new(struct rxlist *list, size_t cap)
{
	struct rxbuf *b = list != NULL ? take(list, cap) : NULL;

	if (b == NULL) {
		b = malloc(sizeof *b + cap + 1);
		if (b == NULL)
			return NULL;
		sys_ask_huge(b, cap);
		b->cap = cap;
		b->list = list;
	}
	b->refs = 1;
	b->len = 0;
	return b;
}

void rxlist_release(struct rxlist *l)
{
	while (l->count > 0)
		free(l->kept[--l->count]);
	l->bytes = 0;
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
		put(b);
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
	sys_ask_huge(grown, cap);
	grown->cap = cap;
	*b = grown;
	return 0;
}

/* Would so large a block be kept for so little? */
static bool is_wasted(const struct rxbuf *b, size_t cap)
{
	return b->cap > WASTED_LEAST && b->cap / WASTED_TIMES > cap;
}

int rxbuf_renew(struct rxlist *list, struct rxbuf **b, size_t from, size_t to,
    size_t cap)
{
	struct rxbuf *old = *b;
	size_t wanted = old ? old->len - from : 0;
	struct rxbuf *new;

	assert(to + wanted <= cap);
	if (old != NULL && old->refs == 1 && !is_wasted(old, cap) &&
	    (cap <= old->cap || !rxlist_has(list, cap))) {
		if (grow(b, cap) < 0)
			return -ENOMEM;
		memmove((*b)->data + to, (*b)->data + from, wanted);
		(*b)->len = to + wanted;
		return 0;
	}
	new = rxbuf_new(list, cap);
	if (new == NULL)
		return -ENOMEM;
	if (wanted > 0)
		memcpy(new->data + to, old->data + from, wanted);
	new->len = to + wanted;
	rxbuf_drop(old);
	*b = new;
	return 0;
}
