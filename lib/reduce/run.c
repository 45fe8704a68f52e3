/*
 * run.c - one run of a job: its three rounds, one after another.
 *
 * Runs in: caller.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "reduce/reducer.h"

void run_release(struct vm_reducer *r)
{
	reduce_phase_release(r);
	r->values.error = 0;
}

/* The present run has come to its end, or has failed. */
static int end_run(struct vm_reducer *r)
{
	int error;

	run_release(r);
	shuffle_clear(&r->shuffle);
	r->stage = RUN_NONE;
	r->run++;
	error = store_empty(&r->plan.store);
	return error < 0 ? words_set(&r->words, -error, "What a run had "
	    "stored could not be given back: %s.", strerror(-error)) : 0;
}

/* What the pool still has of a run that has failed is given up: -errno of that
   failure; or -ENOMEM, or -EDEADLK in a hook of the source that is given up, if
   there is more to give up in the next call. */
static int drain(struct vm_reducer *r)
{
	struct words why = r->words;
	struct vm_result result;
	int got;

	do
		got = vm_zip_in_out(r->pool, &result);
	while (got == 1);
	if (got == -1 && !vm_broken(r->pool))
		return -errno;
	end_run(r);
	r->words = why;
	return r->failure;
}

/* The run has failed, and the pool knows nothing of it. */
static int give_up(struct vm_reducer *r, int error)
{
	r->stage = RUN_FAILING;
	r->failure = error;
	vm_cancel(r->pool);
	return drain(r);
}

/* What the pool has: 1; VM_LATER if it is nothing for the caller; 0 at the end
   of the round; or -errno, with words unless they are the pool's. */
static int take(struct vm_reducer *r, struct vm_reduced *out)
{
	struct vm_result result;
	int got = vm_zip_in_out(r->pool, &result);

	if (got < 0)
		return -errno;
	if (got == 0)
		return 0;
	if (r->stage == RUN_MAPPING || result.input == NULL)
		got = map_phase_take(r, &result, out);
	else if (r->stage == RUN_GATHERING)
		got = gather_phase_take(r, &result);
	else
		got = reduce_phase_take(r, &result, out);
	return got == 0 ? VM_LATER : got;
}

/* The values are brought together: 0 or -errno. */
static int begin_last_round(struct vm_reducer *r)
{
	int error = gather_phase_end(r);

	return error == 0 ? reduce_phase_begin(r) : error;
}

/* The round has come to its end: VM_LATER if another begins, 0, or -errno. */
static int next_stage(struct vm_reducer *r)
{
	int error;

	if (r->unmade != 0)
		error = words_set(&r->words, r->unmade, "An input, a "
		    "partition or a key could not be passed to workers: %s.",
		    strerror(r->unmade));
	else if (r->stage == RUN_MAPPING)
		error = gather_phase_begin(r);
	else if (r->stage == RUN_GATHERING)
		error = begin_last_round(r);
	else
		return r->stage == RUN_REDUCING ? reduce_phase_end(r) : 0;
	return error < 0 ? error : VM_LATER;
}

int run_next(struct vm_reducer *r, struct vm_reduced *out)
{
	int got;

	if (r->stage == RUN_FAILING)
		return drain(r);
	r->words.text[0] = '\0';
	do {
		got = r->stage == RUN_LISTING ? reduce_phase_list(r, out) :
		    take(r, out);
		if (got == 0)
			got = next_stage(r);
	} while (got == VM_LATER);
	if (got < 0 && r->words.text[0] != '\0')
		return give_up(r, got);
	return got == 0 ? end_run(r) : got;
}
