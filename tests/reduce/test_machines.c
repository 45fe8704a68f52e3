/*
 * test_machines.c - reducers with hosts, by commands that stay on this machine:
 * results are those of workers here, down to the bytes, and no pair is lost or
 * counted twice whatever dies.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "reduce/hash.h"
#include "runs.h"
#include "sample.h"
#include "scratch.h"
#include "tools.h"

/* Jobs of the reducers. */
enum { WORDS, PAIRS, BIG, JOBS };
/* Inputs of job PAIRS with these numbers do more than emit. */
enum special { FAILS = 50, DIES_ONCE, DIES };
/* The first inputs on another machine that leave these remainders kill a
   process there. */
enum harm { KILLS_AGENT = 3, KILLS_LINK = 5, HARM_EVERY = 8 };
/* Most time that a map() here takes longer than one there. */
#define SLOW_MS 10

/* Plain bytes, as they are copied to agents. */
struct config {
	char dir[64];		/* of files that mark what was done once */
	int64_t plus;
	bool special;		/* the specials and the harm are carried out */
};

static char program[4096];
static struct config config;
/* This process is an agent or one of its workers. */
static bool far;

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
	const pid_t agent = parent_of(getppid());

	kill(what == KILLS_AGENT ? agent : parent_of(agent), SIGKILL);
	nap_ms(60000);
}

/* Carries out specials after the pairs were emitted.  Returns as map(). */
static int act(struct vm_context *me, int64_t n)
{
	const int64_t what = n % HARM_EVERY;

	if (n == FAILS)
		return vm_fail(me, 77, "number %d is bad", FAILS);
	if (n == DIES || (n == DIES_ONCE && me->attempt == 1))
		raise(SIGKILL);
	if (far && (what == KILLS_AGENT || what == KILLS_LINK) &&
	    first_time(me->config, what))
		harm(what);
	return 0;
}

/* Sizes of values: in a table, in a record, apart. */
static const size_t sizes[] = { 8, 0, 1, 8, 100, 8, 70000, 65535, 65536, 8,
	4000 };

/* Emits pairs that depend on the number only. */
static int map_pairs(struct vm_context *me, const void *input, size_t size)
{
	static unsigned char bytes[70000];
	const struct config *c = me->config;
	const int64_t n = number(input);
	char key[32];

	(void)size;
	if (me->config_size != sizeof *c)
		return vm_fail(me, 1, "%zu", me->config_size);
	if (!far)
		nap_ms(SLOW_MS);
	for (int i = 0; i < 12; i++) {
		const size_t length = sizes[(size_t)(n + i) % COUNTOF(sizes)];
		const int64_t value = n * 100 + i + c->plus;

		memset(bytes, (int)(n + i), length);
		memcpy(bytes, &value, MIN(length, sizeof value));
		snprintf(key, sizeof key, "key %d", (int)(n * 7 + i) % 41);
		if (vm_emit(me, i == 5 ? NULL : key, i == 5 ? 0 : strlen(key),
		    bytes, length) < 0)
			return -1;
	}
	return c->special ? act(me, n) : 0;
}

/* Emits that number of bytes, in pairs of 1000 bytes. */
static int map_big(struct vm_context *me, const void *input, size_t size)
{
	static const unsigned char bytes[1000];

	(void)size;
	if (!far)
		nap_ms(SLOW_MS);
	for (int64_t i = 0; i < number(input); i += (int64_t)sizeof bytes)
		if (vm_emit(me, "big", 3, bytes, sizeof bytes) < 0)
			return -1;
	return 0;
}

static int count_bytes(struct vm_context *me, const void *key, size_t key_size,
    struct vm_values *values)
{
	uint64_t sum = 0;
	size_t size;

	(void)key, (void)key_size;
	while (vm_value(values, &size) != NULL)
		sum += size;
	return vm_output(me, &sum, sizeof sum);
}

static int map_slowly(struct vm_context *me, const void *input, size_t size)
{
	if (!far)
		nap_ms(SLOW_MS);
	return map_words(me, input, size);
}

/* Has a teardown, so that memory checkers look at all of a worker. */
static void tear_down(struct vm_context *me)
{
	(void)me;
}

/* process() for vm_fold(): a sum whose last digit depends on the order. */
static int sum_part(struct vm_context *me, const void *input, size_t size)
{
	const struct vm_part *part = input;
	double sum = 0;

	(void)size;
	for (uint64_t i = part->offset; i < part->offset + part->limit; i++)
		sum += 1.0 / (double)(i + 1);
	return vm_output(me, &sum, sizeof sum);
}

static struct vm_job jobs[JOBS] = {
	[WORDS] = { .map = map_slowly, .collect = vm_add_up,
	    .reduce = reduce_sum, .teardown = tear_down },
	[PAIRS] = { .map = map_pairs, .config = &config,
	    .config_size = sizeof config },
	[BIG] = { .map = map_big, .reduce = count_bytes },
};

