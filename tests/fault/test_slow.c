/*
 * test_slow.c - slow is not dead: forks that take seconds, a fork server that
 * is held, workers that survive a kill for a while; and processes that must die
 * do so, even if they resist.
 *
 * Linked with fault_sys.c, so that calls can take long, and kills fail.  Most
 * tests wait for a bound of the library, so they run side by side, some with a
 * fast clock; each asserts that the bound was really met.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "fault_sys.h"
#include "os/sys.h"
#include "tools.h"

/* Counters in shared memory.  DEADLY: 1 + the number at which its worker dies
   or hangs. */
enum { DEADLY, SETUPS, RUNS, RUNS_THEN, STUCK, GO, SIGNAL_LEFT };

/* Delays above the 5 s bound of an answer, and the 10 s of the first answer, by
   a fast clock. */
#define HASTE 8
#define LONG_MS (6000 / HASTE)
#define FIRST_MS (11000 / HASTE)
#define BOUND_MS (5000 / HASTE)
#define RUN_MS 10

static struct shared *sh;
static int fds_before, children_before;

static void start(void)
{
	no_cores();
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
	sh = shared_new();
	fds_before = count_fds();
	children_before = count_children();
}

static void check_nothing_left(void)
{
	ck_assert_int_eq(count_fds(), fds_before);
	ck_assert_int_eq(count_children(), children_before);
	shared_free(sh);
}

/* Runs each body in a process of its own, all at the same time. */
static void run_all(void (*const *bodies)(void), size_t count)
{
	pid_t pids[8];
	int status;

	ck_assert_uint_le(count, COUNTOF(pids));
	for (size_t i = 0; i < count; i++) {
		pids[i] = new_process();
		if (pids[i] == 0) {
			bodies[i]();
			_exit(0);
		}
	}
	for (size_t i = 0; i < count; i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_msg(status == 0, "the %zu-th: 0x%x", i, status);
	}
}

/* ---- callbacks of the workers ---- */

/* Counts setups, and notes the runs up to the last setup. */
static int set_up(struct vm_context *me)
{
	(void)me;
	atomic_store(&sh->counter[RUNS_THEN], sh->counter[RUNS]);
	atomic_fetch_add(&sh->counter[SETUPS], 1);
	return 0;
}

static int echo(struct vm_context *me, const void *input, size_t size)
{
	(void)size;
	nap_ms(RUN_MS);
	atomic_fetch_add(&sh->counter[RUNS], 1);
	return vm_output(me, input, sizeof(int64_t));
}

static int slow_set_up(struct vm_context *me)
{
	nap_ms(400);
	return set_up(me);
}

static int die_once(struct vm_context *me, const void *input, size_t size)
{
	long n = number(input) + 1;

	if (atomic_compare_exchange_strong(&sh->counter[DEADLY], &n, 0))
		raise(SIGKILL);
	return echo(me, input, size);
}

/* Outputs that fill the bound on bytes in flight. */
static int die_at_length(struct vm_context *me, const void *input, size_t size)
{
	static int64_t text[200];
	long n = number(input) + 1;

	(void)size;
	if (atomic_compare_exchange_strong(&sh->counter[DEADLY], &n, 0))
		raise(SIGKILL);
	text[0] = number(input);
	return vm_output(me, text, sizeof text);
}

/* Ignores SIGTERM and hangs until GO is set, then exits without an answer. */
static int hang_once(struct vm_context *me, const void *input, size_t size)
{
	long n = number(input) + 1;

	if (!atomic_compare_exchange_strong(&sh->counter[DEADLY], &n, 0))
		return echo(me, input, size);
	signal(SIGTERM, SIG_IGN);
	atomic_store(&sh->counter[STUCK], getpid());
	await(&sh->counter[GO], 1, limit_ms());
	_exit(0);
}

