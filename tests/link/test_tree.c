/*
 * test_tree.c - machines behind machines, by commands that stay on this one:
 * results are those of a local pool, each input comes back once whatever dies,
 * and an agent runs commands of its caller only if it was started for that.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "sample.h"
#include "scratch.h"
#include "tools.h"

/* Inputs of these numbers do more than come back. */
enum special { KILLS_ITSELF = 20, FAILS, HANGS, KILLS_LEAF, KILLS_MIDDLE,
	ALWAYS_KILLS, WRITES };
/* Bytes that an input writes to standard error. */
#define WRITTEN 2000
/* Number of inputs. */
#define N 300

/* What an output tells about its attempt. */
struct told {
	int64_t number;
	uint64_t index, seed;
	int32_t attempt, worker;
	int32_t agent, middle;	/* pids */
};

/* Directory of the files that mark what was done; plain bytes for agents. */
static char dir[64];
static char program[4096];
static const char *plain[] = { program, NULL };

/* ---- in the workers ---- */

static bool is_there(const char *in, const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", in, name);
	return access(path, F_OK) == 0;
}

/* Makes a file.  Returns true if there was none. */
static bool make(const char *in, int64_t name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%d", in, (int)name);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	nap_ms(60000);
}

/* A worker's parent is the fork server, whose parent is the agent: of a leaf
   the child of a link, of the fork server, of the agent in the middle. */
static int work(struct vm_context *me, const void *input, size_t size)
{
	struct told t = { .number = number(input), .index = me->index,
		.seed = me->seed, .attempt = me->attempt,
		.worker = me->worker_index, .agent = parent_of(getppid()) };

	(void)size;
	t.middle = parent_of(parent_of(parent_of(t.agent)));
	for (int i = 0; t.number == WRITES && i < WRITTEN; i++)
		fputc('w', stderr);
	if (t.number == KILLS_ITSELF || t.number == WRITES)
		raise(SIGKILL);
	if (t.number == FAILS)
		return vm_fail(me, 77, "number %d is bad", FAILS);
	if (t.number == HANGS)
		make(me->config, HANGS);
	while (t.number == HANGS)
		pause();
	if (t.number == KILLS_LEAF && make(me->config, t.number))
		end(t.agent);
	if (t.number == KILLS_MIDDLE && make(me->config, t.number))
		end(t.middle);
	if (t.number == ALWAYS_KILLS)
		end(t.agent);
	return vm_output(me, &t, sizeof t);
}

static const struct vm_worker table[] = {
	{ .process = work, .name = "work" },
};

/* ---- pools ---- */

static const struct vm_host leaves[] = {
	{ .name = "l1", .command = plain, .workers = 1 },
	{ .name = "l2", .command = plain, .workers = 2 },
};
static const struct vm_host middles[] = {
	{ .name = "m1", .command = plain, .workers = VM_ELSEWHERE,
	    .host_count = 2, .hosts = leaves },
	{ .name = "m2", .command = plain, .workers = VM_ELSEWHERE,
	    .host_count = 1, .hosts = leaves },
};

static vm_pool *fork_tree(struct vm_options o, const struct vm_host *hosts,
    int count)
{
	struct vm_worker w = table[0];

	if (count > 0)
		o.workers = VM_ELSEWHERE;
	o.hosts = hosts;
	o.host_count = count;
	w.config = dir;
	w.config_size = sizeof dir;
	return fork_pool(&w, &o);
}

static struct vm_host_state state_of(vm_pool *pool, int host)
{
	struct vm_host_state s;

	ck_assert_int_eq(vm_host_state(pool, host, &s), 1);
	return s;
}

/* Turns the pool, which has no results, until the host has that number of
   workers. */
static void await_workers(vm_pool *pool, int host, int workers)
{
	struct vm_result r;

	for (int ms = 0; state_of(pool, host).workers != workers; ms += 10) {
		ck_assert_msg(ms < limit_ms(), "%d workers: %s",
		    state_of(pool, host).workers, state_of(pool, host).words);
		if (vm_zip_in_out_within(pool, &r, 10) == 0)
			nap_ms(10);
	}
}

/* Takes the results of the numbers from "from" to "to", which must come once,
   as copies in an array by number. */
