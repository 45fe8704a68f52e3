/*
 * retry.h - what a failure costs: another attempt, at once or after a pause,
 * or one of the failures a job may have.
 *
 * Runs in: caller.  Easy to get wrong: only what an item did itself counts;
 * those who call this have made sure of that.
 */
#ifndef RETRY_H
#define RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "items/span.h"

struct engine;

/* Failures for good, by the items' own doing. */
struct retries {
	uint64_t failed;	/* among the */
	uint64_t from;		/* inputs from this number on */
};

/* May an item that failed of this cause be tried again? */
bool retry_may(const struct engine *, const struct span *, enum vm_cause);

/* It is: after so many ns, or as options say. */
void retry_again(struct engine *, struct span *, uint64_t pause);
#define RETRY_AS_OPTIONS_SAY NEVER

/* The item of that number has failed for good, by its own doing; too many
   cancel the rest. */
void retry_never(struct engine *, uint64_t seq);

#endif
