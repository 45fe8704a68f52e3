/*
 * engine.h - the state of a pool in the caller, by the file that owns it.
 *
 * Runs in: caller, inside public calls only.  Each step is a file, in the order
 * of an item's path; turn.c calls them and has the only wait:
 *
 *	start_stop.c     start and stop
 *	deliver.c        the next item for the caller
 *	intake.c         sources -> chunks -> window
 *	push.c           inputs that the program pushes
 *	dispatch.c       waiting spans -> workers; taking items back
 *	turn.c           the turn and the wait
 *	listening.c      choice of the members to read
 *	loop_fd.c        the descriptor for the host's event loop
 *	receive.c        frames -> results
 *	placed.c         outputs in the payload arena
 *	links.c          other machines, and answers that only links give
 *	resume.c         inputs that are finished, by the journal
 *	retry.c          the cost of a failure
 *	nudge.c          results that workers hold back
 *	timeouts.c       items that take too long
 *	server_events.c  notices of the fork server
 *	lost_fds.c       descriptors that the host has closed
 *	staffing.c       number of workers, and layoffs
 *	diagnosis.c      the reason for a worker's death
 *	death.c          the items of dead workers and of a broken pool
 *	teardown.c       outcomes of teardowns
 *	answer.c         spans that are answered
 *	fate.c           whether the pool goes on
 *	cancel.c         cancelled items, listed in cancels.c
 *	orders.c         orders for links beside chunks
 *	serial.c         the pool without processes
 *	stats.c          counts and times for vm_stats()
 *	progress.c       a line on the progress of the pool
 *	tracing.c        events of all steps for the trace
 *	trace_file.c     the file of the trace
 *	debug.c          debug lines
 *
 * Easy to get wrong: every step may run out of memory, and must then leave the
 * state as it was, so that the next call goes on.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"
#include "engine/cancels.h"
#include "engine/death.h"
#include "engine/doors.h"
#include "engine/fate.h"
#include "engine/intake.h"
#include "engine/links.h"
#include "engine/listening.h"
#include "engine/lost_fds.h"
#include "engine/nudge.h"
#include "engine/progress.h"
#include "engine/resume.h"
#include "engine/retry.h"
#include "engine/serial.h"
#include "engine/server_events.h"
#include "engine/staffing.h"
#include "engine/teardown.h"
#include "engine/timeouts.h"
#include "engine/trace_file.h"
#include "items/results.h"
#include "items/sizer.h"
#include "items/window.h"
#include "pool/crew.h"
#include "pool/server.h"
#include "pool/settings.h"
#include "report/tally.h"
#include "shm/slots.h"

struct engine {
	struct settings set;
	struct words *words;	/* pointer to the pool's error text */

	struct intake intake;
	struct window window;
	struct results results;
	struct sizer sizer;
	size_t cpus;		/* CPUs that workers share */
	unsigned char *array;	/* output buffer of the caller for
				   vm_map_array(); NULL: none */

	struct slots slots;
	struct server server;
	struct crew crew;
	bool hidden;		/* children of the host do not inherit the
				   slots */
	bool started;		/* the first hires are done */

	struct listening listening;
	uint64_t turned_at;	/* time at which the last wait ended, ns */
	uint64_t closing_at;	/* time at which the pool began to close, ns */
	size_t put_off;		/* results handed out since then without a
				   turn */

	struct nudges nudges;
	struct timeouts timeouts;
	struct retries retries;
	struct server_events events;
	struct lost_fds lost;
	struct staffing staffing;
	struct links links;
	struct doors doors;
	bool ordered;		/* a host has orders that are not queued */
	struct cancels cancels;
	struct fate fate;

	struct teardowns teardowns;

	struct serial serial;

	struct tally tally;	/* counts of all steps, for vm_stats() */
	struct progress progress;
	struct trace_file trace;
	struct resume resume;
};

#endif
