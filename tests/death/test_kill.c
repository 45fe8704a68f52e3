/*
 * test_kill.c - ends: the caller, workers or the fork server killed or stopped,
 * vm_close() at any moment; no process, descriptor or pending error is left
 * behind.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "sample.h"
#include "tools.h"

/* Counters; from FIRST on, a counter per worker. */
enum { PIDS, RUNS, BUSY, READY, CLOSED, TEARDOWNS, FIRST };

#define MANY 20000
/* The input at which the fork server ends. */
#define DOOM 500
/* Each GATES-th input waits for the death of another worker. */
#define GATES 500
#define BIG ((size_t)8 << 20)

static struct shared *sh;

static void start(void)
{
	no_cores();
	sh = shared_new();
}

/* ---- processes ---- */

/* Records the pid of a process that must not outlive its pool. */
static void note_pid(pid_t pid)
{
	long n = atomic_fetch_add(&sh->counter[PIDS], 1);

	if (n < (long)COUNTOF(sh->pid))
		atomic_store(&sh->pid[n], pid);
}

/* A setup that records the fork server's pid and, behind that, its own. */
static int note_both(struct vm_context *me)
{
	const long n = atomic_fetch_add(&sh->counter[PIDS], 2);

	(void)me;
	if (n + 1 < (long)COUNTOF(sh->pid)) {
		atomic_store(&sh->pid[n], getppid());
		atomic_store(&sh->pid[n + 1], getpid());
	}
	return 0;
}

/* Checks that at least "least" pids were recorded, and that all those processes
   are gone, at once or within 10 s. */
static void check_gone(int least, bool at_once)
{
	long n = atomic_load(&sh->counter[PIDS]);

	ck_assert_int_ge(n, least);
	ck_assert_int_le(n, COUNTOF(sh->pid));
	for (long i = 0; i < n; i++) {
		pid_t pid = atomic_load(&sh->pid[i]);

		ck_assert_int_gt(pid, 0);
		if (at_once)
			ck_assert_msg(!is_alive(pid), "%d lives", (int)pid);
		wait_gone(pid);
	}
}

static _Noreturn void hang(void)
{
	for (;;)
		pause();
}

/* ---- callbacks of workers ---- */

static int echo(struct vm_context *me, const void *input, size_t size)
{
	(void)size;
	atomic_fetch_add(&sh->counter[RUNS], 1);
	return vm_output(me, input, sizeof(int64_t));
}

/* A single item hangs, and publishes its pid. */
static int third_hangs(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) == 3) {
		atomic_store(&sh->counter[BUSY], getpid());
		hang();
	}
	return echo(me, input, size);
}

/* Each item loops, and ignores all signals that can be ignored. */
static int loop(struct vm_context *me, const void *input, size_t size)
{
	volatile int forever = 1;

	(void)me;
	(void)input;
	(void)size;
	for (int i = 1; i < 32; i++)
		signal(i, SIG_IGN);
	atomic_fetch_add(&sh->counter[BUSY], 1);
	while (forever)
		continue;
	return 0;
}

/* ---- inputs ---- */

/* A source of numbers without end, or up to a limit; counts calls. */
static int64_t given, limit;

static int next_number(void *from, const void **input, size_t *size)
{
	static int64_t n;

	(void)from;
	if (given == limit)
		return 0;
	n = given++;
	*input = &n;
	*size = sizeof n;
	return 1;
}

static void close_numbers(void *from)
{
	(void)from;
	atomic_fetch_add(&sh->counter[CLOSED], 1);
}

static struct vm_source numbers(int64_t most)
{
	given = 0;
	limit = most;
	return (struct vm_source){ .next = next_number,
		.close = close_numbers };
}

/* Drives a pool and drops its results until a counter has that value. */
static void drive(vm_pool *pool, const atomic_long *counter, long value)
{
	struct vm_result r;
	int rc = 1;

	for (int i = 0; i < limit_ms() && atomic_load(counter) < value; i++) {
		rc = vm_zip_in_out_within(pool, &r, 1);
		ck_assert_msg(rc == 1 || rc == VM_LATER, "%d: %s", rc,
		    vm_error(pool));
	}
	ck_assert_int_ge(atomic_load(counter), value);
}

/* ---- the caller ends without vm_close() ---- */

/* The way a host ends, and its callbacks before that. */
enum { BY_KILL, BY_EXEC, BY_EXIT, BY_QUIT };

struct host {
	int (*setup)(struct vm_context *);	/* NULL: note_both() */
	int (*process)(struct vm_context *, const void *, size_t);
	int end;
	bool keeper;		/* a child of the host holds all descriptors */
};

