/*
 * oom.h - has the kernel killed processes here for want of memory?
 *
 * Runs in: caller.  The kernel counts such kills for each control group, in
 * memory.events (version 2) or memory.oom_control (version 1), without the pid
 * of the killed process.  So a worker that died of SIGKILL counts as killed for
 * want of memory only if the count has risen since it was last read, and never
 * more workers than kills.
 *
 * Easy to get wrong: kills counted before a worker was forked say nothing about
 * that worker.
 */
#ifndef OOM_H
#define OOM_H

#include <stdbool.h>
#include <stdint.h>

#include "os/cgroup.h"

struct oom {
	char path[CGROUP_PATH];	/* of the file with the count; "": none */
	uint64_t seen;		/* kills at the last reading */
	uint64_t unclaimed;	/* later kills not yet assigned to a worker */
};

/* Finds the file and reads the count; root as in cgroup_each(). */
void oom_init(struct oom *, const char *root);

/* Reads the count, and forgets all kills up to now. */
void oom_look(struct oom *);

/* After a process was killed: reads the count, and returns true if the process
   may be among the kills, which then counts as assigned. */
bool oom_claim(struct oom *);

#endif
