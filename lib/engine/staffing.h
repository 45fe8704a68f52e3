/*
 * staffing.h - number of workers of a pool, and layoffs.
 *
 * Runs in: caller.
 */
#ifndef STAFFING_H
#define STAFFING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"
#include "os/oom.h"

struct engine;
struct member;

struct staffing {
	uint64_t weigh_at;	/* time of the next measurement of memory, ns */
	struct oom oom;		/* counter of kills for want of memory */
	int refused;		/* errno of the last hire that failed; 0:
				   none */
	bool deserted;		/* no worker is left, and none can be forked */
	bool deserted_told;	/* the pool's error text says so */
	uint64_t deserted_at;	/* time of the last look, ns */
	uint64_t deserted_for;	/* time without workers while they were needed,
				   ns */
	size_t workforce;	/* workers that are to be there, with those that
				   links stand for */
	bool awaits_setups;	/* vm_ready() waits for the first setups */
	struct words setup_words; /* error text of the last setup that failed */
	uint64_t given_up;	/* places left empty for good */
	struct words given_up_words; /* error text for the first of them */
};

/* Tells a worker to leave after its present item; it is killed at the deadline,
   ns, and a link without an agent at once.  Returns false if it was told
   before, and then only makes the deadline earlier; or if it cannot be told
   now. */
bool staffing_lay_off(struct engine *, struct member *, uint64_t deadline);

/* Returns the time at which memory is to be measured, or the lack of workers to
   be counted; NEVER if neither matters. */
uint64_t staffing_alarm(const struct engine *, uint64_t now);

/* Tells workers to leave that are to; breaks the pool if no worker could be
   forked for fork_timeout_ms.  Returns 0. */
int staffing_run(struct engine *, uint64_t now);

/* A wanted worker could not be forked, for that errno; a worker was forked. */
void staffing_refused(struct engine *, struct member *, int error);
void staffing_welcomed(struct engine *, struct member *);

/* Returns the reason as a text to end a sentence with. */
const char *staffing_reason(int error);

/* The setup of a place has failed too often in a row: the place stays empty.
   Sets the pool's error text. */
void staffing_gave_up(struct engine *, const struct member *);

/* Called at the pool's end.  Returns 0; or 1 with the error text set if the
   pool works, but without some of its places. */
int staffing_sum(struct engine *);

/* Tells all workers to leave.  Returns true while any is left.  A worker that
   does not begin its teardown within close_timeout_ms is killed. */
bool staffing_dismiss(struct engine *);

/* Are workers left that were dismissed? */
bool staffing_are_leaving(const struct engine *);

/* Sets the number of workers that should have chunks, and by it the bounds on
   inputs and bytes in flight. */
void staffing_bound(struct engine *);

/* Sets the number of workers from now on.  Returns 0, or -ERANGE and sets the
   error text. */
int staffing_resize(struct engine *, size_t workers);

#endif
