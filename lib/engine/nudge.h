/*
 * nudge.h - asks workers for results that they hold back in their rings.
 *
 * Runs in: caller.
 */
#ifndef NUDGE_H
#define NUDGE_H

#include <stdbool.h>
#include <stdint.h>

struct engine;

struct nudges {
	int vain;		/* requests in a row without a result since */
	uint64_t at;		/* time of the last request, ns */
	uint64_t since;		/* time of the last request or event, ns */
	bool quiet;		/* the last wait ended without any event */
};

/* Returns the time of the next request if no event comes; NEVER if it would be
   no use. */
uint64_t nudge_alarm(const struct engine *, uint64_t now);

/* Asks busy workers to write out their results, reads their rings, and takes
   back items for idle workers.  Asks all after a wait without events;
   otherwise, if it is due, only workers without a result for 10 ms.  Returns 1
   if anything has changed, 0, or -ENOMEM. */
int nudge_run(struct engine *, uint64_t now);

#endif
