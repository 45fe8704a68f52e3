/* fault_sys.c - see fault_sys.h: the failing twin of the system calls. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/auxv.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/timerfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fault_sys.h"

/* ---- the plan, in shared memory ---- */

static struct plan {
	struct fault fault;
	pid_t owner;
	atomic_int left;	/* calls of the kind before the first fault */
	atomic_int hits;
	atomic_int victim;
} *plan;

/* The role of this process in the library: it advances with each fork. */
static int role = FAULT_HERE;
/* The fault of the present call, unless it fails. */
static enum fault_act act;

void fault_arm(const struct fault *f)
{
	if (plan == NULL || plan->owner != getpid())
		plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (plan == MAP_FAILED)
		abort();
	plan->fault = *f;
	plan->owner = getpid();
	atomic_store(&plan->left, f->nth);
	atomic_store(&plan->hits, 0);
	atomic_store(&plan->victim, 0);
	role = FAULT_HERE;
}

/* Maps the plan of a file. */
static int map_plan(const char *path, int flags)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
	void *at = MAP_FAILED;

	if (fd >= 0 && (flags == 0 || ftruncate(fd, sizeof *plan) == 0))
		at = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (at == MAP_FAILED)
		return -1;
	plan = at;
	return 0;
}

int fault_share(const char *path)
{
	int r = map_plan(path, O_CREAT | O_EXCL);

	if (r == 0)
		plan->owner = getpid();
	return r;
}

int fault_join(const char *path)
{
	role = FAULT_IN_AGENTS;
	return map_plan(path, 0);
}

void fault_plan(enum fault_kind kind, int nth, int times, int error,
    enum fault_where where)
{
	fault_arm(&(struct fault){ .kind = kind, .error = error,
	    .where = where, .nth = nth, .times = times });
}

int fault_hits(void)
{
	return plan ? atomic_load(&plan->hits) : 0;
}

pid_t fault_victim(void)
{
	return plan ? atomic_load(&plan->victim) : 0;
}

/* Does the plan select this call? */
static bool is_due(enum fault_kind kind)
{
	int nth;

	if (plan->fault.kind != kind || !(plan->fault.where & role))
		return false;
	nth = atomic_fetch_sub(&plan->left, 1);
	if (nth > 1 || nth <= 1 - (long long)plan->fault.times)
		return false;
	atomic_store(&plan->victim, getpid());
	atomic_fetch_add(&plan->hits, 1);
	return true;
}

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- a clock that is fast ---- */

static int haste = 1;

void fault_hasten(int times)
{
	haste = times;
}

static int twin_clock(clockid_t clock, struct timespec *t)
{
	uint64_t ns;

	if (clock_gettime(clock, t) != 0)
		return -1;
	ns = ((uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_nsec) *
	    (uint64_t)haste;
	*t = (struct timespec){ .tv_sec = (time_t)(ns / 1000000000),
		.tv_nsec = (long)(ns % 1000000000) };
	return 0;
}

/* The real wait in ms for a wait of the library; never shorter than 1 ms. */
static int twin_wait(int ms)
{
	return ms > 0 ? (ms + haste - 1) / haste : ms;
}

static int twin_ppoll(struct pollfd *fds, nfds_t count,
    const struct timespec *most, const sigset_t *mask)
{
	struct timespec t;
	long ns;

	if (most == NULL)
		return ppoll(fds, count, NULL, mask);
	ns = (long)most->tv_sec * 1000000000 + most->tv_nsec;
	ns = (ns + haste - 1) / haste;
	t = (struct timespec){ .tv_sec = ns / 1000000000,
		.tv_nsec = ns % 1000000000 };
	return ppoll(fds, count, &t, mask);
}

/* Sets a timer to a time of the library's clock, rounded up. */
static int twin_timer(int fd, int flags, const struct itimerspec *at,
    struct itimerspec *old)
{
	struct itimerspec t = *at;
	uint64_t ns = (uint64_t)at->it_value.tv_sec * 1000000000 +
	    (uint64_t)at->it_value.tv_nsec;

	ns = (ns + (uint64_t)haste - 1) / (uint64_t)haste;
	t.it_value = (struct timespec){ .tv_sec = (time_t)(ns / 1000000000),
		.tv_nsec = (long)(ns % 1000000000) };
	return timerfd_settime(fd, flags, &t, old);
}

/* ---- calls that misbehave ---- */

/* Delays a call, asleep or busy. */
static void delay(void)
{
	const struct timespec some = { .tv_nsec = 10000000 };
	uint64_t until = clock_ms() + (uint64_t)plan->fault.delay_ms;

	while (clock_ms() < until)
		if (act == FAULT_DELAY)
			nanosleep(&some, NULL);
}

static void suffer(enum fault_act kills, enum fault_act stops)
{
	if (act == kills)
		kill(getpid(), SIGKILL);
	if (act == stops)
		kill(getpid(), SIGSTOP);
}

/* Applies the plan at the begin of a call.  Returns true and sets errno if the
   call is to fail. */
static bool twin_fails(enum fault_kind kind)
{
	act = FAULT_FAIL;
	if (plan == NULL || kind == FAULT_NONE)
		return false;
	if (plan->fault.lacks == kind) {
		errno = plan->fault.lacks_error;
		return true;
	}
	if (!is_due(kind))
		return false;
	act = plan->fault.act;
	suffer(FAULT_KILL_BEFORE, FAULT_STOP_BEFORE);
	if (act == FAULT_DELAY || act == FAULT_DELAY_AWAKE)
		delay();
	if (act == FAULT_FAIL)
		errno = plan->fault.error;
	return act == FAULT_FAIL;
}

static void twin_ends(void)
{
	if (act != FAULT_FAIL)
		suffer(FAULT_KILL_AFTER, FAULT_STOP_AFTER);
}

/* Bytes that the present call moves of a request of size bytes. */
static size_t twin_cut(size_t size)
{
	if (act == FAULT_HALF)
		return (size + 1) / 2;
	return act == FAULT_ONE_BYTE && size > 0 ? 1 : size;
}

/* ---- calls with special twins ---- */

static pid_t twin_fork(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		role <<= 1;
		act = FAULT_FAIL;
	}
	return pid;
}

