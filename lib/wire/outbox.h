/*
 * outbox.h - frames that wait until a descriptor takes their bytes.
 *
 * Runs in: link and agent, each for its own end of their connection.
 */
#ifndef OUTBOX_H
#define OUTBOX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "wire/frame.h"

struct outbox {
	struct buf frames;	/* of which */
	size_t written;		/* bytes are written */
	uint64_t total;		/* bytes written since the beginning */
};

/* Makes an empty outbox.  Allocates nothing. */
void outbox_init(struct outbox *);

/* Returns a pointer to size bytes behind the frames, to be filled in; NULL
   without memory.  Invalid after the next call. */
void *outbox_add(struct outbox *, size_t size);

/* Adds a frame.  Returns 0 or -ENOMEM. */
int outbox_tell(struct outbox *, enum frame_kind, const void *body,
    size_t size);

/* Returns the bytes that are not written. */
static inline size_t outbox_left(const struct outbox *o)
{
	return o->frames.len - o->written;
}

/* Writes once.  Returns the bytes written, or as sys_write(). */
ssize_t outbox_write(struct outbox *, int fd);

#endif
