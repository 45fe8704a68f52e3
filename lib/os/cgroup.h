/*
 * cgroup.h - the control groups this process is in, versions 1 and 2.
 *
 * Runs in: caller.  Reads /proc/self/cgroup, and looks for the groups where
 * systems mount them, under /sys/fs/cgroup.
 *
 * Easy to get wrong: in a container /proc may give the path as seen outside,
 * and its directory may not exist in the container.
 */
#ifndef CGROUP_H
#define CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Size of path buffers: longer than the path of any group, small enough for
   several on the stack. */
#define CGROUP_PATH 512

/* Reads a small file into a buffer of size bytes, with a 0 at the end.  Returns
   the length, or -errno. */
int cgroup_slurp(const char *path, char *text, size_t size);

/*
 * Calls the callback for each group that may have a controller ("cpu",
 * "memory"), with the group's mount point and its path below that, "" for the
 * mount itself; the callback may change the path.  root is put before the paths
 * under /proc and /sys: "" except in tests.  Without memory the callback is not
 * called.
 */
void cgroup_each(const char *root, const char *controller,
    void (*show)(void *to, const char *mount, char *group, bool version2),
    void *to);

/*
 * Returns the least limit of a group and all its ancestors up to the mount.
 * The callback reads the limit in a directory; it must return UINT64_MAX, no
 * limit, where the file does not exist, as for a group outside the container.
 * Changes the path.
 */
uint64_t cgroup_least(const char *mount, char *group,
    uint64_t (*limit)(const char *dir));

#endif
