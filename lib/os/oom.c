/* oom.c - see oom.h: processes killed for want of memory, as counted by the
   kernel. */
#include "config.h"

#include "os/oom.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* These files have a few short lines. */
#define TEXT_ROOM 1024

/* Reads the count in a file; false if the file or the count is missing. */
static bool read_count(const char *path, uint64_t *count)
{
	char text[TEXT_ROOM];
	const char *p;

	if (path[0] == '\0' || cgroup_slurp(path, text, sizeof text) < 0)
		return false;
	for (p = text; p != NULL; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, "oom_kill ", 9) == 0) {
			*count = strtoull(p + 9, NULL, 10);
			return true;
		}
	}
	return false;
}

/* Callback: keeps the path of a group's file if that has a count.  The group
   may be outside the container; then the root of the mount is used. */
static void try_group(void *to, const char *mount, char *group, bool version2)
{
	const char *name = version2 ? "memory.events" : "memory.oom_control";
	const char *const groups[] = { group, "" };
	struct oom *o = to;

	for (int i = group[0] == '\0'; i < 2 && o->path[0] == '\0'; i++) {
		int r = snprintf(o->path, sizeof o->path, "%s%s/%s", mount,
		    groups[i], name);

		if (r < 0 || (size_t)r >= sizeof o->path ||
		    !read_count(o->path, &o->seen))
			o->path[0] = '\0';
	}
}

void oom_init(struct oom *o, const char *root)
{
	*o = (struct oom){ .path = "" };
	cgroup_each(root, "memory", try_group, o);
}

/* Reads the count, and adds its rise to unclaimed. */
static void read_on(struct oom *o)
{
	uint64_t now;

	if (!read_count(o->path, &now))
		return;
	o->unclaimed += now > o->seen ? now - o->seen : 0;
	o->seen = now;
}

void oom_look(struct oom *o)
{
	read_on(o);
	o->unclaimed = 0;
}

bool oom_claim(struct oom *o)
{
	read_on(o);
	if (o->unclaimed == 0)
		return false;
	o->unclaimed--;
	return true;
}
