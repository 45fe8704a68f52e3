/*
 * cpus.h - how many CPUs this process may really use.
 *
 * Runs in: caller, at vm_fork().  The smaller of the affinity mask and the
 * quotas of the control groups: cpu.max (version 2), cpu.cfs_quota_us over
 * cpu.cfs_period_us (version 1), rounded up, of the process's own group and of
 * all its ancestors.
 */
#ifndef CPUS_H
#define CPUS_H

/* Returns 1 or more.  root is put before the paths under /proc and /sys: ""
   except in tests. */
int cpus_usable(const char *root);

#endif
