/*
 * test_hosts.c - unusual programs: signals ignored, children reaped blindly,
 * standard descriptors closed, text unflushed, several pools, threads, forks,
 * namespaces, terminals.  Pools work in all of them, and leave their state
 * unchanged.
 *
 * Each host is a process of its own, whose asserts end it with status 1.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/base.h"
#include "os/sys.h"
#include "tools.h"

enum { RUNS, LEFT, WRONG, GATE, CLOSED, STARTED };

static struct shared *sh;

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static const struct vm_worker echoing = { .process = echo };

/* Runs inputs through a pool; all of them must succeed. */
static void check_works(vm_pool *pool)
{
	int cause[300];

	imap_to(pool, vm_range(0, 300));
	ck_assert_int_eq(take_numbers(pool, 300, cause), 0);
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(cause[i], 0);
}

static void check_pool(void)
{
	vm_pool *pool = fork_pool(&echoing, NULL);

	check_works(pool);
	close_pool(pool);
}

/* Runs a host, which must exit with status 0. */
static void check_host(int (*host)(void *), void *arg)
{
	int status;

	no_cores();
	if (sh == NULL)
		sh = shared_new();
	status = in_child(host, arg);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "the host ended with status 0x%x", (unsigned)status);
}

/* ---- signals ---- */

static int some_crash(struct vm_context *me, const void *input, size_t size)
{
	int64_t n;

	memcpy(&n, input, sizeof n);
	if (n % 10 == 7)
		raise(SIGKILL);
	return vm_output(me, input, size);
}

static void check_crashes(void)
{
	const struct vm_worker worker = { .process = some_crash };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 3 });
	int cause[100];

	imap_to(pool, vm_range(0, 100));
	ck_assert_int_eq(take_numbers(pool, 100, cause), 0);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(cause[i], i % 10 == 7 ? VM_KILLED : 0);
	close_pool(pool);
}

static int ignores_sigchld(void *unused)
{
	(void)unused;
	signal(SIGCHLD, SIG_IGN);
	check_pool();
	check_crashes();
	return 0;
}

START_TEST(host_ignores_sigchld)
{
	check_host(ignores_sigchld, NULL);
}
END_TEST

static atomic_bool reaping;

static void *reap_everything(void *unused)
{
	(void)unused;
	while (atomic_load(&reaping))
		if (wait(NULL) == -1)
			sched_yield();
	return NULL;
}

static int reaps_everything(void *unused)
{
	pthread_t thread;

	(void)unused;
	atomic_store(&reaping, true);
	ck_assert_int_eq(pthread_create(&thread, NULL, reap_everything,
	    NULL), 0);
	for (int i = 0; i < 20; i++) {
		check_pool();
		check_crashes();
	}
	atomic_store(&reaping, false);
	pthread_join(thread, NULL);
	return 0;
}

START_TEST(host_reaps_everything)
{
	check_host(reaps_everything, NULL);
}
END_TEST

/* Inputs of 1 MiB for a worker that dies while they are written. */
static int dies_early(struct vm_context *me, const void *input, size_t size)
{
	if (((const char *)input)[0] == 'x')
		raise(SIGKILL);
	return vm_output(me, &size, sizeof size);
}

static int next_of_letters(void *from, const void **input, size_t *size)
{
	static char text[1 << 20];
	int *n = from;

	if (*n == 40)
		return 0;
	memset(text, (*n)++ % 4 == 1 ? 'x' : 'a', sizeof text);
	*input = text;
	*size = sizeof text;
	return 1;
}

static int minds_sigpipe(void *unused)
{
	const struct vm_worker worker = { .process = dies_early };
	struct vm_result r;
	int n = 0, dead = 0;
	vm_pool *pool;

	(void)unused;
	signal(SIGPIPE, SIG_DFL);
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 2 });
	imap_to(pool, (struct vm_source){ .next = next_of_letters,
	    .from = &n });
	for (int i = 0; i < 40; i++) {
		take(pool, &r);
		dead += r.type == VM_EXCEPTION;
		ck_assert_int_eq(r.type == VM_EXCEPTION,
		    ((const char *)r.input)[0] == 'x');
	}
	ck_assert_int_eq(dead, 10);
	take_end(pool);
	close_pool(pool);
	return 0;
}

