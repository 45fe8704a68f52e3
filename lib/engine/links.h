/*
 * links.h - answers of links that a worker on this machine never gives.
 *
 * Runs in: caller.  A link tells how a worker on its machine ended, and which
 * items it gives back.  The pool treats the first as it treats a death here,
 * and requeues the others.
 */
#ifndef LINKS_H
#define LINKS_H

#include <stdbool.h>

#include "wire/frame.h"

struct engine;
struct member;
struct span;

/* Takes an OUTCOME about an item, a span of its own that has left its worker:
   answers it, or has it tried again. */
void links_died(struct engine *, struct span *, const struct frame *);

/* Is the OUTCOME possible?  To be asked before links_died(). */
bool links_check(const struct frame *);

/* Requeues an item, a span of its own, that a link gives back. */
void links_returned(struct engine *, struct member *, struct span *);

#endif
