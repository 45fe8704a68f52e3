/*
 * replay.c - vm_replay(): a failed input is run in the caller, for debuggers.
 *
 * Runs in: caller.  A pool without processes gets the input as if it had read
 * all inputs before it.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "base/given.h"
#include "engine/intake.h"

/* The options that make sense for a single input in the caller. */
static void simplify(struct vm_options *o, const struct vm_result *failed)
{
	*o = (struct vm_options){
		.workers = VM_SERIAL,
		.flags = (o->flags & VM_MEASURE_ITEMS) | VM_NO_ENVIRONMENT,
		.worker_indices = failed->worker_index >= 0 ?
		    &failed->worker_index : NULL,
		.max_item_bytes = o->max_item_bytes,
		.seed = o->seed,
	};
}

/* Makes the settings of the pool.  Returns 0, or -errno with words. */
static int make_settings(struct settings *set, const struct vm_worker *worker,
    size_t worker_size, const struct vm_options *options,
    size_t options_size, const struct vm_result *failed, struct words *w)
{
	struct vm_options o;
	int r;

	if (failed == NULL || failed->input == NULL)
		return words_set(w, EINVAL, "vm_replay() needs a result with "
		    "an input.");
	r = given_take(&o, sizeof o, options, options_size, "vm_options", w);
	if (r < 0)
		return r;
	simplify(&o, failed);
	r = settings_make(set, worker, worker_size, &o, sizeof o, w);
	if (r < 0)
		return r;
	if (set->plan.hooks.process == NULL)
		return words_set(w, EINVAL, "vm_replay() calls "
		    "vm_worker.process, which is NULL.");
	if (failed->input_size > set->plan.max_item)
		return words_set(w, EFBIG, "vm_replay() was given an input of "
		    "%zu bytes; vm_options.max_item_bytes is %zu.",
		    failed->input_size, set->plan.max_item);
	return 0;
}

/* Runs the input.  Returns a copy of its result, or NULL and sets errno. */
static struct vm_result *run(vm_pool *p, const struct vm_result *failed)
{
	struct engine *e = &p->engine;
	struct vm_result result;

	e->intake.pushed.index = failed->index;
	e->intake.seq = failed->exception != NULL ? failed->exception->number :
	    failed->index;
	if (vm_submit(p, failed->input, failed->input_size, failed->tag) != 1)
		return NULL;
	if (intake_admit(e) < 0) {
		errno = ENOMEM;
		return NULL;
	}
	e->window.waiting->attempt = MAX(failed->attempts, 1);
	return vm_zip_in_out(p, &result) == 1 ? vm_result_copy(&result) : NULL;
}

struct vm_result *vm_replay_sized(const struct vm_worker *worker,
    size_t worker_size, const struct vm_options *options,
    size_t options_size, const struct vm_result *failed)
{
	struct words words = { "" };
	struct vm_result *result = NULL;
	struct settings set = { .only = NEVER };
	struct vm_pool *p = NULL;
	int kept = errno;
	int r = make_settings(&set, worker, worker_size, options,
	    options_size, failed, &words);

	if (r == 0)
		r = pool_open(&p, &set, &words);
	settings_release(&set);
	if (p != NULL) {
		result = run(p, failed);
		r = result == NULL ? -errno : 0;
		words = p->words;
		if (r == -ENOMEM)
			words_set(&words, ENOMEM, "vm_replay() had no memory.");
		if (vm_close(p) != 0)
			words = *error_words();
	}
	*error_words() = words;
	errno = r < 0 ? -r : kept;
	return result;
}
