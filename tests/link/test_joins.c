/*
 * test_joins.c - machines that join, leave, are lost or never reached: each
 * input comes back once, and the state of each host says how it is.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "scratch.h"
#include "tools.h"

/* Inputs of these numbers do more than come back; the first does so each
   time. */
enum special { KILLS_AGENT = 7, HANGS, AWAITS_BOTH, MAKES_FIRST, MAKES_SECOND };
/* Each input from this number on waits for CROWD of them. */
#define MEETS 5000
#define CROWD 80
/* Inputs from this number on take SLOW_MS. */
#define SLOW 1000000
#define SLOW_MS 20

struct told {
	int64_t number;
	int64_t agent;		/* pid */
};

/* Directory of the files that inputs wait for and make; plain bytes for
   agents. */
static char dir[64];
static char program[4096];
static const char *plain[] = { program, NULL };

/* ---- in the workers ---- */

static bool is_there(const char *in, int64_t i)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%d", in, (int)i);
	return access(path, F_OK) == 0;
}

static void make(const char *in, int64_t i)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%d", in, (int)i);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	if (fd < 0)
		_exit(97);
	close(fd);
}

static int work(struct vm_context *me, const void *input, size_t size)
{
	struct told t = { number(input), parent_of(getppid()) };

	(void)size;
	if (t.number == HANGS)
		make(me->config, HANGS);
	while (t.number == HANGS)
		pause();
	while (t.number == AWAITS_BOTH && !(is_there(me->config, MAKES_FIRST) &&
	    is_there(me->config, MAKES_SECOND)))
		nap_ms(2);
	if (t.number == MAKES_FIRST || t.number == MAKES_SECOND)
		make(me->config, t.number);
	if (t.number == KILLS_AGENT) {
		kill((pid_t)t.agent, SIGKILL);
		nap_ms(60000);
	}
	if (t.number >= MEETS && t.number < MEETS + CROWD) {
		make(me->config, t.number);
		for (int64_t i = MEETS; i < MEETS + CROWD; i++)
			while (!is_there(me->config, i))
				nap_ms(5);
	}
	if (t.number >= SLOW)
		nap_ms(SLOW_MS);
	return vm_output(me, &t, sizeof t);
}

static const struct vm_worker table[] = {
	{ .process = work, .name = "work" },
};

/* ---- pools ---- */

static vm_pool *fork_elsewhere(struct vm_options o)
{
	struct vm_worker w = table[0];

	o.workers = VM_ELSEWHERE;
	w.config = dir;
	w.config_size = sizeof dir;
	return fork_pool(&w, &o);
}

static int add_with(vm_pool *pool, const char *const *command, int workers)
{
	const struct vm_host host = { .name = "h", .command = command,
		.workers = workers };
	int number = vm_add_host(pool, &host);

	ck_assert_msg(number > 0, "%s", vm_error(pool));
	return number;
}

static int add(vm_pool *pool, const char *const *command)
{
	return add_with(pool, command, 2);
}

static struct vm_host_state state_of(vm_pool *pool, int host)
{
	struct vm_host_state s;

	ck_assert_int_eq(vm_host_state(pool, host, &s), 1);
	return s;
}

/* Turns the pool, which has no results, until the host has the status. */
static void await_status(vm_pool *pool, int host, enum vm_host_status status)
{
	struct vm_result r;

	for (int ms = 0; state_of(pool, host).status != status; ms += 10) {
		ck_assert_msg(ms < limit_ms(), "host %d: %d, %s", host,
		    (int)state_of(pool, host).status,
		    state_of(pool, host).words);
		/* Without inputs the call returns at once. */
		if (vm_zip_in_out_within(pool, &r, 10) == 0)
			nap_ms(10);
	}
}

static void await_file(vm_pool *pool, int i)
{
	for (int ms = 0; !is_there(dir, i); ms += 10) {
		ck_assert_int_lt(ms, limit_ms());
		/* Once a setup has failed, the call returns at once. */
		if (vm_ready(pool, 10) != VM_LATER)
			nap_ms(10);
	}
}

/* Takes the outputs of the numbers from "from" to "to", in any order; each must
   come once.  Returns the pid of the last agent. */
