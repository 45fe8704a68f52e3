/*
 * notice.h - a notice, the message between caller and fork server.
 *
 * Runs in: caller and fork server.  Each message is a struct on a socket that
 * keeps message boundaries; a HIRED notice carries descriptors.  Sending never
 * blocks: a notice that does not fit stays in the sender's queue.
 *
 * Easy to get wrong: workers are named by slot and generation, never by pid; a
 * pid in a notice is for people to read.
 */
#ifndef NOTICE_H
#define NOTICE_H

#include <stdbool.h>
#include <stdint.h>

enum notice_kind {
	NOTICE_HIRE = 1,	/* caller: fork a worker for this slot */
	NOTICE_KILL,		/* caller: end the worker, gently at first */
	NOTICE_END,		/* caller: kill all workers, then exit */
	NOTICE_PING,		/* caller: asks for a PONG */
	NOTICE_SPARE,		/* caller: keep a spare, or none */
	NOTICE_HIRED,		/* server: the worker runs; its descriptors */
	NOTICE_REFUSED,		/* server: the fork failed; error */
	NOTICE_HELD,		/* server: killed, but the worker lives on */
	NOTICE_DIED,		/* server: the worker is dead and reaped */
	NOTICE_PONG,		/* server: answers a PING */
	NOTICE_ENDED		/* server: no child is left (error 0), or
				   some */
};

/* Descriptors of a HIRED notice, in this order. */
enum notice_fd {
	NOTICE_RESULTS,		/* read end of the result pipe */
	NOTICE_TASKS,		/* the task pipe, to write (and read) */
	NOTICE_READER,		/* its read end, if TASKS cannot read; -1 */
	NOTICE_ERRORS,		/* the file that captures stderr; -1 */
	NOTICE_FDS
};

struct notice {
	int32_t kind;
	uint32_t slot;
	uint32_t generation;
	int32_t index;		/* HIRE: vm_context.worker_index; SPARE: 0 for
				   no spare */
	int32_t pid;		/* HIRED, HELD, DIED */
	int32_t status;		/* DIED: as of wait(2); HELD: SIGKILL */
	int32_t error;		/* REFUSED: errno; ENDED: errno, or 0 */
	uint32_t with;		/* a bit for each descriptor that travels */
	int32_t ordered;	/* DIED, HELD: not 0: after an order to end
				   it */
	int32_t reserved;
	uint64_t max_rss;	/* DIED: bytes */
	uint64_t cpu_ns;	/* DIED: CPU time of the worker */
	uint64_t died_at;	/* DIED: monotonic time in ns; HELD: of
				   notice */
};

/* Sends a notice without blocking, with descriptors if fds is not NULL; they
   stay open here.  Returns 0, -EAGAIN or -errno. */
int notice_send(int socket, struct notice *, const int fds[NOTICE_FDS]);

/* Receives a notice without blocking.  Returns 1; 0 if there is none now;
   -EPIPE at the end; -EPROTO for a wrong size; -EMFILE if some descriptors
   could not be received; or -errno.  Sets fds to the received descriptors,
   which the receiver then owns, or -1. */
int notice_receive(int socket, struct notice *, int fds[NOTICE_FDS]);

#endif
