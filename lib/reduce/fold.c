/*
 * fold.c - vm_fold(): all results of a source, one after another, in a loop
 * that need not be written again.
 *
 * Runs in: caller.  Stands on vimap.h.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>

#include "vimap_reduce.h"

/* What is left is given up and not folded: 0 or -errno; -ENOMEM if some of it
   is left still, since memory was short twice with nothing between. */
static int drain(vm_pool *pool)
{
	struct vm_result r;
	int got, tries = 0;

	vm_cancel(pool);
	do {
		got = vm_zip_in_out(pool, &r);
		tries = got == -1 && errno == ENOMEM ? tries + 1 : 0;
	} while (got == 1 || (got == -1 && tries < 2 &&
	    vm_broken(pool) == 0));
	return got < 0 ? -errno : 0;
}

int vm_fold(vm_pool *pool, struct vm_source source,
    int (*fold)(void *accumulator, const struct vm_result *),
    void *accumulator)
{
	bool any_failed = false;
	struct vm_result r;
	int got, left, error = 0;

	if (fold == NULL) {
		if (source.close != NULL)
			source.close(source.from);
		errno = EINVAL;
		return -1;
	}
	got = vm_imap(pool, source) < 0 ? -1 : 1;
	while (got == 1 && error == 0 && (got = vm_zip_in_out(pool, &r)) == 1) {
		any_failed |= r.exception != NULL;
		error = fold(accumulator, &r);
	}
	/* The next source is to be the only one. */
	if (error != 0 || (got == -1 && errno == ENOMEM)) {
		left = drain(pool);
		errno = error == 0 || left == -ENOMEM ? ENOMEM : ECANCELED;
		return -1;
	}
	return got < 0 ? -1 : any_failed;
}
