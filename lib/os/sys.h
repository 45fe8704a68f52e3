/*
 * sys.h - every system call the library makes, each with its one policy.
 *
 * Runs in: caller, fork server, worker.  Called by all files; no other file
 * calls the system.  Everything that can fail returns 0 or more, or minus an
 * errno number; errno itself is left alone where it says so.  Descriptors are
 * born close-on-exec and never 0, 1 or 2, so that a host that has closed its
 * standard streams does not find ours there.  EINTR is retried inside, but
 * for the three waits, where it counts as "nothing happened".
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

/* Does a result say that the system does not have this, or does not let us?
   An old kernel says the one, a filter of system calls any of them. */
static inline bool sys_lacks(int64_t result)
{
	return result == -ENOSYS || result == -EPERM || result == -EACCES;
}

/* ---- bytes ---- */

/* Up to size bytes: how many, 0 at the end, -EAGAIN if none yet. */
ssize_t sys_read(int fd, void *to, size_t size);
/* Some of the bytes: how many, -EAGAIN if none can go yet. */
ssize_t sys_write(int fd, const void *from, size_t size);
/* Reads from a place in a file, which stays where it is: as sys_read(). */
ssize_t sys_pread(int fd, void *to, size_t size, uint64_t at);
ssize_t sys_writev(int fd, const struct iovec *parts, int count);
/* An entry of a directory, as getdents64(2) lays it out. */
struct sys_entry {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};
/* Entries of a directory: bytes, 0 at the end. */
ssize_t sys_list(int fd, void *to, size_t size);
/* Where a symbolic link points, with a 0 after it: its length. */
ssize_t sys_readlink(const char *path, char *to, size_t size);

/* ---- descriptors ---- */

/* Closes *fd unless it is -1 and makes it -1.  Keeps errno. */
void sys_close(int *fd);
/* Is that number an open descriptor? */
bool sys_is_open(int fd);
/* Opens a path: the descriptor. */
int sys_open(const char *path, int flags);
/* A second open file description of a pipe end of ours: the descriptor. */
int sys_reopen(int fd, int flags);
/* Both ends block until sys_nonblock(). */
int sys_pipe(int ends[2]);
/* Two ends that keep message boundaries and do not block. */
int sys_socketpair(int ends[2]);
/* An empty file in memory, for appending; what it has goes with its last
   descriptor. */
int sys_memfd(void);
/* How many bytes a file has: or -errno. */
int64_t sys_size(int fd);
/* Makes a file empty. */
int sys_empty(int fd);
struct sys_file {
	uint64_t device, inode;
};
/* Which file a descriptor stands for; all 0 if that cannot be told.  Those
   without an inode of their own, as sets and counters, look all the same. */
void sys_identify(int fd, struct sys_file *);
/* Does it stand for that one still, as far as can be told?  errno is kept; for
   signal handlers too. */
bool sys_is(int fd, const struct sys_file *);
/* A counter to wake a poll with; does not block. */
int sys_eventfd(void);
/* Makes reads and writes on it return -EAGAIN instead of waiting. */
int sys_nonblock(int fd);
/* Makes descriptor "to" a copy of fd, inherited by programs it executes. */
int sys_dup_onto(int fd, int to);

/* ---- files that have room for all ---- */

/* Writes to a place in a file: as sys_write(). */
ssize_t sys_pwrite(int fd, const void *from, size_t size, uint64_t at);
/* An empty file in memory; what it has goes with its last descriptor. */
int sys_memory_file(void);
/* The same in a directory, where it has no name. */
int sys_temporary(const char *dir);
/* The bytes read as 0 from now on, and take no room, where that can be. */
void sys_punch(int fd, uint64_t at, uint64_t size);
/* How many bytes a file may have. */
uint64_t sys_file_limit(void);

/* ---- messages with descriptors ---- */

/* The most descriptors that travel with a message. */
#define SYS_FDS 4

/* Sends one whole message, with count descriptors: 0, -EAGAIN. */
int sys_send(int fd, const void *message, size_t size, const int *fds,
    int count);
/* Takes one message: its size, more than "size" if it was cut, 0 at the end,
   -EAGAIN.  Sets fds (-1 where none) and *lost when some did not fit in this
   process. */
ssize_t sys_receive(int fd, void *message, size_t size, int fds[SYS_FDS],
    bool *lost);

/* ---- waiting ---- */

/* As poll(2); ms < 0 waits for ever.  How many are ready; 0 after EINTR. */
/* Lets others run, so many times at most, while there is nothing to read:
   where more is on its way that is cheaper than to sleep.  Is there now? */
bool sys_linger(int fd, int times);
int sys_poll(struct pollfd *fds, size_t count, int ms);
/* The same with a signal mask while it waits. */
int sys_ppoll(struct pollfd *fds, size_t count, int ms, const sigset_t *mask);
/* A set of descriptors to wait for: the descriptor of the set. */
int sys_epoll(void);
/* Changes it as epoll_ctl(2): 0.  The key is told with the events. */
int sys_epoll_ctl(int set, int op, int fd, uint32_t events, uint64_t key);
/* As epoll_wait(2); ms < 0 waits for ever.  How many are told; 0 after
   EINTR. */
int sys_epoll_wait(int set, struct epoll_event *, size_t count, int ms);
/* Monotonic time in ns.  Cannot fail. */
uint64_t sys_now(void);

/* ---- processes ---- */

