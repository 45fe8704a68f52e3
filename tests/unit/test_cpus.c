/*
 * test_cpus.c - cpus: the least of the affinity mask and the quotas of control
 * groups, read from trees of files made here; memory: likewise for its limits.
 *
 * Where the machine has too few CPUs to tell two quotas apart, both have the
 * same effect: every expectation is the lesser of quota and mask.
 */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "os/cpus.h"
#include "os/memory.h"
#include "scratch.h"
#include "tools.h"

#define V2 "/sys/fs/cgroup"
#define V1 "/sys/fs/cgroup/cpu,cpuacct"

static char root[64];

/* Makes the directories above a path. */
static void make_way(char *path)
{
	for (char *p = path + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
		*p = '/';
	}
}

/* Puts a file into the tree. */
static void put(const char *dir, const char *name, const char *text)
{
	char path[1024];
	FILE *f;

	snprintf(path, sizeof path, "%s%s/%s", root, dir, name);
	make_way(path);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

/* Returns the number of CPUs in the affinity mask. */
static int by_mask(void)
{
	cpu_set_t set;

	ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
	return CPU_COUNT(&set);
}

static void grants(int quota)
{
	int mask = by_mask();
	int least = MIN(quota, mask);
	int usable = cpus_usable(root);

	if (usable != least)
		scratch_drop(root);	/* a failed test leaves no tree behind */
	ck_assert_int_eq(usable, least);
}
#define UNLIMITED 1000000

/* Checks the CPUs that cpu.max grants, in a version 2 tree with a single
   group. */
static void v2_grants(const char *text, int quota)
{
	scratch_make(root, sizeof root);
	put("/proc/self", "cgroup", "0::/one\n");
	put(V2 "/one", "cpu.max", text);
	grants(quota);
	scratch_drop(root);
}

START_TEST(version_2_quotas_are_rounded_up)
{
	v2_grants("50000 100000\n", 1);
	v2_grants("100000 100000\n", 1);
	v2_grants("100001 100000\n", 2);
	v2_grants("150000 100000\n", 2);
	v2_grants("200000 100000\n", 2);
	v2_grants("200001 100000\n", 3);
	v2_grants("1000 1000000\n", 1);
	v2_grants("1 1", 1);
	v2_grants("9000000000000 100000\n", 90000000);
}
END_TEST

START_TEST(version_2_without_a_limit)
{
	v2_grants("max 100000\n", UNLIMITED);
	v2_grants("max\n", UNLIMITED);
	v2_grants("9223372036854775807 1\n", UNLIMITED);
}
END_TEST

START_TEST(garbage_is_no_limit)
{
	static const char *const texts[] = { "", "\n", "garbage", "100000",
		"0 100000\n", "-1 100000\n", "100000 0\n", "100000 -1\n",
		"1e5 100000\n", "0 0\n" };

	for (size_t i = 0; i < COUNTOF(texts); i++)
		v2_grants(texts[i], UNLIMITED);
}
END_TEST

START_TEST(the_least_of_all_above_counts)
{
	static const char *const limited[] = { V2, V2 "/a", V2 "/a/b",
		V2 "/a/b/c" };

	for (size_t i = 0; i < COUNTOF(limited); i++) {
		scratch_make(root, sizeof root);
		put("/proc/self", "cgroup", "0::/a/b/c\n");
		for (size_t n = 0; n < COUNTOF(limited); n++)
			put(limited[n], "cpu.max", "900000000 100000\n");
		grants(UNLIMITED);
		put(limited[i], "cpu.max", "70000 100000\n");
		grants(1);
		scratch_drop(root);
	}
}
END_TEST

START_TEST(groups_beside_and_below_do_not_count)
{
	scratch_make(root, sizeof root);
	put("/proc/self", "cgroup", "0::/a/b\n");
	put(V2 "/a/b/c", "cpu.max", "70000 100000\n");
	put(V2 "/a/c", "cpu.max", "70000 100000\n");
	put(V2 "/b", "cpu.max", "70000 100000\n");
	put(V2 "/a/b", "cpu.max", "max 100000\n");
	grants(UNLIMITED);
	scratch_drop(root);
}
END_TEST

/* The group's path is the host's, but the mount begins at the group. */
START_TEST(a_containers_view)
{
	scratch_make(root, sizeof root);
	put("/proc/self", "cgroup", "0::/system.slice/box-1234.scope\n");
	put(V2, "cpu.max", "70000 100000\n");
	grants(1);
	scratch_drop(root);
	scratch_make(root, sizeof root);
	put("/proc/self", "cgroup", "0::/\n");
	put(V2, "cpu.max", "70000 100000\n");
	grants(1);
	scratch_drop(root);
}
END_TEST

/* The same in a version 1 tree. */
static void v1_grants(const char *quota, const char *period, int cpus)
{
	scratch_make(root, sizeof root);
	put("/proc/self", "cgroup", "3:memory:/one\n2:cpu,cpuacct:/one\n"
	    "1:name=systemd:/one\n");
	if (quota != NULL)
		put(V1 "/one", "cpu.cfs_quota_us", quota);
	if (period != NULL)
		put(V1 "/one", "cpu.cfs_period_us", period);
	grants(cpus);
	scratch_drop(root);
}

START_TEST(version_1_quotas)
{
	v1_grants("50000\n", "100000\n", 1);
	v1_grants("100001\n", "100000\n", 2);
	v1_grants("150000\n", "100000\n", 2);
	v1_grants("100000\n", "100000\n", 1);
	v1_grants("5000\n", "10000\n", 1);
	v1_grants("-1\n", "100000\n", UNLIMITED);
	v1_grants("0\n", "100000\n", UNLIMITED);
	v1_grants("50000\n", "0\n", UNLIMITED);
	v1_grants("garbage\n", "100000\n", UNLIMITED);
	v1_grants("50000\n", "garbage\n", UNLIMITED);
	v1_grants("", "", UNLIMITED);
	v1_grants("50000\n", NULL, UNLIMITED);
	v1_grants(NULL, "100000\n", UNLIMITED);
}
END_TEST

START_TEST(version_1_counts_all_above)
{
	scratch_make(root, sizeof root);
	put("/proc/self", "cgroup", "4:cpu,cpuacct:/a/b\n");
	put(V1 "/a/b", "cpu.cfs_quota_us", "900000000\n");
	put(V1 "/a/b", "cpu.cfs_period_us", "100000\n");
	grants(UNLIMITED);
	put(V1 "/a", "cpu.cfs_quota_us", "60000\n");
	put(V1 "/a", "cpu.cfs_period_us", "100000\n");
	grants(1);
	scratch_drop(root);
}
END_TEST

/* The mount is named after its controllers, whichever they are. */
START_TEST(the_controller_is_found_by_its_name)
{
	static const struct { const char *controllers; int cpus; } lines[] = {
		{ "cpu", 1 }, { "cpu,cpuacct", 1 }, { "cpuacct,cpu", 1 },
		{ "cpuset,cpu,cpuacct", 1 }, { "cpuset", UNLIMITED },
		{ "cpuacct", UNLIMITED }, { "cpuset,cpuacct", UNLIMITED },
		{ "memory", UNLIMITED }, { "name=cpu", UNLIMITED } };
	char text[128], dir[128];

	for (size_t i = 0; i < COUNTOF(lines); i++) {
		scratch_make(root, sizeof root);
		snprintf(text, sizeof text, "7:%s:/one\n",
		    lines[i].controllers);
		snprintf(dir, sizeof dir, V2 "/%s/one",
		    lines[i].controllers);
		put("/proc/self", "cgroup", text);
		put(dir, "cpu.cfs_quota_us", "60000\n");
		put(dir, "cpu.cfs_period_us", "100000\n");
		grants(lines[i].cpus);
		scratch_drop(root);
	}
}
END_TEST

/* Fifteen hierarchies, with group names as long as those of containers: the
   line that matters is the last. */
START_TEST(many_long_lines)
{
	static const char group[] = "/kubepods.slice/kubepods-burstable.slice/"
	    "kubepods-burstable-pod01234567_89ab_cdef_0123_456789abcdef.slice/"
	    "cri-0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab"
	    "cdef.scope";
	char text[8192], dir[512];
	int n = 0;

	for (int i = 15; i > 1; i--)
		n += snprintf(text + n, sizeof text - (size_t)n,
		    "%d:other%d:%s\n", i, i, group);
	snprintf(text + n, sizeof text - (size_t)n, "1:cpu,cpuacct:%s\n",
	    group);
	snprintf(dir, sizeof dir, V1 "%s", group);
	scratch_make(root, sizeof root);
	put("/proc/self", "cgroup", text);
	put(dir, "cpu.cfs_quota_us", "60000\n");
	put(dir, "cpu.cfs_period_us", "100000\n");
	grants(1);
	scratch_drop(root);
}
END_TEST

START_TEST(what_is_missing_is_no_limit)
{
	scratch_make(root, sizeof root);
	grants(UNLIMITED);
	put("/proc/self", "cgroup", "");
	grants(UNLIMITED);
	put("/proc/self", "cgroup", "0::/one\n");
	grants(UNLIMITED);
	put(V2 "/one", "other", "70000 100000\n");
	grants(UNLIMITED);
	scratch_drop(root);
	ck_assert_int_eq(cpus_usable("/nowhere/at/all"), by_mask());
}
END_TEST

START_TEST(lines_that_are_none_are_passed_over)
{
	scratch_make(root, sizeof root);
	put(V2 "/one", "cpu.max", "70000 100000\n");
	put("/proc/self", "cgroup", "garbage\n:\n::\n\n0:\n1:x\n:::::\n");
	grants(UNLIMITED);
	put("/proc/self", "cgroup", "garbage\n\n1:x\n0::/one\n");
	grants(1);
	put("/proc/self", "cgroup", "0::/one");
	grants(1);
	scratch_drop(root);
}
END_TEST

START_TEST(a_path_beyond_all_bounds)
{
	char text[4096];

	scratch_make(root, sizeof root);
	put(V2, "cpu.max", "70000 100000\n");
	memset(text, 'x', sizeof text);
	memcpy(text, "0::/", 4);
	text[1500] = '\0';
	put("/proc/self", "cgroup", text);
	grants(1);
	scratch_drop(root);
}
END_TEST

START_TEST(the_mask_counts)
{
	cpu_set_t all, one;

	ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
	scratch_make(root, sizeof root);
	ck_assert_int_eq(cpus_usable(root), CPU_COUNT(&all));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
		ck_assert_int_eq(cpus_usable(root), 1);
		ck_assert_int_eq(cpus_usable(""), 1);
	}
	ck_assert_int_eq(sched_setaffinity(0, sizeof all, &all), 0);
	scratch_drop(root);
}
END_TEST

