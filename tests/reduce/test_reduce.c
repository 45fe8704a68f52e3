/*
 * test_reduce.c - results of runs: the right numbers, whichever process dies,
 * in the requested order; keys and values of every kind.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "runs.h"
#include "sample.h"
#include "tools.h"

static struct shared *shared;

/* ---- the smallest run, with all options ---- */

static void try_abc(const struct vm_job *job, const struct vm_options *o,
    const struct vm_reduce_options *h)
{
	vm_reducer *r = fork_job(job, o, h);
	struct counts c;

	queue_run(r, 0, abc());
	take_good_run(r, &c);
	check_abc(&c);
	if (h != NULL && (h->flags & VM_SORTED))
		ck_assert(in_key_order(&c));
	counts_free(&c);
	ck_assert_int_eq(vm_zip_key_out(r, &(struct vm_reduced){ 0 }), 0);
	close_reducer(r);
	ck_assert_int_eq(count_children(), 0);
}

/* Bits of i: chunks of a single item, collect, sorted, reduce. */
static void try_all(int workers)
{
	for (int i = 0; i < 16; i++) {
		struct vm_job job = {
			.map = map_words,
			.collect = i & 2 ? vm_add_up : NULL,
			.reduce = i & 8 ? NULL : reduce_sum,
		};
		struct vm_options o = { .workers = workers,
			.chunk_size = i & 1 };
		struct vm_reduce_options h = { .flags = i & 4 ? VM_SORTED : 0 };

		try_abc(&job, &o, &h);
	}
}

START_TEST(counts_words)
{
	const int workers[] = { 1, 2, 3, 9, VM_SERIAL };

	for (size_t i = 0; i < COUNTOF(workers); i++)
		try_all(workers[i]);
	try_abc(&count_words, NULL, NULL);
}
END_TEST

START_TEST(groups_values_without_reduce)
{
	const struct vm_job job = { .map = map_words };
	const struct vm_reduce_options h = { .flags = VM_SORTED };
	const uint64_t counts[] = { 2, 2, 4 };
	vm_reducer *r = fork_job(&job, NULL, &h);
	struct vm_reduced one;
	const void *value;
	size_t size;

	queue_run(r, 0, abc());
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(vm_zip_key_out(r, &one), 1);
		ck_assert_uint_eq(one.key_size, 1);
		ck_assert_int_eq(*(const char *)one.key, 'a' + i);
		ck_assert_ptr_null(one.output);
		ck_assert_uint_eq(vm_value_count(one.values), counts[i]);
		for (uint64_t n = 0; n < counts[i]; n++) {
			value = vm_value(one.values, &size);
			ck_assert_uint_eq(size, 8);
			ck_assert_uint_eq(*(const uint64_t *)value, 1);
		}
		ck_assert_ptr_null(vm_value(one.values, &size));
		ck_assert_ptr_null(vm_value(one.values, NULL));
	}
	ck_assert_int_eq(vm_zip_key_out(r, &one), 0);
	/* The caller reads either no values or some. */
	queue_run(r, 0, abc());
	ck_assert_int_eq(vm_zip_key_out(r, &one), 1);
	ck_assert_int_eq(vm_zip_key_out(r, &one), 1);
	ck_assert_ptr_nonnull(vm_value(one.values, &size));
	ck_assert_int_eq(vm_zip_key_out(r, &one), 1);
	ck_assert_int_eq(vm_zip_key_out(r, &one), 0);
	close_reducer(r);
}
END_TEST

/* ---- pairs as inputs ---- */

struct pair {
	const char *key;
	uint64_t value;
};

struct given {
	const struct pair *pair;
	size_t left;
	int closed;
};

static int next_pair(void *from, const void **key, size_t *key_size,
    const void **value, size_t *value_size)
{
	struct given *g = from;

	if (g->left == 0)
		return 0;
	*key = g->pair->key;
	*key_size = g->pair->key ? strlen(g->pair->key) : 0;
	*value = &g->pair->value;
	*value_size = sizeof g->pair->value;
	g->pair++;
	g->left--;
	return 1;
}

static void close_given(void *from)
{
	((struct given *)from)->closed++;
}