static pid_t take_all(vm_pool *pool, int64_t from, int64_t to)
{
	char *seen = calloc(1, (size_t)(to - from));
	struct vm_result r;
	struct told t = { 0, 0 };

	ck_assert_ptr_nonnull(seen);
	for (int64_t i = from; i < to; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_uint_eq(r.output_size, sizeof t);
		memcpy(&t, r.output, sizeof t);
		ck_assert(t.number >= from && t.number < to);
		ck_assert_int_eq(t.number, number(r.input));
		ck_assert_int_eq(seen[t.number - from]++, 0);
	}
	free(seen);
	return (pid_t)t.agent;
}

/* Takes an output.  Returns the pid of its agent. */
static pid_t take_from(vm_pool *pool)
{
	struct vm_result r;
	struct told t;

	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	memcpy(&t, r.output, sizeof t);
	return (pid_t)t.agent;
}

/* Takes n outputs, all of a first attempt. */
static void take_outputs(vm_pool *pool, int n)
{
	struct vm_result r;

	for (int i = 0; i < n; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_eq(r.attempts, 1);
	}
}

/* ---- joining and leaving ---- */

START_TEST(a_host_joins_late)
{
	vm_pool *pool = fork_elsewhere((struct vm_options){ .workers = 0 });
	struct vm_host_state s;
	struct vm_result r;

	imap_to(pool, vm_range(100, 1100));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 20), VM_LATER);
	ck_assert_int_eq(vm_host_state(pool, 1, &s), 0);
	ck_assert_int_eq(add(pool, plain), 1);
	ck_assert_int_eq(state_of(pool, 1).status, VM_HOST_CONNECTING);
	ck_assert_int_eq(add(pool, plain), 2);
	take_all(pool, 100, 1100);
	take_end(pool);
	await_status(pool, 2, VM_HOST_UP);
	await_status(pool, 1, VM_HOST_UP);
	for (int ms = 0; state_of(pool, 1).round_trip_ns == 0; ms += 10) {
		ck_assert_int_lt(ms, limit_ms());
		nap_ms(10);
	}
	s = state_of(pool, 1);
	ck_assert_str_eq(s.name, "h");
	ck_assert_str_eq(s.words, "");
	ck_assert_int_eq(s.workers, 2);
	ck_assert_int_eq(s.times_lost, 0);
	ck_assert_uint_eq(s.sent_again, 0);
	ck_assert_uint_gt(s.bytes_out, s.done * 16);
	ck_assert_uint_gt(s.bytes_in, s.done * 16);
	ck_assert_uint_eq(s.done + state_of(pool, 2).done, 1000);
	close_pool(pool);
}
END_TEST

START_TEST(a_host_is_removed_in_the_middle)
{
	vm_pool *pool = fork_elsewhere((struct vm_options){ .chunk_size = 1 });
	pid_t agent;

	add(pool, plain);
	imap_to(pool, vm_range(SLOW, SLOW + 40));
	agent = take_from(pool);
	add(pool, plain);
	ck_assert_int_eq(vm_remove_host(pool, 1), 0);
	ck_assert_int_eq(state_of(pool, 1).status, VM_HOST_LEAVING);
	take_outputs(pool, 39);
	take_end(pool);
	await_status(pool, 1, VM_HOST_GONE);
	wait_gone(agent);
	ck_assert_int_eq(state_of(pool, 1).times_lost, 0);
	ck_assert_uint_eq(state_of(pool, 1).sent_again, 0);
	ck_assert_uint_lt(state_of(pool, 1).done, 40);
	errno = 0;
	ck_assert_int_eq(vm_remove_host(pool, 1), -1);
	ck_assert_int_eq(errno, EINVAL);
	close_pool(pool);
}
END_TEST

/* Local workers go on with the inputs of a host. */
START_TEST(the_last_host_is_removed)
{
	const struct vm_options o = { .workers = 1 };
	vm_pool *pool = fork_pool(&table[0], &o);

	add(pool, plain);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(SLOW, SLOW + 20));
	take_all(pool, SLOW, SLOW + 20);
	ck_assert_int_eq(vm_remove_host(pool, 1), 0);
	imap_to(pool, vm_range(100, 200));
	take_all(pool, 100, 200);
	take_end(pool);
	await_status(pool, 1, VM_HOST_GONE);
	ck_assert_int_eq(vm_broken(pool), 0);
	close_pool(pool);
}
END_TEST