static pid_t fork_keeper(void)
{
	pid_t pid = fork();

	if (pid == 0)
		hang();
	ck_assert_int_gt(pid, 0);
	return pid;
}

static _Noreturn void be_host(const struct host *h, atomic_int *keeper)
{
	const struct vm_worker worker = {
		.setup = h->setup ? h->setup : note_both,
		.process = h->process };
	const struct vm_options options = { .workers = 3 };
	vm_pool *pool = fork_pool(&worker, &options);
	struct vm_result r;

	if (h->keeper)
		atomic_store(keeper, fork_keeper());
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, numbers(-1));
	if (h->process == echo)
		drive(pool, &sh->counter[RUNS], 100);
	else
		drive(pool, &sh->counter[BUSY], 3);
	if (h->end == BY_EXEC)
		execl("/bin/sh", "sh", "-c", "exec sleep 60", (char *)NULL);
	if (h->end == BY_EXIT)
		exit(0);
	if (h->end == BY_QUIT)
		_exit(0);
	atomic_store(&sh->counter[READY], 1);
	while (vm_zip_in_out_within(pool, &r, limit_ms()) == 1)
		continue;
	_exit(1);
}

/* Forks a host that is killed or exits; its pool must end, too. */
static void check_host(const struct host *h)
{
	atomic_int *keeper = &sh->pid[COUNTOF(sh->pid) - 1];
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		be_host(h, keeper);
	if (h->end == BY_KILL) {
		wait_for(&sh->counter[READY], 1);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
	} else {
		wait_for(&sh->counter[PIDS], 6);
	}
	if (h->end != BY_EXEC) {
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, h->end == BY_KILL ? SIGKILL : 0);
	}
	check_gone(6, false);
	if (h->end == BY_EXEC) {
		ck_assert(is_alive(pid));
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	}
	if (h->keeper) {
		ck_assert(is_alive(*keeper));
		ck_assert_int_eq(kill(*keeper, SIGKILL), 0);
		wait_gone(*keeper);
	}
}

static void check_hosts(int end, bool keeper)
{
	start();
	check_host(&(struct host){ .process = echo, .end = end,
	    .keeper = keeper });
	shared_free(sh);
	start();
	check_host(&(struct host){ .process = loop, .end = end,
	    .keeper = keeper });
	shared_free(sh);
}

START_TEST(a_killed_caller_takes_its_pool_along)
{
	check_hosts(BY_KILL, false);
}
END_TEST

START_TEST(also_if_its_child_holds_every_descriptor)
{
	check_hosts(BY_KILL, true);
	check_hosts(BY_EXIT, true);
}
END_TEST

START_TEST(a_caller_that_becomes_another_program)
{
	check_hosts(BY_EXEC, false);
}
END_TEST

static int hold_on(struct vm_context *me, const void *input, size_t size)
{
	(void)me;
	(void)input;
	(void)size;
	atomic_fetch_add(&sh->counter[BUSY], 1);
	hang();
}

/* Waits for the end of the recorded processes, and kills those that still
   exist. Returns their number. */
static int end_noted(void)
{
	int left = 0;

	for (long i = 0; i < atomic_load(&sh->counter[PIDS]); i++) {
		pid_t pid = atomic_load(&sh->pid[i]);

		for (int ms = 0; ms < limit_ms() && is_alive(pid); ms++)
			nap_ms(1);
		if (is_alive(pid)) {
			left++;
			kill(pid, SIGKILL);
		}
	}
	return left;
}

/* Changes the user if permitted: the kernel then clears the parent death
   signal. */
static int become_another(struct vm_context *me)
{
	note_both(me);
	return getuid() == 0 ? setuid(61234) : 0;
}

static void check_both(const struct host *h)
{
	pid_t pid, server;
	int status;

	start();
	pid = new_process();
	if (pid == 0)
		be_host(h, NULL);
	wait_for(&sh->counter[READY], 1);
	server = atomic_load(&sh->pid[0]);
	ck_assert_int_eq(kill(server, SIGSTOP), 0);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(kill(server, SIGKILL), 0);
	ck_assert_int_ge(atomic_load(&sh->counter[PIDS]), 6);
	ck_assert_int_eq(end_noted(), 0);
	shared_free(sh);
}

/* Without a fork server to kill busy workers, the kernel kills them. */
START_TEST(killed_with_its_fork_server)
{
	check_both(&(struct host){ .process = hold_on, .end = BY_KILL });
	check_both(&(struct host){ .process = hold_on, .end = BY_KILL,
	    .setup = become_another });
}
END_TEST

