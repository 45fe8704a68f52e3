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

/* With that many spans ready and no worker idle for want of it, a turn is put
   off for that time, so that results are handed out while they are in the
   caller's caches; for less if items have a short timeout.  Deaths and inputs
   wait as long. */
#define DELIVER_MANY 8
#define DELIVER_MANY_NS (10 * MS_IN_NS)

/* Takes the next item; blocks until a time at most (ns; NEVER: no bound).  The
   item's pointers are valid until the next call.  Returns 1; 0 at the end;
   VM_LATER when the time is over; or -errno. */
int deliver_next(struct engine *, struct item *, uint64_t until);

/* Would a call that does not wait hand out a result, or do work? */
bool deliver_has_work(struct engine *);

/* A result was taken: asks a source again that waits for results. */
void deliver_took(struct engine *);

/* Does no work come before the next items of the current span, whatever the
   caller does between them? */
static inline bool deliver_may_wait(const struct engine *e)
{
	const struct source *s = e->intake.sources;

	return !e->intake.ask_again && e->teardowns.first == NULL &&
	    (s == NULL || s->state != SOURCE_WAITING);
}

/* Takes the next item if it is in the current span and no other work comes
   first.  Returns false if deliver_next() must be called.  Inline, as most
   items are in the current span. */
static inline bool deliver_draw(struct engine *e, struct item *item)
{
	const struct source *s = e->intake.sources;

	if (e->results.left == 0 || e->intake.ask_again ||
	    e->teardowns.first != NULL)
		return false;
	results_draw(&e->results, item);
	if (s != NULL && s->state == SOURCE_WAITING)
		deliver_took(e);
	return true;
}

/* Blocks until the first setups are done, or until a time at most.  With
   VM_SERIAL runs the setup.  Returns 0, VM_LATER, -ECHILD if a setup has
   failed, or -errno. */
int deliver_ready(struct engine *, uint64_t until);

#endif
