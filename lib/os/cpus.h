/*
 * cpus.h - how many CPUs this process may really use.
 *
 * Runs in: caller, at vm_fork().  The smaller of the affinity mask and what
 * control groups grant: cpu.max (version 2) and cpu.cfs_quota_us over
 * cpu.cfs_period_us (version 1), rounded up, of the process's own group and
 * of all above it.
 */
#ifndef CPUS_H
#define CPUS_H

/* At least 1.  root is put before the paths under /proc and /sys: "" but in
   tests. */
int cpus_usable(const char *root);

#endif
