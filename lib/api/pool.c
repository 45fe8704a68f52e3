/*
 * pool.c - the life of a pool: vm_fork(), vm_close(), vm_resize().
 *
 * Runs in: caller.  Easy to get wrong: the copy of a pool in a child that the
 * host forked owns only its memory there.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "engine/cancel.h"
#include "engine/loop_fd.h"
#include "engine/start_stop.h"
#include "os/sys.h"

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)

const char *vm_version(void)
{
	return STRING(VM_VERSION_MAJOR) "." STRING(VM_VERSION_MINOR) "."
	    STRING(VM_VERSION_PATCH);
}

static void free_pool(struct vm_pool *p)
{
	if (p == NULL)
		return;
	owner_release(&p->owner);
	free(p);
}

/* ---- fork and close ---- */

int pool_open(struct vm_pool **pool, struct settings *set,
    struct words *words)
{
	struct vm_pool *p = calloc(1, sizeof *p);
	int r;

	*pool = NULL;
	if (p == NULL)
		return words_set(words, ENOMEM, "There was no memory for a "
		    "pool.");
	owner_init(&p->owner);
	r = engine_start(&p->engine, set, &p->words);
	if (r < 0) {
		*words = p->words;
		free_pool(p);
		return r;
	}
	p->front.ours = p->owner.page;
	p->front.cancelled = (const unsigned *)&p->engine.cancels.asked;
	*pool = p;
	return 0;
}

vm_pool *vm_fork_sized(const struct vm_worker *worker, size_t worker_size,
    const struct vm_options *options, size_t options_size)
{
	struct words words = { "" };
	struct vm_pool *p = NULL;
	struct settings set;
	int kept = errno;
	int r = settings_make(&set, worker, worker_size, options,
	    options_size, &words);

	if (r == 0 && set.plan.hooks.process_many != NULL)
		r = words_set(&words, EINVAL, "vm_worker.process_many is for "
		    "vm_map_array(); a pool calls process().");
	if (r == 0)
		r = pool_open(&p, &set, &words);
	settings_release(&set);
	*error_words() = words;
	errno = r < 0 ? -r : kept;
	return p;
}

/* Closes a pool, waiting until a time at most. */
static int close_pool(vm_pool *p, uint64_t until, const char *call)
{
	int kept = errno;
	int r;

	if (p == NULL)
		return 0;
	if (!pool_is_foreign(p) && p->engine.intake.in_hook)
		return error_refuse(p, EDEADLK, call);
	if (!pool_is_foreign(p))
		pool_settle(p);
	r = engine_stop(&p->engine, pool_is_foreign(p), until);
	if (r == VM_LATER) {
		loop_fd_follow(&p->engine, r);
		errno = kept;
		return r;
	}
	*error_words() = p->words;
	free_pool(p);
	errno = r < 0 ? -r : kept;
	return r < 0 ? -1 : r;
}

int vm_close(vm_pool *p)
{
	return close_pool(p, NEVER, "vm_close");
}

int vm_close_within(vm_pool *p, int ms)
{
	return close_pool(p, pool_moment(ms), "vm_close_within");
}

/* ---- state and control ---- */

int vm_broken(const vm_pool *p)
{
	if (p == NULL)
		return error_refuse(NULL, EINVAL, "vm_broken");
	return p->engine.fate.broken;
}

int vm_workers(const vm_pool *p)
{
	if (p == NULL)
		return error_refuse(NULL, EINVAL, "vm_workers");
	return (int)p->engine.set.workers;
}

int vm_resize(vm_pool *p, int workers)
{
	int error = pool_enter(p);
	int kept = errno;
	int r = 0;

	if (error != 0)
		return error_refuse(p, error, "vm_resize");
	if (p->engine.fate.broken) {
		p->words = p->engine.fate.words;
		error = EPIPE;
	} else if (p->engine.fate.finishing) {
		error = -words_set(&p->words, EPIPE, "vm_resize() comes after "
		    "vm_finish(): the workers are told to stop.");
	} else if (workers <= 0 || p->engine.set.serial) {
		error = -words_set(&p->words, EINVAL, "A pool of processes "
		    "can have 1 worker or more, not %d; VM_SERIAL has none.",
		    workers);
	}
	if (error == 0)
		r = staffing_resize(&p->engine, (size_t)workers);
	loop_fd_follow(&p->engine, 1);
	if (error == 0)
		error = -r;
	errno = error != 0 ? error : kept;
	return error != 0 ? -1 : 0;
}

int vm_finish(vm_pool *p)
{
	int error = pool_enter(p);

	if (error != 0)
		return error_refuse(p, error, "vm_finish");
	if (p->engine.fate.broken) {
		p->words = p->engine.fate.words;
		errno = EPIPE;
		return -1;
	}
	p->engine.fate.finishing = true;
	/* No inline function gives an input any more. */
	p->engine.intake.room = 0;
	loop_fd_follow(&p->engine, 1);
	return 0;
}

int vm_fd(vm_pool *p)
{
	int error = pool_enter(p);
	int kept = errno;
	int r;

	/* EPIPE: in the calls of vm_close_within() it is waited for. */
	if (error != 0 && error != EPIPE)
		return error_refuse(p, error, "vm_fd");
	r = loop_fd_open(&p->engine);
	if (r < 0)
		words_set(&p->words, -r, "The pool has no descriptor for an "
		    "event loop: %s.", words_of(-r));
	errno = r < 0 ? -r : kept;
	return r < 0 ? -1 : r;
}

/* Sets bits and wakes the poller; no more, for use in signal handlers. */
void vm_cancel(vm_pool *p, unsigned how)
{
	if (p == NULL || pool_is_foreign(p))
		return;
	how &= VM_CANCEL_RUNNING | VM_CANCEL_UNREAD;
	atomic_fetch_or(&p->engine.cancels.asked, how << 1 | 1);
	lost_fds_wake(&p->engine);
}

int vm_cancel_item(vm_pool *p, const void *tag, uint64_t index)
{
	int r = -pool_enter(p);
	int kept = errno;
	uint64_t seq = NEVER;

	if (r < 0)
		return error_refuse(p, -r, "vm_cancel_item");
	seq = cancel_find(&p->engine, tag, index);
	if (seq != NEVER)
		r = cancels_add(&p->engine.cancels, seq);
	/* A cancellation that lacks memory now is done when results are
	   taken. */
	if (seq != NEVER && r == 0)
		cancel_run(&p->engine, sys_now());
	loop_fd_follow(&p->engine, 1);
	errno = r < 0 ? -r : kept;
	return r < 0 ? -1 : seq != NEVER;
}
