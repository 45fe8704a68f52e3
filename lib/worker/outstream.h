/*
 * outstream.h - the worker's end of its result stream: staged in the ring,
 * written to the pipe.
 *
 * Runs in: worker.  Called by worker.c only.
 *
 * Easy to get wrong: "flushed" is published before the ring bytes below it
 * are used again, and "committed" only after the bytes above it are there.
 */
#ifndef OUTSTREAM_H
#define OUTSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/slots.h"

/* So many bytes, of inputs and outputs, are worth a write. */
#define STAGE_DUE ((size_t)32 * 1024)

struct outstream {
	struct slot *slot;
	int fd;			/* of the result pipe, blocking */
	uint64_t committed;	/* as in the slot, which is not trusted here */
	uint64_t flushed;	/* either */
	unsigned char *place;	/* for the next frame, in the ring */
	unsigned char *outputs;	/* our half of the payload area, */
	size_t payload;		/* its bytes, 0 if there is none, */
	uint64_t told;		/* up to where there are outputs in it, */
	uint64_t skip_from, skip_to; /* what was left out last */
	uint64_t next;		/* where the next one is to be, */
	unsigned char *large;	/* and its frame there; NULL: nowhere */
	size_t in_place;	/* outputs from that size on stay there: then */
	bool shut;		/* there may be pages we cannot write to */
	size_t worked;		/* bytes of outputs since the last flush, and of
				   inputs that travelled, which the worker
				   adds */
};

/* An empty stream into a fresh slot, one of those, and its pipe. */
void outstream_init(struct outstream *, struct slot *, const struct slots *,
    int fd);

/* Where a frame can be made in place, its head first, and how many bytes there
   are without a gap; less than a frame takes, even 0, when it has to be put.
   Inline, as it is asked for each item. */
static inline unsigned char *outstream_place(struct outstream *g, size_t *room)
{
	g->place = slot_view(g->slot, g->committed, g->flushed + SLOT_RING,
	    room);
	/* What "flushed" has become is seen before what overwrites bytes
	   below it. */
	atomic_thread_fence(memory_order_release);
	if (g->payload > 0 && *room > SLOT_LARGE)
		*room = SLOT_LARGE;
	return g->place;
}

/* The same for a large one, of at least that many bytes, in the payload area;
   NULL if there is no room.  A new one may be where that one was. */
unsigned char *outstream_place_large(struct outstream *, size_t least,
    size_t *room);

/* Adds a whole frame of an output or a failure, wherever it was made; may
   write, and then waits for the caller to read.  0, or -errno when the pipe is
   gone. */
int outstream_add(struct outstream *, unsigned char *frame, size_t length);

/* Adds a whole frame to the stream; may write, and then waits for the
   caller to read.  0, or -errno when the pipe is gone. */
int outstream_put(struct outstream *, const unsigned char *frame,
    size_t length);

/* Writes out all that is staged: 0 or -errno. */
int outstream_flush(struct outstream *);

/* Has so much been done since the last flush that the caller should have it? */
static inline bool outstream_is_due(const struct outstream *g)
{
	return g->worked >= STAGE_DUE;
}

/* Is something staged that a caller waits for?  Inline, as it is asked for
   each item. */
static inline bool outstream_is_awaited(const struct outstream *g)
{
	return atomic_load_explicit(&g->slot->wanted, memory_order_acquire)
	    != 0 && g->flushed < g->committed;
}

#endif
