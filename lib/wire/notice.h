/*
 * notice.h - what caller and fork server say to each other.
 *
 * Runs in: caller and fork server.  One message is one struct on a socket
 * that keeps message boundaries; a HIRED notice carries descriptors.  Neither
 * side ever waits to send: what does not go stays with its owner.
 *
 * Easy to get wrong: workers are named by slot and generation, never by pid;
 * a pid in a notice is for people to read.
 */
#ifndef NOTICE_H
#define NOTICE_H

#include <stdbool.h>
#include <stdint.h>

enum notice_kind {
	NOTICE_HIRE = 1,	/* caller: fork a worker for this slot */
	NOTICE_KILL,		/* caller: end it, gently at first */
	NOTICE_END,		/* caller: kill all, then end yourself */
	NOTICE_PING,		/* caller: are you there? */
	NOTICE_SPARE,		/* caller: keep a spare worker, or none */
	NOTICE_HIRED,		/* server: it runs; with its descriptors */
	NOTICE_REFUSED,		/* server: it could not be forked; error */
	NOTICE_HELD,		/* server: it was killed and does not die */
	NOTICE_DIED,		/* server: it is dead and reaped */
	NOTICE_PONG,		/* server: I am */
	NOTICE_ENDED		/* server: all are gone (error 0), or not */
};

/* Descriptors of a HIRED notice, in this order. */
enum notice_fd {
	NOTICE_RESULTS,		/* read end of the result pipe */
	NOTICE_TASKS,		/* the task pipe, to write (and read) */
	NOTICE_READER,		/* its read end, if TASKS cannot read; -1 */
	NOTICE_ERRORS,		/* the file its stderr goes to; -1 */
	NOTICE_FDS
};

struct notice {
	int32_t kind;
	uint32_t slot;
	uint32_t generation;
	int32_t index;		/* HIRE: vm_context.worker_index; SPARE: 0 if
				   there is to be none */
	int32_t pid;		/* HIRED, HELD, DIED */
	int32_t status;		/* DIED: as wait(2) gives it; HELD: will give */
	int32_t error;		/* REFUSED: errno; ENDED: of what is left */
	uint32_t with;		/* a bit for each descriptor that travels */
	int32_t ordered;	/* DIED, HELD: not 0: we had ended it */
	int32_t reserved;
	uint64_t max_rss;	/* DIED: bytes */
	uint64_t cpu_ns;	/* DIED: CPU time it had */
	uint64_t died_at;	/* DIED: by the monotonic clock; HELD: now */
};

/* Sends one, with descriptors if fds is not NULL (they stay open here):
   0, -EAGAIN, -errno. */
int notice_send(int socket, struct notice *, const int fds[NOTICE_FDS]);

/* Takes one: 1; 0 none now; -EPIPE at the end; -EPROTO for nonsense; -EMFILE
   if it is whole but descriptors did not fit.  fds: what came, else -1. */
int notice_receive(int socket, struct notice *, int fds[NOTICE_FDS]);

#endif
