/*
 * timeouts.h - items that take longer than they may.
 *
 * Runs in: caller.
 */
#ifndef TIMEOUTS_H
#define TIMEOUTS_H

#include <stdint.h>

struct engine;

struct timeouts {
	uint64_t sample_at;	/* time of the next sample, ns */
};

/* When the next look is due; NEVER if nothing is timed. */
uint64_t timeouts_alarm(const struct engine *, uint64_t now);

/* Looks, if it is time, and dooms workers whose item is overdue: 0 or
   -ENOMEM. */
int timeouts_run(struct engine *, uint64_t now);

#endif