START_TEST(a_caller_that_exits_without_closing)
{
	check_hosts(BY_EXIT, false);
	check_hosts(BY_QUIT, false);
}
END_TEST

/* ---- workers are killed ---- */

/* Opens the pool of these tests; counts descriptors and children before. */
static int fds_before, children_before;

static vm_pool *open_pool(const struct vm_worker *worker,
    const struct vm_options *options)
{
	fds_before = count_fds();
	children_before = count_children();
	return fork_pool(worker, options);
}

static void check_counts(void)
{
	ck_assert_int_eq(count_fds(), fds_before);
	ck_assert_int_eq(count_children(), children_before);
}

/* Closes the pool: no process or descriptor is left, and errno is unchanged. */
static void end_pool(vm_pool *pool)
{
	errno = EDOM;
	close_pool(pool);
	check_counts();
}

START_TEST(an_idle_worker_is_killed)
{
	const struct vm_worker worker = { .setup = note_both,
		.process = echo };
	const struct vm_options options = { .workers = 2 };
	int cause[100];
	vm_pool *pool;

	start();
	pool = open_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	for (int run = 0; run < 5; run++) {
		/* Of the four pids, those with odd indices are of workers. */
		if (run < 2)
			ck_assert_int_eq(kill(sh->pid[2 * run + 1], SIGKILL),
			    0);
		imap_to(pool, vm_range(0, 100));
		ck_assert_int_eq(take_numbers(pool, 100, cause), 0);
		for (int i = 0; i < 100; i++)
			ck_assert_int_eq(cause[i], 0);
	}
	ck_assert(!is_alive(sh->pid[1]) && !is_alive(sh->pid[3]));
	end_pool(pool);
	check_gone(6, true);
}
END_TEST

static void *kill_busy(void *arg)
{
	(void)arg;
	if (await(&sh->counter[BUSY], 1, limit_ms()) == 0)
		kill((pid_t)sh->counter[BUSY], SIGKILL);
	return NULL;
}

static void check_busy(int workers, size_t chunk_size, int ordered)
{
	const struct vm_worker worker = { .setup = note_both,
		.process = third_hangs };
	const struct vm_options options = { .workers = workers,
		.chunk_size = chunk_size, .flags = ordered ? VM_ORDERED : 0 };
	pthread_t killer;
	int cause[50];
	vm_pool *pool;

	start();
	pool = open_pool(&worker, &options);
	imap_to(pool, vm_range(0, 50));
	ck_assert_int_eq(pthread_create(&killer, NULL, kill_busy, NULL), 0);
	ck_assert_int_eq(take_numbers(pool, 50, cause), 0);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(cause[i], i == 3 ? VM_KILLED : 0);
	ck_assert_int_eq(pthread_join(killer, NULL), 0);
	ck_assert_int_eq(sh->counter[RUNS], 49);
	end_pool(pool);
	check_gone(4, true);
	shared_free(sh);
}

START_TEST(a_busy_worker_is_killed)
{
	for (int ordered = 0; ordered < 2; ordered++)
		for (int workers = 1; workers < 4; workers++) {
			check_busy(workers, 0, ordered);
			check_busy(workers, 1, ordered);
			check_busy(workers, 100, ordered);
		}
}
END_TEST

/* The first item of the first worker in each place hangs. */
static int first_hangs(struct vm_context *me, const void *input, size_t size)
{
	int i = me->worker_index;

	if (atomic_fetch_add(&sh->counter[FIRST + i], 1) == 0) {
		atomic_store(&sh->pid[i], getpid());
		atomic_fetch_add(&sh->counter[BUSY], 1);
		hang();
	}
	return echo(me, input, size);
}

static void *kill_four(void *arg)
{
	(void)arg;
	if (await(&sh->counter[BUSY], 4, limit_ms()) == 0)
		for (int i = 0; i < 4; i++)
			kill(sh->pid[i], SIGKILL);
	return NULL;
}

START_TEST(all_workers_are_killed_at_once)
{
	const struct vm_worker worker = { .process = first_hangs };
	const struct vm_options options = { .workers = 4, .chunk_size = 1 };
	int cause[40], killed = 0;
	pthread_t killer;
	vm_pool *pool;

	start();
	pool = open_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, 40));
	ck_assert_int_eq(pthread_create(&killer, NULL, kill_four, NULL), 0);
	ck_assert_int_eq(take_numbers(pool, 40, cause), 0);
	ck_assert_int_eq(pthread_join(killer, NULL), 0);
	for (int i = 0; i < 40; i++) {
		ck_assert(cause[i] == 0 || cause[i] == VM_KILLED);
		killed += cause[i] == VM_KILLED;
	}
	ck_assert_int_eq(killed, 4);
	ck_assert_int_eq(sh->counter[RUNS], 36);
	end_pool(pool);
}
END_TEST

