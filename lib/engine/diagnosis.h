/*
 * diagnosis.h - why a worker has died, for its item's exception.
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

/* How a worker died.  begun: the item it is told of had been begun. */
struct outcome diagnosis_outcome(struct engine *, const struct member *,
    bool begun);

/* What it left in words, or NULL; the caller's to free. */
struct evidence *diagnosis_evidence(const struct member *, bool begun);

/* It died before its setup had returned: words for that. */
void diagnosis_setup(struct engine *, const struct member *);

/* The words about a setup are there: adds the limits it had, which may be
   why, and keeps them for that place. */
void diagnosis_complete(struct engine *, const struct member *);

#endif
