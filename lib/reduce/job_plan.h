/*
 * job_plan.h - parameters of the workers of a reducer: jobs and bounds.
 *
 * Runs in: caller, which makes it before the fork, and worker.  On another
 * machine a worker makes its own, of what its agent was told.
 */
#ifndef JOB_PLAN_H
#define JOB_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"
#include "reduce/store.h"
#include "vimap_reduce.h"

/* Parameters of the workers of a reducer. */
struct job_plan {
	struct store store;
	struct vm_job *jobs;
	size_t count;
	uint32_t partitions;
	size_t memory;		/* bytes for pairs in each worker */
	size_t pair_most;	/* bytes of a key, or of a value */
	int *indices;		/* array of worker indices; NULL: 0, 1, 2 ... */
	size_t workers;		/* number of places for workers */
	size_t pairs_most;	/* bytes of all pairs of a call that come from
				   another machine */
	bool far;		/* on another machine: there is no store */
};

/* Copies jobs to the plan, as an array that its owner frees, also on failure;
   checks them.  Returns 0 or -errno, with a text. */
int job_plan_copy(struct job_plan *, const struct vm_job *, size_t count,
    size_t job_size, struct words *);

/* Has any of its jobs a teardown? */
bool job_plan_has_teardown(const struct job_plan *);

#endif