START_TEST(host_minds_sigpipe)
{
	check_host(minds_sigpipe, NULL);
}
END_TEST

/* At vm_fork(), a buffer of stdio holds text for a pipe without a reader. */
static int has_text_for_nobody(void *unused)
{
	int ends[2];
	sigset_t set;

	(void)unused;
	signal(SIGPIPE, SIG_DFL);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(dup2(ends[1], 1), 1);
	close(ends[0]);
	close(ends[1]);
	printf("nobody reads this");
	check_pool();
	ck_assert_int_eq(sigpending(&set), 0);
	ck_assert_int_eq(sigismember(&set, SIGPIPE), 0);
	return 0;
}

START_TEST(host_has_text_for_nobody)
{
	check_host(has_text_for_nobody, NULL);
}
END_TEST

/* ---- the signal state of the host is unchanged ---- */

static void handler(int signal)
{
	(void)signal;
}

struct state {
	struct sigaction action[NSIG];
	sigset_t mask, pending;
};

static void look(struct state *s)
{
	memset(s, 0, sizeof *s);
	for (int i = 1; i < NSIG; i++)
		sigaction(i, NULL, &s->action[i]);
	pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
	sigpending(&s->pending);
}

static void check_state(const struct state *before)
{
	struct state now;

	look(&now);
	for (int i = 1; i < NSIG; i++) {
		ck_assert(now.action[i].sa_handler ==
		    before->action[i].sa_handler);
		ck_assert_int_eq(now.action[i].sa_flags,
		    before->action[i].sa_flags);
		ck_assert_int_eq(sigismember(&now.mask, i),
		    sigismember(&before->mask, i));
		ck_assert_int_eq(sigismember(&now.pending, i),
		    sigismember(&before->pending, i));
	}
}

/* Returns whether the signal reports a crash; the library handles these
   once. */
static int is_crash(int signal)
{
	return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE ||
	    signal == SIGILL || signal == SIGABRT || signal == SIGSYS;
}

/* In a worker: checks the disposition and mask of a signal. */
static int check_signals(struct vm_context *me)
{
	struct state s;

	(void)me;
	look(&s);
	for (int i = 1; i < NSIG; i++) {
		if (sigismember(&s.mask, i))
			return vm_fail(me, 1, "signal %d is blocked", i);
		if (i != SIGTSTP && s.action[i].sa_handler == SIG_IGN)
			return vm_fail(me, 2, "signal %d is ignored", i);
		if (is_crash(i) && s.action[i].sa_handler != SIG_DFL &&
		    (s.action[i].sa_flags & (int)SA_RESETHAND))
			continue;
		if (i != SIGTSTP && s.action[i].sa_handler != SIG_DFL)
			return vm_fail(me, 3, "signal %d is handled", i);
	}
	if (s.action[SIGTSTP].sa_handler != SIG_IGN)
		return vm_fail(me, 4, "SIGTSTP is not ignored");
	return 0;
}

static int has_a_signal_state(void *unused)
{
	const struct vm_worker worker = { .setup = check_signals,
		.process = some_crash };
	struct state before;
	int cause[100];
	vm_pool *pool;
	sigset_t set;

	(void)unused;
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	signal(SIGUSR1, handler);
	signal(SIGTERM, handler);
	signal(SIGPIPE, handler);
	signal(SIGTSTP, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR2);
	look(&before);
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 2 });
	check_state(&before);
	ck_assert_msg(vm_ready(pool, limit_ms()) == 0, "%s", vm_error(pool));
	imap_to(pool, vm_range(0, 100));
	ck_assert_int_eq(take_numbers(pool, 100, cause), 0);
	check_state(&before);
	close_pool(pool);
	check_state(&before);
	return 0;
}

START_TEST(signal_state_is_the_hosts)
{
	check_host(has_a_signal_state, NULL);
}
END_TEST

/* ---- descriptors ---- */

