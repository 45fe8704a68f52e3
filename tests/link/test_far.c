/*
 * test_far.c - workers on other machines, by commands that stay on this one:
 * results are those of a local pool; each input comes back once whatever dies;
 * a command that brings no agent is named with the reason.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "os/sys.h"
#include "sample.h"
#include "scratch.h"
#include "tools.h"
#include "vimap_reduce.h"

/* Inputs of these numbers do more than come back. */
enum special { KILLS_ITSELF = 20, EXITS, FAILS, HANGS, GROWS, DIES_ONCE,
	PRINTS, KILLS_AGENT, KILLS_LINK, STOPS_AGENT, KILLS_SERVER };
/* Inputs from this number on take SLOW_MS. */
#define SLOW 1000000000000000
#define SLOW_MS 200

/* Plain bytes, as they are copied to agents. */
struct config {
	char dir[64];		/* of files that mark what was done once */
	int64_t plus;
	int setup_fails;
	int teardown_fails;
	bool kills;		/* the last four specials are carried out */
};

/* What an output tells about its attempt. */
struct told {
	int64_t number;
	int64_t value;
	uint64_t index, seed;
	int32_t attempt, worker;
};

static char program[4096];
static struct config config;

/* ---- in the workers ---- */

/* Is this the first call for that thing, in all processes? */
static bool first_time(const struct config *c, int64_t what)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%lld", c->dir, (long long)what);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Harms a process that this worker depends on. */
static void harm(int64_t what)
{
	pid_t server = getppid();
	pid_t agent = parent_of(server);

	if (what == KILLS_AGENT)
		kill(agent, SIGKILL);
	if (what == KILLS_LINK)
		kill(parent_of(agent), SIGKILL);
	if (what == STOPS_AGENT)
		kill(agent, SIGSTOP);
	if (what == KILLS_SERVER)
		kill(server, SIGKILL);
	nap_ms(60000);
}

static int work(struct vm_context *me, const void *input, size_t size)
{
	const struct config *c = me->config;
	struct told t = { .index = me->index, .seed = me->seed,
		.attempt = me->attempt, .worker = me->worker_index };

	(void)size;
	t.number = number(input);
	t.value = t.number % 1000 * 7 + c->plus;
	if (c->kills && t.number >= KILLS_AGENT && t.number <= KILLS_SERVER &&
	    first_time(c, t.number))
		harm(t.number);
	if (t.number >= SLOW)
		nap_ms(SLOW_MS);
	switch (t.number) {
	case KILLS_ITSELF:
		raise(SIGKILL);
		break;
	case EXITS:
		exit(3);
	case FAILS:
		return vm_fail(me, 77, "number %d is bad", FAILS);
	case HANGS:
		for (;;)
			pause();
	case GROWS:
		vm_reserve(me, 1 << 20);
		break;
	case DIES_ONCE:
		if (me->attempt == 1)
			raise(SIGKILL);
		break;
	case PRINTS:
		printf("hello from %d\n", PRINTS);
		break;
	default:
		break;
	}
	return vm_output(me, &t, sizeof t);
}

static int set_up(struct vm_context *me)
{
	const struct config *c = me->config;

	return c->setup_fails ? vm_fail(me, 5, "no licence left") : 0;
}

static void tear_down(struct vm_context *me)
{
	const struct config *c = me->config;

	if (c->teardown_fails)
		vm_fail(me, 6, "the licence was not returned");
}

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static const struct vm_worker table[] = {
	{ .setup = set_up, .process = work, .teardown = tear_down,
	    .name = "work" },
	{ .process = echo, .name = "echo" },
};

/* ---- pools ---- */

static struct vm_worker worker(void)
{
	struct vm_worker w = table[0];

	w.config = &config;
	w.config_size = sizeof config;
	return w;
}

static void set_config(void)
{
	config = (struct config){ .plus = 1000 };
	scratch_make(config.dir, sizeof config.dir);
}

static const char *plain[] = { program, NULL };

/* The options of a pool with these hosts, each with two workers. */
static struct vm_options options(struct vm_host *hosts, int count)
{
	for (int i = 0; i < count; i++)
		hosts[i] = (struct vm_host){ .name = i ? "h2" : "h1",
			.command = plain, .workers = 2 };
	return (struct vm_options){ .workers = VM_ELSEWHERE, .hosts = hosts,
		.host_count = count };
}

