/* orphans.c - see orphans.h: killing processes that workers leave behind. */
#include "config.h"

#include "forkserver/orphans.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "os/sys.h"

static _Alignas(16) char buffer[16 * 1024];

/* Does /proc show the pid namespace of this process? */
static bool proc_is_ours(void)
{
	char name[32];

	return sys_readlink("/proc/self", name, sizeof name) > 0 &&
	    atol(name) == (long)sys_getpid();
}

/* Kills the children that the kernel lists.  Returns false without a list. */
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

/* Walks all processes in /proc and kills the children of this process. */
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

/* ---- processes that map a slot ---- */

/* Upper bound on the descendants examined, in the order found. */
#define LEFT_MOST 256

static pid_t left[LEFT_MOST];
static size_t left_count;

/* Pages of shared memory, as /proc/PID/maps names them. */
struct pages {
	uint64_t device, inode;
	uint64_t from, to;		/* offsets in the file, bytes */
};

/* A line of /proc/PID/maps. */
struct line {
	uint64_t start, end;		/* addresses */
	struct pages pages;
};

/* Parses "start-end rights offset major:minor inode ...", with all numbers but
   the inode in base 16.  Returns false for any other form. */
static bool parse_line(const char *text, struct line *l)
{
	uint64_t major, inode;
	char *end;

	l->start = strtoull(text, &end, 16);
	if (*end != '-')
		return false;
	l->end = strtoull(end + 1, &end, 16);
	if (*end != ' ' || strlen(end) < 6)
		return false;
	l->pages.from = strtoull(end + 6, &end, 16);
	l->pages.to = l->pages.from + (l->end - l->start);
	major = strtoull(end, &end, 16);
	if (*end != ':')
		return false;
	l->pages.device = major << 32 | strtoull(end + 1, &end, 16);
	inode = strtoull(end, &end, 10);
	l->pages.inode = inode;
	return inode != 0;
}

/* Finds the first line of a map for which the callback is_it() returns true.
   Returns false if there is none, or the map cannot be read. */
static bool find_line(const char *path, struct line *l,
    bool (*is_it)(const struct line *, const void *), const void *arg)
{
	int fd = sys_open(path, O_RDONLY);
	size_t have = 0;
	bool found = false;
	ssize_t n;

	while (fd >= 0 && !found && (n = sys_read(fd, buffer + have,
	    sizeof buffer - 1 - have)) > 0) {
		char *text = buffer, *end;

		buffer[have + (size_t)n] = '\0';
		while (!found && (end = strchr(text, '\n')) != NULL) {
			*end = '\0';
			found = parse_line(text, l) && is_it(l, arg);
			text = end + 1;
		}
		have = strlen(text);
		if (have == sizeof buffer - 1)
			have = 0;
		memmove(buffer, text, have);
	}
	sys_close(&fd);
	return found;
}

static bool is_at(const struct line *l, const void *address)
{
	uintptr_t at = (uintptr_t)address;

	return l->start <= at && at < l->end;
}

static bool is_among(const struct line *l, const void *arg)
{
	const struct pages *p = arg;

	for (int i = 0; i < 2; i++)
		if (l->pages.device == p[i].device &&
		    l->pages.inode == p[i].inode &&
		    l->pages.from < p[i].to && p[i].from < l->pages.to)
			return true;
	return false;
}

/* Returns the pages of memory of this process as maps name them; an empty
   range if they are not found. */
static struct pages pages_of(const void *at, size_t size)
{
	struct pages p = { 0 };
	struct line l;

	if (at == NULL || !find_line("/proc/self/maps", &l, is_at, at))
		return p;
	p = l.pages;
	p.from += (uintptr_t)at - l.start;
	p.to = p.from + size;
	return p;
}

/* Appends the children listed in a file of /proc to left[], but for those
   that is_worker() accepts. */
static void add_children(const char *path, bool (*is_worker)(pid_t))
{
	int fd = sys_open(path, O_RDONLY);
	ssize_t size = fd < 0 ? -1 : sys_read(fd, buffer, sizeof buffer - 1);
	char *p = buffer, *end;

	sys_close(&fd);
	buffer[MAX(size, 0)] = '\0';
	for (; left_count < LEFT_MOST; p = end) {
		pid_t pid = (pid_t)strtol(p, &end, 10);

		if (end == p)
			break;
		if (pid > 1 && !is_worker(pid))
			left[left_count++] = pid;
	}
}

static bool is_nobody(pid_t pid)
{
	(void)pid;
	return false;
}

/* Appends the children of all threads of a process to left[]. */
static void add_children_of(pid_t pid)
{
	static _Alignas(16) char names[2048];
	char path[64];
	ssize_t size;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	fd = sys_open(path, O_RDONLY | O_DIRECTORY);
	while (fd >= 0 && (size = sys_list(fd, names, sizeof names)) > 0) {
		char *at = names;

		while (at < names + size) {
			struct sys_entry *e = (void *)at;

			snprintf(path, sizeof path, "/proc/%d/task/%d/children",
			    (int)pid, atoi(e->name));
			if (atoi(e->name) > 0)
				add_children(path, is_nobody);
			at += e->length;
		}
	}
	sys_close(&fd);
}

/* Kills a process if it maps any of those pages; returns true if it does.  The
   pidfd is opened first, so that a process that gets the pid meanwhile is not
   signalled. */
static bool evict(pid_t pid, const struct pages *pages)
{
	int fd = sys_pidfd_open(pid);
	char path[64];
	struct line l;
	bool has;

	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	has = find_line(path, &l, is_among, pages);
	if (has)
		sys_pidfd_kill(fd, pid, SIGKILL);
	sys_close(&fd);
	return has;
}

bool orphans_evict(const struct slots *s, size_t which,
    bool (*is_worker)(pid_t))
{
	struct pages pages[2];
	bool any = false;

	left_count = 0;
	add_children("/proc/thread-self/children", is_worker);
	if (left_count == 0 || !proc_is_ours())
		return false;
	for (size_t k = 0; k < left_count; k++)
		add_children_of(left[k]);
	pages[0] = pages_of(slots_get(s, which), s->stride);
	pages[1] = pages_of(slots_inputs(s, which), slots_inputs_stride(s));
	for (size_t k = 0; k < left_count; k++)
		any |= evict(left[k], pages);
	return any;
}
