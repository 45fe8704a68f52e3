/* sys_io.c - see sys.h: system calls on bytes, descriptors, messages, time. */
#include "config.h"

#include "os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "base/digits.h"
#include "os/sys_result.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

int sys_lift(int fd)
{
	int higher;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	higher = result_of(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
	sys_close(&fd);
	return higher;
}

/* The same for a pair; on failure both ends are closed. */
static int lift_pair(int ends[2])
{
	int r = 0;

	for (int i = 0; i < 2; i++) {
		ends[i] = sys_lift(ends[i]);
		if (ends[i] < 0 && r == 0)
			r = ends[i];
	}
	if (r < 0) {
		for (int i = 0; i < 2; i++)
			if (ends[i] >= 0)
				sys_close(&ends[i]);
		ends[0] = ends[1] = -1;
	}
	return r;
}

/* ---- bytes ---- */

ssize_t sys_read(int fd, void *to, size_t size)
{
	ssize_t r;

	RETRY(r, read(fd, to, size));
	return r;
}

ssize_t sys_write(int fd, const void *from, size_t size)
{
	ssize_t r;

	RETRY(r, write(fd, from, size));
	return r;
}

ssize_t sys_pread(int fd, void *to, size_t size, uint64_t at)
{
	ssize_t r;

	RETRY(r, pread(fd, to, size, (off_t)at));
	return r;
}

ssize_t sys_writev(int fd, const struct iovec *parts, int count)
{
	ssize_t r;

	RETRY(r, writev(fd, parts, count));
	return r;
}

ssize_t sys_list(int fd, void *to, size_t size)
{
	long r;

	RETRY(r, syscall(SYS_getdents64, fd, to, size));
	return r;
}

ssize_t sys_readlink(const char *path, char *to, size_t size)
{
	ssize_t r;

	RETRY(r, readlink(path, to, size - 1));
	if (r >= 0)
		to[r] = '\0';
	return r;
}

/* ---- descriptors ---- */

void sys_close(int *fd)
{
	int kept = errno;

	if (*fd >= 0)
		close(*fd);
	if (*fd != -1)
		*fd = -1;
	if (errno != kept)
		errno = kept;
}

int sys_open(const char *path, int flags)
{
	int r;

	RETRY(r, open(path, flags | O_CLOEXEC));
	return sys_lift(r);
}

int sys_reopen(int fd, int flags)
{
	static const char of_all[] = "/proc/self/fd/";
	char path[sizeof of_all + DIGITS_MOST] = "";
	char *at = path + sizeof path - 1;

	if (fd < 0)
		return -EBADF;
	at = digits_before(at, (uint64_t)fd, 10);
	at -= sizeof of_all - 1;
	memcpy(at, of_all, sizeof of_all - 1);
	return sys_open(at, flags);
}

int sys_pipe(int ends[2])
{
	int r = result_of(pipe2(ends, O_CLOEXEC));

	return r < 0 ? r : lift_pair(ends);
}

int sys_socketpair(int ends[2])
{
	int type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
	int r = result_of(socketpair(AF_UNIX, type, 0, ends));

	return r < 0 ? r : lift_pair(ends);
}

int sys_eventfd(void)
{
	return sys_lift(result_of(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
}

int sys_memfd(void)
{
	int fd = sys_lift(result_of((int)syscall(SYS_memfd_create, "vimap",
	    1u /* MFD_CLOEXEC */)));
	int r = MIN(fd, 0);

	if (r == 0)
		r = result_of(fcntl(fd, F_SETFL, O_APPEND | O_RDWR));
	if (r < 0)
		sys_close(&fd);
	return r < 0 ? r : fd;
}

int64_t sys_size(int fd)
{
	struct stat s;

	return fstat(fd, &s) == -1 ? -errno : (int64_t)s.st_size;
}

void sys_identify(int fd, struct sys_file *f)
{
	int kept = errno;
	struct stat s;

	*f = (struct sys_file){ 0, 0 };
	if (fstat(fd, &s) == 0)
		*f = (struct sys_file){ s.st_dev, s.st_ino };
	errno = kept;
}

static bool is_same(const struct stat *s, const struct sys_file *f)
{
	return (f->device == 0 && f->inode == 0) ||
	    (s->st_dev == f->device && s->st_ino == f->inode);
}

bool sys_is(int fd, const struct sys_file *f)
{
	int kept = errno;
	struct stat s;
	bool same = fstat(fd, &s) == -1 ? errno != EBADF : is_same(&s, f);

	errno = kept;
	return same;
}

int sys_is_whole(int fd, const struct sys_file *f, uint64_t size)
{
	int kept = errno, r = 0;
	struct stat s;

	if (fstat(fd, &s) == -1)
		r = errno == EBADF ? -EBADF : 0;
	else if (!is_same(&s, f))
		r = -EBADF;
	else if (s.st_nlink == 0 ||
	    (size != UINT64_MAX && (uint64_t)s.st_size != size))
		r = -ESTALE;
	errno = kept;
	return r;
}

int sys_truncate(int fd, uint64_t size)
{
	int r;

	RETRY(r, ftruncate(fd, (off_t)size));
	return r;
}

int sys_timer(void)
{
	return sys_lift(result_of(timerfd_create(CLOCK_MONOTONIC,
	    TFD_CLOEXEC | TFD_NONBLOCK)));
}

int sys_timer_set(int fd, uint64_t at)
{
	const struct itimerspec t = { .it_value = {
		.tv_sec = (time_t)(at / 1000000000),
		.tv_nsec = (long)(at % 1000000000) } };
	int kept = errno;
	int r = result_of(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL));

	errno = kept;
	return r;
}

int sys_nonblock(int fd)
{
	int flags = result_of(fcntl(fd, F_GETFL));

	if (flags < 0)
		return flags;
	return result_of(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

int sys_dup_onto(int fd, int to)
{
	int r;

	RETRY(r, dup2(fd, to));
	return r;
}

int sys_copy(int fd)
{
	return result_of(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

bool sys_is_open(int fd)
{
	int kept = errno;
	bool open = fcntl(fd, F_GETFD) >= 0 || errno != EBADF;

	errno = kept;
	return open;
}

int sys_pidfd_open(pid_t pid)
{
	return sys_lift(result_of((int)syscall(SYS_pidfd_open, pid, 0)));
}

/* ---- messages with descriptors ---- */

/* Aligned buffer for the control part of a message with descriptors. */
union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(SYS_FDS * sizeof(int))];
};

int sys_send(int fd, const void *message, size_t size, const int *fds,
    int count)
{
	struct iovec part = { .iov_base = (void *)message, .iov_len = size };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	union control control = { .room = { 0 } };
	size_t bytes = (size_t)count * sizeof *fds;
	ssize_t r;

	if (count > 0) {
		m.msg_control = control.room;
		m.msg_controllen = (socklen_t)CMSG_SPACE(bytes);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = (socklen_t)CMSG_LEN(bytes);
		memcpy(CMSG_DATA(&control.head), fds, bytes);
	}
	RETRY(r, sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT));
	return r < 0 ? (int)r : 0;
}

/* Takes the descriptors out of a received message. */
static void collect_fds(struct msghdr *m, int fds[SYS_FDS], bool *lost)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	size_t count = 0;

	if (c != NULL && c->cmsg_level == SOL_SOCKET &&
	    c->cmsg_type == SCM_RIGHTS) {
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof *fds;
		count = MIN(count, SYS_FDS);
		memcpy(fds, CMSG_DATA(c), count * sizeof *fds);
	}
	for (size_t i = 0; i < count; i++) {
		fds[i] = sys_lift(fds[i]);
		if (fds[i] < 0)
			*lost = true;
		fds[i] = MAX(fds[i], -1);
	}
}

ssize_t sys_receive(int fd, void *message, size_t size, int fds[SYS_FDS],
    bool *lost)
{
	struct iovec part = { .iov_base = message, .iov_len = size };
	union control control;
	struct msghdr m = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof control.room,
	};
	ssize_t r;

	for (int i = 0; i < SYS_FDS; i++)
		fds[i] = -1;
	*lost = false;
	RETRY(r, recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC |
	    MSG_TRUNC));
	if (r >= 0) {
		*lost = (m.msg_flags & MSG_CTRUNC) != 0;
		collect_fds(&m, fds, lost);
	}
	return r;
}

