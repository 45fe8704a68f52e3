/*
 * gather_phase.c - the second phase of a run: workers gather its partitions.
 *
 * Runs in: caller.
 *
 * Easy to get wrong: a partition that fails is not reported to the user as a
 * failed item; it is given to a worker again.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "base/made.h"
#include "reduce/reducer.h"

/* How often a partition is given to workers before the run fails.  Only the
   first time runs a hook of the user, collect(); later a worker that dies was
   killed from outside. */
#define TRIES 5

/* The source ends only when all partitions are gathered, since each may have to
   be given again.  If the pool ends this phase before, it was cancelled. */
static int next_partition(void *from, const void **input, size_t *size)
{
	struct vm_reducer *r = from;
	struct partition *p;
	struct task_gather task;
	int error;

	while (r->partition < r->plan.partitions &&
	    !r->partitions[r->partition].due)
		r->partition++;
	if (r->partition == r->plan.partitions) {
		r->gathered = r->gathering == 0;
		return r->gathered ? 0 : VM_LATER;
	}
	p = &r->partitions[r->partition];
	p->due = false;
	p->tries++;
	r->gathering++;
	/* collect() may have caused the failure, so a retry omits it. */
	task = (struct task_gather){ p->list, r->partition, p->tries > 1 };
	error = phase_item(r, TASK_GATHER);
	if (error == 0)
		error = buf_append(&r->item, &task, sizeof task);
	return phase_give(r, error, input, size);
}

int gather_phase_begin(struct vm_reducer *r)
{
	int error;

	for (uint32_t i = 0; i < r->plan.partitions; i++) {
		struct partition *p = &r->partitions[i];

		*p = (struct partition){ .tries = 0 };
		error = shuffle_list(&r->shuffle, i, &p->list);
		if (error < 0)
			return words_set(&r->words, -error, "Pairs could not "
			    "be stored: %s.", strerror(-error));
		p->listed = p->due = error == 1;
	}
	r->partition = r->gathering = 0;
	r->gathered = false;
	return phase_begin(r, RUN_GATHERING, (struct vm_source){
	    .next = next_partition, .from = r, .wait_fd = phase_no_fd,
	    .reserved = { NULL, made_again } });
}

/* Marks a failed partition to be given again, or fails the run.  Returns 0 or
   -errno. */
static int gather_again(struct vm_reducer *r, uint32_t partition,
    const struct vm_exception *x)
{
	struct partition *p = &r->partitions[partition];

	/* The first failure may come from collect(), which the retry omits; the
	   second is final. */
	if (x->cause == VM_FAILED && p->tries > 1)
		return words_set(&r->words, x->code > 0 ? x->code : EIO,
		    "%s", x->message);
	if (x->cause == VM_CANCELLED)
		return phase_cancelled(r);
	if (p->tries >= TRIES)
		return words_set(&r->words, EIO, "The pairs of a partition "
		    "could not be gathered.  %s", x->message);
	p->due = true;
	r->partition = MIN(r->partition, partition);
	return 0;
}

static int no_index(struct vm_reducer *r)
{
	return words_set(&r->words, EBADMSG, "The output of a worker is no "
	    "index of keys.");
}

int gather_phase_take(struct vm_reducer *r, const struct vm_result *result)
{
	struct task_gather task;
	struct partition *p;

	memcpy(&task, (const unsigned char *)result->input +
	    sizeof(struct task), sizeof task);
	p = &r->partitions[task.partition];
	r->gathering--;
	if (result->type != VM_OUTPUT)
		return gather_again(r, task.partition, result->exception);
	/* Output of collect() itself, if any, comes before the struct. */
	if (result->output_size < sizeof p->gathered)
		return no_index(r);
	memcpy(&p->gathered, (const unsigned char *)result->output +
	    result->output_size - sizeof p->gathered, sizeof p->gathered);
	if (!store_has(&r->plan.store, job_place(&r->plan,
	    result->worker_index), &p->gathered.index.extent))
		return no_index(r);
	shuffle_drop(&r->shuffle, task.partition, &p->list);
	return 0;
}

int gather_phase_end(struct vm_reducer *r)
{
	return r->gathered ? 0 : phase_cancelled(r);
}
