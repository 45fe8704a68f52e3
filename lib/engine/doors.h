/*
 * doors.h - machines that join: the pool's socket, and links that wait there.
 *
 * Runs in: caller.  A door is a host without a command.  Its link accepts a
 * connection and tells so; the caller then opens another door, so that there
 * is a link for the next machine while there are places for hosts.  When a
 * machine leaves or is lost, its place is a door again.
 */
#ifndef DOORS_H
#define DOORS_H

#include "os/door.h"
#include "wire/frame.h"

struct engine;
struct member;

struct doors {
	struct door door;
};

/* Opens the socket, and adds the first door.  Returns 0, or -errno and sets the
   error text. */
int doors_open(struct engine *);

/* Closes the descriptor, once the fork server has it. */
void doors_hand_over(struct engine *);

/* A link has sent a KNOCK.  Returns 0 or -EPROTO. */
int doors_knock(struct engine *, struct member *, const struct frame *);

/* Adds a door if none waits.  To be called when a machine has joined or left.
   Without memory or places there is none until the next call. */
void doors_watch(struct engine *);

/* Closes the socket; foreign: in a process that does not own the pool, which
   leaves the path. */
void doors_close(struct engine *, bool foreign, void (*close)(int *fd));

#endif
