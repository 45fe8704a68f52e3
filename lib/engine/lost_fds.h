/*
 * lost_fds.h - descriptors of the pool that the host has closed.
 *
 * Runs in: caller.  Code that makes a daemon closes all descriptors it has not
 * opened, or some from 3 on.  A number of the pool's may then refer to a file
 * of the host's.  So a lost descriptor breaks the pool, and after that no
 * number is written to or closed unless it is known to refer to the same file
 * as before.
 *
 * A check costs a system call, so it is made where that is cheap: of a
 * descriptor that stands for all, when the host was away for longer than
 * closing takes; of a member's pipes every few ms, before they are written to;
 * and of all, after a call that has failed as if they were lost.
 *
 * Easy to get wrong: once the pool is broken its descriptors must not be read
 * or written, not even in the same turn.
 */
#ifndef LOST_FDS_H
#define LOST_FDS_H

#include <stdbool.h>
#include <stdint.h>

#include "os/sys.h"
#include "pool/crew.h"

struct engine;

struct lost_fds {
	int mark;		/* a descriptor that is lost if most are, or -1;
				   keeps its number after the descriptor was
				   dropped */
	struct sys_file mark_file, wake_file;
	uint64_t left_at;	/* time at which the last turn ended, ns */
	uint64_t looked_at;	/* time of the last check of it, ns */
	bool most;		/* most are lost, so the others cannot be told
				   from files of the host's */
};

/* Records the descriptors to check; called when all exist, and again with a new
   fork server. */
void lost_fds_mark(struct engine *);

/* If the host was away since the last turn: checks, and breaks the pool if most
   of its descriptors are lost. */
void lost_fds_look(struct engine *, uint64_t now);

/* Called when a system call has failed, and before the end: checks the pool's
   own descriptors, not the members' pipes.  Returns true if the pool is broken
   because of lost descriptors; breaks it if that is new. */
bool lost_fds_any(struct engine *);

/* Checks the timer of the poller.  Returns true if it is lost; the pool is then
   broken, and the timer's number is left alone. */
bool lost_fds_timer(struct engine *);

/* Records the files of the pipes of a member that has just been welcomed. */
void lost_fds_note(struct member *);

/* Checks the pipes of a member.  Returns true if they are lost; the pool is
   then broken.  The second function skips the check, and its cost, if the last
   check is recent. */
bool lost_fds_pipes(struct engine *, struct member *, uint64_t now);
bool lost_fds_before_write(struct engine *, struct member *);

/* Called before the pool's descriptors are closed: leaves those open that may
   be the host's by now. */
void lost_fds_leave(struct engine *);

/* Wakes the wait, if the eventfd is still the same file.  May be called in any
   thread and in signal handlers. */
void lost_fds_wake(const struct engine *);

#endif
