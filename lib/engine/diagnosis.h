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

/* Returns how a worker died.  begun: the blamed item had been begun. */
struct outcome diagnosis_outcome(struct engine *, const struct member *,
    bool begun);

/* Returns its crash text and captured stderr, or NULL without memory; the
   caller frees it.  Without "begun" the stderr is left out. */
struct evidence *diagnosis_evidence(const struct member *, bool begun);

/* The worker died before its setup had returned: sets the error text for
   that. */
void diagnosis_setup(struct engine *, const struct member *);

/* The error text about a setup is set: adds the resource limits, which may be
   the reason. */
void diagnosis_complete(struct engine *);

#endif
