/*
 * test_restarts.c - a program with a journal is killed at random points and
 * started again, until its run is done: with outputs no input is run again after
 * it was told, without outputs each input is told once, but for one at a kill.
 *
 * Some kills come right behind a result, the others whenever they come.  The
 * counts are in shared memory, which the killed leave to the test.  And a kill in
 * vm_fork() leaves nobody with the lock of the journal.
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "sample.h"
#include "tools.h"

/* Kills in a test, and inputs for each, so that the kills hit all of the run. */
#define KILLS_MOST 100
#define EACH 12
#define ITEMS_MOST (KILLS_MOST * EACH)

/* Written by one process at a time, except "run": workers of a program that was
   killed may run on for a moment, so each life has counts of its own. */
struct counts {
	atomic_int told_now;	/* results in this life of the program */
	atomic_int done;	/* it has come to the end */
	atomic_int wrong;	/* line of a result that is wrong */
	atomic_uchar run[KILLS_MOST + 1][ITEMS_MOST]; /* attempts begun at each
				   input, in each life */
	atomic_int told[ITEMS_MOST]; /* results of each input, in all lives, */
	int now[ITEMS_MOST];	/* and in the present life */
	int told_in[ITEMS_MOST]; /* the life that has told it first, */
	int run_when_told[ITEMS_MOST]; /* and the attempts in that by then */
};

static struct counts *counts;
static char dir[64], path[80];

/* A life of the program. */
struct life {
	int number;
	unsigned flags;
	int items;
	int stop_at;		/* stops behind that many results; 0: never */
	bool last;		/* ends instead of waiting for its kill */
};

/* ---- the program ---- */

static int process(struct vm_context *me, const void *input, size_t size)
{
	const struct life *l = me->config;
	const int64_t n = number(input);
	void *to = vm_reserve(me, (size_t)(8 + n % 5 * 500));

	(void)size;
	atomic_fetch_add(&counts->run[l->number][n], 1);
	if (to == NULL)
		return -1;
	if (n % 40 == 7)
		abort();
	if (n % 10 == 3)
		return vm_fail(me, 5, "no %d", (int)n);
	memset(to, 'x', (size_t)(8 + n % 5 * 500));
	memcpy(to, &n, 8);
	nap_ms(n % 3 == 0);
	return vm_commit(me, (size_t)(8 + n % 5 * 500));
}

/* Is this the result of an input, as in any life? */
static bool is_right(const struct vm_result *r)
{
	const int64_t n = number(r->input);
	char text[20];

	snprintf(text, sizeof text, "no %d", (int)n);
	if (n % 40 == 7)
		return r->exception != NULL &&
		    r->exception->cause == VM_KILLED &&
		    r->exception->signal == SIGABRT;
	if (n % 10 == 3)
		return r->exception != NULL && r->exception->code == 5 &&
		    strcmp(r->exception->message, text) == 0;
	return r->type == VM_OUTPUT && number(r->output) == n &&
	    r->output_size == (size_t)(8 + n % 5 * 500) &&
	    r->index == (uint64_t)n;
}

static void tell(const struct vm_result *r, const struct life *l)
{
	const int64_t n = number(r->input);

	if (!is_right(r) || counts->now[n]++ > 0 || ((l->flags & VM_ORDERED) &&
	    (l->flags & VM_JOURNAL_OUTPUTS) &&
	    n != atomic_load(&counts->told_now)))
		atomic_store(&counts->wrong, (int)n + 1);
	if (counts->told[n] == 0) {
		counts->told_in[n] = l->number;
		counts->run_when_told[n] =
		    atomic_load(&counts->run[l->number][n]);
	}
	/* Last: the kill may come in between. */
	atomic_fetch_add(&counts->told[n], 1);
	if (atomic_fetch_add(&counts->told_now, 1) + 1 == l->stop_at)
		for (;;)
			pause();
}

/* Lives, and returns the status to exit with. */
static int live(struct life *l)
{
	const struct vm_worker w = { .process = process, .name = "restarts",
		.config = l };
	const struct vm_options o = { .workers = 2, .flags = l->flags,
		.journal = path };
	vm_pool *pool = vm_fork(&w, &o);
	struct vm_result r;
	int rc;

	if (pool == NULL || vm_imap(pool, vm_range(0, l->items)) < 0)
		return 2;
	while ((rc = vm_zip_in_out(pool, &r)) == 1)
		tell(&r, l);
	if (rc < 0)
		return 3;
	atomic_store(&counts->done, 1);
	while (!l->last)
		pause();
	return vm_close(pool) == 0 ? 0 : 4;
}

/* ---- the test ---- */