START_TEST(this_machine_has_one_at_least)
{
	ck_assert_int_ge(cpus_usable(""), 1);
	ck_assert_int_le(cpus_usable(""), by_mask());
}
END_TEST

/* ---- memory ---- */

#define MEMINFO "MemTotal:       8000 kB\nMemFree:        1000 kB\n" \
	"MemAvailable:   3000 kB\nBuffers:          10 kB\n"
#define V1_MEMORY "/sys/fs/cgroup/memory"

/* Checks the usable memory in a tree with this file in its only group. */
static void ram_is(const char *lines, const char *dir, const char *name,
    const char *text, uint64_t usable)
{
	uint64_t found;

	scratch_make(root, sizeof root);
	put("/proc", "meminfo", MEMINFO);
	put("/proc/self", "cgroup", lines);
	put(dir, name, text);
	found = memory_usable(root);
	scratch_drop(root);
	ck_assert_uint_eq(found, usable);
}

START_TEST(memory_is_what_the_least_limit_allows)
{
	const uint64_t all = 3000 * 1024;

	ram_is("0::/a/b\n", V2 "/a/b", "memory.max", "2048000\n", 2048000);
	ram_is("0::/a/b\n", V2 "/a/b", "memory.high", "2048000\n", 2048000);
	ram_is("0::/a/b\n", V2 "/a", "memory.max", "2048000\n", 2048000);
	ram_is("0::/a/b\n", V2 "/a/b", "memory.max", "4096000\n", all);
	ram_is("0::/a/b\n", V2 "/a/b", "memory.max", "max\n", all);
	ram_is("0::/a/b\n", V2 "/a/b", "memory.max", "", all);
	ram_is("0::/a/b\n", V2 "/a/c", "memory.max", "2048000\n", all);
	ram_is("3:memory:/a\n", V1_MEMORY "/a", "memory.limit_in_bytes",
	    "2048000\n", 2048000);
	ram_is("3:memory:/a\n", V1_MEMORY "/a", "memory.limit_in_bytes",
	    "9223372036854771712\n", all);
}
END_TEST

