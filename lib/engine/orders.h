/*
 * orders.h - what links are told beside chunks: items to end or to give back.
 *
 * Runs in: caller.  Orders wait in the host until the frames of the last are
 * written.
 */
#ifndef ORDERS_H
#define ORDERS_H

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct host;
struct member;

/* Has a link end the item of that number among those it has shipped, or has
   taken to ship next (pool/away.h).  Returns false if it must be asked again
   later. */
bool orders_cancel(struct engine *, const struct member *, uint64_t item);

/* Has the host's link give back the items that were not begun; running: and end
   those that run. */
void orders_recall(struct engine *, struct host *, bool running);

/* Returns now if orders can be queued, else NEVER. */
uint64_t orders_alarm(const struct engine *, uint64_t now);

/* Queues the orders of all hosts, as far as they can be.  Returns 0. */
int orders_run(struct engine *, uint64_t now);

#endif
