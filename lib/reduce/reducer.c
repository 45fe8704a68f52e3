/*
 * reducer.c - vm_fork_jobs(), vm_map_reduce(), vm_zip_key_out() and the other
 * public functions of a reducer.
 *
 * Runs in: caller.  Uses only the public functions of vimap.h for its pool.
 *
 * Easy to get wrong: a source belongs to the reducer from the call on, and its
 * close callback must run exactly once, whether its run begins or not.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/given.h"
#include "base/made.h"
#include "reduce/reducer.h"

/* Bounds of the bytes a partition has in the caller before they are written. */
#define OPEN_MOST ((size_t)256 * 1024)
#define OPEN_LEAST ((size_t)4096)

/* Text for the last failure of vm_fork_jobs() in this thread. */
static _Thread_local struct words fork_words;
/* fork_words is from a call that was given NULL as its reducer. */
static _Thread_local bool of_null;

/* ---- fork and close ---- */

/* Closes a source, if this process owns the reducer; a process that was forked
   from the owner frees only the library's own memory. */
static void drop_source(const struct vm_source *s, bool ours)
{
	if (s->close != NULL && (ours || made_is(s)))
		s->close(s->from);
}

/* Frees the queue of runs and their sources. */
static void drop_orders(struct vm_reducer *r, bool ours)
{
	struct run_order *o;

	while ((o = r->orders) != NULL) {
		r->orders = o->next;
		drop_source(&o->source, ours);
		free(o);
	}
	r->last = &r->orders;
}

static void free_reducer(struct vm_reducer *r)
{
	run_release(r);
	values_release(&r->values);
	shuffle_close(&r->shuffle);
	buf_release(&r->item);
	free(r->partitions);
	told_free(r->told);
	free(r->plan.jobs);
	free(r->plan.indices);
	owner_release(&r->owner);
	free(r);
}

static struct vm_reducer *new_reducer(void)
{
	struct vm_reducer *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	owner_init(&r->owner);
	r->last = &r->orders;
	r->plan.store = (struct store){ .file = { -1, -1 } };
	buf_init(&r->item, SIZE_MAX / 4);
	return r;
}

/* Allocates all of a reducer except the plan and the pool. */
static int make_rest(struct vm_reducer *r, const struct vm_options *o,
    const struct vm_reduce_options *h, struct words *w)
{
	uint32_t n = r->plan.partitions;
	int error = store_open(&r->plan.store, r->plan.workers,
	    h->memory_limit / 2, h->spill_dir, w);

	if (error < 0)
		return error;
	r->partitions = calloc(n, sizeof *r->partitions);
	error = shuffle_open(&r->shuffle, &r->plan.store, n,
	    MAX(MIN(h->memory_limit / 16 / n, OPEN_MOST), OPEN_LEAST),
	    o->flags & VM_ORDERED);
	if (error < 0 || r->partitions == NULL)
		return words_set(w, ENOMEM, "There was no memory for a "
		    "reducer.");
	return 0;
}

/* If no job has a teardown, the death of a worker before that is no failure for
   vm_close() to return.  In the caller the layer must be freed. */
static bool needs_teardown(const struct job_plan *p, int workers)
{
	return job_plan_has_teardown(p) || workers == VM_SERIAL;
}

static int fork_pool(struct vm_reducer *r, const struct vm_options *o,
    const char *name, struct words *w)
{
	struct vm_worker worker = {
		.setup = job_setup,
		.process = job_process,
		.teardown = needs_teardown(&r->plan, o->workers) ?
		    job_teardown : NULL,
		.name = name,
	};

	r->told = told_new(&r->plan, name);
	if (r->told == NULL)
		return words_set(w, ENOMEM, "There was no memory for a "
		    "reducer.");
	worker.config = r->told;
	if (name != NULL)
		worker.config_size = (size_t)r->told->size;
	r->pool = vm_fork(&worker, o);
	return r->pool != NULL ? 0 :
	    words_set(w, errno, "%s", vm_error(NULL));
}

static int open_reducer(struct vm_reducer *r, struct vm_options *o,
    struct vm_reduce_options *h, struct words *w)
{
	int error = reduce_options_make(r, o, h, w);

	if (error == 0)
		error = make_rest(r, o, h, w);
	return error == 0 ? fork_pool(r, o, h->name, w) : error;
}

vm_reducer *vm_fork_jobs_sized(const struct vm_job *jobs, size_t count,
    size_t job_size, const struct vm_options *options, size_t options_size,
    const struct vm_reduce_options *how, size_t how_size)
{
	struct vm_reducer *r = new_reducer();
	struct vm_reduce_options h;
	struct vm_options o;
	struct words words = { "" };
	int kept = errno;
	int error = given_take(&o, sizeof o, options, options_size,
	    "vm_options", &words);

	if (error == 0)
		error = given_take(&h, sizeof h, how, how_size,
		    "vm_reduce_options", &words);
	if (error == 0 && r == NULL)
		error = words_set(&words, ENOMEM, "There was no memory for a "
		    "reducer.");
	else if (error == 0)
		error = job_plan_copy(&r->plan, jobs, count, job_size,
		    &words);
	if (error == 0 && r != NULL)
		error = open_reducer(r, &o, &h, &words);
	if (error < 0 && r != NULL) {
		store_close(&r->plan.store);
		free_reducer(r);
		r = NULL;
	}
	fork_words = words;
	of_null = false;
	errno = error < 0 ? -error : kept;
	return r;
}

