/*
 * cgroup.h - the control groups this process is in, versions 1 and 2.
 *
 * Runs in: caller.  Reads /proc/self/cgroup; groups are looked for where
 * systems mount them, under /sys/fs/cgroup.
 *
 * Easy to get wrong: in a container the path told may be the one outside,
 * and its directory not be seen from here.
 */
#ifndef CGROUP_H
#define CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer paths than any group has; together these stay small. */
#define CGROUP_PATH 512

/* Reads a small file, with a 0 after it: its length, or -errno. */
int cgroup_slurp(const char *path, char *text, size_t size);

/*
 * Shows each group that may have a controller ("cpu", "memory"): where it is
 * mounted, and its path below that, which the function may change.  root is
 * put before the paths under /proc and /sys: "" but in tests.  Shows nothing
 * when memory is short.
 */
void cgroup_each(const char *root, const char *controller,
    void (*show)(void *to, const char *mount, char *group, bool version2),
    void *to);

/*
 * The least of the limits of a group and of all above it, up to the mount, as a
 * function finds them in their directories.  A group that is not seen from here
 * has no file, which is to be UINT64_MAX, no limit.  Changes the path.
 */
uint64_t cgroup_least(const char *mount, char *group,
    uint64_t (*limit)(const char *dir));

#endif
