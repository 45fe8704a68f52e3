/*
 * test_environment.c - options from the environment: each variable, values that
 * are not understood, and where the environment has no effect.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "tools.h"

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static const struct vm_worker echoer = { .process = echo };

static void set(const char *name, const char *value)
{
	ck_assert_int_eq(setenv(name, value, 1), 0);
}

START_TEST(workers_are_set)
{
	struct vm_options o = { .workers = 2, .max_workers = 2 };
	vm_pool *pool;

	set("VIMAP_WORKERS", "3");
	pool = fork_pool(&echoer, &o);
	ck_assert_int_eq(vm_workers(pool), 3);
	close_pool(pool);
	set("VIMAP_WORKERS", "serial");
	pool = fork_pool(&echoer, &o);
	ck_assert(pool->engine.set.serial);
	close_pool(pool);
	set("VIMAP_WORKERS", "");
	pool = fork_pool(&echoer, &o);
	ck_assert_int_eq(vm_workers(pool), 2);
	close_pool(pool);
	set("VIMAP_WORKERS", "3");
	o.flags = VM_NO_ENVIRONMENT;
	pool = fork_pool(&echoer, &o);
	ck_assert_int_eq(vm_workers(pool), 2);
	close_pool(pool);
}
END_TEST

START_TEST(indices_bound_the_workers)
{
	const int indices[] = { 5, 6 };
	const struct vm_options o = { .workers = 2,
		.worker_indices = indices };
	vm_pool *pool;

	set("VIMAP_WORKERS", "1");
	pool = fork_pool(&echoer, &o);
	ck_assert_int_eq(vm_workers(pool), 1);
	close_pool(pool);
	set("VIMAP_WORKERS", "3");
	ck_assert_ptr_null(vm_fork(&echoer, &o));
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "worker_indices"));
}
END_TEST

START_TEST(flags_are_set_and_cleared)
{
	const struct vm_options none = { .workers = 1 };
	const struct vm_options both = { .workers = 1,
		.flags = VM_DEBUG | VM_PROGRESS };
	vm_pool *pool;

	set("VIMAP_DEBUG", "0");
	set("VIMAP_PROGRESS", "0");
	pool = fork_pool(&echoer, &both);
	ck_assert(!pool->engine.set.debug && !pool->engine.set.progress);
	close_pool(pool);
	set("VIMAP_PROGRESS", "1");
	pool = fork_pool(&echoer, &none);
	ck_assert(!pool->engine.set.debug && pool->engine.set.progress);
	close_pool(pool);
}
END_TEST

START_TEST(timeouts_are_stretched)
{
	const struct vm_options o = { .workers = 1, .item_timeout_ms = 100,
		.setup_timeout_ms = 200, .teardown_timeout_ms = 300 };
	const struct settings *s;
	vm_pool *pool;

	set("VIMAP_TIMEOUTS", "20");
	pool = fork_pool(&echoer, &o);
	s = &pool->engine.set;
	ck_assert_uint_eq(s->item_ns, 2000 * MS_IN_NS);
	ck_assert_uint_eq(s->setup_ns, 4000 * MS_IN_NS);
	ck_assert_uint_eq(s->teardown_ns, 6000 * MS_IN_NS);
	ck_assert_uint_eq(s->close_ns, 100000 * MS_IN_NS);
	close_pool(pool);
	set("VIMAP_TIMEOUTS", "0");
	pool = fork_pool(&echoer, &o);
	s = &pool->engine.set;
	ck_assert_uint_eq(s->item_ns, 0);
	ck_assert_uint_eq(s->setup_ns, 0);
	ck_assert_uint_gt(s->close_ns, 1000000000 * MS_IN_NS);
	close_pool(pool);
	set("VIMAP_TIMEOUTS", "1000000");
	pool = fork_pool(&echoer, &(struct vm_options){ .workers = 1,
		.item_timeout_ms = INT32_MAX });
	ck_assert_uint_gt(pool->engine.set.item_ns, INT32_MAX * MS_IN_NS);
	close_pool(pool);
}
END_TEST

/* Runs a pool whose figures go to a file. */
static int run_with_stats(void *file)
{
	const struct vm_options o = { .workers = 1 };
	struct vm_result r;
	vm_pool *pool;

	if (dup2(fileno(file), STDERR_FILENO) < 0)
		return 90;
	set("VIMAP_STATS", "1");
	pool = fork_pool(&echoer, &o);
	imap_to(pool, vm_range(0, 20));
	for (int i = 0; i < 20; i++)
		take(pool, &r);
	vm_cancel(pool, 0);
	take_end(pool);
	close_pool(pool);
	return 0;
}

