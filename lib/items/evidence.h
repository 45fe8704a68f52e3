/*
 * evidence.h - the texts that tell about a dead worker: where it crashed, and
 * what it wrote last.
 *
 * Runs in: caller.  Pure.  One block, owned by the span it is about.
 */
#ifndef EVIDENCE_H
#define EVIDENCE_H

#include <stddef.h>

struct evidence {
	char *traceback;	/* NULL: there is none */
	char *tail;		/* of its standard error; NULL: not captured */
	size_t size;		/* of it all; for the bound on bytes */
	char text[];		/* both */
};

/* One with room for texts of so many bytes and a 0 after each, both empty; 0:
   without that text.  NULL if both are 0, or there is no memory: a death is
   told without texts too. */
struct evidence *evidence_new(size_t traceback_room, size_t tail_room);

/* NULL is fine. */
void evidence_free(struct evidence *);

#endif
