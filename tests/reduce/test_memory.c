/*
 * test_memory.c - memory of a run, of all its processes and of the file in
 * memory, when its pairs are ten times its bound; and that room is given back.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "reduce/reducer.h"
#include "runs.h"
#include "tools.h"

#define LIMIT ((long)16 << 20)
/* Pairs of 16 bytes and their heads: ten times LIMIT. */
#define INPUTS 700
#define PAIRS_EACH 10000
#define FEW 2500
#define KEYS 20000

/* Sanitizers keep freed memory for a while, in each process. */
#if defined(__SANITIZE_ADDRESS__)
#define EXTRA ((long)3 << 30)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EXTRA ((long)3 << 30)
#endif
#endif
#ifndef EXTRA
#define EXTRA ((long)0)
#endif

/* ---- memory in use ---- */

/* The memory of a process in bytes, with its share of shared pages. */
static long pss(pid_t pid)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "Pss: %ld", &kib) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return kib * 1024;
}

/* Memory of this process, its fork server and the workers. */
static long pss_of_all(void)
{
	pid_t server[4], pids[64];
	long sum = pss(getpid());
	int servers = list_children(getpid(), server, COUNTOF(server));

	for (int i = 0; i < servers; i++) {
		int n = list_children(server[i], pids, COUNTOF(pids));

		sum += pss(server[i]);
		for (int k = 0; k < n; k++)
			sum += pss(pids[k]);
	}
	return sum;
}

/* Bytes of disk or memory that a file takes. */
static long room_of(int fd)
{
	struct stat s;

	return fd >= 0 && fstat(fd, &s) == 0 ? (long)s.st_blocks * 512 : 0;
}

struct sampler {
	vm_reducer *reducer;
	atomic_int stop;
	long most, in_file, spilled, looks;
};

static void look(struct sampler *s)
{
	const struct store *store = &s->reducer->plan.store;
	long file = room_of(store->file[0]), all = pss_of_all() + file;
	long disk = room_of(store->file[1]);

	s->most = MAX(s->most, all);
	s->in_file = MAX(s->in_file, file);
	s->spilled = MAX(s->spilled, disk);
	s->looks++;
}

static void *look_all_the_time(void *arg)
{
	struct sampler *s = arg;

	while (!atomic_load(&s->stop)) {
		look(s);
		nap_ms(1);
	}
	return NULL;
}

/* ---- the run ---- */

/* Emits count pairs of the sequence of all pairs, beginning with pair
   "from". */
static int emit_pairs(struct vm_context *me, uint64_t from, uint64_t count)
{
	const uint64_t one = 1;

	for (uint64_t key; count-- > 0; from++) {
		key = from * 7919 % KEYS;
		if (vm_emit(me, &key, sizeof key, &one, sizeof one) < 0)
			return -1;
	}
	return 0;
}

static int map_pairs(struct vm_context *me, const void *input, size_t size)
{
	(void)size;
	return emit_pairs(me, (uint64_t)number(input) * PAIRS_EACH,
	    PAIRS_EACH);
}

static int map_few_pairs(struct vm_context *me, const void *input,
    size_t size)
{
	(void)size;
	return emit_pairs(me, (uint64_t)number(input) * FEW, FEW);
}

static int map_one_key(struct vm_context *me, const void *input, size_t size)
{
	const uint64_t one = 1;

	for (int i = 0; i < PAIRS_EACH; i++)
		if (vm_emit(me, input, size, &one, sizeof one) < 0)
			return -1;
	return 0;
}

/* Checks the memory of a run in which an input emits pairs_each pairs, with
   "count" different keys in all. */
static void run_in_little(const struct vm_job *job, int64_t pairs_each,
    int64_t count, int workers, const struct vm_reduce_options *h)
{
	const struct vm_options o = { .workers = workers };
	const int64_t pairs = INPUTS * PAIRS_EACH;
	struct sampler s = { .stop = 0 };
	struct vm_reduced one;
	long before, keys = 0;
	pthread_t thread;
	int got;

	s.reducer = fork_job(job, &o, h);
	ck_assert_int_eq(vm_ready(vm_reducer_pool(s.reducer), -1), 0);
	/* The costs of a first, empty run are part of "before". */
	queue_run(s.reducer, 0, vm_range(0, 0));
	ck_assert_int_eq(vm_zip_key_out(s.reducer, &one), 0);
	look(&s);
	before = s.most;
	ck_assert_int_gt(before, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, look_all_the_time,
	    &s), 0);
	queue_run(s.reducer, 0, vm_range(0, pairs / pairs_each));
	for (; (got = vm_zip_key_out(s.reducer, &one)) == 1; keys++) {
		ck_assert_int_eq(one.type, VM_OUTPUT);
		ck_assert_int_eq(*(const int64_t *)one.output, pairs / count);
	}
	atomic_store(&s.stop, 1);
	pthread_join(thread, NULL);
	ck_assert_int_eq(got, 0);
	ck_assert_int_eq(keys, count);
	/* Most of the pairs were on disk. */
	ck_assert_int_gt(s.looks, 20);
	ck_assert_int_gt(s.spilled, 4 * LIMIT);
	ck_assert_int_gt(s.in_file, 0);
	ck_assert_msg(s.most - before <= LIMIT + LIMIT / 5 + EXTRA,
	    "%ld KiB instead of %ld at most", (s.most - before) / 1024,
	    LIMIT / 1024 * 6 / 5);
	/* Both files give back their room. */
	ck_assert_int_eq(room_of(s.reducer->plan.store.file[0]), 0);
	ck_assert_int_eq(room_of(s.reducer->plan.store.file[1]), 0);
	close_reducer(s.reducer);
}

