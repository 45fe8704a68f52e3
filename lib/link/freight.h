/*
 * freight.h - the items of a link: taken from leases, shipped to the agent as
 * far as the credit goes, and answered in any order.
 *
 * Runs in: link.  Frames for the agent are queued; what the caller is told is
 * staged, which waits while the result pipe is full.  Functions return 0,
 * -ENOMEM if a frame has no room, or another -errno if the caller has ended or
 * broken the protocol, where nothing else is said.
 *
 * Easy to get wrong: an order of the caller to end items may name items that
 * were taken and not shipped.  They are shipped before the order is passed on,
 * beyond the credit, as only the agent can end them.
 */
#ifndef FREIGHT_H
#define FREIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "link/caller.h"
#include "link/credit.h"
#include "link/peer.h"
#include "link/tasks.h"
#include "shm/slot.h"

struct freight {
	struct slot *slot;	/* has the leases; of the worker, */
	unsigned char *inputs;	/* as are these, where chunks are placed */
	struct caller *caller;
	struct peer *agent;
	struct tasks tasks;
	struct credit credit;
	uint64_t next;		/* number of the item of the next answer, among
				   those shipped */
	bool stopping;		/* the caller has said STOP, */
	bool stopped;		/* and the agent was told */
};

/* Begins with no items, for an agent with that number of workers.  inputs: the
   shared inputs of the slot, NULL if it has none.  Keeps all pointers. */
void freight_open(struct freight *, struct slot *, unsigned char *inputs,
    struct caller *, struct peer *, uint32_t workers);

/* The agent has another number of workers. */
void freight_resize(struct freight *, uint32_t workers);

/* Adds the chunk of a CHUNK frame, or an item of the newest chunk. */
int freight_add_chunk(struct freight *, const struct frame *);
int freight_add_item(struct freight *, const struct frame *);

/* The caller has said STOP: all items are shipped, whatever the credit, and
   then the agent is told. */
void freight_stop(struct freight *);

/* Ships all items for which there is credit, and reports to the caller which
   chunks have no further item to ship. */
int freight_ship(struct freight *);

/* Pass on a CANCEL frame, all of whose items were taken, or a RECALL frame. */
int freight_cancel(struct freight *, const struct frame *);
int freight_recall(struct freight *, const struct frame *);

/* The next answer is of that item, by the agent's word. */
void freight_seek(struct freight *, uint64_t item);

/* Counts an answer.  Returns 0, or -EPROTO if no such item is on its way. */
int freight_answer(struct freight *);

/* Returns the number of items that the agent has not answered. */
uint64_t freight_in_flight(const struct freight *);

/* Has the agent been told to stop, and answered all items? */
bool freight_is_done(const struct freight *);

#endif