START_TEST(figures_are_told_at_the_end)
{
	char text[5000] = "";
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(in_child(run_with_stats, file), 0);
	rewind(file);
	ck_assert_uint_gt(fread(text, 1, sizeof text - 1, file), 0);
	ck_assert_ptr_nonnull(strstr(text, ": 20 inputs, 20 outputs, 0 "
	    "exceptions, 0 retries\n"));
	ck_assert_ptr_nonnull(strstr(text, ": 1 workers: 1 forked, 0 "));
	ck_assert_ptr_nonnull(strstr(text, ": The run is too short to tell: "
	    "20 results in "));
	fclose(file);
}
END_TEST

/* ---- a single input ---- */

static int tell_seed(struct vm_context *me, const void *input, size_t size)
{
	(void)input, (void)size;
	return vm_output(me, &me->seed, sizeof me->seed);
}

static const int64_t numbers[] = { 100, 101, 102, 103, 104 };

/* Two sources: numbers, and lines or an inherited array. */
static vm_pool *fork_two(int workers)
{
	const struct vm_worker w = { .process = tell_seed };
	const struct vm_options o = { .workers = workers, .seed = 5,
		.flags = VM_ORDERED };
	vm_pool *pool = fork_pool(&w, &o);

	imap_to(pool, vm_range(0, 5));
	imap_to(pool, vm_inherited_array(numbers, 5, sizeof *numbers));
	return pool;
}

START_TEST(a_single_input_has_its_index_and_seed)
{
	const int ways[] = { VM_SERIAL, 1, 3 };
	uint64_t seeds[10], seed;
	struct vm_result r;

	for (size_t way = 0; way < COUNTOF(ways); way++) {
		vm_pool *pool;
		int64_t sum = 0;

		unsetenv("VIMAP_ONLY");
		pool = fork_two(ways[way]);
		for (int i = 0; i < 10; i++) {
			take(pool, &r);
			memcpy(&seeds[i], r.output, sizeof *seeds);
		}
		close_pool(pool);
		set("VIMAP_ONLY", "3");
		pool = fork_two(ways[way]);
		for (int i = 0; i < 2; i++) {
			take(pool, &r);
			ck_assert_uint_eq(r.index, 3);
			memcpy(&seed, r.output, sizeof seed);
			sum += number(r.input);
			ck_assert_uint_eq(seed,
			    seeds[number(r.input) == 3 ? 3 : 7]);
		}
		ck_assert_int_eq(sum, 3 + 103);
		take_end(pool);
		close_pool(pool);
	}
}
END_TEST

START_TEST(an_index_may_be_behind_the_end)
{
	vm_pool *pool;

	set("VIMAP_ONLY", "5");
	pool = fork_two(1);
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* ---- values ---- */

START_TEST(other_values_are_refused)
{
	const struct { const char *name, *value, *text; } cases[] = {
		{ "VIMAP_WORKERS", "0", "serial or a number" },
		{ "VIMAP_WORKERS", "two", "serial or a number" },
		{ "VIMAP_WORKERS", "-1", "serial or a number" },
		{ "VIMAP_WORKERS", "32767", "serial or a number" },
		{ "VIMAP_DEBUG", "yes", "0 or 1" },
		{ "VIMAP_STATS", "yes", "0 or 1" },
		{ "VIMAP_PROGRESS", "2", "0 or 1" },
		{ "VIMAP_TIMEOUTS", "1.5", "0 for none" },
		{ "VIMAP_TIMEOUTS", "1000001", "0 for none" },
		{ "VIMAP_ONLY", "x", "index of an input" },
		{ "VIMAP_ONLY", "99999999999999999999", "index of an input" },
	};
	const struct vm_options o = { .workers = 1 };
	const struct vm_options off = { .workers = 1,
		.flags = VM_NO_ENVIRONMENT };
	char both[64];

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		set(cases[i].name, cases[i].value);
		ck_assert_ptr_null(vm_fork(&echoer, &o));
		ck_assert_int_eq(errno, EINVAL);
		snprintf(both, sizeof both, "%s=%s", cases[i].name,
		    cases[i].value);
		ck_assert_ptr_nonnull(strstr(vm_error(NULL), both));
		ck_assert_ptr_nonnull(strstr(vm_error(NULL), cases[i].text));
		close_pool(fork_pool(&echoer, &off));
		unsetenv(cases[i].name);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		workers_are_set, indices_bound_the_workers,
		flags_are_set_and_cleared, figures_are_told_at_the_end,
		timeouts_are_stretched,
		a_single_input_has_its_index_and_seed,
		an_index_may_be_behind_the_end, other_values_are_refused,
	};

	return run_tests("environment", tests, COUNTOF(tests));
}