/* Drops the parent death signal, as a change of the user does. */
static int forget_parent(struct vm_context *me, const void *input,
    size_t size)
{
	int left = -1;

	if (atomic_load(&sh->counter[DEADLY]) != number(input) + 1)
		return echo(me, input, size);
	if (geteuid() == 0 && setreuid(65533, 65533) != 0)
		return vm_fail(me, errno, "no other user");
	if (geteuid() == 0 || prctl(PR_GET_PDEATHSIG, &left) != 0 || left != 0)
		prctl(PR_SET_PDEATHSIG, 0);
	prctl(PR_GET_PDEATHSIG, &left);
	atomic_store(&sh->counter[SIGNAL_LEFT], left);
	atomic_store(&sh->counter[GO], getppid());
	atomic_store(&sh->counter[STUCK], getpid());
	for (;;)
		pause();
}

/* Takes all results; only the input failed may have failed, with the cause
   why. */
static void take_all_but(vm_pool *pool, int n, int failed, int why)
{
	int cause[2000];

	ck_assert_msg(take_numbers(pool, n, cause) == 0, "%s",
	    vm_error(pool));
	for (int i = 0; i < n; i++)
		ck_assert_msg(cause[i] == (i == failed ? why : 0), "%d: %s",
		    i, vm_cause_name((enum vm_cause)cause[i]));
	ck_assert_int_eq(vm_broken(pool), 0);
}

/* ---- a fork server that is slow ---- */

/* A pool whose worker dies at number 5; then the fork server is slow at its
   next call of that kind. */
static void be_slow(enum fault_kind kind, enum fault_act act)
{
	const struct vm_worker worker = { .setup = set_up,
		.process = die_once };
	const struct vm_options options = { .workers = 2, .chunk_size = 1 };
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	atomic_store(&sh->counter[DEADLY], 5 + 1);
	fault_arm(&(struct fault){ .kind = kind, .act = act,
	    .where = FAULT_IN_SERVER, .nth = 1, .times = 1,
	    .delay_ms = LONG_MS });
	imap_to(pool, vm_range(0, 200));
	take_all_but(pool, 200, 5, VM_KILLED);
	ck_assert_int_eq(fault_hits(), 1);
	ck_assert_int_ge(sh->counter[SETUPS], 3);
	/* The other worker went on meanwhile. */
	ck_assert_int_gt(sh->counter[RUNS_THEN], LONG_MS / RUN_MS / 6);
	close_pool(pool);
	check_nothing_left();
}

/* As with a pthread_atfork handler that waits, or memory swapped in from a
   disk. */
static void fork_asleep(void)
{
	be_slow(FAULT_FORK, FAULT_DELAY);
}

static void fork_awake(void)
{
	be_slow(FAULT_FORK, FAULT_DELAY_AWAKE);
}

static void receive_awake(void)
{
	be_slow(FAULT_RECEIVE, FAULT_DELAY_AWAKE);
}

/* The first fork takes longer than the bound of the first answer. */
static void first_fork(void)
{
	const struct vm_worker worker = { .setup = set_up, .process = echo };
	const struct vm_options options = { .workers = 2 };
	vm_pool *pool;

	start();
	fault_arm(&(struct fault){ .kind = FAULT_FORK, .act = FAULT_DELAY,
	    .where = FAULT_IN_SERVER, .nth = 1, .times = 1,
	    .delay_ms = FIRST_MS });
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(fault_hits(), 1);
	imap_to(pool, vm_range(0, 10));
	take_all_but(pool, 10, -1, 0);
	close_pool(pool);
	check_nothing_left();
}

/* vm_close() is called while the fork server forks. */
static void close_in_a_fork(void)
{
	const struct vm_worker worker = { .setup = set_up,
		.process = die_once };
	const struct vm_options options = { .workers = 2, .chunk_size = 1 };
	uint64_t begun;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	fault_arm(&(struct fault){ .kind = FAULT_FORK, .act = FAULT_DELAY,
	    .where = FAULT_IN_SERVER, .nth = 1, .times = 1,
	    .delay_ms = LONG_MS });
	atomic_store(&sh->counter[DEADLY], 5 + 1);
	imap_to(pool, vm_range(0, 1000));
	for (int i = 0; i < 1000 && fault_hits() == 0; i++) {
		struct vm_result r;

		take(pool, &r);
	}
	ck_assert_int_eq(fault_hits(), 1);
	begun = clock_ns();
	close_pool(pool);
	ck_assert_uint_gt(clock_ns() - begun, BOUND_MS * MS_IN_NS);
	check_nothing_left();
}

