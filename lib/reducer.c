/*
 * reducer.c - vm_fork_jobs(), vm_map_reduce(), vm_zip_key_out() and what goes
 * with them.
 *
 * Runs in: caller.  Stands on vimap.h: the pool below is one as anybody has.
 * Easy to get wrong: a source belongs to the reducer from the call on, and is
 * closed just once, run or not.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VM_NO_INLINE
#include "base.h"
#include "cpus.h"
#include "face.h"
#include "reducer.h"

#define MEMORY ((size_t)256 * 1024 * 1024)
#define PARTITIONS_MOST 4096
#define PARTITIONS_A_WORKER 4
#define ITEM ((size_t)1 << 30)
/* An input is part of an item, and so is a key; outputs of map() say where
   pairs are. */
#define ITEM_HEAD ((size_t)4096)
#define ITEM_LEAST ((size_t)1024 * 1024)
/* As in vm_options. */
#define WORKERS_MOST_LEAST 16

/* ---- what it is to be ---- */

/* A struct of the caller's, who may have another version of it. */
static void take_struct(void *to, size_t size, const void *from,
    size_t from_size)
{
	memset(to, 0, size);
	if (from != NULL)
		memcpy(to, from, MIN(size, from_size));
}

/* How many workers there may be, which is said so then. */
static size_t settle_workers(struct vm_options *o)
{
	int workers = o->workers > 0 ? o->workers : 1;

	if (o->workers == 0)
		workers = cpus_usable("");
	if (o->workers == VM_SERIAL)
		return 1;
	if (o->max_workers <= 0 && o->worker_indices != NULL)
		return (size_t)workers;
	if (o->max_workers <= 0)
		o->max_workers = MAX(2 * workers, WORKERS_MOST_LEAST);
	return (size_t)o->max_workers;
}

static int copy_indices(struct job_plan *p, const struct vm_options *o,
    struct words *w)
{
	if (o->worker_indices == NULL || o->workers <= 0)
		return 0;
	p->indices = calloc(p->workers, sizeof *p->indices);
	if (p->indices == NULL)
		return words_set(w, ENOMEM, "There was no memory for a "
		    "reducer.");
	memcpy(p->indices, o->worker_indices,
	    (size_t)o->workers * sizeof *p->indices);
	for (int i = 0; i < o->workers; i++)
		for (int k = 0; k < i; k++)
			if (p->indices[i] == p->indices[k])
				return words_set(w, EINVAL, "Workers of a "
				    "reducer need indices of their own; %d "
				    "is given twice.", p->indices[i]);
	return 0;
}

static int copy_jobs(struct job_plan *p, const struct vm_job *jobs,
    size_t count, size_t job_size, struct words *w)
{
	const unsigned char *from = (const void *)jobs;

	if (jobs == NULL || count == 0 || count > UINT32_MAX)
		return words_set(w, EINVAL, "A reducer needs a job.");
	p->jobs = calloc(count, sizeof *p->jobs);
	if (p->jobs == NULL)
		return words_set(w, ENOMEM, "There was no memory for %zu "
		    "jobs.", count);
	p->count = count;
	for (size_t i = 0; i < count; i++) {
		struct vm_job *j = &p->jobs[i];

		take_struct(j, sizeof *j, from + i * job_size, job_size);
		if (j->map == NULL && j->reduce == NULL)
			return words_set(w, EINVAL, "Job %zu has neither map "
			    "nor reduce.", i);
		if (j->map == NULL)
			j->map = job_emit_input;
	}
	return 0;
}

static int check_options(const struct vm_reduce_options *h, struct words *w)
{
	if (h->partitions < 0 || h->partitions > PARTITIONS_MOST)
		return words_set(w, EINVAL, "vm_reduce_options.partitions is "
		    "%d; it can be 0 (4 a worker) to %d.", h->partitions,
		    PARTITIONS_MOST);
	if (h->reserved != 0)
		return words_set(w, EINVAL, "vm_reduce_options.reserved is "
		    "not 0.");
	return 0;
}

/* All of the plan but the store. */
static int make_plan(struct vm_reducer *r, struct vm_options *o,
    const struct vm_reduce_options *h, struct words *w)
{
	struct job_plan *p = &r->plan;
	size_t item = o->max_item_bytes > 0 ? o->max_item_bytes : ITEM;
	size_t memory = h->memory_limit > 0 ? h->memory_limit : MEMORY;
	size_t workers;

	p->workers = settle_workers(o);
	workers = o->workers > 0 ? (size_t)o->workers :
	    o->workers == 0 ? (size_t)cpus_usable("") : 1;
	p->partitions = (uint32_t)(h->partitions > 0 ? (size_t)h->partitions :
	    MIN(PARTITIONS_A_WORKER * workers, PARTITIONS_MOST));
	/* Half of it is for the store, a quarter at most for the workers: what
	   they have may be twice as long, in part, where bytes grow. */
	p->memory = MAX(memory / 8 / workers, 64 * 1024);
	r->item_most = item;
	p->pair_most = MIN(item, (size_t)UINT32_MAX - 1);
	r->sorted = h->sorted != 0;
	o->ordered = o->ordered || h->sorted || h->in_input_order;
	o->max_item_bytes = MAX(item, ITEM_LEAST) + ITEM_HEAD;
	return copy_indices(p, o, w);
}

