/*
 * channel.h - an end of a worker's pipe pair.
 *
 * Runs in: caller (both directions, never blocking) and worker (receiving,
 * blocking).  Outgoing bytes are not copied, the queue only holds pointers to
 * them: the sent chunk is also the copy for a requeue.  Incoming bytes are
 * collected in a receive buffer, a block, in which frames are read in place.
 *
 * Easy to get wrong: the staging ring carries the same bytes as the pipe.
 * Bytes taken from the ring are skipped when the pipe brings them again; if
 * they differ, the pipe has another writer.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "wire/frame.h"
#include "wire/rxbuf.h"

struct channel {
	int in;			/* -1: closed */
	int out;
	struct rxbuf *rxbuf;	/* received bytes; NULL: nothing yet */
	struct rxlist *list;	/* of unused blocks, of the caller's pool; NULL:
				   none */
	size_t at;		/* offset of the first byte not yet passed */
	size_t unfinished;	/* length of the frame there, if its head has
				   arrived and not all of it; else 0 */
	bool filled;		/* the last read filled the free room */
	uint64_t position;	/* in the stream, of the block's end */
	struct buf again;	/* bytes taken from the ring, which the pipe
				   will bring again */
	size_t seen;		/* how many of these it has brought */
	struct iovec *queue;	/* pointers to bytes to send, not owned */
	size_t first, count, room; /* of the queue */
	size_t pending;		/* bytes in the queue */
	uint64_t queued;	/* bytes ever put into the queue */
};

/* Takes over two descriptors, -1 for none. */
void channel_open(struct channel *, int in, int out);

/* Drops the queue and the received bytes; closes the descriptors with the
   callback, sys_close() or fdlist_drop().  May be called again. */
void channel_close(struct channel *, void (*close)(int *fd));

/* Makes room in the queue for that many channel_send().  Returns 0 or
   -ENOMEM. */
int channel_prepare(struct channel *, size_t sends);

/* Puts a pointer to bytes into the queue; they must stay valid until they are
   flushed or the channel is closed.  Cannot fail after channel_prepare(). */
void channel_send(struct channel *, const void *from, size_t size);

/* Writes once from the queue.  Returns 1 if the queue is empty, 0 if bytes are
   left, or -errno. */
int channel_flush(struct channel *);

/* Returns how many bytes of the queue have been written, ever. */
uint64_t channel_sent(const struct channel *);

/* Reads once into the receive buffer.  Returns the bytes that arrived; 0 if
   none are there now; -EPIPE at the end; -ENOMEM with nothing lost; -EPROTO if
   they differ from the ring's; or -errno. */
int channel_fill(struct channel *);

/* Makes room in the receive buffer for bytes of the ring.  Returns a pointer to
   the room, or NULL. */
unsigned char *channel_place(struct channel *, size_t size);

/* Accepts size bytes written there, which the pipe will bring again; 0 bytes if
   the copy was discarded. */
void channel_placed(struct channel *, size_t size);

/* Reads the next frame, with a body of max bytes at most.  Returns 1, 0 if it
   is not complete, or -EPROTO.  The frame points into channel->rxbuf, which the
   next fill may change unless a reference is held.  It stays the next frame
   until channel_pass(). */
int channel_receive(struct channel *, size_t max, struct frame *);
void channel_pass(struct channel *, const struct frame *);

/* Reads the frame "beyond" bytes behind the next frame, as channel_receive().
   Inline, as it runs for each item. */
static inline int channel_peek(const struct channel *c, size_t beyond,
    size_t max, struct frame *f)
{
	const size_t at = c->at + beyond;

	return frame_read(c->rxbuf->data + at, c->rxbuf->len - at, max, f);
}

/* Returns how many whole frames lie "beyond" bytes behind the next frame that
   have the same head as *f, "most" at most.  Inline, as it runs for each
   item. */
static inline uint32_t channel_alike(const struct channel *c, size_t beyond,
    const struct frame *f, uint32_t most)
{
	const unsigned char *at = c->rxbuf->data + c->at + beyond;
	const unsigned char *end = c->rxbuf->data + c->rxbuf->len;
	uint32_t n = 0;

	while (n < most && (size_t)(end - at) >= f->length &&
	    frame_same(at, f->body - FRAME_HEAD)) {
		at += f->length;
		n++;
	}
	return n;
}

/* Reads and passes the next frame, from a trusted sender.  Returns false if
   channel_receive() must be called.  Inline, as it runs for each item. */
static inline bool channel_next(struct channel *c, struct frame *f)
{
	const struct rxbuf *b = c->rxbuf;

	if (b == NULL || b->len - c->at < FRAME_HEAD)
		return false;
	frame_look(c->rxbuf->data + c->at, f);
	if (f->length > b->len - c->at)
		return false;
	c->at += f->length;
	return true;
}

/* Returns how many bytes the pipe has brought, skipped bytes included. */
uint64_t channel_brought(const struct channel *);

/* Returns the position in the stream where the next frame begins. */
uint64_t channel_boundary(const struct channel *);

/* Has part of a frame arrived? */
bool channel_partial(const struct channel *);

#endif