/* Publishes its pid to the killer below.  Some items wait for the killer, so
   that the run is not over after a few deaths. */
static int show(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);

	atomic_store(&sh->pid[me->worker_index], getpid());
	if (n % GATES == 0)
		await(&sh->counter[BUSY], n / GATES, limit_ms());
	return echo(me, input, size);
}

/* Kills workers that have begun an item, a single worker or all four, until the
   run is over.  Counts the kills in BUSY. */
static void *kill_often(void *arg)
{
	(void)arg;
	for (unsigned i = 0; !atomic_load(&sh->counter[CLOSED]); i++) {
		for (unsigned k = 0; k < 4; k++) {
			pid_t pid = i % 5 == 4 || k == i % 4 ?
			    atomic_exchange(&sh->pid[k], 0) : 0;

			if (pid > 0 && kill(pid, SIGKILL) == 0)
				atomic_fetch_add(&sh->counter[BUSY], 1);
		}
		nap_ms(2);
	}
	return NULL;
}

static void check_kills(const struct vm_options *options)
{
	const struct vm_worker worker = { .process = show };
	static int cause[MANY];
	pthread_t killer;
	long killed = 0;
	vm_pool *pool;

	start();
	pool = open_pool(&worker, options);
	imap_to(pool, vm_range(0, MANY));
	ck_assert_int_eq(pthread_create(&killer, NULL, kill_often, NULL), 0);
	ck_assert_int_eq(take_numbers(pool, MANY, cause), 0);
	atomic_store(&sh->counter[CLOSED], 1);
	ck_assert_int_eq(pthread_join(killer, NULL), 0);
	for (int i = 0; i < MANY; i++) {
		ck_assert_msg(cause[i] == 0 || cause[i] == VM_KILLED,
		    "%d: %d", i, cause[i]);
		killed += cause[i] == VM_KILLED;
	}
	/* A kill costs at most the item that ran.  Of the waiting items, half
	   were killed, or as many workers died. */
	ck_assert_int_ge(sh->counter[BUSY], MANY / GATES / 2);
	ck_assert_int_le(killed, sh->counter[BUSY]);
	end_pool(pool);
	shared_free(sh);
}

START_TEST(workers_are_killed_again_and_again)
{
	for (int ordered = 0; ordered < 2; ordered++) {
		check_kills(&(struct vm_options){ .workers = 4,
		    .flags = ordered ? VM_ORDERED : 0 });
		check_kills(&(struct vm_options){ .workers = 4,
		    .chunk_size = 7, .flags = ordered ? VM_ORDERED : 0 });
	}
}
END_TEST

/* ---- the fork server is killed or stopped ---- */

/* The pool must be broken, with an error text, and end; its processes die. */
static void check_broken(vm_pool *pool, bool in_time)
{
	long closed = sh->counter[CLOSED];
	struct vm_result r;
	int rc;

	for (int i = 0; i < 2; i++) {
		errno = 0;
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), -1);
		ck_assert_int_eq(errno, EPIPE);
	}
	ck_assert_int_eq(vm_broken(pool), 1);
	ck_assert_str_ne(vm_error(pool), "");
	errno = 0;
	ck_assert_int_eq(vm_imap(pool, numbers(5)), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(given, 0);
	ck_assert_int_eq(sh->counter[CLOSED], closed + 1);
	errno = 0;
	rc = vm_close(pool);
	if (in_time)
		ck_assert_msg(rc == 0, "vm_close: %s", vm_error(NULL));
	else
		ck_assert(rc == 0 || errno == ETIMEDOUT);
	check_counts();
	check_gone(4, false);
}

/* Takes results until the pool breaks: each input that was read has one
   result. */
static void take_until_broken(vm_pool *pool)
{
	static int cause[MANY];

	ck_assert_int_eq(take_numbers(pool, MANY, cause), -1);
	ck_assert_int_le(given, MANY);
	for (int i = 0; i < MANY; i++) {
		if (i < given)
			ck_assert_msg(cause[i] == 0 || cause[i] == VM_LOST,
			    "%d: %d", i, cause[i]);
		else
			ck_assert_int_eq(cause[i], -1);
	}
	if (given > DOOM)
		ck_assert_int_eq(cause[DOOM], VM_LOST);
	ck_assert_int_eq(sh->counter[CLOSED], 1);
}

