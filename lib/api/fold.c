/*
 * fold.c - vm_fold(): the loop that passes all results of a source to a
 * callback.
 *
 * Runs in: caller.  Uses the other public functions for the pool.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>

#include "api/vm_pool.h"

/* Cancels the items that are left and drops their results.  Returns 0 or
   -errno; -ENOMEM if results are left, because two calls in a row had no
   memory. */
static int drain(vm_pool *pool)
{
	struct vm_result r;
	int got, tries = 0;

	vm_cancel(pool, 0);
	pool->engine.resume.drains = true;
	do {
		got = vm_zip_in_out(pool, &r);
		tries = got == -1 && errno == ENOMEM ? tries + 1 : 0;
	} while (got == 1 || (got == -1 && tries < 2 &&
	    vm_broken(pool) == 0));
	pool->engine.resume.drains = false;
	return got < 0 ? -errno : 0;
}

/* Refuses a call without a callback, and closes its source. */
static int refuse(vm_pool *pool, const struct vm_source *source)
{
	int error = pool_enter(pool);

	if (error != 0)
		error_refuse(pool, error, "vm_fold");
	else
		error = -words_set(&pool->words, EINVAL, "vm_fold() was given "
		    "NULL, and needs a callback that takes each result.");
	return imap_turn_away(pool, source, error);
}

int vm_fold(vm_pool *pool, struct vm_source source,
    int (*fold)(void *accumulator, const struct vm_result *),
    void *accumulator)
{
	bool any_failed = false;
	struct vm_result r;
	int got, left, error = 0;

	if (fold == NULL)
		return refuse(pool, &source);
	got = vm_imap(pool, source) < 0 ? -1 : 1;
	while (got == 1 && error == 0 && (got = vm_zip_in_out(pool, &r)) == 1) {
		any_failed |= r.exception != NULL;
		error = fold(accumulator, &r);
	}
	/* The pool must be idle when the next call gives it a source. */
	if (error != 0 || (got == -1 && errno == ENOMEM)) {
		left = drain(pool);
		errno = error == 0 || left == -ENOMEM ? ENOMEM : ECANCELED;
		return -1;
	}
	return got < 0 ? -1 : any_failed;
}