/* Maps the numbers below n.  Fills an array of copies of the results, by
   number, which free_all() frees. */
static void map(const struct vm_worker *w, const struct vm_options *o,
    int64_t n, struct vm_result **all)
{
	vm_pool *pool = fork_pool(w, o);
	struct vm_result r;
	int64_t at = 0;
	int rc;

	memset(all, 0, (size_t)n * sizeof(struct vm_result *));
	imap_to(pool, vm_range(0, n));
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1) {
		int64_t i = number(r.input);

		ck_assert_int_lt(i, n);
		ck_assert_msg(all[i] == NULL, "%d came twice", (int)i);
		ck_assert_uint_eq(r.index, (uint64_t)i);
		if (o->flags & VM_ORDERED)
			ck_assert_int_eq(i, at++);
		all[i] = vm_result_copy(&r);
		ck_assert_ptr_nonnull(all[i]);
	}
	ck_assert_msg(rc == 0, "%d: %s", rc, vm_error(pool));
	for (int64_t i = 0; i < n; i++)
		ck_assert_msg(all[i] != NULL, "%d is missing", (int)i);
	close_pool(pool);
}

static void free_all(struct vm_result **all, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		free(all[i]);
}

/* Asserts that two results are the same in all but place, time and output. */
static void is_alike(const struct vm_result *x, const struct vm_result *y)
{
	const struct vm_exception *a = x->exception, *b = y->exception;

	ck_assert_int_eq(x->type, y->type);
	ck_assert_int_eq(x->attempts, y->attempts);
	ck_assert_uint_eq(x->output_size, y->output_size);
	if (x->type == VM_OUTPUT)
		return;
	ck_assert_int_eq(a->cause, b->cause);
	ck_assert_int_eq(a->code, b->code);
	ck_assert_int_eq(a->signal, b->signal);
	ck_assert_int_eq(a->exit_status, b->exit_status);
	ck_assert_str_eq(a->message, b->message);
}

/* Asserts that two results are the same in all but place and time. */
static void is_same(const struct vm_result *here, const struct vm_result *far)
{
	const struct vm_exception *a = here->exception, *b = far->exception;
	struct told x, y;

	is_alike(here, far);
	ck_assert_int_eq(here->host, 0);
	ck_assert_int_ge(far->host, 1);
	if (here->type == VM_OUTPUT) {
		ck_assert_uint_eq(far->output_size, sizeof y);
		memcpy(&x, here->output, sizeof x);
		memcpy(&y, far->output, sizeof y);
		ck_assert_int_eq(x.number, y.number);
		ck_assert_int_eq(x.value, y.value);
		ck_assert_uint_eq(x.index, y.index);
		ck_assert_uint_eq(x.seed, y.seed);
		ck_assert_int_eq(x.attempt, y.attempt);
		ck_assert_int_ne(x.worker, y.worker);
		return;
	}
	ck_assert_ptr_null(a->host);
	ck_assert_str_eq(b->host, far->host == 1 ? "h1" : "h2");
	ck_assert_int_gt(b->pid, 0);
}

/* ---- results ---- */

#define N 400

static void compare(unsigned flags)
{
	struct vm_result *here[N], *far[N];
	struct vm_host hosts[2];
	struct vm_worker w = worker();
	struct vm_options o = options(hosts, 2), local;

	o.flags = flags;
	o.seed = 4711;
	o.item_timeout_ms = 700;
	o.max_item_bytes = 4096;
	o.max_attempts = 2;
	o.retry_on = VM_KILLED;
	local = o;
	local.workers = 2;
	local.hosts = NULL;
	local.host_count = 0;
	map(&w, &local, N, here);
	map(&w, &o, N, far);
	for (int i = 0; i < N; i++)
		is_same(here[i], far[i]);
	ck_assert_int_eq(far[DIES_ONCE]->attempts, 2);
	ck_assert_int_eq(far[HANGS]->exception->cause, VM_TIMED_OUT);
	ck_assert_int_eq(far[GROWS]->exception->cause, VM_TOO_BIG);
	free_all(here, N);
	free_all(far, N);
}

