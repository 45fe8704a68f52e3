/*
 * dispatch.h - waiting spans -> workers; items taken back from workers.
 *
 * Runs in: caller.
 */
#ifndef DISPATCH_H
#define DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "items/span.h"

struct engine;
struct member;

/* Queues waiting spans on the channels of workers, as far as the bounds allow.
   Writes nothing.  Returns 0 or -ENOMEM. */
int dispatch_give(struct engine *, uint64_t now);

/* Requeues spans whose pause has ended, does the same, and writes to the pipes.
   Returns 0 or -errno. */
int dispatch_run(struct engine *, uint64_t now);

/* Would dispatch_run() send anything? */
bool dispatch_can(const struct engine *);

/* Writes once to a member, without blocking; dooms a worker whose pipe fails.
   Returns 0; or -errno, and the next run writes the remaining bytes. */
int dispatch_flush(struct engine *, struct member *);

/* Is an item not begun of which bytes wait in the caller? */
bool dispatch_pending(const struct engine *);

/* Takes back half of the items that the busiest worker has not begun, if
   another is idle.  Returns true if any was requeued. */
bool dispatch_take_back(struct engine *);

/* Takes back the items of a span from number "from" on that its READY member
   has not taken. */
void dispatch_take_from(struct engine *, struct member *, struct span *,
    uint32_t from);

/* Takes back all items that a READY member has not taken. */
void dispatch_take_all(struct engine *, struct member *);

/* Returns the only member that may be read while too many results are held;
   NULL if all may be read. */
struct member *dispatch_only(struct engine *, uint64_t now);

#endif