static int closes_the_first(void *which)
{
	int before = *(int *)which;
	bool open[3];
	vm_pool *pool;

	for (int fd = 0; fd < 3; fd++) {
		if (before & 1 << fd)
			close(fd);
		open[fd] = fcntl(fd, F_GETFD) != -1;
	}
	pool = vm_fork(&echoing, &(struct vm_options){ .workers = 2 });
	if (pool == NULL)
		return 2;
	for (int fd = 0; fd < 3; fd++)
		if (open[fd] != (fcntl(fd, F_GETFD) != -1))
			return 3;
	check_works(pool);
	for (int fd = 0; fd < 3; fd++)
		if (open[fd] != (fcntl(fd, F_GETFD) != -1))
			return 4;
	return vm_close(pool) == 0 ? 0 : 5;
}

START_TEST(host_has_closed_the_first_three)
{
	for (int which = 1; which < 8; which++)
		check_host(closes_the_first, &which);
}
END_TEST

/* Returns the number of descriptors from 3 on that an executed program would
   inherit. */
static int count_heirs(void)
{
	int heirs = 0;

	for (int fd = 3; fd < 1024; fd++)
		heirs += fcntl(fd, F_GETFD) == 0;
	return heirs;
}

/* In a worker: stdin must be /dev/null, and the worker must have exactly two
   descriptors that the host did not have. */
static int host_fds;

static int check_fds(struct vm_context *me, const void *input, size_t size)
{
	struct stat null, in;
	int pipes = 0, fds;

	if (stat("/dev/null", &null) != 0 || fstat(0, &in) != 0 ||
	    in.st_rdev != null.st_rdev || !S_ISCHR(in.st_mode))
		return vm_fail(me, 1, "stdin is not /dev/null");
	fds = count_fds();
	for (int fd = 3; fd < 1024; fd++)
		pipes += fstat(fd, &in) == 0 && S_ISFIFO(in.st_mode);
	if (fds != host_fds + 2 || pipes != 2)
		return vm_fail(me, 2, "%d descriptors, %d pipes; the host "
		    "had %d", fds, pipes, host_fds);
	if (count_heirs() != 0)
		return vm_fail(me, 3, "a program would get %d descriptors",
		    count_heirs());
	return vm_output(me, input, size);
}

static int counts_fds(void *unused)
{
	const struct vm_worker worker = { .process = check_fds };
	const struct vm_options options = { .workers = 20, .chunk_size = 1 };
	vm_pool *other, *pool;
	struct vm_result r;

	(void)unused;
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	host_fds = count_fds();
	other = fork_pool(&echoing, &(struct vm_options){ .workers = 3 });
	pool = fork_pool(&worker, &options);
	check_works(other);
	ck_assert_int_eq(count_heirs(), 0);
	imap_to(pool, vm_range(0, 1000));
	for (int i = 0; i < 1000; i++) {
		take(pool, &r);
		ck_assert_msg(r.type == VM_OUTPUT, "%s",
		    r.exception->message);
	}
	close_pool(pool);
	close_pool(other);
	ck_assert_int_eq(count_fds(), host_fds);
	return 0;
}

START_TEST(workers_have_two_descriptors)
{
	check_host(counts_fds, NULL);
}
END_TEST

/* ---- text in buffers of stdio ---- */

static int prints(struct vm_context *me, const void *input, size_t size)
{
	int64_t n;

	memcpy(&n, input, sizeof n);
	printf("worker %d\n", (int)n);
	if (n == 13)
		exit(0);
	return vm_output(me, input, size);
}

static void *hold_nothing(void *unused)
{
	(void)unused;
	pause();
	return NULL;
}

static int prints_text(void *threads)
{
	const struct vm_worker worker = { .process = prints };
	struct vm_options options = { .workers = 3 };
	pthread_t thread;
	vm_pool *pool;
	int cause[20];

	if (freopen("test_hosts.out", "w", stdout) == NULL)
		return 1;
	if (*(int *)threads && pthread_create(&thread, NULL, hold_nothing,
	    NULL) != 0)
		return 2;
	printf("before\n");
	pool = fork_pool(&worker, &options);
	printf("after\n");
	imap_to(pool, vm_range(0, 20));
	ck_assert_int_eq(take_numbers(pool, 20, cause), 0);
	close_pool(pool);
	printf("end\n");
	fclose(stdout);
	return 0;
}

static int count_lines(const char *wanted)
{
	FILE *f = fopen("test_hosts.out", "r");
	char line[100];
	int n = 0;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof line, f) != NULL)
		n += wanted == NULL || strcmp(line, wanted) == 0;
	fclose(f);
	return n;
}

