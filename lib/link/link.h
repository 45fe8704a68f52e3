/*
 * link.h - a link: a worker whose process() is elsewhere.
 *
 * Runs in: link, a process that the fork server forks in the place of a worker.
 * To the caller it is a worker with more to do at a time; it runs the command
 * of a host and carries chunks to the agent there, and answers back.
 *
 *	caller == pipes, slot == link == the command's stdin, stdout == agent
 *
 * An item that a link has taken is never marked as begun: if the link dies, all
 * of its items are requeued, and none is blamed.
 *
 * Easy to get wrong: the link waits for the caller, for the command and for the
 * clock at once, so that it never stops telling the agent that it is there.
 */
#ifndef LINK_H
#define LINK_H

#include "worker/worker.h"

/* Runs a link for the host of its slot until the caller stops it, or either end
   is gone. */
_Noreturn void link_main(const struct worker_life *);

#endif
