/*
 * dispatch.h - waiting spans -> workers; items taken back from them.
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

/* Gives waiting spans to workers, as far as they may have them: 0 or -ENOMEM.
   Nothing is written yet. */
int dispatch_give(struct engine *, uint64_t now);

/* The same, and writes: 0 or -errno. */
int dispatch_run(struct engine *, uint64_t now);

/* Writes once to a member; a worker that cannot be written to is doomed.  0;
   -errno, and what is left waits for the next run. */
int dispatch_flush(struct engine *, struct member *);

/* Is there an item not begun of which we hold bytes back? */
bool dispatch_pending(const struct engine *);

/* Takes half of what the busiest worker has not begun for one that has
   nothing: true if any was moved. */
bool dispatch_take_back(struct engine *);

/* Takes back what a READY member has not taken of a span, from that number
   on. */
void dispatch_take_from(struct engine *, struct member *, struct span *,
    uint32_t from);

/* Takes all that a READY member has not begun. */
void dispatch_take_all(struct engine *, struct member *);

/* Which member alone may be read, results being too many; NULL: all. */
struct member *dispatch_only(struct engine *, uint64_t now);

#endif