START_TEST(text_is_printed_once)
{
	char line[100];

	for (int threads = 0; threads < 2; threads++) {
		check_host(prints_text, &threads);
		for (int i = 0; i < 20; i++) {
			snprintf(line, sizeof line, "worker %d\n", i);
			ck_assert_int_eq(count_lines(line), 1);
		}
		ck_assert_int_eq(count_lines("before\n"), 1);
		ck_assert_int_eq(count_lines("after\n"), 1);
		ck_assert_int_eq(count_lines("end\n"), 1);
		ck_assert_int_eq(count_lines(NULL), 23);
		unlink("test_hosts.out");
	}
}
END_TEST

/* A thread holds the lock of stdout, with text in the buffer of the stream. */
static void *keep_stdout(void *unused)
{
	flockfile(stdout);
	printf("kept\n");
	atomic_store(&sh->counter[GATE], 1);
	await(&sh->counter[CLOSED], 1, limit_ms());
	funlockfile(stdout);
	return unused;
}

static int prints_while_locked(void *unused)
{
	const struct vm_worker worker = { .process = prints };
	pthread_t thread;
	vm_pool *pool;
	int cause[20];

	(void)unused;
	if (freopen("test_hosts.out", "w", stdout) == NULL)
		return 1;
	if (pthread_create(&thread, NULL, keep_stdout, NULL) != 0)
		return 2;
	wait_for(&sh->counter[GATE], 1);
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 2 });
	imap_to(pool, vm_range(0, 20));
	ck_assert_int_eq(take_numbers(pool, 20, cause), 0);
	close_pool(pool);
	atomic_store(&sh->counter[CLOSED], 1);
	pthread_join(thread, NULL);
	fclose(stdout);
	return 0;
}

START_TEST(text_behind_a_lock)
{
	check_host(prints_while_locked, NULL);
	ck_assert_int_eq(count_lines("kept\n"), 1);
	ck_assert_int_eq(count_lines(NULL), 21);
	unlink("test_hosts.out");
}
END_TEST

/* ---- several pools ---- */

static int has_two_pools(void *unused)
{
	vm_pool *a = fork_pool(&echoing, &(struct vm_options){
	    .workers = 2 });
	vm_pool *b = fork_pool(&echoing, &(struct vm_options){
	    .workers = 2 });
	struct vm_result r;

	(void)unused;
	for (int i = 0; i < 5; i++) {
		imap_to(a, vm_range(0, 50));
		imap_to(b, vm_range(0, 50));
		for (int k = 0; k < 50; k++) {
			take(a, &r);
			take(b, &r);
		}
		take_end(a);
		take_end(b);
	}
	close_pool(a);
	check_works(b);
	a = fork_pool(&echoing, NULL);
	check_works(a);
	close_pool(b);
	check_works(a);
	close_pool(a);
	ck_assert_int_eq(count_children(), 0);
	return 0;
}

START_TEST(host_has_two_pools)
{
	check_host(has_two_pools, NULL);
}
END_TEST

static void *fork_one(void *pool)
{
	*(vm_pool **)pool = vm_fork(&echoing, &(struct vm_options){
	    .workers = 2 });
	return NULL;
}

/* The thread ends while the fork server and first workers of its pool live. */
static int forks_in_a_thread(void *unused)
{
	vm_pool *a = fork_pool(&echoing, NULL), *b = NULL;
	pthread_t thread;

	(void)unused;
	ck_assert_int_eq(pthread_create(&thread, NULL, fork_one, &b), 0);
	pthread_join(thread, NULL);
	ck_assert_ptr_nonnull(b);
	ck_assert_int_eq(vm_ready(b, limit_ms()), 0);
	for (int i = 0; i < 20; i++) {
		check_works(b);
		check_works(a);
	}
	close_pool(a);
	check_works(b);
	close_pool(b);
	return 0;
}

START_TEST(host_forks_in_a_thread)
{
	check_host(forks_in_a_thread, NULL);
}
END_TEST

/* The allocator of the address sanitizer does not survive a fork while another
   thread is allocating. */
#ifdef __SANITIZE_ADDRESS__
enum { FORKING = 1 };
#else
enum { FORKING = 4 };
#endif