START_TEST(results_are_those_of_a_local_pool)
{
	set_config();
	compare(0);
	scratch_drop(config.dir);
}
END_TEST

/* A second run has the results of the first from its journal, as they were; a
   death by SIGKILL is no result. */
START_TEST(a_journal_has_the_results)
{
	struct vm_result *first[KILLS_AGENT], *again[KILLS_AGENT];
	struct vm_host hosts[2];
	struct vm_worker w = worker();
	struct vm_options o = options(hosts, 2);
	char path[128];

	set_config();
	snprintf(path, sizeof path, "%s/journal", config.dir);
	o.journal = path;
	o.flags = VM_JOURNAL_OUTPUTS;
	o.item_timeout_ms = 700;
	o.max_item_bytes = 4096;
	o.max_attempts = 2;
	o.retry_on = VM_KILLED;
	map(&w, &o, KILLS_AGENT, first);
	map(&w, &o, KILLS_AGENT, again);
	for (int i = 0; i < KILLS_AGENT; i++) {
		const struct vm_result *a = first[i], *b = again[i];

		ck_assert_int_ge(a->host, 1);
		is_alike(a, b);
		if (i == KILLS_ITSELF) {
			ck_assert_int_ge(b->host, 1);
			continue;
		}
		ck_assert_int_eq(b->host, 0);
		ck_assert_int_eq(b->worker_index, -1);
		if (b->type == VM_OUTPUT)
			ck_assert_int_eq(memcmp(a->output, b->output,
			    b->output_size), 0);
		else
			ck_assert_ptr_null(b->exception->host);
	}
	free_all(first, KILLS_AGENT);
	free_all(again, KILLS_AGENT);
	scratch_drop(config.dir);
}
END_TEST

START_TEST(results_come_in_order)
{
	set_config();
	compare(VM_ORDERED);
	scratch_drop(config.dir);
}
END_TEST

/* The tail of standard error and the times of an attempt come from there. */
START_TEST(evidence_comes_whole)
{
	struct vm_result *far[N];
	struct vm_host hosts[2];
	struct vm_worker w = worker();
	struct vm_options o = options(hosts, 1);

	set_config();
	w = worker();
	o.flags = VM_STDERR_TAIL | VM_MEASURE_ITEMS;
	o.item_timeout_ms = 300;
	map(&w, &o, PRINTS + 1, far);
	ck_assert_ptr_nonnull(far[KILLS_ITSELF]->exception->stderr_tail);
	ck_assert_uint_gt(far[HANGS]->exception->wall_ns, 300 * MS_IN_NS);
	ck_assert_uint_gt(far[KILLS_ITSELF]->exception->max_rss, 0);
	free_all(far, PRINTS + 1);
	scratch_drop(config.dir);
}
END_TEST

/* Inputs of many sizes, up to those that pass no shared memory. */
START_TEST(large_items_go_both_ways)
{
	static const size_t sizes[] = { 1, 15, 16, 4096, 65536, 200000,
		1 << 20, 6 << 20 };
	struct vm_host hosts[2];
	struct vm_options o = options(hosts, 2);
	const size_t most = sizes[COUNTOF(sizes) - 1];
	unsigned char *bytes = malloc(most);
	struct vm_result r;
	vm_pool *pool;

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < most; i++)
		bytes[i] = (unsigned char)(i * 31 + (i >> 8));
	o.flags = VM_ORDERED;
	pool = fork_pool(&table[1], &o);
	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		const size_t n = MIN(most / sizes[i], 1000);

		imap_to(pool, vm_array(bytes, n, sizes[i]));
		for (size_t k = 0; k < n; k++) {
			take(pool, &r);
			ck_assert_int_eq(r.type, VM_OUTPUT);
			ck_assert_uint_eq(r.output_size, sizes[i]);
			ck_assert_int_eq(memcmp(r.output, bytes + k * sizes[i],
			    sizes[i]), 0);
		}
	}
	take_end(pool);
	close_pool(pool);
	free(bytes);
}
END_TEST