/* ---- its life ---- */

static void drop_orders(struct vm_reducer *r)
{
	struct run_order *o;

	while ((o = r->orders) != NULL) {
		r->orders = o->next;
		if (o->source.close != NULL)
			o->source.close(o->source.from);
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
	values_init(&r->values, SIZE_MAX / 4);
	buf_init(&r->item, SIZE_MAX / 4);
	return r;
}

/* What it has beside the pool. */
static int make_rest(struct vm_reducer *r, const struct vm_options *o,
    const struct vm_reduce_options *h, struct words *w)
{
	size_t memory = h->memory_limit > 0 ? h->memory_limit : MEMORY;
	uint32_t n = r->plan.partitions;
	int error = store_open(&r->plan.store, r->plan.workers, memory / 2,
	    h->spill_dir, w);

	if (error < 0)
		return error;
	r->partitions = calloc(n, sizeof *r->partitions);
	error = shuffle_open(&r->shuffle, &r->plan.store, n,
	    MAX(MIN(memory / 16 / n, 256 * 1024), 4096), o->ordered);
	if (error < 0 || r->partitions == NULL)
		return words_set(w, ENOMEM, "There was no memory for a "
		    "reducer.");
	return 0;
}

static int open_reducer(struct vm_reducer *r, struct vm_options *o,
    const struct vm_reduce_options *h, struct words *w)
{
	const struct vm_worker worker = {
		.setup = job_setup,
		.process = job_process,
		.teardown = job_teardown,
		.config = &r->plan,
	};
	int error = check_options(h, w);

	if (error == 0)
		error = make_plan(r, o, h, w);
	if (error == 0)
		error = make_rest(r, o, h, w);
	if (error < 0)
		return error;
	r->pool = vm_fork(&worker, o);
	if (r->pool == NULL)
		return words_set(w, errno, "%s", vm_error(NULL));
	return 0;
}

vm_reducer *vm_fork_jobs_sized(const struct vm_job *jobs, size_t count,
    size_t job_size, const struct vm_options *options, size_t options_size,
    const struct vm_reduce_options *how, size_t how_size)
{
	struct vm_reducer *r = new_reducer();
	struct vm_reduce_options h;
	struct vm_options o;
	struct words words = { "" };
	int kept = errno, error;

	take_struct(&o, sizeof o, options, options_size);
	take_struct(&h, sizeof h, how, how_size);
	error = r == NULL ? words_set(&words, ENOMEM, "There was no memory "
	    "for a reducer.") : copy_jobs(&r->plan, jobs, count, job_size,
	    &words);
	if (error == 0)
		error = open_reducer(r, &o, &h, &words);
	if (error < 0 && r != NULL) {
		store_close(&r->plan.store);
		free_reducer(r);
		r = NULL;
	}
	*error_words() = words;
	errno = error < 0 ? -error : kept;
	return r;
}

int vm_reducer_close(vm_reducer *r)
{
	int kept = errno, error;

	if (r == NULL)
		return 0;
	error = vm_close(r->pool) < 0 ? errno : 0;
	if (error == EDEADLK) {
		errno = error;
		return -1;
	}
	/* In a child of the host's own nothing is its. */
	if (!owner_is_other(&r->owner)) {
		drop_orders(r);
		store_close(&r->plan.store);
	}
	free_reducer(r);
	errno = error != 0 ? error : kept;
	return error != 0 ? -1 : 0;
}

/* ---- runs ---- */

int vm_map_reduce(vm_reducer *r, size_t job, struct vm_source source)
{
	struct run_order *o = NULL;
	int error = r == NULL || job >= r->plan.count ? EINVAL : 0;

	if (error == 0 && owner_is_other(&r->owner))
		error = EPERM;
	/* The pool knows what is wrong with it. */
	if (error == 0 && source.next == NULL)
		return vm_imap(r->pool, source);
	if (error == 0) {
		o = calloc(1, sizeof *o);
		error = o == NULL ? ENOMEM : 0;
	}
	if (error != 0) {
		if (source.close != NULL)
			source.close(source.from);
		errno = error;
		return -1;
	}
	o->source = source;
	o->job = job;
	*r->last = o;
	r->last = &o->next;
	return 0;
}

int vm_zip_key_out(vm_reducer *r, struct vm_reduced *out)
{
	int kept = errno, got = 0;

	if (r == NULL || out == NULL || owner_is_other(&r->owner)) {
		errno = r == NULL || out == NULL ? EINVAL : EPERM;
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
		return vm_error(NULL);
	return r->words.text[0] != '\0' ? r->words.text : vm_error(r->pool);
}

vm_reducer *vm_fork_jobs(const struct vm_job *jobs, size_t count,
    const struct vm_options *options, const struct vm_reduce_options *how)
{
	return vm_fork_jobs_sized(jobs, count, sizeof *jobs, options,
	    sizeof *options, how, sizeof *how);
}

vm_reducer *vm_fork_job(const struct vm_job *job,
    const struct vm_options *options, const struct vm_reduce_options *how)
{
	return vm_fork_jobs(job, 1, options, how);
}
