/*
 * test_models.c - examples from the documents of HotMap, Pymar and mincemeat
 * have the documented results: with 1, 2 and 9 workers, in chunks of a single
 * item and of the measured size, and again while workers are killed.
 */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "runs.h"
#include "tools.h"

/* Counters: workers killed so far, and workers to be killed. */
enum { KILLED, MOST };
#define KILLS 3

static struct shared *shared;

/* A way to run a scenario. */
struct way {
	int workers;
	size_t chunk_size;
	bool killing;
};

static struct vm_options options_of(const struct way *w)
{
	return (struct vm_options){ .workers = w->workers, .flags = VM_ORDERED,
		.chunk_size = w->chunk_size, .max_attempts = 1000 };
}

/* The callback of the first input waits until the workers were killed.  Its own
   worker may be killed, too; the item is then requeued. */
static int wait_for_kills(struct vm_context *me)
{
	if (me->index == 0 && await(&shared->counter[KILLED],
	    atomic_load(&shared->counter[MOST]), limit_ms()) < 0)
		return vm_fail(me, ETIME, "nobody was killed");
	return 0;
}

/* Runs a scenario in each way. */
static void in_all_ways(void (*run)(const struct way *))
{
	static const int workers[] = { 1, 2, 9 };

	for (unsigned i = 0; i < 4 * COUNTOF(workers); i++) {
		const struct way w = { workers[i / 4], i & 1, i & 2 };

		shared = shared_new();
		atomic_store(&shared->counter[MOST], w.killing ? KILLS : 0);
		run(&w);
		ck_assert_int_ge(shared->counter[KILLED],
		    w.killing ? KILLS : 0);
		shared_free(shared);
	}
}

/* ---- maps ---- */

/* Maps inputs on a pool, in order; stores outputs of one size in the array
   out. */
static void map_in_order(const struct way *w,
    int (*process)(struct vm_context *, const void *, size_t),
    struct vm_source source, void *out, size_t count, size_t size)
{
	const struct vm_worker worker = { .process = process };
	const struct vm_options o = options_of(w);
	vm_pool *pool = fork_pool(&worker, &o);
	struct killer k;
	struct vm_result r;

	if (w->killing)
		killer_start(&k, &shared->counter[KILLED],
		    &shared->counter[MOST]);
	imap_to(pool, source);
	for (size_t i = 0; i < count; i++) {
		take(pool, &r);
		ck_assert_msg(r.type == VM_OUTPUT, "%s",
		    r.exception ? r.exception->message : "");
		ck_assert_uint_eq(r.index, i);
		ck_assert_uint_eq(r.output_size, size);
		memcpy((unsigned char *)out + i * size, r.output, size);
	}
	take_end(pool);
	if (w->killing)
		killer_stop(&k);
	close_pool(pool);
}

static int square(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);

	(void)size;
	n *= n;
	return wait_for_kills(me) < 0 ? -1 : vm_output(me, &n, sizeof n);
}

static void run_squares(const struct way *w)
{
	static const int64_t right[] = { 1, 4, 9, 16, 25 };
	int64_t out[5];

	map_in_order(w, square, vm_range(1, 6), out, 5, sizeof *out);
	ck_assert_mem_eq(out, right, sizeof right);
}

START_TEST(hotmap_squares_in_order)
{
	in_all_ways(run_squares);
}
END_TEST

/* ---- parts ---- */

/* The sum of squares of a part, in two words of 10^18. */
struct sum {
	uint64_t high, low;
};

#define WORD UINT64_C(1000000000000000000)

static void sum_add(struct sum *s, uint64_t low)
{
	s->low += low;
	s->high += s->low / WORD;
	s->low %= WORD;
}

static int sum_squares(struct vm_context *me, const void *input, size_t size)
{
	struct vm_part part;
	struct sum s = { 0, 0 };

	memcpy(&part, input, size);
	for (uint64_t i = part.offset; i < part.offset + part.limit; i++)
		sum_add(&s, i * i);
	return wait_for_kills(me) < 0 ? -1 : vm_output(me, &s, sizeof s);
}

static void run_squaresum(const struct way *w)
{
	static const struct sum right[] = {
		{ 5, UINT64_C(208336458333750000) },
		{ 36, UINT64_C(458367708343750001) },
		{ 98, UINT64_C(958436458368750004) },
		{ 192, UINT64_C(708142708288749995) },
	};
	struct sum out[4], all = { 0, 0 };

	map_in_order(w, sum_squares, vm_parts(10000000, 4, VM_CUT_WITH_REST), out,
	    4, sizeof *out);
	for (int i = 0; i < 4; i++) {
		ck_assert_uint_eq(out[i].high, right[i].high);
		ck_assert_uint_eq(out[i].low, right[i].low);
		sum_add(&all, out[i].low);
		all.high += out[i].high;
	}
	/* 333333283333335000000 */
	ck_assert_uint_eq(all.high, 333);
	ck_assert_uint_eq(all.low, UINT64_C(333283333335000000));
	map_in_order(w, sum_squares, vm_parts(1000, 4, VM_CUT_WITH_REST), out, 4,
	    sizeof *out);
	ck_assert_uint_eq(out[0].low + out[1].low + out[2].low + out[3].low,
	    332833500);
}

