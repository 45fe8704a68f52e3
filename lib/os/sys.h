/*
 * sys.h - every system call the library makes, each with its error policy.
 *
 * Runs in: caller, fork server, worker.  No other file calls the system.  Every
 * function that can fail returns 0 or more, or -errno; errno itself is kept
 * where the comment says so.  New descriptors are close-on-exec and never 0, 1
 * or 2: a host program that has closed its standard streams must not find our
 * files there.
 * EINTR is retried inside, except in the three waits, sys_poll(), sys_ppoll()
 * and sys_epoll_wait(), where it counts as no event.
 *
 * Easy to get wrong: tests replace this file by a twin whose n-th call fails,
 * so every function here may fail in every way its contract allows.
 */
#ifndef SYS_H
#define SYS_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Does a result mean that the system lacks the call, or forbids it?  An old
   kernel returns -ENOSYS, a filter of system calls any of these. */
static inline bool sys_lacks(int64_t result)
{
	return result == -ENOSYS || result == -EPERM || result == -EACCES;
}

/* ---- bytes ---- */

/* Reads up to size bytes into a buffer.  Returns the bytes read, 0 at the end,
   -EAGAIN if none are there yet. */
ssize_t sys_read(int fd, void *to, size_t size);
/* Writes up to size bytes.  Returns the bytes written, -EAGAIN if none fit. */
ssize_t sys_write(int fd, const void *from, size_t size);
/* Reads at a position, without moving the file's own; returns as sys_read(). */
ssize_t sys_pread(int fd, void *to, size_t size, uint64_t at);
ssize_t sys_writev(int fd, const struct iovec *parts, int count);
/* Writes if the descriptor takes bytes without blocking; else returns
   -EAGAIN.  Where it takes a few only, as a socket may, it can block. */
ssize_t sys_write_now(int fd, const void *from, size_t size);
/* An entry of a directory, in the layout of getdents64(2). */
struct sys_entry {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};
/* Reads entries of a directory into a buffer.  Returns bytes, 0 at the end. */
ssize_t sys_list(int fd, void *to, size_t size);
/* Reads the target of a symbolic link, with a 0 behind it.  Returns its
   length. */
ssize_t sys_readlink(const char *path, char *to, size_t size);

/* ---- descriptors ---- */

/* Closes *fd unless it is -1, and sets it to -1.  Keeps errno. */
void sys_close(int *fd);
/* Is this number an open descriptor?  Keeps errno. */
bool sys_is_open(int fd);
/* Opens a path.  Returns the descriptor. */
int sys_open(const char *path, int flags);
/* Opens a pipe end of ours a second time, with flags of its own.  Returns the
   descriptor. */
int sys_reopen(int fd, int flags);
/* Makes a pipe; both ends block until sys_nonblock(). */
int sys_pipe(int ends[2]);
/* Makes two connected sockets that keep message boundaries and do not block. */
int sys_socketpair(int ends[2]);
/* Makes an empty file in memory, for appending; its contents are freed with its
   last descriptor.  Returns the descriptor. */
int sys_memfd(void);
/* Returns the size of a file in bytes. */
int64_t sys_size(int fd);
/* Truncates a file to that many bytes. */
int sys_truncate(int fd, uint64_t size);
struct sys_file {
	uint64_t device, inode;
};
/* Stores the identity of a descriptor's file; all 0 if unknown.  Files without
   an inode of their own, as epoll sets and eventfds, look all the same.  Keeps
   errno. */
void sys_identify(int fd, struct sys_file *);
/* Does the descriptor still refer to this file, as far as the identity shows?
   Keeps errno; for signal handlers too. */
bool sys_is(int fd, const struct sys_file *);
/* Is it still that file, and has that a name, and that size?  UINT64_MAX:
   any number.  Returns 0; -EBADF if it is another file; or -ESTALE.  Keeps
   errno. */
int sys_is_whole(int fd, const struct sys_file *, uint64_t size);
/* Makes a counter that wakes a poll; it does not block.  Returns the
   descriptor. */
int sys_eventfd(void);
/* A timer by the monotonic clock, readable from the time that it is set to; 0:
   never.  Returns the descriptor, or 0, or -errno. */
