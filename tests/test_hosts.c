/*
 * test_hosts.c - programs that make it hard for a library: they ignore or
 * steal what it needs, have closed or kept descriptors, fork, thread and
 * unshare.  Each works, and is left as it was found.
 *
 * Each host is a child of its own: it ends with status 0 if all was well, or
 * tells the line where it was not.
 */
#include "config.h"

#include <dirent.h>
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
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base.h"
#include "tools.h"

static struct shared *sh;

/* In hosts, where ck_ macros would not reach Check. */
#define OR_FAIL(condition) \
	do { \
		if (!(condition)) { \
			dprintf(log_fd, "line %d: %s\n", __LINE__, \
			    #condition); \
			return 1; \
		} \
	} while (0)

static int log_fd = 2;

static void host(int (*body)(void *))
{
	sh = shared_new();
	no_cores();
	log_fd = fcntl(2, F_DUPFD_CLOEXEC, 100);
	ck_assert_int_eq(in_child(body, NULL, 60), 0);
	close(log_fd);
	shared_free(sh);
}

/* ---- an ordinary job ---- */

/* Doubles; each tenth number kills its worker at the first attempt. */
static int twice(struct vm_context *me, const void *input, size_t size)
{
	int64_t x = *(const int64_t *)input;

	(void)size;
	if (x % 10 == 3 && me->attempt == 1)
		raise(x % 20 == 3 ? SIGKILL : SIGSEGV);
	x *= 2;
	return vm_output(me, &x, sizeof x);
}

static const struct vm_worker twicer = { .process = twice };
static const struct vm_options job_options = { .workers = 3,
	.max_attempts = 2, .chunk_size = 4, .ordered = 1 };

/* Takes the doubles of "from" up to "to" from an ordered pool. */
static int take_doubles(vm_pool *pool, int64_t from, int64_t to)
{
	struct vm_result r;

	for (int64_t x = from; x < to; x++) {
		OR_FAIL(vm_zip_in_out_within(pool, &r, 20000) == 1);
		OR_FAIL(r.type == VM_OUTPUT);
		OR_FAIL(*(const int64_t *)r.output == 2 * x);
	}
	return 0;
}

static int do_job(void *unused)
{
	int fds = count_fds(), children = count_children();
	vm_pool *pool = vm_fork(&twicer, &job_options);
	struct vm_result r;

	(void)unused;
	OR_FAIL(pool != NULL);
	OR_FAIL(vm_imap(pool, vm_range(0, 100)) == 0);
	OR_FAIL(take_doubles(pool, 0, 100) == 0);
	OR_FAIL(vm_zip_in_out(pool, &r) == 0);
	OR_FAIL(vm_close(pool) == 0);
	OR_FAIL(count_fds() == fds);
	OR_FAIL(count_children() == children);
	return 0;
}

/* ---- children and signals ---- */

static int ignores_sigchld(void *unused)
{
	struct sigaction now;

	signal(SIGCHLD, SIG_IGN);
	OR_FAIL(do_job(unused) == 0);
	OR_FAIL(sigaction(SIGCHLD, NULL, &now) == 0);
	OR_FAIL(now.sa_handler == SIG_IGN);
	return 0;
}

START_TEST(sigchld_ignored)
{
	host(ignores_sigchld);
}
END_TEST

static atomic_int stop;

static void *reap_all(void *unused)
{
	while (!atomic_load(&stop)) {
		if (wait(NULL) == -1)
			nap_ms(1);
	}
	return unused;
}

static int reaps_everything(void *unused)
{
	pthread_t thread;

	OR_FAIL(pthread_create(&thread, NULL, reap_all, NULL) == 0);
	for (int i = 0; i < 5; i++)
		OR_FAIL(do_job(unused) == 0);
	atomic_store(&stop, 1);
	pthread_join(thread, NULL);
	return 0;
}

START_TEST(every_child_reaped_by_the_host)
{
	host(reaps_everything);
}
END_TEST

/* Dies while its input is still being written to it. */
static int die_or_count(struct vm_context *me, const void *input, size_t size)
{
	uint64_t n = size;

	(void)input;
	if (me->attempt == 1)
		raise(SIGKILL);
	return vm_output(me, &n, sizeof n);
}

static int has_sigpipe(void *unused)
{
	static const struct vm_worker worker = { .process = die_or_count };
	struct vm_options o = { .workers = 2, .max_attempts = 2 };
	const size_t size = 1 << 20;
	char *items = calloc(8, size);
	vm_pool *pool;
	struct vm_result r;

	(void)unused;
	signal(SIGPIPE, SIG_DFL);
	pool = vm_fork(&worker, &o);
	OR_FAIL(items != NULL && pool != NULL);
	OR_FAIL(vm_imap(pool, vm_array(items, 8, size)) == 0);
	for (int i = 0; i < 8; i++) {
		OR_FAIL(vm_zip_in_out(pool, &r) == 1);
		OR_FAIL(r.type == VM_OUTPUT && r.attempts == 2);
		OR_FAIL(*(const uint64_t *)r.output == size);
	}
	OR_FAIL(vm_zip_in_out(pool, &r) == 0);
	OR_FAIL(vm_close(pool) == 0);
	free(items);
	return 0;
}

START_TEST(sigpipe_at_its_default)
{
	host(has_sigpipe);
}
END_TEST

static void on_signal(int signal)
{
	(void)signal;
}

/* Everything that signals are set to in this process. */
struct signals {
	void (*handler[NSIG])(int);
	int flags[NSIG];
	sigset_t mask;
};

static void look_at_signals(struct signals *s)
{
	struct sigaction a;

	memset(s, 0, sizeof *s);
	for (int n = 1; n < NSIG; n++)
		if (sigaction(n, NULL, &a) == 0) {
			s->handler[n] = a.sa_handler;
			s->flags[n] = a.sa_flags;
		}
	pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
}

static int compares_signals(void *unused)
{
	struct signals before, after;
	sigset_t set;

	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	look_at_signals(&before);
	OR_FAIL(do_job(unused) == 0);
	look_at_signals(&after);
	OR_FAIL(memcmp(&before, &after, sizeof before) == 0);
	return 0;
}

START_TEST(signals_are_left_alone)
{
	host(compares_signals);
}
END_TEST

/* ---- what a worker finds ---- */

struct found {
	int usr1_default, usr2_ignored, chld_default, mask_empty, null_stdin;
	int fds;
};

static int look_around(struct vm_context *me, const void *input, size_t size)
{
	struct signals s;
	struct stat in, null;
	struct found f = { .fds = count_fds(), .mask_empty = 1 };

	(void)input;
	(void)size;
	look_at_signals(&s);
	for (int n = 1; n < NSIG; n++)
		f.mask_empty &= sigismember(&s.mask, n) != 1;
	f.usr1_default = s.handler[SIGUSR1] == SIG_DFL;
	f.usr2_ignored = s.handler[SIGUSR2] == SIG_IGN;
	f.chld_default = s.handler[SIGCHLD] == SIG_DFL;
	f.null_stdin = fstat(0, &in) == 0 && stat("/dev/null", &null) == 0 &&
	    in.st_rdev == null.st_rdev;
	return vm_output(me, &f, sizeof f);
}

static int sets_signals(void *unused)
{
	static const struct vm_worker worker = { .process = look_around };
	struct vm_options o = { .workers = 3, .chunk_size = 1 };
	vm_pool *other = vm_fork(&twicer, NULL), *pool;
	struct vm_result r;
	sigset_t set;

	(void)unused;
	OR_FAIL(other != NULL);
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pool = vm_fork(&worker, &o);
	OR_FAIL(pool != NULL);
	OR_FAIL(vm_imap(pool, vm_range(0, 30)) == 0);
	OR_FAIL(vm_close(other) == 0);
	while (vm_zip_in_out(pool, &r) == 1) {
		const struct found *f = r.output;

		OR_FAIL(r.type == VM_OUTPUT);
		OR_FAIL(f->usr1_default && f->usr2_ignored);
		OR_FAIL(f->chld_default);
		OR_FAIL(f->mask_empty);
		OR_FAIL(f->null_stdin);
		sh->counter[f->fds]++;
	}
	/* The host's own, and one pipe pair's two ends; nobody else's. */
	OR_FAIL(vm_close(pool) == 0);
	OR_FAIL(sh->counter[count_fds() + 2] == 30);
	return 0;
}

START_TEST(workers_start_clean)
{
	host(sets_signals);
}
END_TEST

/* ---- descriptors and text ---- */

static int has_no_standard_streams(void *unused)
{
	vm_pool *pool;

	close(0);
	close(1);
	close(2);
	pool = vm_fork(&twicer, &job_options);
	OR_FAIL(pool != NULL);
	for (int fd = 0; fd < 3; fd++)
		OR_FAIL(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
	OR_FAIL(vm_close(pool) == 0);
	return do_job(unused);
}

START_TEST(standard_descriptors_closed)
{
	host(has_no_standard_streams);
}
END_TEST

static int print(struct vm_context *me, const void *input, size_t size)
{
	(void)size;
	printf("worker %d\n", (int)*(const int64_t *)input);
	return vm_output(me, "", 0);
}

/* How often a line stands in a file. */
static int count_lines(const char *path, const char *line)
{
	char text[128];
	FILE *f = fopen(path, "r");
	int n = 0;

	while (f != NULL && fgets(text, sizeof text, f) != NULL)
		n += strcmp(text, line) == 0;
	if (f != NULL)
		fclose(f);
	return n;
}

static void *sit(void *unused)
{
	while (!atomic_load(&stop))
		nap_ms(1);
	return unused;
}

static int print_all(const char *path, bool with_thread)
{
	static const struct vm_worker worker = { .process = print };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct vm_options o = { .workers = 3 };
	pthread_t thread;
	vm_pool *pool;
	struct vm_result r;

	OR_FAIL(fd >= 0 && dup2(fd, 1) == 1);
	close(fd);
	if (with_thread)
		OR_FAIL(pthread_create(&thread, NULL, sit, NULL) == 0);
	printf("host before\n");
	fprintf(stderr, "%s", "");
	pool = vm_fork(&worker, &o);
	OR_FAIL(pool != NULL);
	printf("host after\n");
	OR_FAIL(vm_imap(pool, vm_range(0, 20)) == 0);
	while (vm_zip_in_out(pool, &r) == 1)
		OR_FAIL(r.type == VM_OUTPUT);
	OR_FAIL(vm_close(pool) == 0);
	atomic_store(&stop, 1);
	if (with_thread)
		pthread_join(thread, NULL);
	return fflush(stdout);
}

static int has_text(void *with_thread)
{
	char path[] = "/tmp/vimap-text-XXXXXX", line[32];
	int fd = mkstemp(path);
	int bad = 0;

	OR_FAIL(fd >= 0);
	close(fd);
	OR_FAIL(print_all(path, with_thread != NULL) == 0);
	bad |= count_lines(path, "host before\n") != 1;
	bad |= count_lines(path, "host after\n") != 1;
	for (int i = 0; i < 20; i++) {
		snprintf(line, sizeof line, "worker %d\n", i);
		bad |= count_lines(path, line) != 1;
	}
	unlink(path);
	OR_FAIL(!bad);
	return 0;
}

static int has_text_and_threads(void *unused)
{
	(void)unused;
	return has_text(&stop);
}

START_TEST(text_is_printed_once)
{
	host(has_text);
	host(has_text_and_threads);
}
END_TEST

/* ---- several pools, threads, forks ---- */

static int uses_two(void *unused)
{
	int fds = count_fds(), children = count_children();
	vm_pool *a = vm_fork(&twicer, &job_options);
	vm_pool *b = vm_fork(&twicer, &job_options);
	struct vm_result r;

	(void)unused;
	OR_FAIL(a != NULL && b != NULL);
	OR_FAIL(vm_imap(a, vm_range(0, 100)) == 0);
	OR_FAIL(vm_imap(b, vm_range(0, 100)) == 0);
	for (int i = 0; i < 50; i++) {
		OR_FAIL(take_doubles(a, i, i + 1) == 0);
		OR_FAIL(take_doubles(b, i, i + 1) == 0);
	}
	OR_FAIL(vm_close(a) == 0);
	OR_FAIL(take_doubles(b, 50, 100) == 0);
	OR_FAIL(vm_zip_in_out(b, &r) == 0);
	OR_FAIL(vm_close(b) == 0);
	OR_FAIL(count_fds() == fds && count_children() == children);
	return 0;
}

START_TEST(two_pools_at_once)
{
	host(uses_two);
}
END_TEST

static void *fork_in_thread(void *pool)
{
	*(vm_pool **)pool = vm_fork(&twicer, &job_options);
	return NULL;
}

/* The thread that forked the second pool is gone when it is used. */
static int forks_in_thread(void *unused)
{
	vm_pool *a = vm_fork(&twicer, &job_options), *b = NULL;
	pthread_t thread;

	(void)unused;
	OR_FAIL(pthread_create(&thread, NULL, fork_in_thread, &b) == 0);
	pthread_join(thread, NULL);
	OR_FAIL(a != NULL && b != NULL);
	OR_FAIL(vm_imap(b, vm_range(0, 100)) == 0);
	OR_FAIL(take_doubles(b, 0, 100) == 0);
	OR_FAIL(vm_close(a) == 0);
	OR_FAIL(vm_close(b) == 0);
	return 0;
}

START_TEST(pool_forked_in_a_thread_that_ends)
{
	host(forks_in_thread);
}
END_TEST

static void *open_and_close(void *failed)
{
	for (int i = 0; i < 40; i++) {
		vm_pool *pool = vm_fork(&twicer, &job_options);

		if (pool == NULL || vm_imap(pool, vm_range(4, 9)) != 0 ||
		    take_doubles(pool, 4, 9) != 0 || vm_close(pool) != 0)
			atomic_store((atomic_int *)failed, 1);
	}
	return NULL;
}

static int opens_in_threads(void *unused)
{
	int fds = count_fds(), children = count_children();
	pthread_t threads[3];
	atomic_int failed = 0;

	(void)unused;
	for (size_t i = 0; i < COUNTOF(threads); i++)
		OR_FAIL(pthread_create(&threads[i], NULL, open_and_close,
		    &failed) == 0);
	for (size_t i = 0; i < COUNTOF(threads); i++)
		pthread_join(threads[i], NULL);
	OR_FAIL(!atomic_load(&failed));
	OR_FAIL(count_fds() == fds && count_children() == children);
	return 0;
}

START_TEST(pools_in_several_threads)
{
	host(opens_in_threads);
}
END_TEST

/* A child of the host's own fork: nothing works there, nothing breaks. */
static int misuse(vm_pool *pool)
{
	struct vm_result r;

	OR_FAIL(vm_imap(pool, vm_range(0, 1)) == -1 && errno == EPERM);
	OR_FAIL(vm_zip_in_out(pool, &r) == -1 && errno == EPERM);
	OR_FAIL(vm_ready(pool, 0) == -1 && errno == EPERM);
	vm_cancel(pool);
	errno = 77;
	OR_FAIL(vm_close(pool) == 0 && errno == 77);
	return 0;
}

static int forks_itself(void *unused)
{
	vm_pool *pool = vm_fork(&twicer, &job_options);
	int status;
	pid_t pid;

	(void)unused;
	OR_FAIL(pool != NULL);
	OR_FAIL(vm_imap(pool, vm_range(0, 100)) == 0);
	OR_FAIL(take_doubles(pool, 0, 10) == 0);
	pid = fork();
	if (pid == 0)
		_exit(misuse(pool));
	OR_FAIL(waitpid(pid, &status, 0) == pid && status == 0);
	OR_FAIL(take_doubles(pool, 10, 100) == 0);
	OR_FAIL(vm_close(pool) == 0);
	return 0;
}

START_TEST(another_process_cannot_use_it)
{
	host(forks_itself);
}
END_TEST

/* A copy of the worker comes back from process(). */
static int fork_and_return(struct vm_context *me, const void *input,
    size_t size)
{
	pid_t pid = fork();
	int status = 0;

	if (pid > 0)
		waitpid(pid, &status, 0);
	if (pid < 0)
		return vm_fail(me, errno, "fork: %m");
	return vm_output(me, input, size);
}

static int has_forking_workers(void *unused)
{
	static const struct vm_worker worker = { .process = fork_and_return };
	struct vm_options o = { .workers = 2, .ordered = 1, .chunk_size = 5 };
	vm_pool *pool = vm_fork(&worker, &o);
	struct vm_result r;

	(void)unused;
	OR_FAIL(pool != NULL);
	OR_FAIL(vm_imap(pool, vm_range(0, 50)) == 0);
	for (int64_t x = 0; x < 50; x++) {
		OR_FAIL(vm_zip_in_out(pool, &r) == 1);
		OR_FAIL(r.type == VM_OUTPUT && r.index == (uint64_t)x);
		OR_FAIL(*(const int64_t *)r.output == x);
	}
	OR_FAIL(vm_zip_in_out(pool, &r) == 0);
	OR_FAIL(vm_close(pool) == 0);
	return 0;
}

START_TEST(a_copy_of_a_worker_leaves)
{
	host(has_forking_workers);
}
END_TEST

/* A worker that has a pool of its own. */
static int nest(struct vm_context *me, const void *input, size_t size)
{
	struct vm_options o = { .workers = 2 };
	int64_t n = *(const int64_t *)input, sum = 0;
	vm_pool *pool = vm_fork(&twicer, &o);
	struct vm_result r;
	int rc = -1;

	(void)size;
	if (vm_imap(pool, vm_range(4, 4 + n)) == 0)
		while ((rc = vm_zip_in_out(pool, &r)) == 1)
			if (r.type == VM_OUTPUT)
				sum += *(const int64_t *)r.output;
	if (rc != 0 || vm_close(pool) != 0)
		return vm_fail(me, 1, "inner pool: %s", vm_error(NULL));
	return vm_output(me, &sum, sizeof sum);
}

static int nests(void *unused)
{
	static const struct vm_worker worker = { .process = nest };
	struct vm_options o = { .workers = 2, .ordered = 1 };
	vm_pool *pool = vm_fork(&worker, &o);
	struct vm_result r;

	(void)unused;
	OR_FAIL(pool != NULL);
	OR_FAIL(vm_imap(pool, vm_range(0, 9)) == 0);
	for (int64_t n = 0; n < 9; n++) {
		OR_FAIL(vm_zip_in_out(pool, &r) == 1);
		OR_FAIL(r.type == VM_OUTPUT);
		OR_FAIL(*(const int64_t *)r.output == n * (n + 7));
	}
	OR_FAIL(vm_close(pool) == 0);
	return 0;
}

START_TEST(a_pool_inside_a_worker)
{
	host(nests);
}
END_TEST

static int global = 1;

/* The first worker dies; what its replacement sees is told. */
static int tell_global(struct vm_context *me, const void *input, size_t size)
{
	(void)input;
	(void)size;
	if (me->attempt == 1)
		raise(SIGKILL);
	return vm_output(me, &global, sizeof global);
}

static int changes_later(void *unused)
{
	static const struct vm_worker worker = { .process = tell_global };
	struct vm_options o = { .workers = 1, .max_attempts = 2 };
	vm_pool *pool;
	struct vm_result r;

	(void)unused;
	pool = vm_fork(&worker, &o);
	global = 2;
	OR_FAIL(pool != NULL);
	OR_FAIL(vm_imap(pool, vm_range(0, 1)) == 0);
	OR_FAIL(vm_zip_in_out(pool, &r) == 1);
	OR_FAIL(r.type == VM_OUTPUT && r.attempts == 2);
	OR_FAIL(*(const int *)r.output == 1);
	OR_FAIL(vm_close(pool) == 0);
	return 0;
}

START_TEST(replacements_see_the_program_as_it_was)
{
	host(changes_later);
}
END_TEST

/* ---- exit, namespaces, terminals ---- */

static void count_exit(void)
{
	sh->counter[0]++;
}

static int leave(struct vm_context *me, const void *input, size_t size)
{
	(void)me;
	(void)input;
	(void)size;
	exit(3);
}

static int has_handler(void *unused)
{
	static const struct vm_worker worker = { .process = leave };
	struct vm_options o = { .workers = 2 };
	vm_pool *pool;
	struct vm_result r;

	(void)unused;
	OR_FAIL(atexit(count_exit) == 0);
	pool = vm_fork(&worker, &o);
	OR_FAIL(pool != NULL);
	OR_FAIL(vm_imap(pool, vm_range(0, 10)) == 0);
	while (vm_zip_in_out(pool, &r) == 1)
		OR_FAIL(r.exception != NULL &&
		    r.exception->cause == VM_EXITED &&
		    r.exception->exit_status == 3);
	OR_FAIL(vm_close(pool) == 0);
	OR_FAIL(sh->counter[0] == 0);
	exit(0);
}

START_TEST(exit_handlers_run_in_the_host_only)
{
	sh = shared_new();
	ck_assert_int_eq(in_child(has_handler, NULL, 60), 0);
	ck_assert_int_eq(sh->counter[0], 1);
	shared_free(sh);
}
END_TEST

/* The child of a process that has unshared is the first of its namespace;
   /proc goes on showing the old one. */
static int runs_in_namespace(void *as_server)
{
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWPID) == -1)
		return errno == EPERM ? 77 : 1;
	if (as_server != NULL) {
		vm_pool *pool = vm_fork(&twicer, &job_options);

		OR_FAIL(pool != NULL);
		OR_FAIL(vm_imap(pool, vm_range(0, 100)) == 0);
		OR_FAIL(take_doubles(pool, 0, 100) == 0);
		OR_FAIL(vm_close(pool) == 0);
		return 0;
	}
	pid = fork();
	if (pid == 0) {
		vm_pool *pool = vm_fork(&twicer, &job_options);

		OR_FAIL(pool != NULL);
		OR_FAIL(vm_imap(pool, vm_range(0, 100)) == 0);
		_exit(take_doubles(pool, 0, 100) || vm_close(pool));
	}
	OR_FAIL(waitpid(pid, &status, 0) == pid && status == 0);
	return 0;
}

