/*
 * staffing.h - how many workers the pool has, and which are laid off.
 *
 * Runs in: caller.
 */
#ifndef STAFFING_H
#define STAFFING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"
#include "os/oom.h"

struct engine;
struct member;

struct staffing {
	uint64_t weigh_at;	/* time of the next look at memory, ns */
	struct oom oom;		/* kills for want of memory */
	int refused;		/* errno of the last hire that failed */
	bool deserted;		/* no worker is there, and none can be had, */
	bool deserted_told;	/* which the pool's words say, */
	uint64_t deserted_at;	/* as seen at this time, */
	uint64_t deserted_for;	/* and for this long while workers were
				   awaited, ns */
	bool awaits_setups;	/* the caller waits for these */
	struct words setup_words; /* of the last setup that failed */
};

/* Tells a worker to end after its present item, by a time; it is killed then.
   False if it was told before, when only the time is new, or cannot be told
   now. */
bool staffing_lay_off(struct engine *, struct member *, uint64_t deadline);

/* When workers' memory is to be looked at, or whether there are any; NEVER if
   that is of no interest. */
uint64_t staffing_alarm(const struct engine *, uint64_t now);

/* Lays off whose time has come; breaks the pool if no worker was to be had for
   too long. */
int staffing_run(struct engine *, uint64_t now);

/* A worker that is wanted could not be had, by that errno; one was had. */
void staffing_refused(struct engine *, struct member *, int error);
void staffing_welcomed(struct engine *, struct member *);

/* Why, in words to end a sentence with. */
const char *staffing_reason(int error);

/* Nobody is wanted any more: true while anybody is left.  One that does not
   come to its teardown within close_timeout_ms is killed. */
bool staffing_dismiss(struct engine *);

/* Have workers been dismissed that are still there? */
bool staffing_are_leaving(const struct engine *);

/* From now on there are to be so many workers: 0, -ERANGE and words. */
int staffing_resize(struct engine *, size_t workers);

#endif
