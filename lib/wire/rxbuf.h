/*
 * rxbuf.h - bytes received from one end of a channel, shared by those who
 * still read in them.
 *
 * Runs in: caller and worker.  Pure.  The channel appends; results point into
 * a block and hold a reference each; the last one to let go frees it.
 *
 * Easy to get wrong: a block that others hold must not be moved or grown.
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

/* One with room for cap bytes and one reference, or NULL. */
struct rxbuf *rxbuf_new(size_t cap);

/* Takes another reference, gives one back (NULL is fine). */
struct rxbuf *rxbuf_hold(struct rxbuf *);
void rxbuf_drop(struct rxbuf *);

/*
 * Makes room behind the bytes from "from" on, which are all that is still
 * wanted, and moves them to position "to".  The block itself serves if nobody
 * else holds it, else a new one that replaces *b.  0 or -ENOMEM with nothing
 * changed.
 */
int rxbuf_renew(struct rxbuf **b, size_t from, size_t to, size_t cap);

#endif
