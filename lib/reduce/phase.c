/*
 * phase.c - code shared by the phases of a run: makes items and passes them to
 * the pool.
 *
 * Runs in: caller.
 */
#include "config.h"

#include <errno.h>

#include "base/made.h"
#include "reduce/reducer.h"

int phase_item(struct vm_reducer *r, enum task_kind kind)
{
	struct task task = { kind, (uint32_t)r->job, r->run };

	r->item.len = 0;
	return buf_append(&r->item, &task, sizeof task);
}

int phase_give(struct vm_reducer *r, int error, const void **input,
    size_t *size)
{
	if (error < 0) {
		r->unmade = -error;
		return 0;
	}
	*input = r->item.data;
	*size = r->item.len;
	return 1;
}

int phase_no_fd(void *from)
{
	(void)from;
	return -1;
}

int phase_begin(struct vm_reducer *r, enum run_stage stage,
    struct vm_source source)
{
	r->unmade = 0;
	if (stage != RUN_MAPPING)
		source.reserved[0] = made_here;
	if (vm_imap(r->pool, source) < 0)
		return words_set(&r->words, errno, "%s", vm_error(r->pool));
	r->stage = stage;
	return 0;
}

int phase_cancelled(struct vm_reducer *r)
{
	return words_set(&r->words, ECANCELED, "The run was cancelled.");
}