static void *fork_and_close(void *unused)
{
	for (int i = 0; i < 25; i++)
		check_pool();
	return unused;
}

static int forks_in_threads(void *unused)
{
	int fds = count_fds();
	pthread_t thread[FORKING];

	(void)unused;
	for (int i = 0; i < FORKING; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL,
		    fork_and_close, NULL), 0);
	for (int i = 0; i < FORKING; i++)
		pthread_join(thread[i], NULL);
	ck_assert_int_eq(count_fds(), fds);
	ck_assert_int_eq(count_children(), 0);
	return 0;
}

START_TEST(host_forks_in_many_threads)
{
	check_host(forks_in_threads, NULL);
}
END_TEST

static int nested(struct vm_context *me, const void *input, size_t size)
{
	vm_pool *pool = vm_fork(&echoing, &(struct vm_options){
	    .workers = 2 });
	struct vm_result r;

	if (pool == NULL)
		return vm_fail(me, 1, "%s", vm_error(NULL));
	if (vm_imap(pool, vm_range(0, 100)) != 0)
		return vm_fail(me, 2, "%s", vm_error(pool));
	for (int i = 0; i < 100; i++)
		if (vm_zip_in_out(pool, &r) != 1 || r.type != VM_OUTPUT)
			return vm_fail(me, 3, "%s", vm_error(pool));
	if (vm_zip_in_out(pool, &r) != 0 || vm_close(pool) != 0)
		return vm_fail(me, 4, "%s", vm_error(NULL));
	return vm_output(me, input, size);
}

static int nests(void *unused)
{
	const struct vm_worker worker = { .process = nested };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 2 });
	struct vm_result r;

	(void)unused;
	imap_to(pool, vm_range(0, 20));
	for (int i = 0; i < 20; i++) {
		take(pool, &r);
		ck_assert_msg(r.type == VM_OUTPUT, "%s",
		    r.exception->message);
	}
	take_end(pool);
	close_pool(pool);
	return 0;
}

START_TEST(pools_in_workers)
{
	check_host(nests, NULL);
}
END_TEST

/* A pool that a worker opens and does not close ends with that worker. */
static int tell_pids(struct vm_context *me)
{
	atomic_store(&sh->pid[100 + me->worker_index], getpid());
	atomic_store(&sh->pid[102], getppid());
	atomic_fetch_add(&sh->counter[STARTED], 1);
	return 0;
}

static int leaves_pool(struct vm_context *me, const void *input, size_t size)
{
	const struct vm_worker worker = { .setup = tell_pids,
		.process = echo };
	vm_pool *pool = vm_fork(&worker, &(struct vm_options){
	    .workers = 2 });

	if (pool == NULL || vm_ready(pool, limit_ms()) != 0)
		return vm_fail(me, 1, "%s", vm_error(pool));
	raise(SIGKILL);
	return vm_output(me, input, size);
}

START_TEST(pools_in_workers_end_with_them)
{
	const struct vm_worker worker = { .process = leaves_pool };
	struct vm_result r;
	vm_pool *pool;

	no_cores();
	sh = shared_new();
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 1 });
	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_EXCEPTION);
	ck_assert_int_eq(r.exception->cause, VM_KILLED);
	for (int i = 100; i < 103; i++) {
		ck_assert_int_gt(sh->pid[i], 0);
		wait_gone(sh->pid[i]);
	}
	close_pool(pool);
}
END_TEST

/* ---- forks ---- */

static void count_closed(void *from)
{
	(void)from;
	atomic_fetch_add(&sh->counter[CLOSED], 1);
}

static int next_forever(void *from, const void **input, size_t *size)
{
	static int64_t n;

	(void)from;
	*input = &n;
	*size = sizeof n;
	return 1;
}

/* In a child of the host: only vm_close() works. */
static int use_foreign_pool(vm_pool *pool)
{
	const struct vm_source source = { .next = next_forever };
	struct vm_result r;

	ck_assert_int_eq(vm_imap(pool, source), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "another process"));
	ck_assert_int_eq(vm_zip_in_out(pool, &r), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "another process"));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "another process"));
	ck_assert_int_eq(vm_ready(pool, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "another process"));
	vm_cancel(pool, 0);
	ck_assert_int_eq(vm_close(pool), 0);
	check_pool();
	return 0;
}

