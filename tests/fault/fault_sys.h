/*
 * fault_sys.h - the failing twin of lib/os/sys_io.c and the like.
 *
 * Linked in their place, it compiles the same files over wrappers of C library
 * calls; the n-th call of one kind misbehaves, in processes of the chosen
 * roles.  The policies of those files lie above the faults, so they are tested
 * as well.  The plan is in shared memory of the planner and all its children.
 *
 * A new call needs a line in FAULT_KINDS and a wrapper in fault_sys.c.
 */
#ifndef TESTS_FAULT_SYS_H
#define TESTS_FAULT_SYS_H

#include <sys/types.h>

/* Faults that a call may have besides failing. */
enum fault_way {
	FAULT_WHOLE = 0,
	FAULT_INTR = 1,		/* a signal may interrupt it */
	FAULT_SHORT = 2,	/* it may move a part of its bytes only */
	FAULT_RARE = 4,		/* not called in every life of a pool */
	FAULT_COSTS = 8,	/* a failure may have a visible effect */
	FAULT_NEEDED = 16	/* a failure of all later calls may, too */
};

/*
 * The kinds of calls, each with two errors it may fail with (0: none) and the
 * ways.  A call without errors can only be the point at which a process is
 * killed or stopped.
 */
#define FAULT_KINDS(X) \
	X(READ, EIO, 0, FAULT_INTR | FAULT_SHORT | FAULT_COSTS) \
	X(WRITE, EIO, 0, FAULT_INTR | FAULT_SHORT | FAULT_COSTS) \
	X(WRITEV, EIO, EAGAIN, FAULT_INTR | FAULT_SHORT | FAULT_COSTS) \
	X(PREAD, EIO, 0, FAULT_INTR) \
	X(SIZE, EIO, 0, FAULT_WHOLE) \
	X(EMPTY, EIO, 0, FAULT_INTR | FAULT_RARE) \
	X(LOCK, EWOULDBLOCK, ENOLCK, FAULT_INTR | FAULT_COSTS | FAULT_RARE) \
	X(SYNC, EIO, ENOSPC, FAULT_INTR | FAULT_RARE) \
	X(MEMFD, ENOSYS, EMFILE, FAULT_COSTS) \
	X(TEMPORARY, EMFILE, EOPNOTSUPP, FAULT_INTR | FAULT_COSTS | \
	    FAULT_RARE) \
	X(NAMED, EMFILE, EACCES, FAULT_COSTS | FAULT_RARE) \
	X(UNLINK, EIO, 0, FAULT_RARE) \
	X(PWRITE, ENOSPC, EIO, FAULT_INTR | FAULT_SHORT | FAULT_COSTS | \
	    FAULT_RARE) \
	X(PUNCH, EOPNOTSUPP, 0, FAULT_INTR | FAULT_RARE) \
	X(LIST, EIO, 0, FAULT_INTR | FAULT_RARE) \
	X(READLINK, ENOENT, 0, FAULT_NEEDED) \
	X(CLOSE, EIO, EINTR, FAULT_WHOLE) \
	X(OPEN, EMFILE, ENOENT, FAULT_INTR) \
	X(REOPEN, ENOENT, EMFILE, FAULT_INTR) \
	X(OPEN_CHILDREN, ENOENT, EMFILE, FAULT_INTR) \
	X(PIPE, EMFILE, ENFILE, FAULT_COSTS) \
	X(SOCKETPAIR, EMFILE, ENOMEM, FAULT_COSTS) \
	X(SOCKET, EMFILE, ENOMEM, FAULT_COSTS | FAULT_RARE) \
	X(BIND, EADDRINUSE, EACCES, FAULT_COSTS | FAULT_RARE) \
	X(LISTEN, EADDRINUSE, 0, FAULT_COSTS | FAULT_RARE) \
	X(CONNECT, EAGAIN, ENOENT, FAULT_INTR | FAULT_COSTS | FAULT_RARE) \
	X(ACCEPT, EMFILE, ECONNABORTED, FAULT_INTR | FAULT_COSTS | \
	    FAULT_RARE) \
	X(MODE, EPERM, 0, FAULT_COSTS | FAULT_RARE) \
	X(MKDIR, EACCES, EROFS, FAULT_COSTS | FAULT_RARE) \
	X(LSTAT, ENOENT, EACCES, FAULT_COSTS | FAULT_RARE) \
	X(EVENTFD, EMFILE, ENOMEM, FAULT_COSTS) \
	X(TIMER, EMFILE, ENOMEM, FAULT_COSTS | FAULT_RARE) \
	X(TIMER_SET, EINVAL, 0, FAULT_RARE) \
	X(LIFT, EMFILE, 0, FAULT_COSTS) \
	X(NONBLOCK, EPERM, 0, FAULT_COSTS) \
	X(DUP, EBUSY, EMFILE, FAULT_INTR) \
	X(COLUMNS, ENOTTY, EIO, FAULT_WHOLE | FAULT_RARE) \
	X(FOREGROUND, ENOTTY, EIO, FAULT_WHOLE | FAULT_RARE) \
	X(SEND, EAGAIN, ENOBUFS, FAULT_INTR | FAULT_NEEDED) \
	X(RECEIVE, ENOMEM, ENOBUFS, FAULT_INTR | FAULT_NEEDED) \
	X(LOST_FDS, EMFILE, 0, FAULT_COSTS) \
	X(POLL, ENOMEM, EINVAL, FAULT_INTR | FAULT_COSTS) \
	X(PPOLL, ENOMEM, 0, FAULT_INTR | FAULT_NEEDED) \
	X(EPOLL, EMFILE, ENOMEM, FAULT_COSTS) \
	X(WATCH, ENOMEM, ENOSPC, FAULT_COSTS) \
	X(UNWATCH, 0, 0, FAULT_WHOLE) \
	X(EPOLL_WAIT, ENOMEM, EINVAL, FAULT_INTR | FAULT_COSTS) \
	X(NOW, 0, 0, FAULT_WHOLE) \
	X(FORK, EAGAIN, ENOMEM, FAULT_COSTS) \
	X(EXIT, 0, 0, FAULT_WHOLE) \
	X(GETPID, 0, 0, FAULT_WHOLE) \
	X(GETPPID, 0, 0, FAULT_WHOLE) \
	X(PIDFD_OPEN, ENOSYS, EMFILE, FAULT_WHOLE) \
	X(PIDFD_KILL, EPERM, 0, FAULT_RARE) \
	X(WAIT, 0, 0, FAULT_INTR) \
	X(WAIT_PIDFD, EINVAL, 0, FAULT_INTR) \
	X(REAP, 0, 0, FAULT_INTR) \
	X(KILL, EPERM, ESRCH, FAULT_NEEDED) \
	X(GETSID, ESRCH, EPERM, FAULT_RARE) \
	X(SETPGID, EPERM, ESRCH, FAULT_WHOLE) \
	X(SETSID, EPERM, 0, FAULT_WHOLE) \
	X(SUBREAPER, EINVAL, 0, FAULT_WHOLE) \
	X(DIE_WITH_PARENT, EINVAL, 0, FAULT_WHOLE) \
	X(NAME, EINVAL, 0, FAULT_WHOLE) \
	X(RUN, ENOENT, EACCES, FAULT_COSTS | FAULT_RARE) \
	X(COPY, EMFILE, EBADF, FAULT_COSTS | FAULT_RARE) \
	X(HOST_NAME, ENAMETOOLONG, 0, FAULT_RARE) \
	X(STAT, ENOENT, 0, FAULT_WHOLE) \
	X(AFFINITY, EPERM, EINVAL, FAULT_WHOLE) \
	X(LIMIT, 0, 0, FAULT_RARE) \
	X(SET_LIMIT, EPERM, 0, FAULT_COSTS | FAULT_RARE) \
	X(USAGE, EINVAL, 0, FAULT_WHOLE) \
	X(CPU_CLOCK, ESRCH, 0, FAULT_WHOLE | FAULT_RARE) \
	X(ALT_STACK, ENOMEM, 0, FAULT_RARE) \
	X(MAP_SHARED, ENOMEM, 0, FAULT_COSTS) \
	X(MAP_PRIVATE, ENOMEM, 0, FAULT_WHOLE) \
	X(ROOM, ENOMEM, 0, FAULT_COSTS) \
	X(UNMAP, ENOMEM, 0, FAULT_WHOLE) \
	X(DONT_FORK, ENOMEM, EINVAL, FAULT_WHOLE) \
	X(DO_FORK, EINVAL, 0, FAULT_WHOLE | FAULT_RARE) \
	X(ASK_HUGE, EINVAL, 0, FAULT_WHOLE | FAULT_RARE) \
	X(WIPE, EACCES, EINVAL, FAULT_WHOLE | FAULT_RARE) \
	X(WIPE_ON_FORK, EINVAL, ENOMEM, FAULT_WHOLE) \
	X(PROTECT, EACCES, ENOMEM, FAULT_WHOLE) \
	X(PAGE_SIZE, 0, 0, FAULT_WHOLE) \
	X(MASK, 0, 0, FAULT_WHOLE) \
	X(HANDLER, 0, 0, FAULT_WHOLE) \
	X(PENDING, 0, 0, FAULT_WHOLE) \
	X(TAKE_SIGNAL, 0, 0, FAULT_INTR | FAULT_RARE) \
	X(MALLOC, ENOMEM, 0, FAULT_COSTS)