/* As fork(2). */
pid_t sys_fork(void);
pid_t sys_getpid(void);
pid_t sys_getppid(void);
/* A descriptor that becomes readable when the process ends. */
int sys_pidfd_open(pid_t pid);
/* Reaps by pidfd, or by pid if pidfd is -1, without waiting: 1 gone (somebody
   else having reaped it included), 0 still there. */
int sys_reap_one(int pidfd, pid_t pid);
/* A child that has ended, left unreaped: its pid, 0 if none has, -ECHILD if
   there are no children. */
pid_t sys_ended_child(void);
/* Has this process a child in that group, ended ones included? */
bool sys_has_child_in(pid_t group);
/* Reaps this ended child: 0.  Sets its status and what it used, with those
   of its children that it has waited for; all 0 if it was not there. */
int sys_reap(pid_t pid, int *status, struct rusage *);
/* CPU time, user and system, in ns. */
uint64_t sys_cpu_of(const struct rusage *);
/* CPU time this process has had, with children it has waited for, in ns. */
uint64_t sys_cpu(void);
/* Signals a process, or a group if pid is negative. */
int sys_kill(pid_t pid, int signal);
/* Signals by pidfd; by pid if it is -1, or the system does not do that. */
int sys_pidfd_kill(int pidfd, pid_t pid, int signal);
/* Kills a process if it is in that session: 0; -ESRCH if there is none. */
int sys_kill_in(pid_t pid, pid_t session);
/* As setpgid(2) and setsid(2). */
int sys_setpgid(pid_t pid, pid_t group);
int sys_setsid(void);
/* Orphans of our descendants become our children. */
int sys_be_subreaper(void);
/* This process is killed when the thread that forked it ends. */
int sys_die_with_parent(void);
/* Ends the process without running anything of the host's. */
_Noreturn void sys_exit(int status);
/* Threads in this process; 0 if that cannot be found out. */
long sys_threads(void);
/* CPUs in this thread's affinity mask; those of the machine, if the mask is
   not to be had. */
int sys_affinity(void);
/* Lowers this process's limits on a resource, RLIMIT_..., if they are
   higher. */
int sys_limit(int resource, uint64_t soft, uint64_t hard);
/* Memory a process has now, in bytes; 0 if that cannot be found out. */
uint64_t sys_memory(pid_t pid);
/* What proc(5) tells of a process: its state as a letter, its parent, and the
   CPU time it has had, in ticks of some length. */
struct sys_process {
	char state;
	pid_t parent;
	uint64_t ticks;
};
/* Looks at a process, by the numbers that /proc gives: 0; -errno, -ENOENT if
   there is none. */
int sys_process(pid_t pid, struct sys_process *);
/* The soft limit on descriptors. */
uint64_t sys_fd_limit(void);
/* The least soft limit on this process's memory, in bytes. */
uint64_t sys_memory_limit(void);

/* ---- memory ---- */

/* Zeroed pages shared with processes forked later, charged when touched, or
   private ones.  NULL if there are none. */
void *sys_map_shared(size_t size);
void *sys_map_private(size_t size);
/* The same as a file without a name, at *at.  What it can be mapped by again,
   to be read only: a descriptor, or -errno. */
int sys_map_file(size_t size, void **at);
/* Maps all of such a file in the place of those pages: neither this process nor
   those forked here can write there again, whatever they do. */
int sys_map_to_read(void *at, size_t size, int fd);
/* Gives pages back; nothing for NULL.  Keeps errno. */
void sys_unmap(void *at, size_t size);
/* This process cannot write there any more, or can again. */
int sys_protect(void *at, size_t size, bool writable);
/* Children forked from now on do not have these pages. */
int sys_dont_fork(void *at, size_t size);
/* They have them again. */
void sys_do_fork(void *at, size_t size);
/* Children forked from now on find these private pages zeroed. */
int sys_wipe_on_fork(void *at, size_t size);
/* These shared pages read as 0 from now on, and their memory is given back
   where that can be. */
void sys_wipe(void *at, size_t size);
/* Could this process have so much more memory now?  0, -ENOMEM. */
int sys_has_room(size_t size);
size_t sys_page_size(void);

/* ---- signals ---- */

/* Blocks every signal in this thread and keeps the old mask. */
int sys_block_signals(sigset_t *old);
void sys_set_mask(const sigset_t *mask);
/* This thread's signal handlers may run on that memory. */
int sys_alt_stack(void *at, size_t size);
/* Catches a signal once, on the other stack, if its disposition is the
   default; not blocked meanwhile. */
void sys_catch_once(int signal, void (*catch)(int, siginfo_t *, void *));
/* Sends it to this thread. */
void sys_raise(int signal);
/* This process is killed by SIGALRM after so many seconds, whatever it has
   done with that signal; 0: it is not. */
void sys_alarm(unsigned seconds);
/* Caught signals become default; ignored ones stay ignored. */
void sys_forget_handlers(void);
/* A signal is ignored from now on. */
void sys_ignore(int signal);
/* A signal gets its default action, also if it was ignored. */
void sys_default(int signal);
/* SIGCHLD gets an empty handler (true) or its default (false). */
int sys_handle_sigchld(bool handle);
/* Is SIGPIPE pending for this thread?  It must be blocked. */
bool sys_sigpipe_pending(void);
/* Takes a pending SIGPIPE off this thread. */
void sys_take_sigpipe(void);

#endif