static int kill_server(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) == DOOM) {
		kill(getppid(), SIGKILL);
		hang();
	}
	return echo(me, input, size);
}

static void check_server_killed(const struct vm_options *options)
{
	const struct vm_worker worker = { .setup = note_both,
		.process = kill_server };
	vm_pool *pool;

	start();
	pool = open_pool(&worker, options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, numbers(MANY));
	take_until_broken(pool);
	ck_assert_int_gt(given, DOOM);
	check_broken(pool, true);
	shared_free(sh);
}

START_TEST(the_fork_server_is_killed_in_a_run)
{
	for (int workers = 2; workers < 5; workers++) {
		check_server_killed(&(struct vm_options){
		    .workers = workers });
		check_server_killed(&(struct vm_options){
		    .workers = workers, .flags = VM_ORDERED });
		check_server_killed(&(struct vm_options){
		    .workers = workers, .max_attempts = 3,
		    .chunk_size = 20 });
	}
}
END_TEST

/* Kills the fork server of an idle pool, after this number of runs. */
static void check_idle_server(int runs)
{
	const struct vm_worker worker = { .setup = note_both,
		.process = echo };
	const struct vm_options options = { .workers = 2 };
	int cause[100], rc;
	vm_pool *pool;

	start();
	pool = open_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	for (int i = 0; i < runs; i++) {
		imap_to(pool, vm_range(0, 100));
		ck_assert_int_eq(take_numbers(pool, 100, cause), 0);
	}
	ck_assert_int_eq(kill(sh->pid[0], SIGKILL), 0);
	wait_gone(sh->pid[0]);
	errno = 0;
	rc = vm_imap(pool, numbers(MANY));
	if (rc == 0)
		take_until_broken(pool);
	else
		ck_assert_int_eq(errno, EPIPE);
	check_broken(pool, true);
	shared_free(sh);
}

START_TEST(the_fork_server_of_an_idle_pool_is_killed)
{
	for (int i = 0; i < 5; i++) {
		check_idle_server(0);
		check_idle_server(i + 1);
	}
}
END_TEST

/* The pool is closed at once, before the caller could notice. */
START_TEST(the_fork_server_is_killed_before_close)
{
	const struct vm_worker worker = { .setup = note_both,
		.process = echo };
	const struct vm_options options = { .workers = 2 };
	vm_pool *pool;

	start();
	pool = open_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	ck_assert_int_eq(kill(sh->pid[0], SIGKILL), 0);
	end_pool(pool);
	check_gone(4, false);
}
END_TEST

/* The fork server is stopped and cannot report the death that follows. */
static int stop_server(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) == DOOM) {
		kill(getppid(), SIGSTOP);
		for (int i = 0; i < limit_ms() && !is_stopped(getppid()); i++)
			nap_ms(1);
		raise(SIGKILL);
	}
	return echo(me, input, size);
}

/* Both tests wait until the library takes a stopped fork server for dead, so
   they run side by side. */
static int stopped_in_a_run(void *arg)
{
	const struct vm_worker worker = { .setup = note_both,
		.process = stop_server };
	const struct vm_options options = { .workers = 2 };
	vm_pool *pool;

	(void)arg;
	start();
	pool = open_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, numbers(DOOM + 100));
	take_until_broken(pool);
	ck_assert_int_gt(given, DOOM);
	check_broken(pool, false);
	return 0;
}

static int stopped_before_close(void *arg)
{
	const struct vm_worker worker = { .setup = note_both,
		.process = echo };
	const struct vm_options options = { .workers = 2 };
	vm_pool *pool;

	(void)arg;
	start();
	pool = open_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	ck_assert_int_eq(kill(sh->pid[0], SIGSTOP), 0);
	errno = 0;
	if (vm_close(pool) < 0) {
		ck_assert_int_eq(errno, ETIMEDOUT);
		ck_assert_str_ne(vm_error(NULL), "");
	}
	check_counts();
	check_gone(4, false);
	return 0;
}

START_TEST(the_fork_server_is_stopped)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(stopped_in_a_run(NULL));
	ck_assert_int_eq(in_child(stopped_before_close, NULL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* The death of this worker is not reported. */
static int stop_server_and_exit(struct vm_context *me, const void *input,
    size_t size)
{
	(void)me;
	(void)input;
	(void)size;
	note_pid(getppid());
	kill(getppid(), SIGSTOP);
	_exit(3);
}

/* The end of the result pipe alone counts as garbled; a late notice corrects
   the cause. */
START_TEST(a_death_is_heard_of_late)
{
	const struct vm_worker worker = { .process = stop_server_and_exit };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = open_pool(&worker, &(struct vm_options){ .workers = 1 });
	imap_to(pool, vm_range(0, 1));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 600), VM_LATER);
	wait_for(&sh->counter[PIDS], 1);
	ck_assert_int_eq(kill(sh->pid[0], SIGCONT), 0);
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_EXCEPTION);
	ck_assert_int_eq(r.exception->cause, VM_EXITED);
	ck_assert_int_eq(r.exception->exit_status, 3);
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