/* Sets the text for a call that is refused.  With a NULL reducer, the text of a
   failed vm_fork_jobs() stays, as it says why there is no reducer. */
static void explain(struct vm_reducer *r, int error, const char *call)
{
	if (r == NULL && (fork_words.text[0] == '\0' || of_null)) {
		words_set(&fork_words, error, "%s() was given NULL, and needs "
		    "a reducer that vm_fork_jobs() has returned.", call);
		of_null = true;
	}
	if (r == NULL)
		return;
	if (error == EPERM)
		words_set(&r->words, error, "%s() was called in another "
		    "process than the reducer's; call it in the one that "
		    "called vm_fork_jobs().", call);
	/* The text of a failed run stays: the user has not read it yet. */
	else if (error == EDEADLK && r->words.text[0] == '\0')
		words_set(&r->words, error, "%s() was called from a hook of a "
		    "source, where only vm_cancel() may be.  Call it when "
		    "the hook has returned.", call);
}

/* Closes the pool.  Returns 0, 1 or -errno; -EDEADLK if called by a hook of a
   source, also by the close callback that vm_reducer_close() itself calls. */
static int close_pool(struct vm_reducer *r)
{
	int closed;

	if (r->pool == NULL)
		return -EDEADLK;
	closed = vm_close(r->pool);
	return closed < 0 ? -errno : closed;
}

int vm_reducer_close(vm_reducer *r)
{
	int kept = errno, closed;
	bool ours = r != NULL && !owner_is_other(&r->owner);

	if (r == NULL)
		return 0;
	closed = close_pool(r);
	if (closed == -EDEADLK) {
		explain(r, EDEADLK, "vm_reducer_close");
		errno = EDEADLK;
		return -1;
	}
	r->pool = NULL;
	drop_orders(r, ours);
	/* The owner's pool has closed the source of the present run. */
	if (!ours)
		drop_source(&r->source, ours);
	/* A process forked from the owner must not empty the shared files. */
	if (ours)
		store_close(&r->plan.store);
	else
		store_leave(&r->plan.store);
	free_reducer(r);
	errno = closed < 0 ? -closed : kept;
	return closed < 0 ? -1 : closed;
}

/* ---- runs ---- */

/* Returns 0 if the reducer may be used by this caller, or errno. */
static int refuses(const struct vm_reducer *r)
{
	if (r == NULL)
		return EINVAL;
	if (owner_is_other(&r->owner))
		return EPERM;
	return r->pool == NULL ? EDEADLK : 0;
}

int vm_map_reduce(vm_reducer *r, size_t job, struct vm_source source)
{
	struct run_order *o = NULL;
	int error = refuses(r);

	if (r != NULL)
		r->words.text[0] = '\0';
	if (error != 0)
		explain(r, error, "vm_map_reduce");
	else if (job >= r->plan.count)
		error = -words_set(&r->words, EINVAL, "There is no job %zu: "
		    "the reducer has %zu, numbered from 0.", job,
		    r->plan.count);
	/* The pool rejects the source, closes it and sets the text. */
	if (error == 0 && (source.next == NULL || source.reserved[0] != NULL ||
	    source.reserved[1] != NULL || source.reserved[2] != NULL))
		return vm_imap(r->pool, source);
	if (error == 0)
		o = calloc(1, sizeof *o);
	if (error == 0 && o == NULL)
		words_set(&r->words, ENOMEM, "There was no memory for a run.");
	if (o == NULL) {
		if (source.close != NULL)
			source.close(source.from);
		errno = error != 0 ? error : ENOMEM;
		return -1;
	}
	made_limit(&source, r->item_most);
	o->source = source;
	o->job = job;
	*r->last = o;
	r->last = &o->next;
	return 0;
}

int vm_zip_key_out(vm_reducer *r, struct vm_reduced *out)
{
	int kept = errno, got = 0, error = refuses(r);

	if (error != 0)
		explain(r, error, "vm_zip_key_out");
	else if (out == NULL)
		error = -words_set(&r->words, EINVAL, "vm_zip_key_out() was "
		    "given NULL, and needs a struct vm_reduced to fill.");
	if (error != 0) {
		errno = error;
		return -1;
	}
	if (r->stage == RUN_NONE && r->orders == NULL)
		return 0;
	if (r->stage == RUN_NONE)
		got = run_begin(r);
	if (got == 0)
		got = run_next(r, out);
	errno = got < 0 ? -got : kept;
	return got < 0 ? -1 : got;
}

vm_pool *vm_reducer_pool(vm_reducer *r)
{
	return r != NULL ? r->pool : NULL;
}

const char *vm_reducer_error(const vm_reducer *r)
{
	if (r == NULL)
		return fork_words.text;
	return r->words.text[0] != '\0' ? r->words.text : vm_error(r->pool);
}
