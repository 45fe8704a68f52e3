/*
 * job.h - what a worker of a reducer does with an item: map, gather or reduce.
 *
 * Runs in: worker; the plan is the caller's too, and never changes.
 *
 * An item of the pool is a struct task and what belongs to its kind:
 *
 *	map      the input                ==> pairs, as emit.h has them
 *	gather   struct task_gather       ==> struct gathered
 *	reduce   struct group, the key    ==> what reduce() has put out
 *
 * Easy to get wrong: the hooks of all jobs run with one vm_context, and each
 * job is to find its own config and state there.
 */
#ifndef JOB_H
#define JOB_H

#include <stddef.h>
#include <stdint.h>

#include "reduce/gather.h"
#include "reduce/store.h"
#include "reduce/values.h"
#include "vimap.h"
#include "vimap_reduce.h"

enum task_kind { TASK_MAP = 1, TASK_GATHER, TASK_REDUCE };

/* The head of an item, as long as what follows is to be aligned. */
struct task {
	uint32_t kind;
	uint32_t job;
	uint64_t reserved;
};

/* A partition that is to be gathered. */
struct task_gather {
	struct run runs;	/* of struct run, in their order */
	uint32_t partition;	/* the caller's number of it */
	uint32_t plainly;	/* not 0: without collect() */
};

/* A key that is to be reduced; the key follows. */
struct task_reduce {
	struct group group;
};

/* What workers of a reducer know. */
struct job_plan {
	struct store store;
	struct vm_job *jobs;
	size_t count;
	uint32_t partitions;
	size_t memory;		/* bytes for pairs in each worker */
	size_t pair_most;	/* bytes of a key, or of a value */
	int *indices;		/* of workers, or NULL: 0, 1, 2 ... */
	size_t workers;		/* as many places */
};

/* map() of a job that has none: its inputs are pairs, as vm_pairs() makes
   them: the size of the key in 8 bytes, the key, the value. */
int job_emit_input(struct vm_context *, const void *input, size_t size);

/* The place of the worker of that index; SIZE_MAX if there is none. */
size_t job_place(const struct job_plan *, int worker_index);

/* The hooks of such a pool; config is the plan. */
int job_setup(struct vm_context *);
int job_process(struct vm_context *, const void *input, size_t size);
void job_teardown(struct vm_context *);

#endif