/* ---- vm_close() at any moment ---- */

START_TEST(a_stopped_worker_does_not_stop_close)
{
	const struct vm_worker worker = { .setup = note_both,
		.process = third_hangs };
	const struct vm_options options = { .workers = 2,
		.close_timeout_ms = 200 };
	vm_pool *pool;

	start();
	pool = open_pool(&worker, &options);
	imap_to(pool, vm_range(0, 10));
	drive(pool, &sh->counter[BUSY], 1);
	ck_assert_int_eq(kill((pid_t)sh->counter[BUSY], SIGSTOP), 0);
	end_pool(pool);
	check_gone(4, true);
}
END_TEST

START_TEST(close_right_after_fork)
{
	const struct vm_worker worker = { .setup = note_both,
		.process = echo };

	start();
	for (int workers = 1; workers < 9; workers++)
		end_pool(open_pool(&worker, &(struct vm_options){
		    .workers = workers }));
	check_gone(0, true);
}
END_TEST

START_TEST(close_while_items_loop_for_ever)
{
	const struct vm_worker worker = { .setup = note_both,
		.process = loop };
	const struct vm_options options = { .workers = 2, .chunk_size = 1,
		.close_timeout_ms = 200 };
	vm_pool *pool;

	start();
	pool = open_pool(&worker, &options);
	imap_to(pool, vm_range(0, 10));
	drive(pool, &sh->counter[BUSY], 2);
	end_pool(pool);
	check_gone(4, true);
}
END_TEST

static int hanging_setup(struct vm_context *me)
{
	note_both(me);
	atomic_fetch_add(&sh->counter[BUSY], 1);
	hang();
}

START_TEST(close_while_setups_hang)
{
	const struct vm_worker worker = { .setup = hanging_setup,
		.process = echo };
	const struct vm_options options = { .workers = 2,
		.close_timeout_ms = 200 };

	for (int inputs = 0; inputs < 2; inputs++) {
		vm_pool *pool;

		start();
		pool = open_pool(&worker, &options);
		if (inputs)
			imap_to(pool, numbers(-1));
		wait_for(&sh->counter[BUSY], 2);
		ck_assert_int_eq(vm_ready(pool, 0), VM_LATER);
		end_pool(pool);
		ck_assert_int_eq(sh->counter[CLOSED], inputs);
		check_gone(4, true);
		shared_free(sh);
	}
}
END_TEST

/* The second item waits, and in an ordered pool all results behind it. */
static int hold_second(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) == 1)
		await(&sh->counter[READY], 1, limit_ms());
	return echo(me, input, size);
}

static void check_untaken(int64_t inputs, int ordered)
{
	const struct vm_worker worker = { .setup = note_both,
		.process = hold_second };
	const struct vm_options options = { .workers = 2, .chunk_size = 1,
		.flags = ordered ? VM_ORDERED : 0 };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = open_pool(&worker, &options);
	imap_to(pool, numbers(inputs));
	take(pool, &r);
	drive(pool, &sh->counter[RUNS], 100);
	if (ordered)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), VM_LATER);
	atomic_store(&sh->counter[READY], 1);
	end_pool(pool);
	ck_assert_int_eq(sh->counter[CLOSED], 1);
	check_gone(4, true);
	shared_free(sh);
}

START_TEST(close_with_results_untaken)
{
	check_untaken(1000, 0);
	check_untaken(1000, 1);
}
END_TEST

START_TEST(close_with_an_endless_source)
{
	check_untaken(-1, 0);
	check_untaken(-1, 1);
}
END_TEST

/* A source of a short input, then of inputs of 8 MiB. */
static int next_big(void *from, const void **input, size_t *size)
{
	static const char zeros[BIG];

	(void)from;
	*input = zeros;
	*size = given++ == 0 ? sizeof(int64_t) : BIG;
	return given < 3;
}

static int always_hangs(struct vm_context *me, const void *input, size_t size)
{
	(void)me;
	(void)input;
	(void)size;
	atomic_fetch_add(&sh->counter[BUSY], 1);
	hang();
}

