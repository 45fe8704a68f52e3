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
   frames; and takes the outputs in its array that it has not reported.  Returns
   1, 0 if there are none, or -ENOMEM. */
int receive_ring(struct engine *, struct member *, uint64_t now);

/* Reads all results that a dead worker had finished: from its pipe, then from
   its ring, then the outputs that it wrote into its array without a report.
   Returns 0; -ENOMEM; or -EBADF if the program has closed its pipes: then the
   pool is broken, and results in a pipe that is lost are not read. */
int receive_rest(struct engine *, struct member *, uint64_t now);

#endif
