/*
 * block.h - bytes received from one end of a channel, shared by those who
 * still read in them.
 *
 * Runs in: caller and worker.  Pure.  The channel appends; results point into
 * a block and hold a reference each; the last one to let go frees it.
 *
 * Easy to get wrong: a block that others hold must not be moved or grown.
 */
#ifndef BLOCK_H
#define BLOCK_H

#include <stddef.h>

struct block {
	size_t refs;
	size_t cap;		/* of data, without a spare byte */
	size_t len;
	_Alignas(16) unsigned char data[];
};

/* One with room for cap bytes and one reference, or NULL. */
struct block *block_new(size_t cap);

/* Takes another reference, gives one back (NULL is fine). */
struct block *block_hold(struct block *);
void block_drop(struct block *);

/*
 * Makes room behind the bytes from "from" on, which are all that is still
 * wanted, and moves them to position "to".  The block itself serves if nobody
 * else holds it, else a new one that replaces *b.  0 or -ENOMEM with nothing
 * changed.
 */
int block_renew(struct block **b, size_t from, size_t to, size_t cap);

#endif
