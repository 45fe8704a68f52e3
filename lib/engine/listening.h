/*
 * listening.h - the descriptors a pool waits for, and whose results are read.
 *
 * Runs in: caller.  Above the bound on held result bytes a turn reads no
 * member, or a single member (dispatch_only()).
 */
#ifndef LISTENING_H
#define LISTENING_H

#include <stdbool.h>
#include <stdint.h>

#include "os/poller.h"
#include "os/spin.h"

struct engine;
struct member;

struct listening {
	struct poller poller;	/* all descriptors waited for, of which */
	uint32_t socket_events, pidfd_events, wake_events;
	int wake;		/* eventfd: vm_cancel() */
	struct spin spin;	/* while a single chunk is in flight */
	bool deaf;		/* no member is read in this turn, or only */
	struct member *heard;	/* this member; NULL: all are */
	struct member *only;	/* while results are too many: read only it */
	bool muted;		/* members with something to say are left out
				   of the poller until that changes */
};

/* Opens the poller and the eventfd: 0 or -errno. */
int listening_open(struct engine *);

/* May this member's results be read in this turn? */
bool listening_hears(const struct engine *, const struct member *);

/* Passes r >= 0 through.  For -errno of a wait sets words and returns it, or
   returns 0 if the pool is broken for descriptors that the host has closed. */
int listening_failed(struct engine *, int r);

#endif
