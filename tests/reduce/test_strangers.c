/*
 * test_strangers.c - reducers with hosts whose agents are not as they should
 * be: one that lies harms its own inputs only, one with other jobs is named; and
 * reducers that have no worker here, or options that do not go together.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "reduce/emit.h"
#include "reduce/hash.h"
#include "reduce/told.h"
#include "runs.h"
#include "tools.h"

/* Most time that a map() here takes longer than one there. */
#define SLOW_MS 10

/* Plain bytes, as they are copied to agents. */
struct config {
	bool setup_fails_here;
};

static char program[4096];
static struct config config;
/* This process is an agent or one of its workers. */
static bool far;

/* ---- in the workers ---- */

static int map_slowly(struct vm_context *me, const void *input, size_t size)
{
	if (!far)
		nap_ms(SLOW_MS);
	return map_words(me, input, size);
}

static int set_up(struct vm_context *me)
{
	const struct config *c = me->config;

	return c->setup_fails_here && !far ? vm_fail(me, 5, "no licence") : 0;
}

/* process() of an agent that lies: outputs that emit_end() cannot make, and
   some that it can. */
static int lie(struct vm_context *me, const void *input, size_t size)
{
	uint64_t random = hash_word(HASH_START, me->index);
	struct parcel parcel = { .size = sizeof parcel };
	unsigned char bytes[200];
	struct buf b;
	int r = 0;

	(void)input, (void)size;
	buf_init(&b, SIZE_MAX / 4);
	for (int i = 0; i < 5 && r == 0; i++) {
		const struct record one = { (const unsigned char *)"liar", bytes,
			4, (uint32_t)(random >> 8 * i & 63), false };

		memset(bytes, 'x', sizeof bytes);
		r = record_append(&b, &one);
	}
	parcel.size += b.len;
	if (r == 0)
		r = buf_append(&b, &parcel, sizeof parcel);
	for (uint64_t i = 0; i < random % 3; i++) {
		random = hash_word(random, i);
		b.data[random % b.len] ^= (unsigned char)(1 << (random >> 61));
	}
	if (r == 0)
		r = vm_output(me, b.data, random >> 32 & 3 ? b.len :
		    (size_t)(random % b.len));
	buf_release(&b);
	return r;
}

static struct vm_job jobs[] = {
	{ .map = map_slowly, .collect = vm_add_up, .reduce = reduce_sum },
	{ .setup = set_up, .map = map_slowly, .config = &config,
	    .config_size = sizeof config },
};

/* ---- reducers ---- */

static const char *plain[] = { program, NULL };
static struct vm_host hosts[1];
static struct vm_options options;
static struct vm_reduce_options how;

/* Sets options for a worker here and a host with two workers, that runs the
   command. */
static void use_host(const char *const *command)
{
	hosts[0] = (struct vm_host){ .name = "h1", .command = command,
		.workers = 2 };
	options = (struct vm_options){ .workers = 1, .hosts = hosts,
		.host_count = 1 };
	how = (struct vm_reduce_options){ .name = "jobs" };
	config = (struct config){ false };
}

static vm_reducer *fork_jobs(void)
{
	vm_reducer *r = vm_fork_jobs(jobs, COUNTOF(jobs), &options, &how);

	ck_assert_msg(r != NULL, "%s", vm_reducer_error(NULL));
	return r;
}

/* Forks a reducer and waits until all machines are there. */
static vm_reducer *fork_all(void)
{
	vm_reducer *r = fork_jobs();

	ck_assert_int_eq(vm_ready(vm_reducer_pool(r), limit_ms()), 0);
	return r;
}

/* Returns the inputs that the host has answered. */
static uint64_t done_far(vm_reducer *r)
{
	struct vm_host_state s;

	ck_assert_int_eq(vm_host_state(vm_reducer_pool(r), 1, &s), 1);
	return s.done;
}

/* ---- hosts ---- */

START_TEST(hosts_may_come_later)
{
	struct counts c;
	vm_reducer *r;

	use_host(plain);
	options.host_count = 0;
	r = fork_all();
	ck_assert_int_eq(vm_add_host(vm_reducer_pool(r), &hosts[0]), 1);
	ck_assert_int_eq(vm_ready(vm_reducer_pool(r), limit_ms()), 0);
	do {
		queue_run(r, 0, abc());
		take_good_run(r, &c);
		check_abc(&c);
		counts_free(&c);
	} while (done_far(r) == 0);
	close_reducer(r);
}
END_TEST

START_TEST(lies_harm_their_inputs_only)
{
	static const char *command[] = { "env", "LIE=1", program, NULL };
	struct vm_host_state state;
	struct counts c;
	vm_reducer *r;

	use_host(command);
	options.chunk_size = 1;
	r = fork_all();
	for (int i = 0; i < 3; i++) {
		queue_run(r, 0, vm_range(0, 300));
		take_run(r, &c);
		ck_assert_msg(c.rc == 0, "%s", vm_reducer_error(r));
		ck_assert_uint_gt(c.bad_inputs, 0);
		for (size_t k = 0; k < c.size; k++)
			if (c.of[k].input != NULL)
				ck_assert_int_eq(c.of[k].cause, VM_GARBLED);
		counts_free(&c);
	}
	ck_assert_int_eq(vm_remove_host(vm_reducer_pool(r), 1), 0);
	while (vm_host_state(vm_reducer_pool(r), 1, &state) == 1 &&
	    state.status != VM_HOST_GONE) {
		ck_assert_int_eq(vm_ready(vm_reducer_pool(r), 0), 0);
		nap_ms(1);
	}
	queue_run(r, 0, abc());
	take_good_run(r, &c);
	check_abc(&c);
	counts_free(&c);
	close_reducer(r);
}
END_TEST

