/*
 * engine.h - the state of a pool in the caller, by the file that owns it.
 *
 * Runs in: caller, inside public calls only.  Each step is a file, in the order
 * of an item's path; turn.c calls them and has the only wait:
 *
 *	start_stop.c     start and stop
 *	deliver.c        the next item for the caller
 *	intake.c         sources -> chunks -> window
 *	dispatch.c       waiting spans -> workers; taking back
 *	turn.c           the turn and the wait
 *	listening.c      whose results are read
 *	receive.c        frames -> results
 *	placed.c         outputs in the payload arena
 *	retry.c          the cost of a failure
 *	nudge.c          results that workers hold back
 *	timeouts.c       items that take too long
 *	server_events.c  notices of the fork server
 *	lost_fds.c       descriptors that the host has closed
 *	staffing.c       how many workers, and which are laid off
 *	diagnosis.c      why a worker has died
 *	death.c          the items of dead workers and of a broken pool
 *	teardown.c       how teardowns ended
 *	answer.c         spans that are answered
 *	fate.c           whether the pool goes on
 *	cancel.c         items given up
 *	serial.c         all of it without processes
 *	debug.c          debug lines
 *
 * Easy to get wrong: every step may fail for want of memory, and then must
 * leave the state as it was, so that the next call goes on.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"
#include "engine/cancel.h"
#include "engine/death.h"
#include "engine/fate.h"
#include "engine/intake.h"
#include "engine/listening.h"
#include "engine/lost_fds.h"
#include "engine/nudge.h"
#include "engine/retry.h"
#include "engine/serial.h"
#include "engine/server_events.h"
#include "engine/staffing.h"
#include "engine/teardown.h"
#include "engine/timeouts.h"
#include "items/results.h"
#include "items/sizer.h"
#include "items/window.h"
#include "pool/crew.h"
#include "pool/server.h"
#include "pool/settings.h"
#include "shm/slots.h"

struct engine {
	struct settings set;
	struct words *words;	/* the pool's */

	struct intake intake;
	struct window window;
	struct results results;
	struct sizer sizer;
	size_t cpus;		/* that workers share */
	unsigned char *array;	/* of the caller, for outputs that fill it */

	struct slots slots;
	struct server server;
	struct crew crew;
	bool hidden;		/* children of the host do not get the slots */
	bool started;		/* the first hires are done */

	struct listening listening;
	uint64_t turned_at;	/* the end of the last turn, ns, */
	size_t put_off;		/* and results handed out instead of another */

	struct nudges nudges;
	struct timeouts timeouts;
	struct retries retries;
	struct server_events events;
	struct lost_fds lost;
	struct staffing staffing;
	struct cancels cancels;
	struct fate fate;

	size_t ndue;		/* results without an item: of the next two */
	struct given_up *given_up; /* one a place, if the option asks */
	struct teardowns teardowns;

	struct serial serial;
};

#endif
