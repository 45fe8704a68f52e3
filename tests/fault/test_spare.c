/*
 * test_spare.c - the spare, a worker that is forked ahead: when it exists, that
 * it becomes the next worker, that its death or absence has no visible effect,
 * and that it ends with its pool, however the pool ends.
 *
 * Linked with fault_sys.c, so that forks and writes can fail.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "engine/turn.h"
#include "fault_sys.h"
#include "os/sys.h"
#include "tools.h"

/* Counters in shared memory; FATAL: 1 + the number that kills its worker. */
enum { FATAL, SETUPS };

#define WORKERS 2
#define CHILDREN_MOST 32

static struct shared *sh;
static int fds_before, children_before;
/* A variable that the caller changes, to tell when a worker's copy was made. */
static int memory;

static int set_up(struct vm_context *me)
{
	(void)me;
	atomic_fetch_add(&sh->counter[SETUPS], 1);
	return 0;
}

/* Outputs the worker's copy of memory. */
static int process(struct vm_context *me, const void *input, size_t size)
{
	long n = number(input) + 1;

	(void)size;
	if (atomic_load(&sh->counter[FATAL]) == n) {
		atomic_store(&sh->counter[FATAL], 0);
		raise(SIGKILL);
	}
	return vm_output(me, &memory, sizeof memory);
}

static const struct vm_worker worker = { .setup = set_up,
	.process = process };

/* Ends the plan: no call fails. */
static void heal(void)
{
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
}

static vm_pool *open_pool(const struct vm_options *options)
{
	vm_pool *pool;

	no_cores();
	heal();
	sh = shared_new();
	fds_before = count_fds();
	children_before = count_children();
	memory = 1;
	pool = fork_pool(&worker, options);
	memory = 2;
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	return pool;
}

static vm_pool *open_two(void)
{
	return open_pool(&(struct vm_options){ .workers = WORKERS });
}

static void end_pool(vm_pool *pool)
{
	close_pool(pool);
	ck_assert_int_eq(count_fds(), fds_before);
	ck_assert_int_eq(count_children(), children_before);
	shared_free(sh);
}

/* ---- inspection of a pool ---- */

static struct member *member(vm_pool *pool, size_t i)
{
	return &pool->engine.crew.members[i];
}

static pid_t server_of(vm_pool *pool)
{
	return pool->engine.server.pid;
}

static bool is_worker(vm_pool *pool, pid_t pid)
{
	for (size_t i = 0; i < pool->engine.crew.count; i++)
		if (member(pool, i)->pid == pid)
			return true;
	return false;
}

/* Counts children of the fork server that are no workers; sets *other to the
   pid of such a child. */
static int others(vm_pool *pool, pid_t *other)
{
	pid_t all[CHILDREN_MOST];
	int n = list_children(server_of(pool), all, CHILDREN_MOST), found = 0;

	for (int i = 0; i < n; i++)
		if (!is_worker(pool, all[i])) {
			*other = all[i];
			found++;
		}
	return found;
}

/* Runs the engine until all wanted workers are ready. */
static void settle(vm_pool *pool)
{
	uint64_t until = sys_now() + limit_ns();

	for (size_t i = 0; i < pool->engine.crew.count; i++)
		while (member(pool, i)->wanted &&
		    !member_is_ready(member(pool, i))) {
			ck_assert_uint_lt(sys_now(), until);
			ck_assert_int_eq(turn_run(&pool->engine,
			    sys_now() + MS_IN_NS), 0);
		}
}

/* Waits until there is exactly one spare, asleep in its read.  Returns its
   pid. */
static pid_t await_spare(vm_pool *pool)
{
	pid_t spare = 0;

	for (int i = 0; i < limit_ms() && others(pool, &spare) == 0; i++)
		nap_ms(1);
	ck_assert_int_eq(others(pool, &spare), 1);
	wait_asleep(spare);
	return spare;
}

/* Waits until the fork server has reaped a child. */
static void await_reaped(pid_t pid)
{
	for (int i = 0; i < limit_ms() && kill(pid, 0) == 0; i++)
		nap_ms(1);
	ck_assert(kill(pid, 0) == -1 && errno == ESRCH);
}

