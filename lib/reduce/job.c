/* job.c - see job.h: runs the hooks of jobs for the items of a worker. */
#include "config.h"

#include "reduce/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "reduce/combine.h"
#include "reduce/emit.h"
#include "reduce/hash.h"
#include "reduce/told.h"

/* State of a worker; vm_context.layer points to it. */
struct layer {
	struct vm_context *me;
	const struct job_plan *plan;
	void *config;		/* of the pool's worker, */
	size_t config_size;	/* and its bytes */
	struct store store;
	size_t place;
	void **states;		/* array of the states of the jobs */
	size_t set_up;		/* number of jobs whose setup has run */
	const struct vm_job *job;	/* job of the present item */
	bool emitting;		/* map() or collect() is running */
	bool failed;		/* an emit failed in the present call */
	struct emit emit;
	struct combine combine;
	struct vm_values values;
	uint64_t run;		/* of the last item */
};

/* ---- hooks of a job ---- */

/* Sets config, its size and state in the context to those of a job.  Undone by
   leave(). */
static void enter(struct layer *l, size_t job)
{
	l->job = &l->plan->jobs[job];
	l->me->config = l->job->config;
	l->me->config_size = l->job->config_size;
	l->me->state = l->states[job];
}

static void leave(struct layer *l)
{
	l->states[l->job - l->plan->jobs] = l->me->state;
	l->me->config = l->config;
	l->me->config_size = l->config_size;
}

size_t job_place(const struct job_plan *p, int worker_index)
{
	if (p->indices == NULL)
		return worker_index >= 0 ? (size_t)worker_index : SIZE_MAX;
	for (size_t i = 0; i < p->workers; i++)
		if (p->indices[i] == worker_index)
			return i;
	return SIZE_MAX;
}

static void free_layer(struct layer *l)
{
	emit_close(&l->emit);
	combine_release(&l->combine);
	values_release(&l->values);
	free(l->states);
	free(l);
}

static int open_layer(struct layer *l, struct vm_context *me,
    const struct job_plan *p)
{
	l->me = me;
	l->plan = p;
	l->config = me->config;
	l->config_size = me->config_size;
	l->store = p->store;
	l->place = job_place(p, me->worker_index);
	combine_init(&l->combine, me, vm_add_up, p->memory, p->pair_most);
	values_init(&l->values, p->pair_most, p->memory / PAGES_PART);
	l->states = calloc(p->count, sizeof *l->states);
	if (l->states == NULL)
		return -ENOMEM;
	if (p->far)
		return emit_open(&l->emit, NULL, 0, 1, p->pairs_most,
		    p->pair_most);
	return emit_open(&l->emit, &l->store, l->place, p->partitions,
	    p->memory / 2, p->pair_most);
}

/* Runs the teardown of each job that was set up, and frees the layer. */
static void tear_down(struct layer *l)
{
	while (l->set_up > 0) {
		enter(l, --l->set_up);
		if (l->job->teardown != NULL)
			l->job->teardown(l->me);
	}
	l->me->layer = NULL;
	free_layer(l);
}

int job_begin(struct vm_context *me, const struct job_plan *p)
{
	struct layer *l = calloc(1, sizeof *l);
	int r = 0;

	if (l == NULL || open_layer(l, me, p) < 0) {
		if (l != NULL)
			free_layer(l);
		me->layer = NULL;
		return vm_fail(me, ENOMEM, "There was no memory for a "
		    "worker of a reducer.");
	}
	me->layer = l;
	for (size_t i = 0; i < l->plan->count && r == 0; i++) {
		enter(l, i);
		if (l->job->setup != NULL)
			r = l->job->setup(me);
		leave(l);
		if (r == 0 && vm_has_failed(me))
			r = -1;
		l->set_up += r == 0;
	}
	if (r != 0)
		tear_down(l);
	return r;
}

const struct job_plan *job_plan_of(const struct vm_context *me)
{
	const struct layer *l = me->layer;

	return l->plan;
}

void job_teardown(struct vm_context *me)
{
	tear_down(me->layer);
}

int job_setup(struct vm_context *me)
{
	return job_begin(me, told_plan(me->config));
}

