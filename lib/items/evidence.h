/*
 * evidence.h - texts about a dead worker: the traceback of its crash, the tail
 * of its stderr, and the machine where it was.
 *
 * Runs in: caller.  Pure.  One allocation, owned by the span it is about.
 */
#ifndef EVIDENCE_H
#define EVIDENCE_H

#include <stddef.h>

struct evidence {
	char *traceback;	/* NULL: there is none */
	char *tail;		/* of its standard error; NULL: not captured */
	char *host;		/* path of names, for a machine behind another;
				   NULL: it is the span's */
	size_t size;		/* bytes in all, for the bound on bytes */
	char text[];		/* buffer of the texts */
};

/* Returns empty texts with room for that many bytes and a 0 each; room 0:
   without that text.  Returns NULL if all are 0, or without memory: a death is
   reported without texts too. */
struct evidence *evidence_new(size_t traceback_room, size_t tail_room,
    size_t host_room);

/* Frees the texts; NULL is fine. */
void evidence_free(struct evidence *);

#endif
