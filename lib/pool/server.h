/*
 * server.h - the caller's handle on its fork server.
 *
 * Runs in: caller.  Forks it, sends it orders, takes its news, sees it end.
 * Orders that do not go at once wait in a queue; nothing here ever blocks.
 *
 * A fork server that is slow is not dead.  It answers nobody while it forks,
 * which takes seconds with a large heap, or while the kernel holds it.  So
 * time in which it owes an answer counts as silence by what it is at:
 *
 *	stopped, or asleep			all of it
 *	asleep in a fork, or at its end		a twelfth
 *	running, or held by the kernel		none; at its end a twelfth
 *
 * Easy to get wrong: the host may reap the fork server before us, or ignore
 * SIGCHLD; then "no such child" means that it is gone.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/words.h"
#include "forkserver/forkserver.h"
#include "os/sys.h"
#include "wire/notice.h"

enum server_state {
	SERVER_NONE,		/* not forked (yet) */
	SERVER_RUNNING,
	SERVER_ENDING,		/* told to end all, not yet gone */
	SERVER_GONE		/* dead and reaped, by whomever */
};

struct server {
	enum server_state state;
	int socket;		/* -1: closed */
	int pidfd;		/* -1: none to be had */
	struct sys_file file;	/* that it is */
	pid_t pid;
	struct notice *queue;	/* orders not yet sent */
	size_t count, room;
	const struct slots *slots; /* where it says that it is busy */
	uint64_t spent;		/* ns of silence while it owed an answer, */
	uint64_t step;		/* and ns that are yet to be judged */
	uint64_t seen_at;	/* when that was last counted */
	uint64_t ticks;		/* CPU time it had when it was last looked at */
	bool answered;		/* it has, once at least */
	bool pinged;		/* and has not been heard since */
	bool spare;		/* it is to keep one */
	int left_over;		/* what ENDED said: 0, or ETIMEDOUT */
	int naps;		/* looks that have found it asleep in a row,
				   while it prepares */
};

/*
 * Flushes stdio and forks it, with room for orders to so many slots.  In the
 * child this does not return.  0, or -errno and words.
 */
int server_start(struct server *, struct plan *, struct slots *,
    struct words *);

/* Orders.  They cannot fail: there is room for all that can be open.  A second
   worker in a place is a replacement: from then on a spare is kept. */
void server_hire(struct server *, uint32_t slot, uint32_t generation,
    int index);
void server_kill(struct server *, uint32_t slot, uint32_t generation);
void server_end(struct server *);

/* Has it keep a spare worker from now on, or none any more, when no more are
   hired.  Said once each. */
void server_spare(struct server *, bool keep);

/* Is it through with what it does first? */
bool server_prepared(const struct server *);

/* Does it wait for ever for a lock of the C library's?  Another thread of the
   host had that when this one forked, and is not there to give it back.  To be
   asked every few ms while it is not prepared. */
bool server_is_stuck(struct server *);

/* Asks it to say something, if it has not been asked since it last did.  An
   order to kill asks as well. */
void server_ping(struct server *);

/* Sends what is queued: true when all is out. */
bool server_flush(struct server *);

/* The next news: 1, 0 none now, -EPIPE when it is dying; -EMFILE or -ENOMEM
   as notice_receive(), the notice being whole.  fds are registered, and the
   receiver's to drop. */
int server_receive(struct server *, struct notice *, int fds[NOTICE_FDS]);

/* Has it been silent for longer than it may while it owes an answer?  Counted
   in short steps, so that a stopped machine or Ctrl-Z costs one step only;
   from anew when it has said anything or owes none.  ending: the pool is
   closed, and all has a bound. */
bool server_overdue(struct server *, bool owes, bool ending, uint64_t now);

/* The same for its end, which is to come; bound: how long it may be silent. */
void server_expect_end(struct server *);
bool server_outlasts(struct server *, uint64_t bound, uint64_t now);

/* Kills a worker of its by number, which may mean another process by now, or
   none: only one in the session that it has made for the pool.  A worker that
   has changed its user does not die with it. */
void server_kill_worker(struct server *, pid_t);

/* Reaps it if it has ended: true when it is gone. */
bool server_reap(struct server *);

/* Kills it, which kills its workers; it is to be reaped then. */
void server_shoot(struct server *);

/* Closes and frees what is left; it is gone or was never there. */
void server_release(struct server *);

#endif
