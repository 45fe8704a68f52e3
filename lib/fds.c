/* fds.c - see fds.h: the descriptors of all pools of this process. */
#include "config.h"

#include "fds.h"

#include <errno.h>
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
