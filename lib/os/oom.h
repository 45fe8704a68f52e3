/*
 * oom.h - has the kernel killed anything here for want of memory?
 *
 * Runs in: caller.  The kernel counts such kills for each control group, in
 * memory.events (version 2) or memory.oom_control (version 1).  It does not
 * say whom it killed; so a worker that died of SIGKILL is counted as killed
 * for want of memory only if the count has risen since it was last looked at,
 * and no more workers than kills.
 *
 * Easy to get wrong: what was counted before a worker was forked says nothing
 * about it.
 */
#ifndef OOM_H
#define OOM_H

#include <stdbool.h>
#include <stdint.h>

#include "os/cgroup.h"

struct oom {
	char path[CGROUP_PATH];	/* of the file with the count; "": none */
	uint64_t seen;		/* kills by the last look */
	uint64_t unclaimed;	/* kills since, of nobody we know of yet */
};

/* Finds the file; root as of cgroup_each().  Looks. */
void oom_init(struct oom *, const char *root);

/* Forgets what was counted up to now. */
void oom_look(struct oom *);

/* A process was killed: may it have been one of the kills counted since? */
bool oom_claim(struct oom *);

#endif
