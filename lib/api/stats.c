/*
 * stats.c - what has become of a pool: vm_stats(), vm_worker_stats().
 *
 * Runs in: caller.
 */
#include "config.h"

#include "engine/stats.h"

#include <errno.h>

#include "api/vm_pool.h"
#include "base/given.h"

int vm_stats_sized(vm_pool *p, struct vm_stats *stats, size_t size)
{
	int error = pool_enter(p);
	int kept = errno;
	struct vm_stats s;

	if (error != 0)
		return error_refuse(p, error, "vm_stats");
	if (stats == NULL) {
		words_set(&p->words, EINVAL, "vm_stats() was given NULL, and "
		    "needs a struct vm_stats to fill.");
		errno = EINVAL;
		return -1;
	}
	stats_fill(&p->engine, &s, &p->sentence);
	given_fill(stats, size, &s, sizeof s);
	errno = kept;
	return 0;
}

int vm_worker_stats_sized(vm_pool *p, int place,
    struct vm_worker_stats *stats, size_t size)
{
	int error = pool_enter(p);
	int kept = errno;
	struct vm_worker_stats w = { 0 };
	int most, r;

	if (error != 0)
		return error_refuse(p, error, "vm_worker_stats");
	most = (int)p->engine.set.max_workers;
	if (stats == NULL || place < 0 || place >= most) {
		words_set(&p->words, EINVAL, "vm_worker_stats() needs a place "
		    "from 0 to %d, not %d, and a struct to fill.", most - 1,
		    place);
		errno = EINVAL;
		return -1;
	}
	r = stats_worker(&p->engine, (size_t)place, &w);
	given_fill(stats, size, &w, sizeof w);
	errno = kept;
	return r;
}