START_TEST(pymar_sums_squares)
{
	in_all_ways(run_squaresum);
}
END_TEST

static int integrate(struct vm_context *me, const void *input, size_t size)
{
	const double dx = 1e-5;
	struct vm_part part;
	double sum = 0;

	memcpy(&part, input, size);
	for (uint64_t i = part.offset; i < part.offset + part.limit; i++)
		sum += exp(1 + (double)i * dx) * dx;
	return wait_for_kills(me) < 0 ? -1 : vm_output(me, &sum, sizeof sum);
}

/* The last digit depends on the C library. */
static bool is_near(double x, double right)
{
	return fabs(x - right) <= 1e-14 * right;
}

static void run_integral(const struct way *w)
{
	static const double right[] = { 23.071942728635943,
		218.90049784088762, 2076.8700979617474, 19704.57459343792 };
	double out[4], all = 0;

	map_in_order(w, integrate, vm_parts((uint64_t)(9 / 1e-5), 4,
	    VM_CUT_WITH_REST), out, 4, sizeof *out);
	for (int i = 0; i < 4; i++) {
		ck_assert_msg(is_near(out[i], right[i]), "%.17g", out[i]);
		all += out[i];
	}
	ck_assert_msg(is_near(all, 22023.41713196919), "%.17g", all);
}

START_TEST(pymar_integrates)
{
	ck_assert_uint_eq((uint64_t)(9 / 1e-5), 899999);
	in_all_ways(run_integral);
}
END_TEST

/* Twice the sum of the numbers of a part. */
static int twice(struct vm_context *me, const void *input, size_t size)
{
	struct vm_part part;
	uint64_t sum = 0;

	memcpy(&part, input, size);
	for (uint64_t i = 0; i < part.limit; i++)
		sum += 2 * (part.offset + i);
	return wait_for_kills(me) < 0 ? -1 : vm_output(me, &sum, sizeof sum);
}

static void run_doubles(const struct way *w)
{
	uint64_t out[3] = { 0, 0, 0 };

	map_in_order(w, twice, vm_parts(10, 3, VM_CUT_WITH_REST), out, 3,
	    sizeof *out);
	ck_assert_uint_eq(out[0] + out[1] + out[2], 90);
	map_in_order(w, twice, vm_parts(3, 1, VM_CUT_WITH_REST), out, 1,
	    sizeof *out);
	ck_assert_uint_eq(out[0], 6);
}

START_TEST(pymar_doubles_and_adds)
{
	in_all_ways(run_doubles);
}
END_TEST

/* ---- words ---- */

static int map_late(struct vm_context *me, const void *input, size_t size)
{
	return wait_for_kills(me) < 0 ? -1 : map_words(me, input, size);
}

/* A word and its count; the last entry is NULL. */
struct right {
	const char *word;
	uint64_t n;
};

/* Counts in each of the four ways: with or without collect, reduced by workers
   or by the caller. */
static void count_in_way(const struct way *w, const char *const *lines,
    size_t count, const struct right *right, bool collect, bool reduce)
{
	const struct vm_job job = { .map = map_late,
		.collect = collect ? vm_add_up : NULL,
		.reduce = reduce ? reduce_sum : NULL };
	const struct vm_options o = options_of(w);
	vm_reducer *r = fork_job(&job, &o, NULL);
	struct killer k;
	struct counts c;
	size_t words = 0;

	if (w->killing)
		killer_start(&k, &shared->counter[KILLED],
		    &shared->counter[MOST]);
	queue_run(r, 0, vm_strings(lines, count));
	take_good_run(r, &c);
	if (w->killing)
		killer_stop(&k);
	for (; right[words].word != NULL; words++)
		ck_assert_uint_eq(count_of(&c, right[words].word),
		    right[words].n);
	ck_assert_uint_eq(c.outputs, words);
	counts_free(&c);
	close_reducer(r);
}

static void count_all(const struct way *w, const char *const *lines,
    size_t count, const struct right *right)
{
	for (int i = 0; i < 4; i++) {
		atomic_store(&shared->counter[KILLED], 0);
		count_in_way(w, lines, count, right, i & 1, i & 2);
	}
}

