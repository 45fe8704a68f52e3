/* fdlist.c - see fdlist.h: the descriptors of all pools of this process. */
#include "config.h"

#include "os/fdlist.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "os/sys.h"

static struct entry {
	int fd;
	struct sys_file file;
	bool dropped;		/* by another one who has had the number */
} *listed;
static size_t count, room;

/* ---- the lock ---- */

/*
 * A lock of one process, alone in a page that is zeroed in a child; where that
 * cannot be had, the pid tells.  A process that finds a lock of its parent's
 * makes one of its own.  The old one is not given back, as another thread may
 * look at it: a page for each fork in a line of forks that all have pools.
 */
struct lock {
	pthread_mutex_t mutex;
	pid_t pid;		/* of the process that may use it */
};

/* For a process that has no memory for a page. */
static struct lock plain = { .mutex = PTHREAD_MUTEX_INITIALIZER };
static struct lock *_Atomic lock;
/* What is kept under a lock was kept under this one, of this process. */
static const struct lock *keeper;
static pid_t keeper_pid;
static unsigned books;

static struct lock *make_lock(void)
{
	struct lock *l = sys_map_private(sizeof *l);
	pid_t pid = sys_getpid();

	if (l != NULL)
		sys_wipe_on_fork(l, sizeof *l);
	else if (plain.pid == pid)
		return &plain;
	else
		l = &plain;
	pthread_mutex_init(&l->mutex, NULL);
	l->pid = pid;
	return l;
}

/* The lock of this process.  Of two threads that make one at the same time, one
   gives its own back. */
static struct lock *own_lock(void)
{
	struct lock *l = atomic_load(&lock), *mine;

	if (l != NULL && l->pid == sys_getpid())
		return l;
	mine = make_lock();
	if (atomic_compare_exchange_strong(&lock, &l, mine))
		return mine;
	if (mine != &plain)
		sys_unmap(mine, sizeof *mine);
	return l;
}

/*
 * A list of the parent's is not even freed: it may be half changed.  Nor is it
 * used if it is whole, for fork() copies descriptors before it copies memory:
 * what a thread has opened and listed in between is on the list, and something
 * else of this process may have the number.
 */
void fdlist_lock(void)
{
	struct lock *l = own_lock();

	pthread_mutex_lock(&l->mutex);
	if (keeper == l && keeper_pid == l->pid)
		return;
	keeper = l;
	keeper_pid = l->pid;
	listed = NULL;
	count = room = 0;
	books++;
}

void fdlist_unlock(void)
{
	pthread_mutex_unlock(&own_lock()->mutex);
}

unsigned fdlist_books(void)
{
	return books;
}

/* ---- the list ---- */

int fdlist_add(int fd)
{
	size_t more = room ? 2 * room : 64;
	struct entry *grown;

	if (count == room) {
		grown = realloc(listed, more * sizeof *listed);
		if (grown == NULL)
			return -ENOMEM;
		listed = grown;
		room = more;
	}
	listed[count] = (struct entry){ .fd = fd };
	sys_identify(fd, &listed[count++].file);
	return 0;
}

/*
 * Takes a number off the list, and closes it if it is to be.  One that is
 * listed twice was closed by the host in between.  Who had it first cannot be
 * told: the first of the two to drop it leaves it to the other.  The list goes
 * with its last descriptor, so that nothing is left behind.
 */
static void forget(int fd, bool drop)
{
	size_t times = 0, which = 0;
	bool same = true;

	for (size_t i = 0; i < count; i++) {
		if (listed[i].fd != fd)
			continue;
		if (times++ == 0 || same)
			which = i;
		same = sys_is(fd, &listed[which].file);
		drop |= listed[i].dropped;
	}
	if (times > 0)
		listed[which] = listed[--count];
	for (size_t i = 0; i < count && times > 1; i++)
		listed[i].dropped |= drop && listed[i].fd == fd;
	if (times <= 1 && same && drop)
		sys_close(&fd);
	if (count == 0) {
		free(listed);
		listed = NULL;
		room = 0;
	}
}

void fdlist_drop(int *fd)
{
	if (*fd < 0)
		return;
	fdlist_lock();
	forget(*fd, true);
	fdlist_unlock();
	*fd = -1;
}

void fdlist_leave(int *fd)
{
	if (*fd < 0)
		return;
	fdlist_lock();
	forget(*fd, false);
	fdlist_unlock();
	*fd = -1;
}

void fdlist_drop_all(void)
{
	while (count-- > 0)
		if (sys_is(listed[count].fd, &listed[count].file))
			sys_close(&listed[count].fd);
	count = 0;
}

/* ---- what is left ---- */

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

bool fdlist_left(uint64_t *left)
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