/* ---- a worker that survives kills ---- */

/* A pool with an item that hangs in a worker whose first kills fail. */
static vm_pool *open_stuck(const struct vm_options *options, int kills)
{
	const struct vm_worker worker = { .setup = set_up,
		.process = hang_once };
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	atomic_store(&sh->counter[DEADLY], 5 + 1);
	fault_plan(FAULT_KILL, 1, kills, EPERM, FAULT_IN_SERVER);
	imap_to(pool, vm_range(0, 300));
	return pool;
}

static pid_t stuck(void)
{
	pid_t pid = (pid_t)atomic_load(&sh->counter[STUCK]);

	ck_assert_int_gt(pid, 0);
	return pid;
}

/* While the stuck worker lives, another worker gets its index and a free place;
   the end of the pool can kill it. */
static void others_go_on(void)
{
	const struct vm_options options = { .workers = 1, .chunk_size = 1,
		.item_timeout_ms = 200 };
	const struct crew *c;
	vm_pool *pool = open_stuck(&options, 4);

	take_all_but(pool, 300, 5, VM_TIMED_OUT);
	ck_assert_int_eq(fault_hits(), 4);
	ck_assert(is_alive(stuck()));
	c = &pool->engine.crew;
	ck_assert_ptr_nonnull(c->roster.state[MEMBER_HELD].first);
	ck_assert(member_is_ready(c->roster.state[MEMBER_RUNNING].first));
	ck_assert_int_eq(c->roster.state[MEMBER_RUNNING].first->index, 0);
	ck_assert(roster_is_right(&pool->engine.crew));
	close_pool(pool);
	ck_assert(!is_alive(stuck()));
	check_nothing_left();
}

/* No other place exists: the place of the stuck worker is refilled once it is
   dead. */
static void its_place_waits(void)
{
	const struct vm_options options = { .workers = 1, .max_workers = 1,
		.chunk_size = 1, .item_timeout_ms = 200 };
	struct vm_result r;
	vm_pool *pool = open_stuck(&options, 4);
	int cause[300];

	for (int i = 0; i < 6; i++)
		take(pool, &r);
	ck_assert(r.type == VM_EXCEPTION);
	ck_assert_int_eq(r.exception->cause, VM_TIMED_OUT);
	ck_assert_int_eq(r.exception->pid, stuck());
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 100), VM_LATER);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "the kernel still holds"));
	ck_assert(is_alive(stuck()));
	atomic_store(&sh->counter[GO], 1);
	ck_assert_int_eq(take_numbers(pool, 300, cause), 0);
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(cause[i], i < 6 ? -1 : 0);
	ck_assert_int_eq(sh->counter[SETUPS], 2);
	close_pool(pool);
	check_nothing_left();
}

/* Not even the end of the pool kills the worker: vm_close() returns
   nevertheless, with an error, and all other processes are dead. */
static void close_says_so(void)
{
	const struct vm_options options = { .workers = 3, .chunk_size = 1,
		.item_timeout_ms = 200 };
	vm_pool *pool = open_stuck(&options, INT_MAX);

	take_all_but(pool, 300, 5, VM_TIMED_OUT);
	ck_assert(is_alive(stuck()));
	errno = 0;
	ck_assert_int_eq(vm_close(pool), -1);
	ck_assert_int_eq(errno, ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "held by the kernel"));
	kill(stuck(), SIGKILL);
	wait_gone(stuck());
	check_nothing_left();
}

