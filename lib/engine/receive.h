/*
 * receive.h - frames of workers -> results.
 *
 * Runs in: caller.
 */
#ifndef RECEIVE_H
#define RECEIVE_H

#include <stdint.h>

#include "items/span.h"

struct engine;
struct member;

/* Reads once from a member and settles what came: 1, 0 if nothing came, or
   -ENOMEM. */
int receive_read(struct engine *, struct member *, uint64_t now);

/* Takes what a member's ring is ahead of its pipe: 1 if anything, 0, or
   -ENOMEM. */
int receive_ring(struct engine *, struct member *, uint64_t now);

/* The oldest span of a member is done up to a number, its outputs being in
   their place: they are copied to the caller's array, and nobody has to take
   them.  0, -ENOMEM; -EPROTO if they have no place, or the number is none. */
int receive_done(struct engine *, struct member *, uint32_t next);


#endif
