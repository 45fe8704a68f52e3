/*
 * deliver.h - the next item of a pool for its caller.
 *
 * Runs in: caller.
 */
#ifndef DELIVER_H
#define DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

/* Takes the next item, and blocks until a time at most (ns; NEVER: no bound).
   Returns 1; 0 at the end; VM_LATER when the time is over; -errno. */
int deliver_next(struct engine *, struct item *, uint64_t until);

/* A result was taken: a source that waits for results is asked again. */
void deliver_took(struct engine *);

/* Takes the next item if it is at hand and no other work comes before it.
   Returns false if deliver_next() has to be called.  Inline, because most items
   are at hand. */
static inline bool deliver_draw(struct engine *e, struct item *item)
{
	const struct source *s = e->intake.sources;

	if (e->results.left == 0 || e->intake.ask_again || e->ndue > 0)
		return false;
	results_draw(&e->results, item);
	if (s != NULL && s->state == SOURCE_WAITING)
		deliver_took(e);
	return true;
}

/* Blocks until the first setups are done.  Returns 0, VM_LATER, -ECHILD if one
   has failed, or -errno. */
int deliver_ready(struct engine *, uint64_t until);

#endif
