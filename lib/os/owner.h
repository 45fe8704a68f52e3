/*
 * owner.h - is this still the process that made an object?
 *
 * Runs in: caller (for a pool), fork server (for workers) and worker (for
 * itself).  A page that reads 1 in the process that made it is zeroed by the
 * kernel in every process forked from it, so the test costs a single load.
 *
 * Easy to get wrong: kernels before 4.14 have no such pages; there getpid() is
 * called instead.
 */
#ifndef OWNER_H
#define OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct owner {
	unsigned char *page;	/* NULL: compare pid */
	pid_t pid;
};

/* Makes this process the owner.  Cannot fail: without the page pids are
   compared. */
void owner_init(struct owner *);

/* In a process forked from the owner: makes it an owner too, but not its
   children. */
void owner_claim(struct owner *);

/* Is this process known to be the owner without a call?  Inline, as it runs for
   each item. */
static inline bool owner_is_this(const struct owner *o)
{
	return o->page != NULL && *o->page != 0;
}

/* Is this process not the owner?  The test without the page, by pid. */
bool owner_has_other_pid(const struct owner *);

/* The test with or without the page.  Inline, as it runs for each item. */
static inline bool owner_is_other(const struct owner *o)
{
	return !owner_is_this(o) && (o->page != NULL ||
	    owner_has_other_pid(o));
}

/* Unmaps the page, in any process. */
void owner_release(struct owner *);

#endif
