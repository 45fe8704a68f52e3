/*
 * nudge.h - asks workers for results that they hold back.
 *
 * Runs in: caller.
 */
#ifndef NUDGE_H
#define NUDGE_H

#include <stdbool.h>
#include <stdint.h>

struct engine;

struct nudges {
	int vain;		/* in a row without a result since */
	uint64_t at;		/* time of the last, ns */
	bool quiet;		/* the last wait ended without any event */
};

/* When that is worth while, if nothing comes; NEVER if it is not. */
uint64_t nudge_alarm(const struct engine *, uint64_t now);

/* Asks busy workers to write out what they have, takes what their rings hold,
   and gives idle ones something: all, if it is quiet, for nothing came in a
   while; else only those not heard of in a longer while, if that is due.  1 if
   it has changed anything, 0, or -ENOMEM. */
int nudge_run(struct engine *, uint64_t now);

#endif