int sys_timer(void);
int sys_timer_set(int fd, uint64_t at);
/* Makes reads and writes return -EAGAIN instead of blocking. */
int sys_nonblock(int fd);
/* Makes descriptor "to" a copy of fd, inherited by executed programs. */
int sys_dup_onto(int fd, int to);
/* Returns a copy of a descriptor, above 2 and closed on exec, or -errno. */
int sys_copy(int fd);

/* Returns the columns of a terminal, 0 if it does not say; -ENOTTY or the like
   if it is no terminal. */
int sys_columns(int fd);
/* Does the terminal take this process's text: is it in the foreground, or not
   under the control of this terminal? */
bool sys_in_foreground(int fd);
/* Returns a variable of the environment; NULL if it is not set, or if the
   program has rights that its user has not. */
const char *sys_getenv(const char *name);

/* ---- large files ---- */

/* Returns the size in bytes of a regular file, by its path; -ESPIPE if the path
   is that of anything else. */
int64_t sys_size_of(const char *path);
/* Writes at a position in a file; returns as sys_write(). */
ssize_t sys_pwrite(int fd, const void *from, size_t size, uint64_t at);
/* Makes an empty file in memory; its contents are freed with its last
   descriptor.  Returns the descriptor. */
int sys_memory_file(void);
/* The same on disk, without a name, in a directory. */
int sys_temporary(const char *dir);
/*
 * Opens a file for appending that only this user may read, and that no other
 * user has put in its place: makes it with mode 0600, or empties a regular file
 * of this user's with a single link.  fresh: a file that exists is refused, by
 * -EEXIST.  Returns the descriptor; -ELOOP for a symbolic link; -EPERM for the
 * file of another user; -EMLINK; -ESPIPE if it is no regular file.
 */
int sys_create(const char *path, bool fresh);
/* The same for reading too, with the contents of a file that exists.  -EPERM
   also if others may write to it. */
int sys_extend(const char *path);
/* Locks a file as flock(2) does, for this process and those that inherit the
   descriptor.  Returns 0; -EWOULDBLOCK if another has it, or the file has no
   name any more. */
int sys_lock_file(int fd);
/* Blocks until the disk has the contents of a file.  Returns 0 or -errno. */
int sys_sync(int fd);
/* The same for the name of a file in its directory, which must be readable. */
int sys_sync_name(const char *path);
/* Stores 16 random bytes that this program got when it was started; zeroes if
   there are none.  Other parts of the process know them. */
void sys_random(unsigned char to[16]);
/* Makes these bytes read as 0, and frees their disk space or memory where the
   file system can.  Keeps errno. */
void sys_punch(int fd, uint64_t at, uint64_t size);
/* Returns the largest size in bytes that this process may give a file. */
uint64_t sys_file_limit(void);

/* ---- messages with descriptors ---- */

/* The most descriptors that travel with a message. */
#define SYS_FDS 4

/* Sends a whole message, with count descriptors.  Returns 0 or -EAGAIN, without
   blocking. */
int sys_send(int fd, const void *message, size_t size, const int *fds,
    int count);
/* Receives a message into a buffer, without blocking.  Returns its size, more
   than "size" if it was cut, 0 at the end, -EAGAIN.  Sets fds (-1 where there
   is none), and *lost if this process could not take all descriptors. */
ssize_t sys_receive(int fd, void *message, size_t size, int fds[SYS_FDS],
    bool *lost);

/* ---- sockets with a path ---- */

/* Makes a socket that listens at the path, with mode 0600, and does not block.
   Returns its descriptor; -EADDRINUSE if the path exists. */
int sys_listen(const char *path);
/* Connects to the socket at the path.  Returns a descriptor that does not
   block; -EAGAIN if too many connections wait there. */
int sys_connect(const char *path);
/* Accepts a connection.  Returns a descriptor that does not block; -EAGAIN if
   there is none. */
int sys_accept(int fd);
/* Is the process at the other end of this user's, or of root's? */
bool sys_peer_may(int fd);
/* As unlink(2). */
int sys_unlink(const char *path);
/* Stores the identity of the socket under that path.  Returns 0; -ENOTSOCK if
   another file is there. */
int sys_identify_socket(const char *path, struct sys_file *);
/* Is the path a directory of this user's that nobody else may write to?  make:
   makes it with mode 0700 if it is not there.  Returns 0; -EPERM or -ENOTDIR if
   not. */
