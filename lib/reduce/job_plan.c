/* job_plan.c - see job_plan.h: parameters of the workers of a reducer. */
#include "config.h"

#include "reduce/job_plan.h"

#include <errno.h>
#include <stdlib.h>

#include "base/given.h"
#include "reduce/job.h"

static int copy_job(struct vm_job *j, const void *from, size_t size,
    size_t number, struct words *w)
{
	int r = given_take(j, sizeof *j, from, size, "vm_job", w);

	if (r < 0)
		return r;
	if (j->map == NULL && j->reduce == NULL)
		return words_set(w, EINVAL, "Job %zu has neither map nor "
		    "reduce.", number);
	if (j->map == NULL)
		j->map = job_emit_input;
	return 0;
}

int job_plan_copy(struct job_plan *p, const struct vm_job *jobs,
    size_t count, size_t job_size, struct words *w)
{
	const unsigned char *from = (const void *)jobs;
	int r = 0;

	if (jobs == NULL || count == 0 || count > UINT32_MAX)
		return words_set(w, EINVAL, "The jobs are NULL, or their "
		    "number is 0 or too large.");
	p->jobs = calloc(count, sizeof *p->jobs);
	if (p->jobs == NULL)
		return words_set(w, ENOMEM, "There was no memory for %zu "
		    "jobs.", count);
	p->count = count;
	for (size_t i = 0; i < count && r == 0; i++)
		r = copy_job(&p->jobs[i], from + i * job_size, job_size, i, w);
	return r;
}

bool job_plan_has_teardown(const struct job_plan *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->jobs[i].teardown != NULL)
			return true;
	return false;
}
