/*
 * named.c - jobs by name, for agents: vm_jobs_as_worker(), and the hooks of
 * these jobs on another machine.
 *
 * Runs in: caller and agent, where the table of vm_agent() is made; worker of
 * an agent.  Only map() and collect() run there: the pairs of a call are its
 * output, a parcel, as the store is on the caller's machine.
 *
 * Easy to get wrong: the config of such a worker is what the caller tells, so
 * the jobs are found by the name in it, in a list that lasts as long as the
 * process.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/words.h"
#include "reduce/job.h"
#include "reduce/told.h"

/* Jobs under a name. */
struct named {
	struct named *next;
	char name[TOLD_NAME];
	struct job_plan plan;	/* jobs only, as the program has them; owns the
				   array */
};

/* All names of this process, the last first; only ever grows. */
static struct named *all;

static const struct named *find(const char *name)
{
	const struct named *n = all;

	while (n != NULL && strcmp(n->name, name) != 0)
		n = n->next;
	return n;
}

/* ---- hooks in a worker of an agent ---- */

static void free_plan(struct job_plan *p)
{
	if (p != NULL)
		free(p->jobs);
	free(p);
}

/* Returns the plan for a worker without a store, or NULL without memory. */
static struct job_plan *new_plan(const struct named *n, const struct told *t)
{
	struct job_plan *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	*p = (struct job_plan){
		.store = { .file = { -1, -1 } },
		.jobs = calloc(n->plan.count, sizeof *p->jobs),
		.count = n->plan.count,
		.partitions = 1,
		.memory = (size_t)t->memory,
		.pair_most = (size_t)t->pair_most,
		.pairs_most = (size_t)t->pairs_most,
		.far = true,
	};
	if (p->jobs == NULL) {
		free_plan(p);
		return NULL;
	}
	memcpy(p->jobs, n->plan.jobs, p->count * sizeof *p->jobs);
	return p;
}

/* vm_worker.setup; the config is a struct told. */
static int set_up(struct vm_context *me)
{
	const struct told *t = me->config;
	const struct named *n = told_is(t, me->config_size) ? find(t->name) :
	    NULL;
	struct job_plan *p;
	int r;

	if (n == NULL)
		return vm_fail(me, EINVAL, "The worker of this name has jobs, "
		    "and only a reducer can use it.");
	p = new_plan(n, t);
	if (p == NULL)
		return vm_fail(me, ENOMEM, "There was no memory for a worker "
		    "of a reducer.");
	r = told_read(t, p);
	if (r < 0)
		vm_fail(me, EINVAL, "The reducer has other jobs than \"%s\" "
		    "has here.", n->name);
	else
		r = job_begin(me, p);
	if (r != 0)
		free_plan(p);
	return r;
}

/* vm_worker.process */
static int process(struct vm_context *me, const void *input, size_t size)
{
	const struct job_plan *p = job_plan_of(me);
	struct task task = { .kind = TASK_REDUCE };

	if (size >= sizeof task)
		memcpy(&task, input, sizeof task);
	if (size < sizeof task || task.kind != TASK_MAP || task.job >= p->count)
		return vm_fail(me, EINVAL, "A worker on another machine only "
		    "maps inputs.");
	return job_process(me, input, size);
}

/* vm_worker.teardown */
static void tear_down(struct vm_context *me)
{
	struct job_plan *p = (void *)(uintptr_t)job_plan_of(me);

	job_teardown(me);
	free_plan(p);
}

/* ---- the list ---- */

static void free_named(struct named *n)
{
	if (n != NULL)
		free(n->plan.jobs);
	free(n);
}

/* Returns a copy of the jobs under that name, which is in no list; NULL if they
   are invalid, or without memory. */
static struct named *copy(const char *name, const struct vm_job *jobs,
    size_t count, size_t job_size)
{
	struct named *n = calloc(1, sizeof *n);
	struct words words;
	int r;

	if (n == NULL)
		return NULL;
	r = strlen(name) < sizeof n->name ?
	    job_plan_copy(&n->plan, jobs, count, job_size, &words) :
	    -EINVAL;
	if (r == 0) {
		memcpy(n->name, name, strlen(name) + 1);
		return n;
	}
	free_named(n);
	return NULL;
}

struct vm_worker vm_jobs_as_worker_sized(const char *name,
    const struct vm_job *jobs, size_t count, size_t job_size)
{
	struct named *n = name ? copy(name, jobs, count, job_size) : NULL;

	if (n == NULL)
		return (struct vm_worker){ .name = name };
	n->next = all;
	all = n;
	return (struct vm_worker){
		.setup = set_up,
		.process = process,
		.teardown = job_plan_has_teardown(&n->plan) ?
		    tear_down : NULL,
		.name = n->name,
	};
}