START_TEST(keeps_to_its_limit)
{
	const struct vm_job job = { .map = map_pairs, .reduce = reduce_sum };
	const struct vm_reduce_options h = { .memory_limit = LIMIT };

	run_in_little(&job, PAIRS_EACH, KEYS, 2, &h);
}
END_TEST

START_TEST(keeps_to_it_collected_and_sorted)
{
	const struct vm_job job = { .map = map_pairs, .reduce = reduce_sum,
		.collect = vm_add_up };
	const struct vm_reduce_options h = { .memory_limit = LIMIT,
		.flags = VM_SORTED };

	run_in_little(&job, PAIRS_EACH, KEYS, 3, &h);
}
END_TEST

/* Calls emit too few pairs to write them to a file. */
START_TEST(keeps_to_it_in_small_pieces)
{
	const struct vm_job job = { .map = map_few_pairs,
		.reduce = reduce_sum };
	const struct vm_reduce_options h = { .memory_limit = LIMIT };

	run_in_little(&job, FEW, KEYS, 2, &h);
}
END_TEST

/* All pairs of a call belong to the same partition, of many. */
START_TEST(keeps_to_it_a_key_at_a_time)
{
	const struct vm_job job = { .map = map_one_key,
		.reduce = reduce_sum };
	const struct vm_reduce_options h = { .memory_limit = LIMIT,
		.partitions = 64 };

	run_in_little(&job, PAIRS_EACH, INPUTS, 2, &h);
}
END_TEST

/* ---- a single key ---- */

#define VALUES ((uint64_t)1000000)

static int map_values(struct vm_context *me, const void *input, size_t size)
{
	uint64_t n = (uint64_t)number(input) * 10000;

	(void)size;
	for (uint64_t end = n + 10000; n < end; n++)
		if (vm_emit(me, "key", 3, &n, sizeof n) < 0)
			return -1;
	return 0;
}

/* Outputs the sum of the values; fails if that takes more than 1 MiB. */
static int reduce_in_little(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	long before = memory_kib(), most = 0;
	uint64_t sum = 0, left = vm_value_count(values);
	const void *value;

	(void)key;
	(void)key_size;
	while ((value = vm_value(values, NULL)) != NULL) {
		sum += *(const uint64_t *)value;
		if (left-- % 4096 == 0)
			most = MAX(most, memory_kib() - before);
	}
	if (left != 0 || most > 1024 + EXTRA / 1024)
		return vm_fail(me, 1, "%ld KiB", most);
	return vm_output(me, &sum, sizeof sum);
}

START_TEST(values_of_a_key_need_little)
{
	const struct vm_job job = { .map = map_values,
		.reduce = reduce_in_little };
	const struct vm_reduce_options h = { .memory_limit = 1 << 20 };
	vm_reducer *r = fork_job(&job, NULL, &h);
	struct counts c;

	queue_run(r, 0, vm_range(0, VALUES / 10000));
	take_good_run(r, &c);
	ck_assert_uint_eq(count_of(&c, "key"), VALUES * (VALUES - 1) / 2);
	counts_free(&c);
	close_reducer(r);
}
END_TEST

/* ---- a large value ---- */

#define LARGE ((size_t)50 << 20)

static int map_large_first(struct vm_context *me, const void *input,
    size_t size)
{
	char *large = calloc(LARGE, 1);
	int r = -1;

	(void)input;
	(void)size;
	if (large != NULL && vm_emit(me, "a", 1, large, LARGE) == 0)
		r = vm_emit(me, "b", 1, large, 1);
	free(large);
	return r;
}

static int reduce_to_memory(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	uint64_t kib = (uint64_t)memory_kib();

	(void)key;
	(void)key_size;
	while (vm_value(values, NULL) != NULL)
		continue;
	return vm_output(me, &kib, sizeof kib);
}

/* The memory of a large value is free again for the key behind it. */
START_TEST(large_values_are_not_kept)
{
	const struct vm_job job = { .map = map_large_first,
		.reduce = reduce_to_memory };
	const struct vm_options o = { .workers = 1 };
	const struct vm_reduce_options h = { .flags = VM_SORTED };
	vm_reducer *r = fork_job(&job, &o, &h);
	struct counts c;

	queue_run(r, 0, vm_range(0, 1));
	take_good_run(r, &c);
	ck_assert_uint_lt(count_of(&c, "b"), count_of(&c, "a") + 10240 +
	    EXTRA / 1024);
	counts_free(&c);
	close_reducer(r);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		values_of_a_key_need_little };
	const TTest *const drawn[] = {
		keeps_to_it_collected_and_sorted, keeps_to_it_in_small_pieces,
		keeps_to_it_a_key_at_a_time, large_values_are_not_kept,
		keeps_to_its_limit };

	return run_sampled_tests("memory", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
