/*
 * away.h - the items that a link has shipped to its machine and that are not
 * answered, as spans in the member's list before its leases.
 *
 * Runs in: caller.  A link ships the items of its leases in order, and says END
 * when a lease has no further item: the items that are left of it are away
 * then.  The machine answers items as they finish.  Each has a number, by which
 * both sides name it: of the items shipped by that link, counted from 0.
 *
 * Easy to get wrong: the number in an answer comes from another machine; no
 * item may be answered twice.
 */
#ifndef AWAY_H
#define AWAY_H

#include "pool/crew.h"

struct window;

/* Finds the item of number m->next, which is away or may be in the first lease,
   and makes it the first of its span: items before it become a span of their
   own.  Sets *at to the place in the list that points to the span.  Returns 0;
   -EPROTO if no such item is to be answered; or -ENOMEM. */
int away_seek(struct crew *, struct window *, struct member *,
    struct span ***at);

/* Drops the span at a place of the list if it is away and has no item left. */
void away_tidy(struct crew *, struct window *, struct member *,
    struct span **at);

/* The first lease has ended: what is left of it is away.  All its items must be
   before its limit. */
void away_ship(struct crew *, struct window *, struct member *);

/* Returns the number of the item, which was shipped, in such a span. */
uint64_t away_number(const struct span *, uint32_t item);

#endif
