/* sys_proc.c - see sys.h: system calls on processes and signals. */
#include "config.h"

#include "os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "base/words.h"
#include "os/sys_result.h"

#ifdef VIMAP_COVERAGE
/* _exit() would lose the coverage counts of this process. */
void __gcov_dump(void);
#define KEEP_COUNTS() __gcov_dump()
#else
#define KEEP_COUNTS() ((void)0)
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

/* ---- processes ---- */

pid_t sys_fork(void)
{
	return result_of(fork());
}

/* In the child of sys_run(). */
static _Noreturn void execute(char *const command[], const int fds[3])
{
	char text[256];
	sigset_t none;
	int n;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) == -1)
			_exit(127);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(command[0], command);
	n = snprintf(text, sizeof text, "%.200s: %s\n", command[0],
	    words_of(errno));
	if (n > 0 && write(STDERR_FILENO, text, (size_t)n) == -1)
		_exit(127);
	_exit(127);
}

pid_t sys_run(char *const command[], const int fds[3])
{
	pid_t r = result_of(fork());

	if (r == 0)
		execute(command, fds);
	return r;
}

pid_t sys_getpid(void)
{
	return getpid();
}

pid_t sys_getppid(void)
{
	return getppid();
}

/* Reaps the process if it has ended.  Returns 1 if it is gone, 0 if it still
   runs, or -errno if this kind of id does not work. */
static int reap_if_ended(idtype_t type, id_t id)
{
	siginfo_t info;
	int r;

	memset(&info, 0, sizeof info);
	RETRY(r, waitid(type, id, &info, WEXITED | WNOHANG));
	if (r == -EINVAL || r == -EBADF || sys_lacks(r))
		return r;
	return r < 0 || info.si_pid != 0;
}

int sys_reap_one(int pidfd, pid_t pid)
{
	int r = -EINVAL;

	/* Linux 5.3 has pidfds but cannot wait for them; and a host program may
	   have closed ours. */
	if (pidfd >= 0)
		r = reap_if_ended((idtype_t)P_PIDFD, (id_t)pidfd);
	if (r < 0)
		r = reap_if_ended(P_PID, (id_t)pid);
	return r != 0;
}

pid_t sys_ended_child(void)
{
	siginfo_t info;
	int r;

	memset(&info, 0, sizeof info);
	RETRY(r, waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT));
	return r < 0 ? r : info.si_pid;
}

bool sys_has_child_in(pid_t group)
{
	siginfo_t info;
	int r;

	RETRY(r, waitid(P_PGID, (id_t)group, &info,
	    WEXITED | WNOHANG | WNOWAIT));
	return r == 0;
}

int sys_reap(pid_t pid, int *status, struct rusage *usage)
{
	pid_t r;

	memset(usage, 0, sizeof *usage);
	*status = 0;
	RETRY(r, wait4(pid, status, 0, usage));
	return r < 0 ? r : 0;
}

uint64_t sys_cpu_of(const struct rusage *u)
{
	return ((uint64_t)u->ru_utime.tv_sec + (uint64_t)u->ru_stime.tv_sec) *
	    1000000000 + ((uint64_t)u->ru_utime.tv_usec +
	    (uint64_t)u->ru_stime.tv_usec) * 1000;
}