START_TEST(inherited_inputs_are_sent)
{
	static const char text[] = "one two tri six ten";
	struct vm_host hosts[1];
	struct vm_options o = options(hosts, 1);
	vm_pool *pool;
	struct vm_result r;

	o.flags = VM_ORDERED;
	pool = fork_pool(&table[1], &o);
	imap_to(pool, vm_inherited_array(text, 5, 4));
	for (int i = 0; i < 5; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_uint_eq(r.output_size, 4);
		ck_assert_int_eq(memcmp(r.output, text + 4 * i, 4), 0);
	}
	take_end(pool);
	close_pool(pool);
}
END_TEST

START_TEST(workers_here_and_there_share_the_work)
{
	struct vm_host hosts[1];
	struct vm_worker w;
	struct vm_options o = options(hosts, 1);
	struct vm_result r;
	vm_pool *pool;
	bool here = false, far = false;

	set_config();
	w = worker();
	o.workers = 1;
	pool = fork_pool(&w, &o);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(1000, 1000000000));
	while (!here || !far) {
		take(pool, &r);
		here |= r.host == 0;
		far |= r.host == 1;
	}
	close_pool(pool);
	scratch_drop(config.dir);
}
END_TEST

/* ---- losses ---- */

static void lose(int64_t what, int hosts_wanted)
{
	struct vm_host hosts[2];
	struct vm_worker w;
	struct vm_options o = options(hosts, hosts_wanted);
	bool seen[N] = { false };
	struct vm_result r;
	vm_pool *pool;
	int rc;

	set_config();
	config.kills = true;
	w = worker();
	o.item_timeout_ms = 60000;
	o.silence_ms = 1000;
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(0, KILLS_ITSELF));
	imap_to(pool, vm_range(what, what + 1));
	imap_to(pool, vm_range(KILLS_SERVER + 1, N));
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1) {
		ck_assert_msg(r.type == VM_OUTPUT, "%d: %s",
		    (int)number(r.input), r.type == VM_EXCEPTION ?
		    r.exception->message : "");
		ck_assert(!seen[number(r.input)]);
		ck_assert_int_eq(r.attempts, 1);
		seen[number(r.input)] = true;
	}
	ck_assert_msg(rc == 0, "%d: %s", rc, vm_error(pool));
	ck_assert(seen[0] && seen[what] && seen[N - 1]);
	close_pool(pool);
	/* The harm was done. */
	ck_assert(!first_time(&config, what));
	scratch_drop(config.dir);
}

START_TEST(a_killed_agent_loses_nothing)
{
	lose(KILLS_AGENT, 1);
	lose(KILLS_AGENT, 2);
}
END_TEST

START_TEST(a_killed_link_loses_nothing)
{
	lose(KILLS_LINK, 1);
	lose(KILLS_LINK, 2);
}
END_TEST

START_TEST(a_stopped_agent_loses_nothing)
{
	lose(STOPS_AGENT, 1);
}
END_TEST

START_TEST(a_killed_fork_server_loses_nothing)
{
	lose(KILLS_SERVER, 1);
}
END_TEST

/* Numbers of chunks wrap: items of a link must not seem begun then. */
START_TEST(a_link_lost_late_loses_nothing)
{
	const int64_t n = 33000;
	struct vm_host hosts[1];
	struct vm_worker w;
	struct vm_options o = options(hosts, 1);
	struct vm_result r;
	vm_pool *pool;

	set_config();
	config.kills = true;
	w = worker();
	o.chunk_size = 1;
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(1000, 1000 + n));
	for (int64_t i = 0; i < n; i++)
		take(pool, &r);
	imap_to(pool, vm_range(KILLS_LINK, KILLS_LINK + 1));
	take(pool, &r);
	ck_assert_msg(r.type == VM_OUTPUT, "%s", r.type == VM_EXCEPTION ?
	    r.exception->message : "");
	ck_assert(!first_time(&config, KILLS_LINK));
	take_end(pool);
	close_pool(pool);
	scratch_drop(config.dir);
}
END_TEST

/* ---- commands ---- */

/* A pool whose only command is this must say so, with these words, and give up
   the host or, after patience_ms, itself. */
