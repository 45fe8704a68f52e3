/*
 * memory.h - how much memory this process and its workers can have.
 *
 * Runs in: caller, at vm_fork().  The least of what the kernel takes for
 * available (MemAvailable), of the soft limits on this process, RLIMIT_AS and
 * RLIMIT_DATA, and of what control groups allow: memory.max and memory.high
 * (version 2), memory.limit_in_bytes (version 1), of the process's own group
 * and of all above it.
 *
 * Easy to get wrong: what a group has in memory is caches for the most part,
 * and says nothing of how much it can have; so its limit counts alone.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdint.h>

/* Bytes; UINT64_MAX if that cannot be found out.  root is put before the paths
   under /proc and /sys: "" but in tests. */
uint64_t memory_usable(const char *root);

#endif