START_TEST(pid_namespace_of_its_own)
{
	int alone, served;

	sh = shared_new();
	no_cores();
	alone = in_child(runs_in_namespace, NULL, 60);
	served = in_child(runs_in_namespace, &stop, 60);
	if (WEXITSTATUS(alone) == 77) {
		puts("namespaces are not allowed here: nothing was tested");
	} else {
		ck_assert_int_eq(alone, 0);
		ck_assert_int_eq(served, 0);
	}
	shared_free(sh);
}
END_TEST

static int write_out(struct vm_context *me, const void *input, size_t size)
{
	if (write(1, "to the terminal\n", 16) != 16)
		return vm_fail(me, errno, "write: %m");
	return vm_output(me, input, size);
}

/* In the foreground of a terminal that stops others who write to it. */
static int use_terminal(const char *name)
{
	static const struct vm_worker worker = { .process = write_out };
	struct vm_options o = { .workers = 2 };
	struct termios t;
	struct vm_result r;
	vm_pool *pool;
	int fd;

	OR_FAIL(setsid() > 0);
	fd = open(name, O_RDWR);
	OR_FAIL(fd >= 0 && ioctl(fd, TIOCSCTTY, 0) == 0);
	OR_FAIL(tcgetattr(fd, &t) == 0);
	t.c_lflag |= TOSTOP;
	OR_FAIL(tcsetattr(fd, TCSANOW, &t) == 0);
	OR_FAIL(dup2(fd, 1) == 1);
	pool = vm_fork(&worker, &o);
	OR_FAIL(pool != NULL);
	OR_FAIL(vm_imap(pool, vm_range(0, 20)) == 0);
	for (int i = 0; i < 20; i++) {
		OR_FAIL(vm_zip_in_out_within(pool, &r, 20000) == 1);
		OR_FAIL(r.type == VM_OUTPUT);
	}
	OR_FAIL(vm_close(pool) == 0);
	return 0;
}

/* Only a process that leads no group can begin a session. */
static int has_terminal(void *name)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(use_terminal(name));
	OR_FAIL(waitpid(pid, &status, 0) == pid && status == 0);
	return 0;
}

START_TEST(terminal_with_tostop)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	char name[64];

	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(grantpt(master), 0);
	ck_assert_int_eq(unlockpt(master), 0);
	ck_assert_int_eq(ptsname_r(master, name, sizeof name), 0);
	no_cores();
	ck_assert_int_eq(in_child(has_terminal, name, 60), 0);
	close(master);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { sigchld_ignored,
		every_child_reaped_by_the_host, sigpipe_at_its_default,
		signals_are_left_alone, workers_start_clean,
		standard_descriptors_closed, text_is_printed_once,
		two_pools_at_once, pool_forked_in_a_thread_that_ends,
		pools_in_several_threads, another_process_cannot_use_it,
		a_copy_of_a_worker_leaves, a_pool_inside_a_worker,
		replacements_see_the_program_as_it_was,
		exit_handlers_run_in_the_host_only, pid_namespace_of_its_own,
		terminal_with_tostop };

	return run_tests("hosts", tests, COUNTOF(tests), 90);
}
