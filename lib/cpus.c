/* cpus.c - see cpus.h: CPUs that may be used, by mask and by quota. */
#include "config.h"

#include "cpus.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "cgroup.h"
#include "sys.h"

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
	char path[CGROUP_PATH], text[64];
	long long quota, period;

	snprintf(path, sizeof path, "%s/cpu.max", dir);
	if (cgroup_slurp(path, text, sizeof text) < 0 ||
	    sscanf(text, "%lld %lld", &quota, &period) != 2)
		return INT_MAX;
	return cpus_of(quota, period);
}

static int v1_quota(const char *dir)
{
	char path[CGROUP_PATH], quota[32], period[32];

	snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir);
	if (cgroup_slurp(path, quota, sizeof quota) < 0)
		return INT_MAX;
	snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
	if (cgroup_slurp(path, period, sizeof period) < 0)
		return INT_MAX;
	return cpus_of(atoll(quota), atoll(period));
}

/* The least quota of a group and of all above it, up to the mount.  A group
   that is not seen from here (a container's view) has no file: no limit. */
static int least_quota(const char *mount, char *group,
    int (*quota)(const char *))
{
	char dir[CGROUP_PATH];
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

/* Lowers *to to what one group grants. */
static void show_quota(void *to, const char *mount, char *group,
    bool version2)
{
	int *least = to;
	int quota = least_quota(mount, group, version2 ? v2_quota : v1_quota);

	*least = MIN(*least, quota);
}

int cpus_usable(const char *root)
{
	int cpus = sys_affinity(), granted = INT_MAX;

	cgroup_each(root, "cpu", show_quota, &granted);
	cpus = MIN(cpus, granted);
	return MAX(cpus, 1);
}
