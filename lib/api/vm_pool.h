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
#include "engine/push.h"
#include "os/owner.h"
#include "os/sys.h"
#include "vimap.h"

struct vm_pool {
	struct vm_front front;	/* first, where inline functions find it */
	bool open;		/* these may have been used since the last
				   call */
	struct engine engine;
	struct words words;	/* returned by vm_error(pool) */
	struct owner owner;	/* the process that made the pool */
	/* Memory that the last result points to, beside the engine's. */
	struct vm_exception exception;
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

/* Counts the items that inline functions have taken and given since the last
   call, and stops them. */
static inline void pool_settle(struct vm_pool *p)
{
	if (!p->open)
		return;
	results_settle(&p->engine.results, &p->front);
	push_settle(&p->engine, &p->front);
	p->open = false;
}

/* Begins every call of the API: returns 0, or the errno of a call that may not
   be made: EINVAL, EPERM, EDEADLK; EPIPE while the pool is being closed. */
static inline int pool_enter(struct vm_pool *p)
{
	if (p == NULL)
		return EINVAL;
	if (pool_is_foreign(p))
		return EPERM;
	pool_settle(p);
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
