/*
 * reduce_phase.c - the last phase of a run: workers reduce its keys or, in a
 * job without reduce(), the caller lists them.
 *
 * Runs in: caller.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/made.h"
#include "reduce/reducer.h"

/* Opens the keys of the next partition that has any or, if sorted, of all
   partitions.  Returns 1, 0 if there are no more, or -errno. */
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

void reduce_phase_release(struct vm_reducer *r)
{
	if (r->merging)
		merge_close(&r->keys);
	r->merging = false;
}

/* Reads the next key and its group.  Returns 1, 0 after the last, or -errno. */
static int next_group(struct vm_reducer *r, struct record *key,
    struct group *group)
{
	int got = 0;

	while (!r->merging || (got = merge_next(&r->keys, key)) == 0) {
		reduce_phase_release(r);
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

/* Fails the run.  Returns -errno. */
static int unreadable(struct vm_reducer *r, int error)
{
	return words_set(&r->words, -error, "The keys could not be read: %s.",
	    strerror(-error));
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
		error = phase_item(r, TASK_REDUCE);
	if (error == 0)
		error = buf_append(&r->item, &task, sizeof task);
	if (error == 0)
		error = buf_append(&r->item, key.key, key.key_size);
	return phase_give(r, error, input, size);
}

_Static_assert(sizeof(struct task) + sizeof(struct task_reduce) <=
    MADE_HEAD_MOST, "made_head is large enough");

int reduce_phase_begin(struct vm_reducer *r)
{
	r->partition = 0;
	values_forget(&r->values);
	if (r->plan.jobs[r->job].reduce == NULL) {
		r->stage = RUN_LISTING;
		return 0;
	}
	return phase_begin(r, RUN_REDUCING, (struct vm_source){
	    .next = next_key, .from = r, .wait_fd = phase_no_fd,
	    .reserved = { NULL, NULL, made_head + sizeof(struct task) +
	    sizeof(struct task_reduce) } });
}

int reduce_phase_take(struct vm_reducer *r, const struct vm_result *result,
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

int reduce_phase_end(struct vm_reducer *r)
{
	struct group group;
	struct record key;
	int got = next_group(r, &key, &group);

	if (got < 0)
		return unreadable(r, got);
	return got == 0 ? 0 : phase_cancelled(r);
}

int reduce_phase_list(struct vm_reducer *r, struct vm_reduced *out)
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
		return unreadable(r, got);
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
