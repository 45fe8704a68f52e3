/* orphans.c - see orphans.h: ending what workers left behind. */
#include "config.h"

#include "orphans.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "sys.h"

static _Alignas(16) char buffer[16 * 1024];

/* Does /proc number processes as we do? */
static bool proc_is_ours(void)
{
	char name[32];

	return sys_readlink("/proc/self", name, sizeof name) > 0 &&
	    atol(name) == (long)sys_getpid();
}

/* The kernel's list of our children: false if it keeps none. */
static bool kill_listed(void)
{
	int fd = sys_open("/proc/thread-self/children", O_RDONLY);
	ssize_t size;
	char *p, *end;

	if (fd < 0)
		return false;
	size = sys_read(fd, buffer, sizeof buffer - 1);
	sys_close(&fd);
	if (size < 0)
		return false;
	buffer[size] = '\0';
	for (p = buffer; *p != '\0'; p = end) {
		long pid = strtol(p, &end, 10);

		if (end == p || (*end != ' ' && *end != '\0'))
			break;
		if (pid > 1)
			sys_kill((pid_t)pid, SIGKILL);
		while (*end == ' ')
			end++;
	}
	return true;
}

static void kill_if_child(const char *name)
{
	pid_t pid = (pid_t)atol(name);
	struct sys_process p;

	if (pid > 1 && sys_process(pid, &p) == 0 && p.parent == sys_getpid())
		sys_kill(pid, SIGKILL);
}

/* All processes there are, one by one. */
static void kill_found(void)
{
	int fd = sys_open("/proc", O_RDONLY | O_DIRECTORY);
	ssize_t size;

	if (fd < 0)
		return;
	while ((size = sys_list(fd, buffer, sizeof buffer)) > 0) {
		char *at = buffer;

		while (at < buffer + size) {
			struct sys_entry *e = (void *)at;

			kill_if_child(e->name);
			at += e->length;
		}
	}
	sys_close(&fd);
}

void orphans_kill(void)
{
	if (proc_is_ours() && !kill_listed())
		kill_found();
}
