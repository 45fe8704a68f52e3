/*
 * agent.h - an agent: the process that serves a link of a pool on another
 * machine, by a pool of its own.
 *
 * Runs in: agent.
 */
#ifndef AGENT_H
#define AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vimap.h"

/* The connection to a link. */
struct agent_line {
	int in, out;		/* above 2; they do not block */
	int workers;		/* if the link leaves the number to the agent */
	bool tree;		/* it may name machines, whose commands the
				   agent runs */
	int report;		/* pipe that gets an enum agent_end in a byte,
				   and up to AGENT_TEXT bytes of words; -1:
				   none */
	uint64_t patience_ns;	/* for the link's first frame; NEVER: no
				   bound */
};

/* How it ended. */
enum agent_end {
	AGENT_SERVED = 1,	/* the pool is done */
	AGENT_LOST,		/* the pool or the connection was lost */
	AGENT_REFUSED		/* the link, or the agent, says why */
};

#define AGENT_TEXT 500

/* Greets, serves with these workers until the pool has ended or the connection
   is lost, and exits.  A process does this once. */
_Noreturn void agent_serve(const struct agent_line *, const struct vm_worker *,
    size_t count);

#endif
