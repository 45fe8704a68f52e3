/*
 * fate.h - whether a pool goes on, and the reason if not.
 *
 * Runs in: caller.
 *
 * Easy to get wrong: any step may find the pool broken while it holds a pointer
 * to a member.  So fate_break() only records the decision; death_pool() settles
 * the pool between two steps of the turn.
 */
#ifndef FATE_H
#define FATE_H

#include <stdbool.h>

#include "base/words.h"
#include "items/span.h"

struct engine;

/* State of the pool's end. */
struct fate {
	bool finishing;		/* vm_finish() was called: no more inputs
				   come */
	bool dismissed;		/* all items are answered, and workers are told
				   to leave */
	bool closing;		/* nothing is dispatched or hired any more */
	bool broken;		/* for good; words say why.  No worker's pipe is
				   written to; pipes are read once more, by
				   death_pool() */
	bool settled;		/* death_pool() has answered all items in
				   flight */
	enum vm_cause cause;	/* of the break */
	struct words words;
	int error;		/* ECHILD or ETIMEDOUT: the fork server's end;
				   EBADF: the host has closed descriptors; else
				   0 */
};

/* Decides that the pool is broken; the pool's error text says why.  All items
   in flight will be answered with this cause.  Does nothing if it is broken
   already. */
void fate_break(struct engine *, enum vm_cause);

#endif
