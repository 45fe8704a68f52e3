/*
 * diagnosis.h - the reason for a worker's death, for an item's exception.
 *
 * Runs in: caller.
 */
#ifndef DIAGNOSIS_H
#define DIAGNOSIS_H

#include <stdbool.h>

#include "items/evidence.h"
#include "items/span.h"

struct engine;
struct member;

/* Returns the cause of a worker's death. */
enum vm_cause diagnosis_cause(const struct member *);

/* Where a worker died: its times are an item's only in the item, and its stderr
   is of nothing that is reported if the item was not begun. */
enum died { DIED_BEFORE_ITEM, DIED_IN_ITEM, DIED_IN_TEARDOWN };

/* Describes how a dead worker has ended, in a buffer: "exited with status 3".
   Returns the buffer. */
const char *diagnosis_end(const struct member *, char text[64]);

/* Sets the outcome of the span, and the evidence: crash text and captured
   stderr, NULL without memory; the span owns it. */
void diagnosis_make(struct engine *, const struct member *, enum died,
    struct span *);

/* The worker died before its setup had returned: sets the error text for
   that. */
void diagnosis_setup(struct engine *, struct member *);

/* A setup has failed: sets the error text from the worker's report. */
void diagnosis_unfit(struct engine *, struct member *, const struct failure *);

#endif
