/*
 * fate.h - whether a pool goes on, and why not.
 *
 * Runs in: caller.
 *
 * Easy to get wrong: any step may find that the pool is broken, while it looks
 * at a member.  So the step only decides it; the turn carries it out between
 * two steps (death_pool()).
 */
#ifndef FATE_H
#define FATE_H

#include <stdbool.h>

#include "base/words.h"
#include "items/span.h"

struct engine;

/* How far the pool is from its end. */
struct fate {
	bool finishing;		/* vm_finish(): no more inputs will come, */
	bool dismissed;		/* and, all being answered, workers leave */
	bool closing;		/* nothing is dispatched or hired any more */
	bool broken;		/* for good; words say why: nothing is read
				   or written any more, and until it is */
	bool settled;		/* all in flight is still to be answered */
	enum vm_cause cause;	/* of the breakdown */
	struct words words;
	int error;		/* ECHILD or ETIMEDOUT: the fork server's end;
				   EBADF: the host has closed descriptors */
};

/* Decides that the pool is broken; its words say why.  All that is in flight
   will be answered with this cause.  Does nothing if it is broken already. */
void fate_break(struct engine *, enum vm_cause);

#endif