/* A failing close() closes the descriptor all the same. */
static int twin_close(int fd)
{
	bool bad = twin_fails(FAULT_CLOSE);
	int error = errno, r = close(fd);

	twin_ends();
	if (bad)
		errno = error;
	return bad ? -1 : r;
}

static ssize_t twin_writev(int fd, const struct iovec *parts, int count)
{
	struct iovec some[64];
	size_t size = 0;
	int n;

	for (n = 0; n < count && n < 64; n++) {
		some[n] = parts[n];
		size += parts[n].iov_len;
	}
	size = twin_cut(size);
	for (int i = 0; i < n; i++) {
		if (some[i].iov_len > size)
			some[i].iov_len = size;
		size -= some[i].iov_len;
	}
	return writev(fd, some, n);
}

/* More descriptors than the library sends with a message. */
#define SCM_FDS 16

/* The kernel drops descriptors for which there is no room, but not the
   message. */
static ssize_t twin_recvmsg(int fd, struct msghdr *m, int flags)
{
	ssize_t r = recvmsg(fd, m, flags);
	struct cmsghdr *c = r > 0 ? CMSG_FIRSTHDR(m) : NULL;
	size_t count = c ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
	int fds[SCM_FDS];

	if (count < 2 || count > SCM_FDS || !twin_fails(FAULT_LOST_FDS))
		return r;
	memcpy(fds, CMSG_DATA(c), count * sizeof *fds);
	for (size_t i = 1; i < count; i++)
		close(fds[i]);
	c->cmsg_len = CMSG_LEN(sizeof *fds);
	m->msg_flags |= MSG_CTRUNC;
	return r;
}

static enum fault_kind open_kind(const char *path, int flags, ...)
{
	if ((flags & O_TMPFILE) == O_TMPFILE)
		return FAULT_TEMPORARY;
	if (strncmp(path, "/proc/self/fd/", 14) == 0)
		return FAULT_REOPEN;
	return strstr(path, "/children") ? FAULT_OPEN_CHILDREN : FAULT_OPEN;
}

static enum fault_kind fcntl_kind(int command, ...)
{
	if (command == F_DUPFD_CLOEXEC && role == FAULT_IN_AGENTS)
		return FAULT_COPY;
	return command == F_DUPFD_CLOEXEC ? FAULT_LIFT : FAULT_NONBLOCK;
}

static enum fault_kind syscall_kind(long number)
{
	if (number == SYS_getdents64)
		return FAULT_LIST;
	if (number == SYS_memfd_create)
		return FAULT_MEMFD;
	/* Older headers lack the two pidfd calls. */
	return number == 434 ? FAULT_PIDFD_OPEN : FAULT_PIDFD_KILL;
}

