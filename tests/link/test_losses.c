/*
 * test_losses.c - machines that are lost all the time: agents and links killed,
 * agents stopped beyond the silence bound; each input comes back once, with the
 * right output, and no attempt is counted.  And items that are cancelled, and
 * hosts removed, while a machine is stopped or lost.
 */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/base.h"
#include "sample.h"
#include "tools.h"

#define HOSTS 6

struct told {
	int64_t number;
	int64_t square;
	int64_t agent;		/* pid */
	int64_t link;		/* pid of the agent's parent */
};

static char program[4096];

/* ---- in the workers ---- */

static pid_t agent, link_of_agent;

static int set_up(struct vm_context *me)
{
	(void)me;
	agent = parent_of(getppid());
	link_of_agent = parent_of(agent);
	return 0;
}

static int work(struct vm_context *me, const void *input, size_t size)
{
	const int64_t n = number(input);
	const struct told t = { n, n * n, agent, link_of_agent };

	(void)size;
	usleep((unsigned)(me->seed % 3000));
	return vm_output(me, &t, sizeof t);
}

/* An input of that number never ends by itself. */
#define HANGS (-1)

static int hang(struct vm_context *me, const void *input, size_t size)
{
	(void)size;
	while (number(input) == HANGS)
		pause();
	return vm_output(me, &agent, sizeof agent);
}

static const struct vm_worker table[] = {
	{ .setup = set_up, .process = work, .name = "work" },
	{ .setup = set_up, .process = hang, .name = "hang" },
};

/* ---- the killer ---- */

static uint64_t state;

static uint64_t draw(uint64_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (state >> 33) % n;
}

/* Is it still a process of this program? */
static int is_ours(int64_t pid)
{
	char path[64], text[8192] = "";
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	return n > 0 && strstr(text, "test_losses") != NULL;
}

/* Harms the machine of a result.  Returns 1 if its agent is lost by that. */
static int harm(const struct told *t)
{
	const uint64_t how = draw(10);

	if (!is_ours(t->agent) || !is_ours(t->link) || t->link == getpid())
		return 0;
	if (how == 0)
		return kill((pid_t)t->agent, SIGSTOP) == 0;
	return kill((pid_t)(how < 7 ? t->agent : t->link), SIGKILL) == 0;
}

START_TEST(nothing_is_lost_or_twice)
{
	const int64_t n = sample_size(1000000, 20000);
	const char *command[] = { program, NULL };
	struct vm_host hosts[HOSTS];
	const struct vm_options o = { .workers = VM_ELSEWHERE, .hosts = hosts,
		.host_count = HOSTS, .silence_ms = 1000, .max_losses = 100 };
	unsigned char *seen = calloc(1, (size_t)n);
	uint64_t next = clock_ns();
	struct vm_result r;
	struct told t;
	int losses = 0, lost = 0;
	vm_pool *pool;

	ck_assert_ptr_nonnull(seen);
	state = sample_seed();
	for (int i = 0; i < HOSTS; i++)
		hosts[i] = (struct vm_host){ .name = "h", .workers = 2,
			.command = command };
	pool = fork_pool(&table[0], &o);
	imap_to(pool, vm_range(0, n));
	for (int64_t i = 0; i < n; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_eq(r.attempts, 1);
		memcpy(&t, r.output, sizeof t);
		ck_assert_int_eq(t.number, number(r.input));
		ck_assert_int_eq(t.square, t.number * t.number);
		ck_assert_int_eq(seen[t.number]++, 0);
		if (clock_ns() >= next) {
			losses += harm(&t);
			next = clock_ns() + (100 + draw(500)) * MS_IN_NS;
		}
	}
	take_end(pool);
	for (int i = 1; i <= HOSTS; i++) {
		struct vm_host_state s;

		ck_assert_int_eq(vm_host_state(pool, i, &s), 1);
		lost += s.times_lost;
	}
	/* The last harm may not have been noticed yet. */
	ck_assert_int_gt(losses, 0);
	ck_assert_int_ge(lost, losses - HOSTS);
	close_pool(pool);
	free(seen);
	printf("%d items, %d machines lost, %d seen\n", (int)n, losses, lost);
}
END_TEST

/* ---- cancelling ---- */

/* Inputs of a chunk: too many bytes for a link to send while its agent is
   stopped. */
#define CHUNK 64
#define LARGE ((size_t)15000)

/* Forks a pool with a machine that has a worker, and has it process enough
   inputs for the link to send a chunk at once.  Returns the agent's pid. */
static pid_t start(vm_pool **pool)
{
	const char *command[] = { program, NULL };
	const struct vm_host host = { .name = "h", .workers = 1,
		.command = command };
	const struct vm_options o = { .workers = VM_ELSEWHERE, .hosts = &host,
		.host_count = 1, .chunk_size = CHUNK, .max_attempts = 3 };
	struct vm_result r;
	pid_t pid = 0;

	*pool = fork_pool(&table[1], &o);
	imap_to(*pool, vm_range(0, 100 * CHUNK));
	for (int i = 0; i < 100 * CHUNK; i++) {
		take(*pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		memcpy(&pid, r.output, sizeof pid);
	}
	take_end(*pool);
	return pid;
}

/* Takes a result, which must be there in time. */
static void take_soon(vm_pool *pool, struct vm_result *r)
{
	ck_assert_msg(vm_zip_in_out_within(pool, r, limit_ms()) == 1,
	    "no result: %s", vm_error(pool));
}

static void take_nothing(vm_pool *pool)
{
	struct vm_result r;

	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 200), VM_LATER);
}