static int forks_a_child(void *unused)
{
	const struct vm_source source = { .next = next_forever,
		.close = count_closed };
	vm_pool *pool = fork_pool(&echoing, NULL);
	struct vm_result r;
	pid_t pid;
	int status;

	(void)unused;
	imap_to(pool, source);
	for (int i = 0; i < 100; i++)
		take(pool, &r);
	pid = fork();
	if (pid == 0)
		sys_exit(use_foreign_pool(pool));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(sh->counter[CLOSED], 0);
	for (int i = 0; i < 100; i++)
		take(pool, &r);
	close_pool(pool);
	ck_assert_int_eq(sh->counter[CLOSED], 1);
	return 0;
}

START_TEST(pool_in_a_child_of_the_host)
{
	check_host(forks_a_child, NULL);
}
END_TEST

/* Forks in process(), and both processes return from the callback. */
static int forks_and_returns(struct vm_context *me, const void *input,
    size_t size)
{
	fflush(NULL);
	if (fork() == 0)
		atomic_fetch_add(&sh->counter[LEFT], 1);
	else
		atomic_fetch_add(&sh->counter[RUNS], 1);
	return vm_output(me, input, size);
}

/* A child of the worker reads the input, and checks that each byte is 1. */
static int child_reads(struct vm_context *me, const void *input, size_t size)
{
	const unsigned char *at = input;
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		while (size > 0 && at[size - 1] == 1)
			size--;
		_exit(size > 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return vm_fail(me, 1, "status 0x%x", status);
	return 0;
}

START_TEST(children_of_hooks_have_the_input)
{
	const size_t sizes[] = { 10, 10000, 100000, 1000000 };
	const struct vm_worker worker = { .process = child_reads };
	vm_pool *pool = fork_pool(&worker,
	    &(struct vm_options){ .workers = 2 });
	unsigned char *items = malloc(2000000);
	struct vm_result r;

	ck_assert_ptr_nonnull(items);
	memset(items, 1, 2000000);
	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		imap_to(pool, vm_array(items, 2, sizes[i]));
		for (int j = 0; j < 2; j++) {
			take(pool, &r);
			ck_assert_msg(r.type == VM_OUTPUT, "%zu bytes: %s",
			    sizes[i], r.exception ? r.exception->message : "");
		}
	}
	take_end(pool);
	close_pool(pool);
	free(items);
}
END_TEST

static int setup_forks(struct vm_context *me)
{
	(void)me;
	if (fork() == 0)
		atomic_fetch_add(&sh->counter[LEFT], 1);
	return 0;
}

static void teardown_forks(struct vm_context *me)
{
	setup_forks(me);
}

START_TEST(copies_of_workers_disturb_nothing)
{
	const struct vm_worker worker = { .setup = setup_forks,
		.process = forks_and_returns, .teardown = teardown_forks };
	int cause[100];
	vm_pool *pool;

	sh = shared_new();
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 2 });
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, 100));
	ck_assert_int_eq(take_numbers(pool, 100, cause), 0);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(cause[i], 0);
	ck_assert_int_eq(sh->counter[RUNS], 100);
	wait_for(&sh->counter[LEFT], 102);
	close_pool(pool);
	ck_assert_int_eq(count_children(), 0);
}
END_TEST

/* ---- children that return from a hook ---- */

/* Forks in a hook.  Returns true in the child, which is to return from the
   hook; false in the worker once the child has ended, as it must there. */
static bool in_returning_child(void)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		return true;
	atomic_fetch_add(&sh->counter[RUNS], 1);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) == EXIT_FAILURE)
		atomic_fetch_add(&sh->counter[LEFT], 1);
	else
		atomic_store(&sh->counter[WRONG], status);
	return false;
}

/* Children have an empty output, or fail. */
static int child_returns(struct vm_context *me, const void *input, size_t size)
{
	if (in_returning_child())
		return (int)(me->index % 2);
	return vm_output(me, input, size);
}

/* Outputs of several sizes, which have no array. */
static int child_returns_sizes(struct vm_context *me, const void *input,
    size_t size)
{
	int r = child_returns(me, input, size);

	return r != 0 || me->index % 2 == 0 || me->index % 3 == 0 ? r :
	    vm_output(me, input, size);
}

