/*
 * spawn.h - the fork of a worker, with the pipes to the caller.
 *
 * Runs in: fork server; the new process leaves it for worker_main().
 *
 * Easy to get wrong: the caller's end of the task pipe must be open for reading
 * too, so that a write never meets a pipe without readers, which would raise
 * SIGPIPE in the host; and no other process may be forked while a spare waits,
 * because its copies of the spare's pipe ends would stay open.
 */
#ifndef SPAWN_H
#define SPAWN_H

#include <sys/types.h>

#include "wire/notice.h"

struct forkserver;

/* Forks a worker with pipes of its own.  order: the HIRE notice it serves, or
   NULL: it sleeps until a HIRE notice is written to its task pipe.  Returns its
   pid and sets fds to the caller's ends, or returns -errno. */
pid_t spawn_worker(struct forkserver *, const struct notice *order,
    int fds[NOTICE_FDS]);

#endif
