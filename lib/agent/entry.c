/*
 * entry.c - vm_agent(): a program that was started as an agent or as a relay.
 *
 * Runs in: agent and relay, the processes that a command starts.
 *
 * Easy to get wrong: nothing but frames may be written to standard output.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/relay.h"
#include "base/base.h"
#include "os/cpus.h"
#include "os/streams.h"
#include "os/sys.h"
#include "wire/far.h"
#include "worker/exit.h"

/* Time until the link that has started the command says what it wants; an agent
   has no other way to notice that the link's machine is gone. */
#define PATIENCE_NS (30000 * MS_IN_NS)

/* Standard input and output belong to the link; hooks see neither. */
static bool take_over_streams(struct agent_line *l)
{
	l->in = sys_copy(0);
	l->out = sys_copy(1);
	if (l->in < 0 || l->out < 0 || !streams_end_stdin())
		return false;
	return sys_dup_onto(2, 1) >= 0 && sys_nonblock(l->in) == 0 &&
	    sys_nonblock(l->out) == 0;
}

void vm_agent(int argc, char **argv, const struct vm_worker *table,
    size_t count)
{
	struct agent_line line = {
		.report = -1,
		.patience_ns = PATIENCE_NS,
	};

	/* The last arguments may be those of a command that leads to one. */
	if (argc == 3 && strcmp(argv[1], FAR_RELAY) == 0)
		relay_run(argv[2]);
	line.tree = argc >= 2 && strcmp(argv[argc - 1], FAR_TREE) == 0;
	if (argc < 2 || (!line.tree &&
	    strcmp(argv[argc - 1], FAR_AGENT) != 0))
		return;
	line.workers = cpus_usable("");
	if (!take_over_streams(&line))
		exit_leave(EXIT_FAILURE);
	agent_serve(&line, table, count);
}