static void take_each(vm_pool *pool, int64_t from, int64_t to,
    struct vm_result **all)
{
	struct vm_result r;
	int64_t i;

	memset(all, 0, (size_t)to * sizeof(struct vm_result *));
	for (int64_t n = from; n < to; n++) {
		take(pool, &r);
		i = number(r.input);
		ck_assert(i >= from && i < to);
		ck_assert_msg(all[i] == NULL, "%d came twice", (int)i);
		all[i] = vm_result_copy(&r);
		ck_assert_ptr_nonnull(all[i]);
	}
	take_end(pool);
}

static void free_all(struct vm_result **all, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		free(all[i]);
}

static struct told told_by(const struct vm_result *r)
{
	struct told t;

	ck_assert_int_eq(r->type, VM_OUTPUT);
	ck_assert_uint_eq(r->output_size, sizeof t);
	memcpy(&t, r->output, sizeof t);
	return t;
}

/* ---- results ---- */

/* Asserts that two results are the same in all but place. */
static void is_same(const struct vm_result *here, const struct vm_result *far)
{
	struct told x, y;

	ck_assert_int_eq(here->type, far->type);
	ck_assert_int_eq(here->attempts, far->attempts);
	if (here->type == VM_EXCEPTION) {
		ck_assert_int_eq(here->exception->cause, far->exception->cause);
		ck_assert_int_eq(here->exception->code, far->exception->code);
		ck_assert_int_eq(here->exception->signal,
		    far->exception->signal);
		ck_assert_str_eq(here->exception->message,
		    far->exception->message);
		return;
	}
	x = told_by(here);
	y = told_by(far);
	ck_assert_int_eq(x.number, y.number);
	ck_assert_uint_eq(x.index, y.index);
	ck_assert_uint_eq(x.seed, y.seed);
	ck_assert_int_eq(x.attempt, y.attempt);
}

START_TEST(results_are_those_of_a_local_pool)
{
	static struct vm_result *here[N], *far[N];
	const struct vm_options o = { .seed = 4711, .max_attempts = 2,
		.retry_on = VM_KILLED, .flags = VM_ORDERED };
	vm_pool *pool;

	scratch_make(dir, sizeof dir);
	pool = fork_tree(o, NULL, 0);
	imap_to(pool, vm_range(0, HANGS));
	take_each(pool, 0, HANGS, here);
	close_pool(pool);
	pool = fork_tree(o, middles, 2);
	imap_to(pool, vm_range(0, HANGS));
	take_each(pool, 0, HANGS, far);
	for (int i = 0; i < HANGS; i++)
		is_same(here[i], far[i]);
	ck_assert_int_eq(far[KILLS_ITSELF]->attempts, 2);
	ck_assert_str_eq(far[KILLS_ITSELF]->exception->host,
	    far[KILLS_ITSELF]->host == 2 ? "m2/l1" : far[KILLS_ITSELF]->
	    exception->host[4] == '1' ? "m1/l1" : "m1/l2");
	free_all(here, HANGS);
	free_all(far, HANGS);
	close_pool(pool);
	scratch_drop(dir);
}
END_TEST

/* Three levels; the machine in the middle works, too. */
START_TEST(each_worker_has_an_index_of_its_own)
{
	static struct vm_result *all[6000];
	const struct vm_host inner = { .name = "inner", .command = plain,
		.workers = 1, .host_count = 2, .hosts = leaves };
	const struct vm_host outer = { .name = "outer", .command = plain,
		.workers = 2, .host_count = 1, .hosts = &inner };
	int seen[16], count = 0;
	vm_pool *pool;

	scratch_make(dir, sizeof dir);
	pool = fork_tree((struct vm_options){ .chunk_size = 1 }, &outer, 1);
	await_workers(pool, 1, 6);
	for (int from = 1000; count < 6 && from < 6000; from += 100) {
		imap_to(pool, vm_range(from, from + 100));
		take_each(pool, from, from + 100, all);
		for (int i = from; i < from + 100; i++) {
			struct told t = told_by(all[i]);
			int k = 0;

			while (k < count && seen[k] != t.worker)
				k++;
			ck_assert_int_lt(k, 6);
			seen[k] = t.worker;
			count = MAX(count, k + 1);
			ck_assert_int_gt(t.worker, 0);
		}
		free_all(all, from + 100);
	}
	ck_assert_int_eq(count, 6);
	close_pool(pool);
	scratch_drop(dir);
}
END_TEST

