/*
 * trial.h - the small but complete life of a pool under a plan of faults, in a
 * process of its own.  A watcher waits until all processes of the pool are
 * gone, and checks the promises of the library.
 */
#ifndef TESTS_TRIAL_H
#define TESTS_TRIAL_H

#include <stdbool.h>
#include <stddef.h>

#include "fault_sys.h"

struct trial {
	struct fault fault;	/* nth is set by the runner; times: 0 is 1 */
	int attempts;		/* vm_options.max_attempts */
	bool goes_on;		/* a stopped process is continued later */
	bool harmless;		/* the fault must have no visible effect */
	int only;		/* the fault is at this call only; 0: at each
				   call */
	unsigned number;	/* index among the trials of its test */
	unsigned drawn_of;	/* every n-th seed draws it; 1: the core */
};

/* Facts about a kind of calls. */
struct trial_kind {
	const char *name;
	int errors[2];
	int ways;
};

/* Indexed by enum fault_kind. */
extern const struct trial_kind trial_kinds[FAULT_COUNT];

/* Returns "caller", "fork server" or "worker". */
const char *trial_role(enum fault_where);

/* Every n-th seed draws a given trial outside the core. */
#define TRIALS_DRAWN_OF 108

/*
 * Runs each trial repeatedly, with the fault at the first call, the second ...
 * until no fault is met; a sample (sample.h) tries a call in each of the ranges
 * 1, 2 to 3, 4 to 6, 7 to 10 ..., each half as long again.  at_a_time: trials
 * that run side by side.  Adds the number of lives that met their fault to the
 * array hits, by trial.  Prints errors, and returns the number of trials with
 * errors.
 */
int trials_run(const struct trial *, size_t count, int at_a_time, int *hits);

#endif
