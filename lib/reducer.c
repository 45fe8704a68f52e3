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
#include "reducer.h"

#define MEMORY ((size_t)256 * 1024 * 1024)
#define WORKER_LEAST ((size_t)64 * 1024)
/* Of the open bytes of a partition in the caller. */
#define OPEN_MOST ((size_t)256 * 1024)
#define OPEN_LEAST ((size_t)4096)
#define PARTITIONS_MOST 4096
#define PARTITIONS_A_WORKER 4
#define ITEM ((size_t)1 << 30)
/* An input is part of an item, and so is a key; outputs of map() say where
   pairs are. */
#define ITEM_HEAD ((size_t)4096)
#define ITEM_LEAST ((size_t)1024 * 1024)
/* As in vm_options. */
#define WORKERS_MOST_LEAST ((size_t)16)
#define WORKERS_MOST 32766
/* What a worker's table can number is more. */
#define MEMORY_MOST ((size_t)1 << 30)
/* What the caller takes to read the keys of a partition; of all of them at the
   same time, if they are to be sorted. */
#define KEYS_MEMORY ((size_t)128 * 1024)

/* What went wrong in this thread's last vm_fork_jobs(). */
static _Thread_local struct words fork_words;

/* ---- what it is to be ---- */

/* A struct of the caller's, who may have another version of it: 0, or -EINVAL
   if it has something that is not known here. */
static int take_struct(void *to, size_t size, const void *from,
    size_t from_size, const char *name, struct words *w)
{
	const unsigned char *bytes = from;

	memset(to, 0, size);
	if (from != NULL)
		memcpy(to, from, MIN(size, from_size));
	for (size_t i = size; from != NULL && i < from_size; i++)
		if (bytes[i] != 0)
			return words_set(w, EINVAL, "struct %s has a field "
			    "that this version of the library does not know.",
			    name);
	return 0;
}

/* How many workers there are at first. */
static size_t first_workers(const struct vm_options *o)
{
	if (o->workers == 0)
		return (size_t)cpus_usable("");
	return o->workers > 0 ? (size_t)o->workers : 1;
}

/* How many there may be, which is said so then.  What cannot be is left for
   vm_fork() to refuse. */
static size_t settle_workers(struct vm_options *o)
{
	size_t workers = first_workers(o);

	if (workers > WORKERS_MOST || o->workers < 0 || o->max_workers < 0 ||
	    o->max_workers > WORKERS_MOST)
		return 1;
	if (o->worker_indices != NULL)
		return workers;
	if (o->max_workers == 0)
		o->max_workers = (int)MIN(MAX(2 * workers,
		    WORKERS_MOST_LEAST), WORKERS_MOST);
	return (size_t)o->max_workers;
}

static int copy_indices(struct job_plan *p, const struct vm_options *o,
    struct words *w)
{
	size_t count = first_workers(o);

	if (o->worker_indices == NULL || o->workers == 0 ||
	    count != p->workers)
		return 0;
	p->indices = calloc(count, sizeof *p->indices);
	if (p->indices == NULL)
		return words_set(w, ENOMEM, "There was no memory for a "
		    "reducer.");
	memcpy(p->indices, o->worker_indices, count * sizeof *p->indices);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < i; k++)
			if (p->indices[i] == p->indices[k])
				return words_set(w, EINVAL, "Workers of a "
				    "reducer need indices of their own; %d "
				    "is given twice.", p->indices[i]);
	return 0;
}

static int copy_job(struct vm_job *j, const void *from, size_t size,
    size_t number, struct words *w)
{
	int r = take_struct(j, sizeof *j, from, size, "vm_job", w);

	if (r < 0)
		return r;
	if (j->map == NULL && j->reduce == NULL)
		return words_set(w, EINVAL, "Job %zu has neither map nor "
		    "reduce.", number);
	if (j->map == NULL)
		j->map = job_emit_input;
	return 0;
}

