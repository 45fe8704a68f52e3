/*
 * channel.h - one end of a worker's pipe pair.
 *
 * Runs in: caller (both directions, never blocking) and worker (receiving,
 * blocking).  Outgoing bytes stay where they are, the queue only points to
 * them: the sent chunk is also the copy to retry.  Incoming bytes gather in a
 * block in which frames are read in place.
 *
 * Easy to get wrong: the staging ring carries the same bytes as the pipe.
 * What was taken from the ring is skipped when the pipe brings it again; if
 * that differs, somebody else has written to the pipe.
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
	struct rxbuf *rxbuf;	/* what has arrived; NULL: nothing yet */
	size_t at;		/* of the first byte in it not yet received */
	bool filled;		/* the last read took all the room there was */
	uint64_t position;	/* in the stream, of the block's last byte */
	struct buf again;	/* bytes the ring gave that the pipe will bring
				   again, */
	size_t seen;		/* and how many of them it has brought */
	struct iovec *queue;	/* bytes to send, ours to point to only */
	size_t first, count, room; /* of the queue */
	size_t pending;		/* bytes in the queue */
	uint64_t queued;	/* bytes that ever were */
};

/* Takes over two descriptors, -1 where there is none. */
void channel_open(struct channel *, int in, int out);

/* Forgets what was pending and received; closes through the given function,
   sys_close() or fdlist_drop().  Closed already is fine. */
void channel_close(struct channel *, void (*close)(int *fd));

/* Room in the queue for so many channel_send() to come: 0 or -ENOMEM. */
int channel_prepare(struct channel *, size_t sends);

/* Queues bytes, which must stay until they are flushed or the channel is
   closed.  Cannot fail after channel_prepare(). */
void channel_send(struct channel *, const void *from, size_t size);

/* Writes once: 1 all is out, 0 some is left, -errno. */
int channel_flush(struct channel *);

/* How many bytes have left the queue by being written. */
uint64_t channel_sent(const struct channel *);

/* Reads once: bytes that arrived, 0 if none are there now, -EPIPE at the
   end, -ENOMEM with nothing lost, -EPROTO if they are not what the ring gave
   before, -errno. */
int channel_fill(struct channel *);

/* Room for bytes from elsewhere: where to put them, or NULL. */
unsigned char *channel_place(struct channel *, size_t size);

/* So many are there, and the pipe will bring them again; 0 if the place was
   not used after all. */
void channel_placed(struct channel *, size_t size);

/* The next whole frame, its body at most max: 1, 0 not yet, -EPROTO.  It
   lies in channel->rxbuf, which the next fill may change unless held.  It
   stays the next one until it is passed. */
int channel_receive(struct channel *, size_t max, struct frame *);
void channel_pass(struct channel *, const struct frame *);

/* The frame so many bytes behind the next one, as channel_receive().  Inline,
   as it is looked at for each item. */
static inline int channel_peek(const struct channel *c, size_t beyond,
    size_t max, struct frame *f)
{
	const size_t at = c->at + beyond;

	return frame_read(c->rxbuf->data + at, c->rxbuf->len - at, max, f);
}

/* The next whole frame, passed at once, from a side that is trusted: true, or
   false if channel_receive() is to be asked.  Inline, as it is done for each
   item. */
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

/* How many bytes the pipe has brought, those brought again included. */
uint64_t channel_brought(const struct channel *);

/* Where in the stream the next frame begins. */
uint64_t channel_boundary(const struct channel *);

/* Has part of a frame arrived? */
bool channel_partial(const struct channel *);

#endif