int sys_own_directory(const char *path, bool make);
/* Returns the effective user.  Cannot fail. */
uid_t sys_user(void);

/* ---- waiting ---- */

/* Polls a descriptor for reading and yields the CPU in between, up to "times"
   times; cheaper than sleeping where more input is on its way.  Returns true if
   it can be read.  Keeps errno. */
bool sys_linger(int fd, int times);
/* As poll(2); ms < 0 waits for ever.  Returns the number of ready descriptors,
   0 after EINTR.  Keeps errno. */
int sys_poll(struct pollfd *fds, size_t count, int ms);
/* The same, with a signal mask during the wait; does not keep errno. */
int sys_ppoll(struct pollfd *fds, size_t count, int ms, const sigset_t *mask);
/* Makes an epoll set.  Returns its descriptor. */
int sys_epoll(void);
/* Changes the set as epoll_ctl(2).  The key is reported with the events.  Keeps
   errno. */
int sys_epoll_ctl(int set, int op, int fd, uint32_t events, uint64_t key);
/* As epoll_wait(2); ms < 0 waits for ever.  Returns the number of events, 0
   after EINTR.  Keeps errno. */
int sys_epoll_wait(int set, struct epoll_event *, size_t count, int ms);
/* Monotonic time in ns.  Cannot fail. */
uint64_t sys_now(void);
/* Time of day in ns since 1970.  Cannot fail. */
uint64_t sys_date(void);

/* ---- processes ---- */

/* As fork(2). */
pid_t sys_fork(void);
/* Forks a process that executes a command, found by PATH, with these standard
   descriptors, which are above 2, and with no signal blocked; it is killed when
   this process ends.  If there is no such command, it writes a line to fds[2]
   and exits with status 127.  Returns its pid or -errno. */
pid_t sys_run(char *const command[], const int fds[3]);
pid_t sys_getpid(void);
pid_t sys_getppid(void);
/* Returns a descriptor that becomes readable when the process ends. */
int sys_pidfd_open(pid_t pid);
/* Reaps by pidfd, or by pid if pidfd is -1, without blocking.  Returns 1 if the
   process is gone, also if it was reaped elsewhere, 0 if it still runs. */
int sys_reap_one(int pidfd, pid_t pid);
/* Finds a child that has ended, without reaping it.  Returns its pid, 0 if
   there is none, -ECHILD if there are no children. */
pid_t sys_ended_child(void);
/* Has this process a child in that process group, ended children included? */
bool sys_has_child_in(pid_t group);
/* Reaps this child, and blocks until it has ended.  Sets its status and its
   resource usage, including the children it has waited for.  On failure both
   are 0. */
int sys_reap(pid_t pid, int *status, struct rusage *);
/* CPU time, user and system, in ns. */
uint64_t sys_cpu_of(const struct rusage *);
/* CPU time of a running process, without its children, in ns; 0 if unknown. */
uint64_t sys_cpu_now(pid_t pid);
/* CPU time of this process and of the children it has waited for, in ns. */
uint64_t sys_cpu(void);
/* Signals a process, or a process group if pid is negative. */
int sys_kill(pid_t pid, int signal);
/* Signals by pidfd; by pid if pidfd is -1, or the system cannot signal by
   pidfd. */
int sys_pidfd_kill(int pidfd, pid_t pid, int signal);
/* Kills a process if it is in that session.  Returns 0; -ESRCH if it is not. */
int sys_kill_in(pid_t pid, pid_t session);
/* As setpgid(2) and setsid(2). */
int sys_setpgid(pid_t pid, pid_t group);
int sys_setsid(void);
/* Makes orphans of our descendants our children. */
int sys_be_subreaper(void);
/* Has this process killed when the thread that forked it ends. */
int sys_die_with_parent(void);
/* Bytes of a process's name with its 0. */
#define SYS_NAME 16
/* Stores the name of this thread that ps(1) shows; "" if it is unknown. */
void sys_name(char name[SYS_NAME]);
/* Sets it, cut to SYS_NAME. */
int sys_rename(const char *name);
/* Ends the process without running handlers of the host program. */
_Noreturn void sys_exit(int status);
/* Returns the number of threads in this process; 0 if unknown. */
long sys_threads(void);
/* Returns the number of CPUs in this thread's affinity mask; all CPUs of the
   machine if the system does not give the mask. */