/* ---- emitting ---- */

/* Fails the present call with a text for that errno.  Returns -1. */
static int cannot_emit(struct layer *l, int error)
{
	l->failed = true;
	switch (error) {
	case ECANCELED:		/* collect() has failed and may have set its own
				   text */
		break;
	case EFBIG:
		vm_fail(l->me, error, "A key or a value would have more than "
		    "%zu bytes.", l->plan->pair_most);
		break;
	case EMSGSIZE:		/* as documented, EFBIG */
		error = EFBIG;
		vm_fail(l->me, error, "The pairs of a call would have more "
		    "than %zu bytes, as much as a call on another machine may "
		    "emit.", l->plan->pairs_most);
		break;
	case EOVERFLOW:	/* likewise */
		error = EFBIG;
		vm_fail(l->me, error, "The pairs of a call are in so many "
		    "pieces that their list would have more than %zu bytes.  "
		    "Fewer pairs, fewer partitions, or a larger memory_limit "
		    "or max_item_bytes would help.", l->plan->pairs_most);
		break;
	case ENOSPC:
		vm_fail(l->me, error, "There was no room for pairs%s%s",
		    l->plan->store.lack.text[0] ? " in memory.  " :
		    " in the temporary file.", l->plan->store.lack.text);
		break;
	case EINVAL:
		vm_fail(l->me, error, "collect() has emitted a pair of "
		    "another key.");
		break;
	default:
		vm_fail(l->me, error, "Pairs could not be stored: %s.",
		    words_of(error));
	}
	errno = error;
	return -1;
}

/* Fails the present call if r is negative.  Returns 0 or -1. */
static int cannot_if(struct layer *l, int r)
{
	return r < 0 ? cannot_emit(l, -r) : 0;
}

/* Is this a valid pair, in a hook that may emit?  If not, fails the call. */
static bool may_emit(struct vm_context *me, const void *key, size_t key_size,
    const void *value, size_t value_size)
{
	struct layer *l = me ? me->layer : NULL;

	if (l != NULL && l->emitting && !l->failed &&
	    (key != NULL || key_size == 0) &&
	    (value != NULL || value_size == 0)) {
		if (key_size <= l->plan->pair_most &&
		    value_size <= l->plan->pair_most)
			return true;
		cannot_emit(l, EFBIG);
		return false;
	}
	if (l == NULL || !l->failed)
		vm_fail(me, EINVAL, "vm_emit() was called outside map() and "
		    "collect(), or without a key or a value.");
	errno = EINVAL;
	return false;
}

int vm_emit(struct vm_context *me, const void *key, size_t key_size,
    const void *value, size_t value_size)
{
	struct layer *l = me ? me->layer : NULL;
	uint64_t hash;
	int r;

	if (!may_emit(me, key, key_size, value, value_size))
		return -1;
	key = key != NULL ? key : "";
	value = value != NULL ? value : "";
	if (l->combine.collecting) {
		r = combine_take(&l->combine, key, key_size, value,
		    value_size);
	} else {
		hash = hash_bytes(key, key_size);
		r = l->job->collect != NULL ? combine_add(&l->combine, hash,
		    key, key_size, value, value_size) : emit_pair(&l->emit,
		    hash, key, key_size, value, value_size);
	}
	return cannot_if(l, r);
}

/* ---- the kinds of items ---- */

static int not_a_pair(struct vm_context *me)
{
	return vm_fail(me, EINVAL, "An input of a job without map() must be "
	    "of vm_pairs().");
}

int job_emit_input(struct vm_context *me, const void *input, size_t size)
{
	const unsigned char *bytes = input;
	uint64_t key_size;

	if (size < sizeof key_size)
		return not_a_pair(me);
	memcpy(&key_size, bytes, sizeof key_size);
	bytes += sizeof key_size;
	size -= sizeof key_size;
	if (key_size > size)
		return not_a_pair(me);
	return vm_emit(me, bytes, (size_t)key_size, bytes + key_size,
	    size - (size_t)key_size);
}