/* A command that never answers is killed, and its place used again. */
START_TEST(a_place_is_used_again)
{
	char command[100];
	const char *hangs[] = { "sh", "-c", command, NULL };
	const struct vm_host host = { .command = plain };
	vm_pool *pool = fork_elsewhere((struct vm_options){ .max_hosts = 1 });
	int children = count_children();

	scratch_make(dir, sizeof dir);
	snprintf(command, sizeof command, ": >'%s/1'; exec sleep 1000", dir);
	add(pool, hangs);
	errno = 0;
	ck_assert_int_eq(vm_add_host(pool, &host), -1);
	ck_assert_int_eq(errno, ERANGE);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "max_hosts"));
	await_file(pool, 1);
	ck_assert_int_eq(state_of(pool, 1).status, VM_HOST_CONNECTING);
	ck_assert_int_eq(vm_remove_host(pool, 1), 0);
	await_status(pool, 1, VM_HOST_GONE);
	ck_assert_int_eq(add(pool, plain), 2);
	imap_to(pool, vm_range(100, 110));
	take_all(pool, 100, 110);
	take_end(pool);
	ck_assert_int_eq(state_of(pool, 1).status, VM_HOST_GONE);
	ck_assert_int_eq(state_of(pool, 2).status, VM_HOST_UP);
	ck_assert_int_eq(count_children(), children);
	close_pool(pool);
	scratch_drop(dir);
}
END_TEST

/* ---- orders ---- */

/* Waits until an input of that number has begun to hang. */
static void await_hang(vm_pool *pool)
{
	struct vm_result r;

	for (int ms = 0; !is_there(dir, HANGS); ms += 2) {
		ck_assert_int_lt(ms, limit_ms());
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 2), VM_LATER);
	}
}

START_TEST(a_running_item_is_cancelled_there)
{
	vm_pool *pool;
	struct vm_result r;

	scratch_make(dir, sizeof dir);
	pool = fork_elsewhere((struct vm_options){ .chunk_size = 1 });
	add_with(pool, plain, 1);
	imap_to(pool, vm_range(HANGS, HANGS + 1));
	await_hang(pool);
	imap_to(pool, vm_range(100, 110));
	ck_assert_int_eq(vm_cancel_item(pool, NULL, 0), 1);
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_EXCEPTION);
	ck_assert_int_eq(number(r.input), HANGS);
	ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
	ck_assert_int_eq(r.attempts, 1);
	ck_assert_ptr_nonnull(strstr(r.exception->message, "while it ran"));
	take_all(pool, 100, 110);
	take_end(pool);
	ck_assert_int_eq(state_of(pool, 1).times_lost, 0);
	close_pool(pool);
	scratch_drop(dir);
}
END_TEST

/* Cancels a run in which the only worker hangs, and items wait behind. */
static void cancel_run(unsigned how)
{
	vm_pool *pool;
	struct vm_result r;

	scratch_make(dir, sizeof dir);
	pool = fork_elsewhere((struct vm_options){ .chunk_size = 1 });
	add_with(pool, plain, 1);
	imap_to(pool, vm_range(HANGS, HANGS + 1));
	imap_to(pool, vm_range(100, 110));
	await_hang(pool);
	vm_cancel(pool, how);
	for (int i = 0; i < (how ? 11 : 10); i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
		ck_assert_int_eq(r.attempts, number(r.input) == HANGS);
	}
	if (how == 0) {
		ck_assert_int_eq(vm_cancel_item(pool, NULL, 0), 1);
		take(pool, &r);
		ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
	}
	take_end(pool);
	imap_to(pool, vm_range(200, 210));
	take_all(pool, 200, 210);
	take_end(pool);
	ck_assert_int_eq(state_of(pool, 1).times_lost, 0);
	close_pool(pool);
	scratch_drop(dir);
}

START_TEST(a_run_is_cancelled_there)
{
	cancel_run(0);
	cancel_run(VM_CANCEL_RUNNING | VM_CANCEL_UNREAD);
}
END_TEST

