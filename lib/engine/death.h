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

/* The result that tells of a place that was given up. */
struct given_up {
	struct words words;	/* of the last setup that failed there */
	struct span about;	/* no chunk */
	bool due;		/* the caller has still to be told */
};

/* Buries a DEAD member: drains, blames, puts back: 0 or -ENOMEM. */
int death_member(struct engine *, struct member *, uint64_t now);

/* Settles a pool that is broken, once: takes what its workers had finished, and
   answers all else that is in flight with the cause.  Sources, and the chunk
   being filled, are left to death_inputs(). */
void death_pool(struct engine *, uint64_t now);

/* After that: answers what was read, and closes the sources: 0; -ENOMEM, and it
   is still to be done. */
int death_inputs(struct engine *);

#endif