static void run_humpty(const struct way *w)
{
	static const char *const lines[] = { "Humpty Dumpty sat on a wall",
		"Humpty Dumpty had a great fall",
		"All the King's horses and all the King's men",
		"Couldn't put Humpty together again" };
	static const struct right right[] = { { "a", 2 }, { "on", 1 },
		{ "great", 1 }, { "Humpty", 3 }, { "again", 1 }, { "wall", 1 },
		{ "Dumpty", 2 }, { "men", 1 }, { "had", 1 }, { "all", 1 },
		{ "together", 1 }, { "King's", 2 }, { "horses", 1 },
		{ "All", 1 }, { "Couldn't", 1 }, { "fall", 1 }, { "and", 1 },
		{ "the", 2 }, { "put", 1 }, { "sat", 1 }, { NULL, 0 } };

	count_all(w, lines, COUNTOF(lines), right);
}

START_TEST(mincemeat_counts_humpty_dumpty)
{
	in_all_ways(run_humpty);
}
END_TEST

static void run_abc(const struct way *w)
{
	static const char *const lines[] = { "a b a", "b c", "c c c" };
	static const struct right right[] = { { "a", 2 }, { "b", 2 },
		{ "c", 4 }, { NULL, 0 } };

	count_all(w, lines, COUNTOF(lines), right);
}

START_TEST(mincemeat_counts_a_b_c)
{
	in_all_ways(run_abc);
}
END_TEST

/* The callback finishfn of mincemeat is a loop in the caller here: counts above
   2, in upper case, times ten. */
static void run_finish(const struct way *w)
{
	static const char *const lines[] = { "a b a", "b c", "c c c" };
	const struct vm_job job = { .map = map_late, .reduce = reduce_sum };
	const struct vm_options o = options_of(w);
	vm_reducer *r = fork_job(&job, &o, NULL);
	struct vm_reduced one;
	char all[64] = "";
	struct killer k;
	uint64_t n;

	if (w->killing)
		killer_start(&k, &shared->counter[KILLED],
		    &shared->counter[MOST]);
	queue_run(r, 0, vm_strings(lines, COUNTOF(lines)));
	while (vm_zip_key_out(r, &one) == 1) {
		ck_assert_int_eq(one.type, VM_OUTPUT);
		memcpy(&n, one.output, sizeof n);
		if (n > 2)
			snprintf(all + strlen(all), 32, "%c:%d ",
			    *(const char *)one.key - 'a' + 'A', (int)n * 10);
	}
	if (w->killing)
		killer_stop(&k);
	ck_assert_str_eq(all, "C:40 ");
	close_reducer(r);
}

START_TEST(mincemeat_finishes)
{
	in_all_ways(run_finish);
}
END_TEST

/* ---- pairs ---- */

struct pair {
	const char *key;
	uint64_t value;
};

static int next_pair(void *from, const void **key, size_t *key_size,
    const void **value, size_t *value_size)
{
	const struct pair **at = from;

	if ((*at)->key == NULL)
		return 0;
	*key = (*at)->key;
	*key_size = strlen((*at)->key);
	*value = &(*at)->value;
	*value_size = sizeof (*at)->value;
	++*at;
	return 1;
}

static int reduce_late(struct vm_context *me, const void *key, size_t size,
    struct vm_values *values)
{
	return wait_for_kills(me) < 0 ? -1 : reduce_sum(me, key, size, values);
}

static void run_pairs(const struct way *w)
{
	static const struct pair pairs[] = { { "x", 1 }, { "y", 3 },
		{ "x", 2 }, { NULL, 0 } };
	const struct vm_job job = { .reduce = reduce_late };
	const struct vm_options o = options_of(w);
	const struct pair *at = pairs;
	vm_reducer *r = fork_job(&job, &o, NULL);
	struct killer k;
	struct counts c;

	if (w->killing)
		killer_start(&k, &shared->counter[KILLED],
		    &shared->counter[MOST]);
	queue_run(r, 0, vm_pairs((struct vm_pair_source){ .next = next_pair,
	    .from = &at }));
	take_good_run(r, &c);
	if (w->killing)
		killer_stop(&k);
	ck_assert_uint_eq(c.outputs, 2);
	ck_assert_uint_eq(count_of(&c, "x"), 3);
	ck_assert_uint_eq(count_of(&c, "y"), 3);
	counts_free(&c);
	close_reducer(r);
}

START_TEST(mincemeat_reduces_only)
{
	in_all_ways(run_pairs);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		hotmap_squares_in_order, pymar_integrates, mincemeat_finishes,
		mincemeat_reduces_only };
	const TTest *const drawn[] = {
		pymar_sums_squares, mincemeat_counts_humpty_dumpty,
		mincemeat_counts_a_b_c, pymar_doubles_and_adds };

	return run_sampled_tests("models", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