START_TEST(reduces_pairs)
{
	const struct pair pairs[] = { { "x", 1 }, { "y", 3 }, { "x", 2 },
		{ NULL, 7 } };
	const struct vm_job jobs[] = {
		{ .reduce = reduce_sum },
		{ .reduce = reduce_sum, .collect = vm_add_up }
	};
	vm_reducer *r = vm_fork_jobs(jobs, COUNTOF(jobs), NULL, NULL);
	struct counts c;

	ck_assert_ptr_nonnull(r);
	for (size_t i = 0; i < COUNTOF(jobs); i++) {
		struct given g = { pairs, COUNTOF(pairs), 0 };

		queue_run(r, i, vm_pairs((struct vm_pair_source){
		    next_pair, close_given, &g }));
		take_good_run(r, &c);
		ck_assert_uint_eq(c.outputs, 3);
		ck_assert_uint_eq(count_of(&c, "x"), 3);
		ck_assert_uint_eq(count_of(&c, "y"), 3);
		ck_assert_uint_eq(count_of(&c, ""), 7);
		ck_assert_int_eq(g.closed, 1);
		counts_free(&c);
	}
	close_reducer(r);
}
END_TEST

/* ---- several jobs ---- */

struct own {
	const char *name;
	uint64_t weight;
};

/* The state of each job is a copy of its config, with a tenfold weight. */
static int set_up(struct vm_context *me)
{
	struct own *own = malloc(sizeof *own);

	*own = *(const struct own *)me->config;
	own->weight *= 10;
	me->state = own;
	atomic_fetch_add(&shared->counter[0], 1);
	return 0;
}

static void tear_down(struct vm_context *me)
{
	const struct own *own = me->state, *config = me->config;

	if (own->name == config->name)
		atomic_fetch_add(&shared->counter[1], 1);
	free(me->state);
}

static int map_own(struct vm_context *me, const void *input, size_t size)
{
	struct own *own = me->state;
	const struct own *config = me->config;

	if (own->name != config->name)
		return vm_fail(me, 1, "another job's state");
	(void)input;
	(void)size;
	return vm_emit(me, own->name, strlen(own->name), &own->weight,
	    sizeof own->weight);
}

/* Checks that me->state is that of the job, as in map(). */
static int reduce_own(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	const struct own *own = me->state, *config = me->config;

	if (own->name != config->name || own->weight != 10 * config->weight)
		return vm_fail(me, 1, "another job's state");
	return reduce_sum(me, key, key_size, values);
}

START_TEST(jobs_have_their_own)
{
	struct own own[] = { { "one", 1 }, { "two", 2 }, { "three", 3 } };
	struct vm_job jobs[3];
	const size_t order[] = { 2, 0, 0, 1, 2 };
	const int workers[] = { 3, VM_SERIAL };
	struct counts c;
	vm_reducer *r;

	for (size_t i = 0; i < 3; i++)
		jobs[i] = (struct vm_job){ .setup = set_up,
			.teardown = tear_down, .map = map_own,
			.reduce = reduce_own, .config = &own[i] };
	for (size_t w = 0; w < COUNTOF(workers); w++) {
		shared = shared_new();
		r = vm_fork_jobs(jobs, 3, &(struct vm_options){
		    .workers = workers[w] }, NULL);
		ck_assert_ptr_nonnull(r);
		for (size_t i = 0; i < COUNTOF(order); i++)
			queue_run(r, order[i], vm_range(0, 100));
		for (size_t i = 0; i < COUNTOF(order); i++) {
			take_good_run(r, &c);
			ck_assert_uint_eq(c.outputs, 1);
			ck_assert_uint_eq(count_of(&c, own[order[i]].name),
			    1000 * own[order[i]].weight);
			counts_free(&c);
		}
		close_reducer(r);
		ck_assert_int_gt(shared->counter[0], 0);
		ck_assert_int_eq(shared->counter[0], shared->counter[1]);
		shared_free(shared);
	}
}
END_TEST

