/* memory.c - see memory.h: memory that the kernel and limits allow. */
#include "config.h"

#include "os/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "os/cgroup.h"
#include "os/sys.h"

/* MemAvailable is the third line of /proc/meminfo. */
#define TEXT_ROOM 1024
#define KIB 1024

/* Reads the number in a file of a group; UINT64_MAX if there is no number. */
static uint64_t read_limit(const char *dir, const char *name)
{
	char path[CGROUP_PATH], text[32], *end;
	unsigned long long bytes;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (cgroup_slurp(path, text, sizeof text) < 0)
		return UINT64_MAX;
	bytes = strtoull(text, &end, 10);
	return end == text ? UINT64_MAX : bytes;	/* "max" */
}

static uint64_t v2_limit(const char *dir)
{
	uint64_t most = read_limit(dir, "memory.max");
	uint64_t high = read_limit(dir, "memory.high");

	return MIN(most, high);
}

static uint64_t v1_limit(const char *dir)
{
	return read_limit(dir, "memory.limit_in_bytes");
}

/* Callback: lowers *to to the limit of a group. */
static void show_limit(void *to, const char *mount, char *group,
    bool version2)
{
	uint64_t *least = to;
	uint64_t limit = cgroup_least(mount, group,
	    version2 ? v2_limit : v1_limit);

	*least = MIN(*least, limit);
}

/* Memory available without swapping, in bytes; UINT64_MAX if unknown. */
static uint64_t available(const char *root)
{
	static const char name[] = "\nMemAvailable:";
	char path[CGROUP_PATH], text[TEXT_ROOM];
	unsigned long long kib;
	const char *at;

	snprintf(path, sizeof path, "%s/proc/meminfo", root);
	if (cgroup_slurp(path, text, sizeof text) < 0)
		return UINT64_MAX;
	at = strstr(text, name);
	if (at == NULL || sscanf(at + sizeof name - 1, "%llu", &kib) != 1 ||
	    kib > UINT64_MAX / KIB)
		return UINT64_MAX;
	return kib * KIB;
}

uint64_t memory_usable(const char *root)
{
	uint64_t free = available(root), most = sys_memory_limit();

	most = MIN(most, free);
	cgroup_each(root, "memory", show_limit, &most);
	return most;
}