static void is_named(const char *const *command, bool for_good,
    const char *words, const char *more)
{
	struct vm_host host = { .name = "h1", .command = command };
	struct vm_options o = { .workers = VM_ELSEWHERE, .hosts = &host,
		.host_count = 1, .connect_timeout_ms = 1000,
		.patience_ms = 1 };
	struct vm_host_state state;
	struct vm_worker w;
	vm_pool *pool;
	struct vm_result r;
	int rc;

	set_config();
	w = worker();
	pool = fork_pool(&w, &o);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), -1);
	ck_assert_int_eq(vm_host_state(pool, 1, &state), 1);
	ck_assert_msg(strstr(state.words, words) != NULL &&
	    strstr(state.words, more) != NULL, "%s", state.words);
	if (vm_imap(pool, vm_range(0, 3)) < 0)
		ck_assert(for_good && errno == EPIPE);
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1) {
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		ck_assert_int_eq(r.exception->cause,
		    for_good ? VM_SETUP_FAILED : VM_LOST);
		ck_assert_int_eq(r.attempts, 0);
	}
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_msg(strstr(vm_error(pool), "h1") != NULL &&
	    strstr(vm_error(pool), words) != NULL &&
	    strstr(vm_error(pool), more) != NULL, "\"%s\" without \"%s\" and "
	    "\"%s\"", vm_error(pool), words, more);
	ck_assert_int_eq(vm_host_state(pool, 1, &state), 1);
	ck_assert_int_eq(state.status, VM_HOST_GONE);
	vm_close(pool);
	scratch_drop(config.dir);
}

START_TEST(a_command_without_an_agent_is_named)
{
	is_named((const char *[]){ "/no/such/program", NULL }, false,
	    "/no/such/program", "No such file");
	is_named((const char *[]){ "sh", "-c",
	    "echo 'Permission denied (publickey).' >&2; exit 255", NULL }, false,
	    "ended", "Permission denied (publickey)");
	is_named((const char *[]){ "sh", "-c", "echo Hello; exit 0", NULL }, false,
	    "vm_agent()", "Hello");
	is_named((const char *[]){ "sh", "-c", "yes; #", NULL }, false,
	    "64 KiB", "y y y");
	is_named((const char *[]){ "sleep", "1000", "#", NULL }, false,
	    "ended", "sleep");
	is_named((const char *[]){ "sh", "-c", "exec >&-; while :; do "
	    "echo still here; sleep 0.05; done >&2; #", NULL }, false,
	    "ended", "still here");
	is_named((const char *[]){ "sh", "-c", "exec sleep 1000", NULL }, false,
	    "connect_timeout_ms", "");
}
END_TEST

/* What an agent of another kind says. */
static void greets(const char *text, bool for_good, const char *words)
{
	char command[512];

	snprintf(command, sizeof command, "printf '%s'; exec sleep 1000",
	    text);
	is_named((const char *[]){ "sh", "-c", command, NULL }, for_good,
	    words, "");
}

START_TEST(an_agent_of_another_kind_is_named)
{
	greets("\\nvimap-agent 1\\norder little\\nword 8\\nidentity 12\\n"
	    "host x\\ncpus 1\\nname work\\n\\n", true,
	    "another build");
	greets("\\nvimap-agent 9\\norder little\\nword 8\\nidentity 12\\n"
	    "host x\\ncpus 1\\nname work\\n\\n", true,
	    "version 9");
	greets("\\nvimap-agent 1\\norder middle\\nword 8\\nidentity 12\\n"
	    "host x\\ncpus 1\\nname work\\n\\n", true,
	    "another kind");
	greets("\\nvimap-agent 1\\norder little\\nword 8\\nidentity 12\\n"
	    "host x\\ncpus 1\\nname play\\n\\n", true,
	    "no worker of the name");
	greets("\\nvimap-agent 1\\nname work\\n\\n", false,
	    "no agent");
	greets("\\nvimap-agent 1\\norder little\\nword 8\\nidentity 12\\n"
	    "host x\\ncpus 1\\nname work\\n\\nxxxx", false,
	    "breaks the protocol");
}
END_TEST

START_TEST(a_banner_is_skipped)
{
	const char *command[] = { "sh", "-c", "echo Welcome; printf 'no "
	    "newline'; exec \"$0\" \"$@\"", program, NULL };
	struct vm_host host = { .name = "h1", .command = command,
		.workers = 1 };
	struct vm_options o = { .workers = VM_ELSEWHERE, .hosts = &host,
		.host_count = 1 };
	struct vm_result r;
	vm_pool *pool = fork_pool(&table[1], &o);

	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	take_end(pool);
	close_pool(pool);
}
END_TEST

