/*
 * rxbuf.h - receive buffers of a channel, blocks shared by their readers.
 *
 * Runs in: caller and worker.  Pure.  The channel appends; results point into a
 * block and hold a reference each; the last reference dropped frees it.
 *
 * Easy to get wrong: a block with other references must not be moved or grown.
 */
#ifndef RXBUF_H
#define RXBUF_H

#include <stddef.h>

struct rxbuf {
	size_t refs;
	size_t cap;		/* of data, without a spare byte */
	size_t len;
	_Alignas(16) unsigned char data[];
};

/* Allocates a block for cap bytes, with a single reference.  Returns NULL
   without memory. */
struct rxbuf *rxbuf_new(size_t cap);

/* Add a reference, and drop a reference (NULL is allowed). */
struct rxbuf *rxbuf_hold(struct rxbuf *);
void rxbuf_drop(struct rxbuf *);

/*
 * Makes room behind the bytes from "from" on, which are all that is still
 * needed, and moves them to position "to".  Reuses the block if it has no other
 * reference, else replaces *b by a new block and drops the old reference.
 * Returns 0, or -ENOMEM with nothing changed.
 */
int rxbuf_renew(struct rxbuf **b, size_t from, size_t to, size_t cap);

#endif
