/* fault_sys.c - see fault_sys.h: the failing twin of the system calls. */
#include "config.h"

#define sys_open real_open
#define sys_reopen real_reopen
#define sys_pipe real_pipe
#define sys_socketpair real_socketpair
#define sys_eventfd real_eventfd
#define sys_nonblock real_nonblock
#define sys_send real_send
#define sys_receive real_receive
#define sys_fork real_fork
#define sys_pidfd_open real_pidfd_open
#define sys_map_shared real_map_shared
#define sys_map_private real_map_private
#define sys_wipe_on_fork real_wipe_on_fork
#define sys_read real_read
#define sys_write real_write
#define sys_writev real_writev
#define sys_poll real_poll

#include "../lib/sys.c"
#include "../lib/sysproc.c"

#undef sys_open
#undef sys_reopen
#undef sys_pipe
#undef sys_socketpair
#undef sys_eventfd
#undef sys_nonblock
#undef sys_send
#undef sys_receive
#undef sys_fork
#undef sys_pidfd_open
#undef sys_map_shared
#undef sys_map_private
#undef sys_wipe_on_fork
#undef sys_read
#undef sys_write
#undef sys_writev
#undef sys_poll
#undef SYS_H
#include "sys.h"

#include <stdatomic.h>

#include "fault_sys.h"

/* The plan, in a page that all processes of the test share. */
static struct plan {
	atomic_int kind;
	atomic_int left;	/* calls of the kind before the first fault */
	int times, error;
	enum fault_where where;
	pid_t here;
	atomic_int hits;
} *plan;

void fault_plan(enum fault_kind kind, int nth, int times, int error,
    enum fault_where where)
{
	if (plan == NULL)
		plan = real_map_shared(sizeof *plan);
	atomic_store(&plan->kind, FAULT_NONE);
	atomic_store(&plan->left, nth);
	atomic_store(&plan->hits, 0);
	plan->times = times;
	plan->error = error;
	plan->where = where;
	plan->here = getpid();
	atomic_store(&plan->kind, kind);
}

int fault_hits(void)
{
	return plan ? atomic_load(&plan->hits) : 0;
}

/* Is this call to fail?  Then the errno number, else 0. */
static int fault(enum fault_kind kind)
{
	int nth;

	if (plan == NULL || atomic_load(&plan->kind) != (int)kind)
		return 0;
	if (plan->where != FAULT_ANYWHERE &&
	    (plan->where == FAULT_HERE) != (getpid() == plan->here))
		return 0;
	nth = atomic_fetch_sub(&plan->left, 1);
	if (nth > 1 || nth <= -plan->times + 1)
		return 0;
	atomic_fetch_add(&plan->hits, 1);
	return plan->error;
}

/* Returns minus the errno number from a twin whose call is to fail. */
#define FAIL(kind) \
	do { \
		int error_ = fault(kind); \
		if (error_ != 0) \
			return -error_; \
	} while (0)

int sys_open(const char *path, int flags)
{
	FAIL(FAULT_OPEN);
	return real_open(path, flags);
}

int sys_reopen(int fd, int flags)
{
	FAIL(FAULT_REOPEN);
	return real_reopen(fd, flags);
}

int sys_pipe(int ends[2])
{
	FAIL(FAULT_PIPE);
	return real_pipe(ends);
}

int sys_socketpair(int ends[2])
{
	FAIL(FAULT_SOCKETPAIR);
	return real_socketpair(ends);
}

int sys_eventfd(void)
{
	FAIL(FAULT_EVENTFD);
	return real_eventfd();
}

int sys_nonblock(int fd)
{
	FAIL(FAULT_NONBLOCK);
	return real_nonblock(fd);
}

int sys_send(int fd, const void *message, size_t size, const int *fds,
    int count)
{
	FAIL(FAULT_SEND);
	return real_send(fd, message, size, fds, count);
}

/* Descriptors that do not fit are gone, the message is not. */
ssize_t sys_receive(int fd, void *message, size_t size, int fds[SYS_FDS],
    bool *lost)
{
	ssize_t r;

	FAIL(FAULT_RECEIVE);
	r = real_receive(fd, message, size, fds, lost);
	if (r > 0 && fds[0] >= 0 && fault(FAULT_LOST_FDS) != 0) {
		*lost = true;
		sys_close(&fds[1]);
	}
	return r;
}

pid_t sys_fork(void)
{
	FAIL(FAULT_FORK);
	return real_fork();
}

int sys_pidfd_open(pid_t pid)
{
	FAIL(FAULT_PIDFD_OPEN);
	return real_pidfd_open(pid);
}

void *sys_map_shared(size_t size)
{
	return fault(FAULT_MAP_SHARED) ? NULL : real_map_shared(size);
}

void *sys_map_private(size_t size)
{
	return fault(FAULT_MAP_PRIVATE) ? NULL : real_map_private(size);
}

int sys_wipe_on_fork(void *at, size_t size)
{
	FAIL(FAULT_WIPE_ON_FORK);
	return real_wipe_on_fork(at, size);
}

ssize_t sys_read(int fd, void *to, size_t size)
{
	FAIL(FAULT_READ);
	return real_read(fd, to, size);
}

ssize_t sys_write(int fd, const void *from, size_t size)
{
	FAIL(FAULT_WRITE);
	return real_write(fd, from, size);
}

ssize_t sys_writev(int fd, const struct iovec *parts, int count)
{
	FAIL(FAULT_WRITEV);
	return real_writev(fd, parts, count);
}

int sys_poll(struct pollfd *fds, size_t count, int ms)
{
	FAIL(FAULT_POLL);
	return real_poll(fds, count, ms);
}

/* ---- memory ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

static int malloc_left, malloc_hit, malloc_on;
static pid_t malloc_here;

void fault_malloc(int nth)
{
	malloc_left = nth;
	malloc_hit = 0;
	malloc_here = getpid();
}

void fault_malloc_on(int on)
{
	malloc_on = on;
}

int fault_malloc_hit(void)
{
	return malloc_hit;
}

static bool out_of_memory(void)
{
	if (!malloc_on || malloc_left == 0 || getpid() != malloc_here ||
	    --malloc_left > 0)
		return false;
	malloc_hit = 1;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return out_of_memory() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return out_of_memory() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return out_of_memory() ? NULL : __real_realloc(p, size);
}
