/* cgroup.c - see cgroup.h: the control groups this process is in. */
#include "config.h"

#include "os/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "os/sys.h"

/* Room for all groups of a process, a line each. */
#define TEXT_ROOM ((size_t)16 * 1024)

int cgroup_slurp(const char *path, char *text, size_t size)
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

/* Is the name in the comma-separated list? */
static bool is_listed(const char *names, const char *name)
{
	size_t n = strlen(name);
	const char *p = names;

	while (p != NULL) {
		p += *p == ',';
		if (strncmp(p, name, n) == 0 && (p[n] == ',' || !p[n]))
			return true;
		p = strchr(p, ',');
	}
	return false;
}

/* Parses a line "id:controllers:group" and passes the group to the callback,
   the root of a mount as "".  Version 2 lists no controllers. */
static void show_line(const char *root, const char *controller, char *line,
    void (*show)(void *, const char *, char *, bool), void *to)
{
	char mount[CGROUP_PATH];
	char *first = strchr(line, ':');
	char *second = first ? strchr(first + 1, ':') : NULL;
	bool version2;

	if (second == NULL)
		return;
	*second = '\0';
	first++;
	version2 = *first == '\0';
	if (!version2 && !is_listed(first, controller))
		return;
	snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s%s", root,
	    version2 ? "" : "/", first);
	if (strcmp(second + 1, "/") == 0)
		second[1] = '\0';
	show(to, mount, second + 1, version2);
}

uint64_t cgroup_least(const char *mount, char *group,
    uint64_t (*limit)(const char *dir))
{
	char dir[CGROUP_PATH];
	uint64_t least = UINT64_MAX, own;
	char *slash;

	for (;;) {
		int r = snprintf(dir, sizeof dir, "%s%s", mount, group);

		if (r > 0 && (size_t)r < sizeof dir - 32) {
			own = limit(dir);
			least = MIN(least, own);
		}
		slash = strrchr(group, '/');
		if (slash == NULL)
			return least;
		*slash = '\0';
	}
}

void cgroup_each(const char *root, const char *controller,
    void (*show)(void *to, const char *mount, char *group, bool version2),
    void *to)
{
	char path[CGROUP_PATH];
	char *text = malloc(TEXT_ROOM);
	char *line, *rest = NULL;

	snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
	if (text != NULL && cgroup_slurp(path, text, TEXT_ROOM) >= 0) {
		line = strtok_r(text, "\n", &rest);
		for (; line != NULL; line = strtok_r(NULL, "\n", &rest))
			show_line(root, controller, line, show, to);
	}
	free(text);
}
