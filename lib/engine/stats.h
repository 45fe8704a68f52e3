/*
 * stats.h - counts and times of a pool for vm_stats().
 *
 * Runs in: caller.
 */
#ifndef STATS_H
#define STATS_H

#include <stdint.h>

#include "base/words.h"
#include "report/tally.h"
#include "vimap.h"
#include "wire/frame.h"

struct engine;
struct member;
struct span;

/* Returns what an idle worker lacks, before the caller waits for workers, or
   leaves the library without a result. */
enum tally_want stats_want(struct engine *);

/* A source or an input is added: ends the time in which the pool has nothing to
   do. */
void stats_resume(struct engine *);

/* Counts the times of the items that a worker has done since its last END, all
   in this span, as its END says.  The worker is not trusted. */
void stats_count(struct engine *, struct member *, const struct span *,
    const struct frame_end *, uint64_t now);

/* Returns the number of inputs that the sources have in all, read or not; 0 if
   a source does not say, or it has more than 64 bits. */
uint64_t stats_total(const struct engine *);

/* Returns the work of a worker as a letter: R runs, S setup, '.' idle, '!' has
   been at an item for long, x dead; 0 if none is wanted there.  For '!' sets
   the index of the item, and the time since its begin. */
char stats_letter(const struct engine *, size_t place, uint64_t *index,
    uint64_t *ns);

/* Fills in the sums of the pool, and what limits it; the sentence is in the
   words. */
void stats_fill(struct engine *, struct vm_stats *, struct words *);

/* Fills in what the workers of a place, of the crew's, have done.  Returns 1;
   0 if no worker is wanted there. */
int stats_worker(struct engine *, size_t place, struct vm_worker_stats *);

#endif