START_TEST(close_with_an_input_half_sent)
{
	const struct vm_worker worker = { .setup = note_both,
		.process = always_hangs };
	const struct vm_options options = { .workers = 1, .chunk_size = 1,
		.close_timeout_ms = 200 };
	struct vm_result r;
	vm_pool *pool;

	start();
	given = 0;
	pool = open_pool(&worker, &options);
	imap_to(pool, (struct vm_source){ .next = next_big,
	    .close = close_numbers });
	drive(pool, &sh->counter[BUSY], 1);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1), VM_LATER);
	ck_assert_int_ge(given, 2);
	end_pool(pool);
	ck_assert_int_eq(sh->counter[BUSY], 1);
	ck_assert_int_eq(sh->counter[CLOSED], 1);
	check_gone(2, true);
}
END_TEST

static void hanging_teardown(struct vm_context *me)
{
	(void)me;
	atomic_fetch_add(&sh->counter[TEARDOWNS], 1);
	hang();
}

START_TEST(close_while_teardowns_hang)
{
	const struct vm_worker worker = { .setup = note_both,
		.process = echo, .teardown = hanging_teardown };
	const struct vm_options options = { .workers = 2,
		.teardown_timeout_ms = 200 };
	int cause[100];
	vm_pool *pool;

	start();
	pool = open_pool(&worker, &options);
	imap_to(pool, vm_range(0, 100));
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	ck_assert_int_eq(take_numbers(pool, 100, cause), 0);
	ck_assert_int_eq(vm_close(pool), 1);
	check_counts();
	ck_assert_int_eq(sh->counter[TEARDOWNS], 2);
	check_gone(4, true);
}
END_TEST

START_TEST(close_keeps_errno)
{
	const struct vm_worker worker = { .process = echo };
	const struct vm_options options = { .workers = 2 };
	vm_pool *pool = open_pool(&worker, &options);
	int rc;

	errno = EDOM;
	rc = vm_close(pool);
	ck_assert_int_eq(errno, EDOM);
	ck_assert_int_eq(rc, 0);
	check_counts();
	errno = ERANGE;
	rc = vm_close(NULL);
	ck_assert_int_eq(errno, ERANGE);
	ck_assert_int_eq(rc, 0);
}
END_TEST

/* ---- processes started by workers ---- */

/* Leaves a daemon or an ordinary child as an orphan. */
static int leave_child(struct vm_context *me, const void *input, size_t size)
{
	bool daemon = number(input) % 2;
	pid_t pid = fork();

	if (pid < 0)
		return vm_fail(me, errno, "fork: %m");
	if (pid == 0) {
		if (daemon && (setsid() < 0 || fork() != 0))
			_exit(0);
		signal(SIGTERM, SIG_IGN);
		note_pid(getpid());
		atomic_fetch_add(&sh->counter[BUSY], 1);
		hang();
	}
	if (daemon && waitpid(pid, NULL, 0) != pid)
		return vm_fail(me, errno, "waitpid: %m");
	return echo(me, input, size);
}

START_TEST(what_workers_started_ends_with_close)
{
	const struct vm_worker worker = { .process = leave_child };
	const struct vm_options options = { .workers = 2 };
	int cause[20];
	vm_pool *pool;

	start();
	pool = open_pool(&worker, &options);
	imap_to(pool, vm_range(0, 20));
	ck_assert_int_eq(take_numbers(pool, 20, cause), 0);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(cause[i], 0);
	wait_for(&sh->counter[BUSY], 20);
	for (int i = 0; i < 20; i++)
		ck_assert(is_alive(sh->pid[i]));
	end_pool(pool);
	check_gone(20, true);
}
END_TEST

/* Leaves a child as an orphan, in the worker's group. */
static int leave_one(struct vm_context *me, const void *input, size_t size)
{
	pid_t pid = fork();

	if (pid < 0)
		return vm_fail(me, errno, "fork: %m");
	if (pid == 0)
		hang();
	note_pid(pid);
	return echo(me, input, size);
}

/* The orphans end before the pool does, several process groups at a time. */
START_TEST(what_workers_started_ends_with_them)
{
	const struct vm_worker worker = { .process = leave_one };
	const struct vm_options options = { .workers = 4,
		.worker_max_items = 1 };
	int cause[20];
	vm_pool *pool;

	start();
	pool = open_pool(&worker, &options);
	imap_to(pool, vm_range(0, 20));
	ck_assert_int_eq(take_numbers(pool, 20, cause), 0);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(cause[i], 0);
	ck_assert_int_eq(atomic_load(&sh->counter[PIDS]), 20);
	for (int i = 0; i < 16; i++)
		wait_gone(sh->pid[i]);
	end_pool(pool);
	check_gone(20, true);
}
END_TEST