int sys_affinity(void);
/* Writes the name of this machine, "" if it is not known. */
void sys_host_name(char *to, size_t room);
/* Lowers this process's limits on a resource, RLIMIT_..., if they are
   higher. */
int sys_limit(int resource, uint64_t soft, uint64_t hard);
/* Returns the resident memory of a process, in bytes; 0 if unknown. */
uint64_t sys_memory(pid_t pid);
/* The most it has been; 0 if unknown. */
uint64_t sys_memory_peak(pid_t pid);
/* A process as in proc(5): its state as a letter, its parent, and its CPU time,
   in clock ticks. */
struct sys_process {
	char state;
	pid_t parent;
	uint64_t ticks;
};
/* Reads the state of a process from /proc.  Returns 0; -ENOENT if there is no
   such process. */
int sys_process(pid_t pid, struct sys_process *);
/* Returns the soft limit on descriptors. */
uint64_t sys_fd_limit(void);
/* Returns the smaller soft limit on this process's memory, in bytes. */
uint64_t sys_memory_limit(void);

/* ---- memory ---- */

/* Map zeroed pages: shared memory for processes forked later, charged when
   touched; or private pages.  Return a pointer, NULL on failure. */
void *sys_map_shared(size_t size);
void *sys_map_private(size_t size);
/* Maps shared memory in a file without a name, and stores the pointer in *at.
   Returns a descriptor by which the file can be mapped read-only, or -errno. */
int sys_map_file(size_t size, void **at);
/* Maps all of such a file read-only in the place of those pages: neither this
   process nor its children can make them writable again. */
int sys_map_to_read(void *at, size_t size, int fd);
/* Asks for huge pages where a range of private memory has room for them, so
   that it is not touched first page by page; without effect where the system
   has none.  Keeps errno. */
void sys_ask_huge(void *at, size_t size);
/* Unmaps pages; does nothing for NULL.  Keeps errno. */
void sys_unmap(void *at, size_t size);
/* Makes pages read-only for this process, or writable again. */
int sys_protect(void *at, size_t size, bool writable);
/* Children forked from now on do not have these pages. */
int sys_dont_fork(void *at, size_t size);
/* Children forked from now on have them again.  Keeps errno. */
void sys_do_fork(void *at, size_t size);
/* Children forked from now on find these private pages zeroed. */
int sys_wipe_on_fork(void *at, size_t size);
/* Frees the memory of these shared pages, which are zero then, where the system
   can.  Keeps errno. */
void sys_give_back(void *at, size_t size);
/* Zeroes these shared pages, and frees their memory where the system can.
   Keeps errno. */
void sys_wipe(void *at, size_t size);
/* Could this process map size more bytes now?  Returns 0 or -ENOMEM. */
int sys_has_room(size_t size);
size_t sys_page_size(void);

/* ---- signals ---- */

/* Blocks every signal in this thread, and stores the old mask. */
int sys_block_signals(sigset_t *old);
void sys_set_mask(const sigset_t *mask);
/* Makes this memory the alternate stack for signal handlers of this thread. */
int sys_alt_stack(void *at, size_t size);
/* Installs a callback for a signal, on the alternate stack, if its disposition
   is the default.  It runs for the first signal only, and does not block the
   signal. */
void sys_catch_once(int signal, void (*catch)(int, siginfo_t *, void *));
/* Sends the signal to this thread. */
void sys_raise(int signal);
/* Has this process killed by SIGALRM after that many seconds, whatever its
   disposition was; 0 cancels this. */
void sys_alarm(unsigned seconds);
/* Resets caught signals to the default; ignored signals stay ignored. */
void sys_forget_handlers(void);
/* Ignores a signal from now on. */
void sys_ignore(int signal);
/* Resets a signal to its default action, also if it was ignored. */
void sys_default(int signal);
/* Gives SIGCHLD an empty handler (true) or its default (false). */
int sys_handle_sigchld(bool handle);
/* Is SIGPIPE pending for this thread?  It must be blocked. */
bool sys_sigpipe_pending(void);
/* Removes a pending SIGPIPE from this thread. */
void sys_take_sigpipe(void);

#endif
