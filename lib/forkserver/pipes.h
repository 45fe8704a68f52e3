/*
 * pipes.h - the descriptors a new worker shares with the caller.
 *
 * Runs in: fork server.  Made before the worker is forked; each side closes
 * what is the other's.
 *
 * Easy to get wrong: the caller's end of the task pipe must be able to read
 * too, so that it never meets a pipe without readers, which would mean
 * SIGPIPE in the host.
 */
#ifndef PIPES_H
#define PIPES_H

#include <stdbool.h>

#include "wire/notice.h"

struct pipes {
	int tasks[2], results[2]; /* read and write end */
	int both;		/* the task pipe, to read and write, or -1 */
	int errors;		/* a file for its stderr, or -1 */
};

/* Makes them: 0; -errno and none is open.  Where files in memory are unknown
   stderr is not captured. */
int pipes_make(struct pipes *, bool capture);

/* Closes all that are still open. */
void pipes_close(struct pipes *);

/* Moves what is the caller's out, as a HIRED notice carries it, and closes
   the rest. */
void pipes_give(struct pipes *, int fds[NOTICE_FDS]);

#endif