/* A thousand agents if all cases are wanted.  The pids of all are asked for, by
   inputs that wait until each has one; none is left in the end. */
START_TEST(many_agents_serve_a_caller)
{
	static struct vm_host groups[10], members[100];
	static int32_t pids[1000];
	const int first = sample_size(10, 3), behind = sample_size(100, 4);
	const int n = first * behind;
	vm_pool *pool;
	struct vm_result r;
	int up = 0, seen;

	scratch_make(dir, sizeof dir);
	for (int i = 0; i < behind; i++)
		members[i] = (struct vm_host){ .command = plain, .workers = 1 };
	for (int i = 0; i < first; i++)
		groups[i] = (struct vm_host){ .command = plain,
			.workers = VM_ELSEWHERE, .host_count = behind,
			.hosts = members };
	pool = fork_tree((struct vm_options){ .chunk_size = 1,
	    .silence_ms = 600000, .connect_timeout_ms = 600000 }, groups,
	    first);
	for (int ms = 0; up < n; ms += 10) {
		up = 0;
		for (int i = 1; i <= first; i++)
			up += state_of(pool, i).workers;
		ck_assert_int_lt(ms, limit_ms());
		if (vm_ready(pool, 10) != VM_LATER)
			nap_ms(10);
	}
	for (seen = 0; seen < n; ) {
		imap_to(pool, vm_range(1000, 1000 + 2 * n));
		for (int i = 0; i < 2 * n; i++) {
			int32_t pid;
			int k = 0;

			take(pool, &r);
			pid = told_by(&r).agent;
			while (k < seen && pids[k] != pid)
				k++;
			ck_assert_int_lt(k, n);
			pids[k] = pid;
			seen = MAX(seen, k + 1);
		}
	}
	close_pool(pool);
	for (int i = 0; i < n; i++)
		wait_gone(pids[i]);
	scratch_drop(dir);
}
END_TEST

/* Two long names, and a text: all come to the caller. */
START_TEST(long_texts_come_through)
{
	static char middle[5000], leaf[2900];
	const struct vm_host behind = { .name = leaf, .command = plain,
		.workers = 1 };
	const struct vm_host first = { .name = middle, .command = plain,
		.workers = VM_ELSEWHERE, .host_count = 1, .hosts = &behind };
	const struct vm_host hosts[] = { { .name = "m", .command = plain,
		.workers = VM_ELSEWHERE, .host_count = 1, .hosts = &first } };
	vm_pool *pool;
	struct vm_result r;

	memset(middle, 'm', sizeof middle - 1);
	memset(leaf, 'l', sizeof leaf - 1);
	scratch_make(dir, sizeof dir);
	pool = fork_tree((struct vm_options){ .flags = VM_STDERR_TAIL,
	    .max_item_bytes = 1024, .max_losses = 1 }, hosts, 1);
	imap_to(pool, vm_range(WRITES, WRITES + 1));
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_EXCEPTION);
	ck_assert_int_eq(r.exception->cause, VM_KILLED);
	ck_assert_uint_eq(strlen(r.exception->stderr_tail), WRITTEN);
	ck_assert_uint_eq(strlen(r.exception->host),
	    strlen("m//") + strlen(middle) + strlen(leaf));
	take_end(pool);
	ck_assert_int_eq(state_of(pool, 1).times_lost, 0);
	close_pool(pool);
	scratch_drop(dir);
}
END_TEST

/* ---- losses ---- */

static void lose(int64_t special, int times_lost)
{
	static struct vm_result *all[N];
	vm_pool *pool;
	int lost;

	scratch_make(dir, sizeof dir);
	pool = fork_tree((struct vm_options){ .chunk_size = 1 }, middles, 2);
	imap_to(pool, vm_range(special, special + 1));
	imap_to(pool, vm_range(100, 200));
	for (int i = 0; i < 101; i++) {
		struct vm_result r;

		take(pool, &r);
		ck_assert_int_eq(r.attempts, 1);
		all[i] = vm_result_copy(&r);
		told_by(all[i]);
		for (int k = 0; k < i; k++)
			ck_assert_int_ne(number(all[k]->input),
			    number(r.input));
	}
	take_end(pool);
	lost = state_of(pool, 1).times_lost + state_of(pool, 2).times_lost;
	ck_assert_int_eq(lost, times_lost);
	ck_assert(is_there(dir, special == KILLS_LEAF ? "23" : "24"));
	free_all(all, 101);
	close_pool(pool);
	scratch_drop(dir);
}

