/*
 * session.h - a worker's first and last words.
 *
 * Runs in: caller.
 */
#ifndef SESSION_H
#define SESSION_H

#include <stdint.h>

#include "wire/frame.h"

struct engine;
struct member;

/* Handles a HELLO, an UNFIT, a KNOCK, a LEAVING, or the outcome of a teardown,
   which the member's session allows.  Returns 0, -ENOMEM or -EPROTO. */
int session_heed(struct engine *, struct member *, const struct frame *,
    uint64_t now);

#endif