/* Callback of combine.h: adds a pair to the output. */
static int to_output(void *arg, uint64_t hash, const void *key,
    size_t key_size, const void *value, size_t value_size)
{
	return emit_pair(arg, hash, key, key_size, value, value_size);
}

/* Gives a failure without a text of the hook a text that names the hook.
   Returns the code. */
static int name_failure(struct layer *l, const char *hook, int code)
{
	if (code != 0 && !vm_has_failed(l->me))
		vm_fail(l->me, code, "%s() failed with code %d.", hook, code);
	return code;
}

static int map(struct layer *l, const void *input, size_t size)
{
	int r;

	emit_begin(&l->emit);
	combine_begin(&l->combine, l->job, to_output, &l->emit);
	l->emitting = true;
	r = l->job->map(l->me, input, size);
	if (r == 0 && !l->failed)
		r = cannot_if(l, combine_end(&l->combine));
	l->emitting = false;
	if (r == 0 && !l->failed)
		r = cannot_if(l, emit_end(&l->emit, l->me));
	if (r != 0 || l->failed || vm_has_failed(l->me))
		emit_undo(&l->emit);
	return l->combine.code != 0 ?
	    name_failure(l, "collect", l->combine.code) :
	    name_failure(l, "map", r);
}

static int reduce(struct layer *l, const unsigned char *input, size_t size)
{
	struct task_reduce task;
	int r;

	memcpy(&task, input, sizeof task);
	values_of_group(&l->values, &l->store, &task.group);
	r = l->job->reduce(l->me, input + sizeof task, size - sizeof task,
	    &l->values);
	if (l->values.error != 0)
		return vm_fail(l->me, l->values.error, "The values of a key "
		    "could not be read: %s.", words_of(l->values.error));
	return name_failure(l, "reduce", r);
}

static int gather_partition(struct layer *l, const void *input)
{
	struct task_gather task;
	struct gather_phase g = { &l->store, l->place, l->plan->memory,
		l->plan->pair_most, l->me, &l->combine, NULL };
	struct gathered out;
	struct run *runs;
	int r;

	memcpy(&task, input, sizeof task);
	runs = malloc((size_t)task.runs.extent.size + 1);
	if (runs == NULL)
		return vm_fail(l->me, ENOMEM, "There was no memory for the "
		    "runs of a partition.");
	r = run_read(&l->store, &task.runs, runs);
	if (l->job->collect != NULL && !task.plainly)
		g.job = l->job;
	l->emitting = true;
	if (r == 0)
		r = gather(&g, runs,
		    (size_t)task.runs.extent.size / sizeof *runs,
		    &out);
	l->emitting = false;
	free(runs);
	if (r == 0)
		return vm_output(l->me, &out, sizeof out);
	if (r == -ECANCELED)
		return name_failure(l, "collect", l->combine.code);
	return vm_fail(l->me, -r, "The pairs of a partition could not be "
	    "gathered: %s.", words_of(-r));
}

int job_process(struct vm_context *me, const void *input, size_t size)
{
	const unsigned char *body = (const unsigned char *)input +
	    sizeof(struct task);
	struct layer *l = me->layer;
	struct task task;
	int r;

	memcpy(&task, input, sizeof task);
	size -= sizeof task;
	if (task.run != l->run)
		values_forget(&l->values);
	l->run = task.run;
	enter(l, task.job);
	l->failed = false;
	if (task.kind == TASK_MAP)
		r = map(l, body, size);
	else if (task.kind == TASK_REDUCE)
		r = reduce(l, body, size);
	else
		r = gather_partition(l, body);
	leave(l);
	return r;
}

/* ---- ready-made ---- */

int vm_add_up(struct vm_context *me, const void *key, size_t key_size,
    struct vm_values *values)
{
	const void *value;
	uint64_t sum = 0, n;
	size_t size;

	while ((value = vm_value(values, &size)) != NULL) {
		if (size != sizeof n)
			return vm_fail(me, EINVAL, "vm_add_up() was given a "
			    "value of %zu bytes.", size);
		memcpy(&n, value, sizeof n);
		sum += n;
	}
	return vm_emit(me, key, key_size, &sum, sizeof sum);
}
