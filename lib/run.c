/*
 * run.c - one run of a job: its inputs mapped, its partitions gathered, its
 * keys reduced.
 *
 * Runs in: caller; the sources below are asked inside vm_zip_in_out().
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "reducer.h"

/* Times that a partition is gathered before its run has failed: nothing of the
   user's runs meanwhile, so it is somebody else who ended the worker. */
#define TRIES 5

/* Makes the head of an item. */
static int begin_item(struct vm_reducer *r, enum task_kind kind)
{
	struct task task = { kind, (uint32_t)r->job, 0 };

	r->item.len = 0;
	return buf_append(&r->item, &task, sizeof task);
}

/* The item is what the pool is to have next: 1, or -1 and errno. */
static int give_item(struct vm_reducer *r, int error, const void **input,
    size_t *size)
{
	if (error < 0) {
		errno = -error;
		return -1;
	}
	*input = r->item.data;
	*size = r->item.len;
	return 1;
}

/* Sources that read what is in the store do not block. */
static int no_fd(void *from)
{
	(void)from;
	return -1;
}

/* Gives the pool a round of items: 0 or -errno. */
static int begin_round(struct vm_reducer *r, enum run_stage stage,
    struct vm_source source)
{
	if (vm_imap(r->pool, source) < 0)
		return words_set(&r->words, errno, "%s", vm_error(r->pool));
	r->stage = stage;
	return 0;
}

/* ---- mapping ---- */

static int next_input(void *from, const void **input, size_t *size)
{
	struct vm_reducer *r = from;
	int got = r->source.next(r->source.from, input, size);
	int error = 0;

	if (got != 1)
		return got;
	if (*size > r->item_most)
		error = -EFBIG;
	if (*input == NULL && *size > 0)
		error = -EINVAL;
	if (error == 0)
		error = begin_item(r, TASK_MAP);
	if (error == 0)
		error = buf_append(&r->item, *input, *size);
	return give_item(r, error, input, size);
}

static int wait_for_input(void *from)
{
	struct vm_reducer *r = from;

	return r->source.wait_fd(r->source.from);
}

static void close_input(void *from)
{
	struct vm_reducer *r = from;

	if (r->source.close != NULL)
		r->source.close(r->source.from);
	r->source = (struct vm_source){ 0 };
}

int run_begin(struct vm_reducer *r)
{
	struct run_order *o = r->orders;
	struct vm_source source;

	if (o == NULL)
		return 0;
	r->orders = o->next;
	if (r->orders == NULL)
		r->last = &r->orders;
	r->source = o->source;
	r->job = o->job;
	free(o);
	source = (struct vm_source){
		.next = next_input,
		.close = close_input,
		.from = r,
		.wait_fd = r->source.wait_fd ? wait_for_input : NULL,
		.length = r->source.length,
	};
	return begin_round(r, RUN_MAPPING, source);
}

/* An output that no worker of ours can have made. */
static void garbled(struct vm_reducer *r, const struct vm_result *result)
{
	r->exception = (struct vm_exception){
		.cause = VM_GARBLED,
		.exit_status = -1,
		.worker_index = result->worker_index,
		.message = "The worker has put out what are no pairs.",
	};
}

/* An input that failed for good. */
static int tell_input(struct vm_reducer *r, const struct vm_result *result,
    const struct vm_exception *exception, struct vm_reduced *out)
{
	*out = (struct vm_reduced){
		.exception = exception,
		.run = r->run,
		.type = VM_EXCEPTION,
		.stage = VM_MAP_STAGE,
	};
	if (result->input != NULL) {
		out->input = (const unsigned char *)result->input +
		    sizeof(struct task);
		out->input_size = result->input_size - sizeof(struct task);
	}
	return 1;
}

/* One input was mapped: 1 if it is to be told of, 0, or -errno. */
static int take_mapped(struct vm_reducer *r, const struct vm_result *result,
    struct vm_reduced *out)
{
	int error;

	if (result->type != VM_OUTPUT)
		return tell_input(r, result, result->exception, out);
	error = shuffle_add(&r->shuffle, result->output, result->output_size);
	if (error == -EBADMSG) {
		garbled(r, result);
		return tell_input(r, result, &r->exception, out);
	}
	if (error < 0)
		return words_set(&r->words, -error, "Pairs could not be "
		    "kept: %s.", strerror(-error));
	return 0;
}

/* ---- gathering ---- */

static int next_partition(void *from, const void **input, size_t *size)
{
	struct vm_reducer *r = from;
	struct partition *p;
	struct task_gather task;
	int error;

	while (r->partition < r->plan.partitions &&
	    !r->partitions[r->partition].due)
		r->partition++;
	if (r->partition == r->plan.partitions)
		return 0;
	p = &r->partitions[r->partition];
	p->due = false;
	p->tries++;
	/* collect() may be what it died of. */
	task = (struct task_gather){ p->list, r->partition, p->tries > 1 };
	error = begin_item(r, TASK_GATHER);
	if (error == 0)
		error = buf_append(&r->item, &task, sizeof task);
	return give_item(r, error, input, size);
}

