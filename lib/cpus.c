/* cpus.c - see cpus.h: CPUs that may be used, by mask and by quota. */
#include "config.h"

#include "cpus.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "sys.h"

/* Longer paths than any group has; together these stay small. */
#define PATH_ROOM 512
/* All groups of a process, a line each. */
#define TEXT_ROOM ((size_t)16 * 1024)

/* Reads a small file into text: its length, or less than 0. */
static int slurp(const char *path, char *text, size_t size)
{
	int fd = sys_open(path, O_RDONLY);
	size_t have = 0;
	ssize_t r;

	if (fd < 0)
		return fd;
	do {
		r = sys_read(fd, text + have, size - 1 - have);
		have += r > 0 ? (size_t)r : 0;
	} while (r > 0 && have < size - 1);
	sys_close(&fd);
	text[have] = '\0';
	return (int)have;
}

/* CPUs for a quota and a period in us, rounded up; INT_MAX if unlimited. */
static int cpus_of(long long quota, long long period)
{
	long long cpus;

	if (quota <= 0 || period <= 0)
		return INT_MAX;
	cpus = quota / period + (quota % period != 0);
	return cpus > INT_MAX ? INT_MAX : (int)cpus;
}

static int v2_quota(const char *dir)
{
	char path[PATH_ROOM], text[64];
	long long quota, period;

	snprintf(path, sizeof path, "%s/cpu.max", dir);
	if (slurp(path, text, sizeof text) < 0 ||
	    sscanf(text, "%lld %lld", &quota, &period) != 2)
		return INT_MAX;
	return cpus_of(quota, period);
}

static int v1_quota(const char *dir)
{
	char path[PATH_ROOM], quota[32], period[32];

	snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir);
	if (slurp(path, quota, sizeof quota) < 0)
		return INT_MAX;
	snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
	if (slurp(path, period, sizeof period) < 0)
		return INT_MAX;
	return cpus_of(atoll(quota), atoll(period));
}

/* The least quota of a group and of all above it, up to the mount.  A group
   that is not seen from here (a container's view) has no file: no limit. */
static int least_quota(const char *mount, char *group,
    int (*quota)(const char *))
{
	char dir[PATH_ROOM];
	int least = INT_MAX, own;
	char *slash;

	for (;;) {
		int r = snprintf(dir, sizeof dir, "%s%s", mount, group);

		if (r > 0 && (size_t)r < sizeof dir - 32) {
			own = quota(dir);
			least = MIN(least, own);
		}
		slash = strrchr(group, '/');
		if (slash == NULL)
			return least;
		*slash = '\0';
	}
}

/* Is "cpu" one of the comma-separated controllers? */
static int has_cpu(const char *controllers)
{
	const char *p = controllers;

	while (p != NULL) {
		p += *p == ',';
		if (strncmp(p, "cpu", 3) == 0 && (p[3] == ',' || !p[3]))
			return 1;
		p = strchr(p, ',');
	}
	return 0;
}

/* What one line of /proc/self/cgroup, "id:controllers:group", grants. */
static int line_quota(const char *root, char *line)
{
	char mount[PATH_ROOM], controllers[256];
	char *first = strchr(line, ':');
	char *second = first ? strchr(first + 1, ':') : NULL;

	if (second == NULL)
		return INT_MAX;
	*second = '\0';
	snprintf(controllers, sizeof controllers, "%s", first + 1);
	if (controllers[0] != '\0' && !has_cpu(controllers))
		return INT_MAX;
	snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s%s", root,
	    controllers[0] ? "/" : "", controllers);
	return least_quota(mount, second + 1,
	    controllers[0] ? v1_quota : v2_quota);
}

/* The least of all groups this process is in. */
static int groups_quota(const char *root, char *text)
{
	int least = INT_MAX, quota;
	char *line, *rest = NULL;

	line = strtok_r(text, "\n", &rest);
	for (; line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		quota = line_quota(root, line);
		least = MIN(least, quota);
	}
	return least;
}

int cpus_usable(const char *root)
{
	char path[PATH_ROOM];
	char *text = malloc(TEXT_ROOM);
	int cpus = sys_affinity(), granted = INT_MAX;

	snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
	if (text != NULL && slurp(path, text, TEXT_ROOM) >= 0)
		granted = groups_quota(root, text);
	free(text);
	cpus = MIN(cpus, granted);
	return MAX(cpus, 1);
}
