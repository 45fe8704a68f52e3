/* fds.c - see fds.h: the descriptors of all pools of this process. */
#include "config.h"

#include "fds.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "sys.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int *listed;
static size_t count, room;

void fds_lock(void)
{
	pthread_mutex_lock(&lock);
}

void fds_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

int fds_add(int fd)
{
	size_t more = room ? 2 * room : 64;
	int *grown;

	if (count == room) {
		grown = realloc(listed, more * sizeof *listed);
		if (grown == NULL)
			return -ENOMEM;
		listed = grown;
		room = more;
	}
	listed[count++] = fd;
	return 0;
}

/* The list goes with its last descriptor, so that nothing is left behind. */
static void forget(int fd)
{
	size_t i = 0;

	while (i < count && listed[i] != fd)
		i++;
	if (i < count)
		listed[i] = listed[--count];
	if (count == 0) {
		free(listed);
		listed = NULL;
		room = 0;
	}
}

void fds_drop(int *fd)
{
	if (*fd < 0)
		return;
	fds_lock();
	forget(*fd);
	sys_close(fd);
	fds_unlock();
}

void fds_drop_all(void)
{
	while (count > 0)
		sys_close(&listed[--count]);
}

/* How many of these entries are descriptors below the limit. */
static uint64_t count_open(char *at, const char *end, uint64_t limit)
{
	uint64_t open = 0;

	while (at < end) {
		const struct sys_entry *e = (void *)at;

		open += e->name[0] != '.' &&
		    strtoull(e->name, NULL, 10) < limit;
		at += e->length;
	}
	return open;
}

bool fds_left(uint64_t *left)
{
	_Alignas(struct sys_entry) char entries[2048];
	uint64_t limit = sys_fd_limit(), open = 0;
	int fd = sys_open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
	ssize_t size = fd < 0 ? fd : 1;

	while (size > 0) {
		size = sys_list(fd, entries, sizeof entries);
		if (size > 0)
			open += count_open(entries, entries + size, limit);
	}
	/* The descriptor of the list itself is free again. */
	open -= fd >= 0 && open > 0;
	sys_close(&fd);
	if (size == -EMFILE)
		*left = 0;
	else if (size < 0)
		*left = limit / 2;
	else
		*left = limit > open ? limit - open : 0;
	return size == 0;
}