static void await_hit(void)
{
	for (int i = 0; i < limit_ms() && fault_hits() == 0; i++)
		nap_ms(1);
	ck_assert_int_eq(fault_hits(), 1);
}

/* Number of descriptors of an idle process. */
static int count_fds_of(pid_t pid)
{
	char path[64], link[256];
	int n = 0;

	wait_asleep(pid);
	for (int fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
		n += readlink(path, link, sizeof link) > 0;
	}
	return n;
}

/* ---- use of the spare ---- */

static void run(vm_pool *pool, int64_t from, int64_t count)
{
	struct vm_result r;

	imap_to(pool, vm_range(from, from + count));
	for (int64_t i = 0; i < count; i++) {
		int found;

		take(pool, &r);
		ck_assert_msg(r.type == VM_OUTPUT, "%s",
		    r.exception ? r.exception->message : "");
		memcpy(&found, r.output, sizeof found);
		ck_assert_int_eq(found, 1);
	}
	take_end(pool);
}

/* Has a worker die of its item.  Returns its place. */
static struct member *die(vm_pool *pool)
{
	pid_t pids[CHILDREN_MOST] = { 0 };
	struct vm_result r;
	size_t i = 0;

	for (size_t k = 0; k < pool->engine.crew.count; k++)
		pids[k] = member(pool, k)->pid;
	atomic_store(&sh->counter[FATAL], 101);
	imap_to(pool, vm_range(100, 101));
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_EXCEPTION);
	ck_assert_int_eq(r.exception->cause, VM_KILLED);
	while (i < CHILDREN_MOST && pids[i] != r.exception->pid)
		i++;
	ck_assert_uint_lt(i, pool->engine.crew.count);
	take_end(pool);
	return member(pool, i);
}

/* The same; returns the pid of the next worker in that place. */
static pid_t replace(vm_pool *pool)
{
	struct member *m = die(pool);

	settle(pool);
	return m->pid;
}

/* Runs the engine until a place has that process. */
static void await_hired(vm_pool *pool, pid_t pid)
{
	uint64_t until = sys_now() + limit_ns();

	while (!is_worker(pool, pid)) {
		ck_assert_uint_lt(sys_now(), until);
		ck_assert_int_eq(turn_run(&pool->engine,
		    sys_now() + MS_IN_NS), 0);
	}
}

/* Opens a pool that has had a death, and so has a spare. */
static vm_pool *open_spared(pid_t *spare)
{
	vm_pool *pool = open_two();

	replace(pool);
	*spare = await_spare(pool);
	return pool;
}

/* ---- when a spare exists ---- */

START_TEST(none_where_nobody_dies)
{
	vm_pool *pool = open_two();
	pid_t other;

	run(pool, 0, 50);
	ck_assert(!pool->engine.server.spare);
	ck_assert_int_eq(others(pool, &other), 0);
	end_pool(pool);
}
END_TEST

START_TEST(after_the_first_death_it_is_the_next_worker)
{
	pid_t spare, next;
	vm_pool *pool = open_spared(&spare);

	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(replace(pool), spare);
		next = await_spare(pool);
		ck_assert_int_ne(next, spare);
		spare = next;
		run(pool, 0, 10);
	}
	ck_assert_int_eq(vm_workers(pool), WORKERS);
	end_pool(pool);
}
END_TEST

START_TEST(from_the_start_where_workers_have_so_many_items)
{
	vm_pool *pool = open_pool(&(struct vm_options){ .workers = 1,
	    .worker_max_items = 5 });

	for (int i = 0; i < 5; i++) {
		pid_t spare = await_spare(pool);

		run(pool, 0, 5);
		await_hired(pool, spare);
		settle(pool);
	}
	end_pool(pool);
}
END_TEST

START_TEST(a_new_place_may_have_it)
{
	vm_pool *pool = open_pool(&(struct vm_options){ .workers = 1,
	    .max_workers = 3 });
	pid_t spare;

	replace(pool);
	spare = await_spare(pool);
	ck_assert_int_eq(vm_resize(pool, 2), 0);
	run(pool, 0, 1);
	settle(pool);
	ck_assert_int_eq(member(pool, 1)->pid, spare);
	ck_assert_int_eq(vm_workers(pool), 2);
	await_spare(pool);
	end_pool(pool);
}
END_TEST

