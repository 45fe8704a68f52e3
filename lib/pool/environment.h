/*
 * environment.h - options of a pool from the environment of the program, for
 * debuggers and for users without the source.
 *
 * Runs in: caller, in vm_fork().  Read by settings.c.  A program with rights
 * that its user has not reads none of these variables.
 */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include <stdint.h>

#include "base/words.h"

struct settings;
struct vm_options;

/* Changes options, before they are checked: VIMAP_WORKERS, VIMAP_PROGRESS,
   VIMAP_DEBUG, VIMAP_TRACE (the path is not copied).  Returns 0, or -EINVAL and
   sets the words if a value is not understood. */
int environment_change(struct vm_options *, struct words *);

/* Changes settings made from the options: VIMAP_STATS, VIMAP_TIMEOUTS,
   VIMAP_ONLY, VIMAP_KEEP.  Returns as above. */
int environment_adjust(struct settings *, struct words *);

#endif