/* ---- reducers ---- */

static const char *plain[] = { program, NULL };
static struct vm_host hosts[2];
static struct vm_options options;
static struct vm_reduce_options how;

/* Sets options for a worker here and these hosts with two workers each, that run
   the command. */
static void use_hosts(const char *const *command, int count)
{
	for (int i = 0; i < count; i++)
		hosts[i] = (struct vm_host){ .name = i ? "h2" : "h1",
			.command = command, .workers = 2 };
	options = (struct vm_options){ .workers = 1, .hosts = hosts,
		.host_count = count, .silence_ms = 20000 };
	how = (struct vm_reduce_options){ .name = "jobs" };
	config = (struct config){ .plus = 1000 };
	scratch_make(config.dir, sizeof config.dir);
}

/* Forks a reducer and waits until all machines are there. */
static vm_reducer *fork_all(void)
{
	vm_reducer *r = vm_fork_jobs(jobs, JOBS, &options, &how);

	ck_assert_msg(r != NULL, "%s", vm_reducer_error(NULL));
	ck_assert_int_eq(vm_ready(vm_reducer_pool(r), limit_ms()), 0);
	return r;
}

/* Returns the inputs that the hosts have answered. */
static uint64_t done_far(vm_reducer *r)
{
	struct vm_host_state s;
	uint64_t done = 0;

	for (int i = 1; vm_host_state(vm_reducer_pool(r), i, &s) == 1; i++)
		done += s.done;
	return done;
}

/* The results of a run: of all keys and values in their order, a hash. */
struct digest {
	uint64_t hash;
	uint64_t keys, values, bad;
};

static struct digest take_digest(vm_reducer *r)
{
	struct digest d = { .hash = HASH_START };
	struct vm_reduced one;
	const void *value;
	size_t size;
	int rc;

	while ((rc = vm_zip_key_out(r, &one)) == 1) {
		if (one.type != VM_OUTPUT) {
			d.bad++;
			continue;
		}
		d.keys++;
		d.hash = hash_word(d.hash, hash_bytes(one.key, one.key_size));
		while ((value = vm_value(one.values, &size)) != NULL) {
			d.hash = hash_word(d.hash, hash_bytes(value, size));
			d.values++;
		}
	}
	ck_assert_msg(rc == 0, "%d: %s", rc, vm_reducer_error(r));
	return d;
}

static void is_same(struct digest a, struct digest b)
{
	ck_assert_uint_eq(a.keys, b.keys);
	ck_assert_uint_eq(a.values, b.values);
	ck_assert_uint_eq(a.bad, b.bad);
	ck_assert_uint_eq(a.hash, b.hash);
}

/* The same job and options by workers here. */
static struct digest digest_here(struct vm_source source)
{
	struct vm_options here = options;
	struct digest d;
	vm_reducer *r;

	here.hosts = NULL;
	here.host_count = 0;
	here.workers = 4;
	r = vm_fork_jobs(jobs, JOBS, &here, &how);
	ck_assert_msg(r != NULL, "%s", vm_reducer_error(NULL));
	queue_run(r, PAIRS, source);
	d = take_digest(r);
	close_reducer(r);
	return d;
}

/* ---- results ---- */

#define TEXTS 100

/* Several runs, of several jobs; each machine maps. */
START_TEST(words_are_counted_as_here)
{
	const char *texts[TEXTS];
	struct counts c;
	vm_reducer *r;

	for (int i = 0; i < TEXTS; i++)
		texts[i] = i % 3 ? "the wall the fall" : " the men";
	use_hosts(plain, 2);
	options.chunk_size = 1;
	r = fork_all();
	for (int i = 0; i < 2; i++) {
		const uint64_t before = done_far(r);

		queue_run(r, WORDS, vm_strings(texts, TEXTS));
		take_good_run(r, &c);
		ck_assert_uint_eq(c.outputs, 4);
		ck_assert_uint_eq(count_of(&c, "the"), 34 + 2 * 66);
		ck_assert_uint_eq(count_of(&c, "men"), 34);
		ck_assert_uint_eq(count_of(&c, "wall"), 66);
		ck_assert_uint_eq(count_of(&c, "fall"), 66);
		counts_free(&c);
		ck_assert_uint_gt(done_far(r), before);
	}
	close_reducer(r);
	ck_assert_int_eq(count_children(), 0);
	scratch_drop(config.dir);
}
END_TEST