/* ---- properties of the spare ---- */

START_TEST(it_runs_no_setup_before_it_has_a_place)
{
	pid_t spare;
	vm_pool *pool = open_spared(&spare);

	ck_assert_int_eq(sh->counter[SETUPS], WORKERS + 1);
	ck_assert_int_eq(replace(pool), spare);
	ck_assert_int_eq(sh->counter[SETUPS], WORKERS + 2);
	end_pool(pool);
}
END_TEST

/* Returns the number at the start of a file of /proc/PID. */
static int proc_number(pid_t pid, const char *name)
{
	char path[64];
	int n = -1;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%d", &n), 1);
	fclose(f);
	return n;
}

START_TEST(it_is_as_any_worker)
{
	pid_t spare;
	vm_pool *pool = open_spared(&spare);
	pid_t other = member(pool, 0)->pid;
	int fds = count_fds_of(other);

	ck_assert_int_eq(getpgid(spare), spare);
	ck_assert_int_eq(getsid(spare), getsid(other));
	ck_assert_int_eq(proc_number(spare, "oom_score_adj"),
	    proc_number(other, "oom_score_adj"));
	ck_assert_int_eq(count_fds_of(spare), fds);
	ck_assert_int_eq(replace(pool), spare);
	ck_assert_int_eq(getpgid(spare), spare);
	ck_assert_int_eq(count_fds_of(spare), fds);
	end_pool(pool);
}
END_TEST

/* The fork server holds the caller's ends of the spare's pipes as long as it
   waits; no other process has copies. */
static void check_ends(const struct vm_options *options, int ends)
{
	vm_pool *pool = open_pool(options);
	int before = count_fds_of(server_of(pool)), of_worker;
	pid_t spare;

	of_worker = count_fds_of(member(pool, 0)->pid);
	replace(pool);
	spare = await_spare(pool);
	ck_assert_int_eq(count_fds_of(server_of(pool)), before + ends);
	for (int i = 0; i < WORKERS; i++)
		ck_assert_int_eq(count_fds_of(member(pool, i)->pid),
		    of_worker);
	ck_assert_int_eq(kill(spare, SIGKILL), 0);
	await_reaped(spare);
	replace(pool);
	spare = await_spare(pool);
	ck_assert_int_eq(replace(pool), spare);
	await_spare(pool);
	for (int i = 0; i < WORKERS; i++)
		ck_assert_int_eq(count_fds_of(member(pool, i)->pid),
		    of_worker);
	ck_assert_int_eq(count_fds_of(server_of(pool)), before + ends);
	end_pool(pool);
}

START_TEST(nobody_has_copies_of_its_pipes)
{
	check_ends(&(struct vm_options){ .workers = WORKERS }, 2);
	check_ends(&(struct vm_options){ .workers = WORKERS,
	    .flags = VM_STDERR_TAIL }, 3);
}
END_TEST

/* ---- the spare dies, or stops ---- */

static void check_death(int signal, bool group)
{
	pid_t spare, next;
	vm_pool *pool = open_spared(&spare);
	long setups = sh->counter[SETUPS];

	ck_assert_int_eq(kill(group ? -spare : spare, signal), 0);
	await_reaped(spare);
	ck_assert_int_eq(others(pool, &next), 0);
	run(pool, 0, 20);
	ck_assert_int_eq(sh->counter[SETUPS], setups);
	next = replace(pool);
	ck_assert_int_ne(next, spare);
	ck_assert_int_eq(sh->counter[SETUPS], setups + 1);
	next = await_spare(pool);
	ck_assert_int_eq(replace(pool), next);
	end_pool(pool);
}

START_TEST(its_death_is_told_to_nobody)
{
	check_death(SIGKILL, false);
	check_death(SIGKILL, true);
	check_death(SIGTERM, false);
	check_death(SIGSEGV, false);
}
END_TEST

