/*
 * links.h - other machines: joining, leaving and loss; answers that only links
 * give.
 *
 * Runs in: caller.  A link tells how a worker on its machine ended, and which
 * items it gives back.  The pool treats the first as it treats a death here,
 * and requeues the others.
 *
 * A machine that is lost costs no attempt of any item.  But an item may be the
 * cause: an item that was at max_losses lost machines is sent alone from then
 * on, and after as many losses more it fails as VM_LOST.
 */
#ifndef LINKS_H
#define LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vimap.h"
#include "wire/frame.h"

struct engine;
struct member;
struct span;

struct links {
	bool awaited;		/* a worker is needed before items come: an
				   agent must say that it has some */
	bool lacking;		/* it is needed, and no machine is there */
	uint64_t looked_at;	/* time of the last look, ns */
	uint64_t lacked_for;	/* time without a machine while it was needed,
				   ns */
};

/* ---- machines ---- */

/* Adds a host and gives it a place.  Returns its number, or -errno and sets the
   error text: -EINVAL, -ERANGE, -ENOMEM. */
int links_add(struct engine *, const struct vm_host *);

/* Adds a machine behind this by its record.  Returns as links_add(), or -EPROTO
   if the record is not possible. */
int links_add_machine(struct engine *, const unsigned char *record,
    size_t size);

/* Lets a host go when its present items have ended.  Returns 0, or -EINVAL and
   sets the error text. */
int links_remove(struct engine *, int number);

/* Describes the host of that number.  Returns 1, or 0 if there is none. */
int links_state(const struct engine *, int number, struct vm_host_state *);

/* Returns the time at which the lack of machines is to be counted; NEVER if it
   does not matter. */
uint64_t links_alarm(const struct engine *, uint64_t now);

/* Breaks the pool if items have waited for a machine for
   patience_ms.  Returns 0. */
int links_run(struct engine *, uint64_t now);

/* ---- a link's life ---- */

/* The link was forked: sends it its host's command. */
void links_begin(struct engine *, struct member *);

/* The link has no agent, for the reason of its UNFIT frame. */
void links_unfit(struct engine *, const struct member *,
    const struct failure *);

/* The link is dead: counts its items and records the reason.  To be called
   before its place is reset. */
void links_lost(struct engine *, const struct member *);

/* Counts the loss for the items that were on their way, and answers an item
   that was alone too often.  Returns the number of items on their way. */
size_t links_judge(struct engine *, struct member *);

/* The place was reset: gives it up if the host is to go. */
void links_left(struct engine *, struct member *);

/* ---- answers ---- */

/* Takes an OUTCOME about an item, a span of its own that has left its worker:
   answers it, or has it tried again. */
void links_died(struct engine *, struct span *, const struct frame *);

/* Is the OUTCOME possible for the item of that number among all inputs?  To be
   asked before links_died(). */
bool links_check(const struct engine *, const struct member *,
    const struct frame *, uint64_t seq);

/* Does the OUTCOME say that the item was ended, although nobody cancelled it?
   The order to end running items came behind it.  Such an item is returned. */
bool links_overtook(const struct engine *, const struct frame *,
    uint64_t seq);

/* Requeues the items of a span that its machine has given up; or answers them,
   if vm_cancel() or vm_cancel_item() covers them. */
void links_requeue(struct engine *, struct span *);

/* Was the link told to give back items?  Without that it could send an item to
   and fro for ever. */
bool links_may_return(const struct engine *, const struct member *);

/* Requeues an item, a span of its own, that a link gives back. */
void links_returned(struct engine *, struct member *, struct span *);

/* A link has shipped all items of its oldest lease.  Returns 0 or -ENOMEM. */
int links_shipped(struct engine *, struct member *);

/* The machine of a link has another number of workers.  Returns 0, or -EPROTO
   if the frame is not possible. */
int links_resized(struct engine *, struct member *, const struct frame *);

/* Counts the times of the items that a link has answered, once they are as many
   as a chunk has.  To be called when its frames were handled. */
void links_learn(struct engine *, struct member *, uint64_t now);

#endif
