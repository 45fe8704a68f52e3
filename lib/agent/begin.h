/*
 * begin.h - the pool that a BEGIN asks its agent for.
 *
 * Runs in: agent.  A BEGIN comes from another machine.
 */
#ifndef BEGIN_H
#define BEGIN_H

#include "agent/agent.h"
#include "base/words.h"
#include "wire/far.h"

/* Returns the worker of that name in the program's table, or NULL. */
const struct vm_worker *begin_find(const struct begin_told *,
    const struct vm_worker *table, size_t count);

/* Forks the pool, with another process() than that of the hooks, and adds the
   machines behind.  Returns it; or NULL with words for the link. */
vm_pool *begin_fork(const struct begin_told *, const struct agent_line *,
    const struct vm_worker *hooks,
    int (*process)(struct vm_context *, const void *, size_t),
    struct words *);

#endif
