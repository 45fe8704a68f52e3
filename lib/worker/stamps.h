/*
 * stamps.h - when the items of a worker ran, for the caller's trace.
 *
 * Runs in: worker, if a trace is written.  The clock is read once for the items
 * that are taken together, since an item begins when the item before ends.
 * Short items are told together, long items at once: the caller can draw those
 * of a worker that dies.
 */
#ifndef STAMPS_H
#define STAMPS_H

#include <stdint.h>

#include "wire/frame.h"
#include "worker/outstream.h"

/* Items that take less time are told together. */
#define STAMPS_SHORT_NS 50000

struct stamps {
	uint64_t from;		/* time at which the next item begins; 0: not
				   known */
	uint64_t began;		/* when the present items began, ns, */
	uint32_t first;		/* and the number of the first */
	struct frame_stamp run;	/* short items not yet told; count 0: none */
};

/* The next item begins at that time; 0: the worker has waited. */
static inline void stamps_begin(struct stamps *s, uint64_t now)
{
	s->from = now;
}

/* Items begin, the first of that number: notes the time, also in the slot for
   the caller. */
void stamps_note(struct stamps *, struct slot *, uint32_t first);

/* Those before "next" have run.  May tell them.  Returns 0, or -errno if the
   pipe is broken. */
int stamps_add(struct stamps *, struct outstream *, uint32_t ordinal,
    uint32_t next);

/* Tells the items that were not told yet.  Returns as above. */
int stamps_tell(struct stamps *, struct outstream *);

#endif
