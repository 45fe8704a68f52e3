/*
 * account.h - the worker's account of the present chunk: results and times.
 *
 * Runs in: worker.  Results go to the result stream, times to the slot and to
 * the stream.  A write fails only if the caller is gone; then the worker ends.
 *
 * Easy to get wrong: outputs in an array have no frames, so "filled" must be
 * told before a frame of a later item is added, and before the worker waits.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/slots.h"
#include "wire/frame.h"
#include "worker/legs.h"
#include "worker/outstream.h"
#include "worker/stamps.h"

struct account {
	struct slot *slot;
	bool traced;		/* the caller wants the times of all items */
	struct legs legs;	/* times of the present chunk */
	struct stamps stamps;	/* times of the items, for a trace */
	uint32_t ordinal;	/* of the chunk */
	uint32_t filled;	/* number after the last item whose output is in
				   its array, */
	uint32_t told;		/* and that the caller was told of */
	struct outstream outstream;
};

/* Initializes an account in a reset slot, which is of those slots, with its
   result pipe. */
void account_init(struct account *, struct slot *, const struct slots *,
    int fd, bool traced);

/* Adds a frame to the stream. */
void account_put(struct account *, enum frame_kind, const void *body,
    size_t size);

/* Writes out all that was not written yet; blocks until the caller reads. */
void account_flush(struct account *);

/* The same between two items, before the item of that number. */
void account_flush_before(struct account *, uint32_t next);

/* Ends a leg there without a write: the caller waits, but outputs of its own
   array are told at the end of the chunk only. */
void account_split(struct account *, uint32_t next);

/* Begins a chunk. */
void account_begin(struct account *, const struct frame_chunk *);

/* Adds the frame of an item's result, which context_result() or
   context_apart() has returned. */
void account_send(struct account *, uint32_t number, unsigned char *frame,
    size_t length);

/* Items are taken, the first of that number; those before "next" have run. */
void account_take(struct account *, uint32_t first);
void account_ran(struct account *, uint32_t next);

/* Ends a chunk before the item "next": adds END.  May write. */
void account_end(struct account *, const struct frame_chunk *, uint32_t next);

/* Does the caller wait, for whichever results?  Inline, as it runs for each
   item. */
static inline bool account_is_wanted(const struct account *a)
{
	return outstream_is_wanted(&a->outstream);
}

/* Does the caller wait for results that were not written yet?  Inline, as it
   runs for each item. */
static inline bool account_is_awaited(const struct account *a)
{
	return outstream_is_awaited(&a->outstream, a->filled != a->told);
}

/* Has enough been done since the last write for another? */
static inline bool account_is_due(const struct account *a)
{
	return outstream_is_due(&a->outstream);
}

/* The outputs of the items before number "next" are in their array.  Inline, as
   it runs for each item. */
static inline void account_fill(struct account *a, uint32_t next)
{
	a->filled = next;
}

#endif
