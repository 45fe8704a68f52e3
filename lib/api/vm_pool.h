/*
 * vm_pool.h - the structure behind a vm_pool, for the files of the API.
 *
 * Runs in: caller.  No lower layer includes it.
 */
#ifndef VM_POOL_H
#define VM_POOL_H

#include <errno.h>

#include "api/keep.h"
#include "base/base.h"
#include "base/words.h"
#include "engine/engine.h"
#include "os/owner.h"
#include "os/sys.h"
#include "vimap.h"

struct vm_pool {
	struct engine engine;
	struct words words;	/* returned by vm_error(pool) */
	struct owner owner;	/* the process that made the pool */
	/* Memory that the last result points to, beside the engine's. */
	struct vm_exception exception;
	struct vm_result last;	/* as shown, if the next items are in a row */
	struct words message;
	struct words sentence;	/* vm_stats.sentence */
	struct keep keep;	/* failed inputs kept as files */
};

/* Makes a pool with those settings and takes over the memory they own.  Returns
   0, or -errno with words. */
int pool_open(struct vm_pool **, struct settings *, struct words *);

/* Is this another process than the one that made the pool? */
static inline bool pool_is_foreign(const struct vm_pool *p)
{
	return owner_is_other(&p->owner);
}

/* May a call be made, as far as that is seen without another?  Inline, as it
   runs for each item. */
static inline bool pool_allows(const struct vm_pool *p)
{
	return p != NULL && owner_is_this(&p->owner) &&
	    !p->engine.intake.in_hook && !p->engine.fate.closing;
}

/* Checked first by every call of the API: returns 0, or the errno of a call
   that may not be made: EINVAL, EPERM, EDEADLK; EPIPE while the pool is being
   closed. */
static inline int pool_refuses(const struct vm_pool *p)
{
	if (p == NULL)
		return EINVAL;
	if (pool_is_foreign(p))
		return EPERM;
	if (p->engine.intake.in_hook)
		return EDEADLK;
	return p->engine.fate.closing ? EPIPE : 0;
}

/* Returns the time ms milliseconds from now; NEVER if ms is negative. */
static inline uint64_t pool_moment(int ms)
{
	return ms < 0 ? NEVER : sys_now() + (uint64_t)ms * MS_IN_NS;
}

/* Returns this thread's words for vm_error(NULL), to be written. */
struct words *error_words(void);

/* Reports a call that was given NULL: sets words for vm_error(NULL), unless
   those of a failed vm_fork() or vm_close() are there.  Sets errno to EINVAL
   and returns -1. */
int error_null(const char *call, const char *what);

/* Reports a refused call: sets its words and errno.  Returns -1. */
int error_refuse(struct vm_pool *, int error, const char *call);

/* Refuses a source for that errno: its close callback runs all the same.  Keeps
   the error text.  Returns -1 and sets errno. */
int imap_turn_away(struct vm_pool *, const struct vm_source *, int error);

/* Fills in the pool's exception for a failed item: cause, words and
   evidence. */
void exception_make(struct vm_pool *, const struct item *);

#endif
