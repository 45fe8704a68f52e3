/*
 * answer.h - spans that are answered: from the window to the results queue.
 *
 * Runs in: caller.
 */
#ifndef ANSWER_H
#define ANSWER_H

#include "items/span.h"

struct engine;

/* Moves a span to the results queue, with its outputs or its exception. */
void answer_span(struct engine *, struct span *);

/* Answers a span, which is in no list or waits, with that cause instead of
   result frames. */
void answer_cause(struct engine *, struct span *, enum vm_cause);

/* Answers all waiting and paused spans with that cause.  The attempt they were
   waiting for does not count. */
void answer_waiting(struct engine *, enum vm_cause);

#endif