/* It is its middle's business alone. */
START_TEST(a_lost_leaf_loses_nothing)
{
	lose(KILLS_LEAF, 0);
}
END_TEST

START_TEST(a_lost_middle_loses_nothing)
{
	lose(KILLS_MIDDLE, 1);
}
END_TEST

START_TEST(an_item_that_kills_leaves_is_lost)
{
	vm_pool *pool;
	struct vm_result r;

	scratch_make(dir, sizeof dir);
	pool = fork_tree((struct vm_options){ .chunk_size = 1,
	    .max_losses = 1 }, middles, 1);
	imap_to(pool, vm_range(ALWAYS_KILLS, ALWAYS_KILLS + 1));
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_EXCEPTION);
	ck_assert_int_eq(r.exception->cause, VM_LOST);
	ck_assert_ptr_nonnull(strstr(r.exception->message, "at 2 machines"));
	take_end(pool);
	ck_assert_int_eq(state_of(pool, 1).times_lost, 0);
	close_pool(pool);
	scratch_drop(dir);
}
END_TEST

/* ---- orders ---- */

/* Waits until an input hangs. */
static void await_hang(vm_pool *pool)
{
	struct vm_result r;

	for (int ms = 0; !is_there(dir, "22"); ms += 2) {
		ck_assert_int_lt(ms, limit_ms());
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 2), VM_LATER);
	}
}

/* The only worker hangs, and items wait behind. */
static void cancel_run(bool alone)
{
	vm_pool *pool;
	struct vm_result r;

	scratch_make(dir, sizeof dir);
	pool = fork_tree((struct vm_options){ .chunk_size = 1 }, middles + 1,
	    1);
	imap_to(pool, vm_range(HANGS, HANGS + 1));
	imap_to(pool, vm_range(100, 110));
	await_hang(pool);
	if (alone)
		ck_assert_int_eq(vm_cancel_item(pool, NULL, 0), 1);
	else
		vm_cancel(pool, VM_CANCEL_RUNNING);
	for (int i = 0; i < 11; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, alone && number(r.input) != HANGS ?
		    VM_OUTPUT : VM_EXCEPTION);
		if (r.type == VM_EXCEPTION)
			ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
		ck_assert_int_eq(r.attempts,
		    alone || number(r.input) == HANGS);
	}
	take_end(pool);
	imap_to(pool, vm_range(200, 210));
	for (int i = 0; i < 10; i++) {
		take(pool, &r);
		told_by(&r);
	}
	take_end(pool);
	ck_assert_int_eq(state_of(pool, 1).times_lost, 0);
	close_pool(pool);
	scratch_drop(dir);
}

START_TEST(a_running_item_is_cancelled_there)
{
	cancel_run(true);
}
END_TEST

START_TEST(a_run_is_cancelled_there)
{
	cancel_run(false);
}
END_TEST

/* ---- machines that come late, or never ---- */

/* The second leaf waits for a file. */
START_TEST(workers_come_late)
{
	char command[6000];
	const char *late[] = { "sh", "-c", command, "sh", NULL };
	const struct vm_host both[] = { leaves[1],
		{ .name = "late", .command = late, .workers = 3 } };
	const struct vm_host middle = { .name = "m", .command = plain,
		.workers = VM_ELSEWHERE, .host_count = 2, .hosts = both };
	vm_pool *pool;

	scratch_make(dir, sizeof dir);
	snprintf(command, sizeof command, "until [ -e '%s/0' ]; do sleep 0.02; "
	    "done; exec '%s' \"$@\"", dir, program);
	pool = fork_tree((struct vm_options){ .chunk_size = 1 }, &middle, 1);
	await_workers(pool, 1, 2);
	make(dir, 0);
	await_workers(pool, 1, 5);
	close_pool(pool);
	scratch_drop(dir);
}
END_TEST

