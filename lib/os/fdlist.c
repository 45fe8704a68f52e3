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
	bool dropped;		/* by the other owner of this number */
} *listed;
static size_t count, room;

/* ---- the lock ---- */

/*
 * A lock of a single process, alone in a page that the kernel zeroes in a
 * child; without such pages the pid distinguishes processes.  A process that
 * finds its parent's lock makes its own.  The old page is not unmapped, as
 * another thread may hold a pointer to it: this costs a page per fork in a line
 * of forks that all have pools.
 */
struct lock {
	pthread_mutex_t mutex;
	pid_t pid;		/* of the process that may use it */
	bool wiped;		/* the page is zeroed in a child, which so finds
				   false; spares two calls of getpid() for each
				   use */
};

/* For a process that has no memory for a page. */
static struct lock plain = { .mutex = PTHREAD_MUTEX_INITIALIZER };
static struct lock *_Atomic lock;
/* The lock, and the process, under which the list and fdlist_books() are
   valid. */
static const struct lock *keeper;
static pid_t keeper_pid;
static unsigned books;

static struct lock *make_lock(void)
{
	struct lock *l = sys_map_private(sizeof *l);
	pid_t pid = sys_getpid();

	if (l == NULL && plain.pid == pid)
		return &plain;
	if (l == NULL)
		l = &plain;
	else
		l->wiped = sys_wipe_on_fork(l, sizeof *l) == 0;
	pthread_mutex_init(&l->mutex, NULL);
	l->pid = pid;
	return l;
}

/* Returns the lock of this process.  If two threads make a lock at the same
   time, the slower thread unmaps its own. */
static struct lock *own_lock(void)
{
	struct lock *l = atomic_load(&lock), *mine;

	if (l != NULL && (l->wiped || l->pid == sys_getpid()))
		return l;
	mine = make_lock();
	if (atomic_compare_exchange_strong(&lock, &l, mine))
		return mine;
	if (mine != &plain)
		sys_unmap(mine, sizeof *mine);
	return l;
}

/*
 * A list inherited from the parent is not even freed: another thread may have
 * been changing it.  A consistent list is not used either, for fork() copies
 * descriptors before memory: a descriptor opened and listed in between is on
 * the list, and its number may belong to another file here.
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
 * Removes a number from the list, and closes it if drop is set.  A number that
 * is listed twice was closed by the host program in between.  Its first owner
 * is unknown: the first owner to drop it leaves it open for the other.  The
 * list is freed with its last descriptor, so that no memory leaks.
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

/* ---- descriptors left ---- */

/* Counts the entries that are descriptors below the limit. */
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
	/* The descriptor of the directory itself is free again. */
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