START_TEST(memory_that_is_not_told_is_no_limit)
{
	static const char *const texts[] = { "", "MemTotal: 8000 kB\n",
		"MemTotal: 1 kB\nMemAvailable: many kB\n",
		"MemTotal: 1 kB\nMemAvailable: 18446744073709551615 kB\n" };

	for (size_t i = 0; i < COUNTOF(texts); i++) {
		uint64_t found;

		scratch_make(root, sizeof root);
		put("/proc", "meminfo", texts[i]);
		found = memory_usable(root);
		scratch_drop(root);
		ck_assert_uint_eq(found, UINT64_MAX);
	}
	ck_assert_uint_eq(memory_usable("/nowhere/at/all"), UINT64_MAX);
}
END_TEST

START_TEST(memory_of_this_machine_and_its_limits)
{
	/* Above what sanitizers reserve. */
	const struct rlimit limit = { (rlim_t)1 << 46, RLIM_INFINITY };

	ck_assert_uint_gt(memory_usable(""), 1 << 20);
	ck_assert_uint_lt(memory_usable(""), UINT64_MAX);
	ck_assert_int_eq(setrlimit(RLIMIT_DATA, &limit), 0);
	ck_assert_uint_eq(memory_usable("/nowhere/at/all"), limit.rlim_cur);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { version_2_quotas_are_rounded_up,
		version_2_without_a_limit, garbage_is_no_limit,
		the_least_of_all_above_counts,
		groups_beside_and_below_do_not_count, a_containers_view,
		version_1_quotas, version_1_counts_all_above,
		the_controller_is_found_by_its_name, many_long_lines,
		what_is_missing_is_no_limit,
		lines_that_are_none_are_passed_over,
		a_path_beyond_all_bounds, the_mask_counts,
		this_machine_has_one_at_least,
		memory_is_what_the_least_limit_allows,
		memory_that_is_not_told_is_no_limit,
		memory_of_this_machine_and_its_limits };

	return run_tests("cpus", tests, COUNTOF(tests));
}
