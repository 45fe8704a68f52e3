/*
 * owner.h - is this still the process that made something?
 *
 * Runs in: caller (for a pool), fork server (for workers) and worker (for
 * itself).  A page that reads 1
 * in the process that made it is zeroed by the kernel in every process forked
 * from it, so the question costs one load.
 *
 * Easy to get wrong: kernels before 4.14 have no such pages; there the
 * process number has to be asked for.
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

/* This process owns it.  Cannot fail. */
void owner_init(struct owner *);

/* A process forked from the owner owns it too, and what it forks does not. */
void owner_claim(struct owner *);

/* Is this another process, forked from the owner?  Without the page: */
bool owner_has_other_pid(const struct owner *);

/* In any case.  Inline, as it is asked for each item. */
static inline bool owner_is_other(const struct owner *o)
{
	return o->page != NULL ? *o->page == 0 : owner_has_other_pid(o);
}

/* Gives the page back, in any process. */
void owner_release(struct owner *);

#endif