/* The first input ends when the others have run, which wait behind it until a
   second machine comes. */
START_TEST(items_that_wait_there_go_to_an_idle_host)
{
	vm_pool *pool;

	scratch_make(dir, sizeof dir);
	pool = fork_elsewhere((struct vm_options){ .chunk_size = 1 });
	add_with(pool, plain, 1);
	await_status(pool, 1, VM_HOST_UP);
	imap_to(pool, vm_range(AWAITS_BOTH, MAKES_SECOND + 1));
	add_with(pool, plain, 1);
	take_all(pool, AWAITS_BOTH, MAKES_SECOND + 1);
	take_end(pool);
	ck_assert_uint_eq(state_of(pool, 1).done, 1);
	ck_assert_uint_eq(state_of(pool, 2).done, 2);
	close_pool(pool);
	scratch_drop(dir);
}
END_TEST

/* A host is removed while its only worker hangs: the items behind come back at
   once. */
START_TEST(items_that_wait_there_outlive_its_removal)
{
	vm_pool *pool;
	struct vm_result r;

	scratch_make(dir, sizeof dir);
	pool = fork_elsewhere((struct vm_options){ .chunk_size = 1 });
	add_with(pool, plain, 1);
	imap_to(pool, vm_range(HANGS, HANGS + 1));
	imap_to(pool, vm_range(100, 110));
	await_hang(pool);
	add_with(pool, plain, 1);
	ck_assert_int_eq(vm_remove_host(pool, 1), 0);
	take_all(pool, 100, 110);
	ck_assert_int_eq(vm_cancel_item(pool, NULL, 0), 1);
	take(pool, &r);
	ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
	take_end(pool);
	await_status(pool, 1, VM_HOST_GONE);
	close_pool(pool);
	scratch_drop(dir);
}
END_TEST

/* ---- order ---- */

/* The first input ends when the user has seen all others, which are more than
   a link may have leased. */
static void pass(size_t chunk_size)
{
	int64_t inputs[301] = { AWAITS_BOTH };
	vm_pool *pool;
	struct vm_result r;

	for (int i = 1; i <= 300; i++)
		inputs[i] = 99 + i;
	scratch_make(dir, sizeof dir);
	pool = fork_elsewhere((struct vm_options){ .chunk_size = chunk_size });
	add_with(pool, plain, 2);
	imap_to(pool, vm_array(inputs, COUNTOF(inputs), sizeof inputs[0]));
	take_all(pool, 100, 400);
	make(dir, MAKES_FIRST);
	make(dir, MAKES_SECOND);
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	ck_assert_int_eq(number(r.input), AWAITS_BOTH);
	take_end(pool);
	ck_assert_int_eq(state_of(pool, 1).times_lost, 0);
	close_pool(pool);
	scratch_drop(dir);
}

START_TEST(fast_items_pass_a_slow_one)
{
	pass(1);
	pass(7);
	pass(301);
}
END_TEST

/* Each input ends when all have begun: more than a link may have leased. */
START_TEST(as_many_items_run_as_there_are_workers)
{
	vm_pool *pool;

	scratch_make(dir, sizeof dir);
	pool = fork_elsewhere((struct vm_options){ .chunk_size = 1 });
	add_with(pool, plain, CROWD);
	imap_to(pool, vm_range(MEETS, MEETS + CROWD));
	take_all(pool, MEETS, MEETS + CROWD);
	take_end(pool);
	close_pool(pool);
	scratch_drop(dir);
}
END_TEST

/* ---- loss ---- */

START_TEST(a_lost_host_comes_back)
{
	vm_pool *pool = fork_elsewhere((struct vm_options){ .chunk_size = 1 });

	add(pool, plain);
	imap_to(pool, vm_range(SLOW, SLOW + 10));
	ck_assert_int_eq(kill(take_from(pool), SIGKILL), 0);
	take_outputs(pool, 9);
	take_end(pool);
	ck_assert_int_eq(state_of(pool, 1).status, VM_HOST_UP);
	ck_assert_int_eq(state_of(pool, 1).times_lost, 1);
	ck_assert_uint_gt(state_of(pool, 1).sent_again, 0);
	ck_assert_uint_eq(state_of(pool, 1).done, 10);
	ck_assert_ptr_nonnull(strstr(state_of(pool, 1).words, "ended"));
	close_pool(pool);
}
END_TEST

