/*
 * guest.h - an agent that joins: it comes to the door of the pool, and is let
 * in or told why not.
 *
 * Runs in: link, which stands for the machine once its agent has been let in.
 * The connection takes the place of a command's standard input and output.
 */
#ifndef GUEST_H
#define GUEST_H

#include "link/caller.h"
#include "link/command.h"

/*
 * Waits at the door until an agent has come that can serve as a worker of that
 * name, and makes its connection that of the command, which has none.  Blocks.
 * A connection has 10 seconds for its greeting.  Sends a KNOCK to the caller
 * for each connection, and then another with the name of the guest's machine.
 * Returns 0, or -errno with words.
 */
int guest_await(struct command *, int door, const char *name, struct caller *,
    struct greeting *, struct words *);

#endif