/* A stopped spare still gets its place, and delays no other item. */
static vm_pool *open_stopped(pid_t *spare)
{
	vm_pool *pool = open_spared(spare);
	struct member *m;

	ck_assert_int_eq(kill(*spare, SIGSTOP), 0);
	while (!is_stopped(*spare))
		nap_ms(1);
	m = die(pool);
	await_hired(pool, *spare);
	ck_assert_int_eq(m->pid, *spare);
	ck_assert(member_is_starting(m));
	run(pool, 0, 20);
	ck_assert_int_ne(die(pool)->pid, *spare);
	return pool;
}

START_TEST(a_stopped_one_holds_nobody_up)
{
	pid_t spare;
	vm_pool *pool = open_stopped(&spare);

	ck_assert_int_eq(kill(spare, SIGCONT), 0);
	settle(pool);
	ck_assert(is_worker(pool, spare));
	run(pool, 0, 20);
	end_pool(pool);
}
END_TEST

/* Dies after the order and before HELLO: counts as the new worker's death. */
START_TEST(it_dies_when_it_is_hired)
{
	pid_t spare;
	vm_pool *pool = open_stopped(&spare);
	int failed = 0;

	ck_assert_int_eq(kill(spare, SIGKILL), 0);
	settle(pool);
	ck_assert(!is_worker(pool, spare));
	for (size_t i = 0; i < WORKERS; i++)
		failed += member(pool, i)->trouble;
	ck_assert_int_eq(failed, 1);
	run(pool, 0, 20);
	end_pool(pool);
}
END_TEST

/* ---- no spare is available ---- */

/* A spare cannot be forked: no error is visible, and after the next replacement
   there is a spare again. */
static void check_missing(enum fault_kind kind, int nth, int error)
{
	pid_t spare, other;
	vm_pool *pool = open_spared(&spare);

	ck_assert_int_eq(kill(spare, SIGKILL), 0);
	await_reaped(spare);
	fault_plan(kind, nth, 1, error, FAULT_IN_SERVER);
	replace(pool);
	await_hit();
	run(pool, 0, 20);
	ck_assert_int_eq(others(pool, &other), 0);
	heal();
	replace(pool);
	await_spare(pool);
	ck_assert_int_eq(vm_workers(pool), WORKERS);
	end_pool(pool);
}

START_TEST(nobody_hears_if_there_can_be_none)
{
	check_missing(FAULT_FORK, 2, EAGAIN);
	check_missing(FAULT_PIPE, 3, EMFILE);
	check_missing(FAULT_PIPE, 4, ENFILE);
}
END_TEST

/* The order cannot be written to the spare: another worker is forked, and the
   spare ends. */
START_TEST(it_cannot_be_told)
{
	pid_t spare;
	vm_pool *pool = open_spared(&spare);

	fault_plan(FAULT_WRITE, 1, 1, EIO, FAULT_IN_SERVER);
	ck_assert_int_ne(replace(pool), spare);
	ck_assert_int_eq(fault_hits(), 1);
	await_reaped(spare);
	heal();
	spare = await_spare(pool);
	ck_assert_int_eq(replace(pool), spare);
	end_pool(pool);
}
END_TEST

START_TEST(it_is_told_in_pieces)
{
	const struct fault cut = { .kind = FAULT_WRITE, .act = FAULT_HALF,
		.where = FAULT_IN_SERVER, .nth = 1, .times = 1 };
	pid_t spare;
	vm_pool *pool = open_spared(&spare);

	fault_arm(&cut);
	ck_assert_int_eq(replace(pool), spare);
	ck_assert_int_eq(fault_hits(), 1);
	heal();
	end_pool(pool);
}
END_TEST

/* Where a pipe cannot be reopened, its read end is sent as well. */
START_TEST(without_a_proc)
{
	const struct fault lacks = { .kind = FAULT_NONE, .where = FAULT_HERE,
		.lacks = FAULT_REOPEN, .lacks_error = ENOENT };
	pid_t spare;
	vm_pool *pool;

	pool = open_two();
	fault_arm(&lacks);
	replace(pool);
	spare = await_spare(pool);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(replace(pool), spare);
		spare = await_spare(pool);
	}
	run(pool, 0, 20);
	end_pool(pool);
}
END_TEST

