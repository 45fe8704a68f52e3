/*
 * server.h - the caller's handle on its fork server.
 *
 * Runs in: caller.  Forks the fork server, sends it orders, receives its
 * notices and reaps it.  Orders that the socket does not take at once wait in a
 * queue; no function here blocks.
 *
 * A slow fork server is not dead.  It sends no answer while it forks, which
 * takes seconds with a large heap, or while the kernel holds it.  So the time
 * in which it owes an answer counts as silence by the state of its process:
 *
 *	stopped, or asleep			all of it
 *	asleep in a fork, or at its end		a twelfth
 *	running, or held by the kernel		none; at its end a twelfth
 *
 * Easy to get wrong: the host may reap the fork server before the library does,
 * or ignore SIGCHLD; then "no such child" means that it has ended.
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
	SERVER_ENDING,		/* told to end all workers, or has ended them;
				   not yet gone */
	SERVER_GONE		/* dead and reaped, by the library or the
				   host */
};

struct server {
	enum server_state state;
	int socket;		/* -1: closed */
	int pidfd;		/* -1: not available */
	struct sys_file file;	/* identity of the pidfd's file */
	pid_t pid;
	struct notice *queue;	/* queue of orders not yet sent */
	size_t count, room;
	const struct slots *slots; /* shared memory in which it says that it is
				      busy */
	uint64_t spent;		/* ns of silence while it owed an answer, */
	uint64_t step;		/* and ns that are not yet judged */
	uint64_t seen_at;	/* time of the last count */
	uint64_t ticks;		/* its CPU time when it was last looked at */
	bool answered;		/* has sent a notice at least once */
	bool pinged;		/* asked for an answer, and silent since */
	bool spare;		/* told to keep a spare worker */
	int left_over;		/* error of the ENDED notice: 0, or ETIMEDOUT */
	int naps;		/* consecutive looks that found it asleep while
				   it prepares */
};

/*
 * Flushes stdio and forks the fork server, which gets a copy of the descriptor
 * door, if it is not -1; allocates a queue of orders for all slots.  Does not
 * return in the child.  Returns 0, or -errno with words.
 */
int server_start(struct server *, struct plan *, struct slots *, int door,
    struct words *);

/* Queue orders.  They cannot fail: the queue has room for all orders that can
   be pending.  A second worker in a place is a replacement: from then on a
   spare is kept. */
void server_hire(struct server *, uint32_t slot, uint32_t generation,
    int index);
void server_kill(struct server *, uint32_t slot, uint32_t generation);
void server_end(struct server *);

/* Has the fork server keep a spare worker from now on, or, when no more workers
   are hired, none.  Sends an order only on a change. */
void server_spare(struct server *, bool keep);

/* Has the fork server finished its preparations? */
bool server_prepared(const struct server *);

/* Does the fork server wait for ever for a lock of the C library?  Another
   thread of the host held that lock during the fork, and does not exist in the
   child to release it.  To be called every few ms while it is not prepared. */
bool server_is_stuck(struct server *);

/* Asks the fork server for an answer, unless a request is pending.  An order to
   kill asks as well. */
void server_ping(struct server *);

/* Sends the queued orders without blocking.  Returns true when the queue is
   empty. */
bool server_flush(struct server *);

/* Receives the next notice.  Returns 1, 0 if none has come, -EPIPE when the
   fork server is dying; -EMFILE or -ENOMEM as notice_receive(), with a complete
   notice.  The descriptors in fds are registered in fdlist and owned by the
   caller of this function. */
int server_receive(struct server *, struct notice *, int fds[NOTICE_FDS]);

/* Has the fork server been silent too long while it owed an answer?  Time
   counts in short steps, so that a stopped machine or Ctrl-Z costs one step
   only; a notice, or a call without owes, resets the count.  ending: the pool
   is being closed, and every state of the process counts. */
bool server_overdue(struct server *, bool owes, bool ending, uint64_t now);

/* The same for the end of the fork server: expect_end starts the count,
   outlasts compares it with bound, in ns. */
void server_expect_end(struct server *);
bool server_outlasts(struct server *, uint64_t bound, uint64_t now);

/* Kills one of its workers by pid, which another process may have by now: only
   a process in the session that the fork server has made for the pool is
   killed. A worker that has changed its user is not killed. */
void server_kill_worker(struct server *, pid_t);

/* Reaps the fork server if it has ended.  Returns true when it is gone. */
bool server_reap(struct server *);

/* Kills the fork server, which ends its workers; it must be reaped then. */
void server_shoot(struct server *);

/* Closes the descriptors and frees the queue; the fork server must be gone or
   never have been forked. */
void server_release(struct server *);

#endif
