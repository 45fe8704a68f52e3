/*
 * source.h - where inputs come from: one source given to vm_imap().
 *
 * Runs in: caller.  Pure bookkeeping around the user's hooks, which are
 * called from here only, so that the pool can refuse calls made inside them.
 *
 * Easy to get wrong: close() is called just once, whatever happens.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vimap.h"

enum source_state {
	SOURCE_OPEN,		/* may have inputs now */
	SOURCE_WAITING,		/* said VM_LATER; woken by fd or by a result */
	SOURCE_ENDED,		/* all was read; closed */
	SOURCE_FAILED		/* next() failed; closed; "error" has why */
};

struct source {
	struct vm_source hooks;
	struct source *next;	/* queued behind it */
	uint64_t index;		/* of the next input */
	enum source_state state;
	int error;		/* errno it failed with, */
	const char *flaw;	/* and why, if it is ours to say; else NULL */
	const void *input;	/* read but not yet in a chunk; the user's */
	size_t size;
	bool held;		/* "input" and "size" are valid */
	bool given_up;		/* vm_cancel_with() wants what it has back */
	bool *in_hook;		/* the pool's: true while a hook runs */
};

/* How ready-made sources tell the pool what they are, in hooks.reserved. */
enum source_mark {
	SOURCE_OWN = 1,		/* the library's; reserved[2] may point to the
				   bound of its inputs */
	SOURCE_INHERITED,	/* from is a source_array that workers have */
	SOURCE_UNMADE		/* could not be made; reserved[1]: errno,
				   reserved[2]: words */
};

/* What is left of an array. */
struct source_array {
	const unsigned char *items;
	size_t left;
	size_t size;		/* of each */
};

/* A source for the hooks; it owns them when this returns it, and sets
   *in_hook while one runs.  NULL: no memory, and nothing was called. */
struct source *source_new(const struct vm_source *hooks, bool *in_hook);

/* Closes it if it is not closed, and frees it. */
void source_free(struct source *);

/* Closes the hooks unless they are closed, and ends it. */
void source_close(struct source *);

/* What next() returned, if it was no good input: 0 none; -1 failed. */
int source_judge(struct source *, int said, int error);

/*
 * Makes the next input held: 1; 0 at the end (closed now) or, state being
 * WAITING, nothing yet; -1 failed (closed now, "error" is set).  An input
 * beyond max fails with EFBIG, nonsense with EINVAL.  Inline, as it is done
 * for each item.
 */
static inline int source_next(struct source *s, size_t max)
{
	int said;

	if (s->held)
		return 1;
	if (s->state >= SOURCE_ENDED)
		return s->state == SOURCE_ENDED ? 0 : -1;
	s->input = NULL;
	s->size = 0;
	*s->in_hook = true;
	errno = 0;
	said = s->hooks.next(s->hooks.from, &s->input, &s->size);
	*s->in_hook = false;
	s->held = said == 1 && s->size <= max &&
	    (s->input != NULL || s->size == 0);
	if (!s->held)
		return source_judge(s, said, errno);
	s->state = SOURCE_OPEN;
	return 1;
}

/* Is it one of the library's own? */
bool source_ready_made(const struct source *);

/* Does next() promise not to block? */
bool source_prompt(const struct source *);

/* The array, if it is one that workers inherited and that is not closed; else
   NULL.  Who takes items from it counts them in "index". */
struct source_array *source_inherited(const struct source *);

/* The descriptor to wait for, or -1. */
int source_fd(struct source *);

/* Has it said VM_LATER without a descriptor to wait for?  Then only results
   taken can change that. */
bool source_is_stuck(struct source *);

/* A stuck source may be asked again: true if it was stuck. */
bool source_unstick(struct source *);

#endif