/* An input that kills its machine each time is found, and no other blamed. */
START_TEST(an_item_that_kills_machines_is_lost)
{
	vm_pool *pool = fork_elsewhere((struct vm_options){ .max_losses = 1,
		.max_attempts = 3 });
	struct vm_result r;

	add(pool, plain);
	imap_to(pool, vm_range(0, KILLS_AGENT + 1));
	for (int i = 0; i <= KILLS_AGENT; i++) {
		take(pool, &r);
		if (number(r.input) != KILLS_AGENT) {
			ck_assert_int_eq(r.type, VM_OUTPUT);
			continue;
		}
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		ck_assert_int_eq(r.exception->cause, VM_LOST);
		ck_assert_ptr_nonnull(strstr(r.exception->message,
		    "machine"));
	}
	take_end(pool);
	ck_assert_int_eq(state_of(pool, 1).times_lost, 2);
	ck_assert_int_eq(vm_broken(pool), 0);
	close_pool(pool);
}
END_TEST

/* ---- never reached ---- */

START_TEST(a_pool_without_machines_breaks_down)
{
	const char *fails[] = { "sh", "-c", "echo no route >&2; exit 255",
		NULL };
	vm_pool *pool = fork_elsewhere((struct vm_options){
		.patience_ms = 1500 });
	uint64_t began = clock_ns();
	struct vm_result r;

	add(pool, fails);
	add(pool, fails);
	imap_to(pool, vm_range(0, 2));
	for (int i = 0; i < 2; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		ck_assert_int_eq(r.exception->cause, VM_LOST);
	}
	ck_assert_int_eq(vm_zip_in_out(pool, &r), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_uint_ge(clock_ns() - began, 1500 * MS_IN_NS);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "patience_ms"));
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "no route"));
	ck_assert_int_eq(state_of(pool, 1).status, VM_HOST_GONE);
	vm_close(pool);
}
END_TEST

/* Without inputs that wait, nothing is missed. */
START_TEST(an_idle_pool_is_patient)
{
	vm_pool *pool = fork_elsewhere((struct vm_options){
		.patience_ms = 1 });
	struct vm_result r;

	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1), 0);
		nap_ms(1);
	}
	ck_assert_int_eq(vm_broken(pool), 0);
	close_pool(pool);
}
END_TEST

START_TEST(a_host_that_can_never_serve_is_given_up)
{
	const char *other[] = { "sh", "-c", "printf '\nvimap-agent 9\n"
	    "order little\nword 8\nidentity 12\nhost x\ncpus 1\nname work\n\n'"
	    "; exec sleep 1000", NULL };
	const struct vm_options o = { .workers = 1 };
	vm_pool *pool = fork_pool(&table[0], &o);

	add(pool, other);
	await_status(pool, 1, VM_HOST_GONE);
	ck_assert_ptr_nonnull(strstr(state_of(pool, 1).words, "version 9"));
	imap_to(pool, vm_range(100, 200));
	take_all(pool, 100, 200);
	take_end(pool);
	ck_assert_int_eq(vm_close(pool), 1);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "version 9"));
}
END_TEST

/* Numbers of hosts are never used again. */
START_TEST(hosts_are_counted_for_life)
{
	const struct vm_host host = { .command = plain };
	const struct vm_options o = { .workers = 1, .max_hosts = 1 };
	vm_pool *pool = fork_pool(&table[0], &o);
	int number, last = 0;

	while ((number = vm_add_host(pool, &host)) > 0) {
		ck_assert_int_eq(number, last + 1);
		last = number;
		ck_assert_int_eq(vm_remove_host(pool, number), 0);
	}
	ck_assert_int_eq(errno, ERANGE);
	ck_assert_int_eq(last, 65534);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "has had 65534 machines"));
	ck_assert_int_eq(state_of(pool, last).status, VM_HOST_GONE);
	imap_to(pool, vm_range(100, 110));
	take_all(pool, 100, 110);
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* ---- many at once ---- */

