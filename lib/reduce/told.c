/* told.c - see told.h: what agents are told of a reducer. */
#include "config.h"

#include "reduce/told.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/buf.h"

#define ALIGNED ((size_t)16)

_Static_assert(sizeof(struct told) % ALIGNED == 0, "aligns what follows");
_Static_assert(sizeof(struct told_job) % ALIGNED == 0, "aligns the config");

/* What is allocated. */
struct box {
	const struct job_plan *plan;
	unsigned char reserved[ALIGNED - sizeof(void *)];
	struct told told;
};
_Static_assert(offsetof(struct box, told) % ALIGNED == 0, "aligns the rest");

static size_t padded(size_t size)
{
	return (size + ALIGNED - 1) / ALIGNED * ALIGNED;
}

static size_t size_of(const struct job_plan *p)
{
	size_t size = sizeof(struct told);

	for (size_t i = 0; i < p->count; i++)
		size += sizeof(struct told_job) +
		    padded(p->jobs[i].config_size);
	return size;
}

struct told *told_new(const struct job_plan *p, const char *name)
{
	const size_t size = size_of(p);
	struct box *b = calloc(1, offsetof(struct box, told) + size);
	unsigned char *at;

	if (b == NULL)
		return NULL;
	b->plan = p;
	b->told = (struct told){
		.size = size,
		.jobs = p->count,
		.memory = p->memory,
		.pair_most = p->pair_most,
		.pairs_most = p->pairs_most,
	};
	snprintf(b->told.name, sizeof b->told.name, "%s", name ? name : "");
	at = (unsigned char *)(&b->told + 1);
	for (size_t i = 0; i < p->count; i++) {
		const struct told_job job = { .size = p->jobs[i].config_size };

		memcpy(at, &job, sizeof job);
		at += sizeof job;
		buf_copy(at, p->jobs[i].config, p->jobs[i].config_size);
		at += padded(p->jobs[i].config_size);
	}
	return &b->told;
}

void told_free(struct told *t)
{
	if (t != NULL)
		free(CONTAINER_OF(t, struct box, told));
}

const struct job_plan *told_plan(const struct told *t)
{
	return CONTAINER_OF(t, const struct box, told)->plan;
}

bool told_is(const struct told *t, size_t size)
{
	return t != NULL && size >= sizeof *t && t->size == size &&
	    memchr(t->name, '\0', sizeof t->name) != NULL;
}

int told_read(const struct told *t, struct job_plan *p)
{
	const unsigned char *at = (const unsigned char *)(t + 1);
	uint64_t left = t->size - sizeof *t;
	struct told_job job;

	if (t->jobs != p->count)
		return -EINVAL;
	for (size_t i = 0; i < p->count; i++) {
		if (left < sizeof job)
			return -EINVAL;
		memcpy(&job, at, sizeof job);
		at += sizeof job;
		left -= sizeof job;
		if (job.size > left || padded((size_t)job.size) > left)
			return -EINVAL;
		if (job.size > 0) {
			p->jobs[i].config = (void *)(uintptr_t)at;
			p->jobs[i].config_size = (size_t)job.size;
		}
		at += padded((size_t)job.size);
		left -= padded((size_t)job.size);
	}
	return left == 0 ? 0 : -EINVAL;
}