/* ---- the spare ends with its pool ---- */

START_TEST(the_pool_is_closed)
{
	pid_t spare, stopped;
	vm_pool *pool = open_spared(&spare);

	end_pool(pool);
	ck_assert(kill(spare, 0) == -1 && errno == ESRCH);
	pool = open_spared(&stopped);
	ck_assert_int_eq(kill(stopped, SIGSTOP), 0);
	end_pool(pool);
	ck_assert(kill(stopped, 0) == -1 && errno == ESRCH);
	/* Before the spare exists, or while it is forked. */
	pool = open_two();
	replace(pool);
	end_pool(pool);
}
END_TEST

/* Without the parent death signal (an old kernel, or a process that has dropped
   it), the end of the pipe ends the spare. */
static void check_orphan(enum fault_kind lacks)
{
	const struct fault fault = { .kind = FAULT_NONE, .where = FAULT_HERE,
		.lacks = lacks, .lacks_error = EINVAL };
	struct vm_result r;
	pid_t spare;
	vm_pool *pool;

	heal();
	pool = open_two();
	fault_arm(&fault);
	replace(pool);
	spare = await_spare(pool);
	ck_assert_int_eq(kill(server_of(pool), SIGKILL), 0);
	wait_gone(spare);
	imap_to(pool, vm_range(0, 5));
	while (vm_zip_in_out_within(pool, &r, limit_ms()) == 1)
		continue;
	ck_assert_int_eq(vm_broken(pool), 1);
	heal();
	end_pool(pool);
}

START_TEST(the_fork_server_is_killed)
{
	check_orphan(FAULT_NONE);
	check_orphan(FAULT_DIE_WITH_PARENT);
}
END_TEST

START_TEST(the_caller_is_killed)
{
	struct shared *mine = shared_new();
	pid_t host = fork();
	int status;

	if (host == 0) {
		pid_t spare;
		vm_pool *pool = open_spared(&spare);

		atomic_store(&mine->pid[0], server_of(pool));
		atomic_store(&mine->pid[1], spare);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_gt(host, 0);
	ck_assert_int_eq(waitpid(host, &status, 0), host);
	ck_assert_int_eq(status, SIGKILL);
	ck_assert_int_gt(mine->pid[1], 0);
	wait_gone(mine->pid[0]);
	wait_gone(mine->pid[1]);
	shared_free(mine);
}
END_TEST

/* ---- the spare costs nothing ---- */

static unsigned long switches_of_all(vm_pool *pool, pid_t spare)
{
	unsigned long all = switches_of(server_of(pool)) + switches_of(spare);

	for (int i = 0; i < WORKERS; i++)
		all += switches_of(member(pool, i)->pid);
	return all;
}

START_TEST(an_idle_pool_sleeps)
{
	pid_t spare;
	vm_pool *pool = open_spared(&spare);
	unsigned long before, now = switches_of_all(pool, spare);

	do {
		before = now;
		nap_ms(200);
		now = switches_of_all(pool, spare);
	} while (now != before);
	nap_ms(2500);
	now = switches_of_all(pool, spare);
	/* Without a pidfd the fork server polls for its parent. */
	if (pool->engine.server.pidfd >= 0)
		ck_assert_uint_eq(now, before);
	else
		ck_assert_uint_le(now - before, 2 * 4);
	end_pool(pool);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		none_where_nobody_dies,
		after_the_first_death_it_is_the_next_worker,
		from_the_start_where_workers_have_so_many_items,
		a_new_place_may_have_it,
		it_runs_no_setup_before_it_has_a_place, it_is_as_any_worker,
		nobody_has_copies_of_its_pipes, its_death_is_told_to_nobody,
		a_stopped_one_holds_nobody_up, it_dies_when_it_is_hired,
		nobody_hears_if_there_can_be_none, it_cannot_be_told,
		it_is_told_in_pieces, without_a_proc, the_pool_is_closed,
		the_fork_server_is_killed, the_caller_is_killed };
	const TTest *const drawn[] = {
		an_idle_pool_sleeps };

	return run_sampled_tests("spare", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
