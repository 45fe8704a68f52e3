/*
 * rxbuf.h - receive buffers of a channel, blocks shared by their readers.
 *
 * Runs in: caller and worker.  Pure.  The channel appends; results point into a
 * block and hold a reference each; the last reference dropped frees it, or puts
 * it on a list for the next block: fresh memory costs a page fault for each
 * page, and the C library returns freed memory to the kernel.
 *
 * Easy to get wrong: a block with other references must not be moved or grown.
 */
#ifndef RXBUF_H
#define RXBUF_H

#include <stdbool.h>
#include <stddef.h>

/* Bounds of a list: blocks, and the bytes of all of them: for two items of
   16 MiB with their heads. */
#define RXLIST_MOST 64
#define RXLIST_BYTES ((size_t)(32 * 1024 + 64) * 1024)

/* Unused blocks of a pool.  All zero: a list that keeps none. */
struct rxlist {
	struct rxbuf *kept[RXLIST_MOST];
	size_t count;
	size_t bytes;		/* cap of all of them */
	size_t bytes_most;	/* RXLIST_BYTES or less */
};

struct rxbuf {
	size_t refs;
	size_t cap;		/* of data, without a spare byte */
	size_t len;
	struct rxlist *list;	/* takes the block at the end; NULL: none */
	_Alignas(16) unsigned char data[];
};

/* Returns a block for cap bytes or more, with a single reference: from the
   list, which may be NULL and must outlive the block, or newly allocated.
   Returns NULL without memory. */
struct rxbuf *rxbuf_new(struct rxlist *, size_t cap);

/* Has the list, which may be NULL, a block that rxbuf_new() would take? */
bool rxlist_has(const struct rxlist *, size_t cap);

/* Frees the blocks of a list. */
void rxlist_release(struct rxlist *);

/* Add a reference, and drop a reference (NULL is allowed). */
struct rxbuf *rxbuf_hold(struct rxbuf *);
void rxbuf_drop(struct rxbuf *);

/*
 * Makes room behind the bytes from "from" on, which are all that is still
 * needed, and moves them to position "to".  Reuses the block if it has no other
 * reference, is not far too large, and is large enough or the list has none
 * that is.  Else replaces
 * *b by another block, of the list as in rxbuf_new(), and drops the old
 * reference.  Returns 0, or -ENOMEM with nothing changed.
 */
int rxbuf_renew(struct rxlist *, struct rxbuf **b, size_t from, size_t to,
    size_t cap);

#endif
