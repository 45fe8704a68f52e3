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
	struct poller poller;	/* epoll set of all descriptors waited for */
	uint32_t socket_events, pidfd_events, wake_events;
	int wake;		/* eventfd that vm_cancel() writes to */
	struct spin spin;	/* busy wait while a single chunk is in
				   flight */
	bool deaf;		/* no member, or a single member, is read in
				   this turn */
	struct member *heard;	/* the member that is read; NULL: all are */
	struct member *only;	/* the member chosen while too many results are
				   held */
	bool muted;		/* members with unread results are left out of
				   the poller until the choice changes */
};

/* Opens the poller and the eventfd.  Returns 0 or -errno. */
int listening_open(struct engine *);

/* May this member's results be read in this turn? */
bool listening_hears(const struct engine *, const struct member *);

/* Passes r >= 0 through.  If a wait failed with -errno, sets the error text and
   returns it; or returns 0 if the pool is broken because of descriptors that
   the host has closed. */
int listening_failed(struct engine *, int r);

#endif