/* Its middle says why, and is tried again; another serves. */
START_TEST(a_leaf_out_of_reach_is_named)
{
	static struct vm_result *all[200];
	const char *away[] = { "sh", "-c", "echo no route >&2", NULL };
	const struct vm_host leaf = { .name = "away", .command = away };
	const struct vm_host both[] = { middles[1],
		{ .name = "m", .command = plain, .workers = VM_ELSEWHERE,
		    .host_count = 1, .hosts = &leaf } };
	vm_pool *pool;
	struct vm_host_state s;

	scratch_make(dir, sizeof dir);
	pool = fork_tree((struct vm_options){ .patience_ms = 1000 }, both, 2);
	imap_to(pool, vm_range(100, 200));
	take_each(pool, 100, 200, all);
	for (int ms = 0; state_of(pool, 2).words[0] == '\0'; ms += 10) {
		ck_assert_int_lt(ms, limit_ms());
		ck_assert_int_ne(vm_ready(pool, 10), 0);
	}
	s = state_of(pool, 2);
	ck_assert_msg(strstr(s.words, "away: ") != NULL &&
	    strstr(s.words, "no route") != NULL, "%s", s.words);
	ck_assert_int_ne(s.status, VM_HOST_GONE);
	free_all(all, 200);
	close_pool(pool);
	scratch_drop(dir);
}
END_TEST

/* ---- who may run commands ---- */

/* A command that leads to an agent which was started without the right to run
   others, as by a forced command of ssh. */
START_TEST(an_agent_runs_no_command_without_leave)
{
	char command[6000];
	const char *forced[] = { "sh", "-c", command, "sh", NULL };
	const struct vm_host middle = { .name = "m", .command = forced,
		.workers = 1, .host_count = 1, .hosts = leaves };
	vm_pool *pool;
	struct vm_host_state s;

	scratch_make(dir, sizeof dir);
	snprintf(command, sizeof command, "exec '%s' --vimap-agent", program);
	pool = fork_tree((struct vm_options){ .workers = 0 }, &middle, 1);
	for (int ms = 0; (s = state_of(pool, 1)).status != VM_HOST_GONE;
	    ms += 10) {
		ck_assert_int_lt(ms, limit_ms());
		if (vm_ready(pool, 10) != VM_LATER)
			nap_ms(10);
	}
	ck_assert_msg(strstr(s.words, "--vimap-agent") != NULL, "%s", s.words);
	close_pool(pool);
	scratch_drop(dir);
}
END_TEST

static void is_refused(struct vm_host host, const char *words)
{
	const struct vm_options o = { .workers = VM_ELSEWHERE, .hosts = &host,
		.host_count = 1 };

	errno = 0;
	ck_assert_ptr_null(vm_fork(table, &o));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_msg(strstr(vm_error(NULL), words) != NULL, "%s",
	    vm_error(NULL));
}

START_TEST(wrong_trees_are_refused)
{
	struct vm_host nameless = { .host_count = 0 };
	struct vm_host ring = { .command = plain, .host_count = 1,
		.hosts = &ring };
	struct vm_host h = { .command = plain, .host_count = 1,
		.hosts = &nameless };

	is_refused(h, "vm_options.hosts[0].hosts[0].command");
	is_refused(ring, "8 levels");
	h.hosts = NULL;
	is_refused(h, "host_count is 1");
	h.host_count = -1;
	is_refused(h, "host_count is -1");
	h.host_count = 0;
	h.workers = VM_ELSEWHERE;
	is_refused(h, "VM_ELSEWHERE, without hosts");
	h.workers = -1;
	is_refused(h, "hosts[0].workers");
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const tests[] = { results_are_those_of_a_local_pool,
		each_worker_has_an_index_of_its_own,
		many_agents_serve_a_caller, long_texts_come_through,
		a_lost_leaf_loses_nothing,
		a_lost_middle_loses_nothing, an_item_that_kills_leaves_is_lost,
		a_running_item_is_cancelled_there, a_run_is_cancelled_there,
		workers_come_late, a_leaf_out_of_reach_is_named,
		an_agent_runs_no_command_without_leave,
		wrong_trees_are_refused };

	vm_agent(argc, argv, table, COUNTOF(table));
	if (realpath(argv[0], program) == NULL)
		return 1;
	return run_tests("tree", tests, COUNTOF(tests));
}