#define FAULT_KIND(kind, error, other, ways) FAULT_##kind,
enum fault_kind { FAULT_NONE, FAULT_KINDS(FAULT_KIND) FAULT_COUNT };
#undef FAULT_KIND

/* Roles: the planner and children that a host forks from it, the child that the
   library forks there (the fork server), and its children (the workers, and the
   links); a link's child before it becomes a command, and an agent that has
   joined the plan. */
enum fault_where {
	FAULT_HERE = 1,
	FAULT_IN_SERVER = 2,
	FAULT_IN_WORKERS = 4,
	FAULT_IN_COMMANDS = 8,
	FAULT_IN_AGENTS = 16,
	FAULT_IN_CHILDREN = FAULT_IN_SERVER | FAULT_IN_WORKERS,
	FAULT_ANYWHERE = FAULT_HERE | FAULT_IN_CHILDREN
};

enum fault_act {
	FAULT_FAIL,
	FAULT_ONE_BYTE,		/* a call that moves bytes moves 1, */
	FAULT_HALF,		/* or half the bytes */
	FAULT_KILL_BEFORE,	/* the process kills itself, */
	FAULT_KILL_AFTER,
	FAULT_STOP_BEFORE,	/* or stops itself */
	FAULT_STOP_AFTER,
	FAULT_DELAY,		/* the call takes delay_ms: it sleeps first, */
	FAULT_DELAY_AWAKE	/* or is busy */
};

