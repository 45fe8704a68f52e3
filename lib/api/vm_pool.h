/*
 * vm_pool.h - what is behind a vm_pool, for the files of the face.
 *
 * Runs in: caller.  Nothing below includes it.
 */
#ifndef VM_POOL_H
#define VM_POOL_H

#include <errno.h>

#include "base/words.h"
#include "engine/engine.h"
#include "os/owner.h"
#include "vimap.h"

struct vm_pool {
	struct engine engine;
	struct words words;	/* vm_error(pool) */
	struct owner owner;	/* the process that made the pool */
	/* What the last result points to, beside the engine's. */
	struct vm_exception exception;
	struct words message;
};

/* Makes a pool with those settings, which are its own from then on: 0, or
   -errno and words. */
int pool_open(struct vm_pool **, struct settings *, struct words *);

/* Is this another process than the one that made the pool? */
static inline bool pool_is_foreign(const struct vm_pool *p)
{
	return owner_is_other(&p->owner);
}

/* At the door of every call: 0, or errno for a call that may not be made:
   EINVAL, EPERM, EDEADLK.  Inline, as it is asked for each item. */
static inline int pool_refuses(const struct vm_pool *p)
{
	if (p == NULL)
		return EINVAL;
	if (pool_is_foreign(p))
		return EPERM;
	return p->engine.intake.in_hook ? EDEADLK : 0;
}

/* vm_error(NULL): the words of this thread, to be set. */
struct words *error_words(void);

/* A call was given NULL for what it needs: words for vm_error(NULL), but where
   there are some, of vm_fork() or vm_close(), already.  EINVAL and -1. */
int error_null(const char *call, const char *what);

/* A call is refused at the door: words for it.  That errno and -1. */
int error_refuse(struct vm_pool *, int error, const char *call);

/* The cause and the words of a failed item, from what the books say. */
void exception_make(struct vm_pool *, const struct item *);

#endif
