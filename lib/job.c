/* job.c - see job.h: what a worker of a reducer does with an item. */
#include "config.h"

#include "job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "emit.h"
#include "hash.h"
#include "table.h"

/* So many values of a key are collected before there are more. */
#define COLLECT_AT 10

/* What a hook may do with vm_emit() at present. */
enum emitting { EMIT_NOTHING, EMIT_PAIRS, EMIT_COLLECTED };

/* A worker's own, behind vm_context.layer. */
struct layer {
	struct vm_context *me;
	const struct job_plan *plan;
	struct store store;
	size_t place;
	void **states;		/* of the jobs */
	size_t set_up;		/* jobs of which setup has run */
	const struct vm_job *job;	/* the present one */
	enum emitting emitting;
	bool failed;		/* the present call, by what vm_emit() said */
	struct emit emit;
	struct table table;	/* for collect() */
	struct vm_values values;
	/* The key whose values are being collected, and what came of it: sizes
	   in 4 bytes, and values. */
	uint32_t entry;
	struct buf collected;
};

/* ---- hooks of a job ---- */

/* The context is a job's own until leave(). */
static void enter(struct layer *l, size_t job)
{
	l->job = &l->plan->jobs[job];
	l->me->config = l->job->config;
	l->me->state = l->states[job];
}

static void leave(struct layer *l)
{
	l->states[l->job - l->plan->jobs] = l->me->state;
}

/* The place of this worker; -1 if there is none. */
static int64_t place_of(const struct job_plan *p, int worker_index)
{
	if (p->indices == NULL)
		return worker_index;
	for (size_t i = 0; i < p->workers; i++)
		if (p->indices[i] == worker_index)
			return (int64_t)i;
	return -1;
}

static void free_layer(struct layer *l)
{
	emit_close(&l->emit);
	table_release(&l->table);
	buf_release(&l->collected);
	values_release(&l->values);
	free(l->states);
	free(l);
}

static int open_layer(struct layer *l, struct vm_context *me)
{
	const struct job_plan *p = me->config;

	l->me = me;
	l->plan = p;
	l->store = p->store;
	l->place = (size_t)place_of(p, me->worker_index);
	table_init(&l->table);
	buf_init(&l->collected, SIZE_MAX / 4);
	values_init(&l->values, p->pair_most);
	l->states = calloc(p->count, sizeof *l->states);
	if (l->states == NULL)
		return -ENOMEM;
	return emit_open(&l->emit, &l->store, l->place, p->partitions,
	    p->memory / 2, p->pair_most);
}

/* Teardowns of those jobs that have been set up. */
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

int job_setup(struct vm_context *me)
{
	struct layer *l = calloc(1, sizeof *l);
	int r = 0;

	if (l == NULL || open_layer(l, me) < 0) {
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
		l->set_up += r == 0;
	}
	if (r != 0)
		tear_down(l);
	return r;
}

void job_teardown(struct vm_context *me)
{
	tear_down(me->layer);
}

/* ---- emitting ---- */

/* Why a call fails that could not emit: always -1. */
static int cannot_emit(struct layer *l, int error)
{
	l->failed = true;
	switch (error) {
	case EFBIG:
		vm_fail(l->me, error, "A key or a value would have more than "
		    "%zu bytes.", l->plan->pair_most);
		break;
	case ENOSPC:
		vm_fail(l->me, error, "There was no room for pairs in the "
		    "temporary file.");
		break;
	case EINVAL:
		vm_fail(l->me, error, "collect() has emitted a pair of "
		    "another key.");
		break;
	default:
		vm_fail(l->me, error, "Pairs could not be kept: %s.",
		    strerror(error));
	}
	errno = error;
	return -1;
}

static bool is_collected_key(const struct layer *l, const void *key,
    size_t size)
{
	const struct table_entry *e = table_entry(&l->table, l->entry);

	return e->key_size == size && (size == 0 ||
	    memcmp(e->key, key, size) == 0);
}

/* What collect() has emitted takes the place of the values it was given. */
static int replace(struct layer *l, uint32_t entry)
{
	const unsigned char *at = l->collected.data;
	const unsigned char *end = at + l->collected.len;
	uint32_t size;
	int r = 0;

	table_empty(&l->table, entry);
	for (; at < end && r == 0; at += size) {
		memcpy(&size, at, sizeof size);
		at += sizeof size;
		r = table_add(&l->table, entry, at, size);
	}
	return r < 0 ? cannot_emit(l, -r) : 0;
}

/* Runs collect() over the values of a key, which it emits anew. */
static int collect(struct layer *l, uint32_t entry)
{
	const struct table_entry *e = table_entry(&l->table, entry);
	int r;

	l->entry = entry;
	l->collected.len = 0;
	l->emitting = EMIT_COLLECTED;
	values_of_table(&l->values, &l->table, entry);
	r = l->job->collect(l->me, e->key, e->key_size, &l->values);
	l->emitting = EMIT_PAIRS;
	if (r == 0 && l->values.error != 0)
		r = cannot_emit(l, l->values.error);
	if (r != 0 || l->failed)
		return r != 0 ? r : -1;
	return replace(l, entry);
}

