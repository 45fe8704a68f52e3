/*
 * memory.h - how much memory this process and its workers can have.
 *
 * Runs in: caller, at vm_fork().  The least of the memory the kernel calls
 * available (MemAvailable), of the soft limits on this process, RLIMIT_AS and
 * RLIMIT_DATA, and of the limits of control groups: memory.max and memory.high
 * (version 2), memory.limit_in_bytes (version 1), of the process's own group
 * and of all its ancestors.
 *
 * Easy to get wrong: the memory a group has in use is mostly page cache, and
 * does not reduce the memory it can have; so only its limit counts.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdint.h>

/* Returns bytes; UINT64_MAX if unknown.  root is put before the paths under
   /proc and /sys: "" except in tests. */
uint64_t memory_usable(const char *root);

#endif