static int map_run(struct vm_context *me, const void *input, size_t size)
{
	vm_reducer *r = vm_fork_jobs(&count_words, 1, &(struct vm_options){
	    .workers = 2 }, NULL);
	struct vm_reduced one;
	int got, error = 0;

	(void)input;
	(void)size;
	if (r == NULL || vm_map_reduce(r, 0, abc()) < 0)
		return vm_fail(me, errno, "%s", vm_reducer_error(r));
	while ((got = vm_zip_key_out(r, &one)) == 1 && error == 0)
		error = one.type != VM_OUTPUT ? -1 : vm_emit(me, one.key,
		    one.key_size, one.output, one.output_size);
	if (vm_reducer_close(r) < 0 || got < 0)
		error = -1;
	return error;
}

START_TEST(jobs_lie_in_jobs)
{
	const struct vm_job job = { .map = map_run, .reduce = reduce_sum };
	vm_reducer *r = fork_job(&job, &(struct vm_options){ .workers = 2 },
	    NULL);
	struct counts c;

	queue_run(r, 0, vm_range(0, 5));
	take_good_run(r, &c);
	ck_assert_uint_eq(count_of(&c, "a"), 10);
	ck_assert_uint_eq(count_of(&c, "c"), 20);
	counts_free(&c);
	close_reducer(r);
	ck_assert_int_eq(count_children(), 0);
}
END_TEST

START_TEST(runs_are_told_apart)
{
	vm_reducer *r = fork_job(&count_words, NULL, NULL);
	struct vm_reduced one;

	for (uint64_t run = 0; run < 20; run++)
		queue_run(r, 0, abc());
	for (uint64_t run = 0; run < 20; run++) {
		for (int i = 0; i < 3; i++) {
			ck_assert_int_eq(vm_zip_key_out(r, &one), 1);
			ck_assert_uint_eq(one.run, run);
			ck_assert_int_eq(one.stage, VM_REDUCE_STAGE);
		}
		ck_assert_int_eq(vm_zip_key_out(r, &one), 0);
	}
	ck_assert_int_eq(vm_zip_key_out(r, &one), 0);
	close_reducer(r);
}
END_TEST

/* ---- workers that are killed ---- */

#define KILLS 12

#define LINES 600

/* Line n has each of ten words n % 10 + 1 times. */
static int next_line(void *from, const void **input, size_t *size)
{
	static char line[10 * 10 * 8];
	int *n = from, at = 0;

	if (*n == LINES)
		return 0;
	for (int word = 0; word < 10; word++)
		for (int i = 0; i <= *n % 10; i++)
			at += snprintf(line + at, sizeof line - (size_t)at,
			    "word%d ", word);
	++*n;
	*input = line;
	*size = (size_t)at;
	return 1;
}

/* The worker with the middle line waits until KILLS workers were killed. */
static int map_late(struct vm_context *me, const void *input, size_t size)
{
	int r = map_words(me, input, size);

	if (r == 0 && me->index == LINES / 2 &&
	    await(&shared->counter[1], KILLS, limit_ms()) < 0)
		return vm_fail(me, ETIME, "nobody was killed");
	return r;
}

/* Each call of reduce() waits until twice as many were killed. */
static int reduce_late(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	atomic_store(&shared->counter[2], 2 * KILLS);
	if (await(&shared->counter[1], 2 * KILLS, limit_ms()) < 0)
		return vm_fail(me, ETIME, "nobody was killed");
	return reduce_sum(me, key, key_size, values);
}

/* Runs where values of several inputs are merged, and waits there. */
static int collect_late(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	atomic_store(&shared->counter[2], KILLS);
	if (await(&shared->counter[1], KILLS, limit_ms()) < 0)
		return vm_fail(me, ETIME, "nobody was killed");
	atomic_fetch_add(&shared->counter[3], 1);
	return vm_add_up(me, key, key_size, values);
}

/* Emits ten words, each once. */
static int map_each_once(struct vm_context *me, const void *input,
    size_t size)
{
	uint64_t n = (uint64_t)number(input) % 10 + 1;
	char word[] = "word0";

	(void)size;
	for (; word[4] <= '9'; word[4]++)
		if (vm_emit(me, word, 5, &n, sizeof n) < 0)
			return -1;
	return 0;
}

