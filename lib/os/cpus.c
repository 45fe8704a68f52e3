/* cpus.c - see cpus.h: usable CPUs, by affinity mask and by quota. */
#include "config.h"

#include "os/cpus.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "os/cgroup.h"
#include "os/sys.h"

/* CPUs for a quota and a period in us, rounded up; UINT64_MAX if unlimited. */
static uint64_t cpus_of(long long quota, long long period)
{
	if (quota <= 0 || period <= 0)
		return UINT64_MAX;
	return (uint64_t)quota / (uint64_t)period + (quota % period != 0);
}

static uint64_t v2_quota(const char *dir)
{
	char path[CGROUP_PATH], text[64];
	long long quota, period;

	snprintf(path, sizeof path, "%s/cpu.max", dir);
	if (cgroup_slurp(path, text, sizeof text) < 0 ||
	    sscanf(text, "%lld %lld", &quota, &period) != 2)
		return UINT64_MAX;
	return cpus_of(quota, period);
}

static uint64_t v1_quota(const char *dir)
{
	char path[CGROUP_PATH], quota[32], period[32];

	snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir);
	if (cgroup_slurp(path, quota, sizeof quota) < 0)
		return UINT64_MAX;
	snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
	if (cgroup_slurp(path, period, sizeof period) < 0)
		return UINT64_MAX;
	return cpus_of(atoll(quota), atoll(period));
}

/* Callback: lowers *to to the quota of a group. */
static void show_quota(void *to, const char *mount, char *group,
    bool version2)
{
	uint64_t *least = to;
	uint64_t quota = cgroup_least(mount, group,
	    version2 ? v2_quota : v1_quota);

	*least = MIN(*least, quota);
}

int cpus_usable(const char *root)
{
	uint64_t granted = UINT64_MAX;
	int cpus = sys_affinity();

	cgroup_each(root, "cpu", show_quota, &granted);
	cpus = granted < (uint64_t)cpus ? (int)granted : cpus;
	return MAX(cpus, 1);
}
