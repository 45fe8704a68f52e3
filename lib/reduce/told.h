/*
 * told.h - what agents on other machines are told of a reducer: its bounds, and
 * the config of each job.
 *
 * Runs in: caller, which writes it before the fork; and a worker of an agent,
 * which reads its copy.
 *
 *	| struct told | struct told_job, config, padding | ... for each job |
 *
 * It is the vm_worker.config of the pool.  Workers on the caller's machine,
 * which have the caller's memory, find the plan before it.
 *
 * Easy to get wrong: both are the same build, but may not have the same jobs,
 * and the caller may be no reducer: any pool can ask for the name.
 */
#ifndef TOLD_H
#define TOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reduce/job_plan.h"

/* Bytes of a name with its 0; a vm_worker.name is no longer. */
#define TOLD_NAME 64

struct told {
	char name[TOLD_NAME];	/* of the jobs */
	uint64_t size;		/* bytes of all, this struct included */
	uint64_t jobs;		/* their number */
	uint64_t memory;	/* bytes for pairs in each worker */
	uint64_t pair_most;	/* bytes of a key, or of a value; */
	uint64_t pairs_most;	/* of all pairs of a call */
	uint64_t reserved;
};

/* Before the bytes of a config, which are aligned for any type. */
struct told_job {
	uint64_t size;		/* of the config; 0: the agent has its own */
	uint64_t reserved;
};

/* Allocates it, for the jobs of a plan under that name; name may be NULL.
   Returns NULL without memory. */
struct told *told_new(const struct job_plan *, const char *name);

/* Frees it; NULL is fine. */
void told_free(struct told *);

/* Returns the plan that told_new() was given; in the caller and the processes
   forked from it. */
const struct job_plan *told_plan(const struct told *);

/* May the bytes that came from a caller be such a struct?  NULL is none. */
bool told_is(const struct told *, size_t size);

/* Sets the config of the jobs of a plan, as many as were told, to the bytes in
   it; those with none keep their own.  For bytes that told_is() takes.  Returns
   0, or -EINVAL if it is of other jobs. */
int told_read(const struct told *, struct job_plan *);

#endif
