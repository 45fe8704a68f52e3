/*
 * made.h - the library's own sources, ready-made by vm_array() and its kin.
 *
 * Runs in: caller.  A ready-made source is a struct vm_source like any other,
 * so that a program can wrap it; a pool knows it by its close callback.
 *
 * Easy to get wrong: a program may replace a member of such a source, and keep
 * the others.
 */
#ifndef MADE_H
#define MADE_H

#include <stdbool.h>
#include <stddef.h>

#include "vimap.h"

/* The state of a ready-made source, on the heap, begins with this struct. */
struct made {
	void (*release)(void *state); /* releases all that the state owns; NULL:
				   it owns nothing */
	int (*next)(void *from, const void **input, size_t *size); /* the
				   library's own */
	size_t (*run)(void *from, size_t most, const void **items,
	    size_t *size);	/* gives many inputs at once: returns how many
				   lie at *items, each of *size bytes, at most
				   "most"; 0: next() is to be called.  NULL:
				   next() only */
	size_t most;		/* bytes that an input may have; 0: the source
				   does not look at this */
	bool inherited;		/* the state is a source_array, and workers have
				   its items */
};

/* Why a ready-made source could not be made.  Such a source has no next(), and
   its "from" is this struct. */
struct made_flaw {
	int error;		/* errno of vm_imap() */
	const char *text;
};

/* In vm_source.reserved[0], where only this library may set it: the inputs are
   for workers on this machine.  So are all inputs of the pool, from vm_imap()
   of that source to that of the next; a reducer gives its pool one source at a
   time. */
extern char made_here[];

/* Likewise in vm_source.reserved[1]: the library gives inputs that fail again,
   and max_failures does not count them. */
extern char made_again[];

/* In vm_source.reserved[2], made_head + n: each input begins with n bytes that
   are the library's own, and not for VIMAP_KEEP. */
#define MADE_HEAD_MOST ((size_t)64)
extern char made_head[];

/* The close callback of ready-made sources: frees the state. */
void made_drop(void *state);

/* The close callbacks of sources that could not be made: the first does
   nothing, the second frees the flaw. */
void made_keep(void *flaw);
void made_forget(void *flaw);

/* Is it one of the library's own sources? */
static inline bool made_is(const struct vm_source *s)
{
	return s->close == made_drop;
}

/* Returns why the source could not be made, or NULL. */
const struct made_flaw *made_flaw(const struct vm_source *);

/* Tells a ready-made source that builds its inputs in a buffer, as lines, how
   many bytes an input may have at most. */
void made_limit(const struct vm_source *, size_t most);

#endif
