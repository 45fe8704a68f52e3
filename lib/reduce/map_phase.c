/*
 * map_phase.c - the first phase of a run: workers map its inputs.
 *
 * Runs in: caller; the pool calls the source's callbacks inside
 * vm_zip_in_out().
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/made.h"
#include "reduce/reducer.h"

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
	if (error < 0) {
		errno = -error;
		return -1;
	}
	error = phase_item(r, TASK_MAP);
	if (error == 0)
		error = buf_append(&r->item, *input, *size);
	return phase_give(r, error, input, size);
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
	int error;

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
		.reserved = { NULL, NULL, made_head + sizeof(struct task) },
	};
	error = phase_begin(r, RUN_MAPPING, source);
	r->run += error < 0;
	return error;
}

/* Makes the exception for a map output that does not parse. */
static void garbled(struct vm_reducer *r, const struct vm_result *result)
{
	struct vm_host_state host = { .name = NULL };

	if (result->host != 0)
		vm_host_state(r->pool, result->host, &host);
	r->exception = (struct vm_exception){
		.cause = VM_GARBLED,
		.exit_status = -1,
		.worker_index = result->worker_index,
		.message = "The output of the worker is no batch of pairs.",
		.host = host.name,
	};
}

/* Makes the result for an input that failed.  Returns 1. */
static int tell_input(struct vm_reducer *r, const struct vm_result *result,
    const struct vm_exception *exception, struct vm_reduced *out)
{
	*out = (struct vm_reduced){
		.exception = exception,
		.run = r->run,
		.type = VM_EXCEPTION,
		.stage = VM_MAP_STAGE,
		.input = (const unsigned char *)result->input +
		    sizeof(struct task),
		.input_size = result->input_size - sizeof(struct task),
	};
	return 1;
}

int map_phase_take(struct vm_reducer *r, const struct vm_result *result,
    struct vm_reduced *out)
{
	int error;

	if (result->type != VM_OUTPUT)
		return tell_input(r, result, result->exception, out);
	if (result->host != 0)
		error = shuffle_add_far(&r->shuffle, result->output,
		    result->output_size, r->plan.pair_most);
	else
		error = shuffle_add(&r->shuffle, job_place(&r->plan,
		    result->worker_index), result->output,
		    result->output_size);
	if (error == -EBADMSG) {
		garbled(r, result);
		return tell_input(r, result, &r->exception, out);
	}
	if (error < 0)
		return words_set(&r->words, -error, "Pairs could not be "
		    "stored: %s.", strerror(-error));
	return 0;
}
