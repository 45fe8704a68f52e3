/*
 * lost_fds.h - descriptors of the pool that the host has closed.
 *
 * Runs in: caller.  Code that makes a daemon closes all it has not opened, or
 * some from 3 on.  A number of ours may mean a file of the host's then, so what
 * is found to be lost breaks the pool, and nothing is written or closed by
 * number any more that is not known to be what it was.
 *
 * What a number stands for costs a system call, so it is looked at where that
 * is cheap: one descriptor for all, when the host was away for longer than it
 * takes to close one; a member's pipes every few ms, before they are written
 * to; and all, after a call that has failed as if they were lost.
 *
 * Easy to get wrong: once the pool is broken nothing may be written to or read
 * from its descriptors, not even in the same turn.
 */
#ifndef LOST_FDS_H
#define LOST_FDS_H

#include <stdbool.h>
#include <stdint.h>

#include "os/sys.h"
#include "pool/crew.h"

struct engine;

struct lost_fds {
	int mark;		/* a descriptor that is lost if most are, or -1:
				   once set it stays as it is, and so do */
	struct sys_file mark_file, wake_file;
	uint64_t looked_at;	/* when that was last looked at */
	bool most;		/* are, so the rest cannot be told from files
				   of the host's */
};

/* All there is to be lost is there. */
void lost_fds_mark(struct engine *);

/* If the host was away since the last turn: breaks the pool if most of its
   descriptors are lost. */
void lost_fds_look(struct engine *, uint64_t now);

/* A call has failed: is it for a descriptor of the pool as a whole?  Then the
   pool is broken. */
bool lost_fds_any(struct engine *);

/* Notes which pipes a member that has just been welcomed has. */
void lost_fds_note(struct member *);

/* Are pipes of a member lost?  Then the pool is broken.
   The same where it was looked at not long ago, which costs nothing. */
bool lost_fds_pipes(struct engine *, struct member *, uint64_t now);
bool lost_fds_before_write(struct engine *, struct member *);

/* Before the pool's descriptors are closed: gives up those that may be the
   host's by now. */
void lost_fds_leave(struct engine *);

/* Wakes the wait, if the counter is what it was.  In any thread, in signal
   handlers too. */
void lost_fds_wake(const struct engine *);

#endif
