/*
 * retry.h - the cost of a failure: another attempt, at once or after a pause,
 * or a failure in the job's count.
 *
 * Runs in: caller.  Easy to get wrong: only a failure by the item's own doing
 * counts; the callers of these functions have checked that.
 */
#ifndef RETRY_H
#define RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "items/span.h"

struct engine;

/* Items that failed for good by their own doing. */
struct retries {
	uint64_t failed;	/* their number, among */
	uint64_t from;		/* inputs from this sequence number on */
	bool uncounted;		/* the present items are of made_again */
};

/* May an item that failed of this cause be tried again? */
bool retry_may(const struct engine *, const struct span *, enum vm_cause);

/* Requeues the item for its next attempt, after a pause in ns, or after the
   pause of the options. */
void retry_again(struct engine *, struct span *, uint64_t pause);
#define RETRY_AS_OPTIONS_SAY NEVER

/* Counts the item of that sequence number as failed for good; at max_failures
   asks for the remaining items to be cancelled. */
void retry_never(struct engine *, uint64_t seq);

#endif