struct fault {
	enum fault_kind kind;
	enum fault_act act;
	int error;		/* FAIL */
	int delay_ms;		/* DELAY, DELAY_AWAKE */
	enum fault_where where;
	int nth, times;		/* first faulty call, from 1; their number */
	enum fault_kind lacks;	/* besides, all calls of this kind fail */
	int lacks_error;
};

/* Has the plan in a file of that path, which must not exist, so that programs
   that are started can join it.  The last function: this process is an agent of
   the plan there.  Both return 0, or -1 with errno. */
int fault_share(const char *path);
int fault_join(const char *path);

/* Replaces the plan: from now on, calls in this process and its children have
   the fault. */
void fault_arm(const struct fault *);

/* The same for a plan of failures. */
void fault_plan(enum fault_kind, int nth, int times, int error,
    enum fault_where);

/* From now on, in this process and its children, the library's clock runs this
   many times as fast, and its waits end accordingly, so that tests of bounds of
   seconds take less time.  Call it only while no pool is open. */
void fault_hasten(int times);

/* Returns the number of calls that the plan has selected. */
int fault_hits(void);

/* Returns the pid of the process that made the last of these calls; 0: none. */
pid_t fault_victim(void);

/* Allocations (malloc, calloc, realloc) count, and fail, only while this is on
   in this process.  The programs are linked with --wrap for the three and
   free. */
void fault_malloc_on(int on);

/* Returns the number of allocated blocks of this process. */
long fault_blocks(void);

#endif