START_TEST(gathers_while_workers_are_killed)
{
	const struct vm_job job = { .map = map_each_once,
		.collect = collect_late, .reduce = reduce_sum };
	const struct vm_options o = { .workers = 3, .max_attempts = 1000 };
	struct killer k;
	struct counts c;
	vm_reducer *r;

	shared = shared_new();
	r = fork_job(&job, &o, NULL);
	killer_start(&k, &shared->counter[1], &shared->counter[2]);
	queue_run(r, 0, vm_range(0, LINES));
	take_good_run(r, &c);
	killer_stop(&k);
	ck_assert_int_ge(shared->counter[1], KILLS);
	ck_assert_int_gt(shared->counter[3], 0);
	ck_assert_uint_eq(c.outputs, 10);
	for (size_t i = 0; i < c.size; i++)
		ck_assert_uint_eq(c.of[i].n, LINES / 10 * 55);
	counts_free(&c);
	close_reducer(r);
	shared_free(shared);
}
END_TEST

static void count_while_killed(int collect, int sorted, size_t memory)
{
	const struct vm_job job = { .map = map_late, .reduce = reduce_late,
		.collect = collect ? vm_add_up : NULL };
	const struct vm_options o = { .workers = 3, .max_attempts = 1000 };
	const struct vm_reduce_options h = { .flags = sorted ? VM_SORTED : 0,
		.memory_limit = memory };
	struct killer k;
	struct counts c;
	vm_reducer *r;
	int n = 0;

	shared = shared_new();
	atomic_store(&shared->counter[2], KILLS);
	r = fork_job(&job, &o, &h);
	killer_start(&k, &shared->counter[1], &shared->counter[2]);
	queue_run(r, 0, (struct vm_source){ .next = next_line, .from = &n });
	take_good_run(r, &c);
	killer_stop(&k);
	ck_assert_int_ge(shared->counter[1], 2 * KILLS);
	ck_assert_uint_eq(c.outputs, 10);
	for (size_t i = 0; i < c.size; i++)
		ck_assert_uint_eq(c.of[i].n, LINES / 10 * 55);
	counts_free(&c);
	close_reducer(r);
	shared_free(shared);
	ck_assert_int_eq(count_children(), 0);
}

START_TEST(counts_while_workers_are_killed)
{
	for (int i = 0; i < 4; i++)
		count_while_killed(i & 1, i & 2, 0);
}
END_TEST

START_TEST(counts_and_spills_while_workers_are_killed)
{
	count_while_killed(0, 1, 1);
}
END_TEST

/* ---- order ---- */

static int map_slowly(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);
	const char key[] = { (char)('a' + n % 3) };

	(void)size;
	if (n % 7 == 0)
		nap_ms((int)(n % 5));
	for (int64_t i = 0; i < 3; i++, n += 1000)
		if (vm_emit(me, key, 1, &n, sizeof n) < 0)
			return -1;
	return 0;
}

/* Checks that values are as map_slowly() emitted them, in the order of
   inputs. */
static int reduce_in_order(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	int64_t due = *(const char *)key - 'a', step = 0;
	const int64_t *value;
	uint64_t n = 0;

	(void)key_size;
	for (; (value = vm_value(values, NULL)) != NULL; n++) {
		if (*value != due + 1000 * step)
			return vm_fail(me, 1, "%d instead of %d", (int)*value,
			    (int)(due + 1000 * step));
		step = (step + 1) % 3;
		due += step == 0 ? 3 : 0;
	}
	return vm_output(me, &n, sizeof n);
}

START_TEST(keeps_the_order_of_inputs)
{
	const struct vm_job job = { .map = map_slowly,
		.reduce = reduce_in_order };
	const size_t memory[] = { 0, 1 };
	const struct vm_options o = { .workers = 6, .chunk_size = 1 };
	struct counts c;

	for (size_t i = 0; i < COUNTOF(memory); i++) {
		struct vm_reduce_options h = { .flags = VM_IN_INPUT_ORDER,
			.memory_limit = memory[i], .partitions = 2 };
		vm_reducer *r = fork_job(&job, &o, &h);

		queue_run(r, 0, vm_range(0, 999));
		take_good_run(r, &c);
		ck_assert_uint_eq(c.outputs, 3);
		ck_assert_uint_eq(count_of(&c, "a"), 999);
		counts_free(&c);
		close_reducer(r);
	}
}
END_TEST

/* ---- many keys, large values ---- */

