/*
 * command.h - a command that leads to another machine: ssh, srun and the like.
 *
 * Runs in: link.  The command's standard input and output are the connection to
 * the agent.  Lines of its standard error are passed on to this process's, each
 * with the host's name before it, once the agent has greeted; the last of them
 * say why it did not.
 *
 * Easy to get wrong: nothing is written to the command before the greeting, as
 * a shell over there would take it for input.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/words.h"
#include "wire/greeting.h"
#include "wire/machine.h"

struct command {
	char **arguments;	/* a NULL ends them; owned.  Of a door: the
				   name of the host */
	bool door;		/* there is no command: an agent is to join */
	const char *name;	/* of the host, for people */
	struct machine machine;	/* as the caller has described it, in */
	void *memory;		/* owned */
	int in, out, errors;	/* its standard output, input and error; -1:
				   closed */
	bool loud;		/* lines are passed on */
	char line[512];		/* the last line of standard error, */
	size_t length;		/* its bytes so far, */
	bool whole;		/* and whether it has ended */
	char said[400];		/* text before the greeting, or instead */
	size_t said_length;
};

/* Starts the command of a HOST frame with that body, if there is one.  Returns
   0, or -errno with words. */
int command_start(struct command *, const void *body, size_t size,
    struct words *);

/* Reads standard error once.  Does not block.  Closes it at its end. */
void command_hear(struct command *);

/* Reads the rest of standard error, when standard output has ended.  Waits
   200 ms at most after each line, and a second in all. */
void command_hear_rest(struct command *);

/*
 * Waits for the agent's greeting, for a worker of that name, and checks that
 * the agent can be understood.  Blocks until deadline, by the monotonic clock.
 * Returns 0, or -errno with words that say what came instead.
 */
int command_greet(struct command *, const char *name, uint64_t deadline,
    struct greeting *, struct words *);

#endif
