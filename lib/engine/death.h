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

/* Buries a DEAD member: reads its last results, blames an item, requeues the
   others.  Returns 0 or -ENOMEM.  Leaves the member DEAD if its pipes are lost;
   the pool is then broken. */
int death_member(struct engine *, struct member *, uint64_t now);

/* Settles a broken pool, once: reads the results that its workers had finished,
   and answers all other items in flight with the cause.  Does nothing if the
   pool is not broken.  Leaves the sources and the chunk being filled to
   death_inputs(). */
void death_pool(struct engine *, uint64_t now);

/* Called after death_pool(): answers all inputs read, and closes the sources.
   Returns 0, or -ENOMEM; it must then be called again. */
int death_inputs(struct engine *);

#endif