static int map_thousand(struct vm_context *me, const void *input,
    size_t size)
{
	int64_t n = number(input) * 1000;
	const uint64_t one = 1;
	char key[32];

	(void)size;
	for (int64_t end = n + 1000; n < end; n++)
		if (vm_emit(me, key, (size_t)sprintf(key, "%lld",
		    (long long)n), &one, sizeof one) < 0)
			return -1;
	return 0;
}

START_TEST(sorts_a_million_keys)
{
	const size_t thousands = (size_t)sample_size(SANITIZED ? 100 : 1000,
	    60);
	const struct vm_job job = { .map = map_thousand };
	const struct vm_reduce_options h = { .flags = VM_SORTED,
		.memory_limit = thousands << 13 };
	vm_reducer *r = fork_job(&job, &(struct vm_options){ .workers = 2 },
	    &h);
	struct counts c;

	queue_run(r, 0, vm_range(0, thousands));
	take_good_run(r, &c);
	ck_assert_uint_eq(c.outputs, thousands * 1000);
	ck_assert(in_key_order(&c));
	counts_free(&c);
	close_reducer(r);
}
END_TEST

#define LARGE ((size_t)100 << 20)

static int map_large(struct vm_context *me, const void *input, size_t size)
{
	unsigned char *value = malloc(LARGE);
	int r;

	(void)size;
	if (value == NULL)
		return -1;
	memset(value, (int)number(input) + 1, LARGE);
	r = vm_emit(me, "large", 5, value, LARGE);
	if (r == 0)
		r = vm_emit(me, "large", 5, value, 1);
	free(value);
	return r;
}

static int reduce_sizes(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	const unsigned char *value;
	uint64_t sum = 0;
	size_t size;

	(void)key;
	(void)key_size;
	for (; (value = vm_value(values, &size)) != NULL; sum += size)
		if (value[0] != value[size - 1] || value[0] !=
		    value[size / 2] || value[size] != 0)
			return vm_fail(me, 1, "another value");
	return vm_output(me, &sum, sizeof sum);
}

START_TEST(passes_a_value_of_100_mb)
{
	const struct vm_job job = { .map = map_large, .reduce = reduce_sizes };
	const struct vm_reduce_options h = { .memory_limit = 1 << 20 };
	vm_reducer *r = fork_job(&job, &(struct vm_options){ .workers = 1 },
	    &h);
	struct counts c;

	queue_run(r, 0, vm_range(0, 2));
	take_good_run(r, &c);
	ck_assert_uint_eq(count_of(&c, "large"), 2 * (LARGE + 1));
	counts_free(&c);
	close_reducer(r);
}
END_TEST

/* Emits keys of all lengths below LENGTHS, made of the bytes 0, 1 and 255, and
   some long keys, with values equal to their keys. */
#define LENGTHS 5
#define LONG_KEY ((size_t)70000)

static int map_odd_keys(struct vm_context *me, const void *input,
    size_t size)
{
	static const unsigned char bytes[] = { 0, 1, 255 };
	static unsigned char key[LONG_KEY + LENGTHS];

	(void)input;
	for (size_t length = 0, most = 1; length < LENGTHS; length++,
	    most *= 3)
		for (size_t n = 0; n < most; n++) {
			for (size_t i = 0, k = n; i < length; i++, k /= 3)
				key[i] = bytes[k % 3];
			if (vm_emit(me, key, length, key, length) < 0)
				return -1;
		}
	memset(key, 'k', sizeof key);
	for (size = LONG_KEY; size < sizeof key; size++)
		if (vm_emit(me, key, size, key, size) < 0)
			return -1;
	return vm_emit(me, NULL, 0, NULL, 0);
}

/* Checks that each value equals its key.  Outputs the number of values. */
static int reduce_same(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	const void *value;
	uint64_t n = 0;
	size_t size;

	for (; (value = vm_value(values, &size)) != NULL; n++)
		if (size != key_size || memcmp(value, key, size) != 0)
			return vm_fail(me, 1, "another key's value");
	return vm_output(me, &n, sizeof n);
}

/* Emits the first value of each key, and the empty pair as it came. */
static int collect_first(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	const void *value;
	size_t size;

	value = vm_value(values, &size);
	return vm_emit(me, key, key_size, value, size);
}

