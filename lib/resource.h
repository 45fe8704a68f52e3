/*
 * resource.h - what the kernel is asked to hold a worker to.
 *
 * Runs in: worker, but for resource_must_volunteer().  Set before setup(), so
 * that it is held to them as well.
 */
#ifndef RESOURCE_H
#define RESOURCE_H

#include <stdbool.h>

#include "plan.h"

/* Sets what options ask for, and looks whether there is memory to work with: 0,
   or -1 when the worker has failed, by vm_fail(). */
int resource_limit(const struct plan *, struct vm_context *);

/* Fork server, before it forks: are workers to make themselves likelier than
   the host to be chosen when memory runs out? */
bool resource_must_volunteer(void);

/* Does it, if that may be. */
void resource_volunteer(void);

#endif
