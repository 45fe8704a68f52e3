/*
 * peer.h - the agent as its link sees it: a command's pipes, frames that wait,
 * and the times by which a silent agent is known.
 *
 * Runs in: link.  No function here blocks.
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "link/command.h"
#include "shm/slot.h"
#include "wire/channel.h"
#include "wire/far.h"
#include "wire/outbox.h"

struct peer {
	struct command command;
	struct channel channel;	/* its answers */
	struct outbox out;	/* frames for it */
	uint64_t silence_ns;	/* bound on silence */
	uint64_t heard_at;	/* time of its last bytes, ns */
	uint64_t told_at;	/* when it was written to */
	uint64_t pinged_at;	/* time of the last PING, */
	unsigned pings;		/* and those that are not answered */
	struct slot_traffic traffic;
};

/* Begins to count the time of an agent that has greeted. */
void peer_open(struct peer *, uint64_t silence_ns);

/* Queues a BEGIN frame.  Returns 0 or -ENOMEM. */
int peer_begin(struct peer *, const struct begin_told *);

/* Reads a BEGUN or WORKERS frame.  Returns 0, or -EPROTO if the number is not
   possible. */
int peer_crew(const struct peer *, const struct frame *, struct far_begun *);

/* Queues a frame.  Returns 0 or -ENOMEM. */
int peer_tell(struct peer *, enum frame_kind, const void *body, size_t size);

/* Queues a PING.  Returns 0 or -ENOMEM. */
int peer_ping(struct peer *);

/* Pings if the connection was not measured for MEASURE_NS.  Returns 0 or
   -ENOMEM. */
int peer_measure(struct peer *);

/* Writes queued frames once.  Closes the pipe if nobody reads it. */
void peer_write(struct peer *);

/* Reads answers once.  Returns as channel_fill(). */
int peer_fill(struct peer *);

/* The answer to a PING has come.  The shortest time is that of the connection:
   an answer may wait behind others. */
void peer_ponged(struct peer *);

/* Returns the time of the next ping, or of the end of a silent agent.  No ping
   is due behind unwritten bytes. */
uint64_t peer_wake_at(const struct peer *);

/* Pings if a ping is due.  Returns 0, -ENOMEM, or -ETIMEDOUT if the agent is
   silent.  heeding: its answers are read now; otherwise its silence is the
   link's doing. */
int peer_mind_clock(struct peer *, bool heeding);

#endif
