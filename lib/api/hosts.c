/*
 * hosts.c - other machines of a pool: vm_add_host(), vm_remove_host(),
 * vm_host_state().
 *
 * Runs in: caller.
 */
#include "config.h"

#include <errno.h>

#include "api/vm_pool.h"
#include "base/given.h"
#include "engine/links.h"
#include "engine/loop_fd.h"

/* Returns 0, or the errno of a call that may not change the hosts now, with the
   error text set unless the pool refuses all calls. */
static int refuses(vm_pool *p, const char *call)
{
	if (p->engine.fate.broken) {
		p->words = p->engine.fate.words;
		return EPIPE;
	}
	if (p->engine.fate.finishing)
		return -words_set(&p->words, EPIPE, "%s() comes after "
		    "vm_finish(): the workers are told to stop.", call);
	return 0;
}

int vm_add_host(vm_pool *p, const struct vm_host *host)
{
	int error = pool_enter(p);
	int kept = errno;
	int r;

	if (error != 0)
		return error_refuse(p, error, "vm_add_host");
	if (host == NULL) {
		words_set(&p->words, EINVAL, "vm_add_host() was given NULL, "
		    "and needs a vm_host.");
		errno = EINVAL;
		return -1;
	}
	r = -refuses(p, "vm_add_host");
	if (r == 0)
		r = links_add(&p->engine, host);
	loop_fd_follow(&p->engine, 1);
	errno = r < 0 ? -r : kept;
	return r < 0 ? -1 : r;
}

int vm_remove_host(vm_pool *p, int host)
{
	int error = pool_enter(p);
	int kept = errno;
	int r;

	if (error != 0)
		return error_refuse(p, error, "vm_remove_host");
	r = -refuses(p, "vm_remove_host");
	if (r == 0)
		r = links_remove(&p->engine, host);
	loop_fd_follow(&p->engine, 1);
	errno = r < 0 ? -r : kept;
	return r < 0 ? -1 : 0;
}

int vm_host_state_sized(vm_pool *p, int host, struct vm_host_state *state,
    size_t size)
{
	int error = pool_enter(p);
	int kept = errno;
	struct vm_host_state s = { 0 };
	int r;

	if (error != 0)
		return error_refuse(p, error, "vm_host_state");
	if (state == NULL || host < 1) {
		words_set(&p->words, EINVAL, "vm_host_state() needs the number "
		    "of a host, from 1 on, not %d, and a struct to fill.",
		    host);
		errno = EINVAL;
		return -1;
	}
	r = links_state(&p->engine, host, &s);
	given_fill(state, size, &s, sizeof s);
	errno = kept;
	return r;
}