/* Emits the values of a key for good. */
static int emit_values(struct layer *l, uint32_t entry)
{
	const struct table_entry *e = table_entry(&l->table, entry);
	const void *value;
	size_t size;
	int r = 0;

	values_of_table(&l->values, &l->table, entry);
	while (r == 0 && (value = vm_value(&l->values, &size)) != NULL)
		r = emit_pair(&l->emit, e->hash, e->key, e->key_size, value,
		    size);
	if (r == 0)
		r = -l->values.error;
	return r < 0 ? cannot_emit(l, -r) : 0;
}

/* All keys are collected, and what came of them is emitted. */
static int empty_table(struct layer *l)
{
	struct table *t = &l->table;
	int r = 0;

	for (uint32_t i = 0; i < table_end(t) && r == 0;
	    i = table_behind(t, i)) {
		if (table_entry(t, i)->count > 1)
			r = collect(l, i);
		if (r == 0)
			r = emit_values(l, i);
	}
	table_clear(t);
	return r;
}

/* Adds a pair to the table; keys with many values are collected.  vm_add_up()
   is known, and what it would come to is done at once. */
static int tabulate(struct layer *l, uint64_t hash, const void *key,
    size_t key_size, const void *value, size_t value_size)
{
	struct table *t = &l->table;
	int64_t found = table_find(t, hash, key, key_size);
	uint32_t entry = (uint32_t)found;
	int r = found < 0 ? (int)found : 0;

	if (r == 0 && value_size == sizeof(uint64_t) &&
	    l->job->collect == vm_add_up &&
	    table_sum(table_entry(t, entry), value))
		return 0;
	if (r == 0)
		r = table_add(t, entry, value, value_size);
	if (r < 0)
		return cannot_emit(l, -r);
	if (table_entry(t, entry)->count >= COLLECT_AT)
		r = collect(l, entry);
	if (r == 0 && table_size(t) > l->plan->memory)
		r = empty_table(l);
	return r != 0 ? -1 : 0;
}

/* A pair that collect() emits, in place of those it was given. */
static int emit_collected(struct layer *l, const void *key, size_t key_size,
    const void *value, size_t value_size)
{
	uint32_t n = (uint32_t)value_size;
	int r;

	if (!is_collected_key(l, key, key_size))
		return cannot_emit(l, EINVAL);
	r = buf_append(&l->collected, &n, sizeof n);
	if (r == 0)
		r = buf_append(&l->collected, value, value_size);
	return r < 0 ? cannot_emit(l, -r) : 0;
}

/* May that pair be emitted, here and now?  Else the call fails. */
static bool may_emit(struct vm_context *me, const void *key, size_t key_size,
    const void *value, size_t value_size)
{
	struct layer *l = me ? me->layer : NULL;

	if (l != NULL && l->emitting != EMIT_NOTHING && !l->failed &&
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
	if (l->emitting == EMIT_COLLECTED)
		return emit_collected(l, key, key_size, value, value_size);
	hash = hash_bytes(key, key_size);
	/* A large value lies apart, and is collected by reduce(). */
	if (l->job->collect != NULL && value_size < RECORD_LARGE)
		return tabulate(l, hash, key, key_size, value, value_size);
	r = emit_pair(&l->emit, hash, key, key_size, value, value_size);
	return r < 0 ? cannot_emit(l, -r) : 0;
}

/* ---- the kinds of items ---- */

int job_emit_input(struct vm_context *me, const void *input, size_t size)
{
	const unsigned char *bytes = input;
	uint64_t key_size;

	memcpy(&key_size, bytes, sizeof key_size);
	bytes += sizeof key_size;
	size -= sizeof key_size;
	return vm_emit(me, bytes, key_size, bytes + key_size,
	    size - key_size);
}

static int map(struct layer *l, const void *input, size_t size)
{
	int r;

	emit_begin(&l->emit);
	table_clear(&l->table);
	l->failed = false;
	l->emitting = EMIT_PAIRS;
	r = l->job->map(l->me, input, size);
	if (r == 0 && !l->failed)
		r = empty_table(l);
	l->emitting = EMIT_NOTHING;
	if (r != 0 || l->failed)
		return r;
	r = emit_end(&l->emit, l->me);
	return r < 0 ? cannot_emit(l, -r) : 0;
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
		    "could not be read: %s.", strerror(l->values.error));
	return r;
}

static int gather_partition(struct layer *l, const void *input)
{
	struct task_gather task;
	struct gathering g = { &l->store, l->place, l->plan->memory,
		l->plan->pair_most, l->me };
	struct gathered out;
	struct run *runs;
	int r;

	memcpy(&task, input, sizeof task);
	runs = malloc(task.runs.extent.size + 1);
	if (runs == NULL)
		return vm_fail(l->me, ENOMEM, "There was no memory for the "
		    "runs of a partition.");
	r = run_read(&l->store, &task.runs, runs);
	if (r == 0)
		r = gather(&g, runs, task.runs.extent.size / sizeof *runs,
		    &out);
	free(runs);
	if (r == 0)
		return vm_output(l->me, &out, sizeof out);
	return vm_fail(l->me, -r, "The pairs of a partition could not be "
	    "brought together: %s.", strerror(-r));
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
	enter(l, task.job);
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
