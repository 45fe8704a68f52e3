/* capture.c - see capture.h: capture of a worker's standard error. */
#include "config.h"

#include "worker/capture.h"

#include <stdbool.h>
#include <string.h>

#include "base/base.h"
#include "base/cut.h"
#include "os/sys.h"

void capture_init(struct capture *c, int fd)
{
	*c = (struct capture){ .fd = fd };
	if (fd >= 0)
		sys_dup_onto(fd, 2);
}

void capture_mark(struct capture *c)
{
	int64_t size;

	if (c->fd < 0)
		return;
	/* Each item begins an empty file: it may truncate the file itself, as
	   "echo >/dev/stderr" does, and what it wrote is still known. */
	size = sys_size(c->fd);
	if (size > 0 && sys_truncate(c->fd, 0) == 0)
		size = 0;
	c->from = (uint64_t)MAX(size, 0);
}

size_t capture_read(int fd, uint64_t from, char *to)
{
	int64_t size = fd < 0 ? -1 : sys_size(fd);
	bool cut = false;
	size_t rest;
	ssize_t n;

	if (size <= 0)
		return 0;
	if (from > (uint64_t)size)
		from = 0;	/* it was truncated meanwhile */
	if ((uint64_t)size - from > CAPTURE_MOST) {
		from = (uint64_t)size - CAPTURE_MOST;
		cut = true;
	}
	n = sys_pread(fd, to, (size_t)size - (size_t)from, from);
	for (ssize_t i = 0; i < n; i++)
		if (to[i] == '\0')
			to[i] = '?';
	if (n <= 0 || !cut)
		return (size_t)MAX(n, 0);
	rest = cut_begin(to, (size_t)n);
	memmove(to, to + rest, (size_t)n - rest);
	memset(to + n - rest, 0, rest);
	return (size_t)n - rest;
}