START_TEST(a_failed_setup_there_is_told)
{
	struct vm_host hosts[1];
	struct vm_options o = options(hosts, 1);
	struct vm_result r;
	struct vm_worker w;
	vm_pool *pool;

	set_config();
	config.setup_fails = 1;
	w = worker();
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(0, 1));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
	ck_assert_int_eq(r.exception->cause, VM_SETUP_FAILED);
	ck_assert_int_eq(vm_zip_in_out(pool, &r), -1);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "no licence left"));
	vm_close(pool);
	scratch_drop(config.dir);
}
END_TEST

START_TEST(a_failed_teardown_there_is_told)
{
	struct vm_host hosts[1];
	struct vm_options o = options(hosts, 1);
	struct vm_result r;
	struct vm_worker w;
	vm_pool *pool;

	set_config();
	config.teardown_fails = 1;
	w = worker();
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	ck_assert_int_eq(vm_close(pool), 1);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "was not returned"));
	scratch_drop(config.dir);
}
END_TEST

/* Text for standard output of hooks comes to standard error, with the name. */
static int print(void *arg)
{
	struct vm_host hosts[1];
	struct vm_options o = options(hosts, 1);
	struct vm_worker w = worker();
	struct vm_result r;
	vm_pool *pool;

	dup2(*(int *)arg, 2);
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(PRINTS, PRINTS + 1));
	take(pool, &r);
	close_pool(pool);
	return 0;
}

START_TEST(text_of_hooks_has_the_name_before_it)
{
	char text[256] = "";
	int ends[2];

	set_config();
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(in_child(print, &ends[1]), 0);
	close(ends[1]);
	ck_assert_int_gt(read(ends[0], text, sizeof text - 1), 0);
	ck_assert_str_eq(text, "h1: hello from 26\n");
	close(ends[0]);
	scratch_drop(config.dir);
}
END_TEST

/* ---- ends ---- */

static int run_until_killed(void *arg)
{
	const char *marked[] = { program, config.dir, NULL };
	struct vm_host hosts[2];
	struct vm_options o = options(hosts, 2);
	struct vm_worker w = worker();
	struct vm_result r;
	struct shared *sh = arg;
	vm_pool *pool;

	hosts[0].command = hosts[1].command = marked;
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(1000, 1000000000000));
	/* No check may run when the kill comes. */
	while (vm_zip_in_out_within(pool, &r, limit_ms()) == 1)
		atomic_fetch_add(&sh->counter[0], 1);
	return 1;
}

/* Counts the processes that have the directory of this test as an argument:
   other programs have agents, too. */
static int count_agents(void)
{
	char command[256];
	FILE *f;
	int n = -1;

	snprintf(command, sizeof command, "cat /proc/[0-9]*/cmdline "
	    "2>/dev/null | tr '\\0' '\\n' | grep -c -- '^%s$'", config.dir);
	f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%d", &n), 1);
	pclose(f);
	return n;
}

START_TEST(nothing_is_left_of_a_killed_caller)
{
	struct shared *sh = shared_new();
	pid_t pid;

	set_config();
	pid = fork();
	if (pid == 0)
		_exit(run_until_killed(sh));
	wait_for(&sh->counter[0], 10000);
	ck_assert_int_gt(count_agents(), 0);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	for (int ms = 0; count_agents() > 0; ms += 10) {
		ck_assert_int_lt(ms, limit_ms());
		nap_ms(10);
	}
	shared_free(sh);
	scratch_drop(config.dir);
}
END_TEST

START_TEST(a_pool_closes_in_the_middle)
{
	struct vm_host hosts[2];
	struct vm_options o = options(hosts, 2);
	struct vm_worker w;
	struct vm_result r;
	vm_pool *pool;

	set_config();
	w = worker();
	o.close_timeout_ms = 200;
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(HANGS, HANGS + 1));
	imap_to(pool, vm_range(1000, 1000000000000));
	for (int i = 0; i < 1000; i++)
		take(pool, &r);
	vm_close(pool);
	scratch_drop(config.dir);
}
END_TEST

