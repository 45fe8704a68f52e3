/*
 * cancel.h - cancelling items: single items, running or not, and all items.
 *
 * Runs in: caller.  An item to cancel is a sequence number among all inputs
 * read, and stays on a list until the item is answered.  A waiting item is
 * answered at once; an item that its worker has not taken is taken back first;
 * for a running item the worker is killed.  Meanwhile the item may end, be
 * tried again or be requeued after a death: the next look finds it there.
 *
 * Easy to get wrong: an item that a worker has taken together with others and
 * not begun can neither be taken back nor be blamed.
 */
#ifndef CANCEL_H
#define CANCEL_H

#include <stdint.h>

struct engine;

/* Carries out vm_cancel() if it was called.  Returns 0, or -ENOMEM and
   leaves it to be done. */
int cancel_asked(struct engine *);

/* Returns the sequence number of the first input read and not answered that has
   that index in a source with that tag; NEVER if there is none. */
uint64_t cancel_find(const struct engine *, const void *tag, uint64_t index);

/* Carries out vm_cancel(): cancels all items that have not begun and, by
   the bits of "how", unread inputs or running items.  Returns 0, or -ENOMEM; it
   must then be called again. */
int cancel_all(struct engine *, unsigned how);

/* Cancels the items on the list as far as it can now.  Returns 0, or -ENOMEM
   and leaves the remaining items on the list. */
int cancel_run(struct engine *, uint64_t now);

/* Returns the time of the next attempt; NEVER if the list is empty. */
uint64_t cancel_alarm(const struct engine *, uint64_t now);

#endif