static enum fault_kind advice_kind(int advice)
{
	if (advice == MADV_DOFORK)
		return FAULT_DO_FORK;
	if (advice == MADV_HUGEPAGE)
		return FAULT_ASK_HUGE;
	if (advice == MADV_REMOVE)
		return FAULT_WIPE;
	return advice == MADV_DONTFORK ? FAULT_DONT_FORK : FAULT_WIPE_ON_FORK;
}

static enum fault_kind map_kind(int flags)
{
	if (flags & MAP_SHARED)
		return FAULT_MAP_SHARED;
	return flags & MAP_NORESERVE ? FAULT_MAP_PRIVATE : FAULT_ROOM;
}

static enum fault_kind prctl_kind(int option)
{
	if (option == PR_SET_NAME || option == PR_GET_NAME)
		return FAULT_NAME;
	return option == PR_SET_PDEATHSIG ? FAULT_DIE_WITH_PARENT :
	    FAULT_SUBREAPER;
}

static enum fault_kind wait_kind(idtype_t type)
{
	return type == P_ALL || type == P_PID || type == P_PGID ? FAULT_WAIT :
	    FAULT_WAIT_PIDFD;
}

/* ---- the calls ---- */

#define TWIN(kind, bad, call) __extension__ ({ \
		__typeof__(call) r_ = (bad); \
		if (!twin_fails(kind)) { \
			r_ = (call); \
			twin_ends(); \
		} \
		r_; \
	})
#define CALL(kind, call) TWIN(FAULT_##kind, -1, call)

#define read(fd, to, size) CALL(READ, read(fd, to, twin_cut(size)))
#define write(fd, from, size) CALL(WRITE, write(fd, from, twin_cut(size)))
#define writev(...) CALL(WRITEV, twin_writev(__VA_ARGS__))
#define pread(fd, to, size, at) \
	CALL(PREAD, pread(fd, to, twin_cut(size), at))
#define fstat(fd, to) CALL(SIZE, fstat(fd, to))
#define ftruncate(...) CALL(EMPTY, ftruncate(__VA_ARGS__))
#define flock(...) CALL(LOCK, flock(__VA_ARGS__))
#define fdatasync(fd) CALL(SYNC, fdatasync(fd))
#define fsync(fd) CALL(SYNC, fsync(fd))
#define readlink(...) CALL(READLINK, readlink(__VA_ARGS__))
#define close(fd) twin_close(fd)
#define open(path, ...) \
	TWIN(open_kind(path, __VA_ARGS__), -1, open(path, __VA_ARGS__))
#define mkostemp(...) CALL(NAMED, mkostemp(__VA_ARGS__))
#define unlink(path) CALL(UNLINK, unlink(path))
#define pwrite(fd, from, size, at) \
	CALL(PWRITE, pwrite(fd, from, twin_cut(size), at))
#define fallocate(...) CALL(PUNCH, fallocate(__VA_ARGS__))
#define pipe2(...) CALL(PIPE, pipe2(__VA_ARGS__))
#define socketpair(...) CALL(SOCKETPAIR, socketpair(__VA_ARGS__))
#define socket(...) CALL(SOCKET, socket(__VA_ARGS__))
#define bind(...) CALL(BIND, bind(__VA_ARGS__))
#define listen(...) CALL(LISTEN, listen(__VA_ARGS__))
#define connect(...) CALL(CONNECT, connect(__VA_ARGS__))
#define accept4(...) CALL(ACCEPT, accept4(__VA_ARGS__))
#define fchmod(...) CALL(MODE, fchmod(__VA_ARGS__))
#define mkdir(...) CALL(MKDIR, mkdir(__VA_ARGS__))
#define lstat(...) CALL(LSTAT, lstat(__VA_ARGS__))
#define eventfd(...) CALL(EVENTFD, eventfd(__VA_ARGS__))
#define timerfd_create(...) CALL(TIMER, timerfd_create(__VA_ARGS__))
#define timerfd_settime(...) CALL(TIMER_SET, twin_timer(__VA_ARGS__))
#define fcntl(fd, ...) \
	TWIN(fcntl_kind(__VA_ARGS__), -1, fcntl(fd, __VA_ARGS__))
#define dup2(...) CALL(DUP, dup2(__VA_ARGS__))
#define sendmsg(...) CALL(SEND, sendmsg(__VA_ARGS__))
#define recvmsg(...) CALL(RECEIVE, twin_recvmsg(__VA_ARGS__))
#define poll(fds, count, ms) CALL(POLL, poll(fds, count, twin_wait(ms)))
#define ppoll(...) CALL(PPOLL, twin_ppoll(__VA_ARGS__))
#define epoll_create1(...) CALL(EPOLL, epoll_create1(__VA_ARGS__))
#define epoll_ctl(set, op, ...) TWIN((op) == EPOLL_CTL_DEL ? FAULT_UNWATCH : \
	FAULT_WATCH, -1, epoll_ctl(set, op, __VA_ARGS__))
