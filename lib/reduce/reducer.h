/*
 * reducer.h - struct vm_reducer: a pool, a queue of runs, and the state of the
 * present run.
 *
 * Runs in: caller.  A run has three phases, and each gives the pool a source of
 * its own and ends with it: map takes the inputs, gather the partitions, reduce
 * the keys.  So all rules for items of a pool hold for each call of map() and
 * reduce(): attempts, timeouts, limits, exceptions.
 *
 * Easy to get wrong: the user knows of no item for a partition, so its failure
 * cannot be reported as an exception; the partition is given again and, if that
 * is of no use, the run fails.
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
#include "reduce/told.h"
#include "vimap_reduce.h"

/* A vm_map_reduce() in the queue. */
struct run_order {
	struct run_order *next;
	struct vm_source source;
	size_t job;
};

enum run_stage {
	RUN_NONE,		/* no run */
	RUN_MAPPING,
	RUN_GATHERING,
	RUN_REDUCING,		/* reduce() runs on the workers */
	RUN_LISTING,		/* no reduce(): the caller reads the values */
	RUN_FAILING		/* the items in flight are being dropped */
};

/* A partition; the array has an element for each. */
struct partition {
	struct run list;	/* run of an array of struct run */
	struct gathered gathered;
	bool listed;		/* it has pairs */
	int tries;		/* how often a worker was given it */
	bool due;		/* to be given to a worker */
};

struct vm_reducer {
	vm_pool *pool;		/* NULL while vm_reducer_close() closes the
				   sources, after the pool */
	struct job_plan plan;
	struct told *told;	/* what workers are told of it */
	size_t item_most;	/* most bytes of an input */
	struct shuffle shuffle;
	struct run_order *orders, **last;
	bool sorted;
	/* The present run. */
	enum run_stage stage;
	uint64_t run;
	struct vm_source source;	/* in the map phase */
	size_t job;
	int unmade;		/* errno of an item that could not be made */
	int failure;		/* -errno, in stage RUN_FAILING */
	struct partition *partitions;
	uint32_t partition;	/* index of the next candidate */
	uint32_t gathering;	/* number of partitions in flight */
	bool gathered;		/* all partitions are done */
	bool merging;
	struct merge keys;	/* if merging: of a partition or of all */
	struct vm_values values;	/* of the last key that was listed */
	struct buf item;	/* buffer for the next item */
	struct vm_exception exception;	/* for an output that is rejected here,
					   not by the pool */
	struct words words;
	struct owner owner;
};

/* ---- reduce_options.c ---- */

/* Sets the rest of the plan except the store, and completes both structs of
   options with the defaults.  Returns 0 or -errno, with a text. */
int reduce_options_make(struct vm_reducer *, struct vm_options *,
    struct vm_reduce_options *, struct words *);

/* ---- phase.c ---- */

/* Begins an item in the buffer r->item.  Returns 0 or -ENOMEM. */
int phase_item(struct vm_reducer *, enum task_kind);

/* Passes the item in the buffer to the pool; called as the last step of a
   source's next callback, whose value it returns.  If error is not 0 (-errno),
   ends the source instead, and the run fails at the end of the phase. */
int phase_give(struct vm_reducer *, int error, const void **input,
    size_t *size);

/* A vm_source.wait_fd for a source that has none.  Returns -1. */
int phase_no_fd(void *from);

/* Gives the pool a source and sets the stage.  Only inputs go to other
   machines.  Returns 0 or -errno, with a text. */
int phase_begin(struct vm_reducer *, enum run_stage, struct vm_source);

/* Sets the text for a run that the user has cancelled.  Returns -ECANCELED. */
int phase_cancelled(struct vm_reducer *);

/* ---- map_phase.c ---- */

/* Takes the next run from the queue, if any, and begins its map phase.  Returns
   0 or -errno. */
int run_begin(struct vm_reducer *);

/* Handles the result of an input.  Returns 1 if it fills in the result for the
   user, 0 if there is nothing to report, or -errno. */
int map_phase_take(struct vm_reducer *, const struct vm_result *,
    struct vm_reduced *);

/* ---- gather_phase.c ---- */

/* Begins the gather phase, after all inputs.  Returns 0 or -errno. */
int gather_phase_begin(struct vm_reducer *);

/* Handles the result of a partition, and has it given again if it failed.
   Returns 0, or -errno if the run has failed. */
int gather_phase_take(struct vm_reducer *, const struct vm_result *);

/* Called when the pool has ended the gather phase.  Returns 0, or -ECANCELED if
   partitions are left. */
int gather_phase_end(struct vm_reducer *);

/* ---- reduce_phase.c ---- */

/* Begins the last phase, after all partitions.  Returns 0 or -errno. */
int reduce_phase_begin(struct vm_reducer *);

/* Fills in the result for the user from that of a key.  Returns 1. */
int reduce_phase_take(struct vm_reducer *, const struct vm_result *,
    struct vm_reduced *);

/* Called when the pool has ended the last phase.  Returns 0, -ECANCELED if keys
   are left, or another -errno. */
int reduce_phase_end(struct vm_reducer *);

/* In a job without reduce(): fills in the result with the next key and its
   values.  Returns 1, 0 after the last key, or -errno. */
int reduce_phase_list(struct vm_reducer *, struct vm_reduced *);

/* Stops reading keys and frees the buffers for it. */
void reduce_phase_release(struct vm_reducer *);

/* ---- run.c ---- */

/* Gives the next result of the present run; blocks in vm_zip_in_out().  Returns
   1, 0 at the end of the run, or -errno: the text is in r->words or, if that is
   empty, in the pool. */
int run_next(struct vm_reducer *, struct vm_reduced *);

/* Frees the buffers of the last phase and clears the error of the values. */
void run_release(struct vm_reducer *);

#endif