START_TEST(other_jobs_are_named)
{
	static const char *command[] = { "env", "JOBS=1", program, NULL };
	struct vm_host_state state;
	struct counts c;
	vm_reducer *r;

	use_host(command);
	r = fork_jobs();
	ck_assert_int_ne(vm_ready(vm_reducer_pool(r), limit_ms()), VM_LATER);
	ck_assert_int_eq(vm_host_state(vm_reducer_pool(r), 1, &state), 1);
	ck_assert_msg(strstr(state.words, "other jobs") != NULL, "%s",
	    state.words);
	queue_run(r, 0, abc());
	take_good_run(r, &c);
	check_abc(&c);
	counts_free(&c);
	vm_reducer_close(r);
}
END_TEST

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

/* A pool that asks for the jobs as for a worker, with a config of its own. */
static void is_no_reducer(const void *told, size_t size)
{
	struct vm_worker w = { .process = echo, .name = "jobs",
		.config = (void *)(uintptr_t)told, .config_size = size };
	struct vm_host_state state;
	vm_pool *pool;

	use_host(plain);
	pool = fork_pool(&w, &options);
	while (vm_ready(pool, limit_ms()) == VM_LATER)
		continue;
	ck_assert_int_eq(vm_host_state(pool, 1, &state), 1);
	ck_assert_msg(strstr(state.words, "only a reducer") != NULL, "%s",
	    state.words);
	vm_close(pool);
}

START_TEST(other_pools_are_no_reducers)
{
	struct told t = { .name = "jobs", .jobs = COUNTOF(jobs),
		.size = sizeof t + COUNTOF(jobs) * sizeof(struct told_job) };

	is_no_reducer("four", 4);
	/* Its size is that of more bytes than came. */
	is_no_reducer(&t, sizeof t);
	t.size = sizeof t;
	memset(t.name, 'j', sizeof t.name);
	is_no_reducer(&t, sizeof t);
}
END_TEST

/* Waits until the worker here is given up. */
static void wait_given_up(vm_pool *pool)
{
	struct vm_worker_stats s = { .state = VM_WORKER_DEAD };

	for (int i = 0; s.state != VM_WORKER_GIVEN_UP; i++) {
		ck_assert_int_lt(i, limit_ms());
		ck_assert_int_ne(vm_ready(pool, 0), 0);
		ck_assert_int_eq(vm_worker_stats(pool, 0, &s), 1);
		nap_ms(1);
	}
}

/* Other machines map on, but cannot gather. */
static void lose_worker(bool before)
{
	struct vm_reduced one;
	vm_reducer *r;
	int rc;

	use_host(plain);
	config.setup_fails_here = true;
	r = fork_jobs();
	if (before)
		wait_given_up(vm_reducer_pool(r));
	queue_run(r, 1, vm_range(0, 20));
	while ((rc = vm_zip_key_out(r, &one)) == 1)
		ck_assert_int_eq(one.type, VM_EXCEPTION);
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(vm_broken(vm_reducer_pool(r)), 1);
	ck_assert_msg(strstr(vm_reducer_error(r), "no licence") != NULL, "%s",
	    vm_reducer_error(r));
	ck_assert_uint_eq(done_far(r), 20);
	vm_reducer_close(r);
}

START_TEST(the_last_worker_here_is_given_up)
{
	lose_worker(false);
	lose_worker(true);
}
END_TEST

static void is_refused(const char *words)
{
	vm_reducer *r = vm_fork_jobs(jobs, COUNTOF(jobs), &options,
	    &how);

	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(r);
	ck_assert_msg(strstr(vm_reducer_error(NULL), words) != NULL, "%s",
	    vm_reducer_error(NULL));
}

START_TEST(wrong_options_are_refused)
{
	struct vm_worker w;

	use_host(plain);
	options.workers = VM_ELSEWHERE;
	is_refused("VM_ELSEWHERE");
	options.workers = 1;
	how.name = NULL;
	is_refused("vm_reduce_options.name");
	options.host_count = 0;
	options.listen = "door";
	is_refused("vm_reduce_options.name");
	options.listen = NULL;
	options.host_count = 1;
	how.name = "a b";
	is_refused("name");
	how.name = "jobs";
	jobs[1].config_size = 0;
	is_refused("config_size");
	jobs[1].config_size = sizeof config;
	options.workers = VM_SERIAL;
	is_refused("VM_SERIAL");
	w = vm_jobs_as_worker("none", NULL, 0);
	ck_assert_ptr_null(w.process);
	w = vm_jobs_as_worker(NULL, jobs, COUNTOF(jobs));
	ck_assert_ptr_null(w.process);
	w = vm_jobs_as_worker("0123456789012345678901234567890123456789"
	    "012345678901234567890123", jobs, COUNTOF(jobs));
	ck_assert_ptr_null(w.process);
}
END_TEST

/* The table of an agent; the environment, from the command of a host, may
   change it. */
static void serve(int argc, char **argv)
{
	struct vm_worker table[] = {
		vm_jobs_as_worker("jobs", jobs, getenv("JOBS") ? 1 :
		    COUNTOF(jobs)),
	};

	if (getenv("LIE") != NULL)
		table[0].process = lie;
	vm_agent(argc, argv, table, COUNTOF(table));
}

int main(int argc, char **argv)
{
	const TTest *const tests[] = { hosts_may_come_later,
		lies_harm_their_inputs_only, other_jobs_are_named, other_pools_are_no_reducers,
		the_last_worker_here_is_given_up, wrong_options_are_refused };

	far = argc > 1 && strcmp(argv[argc - 1], "--vimap-agent") == 0;
	serve(argc, argv);
	if (realpath(argv[0], program) == NULL)
		return 1;
	return run_tests("strangers", tests, COUNTOF(tests));
}
