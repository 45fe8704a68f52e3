/*
 * reducer.h - what is behind a vm_reducer: a pool, and the run of a job that is
 * at it.
 *
 * Runs in: caller.  A run is three rounds of inputs for the pool, each to its
 * end: the inputs, which are mapped; the partitions, which are gathered; the
 * keys, which are reduced.  So all that holds for items of a pool holds for a
 * call of map() and of reduce(): it is tried again, bounded in time, blamed, as
 * any item.
 *
 * Easy to get wrong: what failed in gathering is nobody's item: it is done
 * again, and in the end the run has failed.
 */
#ifndef REDUCER_H
#define REDUCER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/words.h"
#include "os/owner.h"
#include "reduce/job.h"
#include "reduce/merge.h"
#include "reduce/shuffle.h"
#include "vimap_reduce.h"

/* One vm_map_reduce() that is not done. */
struct run_order {
	struct run_order *next;
	struct vm_source source;
	size_t job;
};

enum run_stage {
	RUN_NONE,		/* nothing is being done */
	RUN_MAPPING,
	RUN_GATHERING,
	RUN_REDUCING,		/* by workers */
	RUN_LISTING,		/* no reduce(): the caller reads the values */
	RUN_FAILING		/* what the pool has of it is given up */
};

/* A partition that has pairs. */
struct partition {
	struct run list;	/* of its runs */
	struct gathered gathered;
	bool listed;		/* there is anything in it */
	int tries;		/* it was given to a worker */
	bool due;		/* it is to be given to one */
};

struct vm_reducer {
	vm_pool *pool;		/* NULL: it is closed, sources are still */
	struct job_plan plan;
	size_t item_most;	/* bytes of an input */
	struct shuffle shuffle;
	struct run_order *orders, **last;
	bool sorted;
	/* The present run. */
	enum run_stage stage;
	uint64_t run;
	struct vm_source source;	/* while it is mapped */
	size_t job;
	int unmade;		/* errno of an item that could not be made */
	int failure;		/* -errno, while it is failing */
	struct partition *partitions;
	uint32_t partition;	/* the next one to look at */
	uint32_t gathering;	/* partitions that the pool has */
	bool gathered;		/* nor will it be given any more */
	bool merging;
	struct merge keys;	/* if so: of all partitions, or of one */
	struct vm_values values;	/* of the key that was listed last */
	struct buf item;	/* what the pool is given next */
	struct vm_exception exception;	/* of what the pool thinks went well */
	struct words words;
	struct owner owner;
};

/* ---- reduce_options.c ---- */

/* The jobs of a plan: 0 or -errno. */
int reduce_options_jobs(struct job_plan *, const struct vm_job *, size_t count,
    size_t job_size, struct words *);

/* All else of the plan but the store; the options get what they are to be for
   the pool and for what is made next.  0 or -errno. */
int reduce_options_make(struct vm_reducer *, struct vm_options *,
    struct vm_reduce_options *, struct words *);

/* ---- phase.c ---- */

/* Begins the item that is made next: 0 or -ENOMEM. */
int phase_item(struct vm_reducer *, enum task_kind);

/* The item is made, unless there was an error (-errno), and is what the pool is
   to have: what a source returns.  After an error its round ends, and the run
   fails then. */
int phase_give(struct vm_reducer *, int error, const void **input,
    size_t *size);

/* As vm_source.wait_fd, of sources that do not block. */
int phase_no_fd(void *from);

/* Gives the pool a source, and the run comes to that stage: 0 or -errno. */
int phase_begin(struct vm_reducer *, enum run_stage, struct vm_source);

/* The run has failed, since the caller has cancelled it: -ECANCELED. */
int phase_cancelled(struct vm_reducer *);

/* ---- map_phase.c ---- */

/* Begins the next run that was asked for, if any: 0 or -errno. */
int run_begin(struct vm_reducer *);

/* An input was mapped, or a worker given up: 1 if it is to be told of, 0, or
   -errno. */
int map_phase_take(struct vm_reducer *, const struct vm_result *,
    struct vm_reduced *);

/* ---- gather_phase.c ---- */

/* All inputs are mapped: 0 or -errno. */
int gather_phase_begin(struct vm_reducer *);

/* A partition was gathered, or not: 0, or -errno if the run has failed. */
int gather_phase_take(struct vm_reducer *, const struct vm_result *);

/* The pool has no more partitions: 0; -ECANCELED if it was not done with
   them. */
int gather_phase_end(struct vm_reducer *);

/* ---- reduce_phase.c ---- */

/* All partitions are gathered: 0 or -errno. */
int reduce_phase_begin(struct vm_reducer *);

/* A key was reduced, or not: 1. */
int reduce_phase_take(struct vm_reducer *, const struct vm_result *,
    struct vm_reduced *);

/* The pool has no more keys: 0; -ECANCELED if there were some left. */
int reduce_phase_end(struct vm_reducer *);

/* The next key and its values, where there is no reduce(): 1, 0 after the last,
   or -errno. */
int reduce_phase_list(struct vm_reducer *, struct vm_reduced *);

/* Stops reading keys. */
void reduce_phase_release(struct vm_reducer *);

/* ---- run.c ---- */

/* What comes next of the present run: 1, 0 at its end, or -errno, with words
   unless they are the pool's. */
int run_next(struct vm_reducer *, struct vm_reduced *);

/* Frees what the present run has. */
void run_release(struct vm_reducer *);

#endif