/* The fork takes so long that elements come singly for a while, so most calls
   do without. */
static int child_returns_many(struct vm_context *me, const void *inputs,
    size_t n, void *outputs)
{
	if (n > 1 && atomic_load(&sh->counter[RUNS]) < 10 &&
	    in_returning_child())
		return (int)(me->index % 2);
	memcpy(outputs, inputs, n * sizeof(int64_t));
	return 0;
}

static int setup_child_returns(struct vm_context *me)
{
	(void)me;
	in_returning_child();
	return 0;
}

static void teardown_child_returns(struct vm_context *me)
{
	(void)me;
	in_returning_child();
}

/* That many children were forked and ended as they must; 0: some. */
static void check_children(long n)
{
	long runs = atomic_load(&sh->counter[RUNS]);

	ck_assert_msg(atomic_load(&sh->counter[LEFT]) == runs,
	    "%ld of %ld children; a status of others is 0x%lx",
	    atomic_load(&sh->counter[LEFT]), runs,
	    (unsigned long)atomic_load(&sh->counter[WRONG]));
	if (n > 0)
		ck_assert_int_eq(runs, n);
	ck_assert_int_gt(runs, 0);
	ck_assert_int_eq(count_children(), 0);
	shared_free(sh);
}

/* Runs items, of which each must succeed; n children are forked. */
static void check_returning(struct vm_worker worker, unsigned flags, long n)
{
	int cause[40];
	vm_pool *pool;

	sh = shared_new();
	pool = fork_pool(&worker,
	    &(struct vm_options){ .workers = 2, .flags = flags });
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, 40));
	ck_assert_int_eq(take_numbers(pool, 40, cause), 0);
	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(cause[i], 0);
	close_pool(pool);
	check_children(n);
}

/* The same for the elements of an array; n: 0 if some children are forked. */
static void check_returning_row(struct vm_worker worker, size_t count, long n)
{
	static int64_t in[40000], out[40000];

	for (size_t i = 0; i < count; i++)
		in[i] = (int64_t)i;
	sh = shared_new();
	ck_assert_int_eq(vm_map_array(&worker,
	    &(struct vm_options){ .workers = 2 }, &(struct vm_array_map){
	    .in = in, .count = count, .in_size = sizeof *in, .out = out,
	    .out_size = sizeof *out }), 0);
	ck_assert_mem_eq(in, out, count * sizeof *in);
	check_children(n);
}

START_TEST(children_that_return_end_there)
{
	no_cores();
	check_returning((struct vm_worker){ .process = child_returns_sizes },
	    0, 40);
	check_returning((struct vm_worker){ .process = child_returns },
	    VM_MEASURE_ITEMS, 40);
	check_returning((struct vm_worker){ .process = child_returns }, 0, 40);
	check_returning_row((struct vm_worker){ .process = child_returns },
	    40, 40);
	check_returning_row((struct vm_worker){
	    .process_many = child_returns_many }, 40000, 0);
	check_returning((struct vm_worker){ .process = echo,
	    .setup = setup_child_returns }, 0, 2);
	check_returning((struct vm_worker){ .process = echo,
	    .teardown = teardown_child_returns }, 0, 2);
}
END_TEST

/* ---- workers forked later ---- */

static int as_of;
static char *words;

static int tell_variable(struct vm_context *me, const void *input,
    size_t size)
{
	char text[64];
	int64_t n;

	memcpy(&n, input, sizeof n);
	if (n % 5 == 1)
		raise(SIGKILL);
	(void)size;
	snprintf(text, sizeof text, "%d %s %d", as_of, words,
	    *(int *)me->config);
	return vm_output(me, text, strlen(text));
}

START_TEST(later_workers_see_the_moment_of_the_fork)
{
	int config = 7;
	const struct vm_worker worker = { .process = tell_variable,
		.config = &config };
	struct vm_result r;
	int outputs = 0;
	vm_pool *pool;

	no_cores();
	words = strdup("then");
	as_of = 1;
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 1 });
	as_of = 2;
	config = 8;
	strcpy(words, "now!");
	imap_to(pool, vm_range(0, 50));
	for (int i = 0; i < 50; i++) {
		take(pool, &r);
		if (r.type != VM_OUTPUT)
			continue;
		ck_assert_str_eq((const char *)r.output, "1 then 7");
		outputs++;
	}
	ck_assert_int_eq(outputs, 40);
	close_pool(pool);
	free(words);
}
END_TEST