/* Gives the pool those partitions that are due: 0 or -errno. */
static int gather_due(struct vm_reducer *r)
{
	r->partition = 0;
	return begin_round(r, RUN_GATHERING, (struct vm_source){
	    .next = next_partition, .from = r, .wait_fd = no_fd });
}

/* All inputs are mapped. */
static int begin_gathering(struct vm_reducer *r)
{
	int error;

	for (uint32_t i = 0; i < r->plan.partitions; i++) {
		struct partition *p = &r->partitions[i];

		*p = (struct partition){ .tries = 0 };
		error = shuffle_list(&r->shuffle, i, &p->list);
		if (error < 0)
			return words_set(&r->words, -error, "Pairs could not "
			    "be kept: %s.", strerror(-error));
		p->listed = p->due = error == 1;
	}
	return gather_due(r);
}

/* A partition could not be gathered: again, unless that is of no use. */
static int gather_again(struct vm_reducer *r, struct partition *p,
    const struct vm_exception *x)
{
	/* Once more without collect(). */
	if (x->cause == VM_FAILED && p->tries > 1)
		return words_set(&r->words, x->code > 0 ? x->code : EIO,
		    "%s", x->message);
	if (x->cause == VM_CANCELLED)
		return words_set(&r->words, ECANCELED, "The run was "
		    "cancelled.");
	if (p->tries >= TRIES)
		return words_set(&r->words, EIO, "The pairs of a partition "
		    "could not be brought together.  %s", x->message);
	p->due = true;
	return 0;
}

/* One partition was gathered, or not. */
static int take_gathered(struct vm_reducer *r, const struct vm_result *result)
{
	struct task_gather task;
	struct partition *p;

	memcpy(&task, (const unsigned char *)result->input +
	    sizeof(struct task), sizeof task);
	p = &r->partitions[task.partition];
	if (result->type != VM_OUTPUT)
		return gather_again(r, p, result->exception);
	if (result->output_size != sizeof p->gathered)
		return words_set(&r->words, EBADMSG, "A worker has put out "
		    "what is no index of keys.");
	memcpy(&p->gathered, result->output, sizeof p->gathered);
	shuffle_drop(&r->shuffle, task.partition, &p->list);
	return 0;
}

/* ---- keys ---- */

/* Opens the keys of the next partition that has any, or, sorted, of all of
   them: 1, 0 if there are no more, or -errno. */
static int open_keys(struct vm_reducer *r)
{
	size_t left = r->plan.partitions - r->partition, n = 0;
	struct run *runs = calloc(left + 1, sizeof *runs);
	int error = 0;

	if (runs == NULL)
		return -ENOMEM;
	while (r->partition < r->plan.partitions && (n == 0 || r->sorted)) {
		const struct partition *p = &r->partitions[r->partition++];

		if (p->listed)
			runs[n++] = p->gathered.index;
	}
	if (n > 0) {
		r->merging = true;
		error = merge_open(&r->keys, &r->plan.store, runs, n,
		    r->plan.pair_most);
	}
	free(runs);
	return error < 0 ? error : n > 0;
}

static void close_keys(struct vm_reducer *r)
{
	if (r->merging)
		merge_close(&r->keys);
	r->merging = false;
}

/* The next key and its group: 1; 0 after the last; -errno. */
static int next_group(struct vm_reducer *r, struct record *key,
    struct group *group)
{
	int got = 0;

	for (;;) {
		if (r->merging)
			got = merge_next(&r->keys, key);
		if (got != 0)
			break;
		close_keys(r);
		got = open_keys(r);
		if (got <= 0)
			return got;
	}
	if (got == 1 && (key->apart || key->body_size != sizeof *group))
		return -EBADMSG;
	if (got == 1)
		memcpy(group, key->body, sizeof *group);
	return got;
}

static int next_key(void *from, const void **input, size_t *size)
{
	struct vm_reducer *r = from;
	struct task_reduce task;
	struct record key;
	int error = next_group(r, &key, &task.group);

	if (error == 0)
		return 0;
	if (error == 1)
		error = begin_item(r, TASK_REDUCE);
	if (error == 0)
		error = buf_append(&r->item, &task, sizeof task);
	if (error == 0)
		error = buf_append(&r->item, key.key, key.key_size);
	return give_item(r, error, input, size);
}