static int host_of_daemons(void *arg)
{
	const struct vm_worker worker = { .setup = note_both,
		.process = leave_child };
	const struct vm_options options = { .workers = 2 };
	vm_pool *pool = fork_pool(&worker, &options);
	int cause[20];

	(void)arg;
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, 20));
	ck_assert_int_eq(take_numbers(pool, 20, cause), 0);
	wait_for(&sh->counter[BUSY], 20);
	raise(SIGKILL);
	return 0;
}

START_TEST(what_workers_started_ends_with_the_caller)
{
	int status;

	start();
	status = in_child(host_of_daemons, NULL);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	check_gone(24, false);
}
END_TEST

/* ---- no process or descriptor is left ---- */

START_TEST(a_thousand_pools_leave_nothing)
{
	const struct vm_worker worker = { .process = echo };
	const struct vm_options options = { .workers = 2 };
	int cause[3], most = sample_size(1000, 60);

	start();
	for (int i = 0; i < most; i++) {
		vm_pool *pool = i == 0 ? open_pool(&worker, &options) :
		    fork_pool(&worker, &options);

		if (i % 3 == 0) {
			imap_to(pool, vm_range(0, 3));
			ck_assert_int_eq(take_numbers(pool, 3, cause), 0);
		}
		if (i % 3 == 1)
			imap_to(pool, numbers(-1));
		close_pool(pool);
	}
	check_counts();
	ck_assert_int_eq(sh->counter[CLOSED], most / 3);
}
END_TEST

/* Fails in every way, and finally kills the fork server. */
static int fail_or_not(struct vm_context *me, const void *input, size_t size)
{
	switch (number(input)) {
	case 10:
		raise(SIGSEGV);
		break;
	case 20:
		exit(3);
	case 30:
		abort();
	case 40:
		return vm_fail(me, 1, "no");
	case 70:
		kill(getppid(), SIGKILL);
		hang();
	}
	return echo(me, input, size);
}

static int silent_host(void *file)
{
	const struct vm_worker worker = { .process = fail_or_not,
		.teardown = hanging_teardown };
	const struct vm_options options = { .workers = 2, .flags = VM_ORDERED,
		.teardown_timeout_ms = 100 };
	const int expected[] = { 0, VM_KILLED, VM_EXITED, VM_KILLED,
		VM_FAILED };
	int cause[100];

	if (dup2(fileno(file), 1) < 0 || dup2(fileno(file), 2) < 0)
		return 1;
	for (int n = 50; n <= 100; n += 50) {
		vm_pool *pool = fork_pool(&worker, &options);

		imap_to(pool, vm_range(0, n));
		ck_assert_int_eq(take_numbers(pool, n, cause),
		    n == 50 ? 0 : -1);
		for (int i = 10; n == 50 && i < 50; i += 10)
			ck_assert_int_eq(cause[i], expected[i / 10]);
		ck_assert_int_eq(vm_close(pool), n == 50);
	}
	return 0;
}

START_TEST(the_library_prints_nothing)
{
	FILE *file = tmpfile();
	struct stat st;

	start();
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(in_child(silent_host, file), 0);
	ck_assert_int_eq(fstat(fileno(file), &st), 0);
	ck_assert_int_eq(st.st_size, 0);
	fclose(file);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_killed_caller_takes_its_pool_along,
		also_if_its_child_holds_every_descriptor,
		killed_with_its_fork_server,
		a_caller_that_becomes_another_program,
		a_caller_that_exits_without_closing, an_idle_worker_is_killed,
		a_busy_worker_is_killed, all_workers_are_killed_at_once,
		the_fork_server_is_killed_in_a_run,
		the_fork_server_is_killed_before_close,
		a_stopped_worker_does_not_stop_close, close_right_after_fork,
		close_while_items_loop_for_ever, close_with_results_untaken,
		close_with_an_endless_source, close_with_an_input_half_sent,
		close_while_teardowns_hang, close_keeps_errno,
		what_workers_started_ends_with_close,
		what_workers_started_ends_with_them,
		what_workers_started_ends_with_the_caller,
		the_library_prints_nothing };
	const TTest *const drawn[] = {
		workers_are_killed_again_and_again, the_fork_server_is_stopped,
		close_while_setups_hang, a_thousand_pools_leave_nothing,
		a_death_is_heard_of_late,
		the_fork_server_of_an_idle_pool_is_killed };

	return run_sampled_tests("kill", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
