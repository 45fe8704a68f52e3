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
#include "os/sys.h"
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

/* Each worker needs a place in the store, so the number that vm_fork() takes
   from the environment must be known here.  A value that is no valid number is
   left for vm_fork() to refuse. */
static void heed_environment(struct vm_options *o)
{
	const char *value = sys_getenv("VIMAP_WORKERS");
	long n;

	if (value == NULL || (o->flags & VM_NO_ENVIRONMENT))
		return;
	n = strcmp(value, "serial") == 0 ? VM_SERIAL : strtol(value, NULL, 10);
	if (n != VM_SERIAL && (n <= 0 || n > WORKERS_MOST ||
	    (o->worker_indices != NULL && n > o->workers)))
		return;
	/* vm_fork() drops this bound, and does not see that it is one once the
	   number has changed. */
	if (o->worker_indices != NULL && o->max_workers == o->workers)
		o->max_workers = 0;
	o->workers = (int)n;
	if (o->max_workers > 0)
		o->max_workers = MAX(o->max_workers, o->workers);
}

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

static int check_options(const struct job_plan *p,
    const struct vm_reduce_options *h, struct words *w)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->jobs[i].config == NULL && p->jobs[i].config_size > 0)
			return words_set(w, EINVAL, "Job %zu has a "
			    "config_size of %zu, but its config is NULL.", i,
			    p->jobs[i].config_size);
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

/* Other machines only map, and know the jobs by a name. */
static int check_hosts(const struct job_plan *p, const struct vm_options *o,
    const struct vm_reduce_options *h, struct words *w)
{
	if (o->workers == VM_ELSEWHERE)
		return words_set(w, EINVAL, "A reducer gathers and reduces on "
		    "this machine: with hosts, too, "
		    "vm_options.workers must be 1 at least, and cannot be "
		    "VM_ELSEWHERE.");
	if ((o->host_count > 0 || o->listen != NULL) && h->name == NULL)
		return words_set(w, EINVAL, "With vm_options.hosts or .listen "
		    "a reducer needs vm_reduce_options.name, by which agents "
		    "find the jobs.");
	for (size_t i = 0; i < p->count && h->name != NULL; i++)
		if (p->jobs[i].config != NULL && p->jobs[i].config_size == 0)
			return words_set(w, EINVAL, "With "
			    "vm_reduce_options.name the config of job %zu "
			    "needs its config_size: the bytes that are copied "
			    "to other machines.", i);
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
	size_t workers, memory;
	int error = check_options(p, h, w);

	heed_environment(o);
	workers = first_workers(o);
	if (error == 0)
		error = check_hosts(p, o, h, w);
	if (error < 0)
		return error;
	if (o->journal != NULL)
		return words_set(w, EINVAL, "vm_options.journal does not go "
		    "with a reducer.");
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
	p->pairs_most = MIN(MAX(item, ITEM_LEAST), SIZE_MAX - ITEM_HEAD);
	o->max_item_bytes = p->pairs_most + ITEM_HEAD;
	return copy_indices(p, o, w);
}