START_TEST(keys_are_any_bytes)
{
	const size_t keys = 1 + 3 + 9 + 27 + 81 + LENGTHS;

	for (int i = 0; i < 8; i++) {
		struct vm_job job = { .map = map_odd_keys, .collect =
			i & 1 ? collect_first : NULL, .reduce = reduce_same };
		struct vm_reduce_options h = { .flags = i & 2 ? VM_SORTED : 0,
			.memory_limit = i & 4 ? 1 : 0 };
		struct counts c;
		vm_reducer *r = fork_job(&job, &(struct vm_options){
		    .workers = 2 }, &h);

		queue_run(r, 0, vm_range(0, 50));
		take_good_run(r, &c);
		ck_assert_uint_eq(c.outputs, keys);
		ck_assert(h.flags == 0 || in_key_order(&c));
		for (size_t k = 0; k < c.size && job.collect == NULL; k++)
			ck_assert_uint_eq(c.of[k].n, c.of[k].key_size ?
			    50 : 100);
		counts_free(&c);
		close_reducer(r);
	}
}
END_TEST

/* ---- no pairs, and a single key ---- */

static int map_nothing(struct vm_context *me, const void *input,
    size_t size)
{
	(void)me;
	(void)input;
	(void)size;
	return 0;
}

START_TEST(empty_runs_end)
{
	const struct vm_job jobs[] = { count_words, { .map = map_nothing },
		{ .map = map_nothing, .reduce = reduce_sum } };
	vm_reducer *r = vm_fork_jobs(jobs, COUNTOF(jobs), NULL, NULL);
	struct counts c;

	ck_assert_ptr_nonnull(r);
	for (size_t i = 0; i < COUNTOF(jobs); i++)
		for (int64_t inputs = 0; inputs < 100; inputs += 99) {
			queue_run(r, i, i == 0 ? vm_range(0, 0) :
			    vm_range(0, inputs));
			take_good_run(r, &c);
			ck_assert_uint_eq(c.size, 0);
			counts_free(&c);
		}
	close_reducer(r);
}
END_TEST

/* A collect() that emits only one value less than it gets. */
static int collect_one_less(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	uint64_t first = *(const uint64_t *)vm_value(values, NULL), n;
	const uint64_t *value;

	atomic_fetch_add(&shared->counter[0],
	    (long)vm_value_count(values));
	if ((value = vm_value(values, NULL)) == NULL)
		return vm_emit(me, key, key_size, &first, sizeof first);
	for (first += *value; (value = vm_value(values, NULL)) != NULL;) {
		n = *value;
		if (vm_emit(me, key, key_size, &n, sizeof n) < 0)
			return -1;
	}
	return vm_emit(me, key, key_size, &first, sizeof first);
}

static int map_one_key(struct vm_context *me, const void *input, size_t size)
{
	const uint64_t one = 1;

	(void)input;
	(void)size;
	for (int i = 0; i < 20000; i++)
		if (vm_emit(me, "key", 3, &one, sizeof one) < 0)
			return -1;
	return 0;
}

/* The cost is still no more than a few reads of each value. */
START_TEST(collect_may_spare_little)
{
	const struct vm_job job = { .map = map_one_key,
		.collect = collect_one_less, .reduce = reduce_sum };
	struct counts c;
	vm_reducer *r;

	shared = shared_new();
	r = fork_job(&job, &(struct vm_options){ .workers = 2 }, NULL);
	queue_run(r, 0, vm_range(0, 10));
	take_good_run(r, &c);
	ck_assert_uint_eq(c.outputs, 1);
	ck_assert_uint_eq(count_of(&c, "key"), 200000);
	ck_assert_int_lt(shared->counter[0], 200000 * 5);
	counts_free(&c);
	close_reducer(r);
	shared_free(shared);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		counts_words, groups_values_without_reduce, reduces_pairs,
		jobs_have_their_own, jobs_lie_in_jobs, runs_are_told_apart,
		counts_while_workers_are_killed, keeps_the_order_of_inputs,
		empty_runs_end, collect_may_spare_little };
	const TTest *const drawn[] = {
		counts_and_spills_while_workers_are_killed,
		gathers_while_workers_are_killed, sorts_a_million_keys,
		passes_a_value_of_100_mb, keys_are_any_bytes };

	return run_sampled_tests("reduce", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
