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

/* Reads once from a member's pipe, without blocking, and handles the frames.
   Returns 1, 0 if no byte came, or -ENOMEM. */
int receive_read(struct engine *, struct member *, uint64_t now);

/* Copies the bytes that a member's ring is ahead of its pipe, and handles the
   frames.  Returns 1, 0 if there are none, or -ENOMEM. */
int receive_ring(struct engine *, struct member *, uint64_t now);

/* The items before number "next" in the oldest span of a member are done, and
   their outputs are in its array in shared memory: copies them to the caller's
   array, and counts them as taken.  Returns 0; -ENOMEM; or -EPROTO if the span
   has no such array or the number is invalid. */
int receive_done(struct engine *, struct member *, uint32_t next);


#endif
