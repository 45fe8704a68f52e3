/*
 * source.h - a source of inputs, given to vm_imap().
 *
 * Runs in: caller.  Pure bookkeeping around the user's callbacks, which are
 * called only here, so that the pool can refuse calls made inside them.
 *
 * Easy to get wrong: close() is called exactly once, whatever happens.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/made.h"
#include "journal/digest.h"
#include "vimap.h"

enum source_state {
	SOURCE_OPEN,		/* may have inputs now */
	SOURCE_WAITING,		/* next() returned VM_LATER; ends when its fd is
				   ready, or a result is taken */
	SOURCE_ENDED,		/* all was read; closed */
	SOURCE_FAILED		/* next() failed; closed; "error" has why */
};

struct source {
	struct vm_source hooks;
	struct source *next;	/* the next source in the queue */
	uint64_t index;		/* of the next input */
	enum source_state state;
	int error;		/* errno of the failure */
	const char *flaw;	/* text for a failure found here; else NULL */
	const void *input;	/* read but not yet in a chunk; the user's */
	size_t size;
	bool held;		/* "input" and "size" are valid */
	struct digest key;	/* of the held input, for the journal, */
	uint64_t met;		/* if this is 1 + its index */
	bool given_up;		/* vm_cancel() wants its inputs back */
	bool *in_hook;		/* of the pool: true while a callback runs */
};

/* The rest of an array. */
struct source_array {
	struct made made;
	const unsigned char *items;
	size_t left;
	size_t size;		/* bytes of each */
};

/* Returns a source that owns the hooks and sets *in_hook while a callback runs,
   or NULL without memory; then no callback was called. */
struct source *source_new(const struct vm_source *hooks, bool *in_hook);

/* Closes the source if it is open, and frees it.  NULL is fine. */
void source_free(struct source *);

/* Ends the source and calls close(), unless that was called before. */
void source_close(struct source *);

/* Handles a return value of next() without a good input; error: its errno.
   Returns 0 if there is no input, -1 if the source has failed. */
int source_judge(struct source *, int said, int error);

/*
 * Reads the next input, which is then held; calls next(), which may block.
 * Returns 1; 0 at the end (closed now) or, if state is WAITING, if there is no
 * input yet; -1 if it failed (closed now, "error" is set).  An input beyond max
 * bytes fails with EFBIG, a wrong return value with EINVAL.  Inline, as it runs
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

/* Is it the library's own, and gives inputs that have one size and lie one
   behind the other? */
bool source_has_runs(const struct source *);

/* Gives the next of these inputs together: returns their number, at most
   "most", and sets *items and *size; the caller must count them in "index".
   Returns 0 if source_next() is to be called. */
size_t source_run(struct source *, size_t most, const void **items,
    size_t *size);

/* Does next() promise not to block? */
bool source_prompt(const struct source *);

/* Returns its array, if workers inherited that and the source is open; else
   NULL.  A caller that takes items from it must count them in "index". */
struct source_array *source_inherited(const struct source *);

/* Returns the descriptor to wait for, or -1. */
int source_fd(struct source *);

/* Has it returned VM_LATER without a descriptor to wait for?  Then only taking
   results can change its state. */
bool source_is_stuck(struct source *);

/* Has next() called again although the descriptor may not become ready. */
void source_wake(struct source *);

/* Makes a stuck source readable again.  Returns true if it was stuck. */
bool source_unstick(struct source *);

#endif
