/*
 * begin.c - see begin.h: the pool that a BEGIN asks its agent for.
 *
 * Easy to get wrong: the commands of machines behind come with BEGIN, so they
 * are run only if the agent was started for that.
 */
#include "config.h"

#include "agent/begin.h"

#include <stdlib.h>
#include <string.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "engine/links.h"
#include "wire/machine.h"
#include "worker/plan.h"

const struct vm_worker *begin_find(const struct begin_told *s,
    const struct vm_worker *table, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].name != NULL && table[i].process != NULL &&
		    strlen(table[i].name) == s->head.name_size &&
		    memcmp(table[i].name, s->name, s->head.name_size) == 0)
			return &table[i];
	return NULL;
}

/* Returns the number of machines behind, or -1 with words if there may be
   none. */
static int count_behind(const struct begin_told *s,
    const struct agent_line *line, struct words *w)
{
	const unsigned char *at = s->behind;
	size_t left = (size_t)s->head.behind_size, size;
	int n = 0;

	for (; (size = machine_first(at, left)) > 0; at += size, left -= size)
		n++;
	if (left > 0)
		words_set(w, 0, "The machines behind it are not described as "
		    "they should be.");
	else if (n > 0 && !line->tree)
		words_set(w, 0, "It was started with " FAR_AGENT ", so it may "
		    "have no machines behind it.");
	return left > 0 || (n > 0 && !line->tree) ? -1 : n;
}

/* Adds the machines behind to the pool.  Returns 0, or -errno with the pool's
   error text set. */
static int add_behind(vm_pool *pool, const struct begin_told *s)
{
	const unsigned char *at = s->behind;
	size_t left = (size_t)s->head.behind_size, size;
	int r = 0;

	for (; r >= 0 && (size = machine_first(at, left)) > 0;
	    at += size, left -= size)
		r = links_add_machine(&pool->engine, at, size);
	return MIN(r, 0);
}

/* Returns the indices of the workers, an array of that many; NULL without
   memory. */
static int *indices(int first, int count)
{
	int *index = calloc((size_t)count, sizeof *index);

	if (index == NULL)
		return NULL;
	for (int i = 0; i < count; i++)
		index[i] = first + i;
	return index;
}

/* Returns a copy of the config that was sent, which lives as long as the agent;
   NULL without memory. */
static void *config_of(const struct begin_told *s)
{
	const size_t size = (size_t)s->head.config_size;
	void *copy = malloc(MAX(size, 1));

	if (copy != NULL && size > 0)
		memcpy(copy, s->config, size);
	return copy;
}

/* Returns the number of workers here: VM_ELSEWHERE for none. */
static int workers_of(const struct far_begin *f, const struct agent_line *line)
{
	if (f->workers == VM_ELSEWHERE && f->behind_size > 0)
		return VM_ELSEWHERE;
	return f->workers > 0 && f->workers <= WORKERS_MOST ? f->workers :
	    line->workers;
}

/* Forks the pool.  Returns it, or NULL with vm_error(). */
static vm_pool *fork_pool(const struct begin_told *s,
    const struct agent_line *line, const struct vm_worker *worker, int behind)
{
	const struct far_begin *f = &s->head;
	const int workers = workers_of(f, line);
	int *index = workers > 0 ? indices((int)f->first_index, workers) :
	    NULL;
	const struct vm_options options = {
		.workers = workers,
		.flags = f->flags,
		.worker_indices = index,
		.max_item_bytes = (size_t)f->max_item,
		.item_timeout_ms = f->item_ms,
		.setup_timeout_ms = f->setup_ms,
		.teardown_timeout_ms = f->teardown_ms,
		.close_timeout_ms = f->close_ms,
		.fork_timeout_ms = f->fork_ms,
		.close_fds = (int[]){ line->in, line->out, line->report },
		.close_count = line->report >= 0 ? 3 : 2,
		.worker_max_items = f->max_items,
		.worker_max_cpu_seconds = f->max_cpu_s,
		.worker_max_address_bytes = (size_t)f->max_address_space,
		.worker_max_rss_bytes = (size_t)f->max_rss,
		.seed = f->seed,
		.max_hosts = behind,
		.connect_timeout_ms = f->connect_ms,
		.silence_ms = (int)MIN(f->silence_ms, INT32_MAX),
		.patience_ms = f->patience_ms,
		.max_losses = f->max_losses,
	};
	vm_pool *pool = vm_fork(worker, &options);

	free(index);
	return pool;
}

vm_pool *begin_fork(const struct begin_told *s, const struct agent_line *line,
    const struct vm_worker *hooks,
    int (*process)(struct vm_context *, const void *, size_t),
    struct words *w)
{
	const int behind = count_behind(s, line, w);
	struct vm_worker worker = *hooks;
	vm_pool *pool;

	if (behind < 0)
		return NULL;
	if (s->head.first_index > INT32_MAX - WORKERS_MOST) {
		words_set(w, 0, "The indices of its workers are too large.");
		return NULL;
	}
	worker.process = process;
	if (s->head.config_size > 0) {
		worker.config = config_of(s);
		worker.config_size = (size_t)s->head.config_size;
	}
	if (s->head.config_size > 0 && worker.config == NULL) {
		words_set(w, 0, "There was no memory for the config.");
		return NULL;
	}
	pool = fork_pool(s, line, &worker, behind);
	if (pool == NULL || add_behind(pool, s) < 0) {
		words_set(w, 0, "%s", vm_error(pool));
		return NULL;
	}
	/* For inputs, in this process: workers keep the bound for outputs. */
	pool->engine.set.plan.max_item += sizeof(struct far_carried);
	return pool;
}