/* The link has taken an item that it cannot send yet. */
START_TEST(an_item_is_cancelled_before_it_is_sent)
{
	char *inputs = calloc(CHUNK, LARGE);
	const int64_t hangs = HANGS;
	struct vm_result r;
	vm_pool *pool;
	pid_t pid = start(&pool);
	int cancelled = 0;

	ck_assert_ptr_nonnull(inputs);
	memcpy(inputs + (CHUNK - 2) * LARGE, &hangs, sizeof hangs);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	imap_to(pool, vm_array(inputs, CHUNK, LARGE));
	take_nothing(pool);
	ck_assert_int_eq(vm_cancel_item(pool, NULL, CHUNK - 2), 1);
	take_nothing(pool);
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
	for (int i = 0; i < CHUNK; i++) {
		take_soon(pool, &r);
		cancelled += r.type == VM_EXCEPTION &&
		    r.exception->cause == VM_CANCELLED;
	}
	ck_assert_int_eq(cancelled, 1);
	take_end(pool);
	close_pool(pool);
	free(inputs);
}
END_TEST

/* The machine is lost before it has heard of vm_cancel(). */
START_TEST(an_item_is_cancelled_and_its_machine_lost)
{
	struct vm_result r;
	vm_pool *pool;
	pid_t pid = start(&pool);

	imap_to(pool, vm_range(HANGS, HANGS + 1));
	take_nothing(pool);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	vm_cancel(pool, VM_CANCEL_RUNNING);
	take_nothing(pool);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	take_soon(pool, &r);
	ck_assert_int_eq(r.type, VM_EXCEPTION);
	ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* A link is lost that has taken more items than it could send, and has not heard
   of vm_cancel(): none of them runs afterwards. */
static void lose_cancelled(unsigned how)
{
	char *inputs = calloc(CHUNK, LARGE);
	struct vm_result r;
	vm_pool *pool;
	pid_t there = start(&pool), link = parent_of(there);

	ck_assert_ptr_nonnull(inputs);
	ck_assert_int_eq(kill(there, SIGSTOP), 0);
	imap_to(pool, vm_array(inputs, CHUNK, LARGE));
	take_nothing(pool);
	ck_assert_int_eq(kill(link, SIGSTOP), 0);
	vm_cancel(pool, how);
	ck_assert_int_ne(vm_ready(pool, 1), -1);
	ck_assert_int_eq(kill(link, SIGKILL), 0);
	for (int i = 0; i < CHUNK; i++) {
		take_soon(pool, &r);
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
		ck_assert_int_eq(r.attempts, 0);
	}
	take_end(pool);
	close_pool(pool);
	free(inputs);
}

START_TEST(items_that_are_cancelled_and_lost_do_not_run)
{
	lose_cancelled(0);
	lose_cancelled(VM_CANCEL_RUNNING);
}
END_TEST

/* Returns the pid of the only child of this process, the fork server. */
static pid_t server_of_pool(void)
{
	char path[64], text[32] = "";
	int fd;

	snprintf(path, sizeof path, "/proc/self/task/%d/children",
	    (int)getpid());
	fd = open(path, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_gt(read(fd, text, sizeof text - 1), 0);
	close(fd);
	return (pid_t)atoi(text);
}

/* A host is removed before its link could not be forked. */
START_TEST(a_host_is_removed_whose_link_is_refused)
{
	const char *command[] = { program, NULL };
	const struct vm_host host = { .name = "h", .command = command };
	const struct vm_options o = { .workers = VM_ELSEWHERE,
		.max_hosts = 1 };
	vm_pool *pool = fork_pool(&table[0], &o);
	const pid_t server = server_of_pool();
	const struct rlimit few = { 3, 1024 };
	struct vm_host_state s;
	struct vm_result r;

	ck_assert_int_eq(prlimit(server, RLIMIT_NOFILE, &few, NULL), 0);
	ck_assert_int_eq(kill(server, SIGSTOP), 0);
	ck_assert_int_eq(vm_add_host(pool, &host), 1);
	vm_ready(pool, 1);
	ck_assert_int_eq(vm_remove_host(pool, 1), 0);
	ck_assert_int_eq(kill(server, SIGCONT), 0);
	for (int ms = 0; vm_host_state(pool, 1, &s) == 1 &&
	    s.status != VM_HOST_GONE; ms += 5) {
		ck_assert_int_lt(ms, limit_ms());
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 5), 0);
		nap_ms(5);
	}
	ck_assert_int_eq(vm_add_host(pool, &host), 2);
	vm_close(pool);
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const tests[] = { nothing_is_lost_or_twice,
		an_item_is_cancelled_before_it_is_sent,
		an_item_is_cancelled_and_its_machine_lost,
		items_that_are_cancelled_and_lost_do_not_run,
		a_host_is_removed_whose_link_is_refused };

	vm_agent(argc, argv, table, COUNTOF(table));
	if (realpath(argv[0], program) == NULL)
		return 1;
	return run_tests("losses", tests, COUNTOF(tests));
}