/* Nothing over there waits for the end, so no time limit has to pass, and no
   teardown was missed. */
static void end_while_silent(bool finish)
{
	const char *silent[] = { "sh", "-c", "exec sleep 1000", NULL };
	struct vm_host host = { .name = "h1", .command = silent };
	struct vm_options o = { .workers = 1, .hosts = &host,
		.host_count = 1, .connect_timeout_ms = 4 * limit_ms(),
		.close_timeout_ms = 4 * limit_ms(),
		.teardown_timeout_ms = 4 * limit_ms() };
	struct vm_result r;
	struct vm_worker w;
	vm_pool *pool;

	set_config();
	w = worker();
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	ck_assert_int_eq(r.host, 0);
	if (finish)
		ck_assert_int_eq(vm_finish(pool), 0);
	take_end(pool);
	close_pool(pool);
	scratch_drop(config.dir);
}

START_TEST(a_pool_ends_while_a_command_is_silent)
{
	end_while_silent(false);
	end_while_silent(true);
}
END_TEST

/* Returns how many bytes a link has sent that the caller has not read; -1 while
   the caller has no pipe of it. */
static int unread_of_link(const vm_pool *pool)
{
	const struct crew *c = &pool->engine.crew;
	int in = c->members[c->first_link].channel.in, bytes = -1;

	if (in >= 0)
		ck_assert_int_eq(ioctl(in, FIONREAD, &bytes), 0);
	return bytes;
}

/* The command runs, so its link needs nothing more of the caller; the pool ends
   the link before it has read that the link is there. */
START_TEST(a_link_that_is_there_too_late_misses_no_teardown)
{
	char mark[80], wait[256];
	const char *gated[] = { "sh", "-c", wait, program, NULL };
	struct vm_host host = { .name = "h1", .command = gated };
	struct vm_options o = { .workers = 1, .hosts = &host,
		.host_count = 1 };
	struct vm_result r;
	struct vm_worker w;
	vm_pool *pool;

	set_config();
	snprintf(mark, sizeof mark, "%s/begun", config.dir);
	snprintf(wait, sizeof wait, ": >'%s'; until [ -e '%s/1' ]; do "
	    "sleep 0.01; done; exec \"$0\" \"$@\"", mark, config.dir);
	w = worker();
	pool = fork_pool(&w, &o);
	do {
		imap_to(pool, vm_range(1000, 1001));
		take(pool, &r);
	} while (access(mark, F_OK) != 0);
	ck_assert_int_eq(unread_of_link(pool), 0);
	ck_assert(first_time(&config, 1));
	for (int i = 0; i < limit_ms() && unread_of_link(pool) == 0; i++)
		nap_ms(1);
	ck_assert_int_gt(unread_of_link(pool), 0);
	close_pool(pool);
	scratch_drop(config.dir);
}
END_TEST

START_TEST(a_cancelled_run_ends)
{
	struct vm_host hosts[2];
	struct vm_options o = options(hosts, 2);
	struct vm_worker w;
	struct vm_result r;
	vm_pool *pool;
	int rc;

	set_config();
	w = worker();
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(1000, 1000000000000));
	for (int i = 0; i < 1000; i++)
		take(pool, &r);
	vm_cancel(pool, 0);
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1)
		ck_assert(r.type == VM_OUTPUT ||
		    r.exception->cause == VM_CANCELLED);
	ck_assert_int_eq(rc, 0);
	imap_to(pool, vm_range(1000, 1001));
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	close_pool(pool);
	scratch_drop(config.dir);
}
END_TEST

/* The link drops the many items that were taken back; then an item that it has
   taken is cancelled, which ends as usual. */
