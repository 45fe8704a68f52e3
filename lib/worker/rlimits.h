/*
 * rlimits.h - what the kernel is asked to hold a worker to.
 *
 * Runs in: worker, but for rlimits_must_volunteer().  Set before setup(), so
 * that it is held to them as well.
 */
#ifndef RLIMITS_H
#define RLIMITS_H

#include <stdbool.h>

#include "worker/plan.h"

/* Sets what options ask for, and looks whether there is memory to work with: 0,
   or -1 when the worker has failed, by vm_fail(). */
int rlimits_limit(const struct plan *, struct vm_context *);

/* Fork server, before it forks: are workers to make themselves likelier than
   the host to be chosen when memory runs out? */
bool rlimits_must_volunteer(void);

/* Does it, if that may be. */
void rlimits_volunteer(void);

#endif
