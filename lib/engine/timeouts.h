/*
 * timeouts.h - items that take too long.
 *
 * Runs in: caller.
 */
#ifndef TIMEOUTS_H
#define TIMEOUTS_H

#include <stdint.h>

struct engine;
struct member;

struct timeouts {
	uint64_t sample_at;	/* time of the next sample, ns */
};

/* Returns the time of the next sample; NEVER if no worker is timed. */
uint64_t timeouts_alarm(const struct engine *, uint64_t now);

/* Samples the members, if it is time, and dooms workers whose item is overdue.
   Returns 0 or -ENOMEM. */
int timeouts_run(struct engine *, uint64_t now);

/* Returns the time in ns beyond a timeout that a worker has to end, once it has
   noted a crash; 0 before. */
uint64_t timeouts_grace(const struct member *);

#endif