static pid_t begin_life(struct life *l)
{
	pid_t pid;

	atomic_store(&counts->told_now, 0);
	atomic_store(&counts->done, 0);
	memset(counts->now, 0, sizeof counts->now);
	pid = new_process();
	if (pid == 0)
		_exit(live(l));
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

/* Waits until the program has told that many results, or all. */
static void wait_told(pid_t pid, int results)
{
	uint64_t until = clock_ns() + limit_ns();

	while (atomic_load(&counts->told_now) < results &&
	    !atomic_load(&counts->done)) {
		ck_assert(is_alive(pid));
		ck_assert_uint_lt(clock_ns(), until);
		nap_ms(1);
	}
}

static unsigned state;

static int draw(int below)
{
	state = state * 1103515245u + 12345;
	return (int)((state >> 8) % (unsigned)below);
}

/* Kills the program behind a result, or some time after it. */
static void kill_once(struct life l, int told_before)
{
	int more = 1 + draw(2 * EACH);
	bool exactly = draw(2);
	pid_t pid;
	int status;

	if (l.flags & VM_JOURNAL_OUTPUTS)
		more += told_before;
	l.stop_at = exactly ? more : 0;
	pid = begin_life(&l);
	wait_told(pid, more);
	if (!exactly)
		usleep((useconds_t)draw(3000));
	kill(pid, SIGKILL);
	status = end_of(pid);
	ck_assert_msg(WIFSIGNALED(status), "it ended with %x", status);
}

/* Returns the number of inputs told, and adds up all results. */
static int count_told(const struct life *l, int *results)
{
	int inputs = 0;

	*results = 0;
	for (int i = 0; i < l->items; i++) {
		inputs += counts->told[i] > 0;
		*results += counts->told[i];
	}
	return inputs;
}

/* No input was run after the life that told it, nor again in that. */
static void check_runs(const struct life *l)
{
	for (int i = 0; i < l->items; i++) {
		int in = counts->told_in[i];

		ck_assert_int_eq(counts->now[i], 1);
		ck_assert_int_eq(atomic_load(&counts->run[in][i]),
		    counts->run_when_told[i]);
		for (int later = in + 1; later <= l->number; later++)
			ck_assert_int_eq(atomic_load(&counts->run[later][i]),
			    0);
	}
}

static void run_with_kills(unsigned flags)
{
	const int kills = sample_size(KILLS_MOST, 10);
	struct life l = { .flags = flags, .items = kills * EACH };
	int results;

	strcpy(dir, "/tmp/vimap-restarts.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/journal", dir);
	counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(counts, MAP_FAILED);
	state = sample_seed();
	for (; l.number < kills; l.number++)
		kill_once(l, count_told(&l, &results));
	l.last = true;
	ck_assert_int_eq(end_of(begin_life(&l)), 0);
	ck_assert_int_eq(atomic_load(&counts->wrong), 0);
	ck_assert_int_eq(count_told(&l, &results), l.items);
	if (flags & VM_JOURNAL_OUTPUTS)
		check_runs(&l);
	else
		ck_assert_int_le(results, l.items + kills);
	munmap(counts, sizeof *counts);
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(with_outputs_no_told_input_is_run_again)
{
	run_with_kills(VM_JOURNAL_OUTPUTS);
}
END_TEST

START_TEST(in_order_with_outputs)
{
	run_with_kills(VM_JOURNAL_OUTPUTS | VM_ORDERED);
}
END_TEST

START_TEST(without_outputs_each_input_is_told_once)
{
	run_with_kills(0);
}
END_TEST

START_TEST(in_order_without_outputs)
{
	run_with_kills(VM_ORDERED);
}
END_TEST

/* ---- a kill in vm_fork() ---- */

static struct shared *shared;
static pid_t caller;

/* Runs in the fork server, before all code of the library. */
static void kill_caller(void)
{
	if (getppid() != caller)
		return;
	atomic_store(&shared->pid[0], getpid());
	kill(caller, SIGKILL);
	await(&shared->counter[0], 1, limit_ms());
}

static int be_killed(void *options)
{
	const struct vm_worker w = { .process = process };

	caller = getpid();
	return pthread_atfork(NULL, NULL, kill_caller) != 0 ||
	    vm_fork(&w, options) != NULL;
}

/* A fork server that is left over for a moment does not have the journal. */
START_TEST(a_kill_in_vm_fork_locks_nobody_out)
{
	const struct vm_worker w = { .process = process };
	struct vm_options o = { .workers = 1, .journal = path };
	int status;

	strcpy(dir, "/tmp/vimap-restarts.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/journal", dir);
	shared = shared_new();
	status = in_child(be_killed, &o);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert_int_gt(atomic_load(&shared->pid[0]), 0);
	close_pool(fork_pool(&w, &o));
	atomic_store(&shared->counter[0], 1);
	wait_gone(atomic_load(&shared->pid[0]));
	shared_free(shared);
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_kill_in_vm_fork_locks_nobody_out,
		with_outputs_no_told_input_is_run_again,
		without_outputs_each_input_is_told_once };
	const TTest *const drawn[] = {
		in_order_with_outputs,
		in_order_without_outputs };

	return run_sampled_tests("restarts", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