START_TEST(a_link_outlives_cancelled_items)
{
	struct vm_host hosts[1];
	struct vm_options o = options(hosts, 1);
	struct vm_worker w;
	struct vm_result r;
	struct vm_stats stats;
	vm_pool *pool;
	int answers = 0, rc;

	set_config();
	w = worker();
	hosts[0].workers = 8;
	o.chunk_size = 4000;
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(SLOW, SLOW + 4000));
	take(pool, &r);
	ck_assert_int_eq(vm_cancel_item(pool, NULL, 40), 1);
	while (answers < 25) {
		take(pool, &r);
		answers += r.type == VM_OUTPUT;
	}
	vm_cancel_item(pool, NULL, 39);
	vm_cancel(pool, 0);
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1)
		continue;
	ck_assert_int_eq(rc, 0);
	vm_stats(pool, &stats);
	ck_assert_int_eq((int)stats.deaths, 0);
	/* The CPU time of the link is not that of the machine. */
	ck_assert_int_ne((int)stats.limit, VM_LIMIT_OUTSIDE);
	close_pool(pool);
	scratch_drop(config.dir);
}
END_TEST

/* ---- options ---- */

static void is_refused(struct vm_worker w, struct vm_options o,
    const char *words)
{
	errno = 0;
	ck_assert_ptr_null(vm_fork(&w, &o));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_msg(strstr(vm_error(NULL), words) != NULL,
	    "\"%s\" without \"%s\"", vm_error(NULL), words);
}

START_TEST(wrong_options_are_refused)
{
	struct vm_host hosts[1], bad = { .name = "h1" };
	struct vm_options o = options(hosts, 1), with;
	struct vm_worker w = table[1];
	struct vm_job job = { .map = echo };
	int in[1] = { 1 }, out[1];
	struct vm_array_map map = { .in = in, .count = 1, .in_size = 4,
		.out = out, .out_size = 4 };

	with = o;
	with.host_count = 2;
	with.max_hosts = 1;
	is_refused(w, with, "max_hosts");
	is_refused(w, (struct vm_options){ .max_hosts = 4097 }, "max_hosts");
	is_refused(w, (struct vm_options){ .max_losses = -1 }, "max_losses");
	is_refused(w, (struct vm_options){ .patience_ms = -1 }, "patience_ms");
	is_refused(w, (struct vm_options){ .host_count = 1 }, "hosts");
	is_refused(w, (struct vm_options){ .host_count = -1 }, "host_count");
	is_refused(w, (struct vm_options){ .host_count = 4097 }, "host_count");
	with = o;
	with.workers = VM_SERIAL;
	is_refused(w, with, "VM_SERIAL");
	with = o;
	with.flags = VM_ISOLATE;
	is_refused(w, with, "VM_ISOLATE");
	with = o;
	with.silence_ms = 10;
	is_refused(w, with, "silence_ms");
	with = o;
	with.hosts = &bad;
	is_refused(w, with, "command");
	w.name = NULL;
	is_refused(w, o, "name");
	w.name = "a b";
	is_refused(w, o, "name");
	w = table[1];
	w.config = &config;
	is_refused(w, o, "config_size");
	errno = 0;
	ck_assert_int_eq(vm_map_array(&table[1], &o, &map), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "hosts"));
	errno = 0;
	ck_assert_ptr_null(vm_fork_jobs(&job, 1, &o, NULL));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_nonnull(strstr(vm_reducer_error(NULL), "hosts"));
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const tests[] = { results_are_those_of_a_local_pool,
		a_journal_has_the_results,
		large_items_go_both_ways, inherited_inputs_are_sent,
		workers_here_and_there_share_the_work,
		a_killed_agent_loses_nothing, a_killed_link_loses_nothing,
		a_killed_fork_server_loses_nothing, a_banner_is_skipped,
		a_failed_setup_there_is_told, a_failed_teardown_there_is_told,
		text_of_hooks_has_the_name_before_it,
		nothing_is_left_of_a_killed_caller,
		a_pool_closes_in_the_middle,
		a_pool_ends_while_a_command_is_silent,
		a_link_that_is_there_too_late_misses_no_teardown,
		a_cancelled_run_ends,
		a_link_outlives_cancelled_items, wrong_options_are_refused };
	const TTest *const drawn[] = { results_come_in_order,
		evidence_comes_whole, a_stopped_agent_loses_nothing,
		a_link_lost_late_loses_nothing,
		a_command_without_an_agent_is_named,
		an_agent_of_another_kind_is_named };

	vm_agent(argc, argv, table, COUNTOF(table));
	if (realpath(argv[0], program) == NULL)
		return 1;
	return run_sampled_tests("far", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