#define epoll_wait(set, told, count, ms) \
	CALL(EPOLL_WAIT, epoll_wait(set, told, count, twin_wait(ms)))
#define clock_gettime(...) CALL(NOW, twin_clock(__VA_ARGS__))
#define fork() CALL(FORK, twin_fork())
#define _exit(status) (twin_fails(FAULT_EXIT), _exit(status))
#define getpid() CALL(GETPID, getpid())
#define getppid() CALL(GETPPID, getppid())
#define syscall(number, ...) \
	TWIN(syscall_kind(number), -1, syscall(number, __VA_ARGS__))
#define waitid(type, ...) TWIN(wait_kind(type), -1, waitid(type, __VA_ARGS__))
#define wait4(...) CALL(REAP, wait4(__VA_ARGS__))
#define kill(...) CALL(KILL, kill(__VA_ARGS__))
#define getsid(pid) CALL(GETSID, getsid(pid))
#define setpgid(...) CALL(SETPGID, setpgid(__VA_ARGS__))
#define setsid() CALL(SETSID, setsid())
#define prctl(option, ...) \
	TWIN(prctl_kind(option), -1, prctl(option, __VA_ARGS__))
#define execvp(...) CALL(RUN, execvp(__VA_ARGS__))
#define gethostname(...) CALL(HOST_NAME, gethostname(__VA_ARGS__))
#define stat(path, to) CALL(STAT, stat(path, to))
#define sched_getaffinity(...) CALL(AFFINITY, sched_getaffinity(__VA_ARGS__))
#define getrlimit(...) CALL(LIMIT, getrlimit(__VA_ARGS__))
#define setrlimit(...) CALL(SET_LIMIT, setrlimit(__VA_ARGS__))
#define getrusage(...) CALL(USAGE, getrusage(__VA_ARGS__))
#define ioctl(...) CALL(COLUMNS, ioctl(__VA_ARGS__))
#define tcgetpgrp(fd) CALL(FOREGROUND, tcgetpgrp(fd))
#define clock_getcpuclockid(...) \
	CALL(CPU_CLOCK, clock_getcpuclockid(__VA_ARGS__))
#define sigaltstack(...) CALL(ALT_STACK, sigaltstack(__VA_ARGS__))
#define mmap(at, size, access, flags, ...) TWIN(map_kind(flags), \
	MAP_FAILED, mmap(at, size, access, flags, __VA_ARGS__))
#define munmap(...) CALL(UNMAP, munmap(__VA_ARGS__))
#define madvise(at, size, advice) \
	TWIN(advice_kind(advice), -1, madvise(at, size, advice))
#define mprotect(...) CALL(PROTECT, mprotect(__VA_ARGS__))
#define sysconf(name) CALL(PAGE_SIZE, sysconf(name))
#define pthread_sigmask(...) CALL(MASK, pthread_sigmask(__VA_ARGS__))
#define sigaction(...) CALL(HANDLER, sigaction(__VA_ARGS__))
#define sigpending(set) CALL(PENDING, sigpending(set))
#define sigtimedwait(...) CALL(TAKE_SIGNAL, sigtimedwait(__VA_ARGS__))

#include "os/sys_file.c"
#include "os/sys_io.c"
#include "os/sys_mem.c"
#include "os/sys_proc.c"
#include "os/sys_socket.c"

/* ---- memory ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);

static bool malloc_on;
static long blocks;

void fault_malloc_on(int on)
{
	malloc_on = on;
}

long fault_blocks(void)
{
	return blocks;
}

static void *counted(void *p)
{
	blocks += p != NULL;
	return p;
}

#define ALLOC(call) TWIN(malloc_on ? FAULT_MALLOC : FAULT_NONE, NULL, call)

void *__wrap_malloc(size_t size)
{
	return counted(ALLOC(__real_malloc(size)));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return counted(ALLOC(__real_calloc(count, size)));
}

void *__wrap_realloc(void *p, size_t size)
{
	void *grown = ALLOC(__real_realloc(p, size));

	return p == NULL ? counted(grown) : grown;
}

void __wrap_free(void *p)
{
	blocks -= p != NULL;
	__real_free(p);
}
