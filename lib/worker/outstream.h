/*
 * outstream.h - the worker's end of its result stream: staged in the ring,
 * then written to the pipe.
 *
 * Runs in: worker.  Called by worker.c and context.c only.
 *
 * Easy to get wrong: "flushed" is published before the ring bytes below it
 * are used again, and "committed" only after the bytes below it are written.
 */
#ifndef OUTSTREAM_H
#define OUTSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/slots.h"

/* Bytes of inputs and outputs after which a write pays: a large chunk whose
   outputs are like its inputs ends with such a write. */
#define OUTSTREAM_DUE ((size_t)30 * 1024)

struct outstream {
	struct slot *slot;
	int fd;			/* of the result pipe */
	void (*full)(void);	/* waits until a pipe that does not block has
				   room; NULL: it blocks */
	uint64_t committed;	/* own copy of the slot's word, since a hook
				   may spoil the slot */
	uint64_t flushed;	/* the same */
	unsigned char *place;	/* pointer into the ring, for the next frame;
				   NULL: outstream_look() has not looked */
	size_t room;		/* bytes there without a gap, at least */
	unsigned char *outputs;	/* half of the payload area for outputs */
	size_t payload;		/* bytes of that half; 0: not used */
	uint64_t told;		/* position in it behind the last output */
	uint64_t skip_from, skip_to; /* the last gap between two outputs */
	uint64_t next;		/* position of the large frame being built */
	unsigned char *large;	/* pointer to that frame; NULL: none */
	size_t reserved;	/* bytes of its output that a hook may have
				   touched, if more than SLOT_PAYLOAD; else 0 */
	bool shut;		/* some pages may be write-protected */
	size_t worked;		/* bytes since the last flush: of outputs, and
				   of inputs that were sent, which the worker
				   adds */
	uint64_t wrote_at;	/* end of the last write, ns */
	uint64_t blocked;	/* time of all writes that had to wait, ns */
};

/* Initializes an empty stream into a reset slot, which is of those slots, and
   its result pipe.  Owns none of them. */
void outstream_init(struct outstream *, struct slot *, const struct slots *,
    int fd);

/* Sets place and room for the next frame. */
void outstream_look(struct outstream *);

/* Returns a pointer to the ring buffer where a frame can be built in place, and
   sets *room to the bytes without a gap.  If a frame needs more (*room may be
   0), it must be built elsewhere.  Inline, as it runs for each item. */
static inline unsigned char *outstream_place(struct outstream *g, size_t *room)
{
	if (g->room < SLOT_LARGE)
		outstream_look(g);
	*room = g->payload > 0 && g->room > SLOT_LARGE ? SLOT_LARGE : g->room;
	return g->place;
}

/* Counts a frame that lies in the ring as part of the stream.  Inline, as it
   runs for each item. */
static inline void outstream_commit(struct outstream *g, size_t length)
{
	g->worked += length;
	g->committed += length;
	atomic_store_explicit(&g->slot->committed, g->committed,
	    memory_order_release);
}

/* An item may write that many bytes of output in its frame, or has done so.
   Only those in the large frame count, as the frame may lie in a buffer of the
   worker. */
static inline void outstream_reserve(struct outstream *g,
    const unsigned char *frame, size_t size)
{
	if (frame == g->large && size > SLOT_PAYLOAD && size > g->reserved)
		g->reserved = size;
}

/* Gives back the memory behind the first bytes of the large frame that an item
   has reserved and does not use, if that is much. */
void outstream_give_back(struct outstream *, size_t used);

/* The same in the payload area, for a frame of at least that many bytes.
   Returns NULL if there is no room; a frame built there before stays in its
   place.  The new place may overlap the last. */
unsigned char *outstream_place_large(struct outstream *, size_t least,
    size_t *room);

/* Adds a whole frame of an output or a failure that was not built in the
   ring. */
int outstream_add_copy(struct outstream *, unsigned char *frame,
    size_t length);

/* Adds a whole frame of an output or a failure, wherever it was built.  May
   write, and then blocks until the caller reads.  Returns 0, or -errno if the
   pipe is broken.  Inline, as it runs for each item. */
static inline int outstream_add(struct outstream *g, unsigned char *frame,
    size_t length)
{
	if (frame != g->place)
		return outstream_add_copy(g, frame, length);
	g->place += length;
	g->room = g->room > length ? g->room - length : 0;
	outstream_commit(g, length);
	return 0;
}

/* Copies a whole frame to the stream.  May write, and then blocks until the
   caller reads.  Returns 0, or -errno if the pipe is broken. */
int outstream_put(struct outstream *, const unsigned char *frame,
    size_t length);

/* Writes out all staged bytes; blocks until the caller reads.  Returns 0 or
   -errno. */
int outstream_flush(struct outstream *);

/* Has enough been done since the last flush to flush again? */
static inline bool outstream_is_due(const struct outstream *g)
{
	return g->worked >= OUTSTREAM_DUE;
}

/* Does the caller wait?  Inline, as it runs for each item. */
static inline bool outstream_is_wanted(const struct outstream *g)
{
	return atomic_load_explicit(&g->slot->wanted, memory_order_acquire)
	    != 0;
}

/* Does the caller wait for staged bytes, or for outputs in an array that were
   not told, if there are any?  Inline, as it runs for each item. */
static inline bool outstream_is_awaited(const struct outstream *g, bool any)
{
	return outstream_is_wanted(g) && (any || g->flushed < g->committed);
}

#endif