/* ---- namespaces ---- */

/* The first process of a pid namespace, with the /proc of another namespace. */
static int in_namespace(void *unused)
{
	(void)unused;
	ck_assert_int_eq(getpid(), 1);
	check_pool();
	check_crashes();
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	return 0;
}

/* Has a pid namespace for children, so that the fork server is its first
   process. */
static int above_namespace(void *unused)
{
	(void)unused;
	check_crashes();
	return 0;
}

static int enters_namespace(void *body)
{
	pid_t pid;
	int status;

	if (unshare(CLONE_NEWPID) == -1)
		return errno == EPERM ? 77 : 1;
	if (body == NULL)
		return above_namespace(NULL);
	pid = fork();
	if (pid == 0)
		sys_exit(in_namespace(NULL));
	if (waitpid(pid, &status, 0) != pid)
		return 2;
	return status == 0 ? 0 : 3;
}

START_TEST(host_in_a_pid_namespace)
{
	int body, status;

	no_cores();
	for (int i = 0; i < 2; i++) {
		status = in_child(enters_namespace, i ? &body : NULL);
		ck_assert(WIFEXITED(status));
		if (WEXITSTATUS(status) == 77)
			fprintf(stderr, "skipped: unshare() is not "
			    "permitted\n");
		else
			ck_assert_int_eq(WEXITSTATUS(status), 0);
	}
}
END_TEST

/* ---- terminals ---- */

static int writes_to_terminal(struct vm_context *me, const void *input,
    size_t size)
{
	if (write(1, "x", 1) != 1)
		return vm_fail(me, errno, "write: %m");
	return vm_output(me, input, size);
}

/* The leader of a session, in the foreground of its terminal. */
static int has_terminal(void *unused)
{
	const struct vm_worker worker = { .process = writes_to_terminal };
	int lead = posix_openpt(O_RDWR | O_NOCTTY), tty;
	struct termios t;
	int cause[100];
	vm_pool *pool;

	(void)unused;
	ck_assert(lead >= 0 && grantpt(lead) == 0 && unlockpt(lead) == 0);
	ck_assert_int_ne(setsid(), -1);
	tty = open(ptsname(lead), O_RDWR);
	ck_assert_int_ge(tty, 0);
	ioctl(tty, TIOCSCTTY, 0);
	ck_assert_int_eq(tcgetpgrp(tty), getpgrp());
	ck_assert_int_eq(tcgetattr(tty, &t), 0);
	t.c_lflag |= TOSTOP;
	ck_assert_int_eq(tcsetattr(tty, TCSANOW, &t), 0);
	ck_assert(dup2(tty, 0) == 0 && dup2(tty, 1) == 1 &&
	    dup2(tty, 2) == 2);
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 2 });
	imap_to(pool, vm_range(0, 100));
	ck_assert_int_eq(take_numbers(pool, 100, cause), 0);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(cause[i], 0);
	close_pool(pool);
	return 0;
}

static int forks_terminal(void *unused)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		sys_exit(has_terminal(unused));
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}

START_TEST(workers_write_to_a_terminal)
{
	check_host(forks_terminal, NULL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		host_ignores_sigchld, host_minds_sigpipe,
		host_has_text_for_nobody, signal_state_is_the_hosts,
		host_has_closed_the_first_three, text_is_printed_once,
		text_behind_a_lock, host_has_two_pools, host_forks_in_a_thread,
		pools_in_workers, pools_in_workers_end_with_them,
		pool_in_a_child_of_the_host, children_of_hooks_have_the_input,
		copies_of_workers_disturb_nothing,
		children_that_return_end_there,
		later_workers_see_the_moment_of_the_fork,
		host_in_a_pid_namespace, workers_write_to_a_terminal };
	const TTest *const drawn[] = {
		host_reaps_everything, workers_have_two_descriptors,
		host_forks_in_many_threads };

	return run_sampled_tests("hosts", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