uint64_t sys_cpu_now(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 ||
	    clock_gettime(clock, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t sys_cpu(void)
{
	struct rusage own, children;

	if (getrusage(RUSAGE_SELF, &own) == -1 ||
	    getrusage(RUSAGE_CHILDREN, &children) == -1)
		return 0;
	return sys_cpu_of(&own) + sys_cpu_of(&children);
}

int sys_kill(pid_t pid, int signal)
{
	return result_of(kill(pid, signal));
}

int sys_pidfd_kill(int pidfd, pid_t pid, int signal)
{
	int r = -ENOSYS;

	if (pidfd >= 0)
		r = result_of((int)syscall(SYS_pidfd_send_signal, pidfd,
		    signal, NULL, 0));
	return sys_lacks(r) ? sys_kill(pid, signal) : r;
}

/* While the pidfd is open its number cannot mean another process. */
int sys_kill_in(pid_t pid, pid_t session)
{
	int fd = sys_pidfd_open(pid), r = -ESRCH;

	if (fd != -ESRCH && getsid(pid) == session)
		r = sys_pidfd_kill(fd, pid, SIGKILL);
	sys_close(&fd);
	return r;
}

int sys_setpgid(pid_t pid, pid_t group)
{
	return result_of(setpgid(pid, group));
}

int sys_setsid(void)
{
	return result_of(setsid());
}

int sys_be_subreaper(void)
{
	return result_of(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
}

int sys_die_with_parent(void)
{
	return result_of(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
}

void sys_name(char name[SYS_NAME])
{
	if (prctl(PR_GET_NAME, name, 0, 0, 0) == -1)
		name[0] = '\0';
}

int sys_rename(const char *name)
{
	return result_of(prctl(PR_SET_NAME, name, 0, 0, 0));
}

void sys_exit(int status)
{
	KEEP_COUNTS();
	_exit(status);
}

/* The kernel shows each thread as a directory, and each subdirectory adds a
   link to its parent. */
long sys_threads(void)
{
	struct stat s;

	if (stat("/proc/self/task", &s) == -1 || s.st_nlink < 3)
		return 0;
	return (long)s.st_nlink - 2;
}

void sys_host_name(char *to, size_t room)
{
	if (gethostname(to, room) == -1)
		to[0] = '\0';
	to[room - 1] = '\0';
}

int sys_affinity(void)
{
	for (int cpus = 1024; cpus <= 1024 * 1024; cpus *= 4) {
		cpu_set_t *set = CPU_ALLOC((size_t)cpus);
		size_t size = CPU_ALLOC_SIZE((size_t)cpus);
		int r = -ENOMEM;

		if (set != NULL) {
			r = result_of(sched_getaffinity(0, size, set));
			if (r == 0)
				r = CPU_COUNT_S(size, set);
			CPU_FREE(set);
		}
		if (sys_lacks(r))
			return (int)sysconf(_SC_NPROCESSORS_ONLN);
		if (r != -EINVAL)
			return r;
	}
	return -EINVAL;
}

#ifdef __GLIBC__
typedef __rlimit_resource_t limit_kind;
#else
typedef int limit_kind;
#endif

int sys_limit(int resource, uint64_t soft, uint64_t hard)
{
	limit_kind which = (limit_kind)resource;
	struct rlimit r;

	if (getrlimit(which, &r) == -1)
		return -errno;
	r.rlim_max = hard < r.rlim_max ? (rlim_t)hard : r.rlim_max;
	r.rlim_cur = soft < r.rlim_max ? (rlim_t)soft : r.rlim_max;
	return result_of(setrlimit(which, &r));
}

uint64_t sys_memory(pid_t pid)
{
	char path[64], text[128] = "";
	unsigned long long pages = 0;
	ssize_t size = -1;
	int fd;

	snprintf(path, sizeof path, "/proc/%ld/statm", (long)pid);
	fd = sys_open(path, O_RDONLY);
	if (fd >= 0)
		size = sys_read(fd, text, sizeof text - 1);
	sys_close(&fd);
	if (size <= 0 || sscanf(text, "%*u %llu", &pages) != 1)
		return 0;
	return pages * sys_page_size();
}

uint64_t sys_memory_peak(pid_t pid)
{
	unsigned long long kib = 0;
	char path[64], text[2048];
	const char *peak;
	ssize_t size = -1;
	int fd;

	snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
	fd = sys_open(path, O_RDONLY);
	if (fd >= 0)
		size = sys_read(fd, text, sizeof text - 1);
	sys_close(&fd);
	text[MAX(size, 0)] = '\0';
	peak = strstr(text, "\nVmHWM:");
	if (peak == NULL || sscanf(peak + 7, " %llu", &kib) != 1)
		return 0;
	return kib * 1024;
}

/* The program's name, which comes before, may contain any characters. */
int sys_process(pid_t pid, struct sys_process *p)
{
	unsigned long long user, system;
	char path[64], text[512];
	const char *behind;
	ssize_t size;
	long parent;
	int fd;

	snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	fd = sys_open(path, O_RDONLY);
	if (fd < 0)
		return fd;
	size = sys_read(fd, text, sizeof text - 1);
	sys_close(&fd);
	if (size < 0)
		return (int)size;
	text[size] = '\0';
	behind = strrchr(text, ')');
	if (behind == NULL || sscanf(behind + 1, " %c %ld %*d %*d %*d %*d %*u "
	    "%*u %*u %*u %*u %llu %llu", &p->state, &parent, &user,
	    &system) != 4)
		return -EPROTO;
	p->parent = (pid_t)parent;
	p->ticks = user + system;
	return 0;
}

uint64_t sys_fd_limit(void)
{
	struct rlimit limit = { .rlim_cur = RLIM_INFINITY };

	getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}

uint64_t sys_memory_limit(void)
{
	struct rlimit space = { .rlim_cur = RLIM_INFINITY }, data = space;

	getrlimit(RLIMIT_AS, &space);
	getrlimit(RLIMIT_DATA, &data);
	return MIN(space.rlim_cur, data.rlim_cur);
}

/* ---- signals ---- */

int sys_block_signals(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	return -pthread_sigmask(SIG_SETMASK, &all, old);
}

void sys_set_mask(const sigset_t *mask)
{
	pthread_sigmask(SIG_SETMASK, mask, NULL);
}

int sys_alt_stack(void *at, size_t size)
{
	const stack_t stack = { .ss_sp = at, .ss_size = size };

	return result_of(sigaltstack(&stack, NULL));
}

void sys_catch_once(int signal, void (*catch)(int, siginfo_t *, void *))
{
	const struct sigaction a = {
		.sa_sigaction = catch,
		.sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND |
		    SA_NODEFER),
	};
	struct sigaction now;

	if (sigaction(signal, NULL, &now) == 0 &&
	    !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL)
		sigaction(signal, &a, NULL);
}

void sys_raise(int signal)
{
	raise(signal);
}

void sys_alarm(unsigned seconds)
{
	sigset_t set;

	sys_default(SIGALRM);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	alarm(seconds);
}

void sys_forget_handlers(void)
{
	struct sigaction now;
	struct sigaction usual = { .sa_handler = SIG_DFL };

	for (int signal = 1; signal < NSIG; signal++)
		if (sigaction(signal, NULL, &now) == 0 &&
		    now.sa_handler != SIG_IGN && now.sa_handler != SIG_DFL)
			sigaction(signal, &usual, NULL);
}

static void nothing(int signal)
{
	(void)signal;
}

void sys_ignore(int signal)
{
	const struct sigaction none = { .sa_handler = SIG_IGN };

	sigaction(signal, &none, NULL);
}

void sys_default(int signal)
{
	const struct sigaction usual = { .sa_handler = SIG_DFL };

	sigaction(signal, &usual, NULL);
}

int sys_handle_sigchld(bool handle)
{
	struct sigaction a = { .sa_handler = handle ? nothing : SIG_DFL };

	return result_of(sigaction(SIGCHLD, &a, NULL));
}

bool sys_sigpipe_pending(void)
{
	sigset_t pending;

	sigemptyset(&pending);
	return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE);
}

void sys_take_sigpipe(void)
{
	const struct timespec at_once = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	while (sigtimedwait(&set, NULL, &at_once) == -1 && errno == EINTR)
		continue;
}