/* The same if the pool is closed before the caller knows of the failed kill. */
static void close_finds_out(void)
{
	const struct vm_options options = { .workers = 2, .chunk_size = 1,
		.close_timeout_ms = 100 };
	struct vm_result r;
	vm_pool *pool = open_stuck(&options, 4);

	for (int i = 0; i < 20; i++)
		take(pool, &r);
	ck_assert(is_alive(stuck()));
	close_pool(pool);
	ck_assert_int_eq(fault_hits(), 4);
	ck_assert(!is_alive(stuck()));
	check_nothing_left();
}

/* ---- workers that do not die with the fork server ---- */

/* signal: how the fork server ends, which breaks the pool. */
static void check_forgetful(int signal)
{
	const struct vm_worker worker = { .process = forget_parent };
	const struct vm_options options = { .workers = 2, .chunk_size = 1 };
	struct vm_result r;
	vm_pool *pool;
	int rc, lost = 0;

	start();
	pool = fork_pool(&worker, &options);
	atomic_store(&sh->counter[DEADLY], 5 + 1);
	imap_to(pool, vm_range(0, 10));
	for (int i = 0; i < 9; i++)
		take(pool, &r);
	wait_for(&sh->counter[STUCK], 1);
	ck_assert_int_eq(sh->counter[SIGNAL_LEFT], 0);
	ck_assert_int_eq(kill((pid_t)sh->counter[GO], signal), 0);
	while ((rc = vm_zip_in_out(pool, &r)) == 1)
		lost += r.type == VM_EXCEPTION &&
		    r.exception->cause == VM_LOST;
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(lost, 1);
	ck_assert_int_eq(vm_broken(pool), 1);
	wait_gone(stuck());
	vm_close(pool);
	check_nothing_left();
}

static void server_is_killed(void)
{
	check_forgetful(SIGKILL);
}

static void server_is_stopped(void)
{
	check_forgetful(SIGSTOP);
}

START_TEST(a_slow_fork_server_is_not_dead)
{
	void (*const bodies[])(void) = { fork_asleep, fork_awake,
		receive_awake, first_fork, close_in_a_fork, server_is_killed,
		server_is_stopped };

	fault_hasten(HASTE);
	run_all(bodies, COUNTOF(bodies));
}
END_TEST

/* A pid alone is not enough: processes outside the session are not killed. */
START_TEST(only_the_session_is_killed)
{
	pid_t pid = new_process();

	if (pid == 0)
		for (;;)
			pause();
	ck_assert_int_eq(sys_kill_in(pid, getsid(0) + 1), -ESRCH);
	nap_ms(50);
	ck_assert(is_alive(pid));
	ck_assert_int_eq(sys_kill_in(pid, getsid(0)), 0);
	wait_gone(pid);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(sys_kill_in(pid, getsid(0)), -ESRCH);
}
END_TEST

START_TEST(what_a_process_is_at)
{
	struct sys_process p;
	uint64_t ticks;
	pid_t pid = new_process();

	if (pid == 0)
		for (;;)
			pause();
	wait_asleep(pid);
	ck_assert_int_eq(sys_process(pid, &p), 0);
	ck_assert_int_eq(p.state, 'S');
	ck_assert_int_eq(p.parent, getpid());
	kill(pid, SIGSTOP);
	for (int i = 0; i < 1000 && !is_stopped(pid); i++)
		nap_ms(1);
	ck_assert_int_eq(sys_process(pid, &p), 0);
	ck_assert_int_eq(p.state, 'T');
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(sys_process(pid, &p), -ENOENT);
	ck_assert_int_eq(sys_process(getpid(), &p), 0);
	ck_assert_int_eq(p.state, 'R');
	ticks = p.ticks;
	for (int i = 0; i < 100000000 && p.ticks == ticks; i++)
		ck_assert_int_eq(sys_process(getpid(), &p), 0);
	ck_assert_uint_gt(p.ticks, ticks);
}
END_TEST

