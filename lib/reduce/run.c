/*
 * run.c - carries a run through its three phases.
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

/* Ends the present run, also after a failure: drops its pairs and empties the
   store. */
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

/* Drops the items and results of a failed run in the pool.  Returns -errno of
   that failure; or -ENOMEM, or -EDEADLK in a callback of a source: then the
   next call of run_next() must drop the rest. */
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

/* Fails the run with that -errno and cancels its items in the pool. */
static int give_up(struct vm_reducer *r, int error)
{
	r->stage = RUN_FAILING;
	r->failure = error;
	vm_cancel(r->pool, 0);
	return drain(r);
}

/* Handles the next result of the pool.  Returns 1 if it fills in a result for
   the user, VM_LATER if not, 0 at the end of the phase, or -errno; without a
   text in r->words, the pool has it. */
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

/* Ends the gather phase and begins the last.  Returns 0 or -errno. */
static int begin_last_round(struct vm_reducer *r)
{
	int error = gather_phase_end(r);

	return error == 0 ? reduce_phase_begin(r) : error;
}

/* Called at the end of a phase.  Returns VM_LATER if another begins, 0 at the
   end of the run, or -errno. */
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