/* Each command says that it runs, and ends when it may read a line. */
START_TEST(eight_connect_at_a_time)
{
	char command[200], path[80];
	const char *held[] = { "sh", "-c", command, NULL };
	vm_pool *pool = fork_elsewhere((struct vm_options){ .workers = 0 });
	int fd;

	scratch_make(dir, sizeof dir);
	snprintf(path, sizeof path, "%s/go", dir);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	for (int i = 1; i <= 9; i++) {
		snprintf(command, sizeof command, ": >'%s/%d'; read x <'%s'; #",
		    dir, i, path);
		add(pool, held);
	}
	for (int i = 1; i <= 8; i++)
		await_file(pool, i);
	vm_ready(pool, 50);
	ck_assert(!is_there(dir, 9));
	ck_assert_int_eq(state_of(pool, 9).status, VM_HOST_CONNECTING);
	ck_assert_int_eq(write(fd, "x\n", 2), 2);
	await_file(pool, 9);
	vm_close(pool);
	close(fd);
	scratch_drop(dir);
}
END_TEST

/* ---- wrong calls ---- */

static void is_wrong(vm_pool *pool, int r, int error, const char *words)
{
	ck_assert_int_eq(r, -1);
	ck_assert_int_eq(errno, error);
	ck_assert_msg(strstr(vm_error(pool), words) != NULL, "%s",
	    vm_error(pool));
}

START_TEST(wrong_calls_are_refused)
{
	const struct vm_host good = { .command = plain }, empty = { 0 },
	    many = { .command = plain, .workers = INT_MAX };
	struct vm_worker nameless = table[0];
	const struct vm_options o = { .workers = 1 };
	vm_pool *pool = fork_pool(&table[0], &o);
	struct vm_host_state s;

	is_wrong(pool, vm_add_host(pool, NULL), EINVAL, "vm_add_host");
	is_wrong(pool, vm_add_host(pool, &empty), EINVAL, "command");
	is_wrong(pool, vm_add_host(pool, &many), EINVAL, "workers");
	is_wrong(pool, vm_remove_host(pool, 1), EINVAL, "no host 1");
	is_wrong(pool, vm_remove_host(pool, -1), EINVAL, "no host -1");
	is_wrong(pool, vm_host_state(pool, 0, &s), EINVAL, "from 1 on");
	is_wrong(pool, vm_host_state(pool, 1, NULL), EINVAL, "struct");
	ck_assert_int_eq(vm_host_state(pool, 1, &s), 0);
	is_wrong(NULL, vm_add_host(NULL, &good), EINVAL, "vm_add_host");
	is_wrong(NULL, vm_remove_host(NULL, 1), EINVAL, "vm_remove_host");
	is_wrong(NULL, vm_host_state(NULL, 1, &s), EINVAL, "vm_host_state");
	ck_assert_int_eq(vm_finish(pool), 0);
	is_wrong(pool, vm_add_host(pool, &good), EPIPE, "vm_finish");
	close_pool(pool);
	nameless.name = NULL;
	pool = fork_pool(&nameless, &o);
	is_wrong(pool, vm_add_host(pool, &good), EINVAL, "name");
	close_pool(pool);
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const tests[] = { a_host_joins_late,
		a_host_is_removed_in_the_middle, the_last_host_is_removed,
		a_place_is_used_again, a_running_item_is_cancelled_there,
		a_run_is_cancelled_there,
		items_that_wait_there_go_to_an_idle_host,
		items_that_wait_there_outlive_its_removal,
		fast_items_pass_a_slow_one,
		an_item_that_kills_machines_is_lost,
		an_idle_pool_is_patient,
		a_host_that_can_never_serve_is_given_up,
		eight_connect_at_a_time, wrong_calls_are_refused };
	const TTest *const drawn[] = { a_lost_host_comes_back,
		hosts_are_counted_for_life,
		as_many_items_run_as_there_are_workers,
		a_pool_without_machines_breaks_down };

	vm_agent(argc, argv, table, COUNTOF(table));
	if (realpath(argv[0], program) == NULL)
		return 1;
	return run_sampled_tests("joins", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