/* ---- workers that are slow ---- */

/* When the bound on bytes is reached, the caller does not read workers that
   work; but it must read a worker in setup, which would exceed its timeout
   otherwise. */
static void deaf_caller(void)
{
	const struct vm_worker worker = { .setup = slow_set_up,
		.process = die_at_length };
	const struct vm_options options = { .workers = 2, .chunk_size = 1,
		.setup_timeout_ms = 1500, .max_in_flight_bytes = 5000 };
	int deaf = 0, outputs = 0;
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	atomic_store(&sh->counter[DEADLY], 5 + 1);
	imap_to(pool, vm_range(0, 20));
	for (int i = 0; i < 20; i++) {
		const struct engine *e = &pool->engine;

		take(pool, &r);
		outputs += r.type == VM_OUTPUT;
		deaf += e->listening.deaf &&
		    e->crew.roster.having[TRAIT_STARTING] > 0;
		nap_ms(350);
	}
	ck_assert_int_eq(outputs, 19);
	ck_assert_int_gt(deaf, 0);
	ck_assert_int_eq(sh->counter[SETUPS], 3);
	close_pool(pool);
	check_nothing_left();
}

/* An input in the pipe is in flight, and its worker not overdue, as long as any
   of its bytes move. */
static void slow_reader(void)
{
	enum { SIZE = 3 << 20 };
	const struct vm_options options = { .workers = 1, .chunk_size = 1,
		.item_timeout_ms = 200, .max_item_bytes = 16 << 20 };
	char *input = calloc(1, SIZE);
	struct vm_result r;
	uint64_t begun;
	vm_pool *pool;

	start();
	ck_assert_ptr_nonnull(input);
	/* Without shared memory for inputs. */
	fault_plan(FAULT_MAP_SHARED, 1, 7, ENOMEM, FAULT_HERE);
	pool = fork_pool(&(struct vm_worker){ .process = echo }, &options);
	ck_assert_int_eq(fault_hits(), 7);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	fault_arm(&(struct fault){ .kind = FAULT_READ, .act = FAULT_DELAY,
	    .where = FAULT_IN_WORKERS, .nth = 1, .times = INT_MAX,
	    .delay_ms = 150 });
	begun = clock_ns();
	imap_to(pool, vm_array(input, 1, SIZE));
	take(pool, &r);
	ck_assert_msg(r.type == VM_OUTPUT, "%s",
	    r.exception ? r.exception->message : "");
	ck_assert_uint_gt(clock_ns() - begun, 5200 * MS_IN_NS);
	take_end(pool);
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
	close_pool(pool);
	free(input);
	check_nothing_left();
}

START_TEST(a_slow_worker_is_not_dead)
{
	void (*const bodies[])(void) = { others_go_on, its_place_waits,
		close_says_so, close_finds_out, deaf_caller, slow_reader };

	run_all(bodies, COUNTOF(bodies));
}
END_TEST

/* Worker 1 stays until the caller looks whether the fork server has ended. */
static void leave_late(struct vm_context *me)
{
	while (me->worker_index == 1 && fault_hits() == 0)
		nap_ms(1);
}

/* The last worker and the fork server end between two calls of vm_close(). */
START_TEST(the_end_comes_in_between)
{
	const struct vm_worker worker = { .process = echo,
		.teardown = leave_late };
	const struct vm_options options = { .workers = 2 };
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	fault_arm(&(struct fault){ .kind = FAULT_WAIT_PIDFD,
	    .act = FAULT_DELAY, .where = FAULT_HERE, .nth = 1, .times = 1,
	    .delay_ms = 300 });
	close_pool(pool);
	ck_assert_int_eq(fault_hits(), 1);
	check_nothing_left();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		only_the_session_is_killed, what_a_process_is_at,
		the_end_comes_in_between };
	const TTest *const drawn[] = {
		a_slow_worker_is_not_dead, a_slow_fork_server_is_not_dead };

	return run_sampled_tests("slow", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
