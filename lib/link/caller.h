/*
 * caller.h - the caller as a link sees it: the task pipe, and the stream of
 * results.
 *
 * Runs in: link.  Functions that send return 0, or -errno if the pool has
 * ended; they block only through stream.full.
 */
#ifndef CALLER_H
#define CALLER_H

#include <stddef.h>

#include "wire/channel.h"
#include "wire/frame.h"
#include "worker/outstream.h"
#include "worker/worker.h"

/* Bytes of a text that an agent or a command has written. */
#define CALLER_TEXT 1024

struct caller {
	struct channel tasks;	/* the task pipe */
	struct outstream stream; /* staged in the slot */
};

/* Takes over the pipes of a link.  full: waits until the result pipe has room.
   Returns 0 or -errno. */
int caller_open(struct caller *, const struct worker_life *,
    void (*full)(void));

/* Stages a frame with a body of fixed layout. */
int caller_tell(struct caller *, enum frame_kind, const void *body,
    size_t size);

/* Sends a text of CALLER_TEXT bytes at most as a failure, and all that is
   staged. */
int caller_tell_failure(struct caller *, enum frame_kind, int code,
    const char *text, size_t size);

/* Stages the frame of an answer.  A large output goes into shared memory, if
   there is room. */
int caller_pass_on(struct caller *, unsigned char *frame, size_t length);

/* Sends all that is staged. */
int caller_flush(struct caller *);

#endif