/* ---- waiting ---- */

bool sys_linger(int fd, int times)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int kept = errno, ready;

	while ((ready = poll(&p, 1, 0)) == 0 && times-- > 0)
		sched_yield();
	errno = kept;
	return ready != 0;
}

int sys_poll(struct pollfd *fds, size_t count, int ms)
{
	int kept = errno;
	int r = result_of(poll(fds, (nfds_t)count, ms));

	errno = kept;
	return r == -EINTR ? 0 : r;
}

ssize_t sys_write_now(int fd, const void *from, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (sys_poll(&p, 1, 0) != 1)
		return -EAGAIN;
	return sys_write(fd, from, size);
}

int sys_ppoll(struct pollfd *fds, size_t count, int ms, const sigset_t *mask)
{
	struct timespec t = { .tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000L };
	int r = result_of(ppoll(fds, (nfds_t)count, ms < 0 ? NULL : &t,
	    mask));

	return r == -EINTR ? 0 : r;
}

int sys_epoll(void)
{
	return sys_lift(result_of(epoll_create1(EPOLL_CLOEXEC)));
}

int sys_epoll_ctl(int set, int op, int fd, uint32_t events, uint64_t key)
{
	struct epoll_event e = { .events = events, .data.u64 = key };
	int kept = errno;
	int r = result_of(epoll_ctl(set, op, fd, &e));

	errno = kept;
	return r;
}

int sys_epoll_wait(int set, struct epoll_event *told, size_t count, int ms)
{
	int kept = errno;
	int r = result_of(epoll_wait(set, told, (int)count, ms));

	errno = kept;
	return r == -EINTR ? 0 : r;
}

uint64_t sys_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t sys_date(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
