/*
 * reduce_options.c - checks the options of a reducer and sets their defaults.
 *
 * Runs in: caller, before the fork.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/given.h"
#include "os/cpus.h"
#include "reduce/reducer.h"

#define MEMORY ((size_t)256 * 1024 * 1024)
#define WORKER_LEAST ((size_t)64 * 1024)
#define PARTITIONS_MOST 4096
#define PARTITIONS_A_WORKER 4
#define FLAGS_ALL ((unsigned)(VM_SORTED | VM_IN_INPUT_ORDER))
#define ITEM ((size_t)1 << 30)
/* Items have structs before the input or the key, and an output of map() lists
   runs: so an item may be larger than the user's limit. */
#define ITEM_HEAD ((size_t)4096)
#define ITEM_LEAST ((size_t)1024 * 1024)
/* Same values as the defaults of vm_options. */
#define IN_FLIGHT ((size_t)64 * 1024 * 1024)
#define WORKERS_MOST_LEAST ((size_t)16)
#define WORKERS_MOST 32766
/* Less than a worker's table can address. */
#define MEMORY_MOST ((size_t)1 << 30)
/* Bytes of buffers to read the keys of a partition; sorted, the caller reads
   all partitions at once. */
#define KEYS_MEMORY ((size_t)128 * 1024)

static size_t first_workers(const struct vm_options *o)
{
	if (o->workers == 0)
		return (size_t)cpus_usable("");
	return o->workers > 0 ? (size_t)o->workers : 1;
}

/* Returns the largest number of workers; if no indices are given, also sets
   o->max_workers where it was 0.  Leaves invalid values for vm_fork() to
   refuse. */
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
	int r = given_take(j, sizeof *j, from, size, "vm_job", w);

	if (r < 0)
		return r;
	if (j->map == NULL && j->reduce == NULL)
		return words_set(w, EINVAL, "Job %zu has neither map nor "
		    "reduce.", number);
	if (j->map == NULL)
		j->map = job_emit_input;
	return 0;
}

int reduce_options_jobs(struct job_plan *p, const struct vm_job *jobs,
    size_t count, size_t job_size, struct words *w)
{
	const unsigned char *from = (const void *)jobs;
	int r = 0;

	if (jobs == NULL || count == 0 || count > UINT32_MAX)
		return words_set(w, EINVAL, "The jobs are NULL, or their "
		    "number is 0 or too large.");
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
	if ((h->flags & ~FLAGS_ALL) != 0)
		return words_set(w, EINVAL, "vm_reduce_options.flags has a bit "
		    "that is none of enum vm_reduce_flag: 0x%x.",
		    h->flags & ~FLAGS_ALL);
	return 0;
}

/* The buffers for the keys of all partitions take at most an eighth of the
   memory, except that each worker has a partition. */
static size_t usual_partitions(size_t workers, size_t memory)
{
	size_t most = MAX(memory / 8 / KEYS_MEMORY, workers);

	return MIN(MIN(PARTITIONS_A_WORKER * workers, most), PARTITIONS_MOST);
}

int reduce_options_make(struct vm_reducer *r, struct vm_options *o,
    struct vm_reduce_options *h, struct words *w)
{
	struct job_plan *p = &r->plan;
	size_t item = o->max_item_bytes > 0 ? o->max_item_bytes : ITEM;
	size_t workers = first_workers(o), memory;
	int error = check_options(h, w);

	if (error < 0)
		return error;
	if (h->memory_limit == 0)
		h->memory_limit = MEMORY;
	memory = h->memory_limit;
	r->sorted = h->flags & VM_SORTED;
	p->workers = settle_workers(o);
	p->partitions = (uint32_t)(h->partitions > 0 ? (size_t)h->partitions :
	    usual_partitions(workers, r->sorted ? memory : SIZE_MAX));
	/* Half of the memory is for the store, and at most a quarter for the
	   workers: a growing buffer may double, so each worker's share is set
	   to half of that. */
	p->memory = MIN(MAX(memory / 8 / workers, WORKER_LEAST), MEMORY_MOST);
	r->item_most = item;
	p->pair_most = MIN(item, (size_t)UINT32_MAX - 1);
	values_init(&r->values, p->pair_most, p->memory / PAGES_PART);
	o->flags &= ~(unsigned)VM_TELL_TEARDOWNS;
	if (h->flags != 0)
		o->flags |= VM_ORDERED;
	if (o->max_in_flight_bytes == 0)
		o->max_in_flight_bytes = MIN(MAX(memory / 4, ITEM_LEAST),
		    IN_FLIGHT);
	o->max_item_bytes = MIN(MAX(item, ITEM_LEAST), SIZE_MAX - ITEM_HEAD) +
	    ITEM_HEAD;
	return copy_indices(p, o, w);
}