static int copy_jobs(struct job_plan *p, const struct vm_job *jobs,
    size_t count, size_t job_size, struct words *w)
{
	const unsigned char *from = (const void *)jobs;
	int r = 0;

	if (jobs == NULL || count == 0 || count > UINT32_MAX)
		return words_set(w, EINVAL, "A reducer needs a job.");
	p->jobs = calloc(count, sizeof *p->jobs);
	if (p->jobs == NULL)
		return words_set(w, ENOMEM, "There was no memory for %zu "
		    "jobs.", count);
	p->count = count;
	for (size_t i = 0; i < count && r == 0; i++)
		r = copy_job(&p->jobs[i], from + i * job_size, job_size, i, w);
	return r;
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

/* The keys of all take an eighth of that memory, if workers need no more. */
static size_t usual_partitions(size_t workers, size_t memory)
{
	size_t most = MAX(memory / 8 / KEYS_MEMORY, workers);

	return MIN(MIN(PARTITIONS_A_WORKER * workers, most), PARTITIONS_MOST);
}

/* All of the plan but the store. */
static int make_plan(struct vm_reducer *r, struct vm_options *o,
    const struct vm_reduce_options *h, struct words *w)
{
	struct job_plan *p = &r->plan;
	size_t item = o->max_item_bytes > 0 ? o->max_item_bytes : ITEM;
	size_t memory = h->memory_limit > 0 ? h->memory_limit : MEMORY;
	size_t workers = first_workers(o);

	p->workers = settle_workers(o);
	p->partitions = (uint32_t)(h->partitions > 0 ? (size_t)h->partitions :
	    usual_partitions(workers, h->sorted ? memory : SIZE_MAX));
	/* Half of it is for the store, a quarter at most for the workers: what
	   they have may be twice as long, in part, where bytes grow. */
	p->memory = MIN(MAX(memory / 8 / workers, WORKER_LEAST), MEMORY_MOST);
	r->item_most = item;
	p->pair_most = MIN(item, (size_t)UINT32_MAX - 1);
	values_init(&r->values, p->pair_most);
	r->sorted = h->sorted != 0;
	o->ordered = o->ordered || h->sorted || h->in_input_order;
	o->max_item_bytes = MAX(item, ITEM_LEAST) + ITEM_HEAD;
	return copy_indices(p, o, w);
}

/* ---- its life ---- */

/* Nothing more is to be run; if it is ours, sources are closed. */
static void drop_orders(struct vm_reducer *r, bool ours)
{
	struct run_order *o;

	while ((o = r->orders) != NULL) {
		r->orders = o->next;
		if (ours && o->source.close != NULL)
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
	    MAX(MIN(memory / 16 / n, OPEN_MOST), OPEN_LEAST), o->ordered);
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
	return r->pool != NULL ? 0 :
	    words_set(w, errno, "%s", vm_error(NULL));
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
	int error = take_struct(&o, sizeof o, options, options_size,
	    "vm_options", &words);

	if (error == 0)
		error = take_struct(&h, sizeof h, how, how_size,
		    "vm_reduce_options", &words);
	if (error == 0 && r == NULL)
		error = words_set(&words, ENOMEM, "There was no memory for a "
		    "reducer.");
	else if (error == 0)
		error = copy_jobs(&r->plan, jobs, count, job_size, &words);
	if (error == 0 && r != NULL)
		error = open_reducer(r, &o, &h, &words);
	if (error < 0 && r != NULL) {
		store_close(&r->plan.store);
		free_reducer(r);
		r = NULL;
	}
	fork_words = words;
	errno = error < 0 ? -error : kept;
	return r;
}

int vm_reducer_close(vm_reducer *r)
{
	int kept = errno, error;
	bool ours = r != NULL && !owner_is_other(&r->owner);

	if (r == NULL)
		return 0;
	error = vm_close(r->pool) < 0 ? errno : 0;
	if (error == EDEADLK) {
		errno = error;
		return -1;
	}
	drop_orders(r, ours);
	/* In a child of the host's own nothing is its. */
	if (ours)
		store_close(&r->plan.store);
	else
		store_leave(&r->plan.store);
	free_reducer(r);
	errno = error != 0 ? error : kept;
	return error != 0 ? -1 : 0;
}

/* ---- runs ---- */

int vm_map_reduce(vm_reducer *r, size_t job, struct vm_source source)
{
	struct run_order *o = NULL;
	int error = r == NULL || job >= r->plan.count ? EINVAL : 0;

	if (r != NULL)
		r->words.text[0] = '\0';
	if (r != NULL && error != 0)
		words_set(&r->words, error, "There is no job %zu, only %zu.",
		    job, r->plan.count);
	if (error == 0 && owner_is_other(&r->owner))
		error = EPERM;
	/* The pool knows what is wrong with it. */
	if (error == 0 && source.next == NULL)
		return vm_imap(r->pool, source);
	if (error == 0)
		o = calloc(1, sizeof *o);
	if (o == NULL) {
		if (source.close != NULL)
			source.close(source.from);
		errno = error != 0 ? error : ENOMEM;
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
		return fork_words.text;
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