/* With VM_SORTED and VM_IN_INPUT_ORDER. */
static void compare(size_t memory_limit, bool special)
{
	struct digest here;
	vm_reducer *r;

	use_hosts(plain, 2);
	config.special = special;
	options.chunk_size = 1;
	options.max_attempts = 2;
	options.retry_on = VM_KILLED;
	how.flags = VM_SORTED | VM_IN_INPUT_ORDER;
	how.memory_limit = memory_limit;
	here = digest_here(vm_range(0, 120));
	ck_assert_uint_eq(here.bad, special ? 2 : 0);
	ck_assert_uint_eq(here.keys, 42);
	ck_assert_uint_eq(here.values, 12 * (120 - here.bad));
	r = fork_all();
	queue_run(r, PAIRS, vm_range(0, 120));
	is_same(here, take_digest(r));
	ck_assert_uint_gt(done_far(r), 0);
	close_reducer(r);
	/* The harm was done. */
	if (special)
		ck_assert(!first_time(&config, KILLS_AGENT) &&
		    !first_time(&config, KILLS_LINK));
	scratch_drop(config.dir);
}

START_TEST(pairs_are_the_same_bytes)
{
	compare(0, false);
}
END_TEST

START_TEST(pairs_are_the_same_bytes_in_little_memory)
{
	compare(1 << 20, false);
}
END_TEST

/* Agents and links die in the middle of calls that have emitted; others fail,
   or die in each attempt. */
START_TEST(no_pair_is_lost_or_counted_twice)
{
	compare(0, true);
}
END_TEST

/* Runs job BIG for 30 inputs of n bytes.  Returns how many have failed, for the
   bound of another machine. */
static uint64_t run_big(vm_reducer *r, int64_t n)
{
	int64_t all[30];
	uint64_t failed = 0, sum = 0;
	struct vm_reduced one;
	int rc;

	for (size_t k = 0; k < COUNTOF(all); k++)
		all[k] = n;
	queue_run(r, BIG, vm_array(all, COUNTOF(all), sizeof all[0]));
	while ((rc = vm_zip_key_out(r, &one)) == 1) {
		if (one.type == VM_OUTPUT) {
			memcpy(&sum, one.output, sizeof sum);
			continue;
		}
		failed++;
		ck_assert_int_eq(one.exception->cause, VM_FAILED);
		ck_assert_msg(strstr(one.exception->message,
		    "another machine may emit") != NULL, "%s",
		    one.exception->message);
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_uint_eq(sum, (COUNTOF(all) - failed) * (uint64_t)n);
	return failed;
}

START_TEST(pairs_of_a_call_are_bounded_there)
{
	vm_reducer *r;

	use_hosts(plain, 1);
	options.chunk_size = 1;
	options.max_item_bytes = 1 << 20;
	r = fork_all();
	ck_assert_uint_eq(run_big(r, 900000), 0);
	ck_assert_uint_gt(run_big(r, 2000000), 0);
	ck_assert_uint_gt(done_far(r), 0);
	close_reducer(r);
	scratch_drop(config.dir);
}
END_TEST

/* ---- without keys ---- */

static int add_part(void *accumulator, const struct vm_result *r)
{
	double *sum = accumulator, part;

	ck_assert_int_eq(r->type, VM_OUTPUT);
	memcpy(&part, r->output, sizeof part);
	*sum += part;
	return 0;
}

static double harmonic(const struct vm_options *o)
{
	const struct vm_worker w = { .process = sum_part, .name = "sum" };
	vm_pool *pool = fork_pool(&w, o);
	double sum = 0;

	ck_assert_int_eq(vm_fold(pool, vm_parts(1000000, 97,
	    VM_CUT_WITH_REST), add_part, &sum), 0);
	close_pool(pool);
	return sum;
}

START_TEST(folds_are_equal_to_the_last_digit)
{
	double here, there;

	use_hosts(plain, 2);
	options.flags = VM_ORDERED;
	there = harmonic(&options);
	here = harmonic(&(struct vm_options){ .workers = 2,
	    .flags = VM_ORDERED });
	ck_assert_int_eq(memcmp(&here, &there, sizeof here), 0);
	options.workers = VM_ELSEWHERE;
	there = harmonic(&options);
	ck_assert_int_eq(memcmp(&here, &there, sizeof here), 0);
	ck_assert(here > 14.39 && here < 14.4);
	scratch_drop(config.dir);
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const tests[] = { words_are_counted_as_here,
		pairs_are_the_same_bytes,
		pairs_are_the_same_bytes_in_little_memory,
		no_pair_is_lost_or_counted_twice,
		pairs_of_a_call_are_bounded_there,
		folds_are_equal_to_the_last_digit };
	struct vm_worker table[] = { { .process = sum_part, .name = "sum" },
		{ .process = NULL } };

	far = argc > 1 && strcmp(argv[argc - 1], "--vimap-agent") == 0;
	/* There the hooks see the size that the caller sends. */
	jobs[PAIRS].config_size -= far;
	table[1] = vm_jobs_as_worker("jobs", jobs, JOBS);
	vm_agent(argc, argv, table, COUNTOF(table));
	if (realpath(argv[0], program) == NULL)
		return 1;
	return run_tests("machines", tests, COUNTOF(tests));
}
