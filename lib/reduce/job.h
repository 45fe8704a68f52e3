/*
 * job.h - the hooks of the pool below a reducer: they map, gather or reduce an
 * item.
 *
 * Runs in: worker; the caller shares the plan, which never changes.
 *
 * An item of the pool is a struct task and, by its kind:
 *
 *	map      the input                ==> pairs, as in emit.h
 *	gather   struct task_gather       ==> struct gathered
 *	reduce   struct group, the key    ==> the output of reduce()
 *
 * Output of map() or collect() itself comes before the pairs or the struct.
 * Other machines only map.
 *
 * Easy to get wrong: the hooks of all jobs share a vm_context, but each job
 * must find its own config and state there.
 */
#ifndef JOB_H
#define JOB_H

#include <stddef.h>
#include <stdint.h>

#include "reduce/gather.h"
#include "reduce/job_plan.h"
#include "reduce/store.h"
#include "reduce/values.h"
#include "vimap.h"
#include "vimap_reduce.h"

enum task_kind { TASK_MAP = 1, TASK_GATHER, TASK_REDUCE };

/* The head of an item; 16 bytes, so that the rest is aligned. */
struct task {
	uint32_t kind;
	uint32_t job;
	uint64_t run;		/* its number: the store has the run's pairs */
};

/* Item to gather a partition. */
struct task_gather {
	struct run runs;	/* run of an array of struct run, in their
				   order */
	uint32_t partition;	/* its index in the caller */
	uint32_t plainly;	/* not 0: without collect() */
};

/* Item to reduce a key; the bytes of the key follow. */
struct task_reduce {
	struct group group;
};

/* Stands for map() in a job that has none: emits its input, which must be a
   pair as vm_pairs() encodes it, that is the size of the key in 8 bytes, the
   key, the value.  Returns 0, or as vm_fail() or vm_emit(). */
int job_emit_input(struct vm_context *, const void *input, size_t size);

/* Returns the place in the store of the worker with that index, or SIZE_MAX if
   there is no such worker. */
size_t job_place(const struct job_plan *, int worker_index);

/* Begins a worker with that plan, which must last as long: the setup of each
   job.  Returns 0, or as vm_fail(). */
int job_begin(struct vm_context *, const struct job_plan *);

/* Returns the plan of a worker that has begun. */
const struct job_plan *job_plan_of(const struct vm_context *);

/* The hooks of the pool on the caller's machine, as in vm_worker; its config is
   the struct told of the reducer.  The others work after job_begin() too. */
int job_setup(struct vm_context *);
int job_process(struct vm_context *, const void *input, size_t size);
void job_teardown(struct vm_context *);

#endif
