/*
 * death.h - the items of dead workers, and of a broken pool.
 *
 * Runs in: caller.
 */
#ifndef DEATH_H
#define DEATH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/words.h"
#include "items/span.h"

struct engine;
struct member;

/* How far the pool is from its end. */
struct fate {
	bool finishing;		/* vm_finish(): no more inputs will come, */
	bool dismissed;		/* and, all being answered, workers leave */
	bool closing;		/* nothing is dispatched or hired any more */
	bool broken;		/* for good; words say why */
	enum vm_cause cause;	/* of the breakdown */
	struct words words;
	int error;		/* ECHILD or ETIMEDOUT: the fork server's end;
				   EBADF: the host has closed descriptors */
};

/* The result that tells of a place that was given up. */
struct given_up {
	struct words words;	/* of the last setup that failed there */
	struct span about;	/* no chunk */
	bool due;		/* the caller has still to be told */
};

/* Buries a DEAD member: drains, blames, puts back: 0 or -ENOMEM. */
int death_member(struct engine *, struct member *, uint64_t now);

/* The pool is beyond use: what its workers had finished is taken, all else
   that is in flight is answered with a cause.  The caller has set the words;
   sources and what is being filled are left to death_inputs(). */
void death_pool(struct engine *, enum vm_cause, uint64_t now);

/* After that: what was read is answered too, sources are closed: 0; -ENOMEM,
   and it is still to be done. */
int death_inputs(struct engine *);

/* Answers all spans that wait or pause, with a cause.  The attempt they were
   waiting for does not count. */
void death_waiting(struct engine *, enum vm_cause);

/* Answers a span, which is in no list, with a cause of its own. */
void death_span(struct engine *, struct span *, enum vm_cause);

#endif