/* All partitions are gathered. */
static int begin_keys(struct vm_reducer *r)
{
	r->partition = 0;
	if (r->plan.jobs[r->job].reduce == NULL) {
		r->stage = RUN_LISTING;
		return 0;
	}
	return begin_round(r, RUN_REDUCING, (struct vm_source){
	    .next = next_key, .from = r, .wait_fd = no_fd });
}

/* A key was reduced, or not. */
static int take_reduced(struct vm_reducer *r, const struct vm_result *result,
    struct vm_reduced *out)
{
	const size_t head = sizeof(struct task) + sizeof(struct task_reduce);

	*out = (struct vm_reduced){
		.output = result->output,
		.output_size = result->output_size,
		.exception = result->exception,
		.run = r->run,
		.type = result->type,
		.stage = VM_REDUCE_STAGE,
	};
	if (result->input != NULL) {
		out->key = (const unsigned char *)result->input + head;
		out->key_size = result->input_size - head;
	}
	return 1;
}

/* The next key and its values, where there is no reduce(). */
static int list_key(struct vm_reducer *r, struct vm_reduced *out)
{
	struct group group;
	struct record key;
	int got;

	if (r->values.error != 0)
		return words_set(&r->words, r->values.error, "The values of "
		    "a key could not be read: %s.", strerror(r->values.error));
	got = next_group(r, &key, &group);
	r->item.len = 0;
	if (got == 1 && buf_append(&r->item, key.key, key.key_size) < 0)
		got = -ENOMEM;
	if (got < 0)
		return words_set(&r->words, -got, "The keys could not be "
		    "read: %s.", strerror(-got));
	if (got == 0)
		return 0;
	values_of_group(&r->values, &r->plan.store, &group);
	*out = (struct vm_reduced){
		.key = r->item.data,
		.key_size = r->item.len,
		.values = &r->values,
		.run = r->run,
		.type = VM_OUTPUT,
		.stage = VM_REDUCE_STAGE,
	};
	r->item.data[r->item.len] = 0;
	return 1;
}

/* ---- the stages ---- */

void run_release(struct vm_reducer *r)
{
	close_keys(r);
	r->values.error = 0;
}

/* The present run has come to its end, or has failed. */
static int end_run(struct vm_reducer *r)
{
	int error;

	run_release(r);
	shuffle_clear(&r->shuffle);
	r->stage = RUN_NONE;
	r->run++;
	error = store_empty(&r->plan.store);
	return error < 0 ? words_set(&r->words, -error, "What a run had "
	    "stored could not be given back: %s.", strerror(-error)) : 0;
}

/* The run has failed, not by the pool: what the pool still has of it is given
   up. */
static int give_up(struct vm_reducer *r, int error)
{
	struct words why = r->words;
	struct vm_result result;
	int got;

	vm_cancel(r->pool);
	do
		got = vm_zip_in_out(r->pool, &result);
	while (got == 1 || (got == -1 && errno != ENOMEM &&
	    !vm_broken(r->pool)));
	end_run(r);
	r->words = why;
	return error;
}

/* What the pool has: 1; VM_LATER if it is nothing for the caller; 0 at the end
   of the round; or -errno, with words unless they are the pool's. */
static int take(struct vm_reducer *r, struct vm_reduced *out)
{
	struct vm_result result;
	int got = vm_zip_in_out(r->pool, &result);

	if (got < 0)
		return -errno;
	if (got == 0)
		return 0;
	if (r->stage == RUN_MAPPING || result.input == NULL)
		got = take_mapped(r, &result, out);
	else if (r->stage == RUN_GATHERING)
		got = take_gathered(r, &result);
	else
		got = take_reduced(r, &result, out);
	return got == 0 ? VM_LATER : got;
}

static bool is_any_due(const struct vm_reducer *r)
{
	bool any = false;

	for (uint32_t i = 0; i < r->plan.partitions; i++)
		any |= r->partitions[i].due;
	return any;
}

/* The round has come to its end: VM_LATER if another begins, 0, or -errno. */
static int next_stage(struct vm_reducer *r)
{
	int error;

	if (r->stage == RUN_MAPPING)
		error = begin_gathering(r);
	else if (r->stage == RUN_GATHERING && is_any_due(r))
		error = gather_due(r);
	else if (r->stage == RUN_GATHERING)
		error = begin_keys(r);
	else
		return 0;
	return error < 0 ? error : VM_LATER;
}

int run_next(struct vm_reducer *r, struct vm_reduced *out)
{
	int got;

	r->words.text[0] = '\0';
	do {
		got = r->stage == RUN_LISTING ? list_key(r, out) :
		    take(r, out);
		if (got == 0)
			got = next_stage(r);
	} while (got == VM_LATER);
	if (got < 0 && r->words.text[0] != '\0')
		return give_up(r, got);
	return got == 0 ? end_run(r) : got;
}
