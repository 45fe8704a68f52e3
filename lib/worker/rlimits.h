/*
 * rlimits.h - resource limits of a worker.
 *
 * Runs in: worker, except rlimits_must_volunteer().  Set before setup(), so
 * that they hold for it too.
 */
#ifndef RLIMITS_H
#define RLIMITS_H

#include <stdbool.h>

#include "worker/plan.h"

/* Sets the limits that options ask for, and checks that there is memory to work
   with.  Returns 0, or -1 after vm_fail(). */
int rlimits_limit(const struct plan *, struct vm_context *);

/* Fork server, before it forks: are workers to raise their OOM score above the
   host's? */
bool rlimits_must_volunteer(void);

/* Raises this process's OOM score; ignores errors. */
void rlimits_volunteer(void);

#endif
