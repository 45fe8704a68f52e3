/*
 * test_reducer.c - reducers and errors: callbacks that fail or crash, calls out
 * of place, no disk space, ends in the middle.  Results are right or an error
 * is reported clearly, and nothing is left behind.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "runs.h"
#include "scratch.h"
#include "tools.h"

static struct shared *shared;

/* Returns the number of shared mappings of this process. */
static int count_shared(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], rights[8];
	int n = 0;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "%*s %7s", rights) == 1)
			n += rights[3] == 's';
	fclose(f);
	return n;
}

/* Resources of this process, which are to be the same in the end. */
struct kept {
	int fds, children, maps;
};

static struct kept look_around(void)
{
	return (struct kept){ count_fds(), count_children(),
		count_shared() };
}

static void check_kept(struct kept before)
{
	struct kept now = look_around();

	ck_assert_int_eq(now.fds, before.fds);
	ck_assert_int_eq(now.children, before.children);
	ck_assert_int_eq(now.maps, before.maps);
}

/* ---- callbacks that fail ---- */

/* Fails or crashes as the first byte of an input or a key demands. */
static int suffer(struct vm_context *me, const void *what, size_t size)
{
	switch (size > 0 ? *(const char *)what : 0) {
	case '!':
		raise(SIGSEGV);
		break;
	case '?':
		return vm_fail(me, 7, "a question");
	case '#':
		return 5;
	case '0':
		vm_fail(me, 0, "failed with 0");
		break;
	case '2':
		if (me->attempt == 1)
			raise(SIGKILL);
		break;
	case '3':
		if (me->attempt == 1)
			return 3;
	}
	return 0;
}

/* Fails after it has emitted all pairs. */
static int map_badly(struct vm_context *me, const void *input, size_t size)
{
	const char *text = input;
	int r = map_words(me, size > 0 ? text + 1 : text, size ? size - 1 : 0);

	return r == 0 ? suffer(me, input, size) : r;
}

static int reduce_badly(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	int r = suffer(me, key, key_size);

	return r == 0 ? reduce_sum(me, key, key_size, values) : r;
}

static int map_badly_by_key(struct vm_context *me, const void *input,
    size_t size)
{
	/* The return value of vm_emit() does not matter here. */
	for (int i = 0; i < 3; i++)
		map_words(me, input, size);
	return 0;
}

static int collect_badly(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	int r = suffer(me, key, key_size);

	return r == 0 ? vm_add_up(me, key, key_size, values) : r;
}

static const struct count *find(const struct counts *c, const char *text,
    int is_input)
{
	for (size_t i = 0; i < c->size; i++)
		if ((c->of[i].input != NULL) == is_input &&
		    c->of[i].key_size == strlen(text) &&
		    memcmp(c->of[i].key, text, strlen(text)) == 0)
			return &c->of[i];
	ck_abort_msg("%s was not told of", text);
	return NULL;
}

static void run_strings(vm_reducer *r, const char *const *texts, size_t n,
    struct counts *c)
{
	queue_run(r, 0, vm_strings(texts, n));
	take_run(r, c);
	ck_assert_msg(c->rc == 0, "%s", vm_reducer_error(r));
}

/* With so little memory, calls write pairs to files before they fail. */
static const struct vm_reduce_options little = { .memory_limit = 1 };

static void try_bad_inputs(const struct vm_options *o,
    const struct vm_reduce_options *h, int collect)
{
	const char *const texts[] = { ".a b a", "!a b c", ".b c", "?b d",
		".c c", "#c a", "0a a", "2c", "3b b b a", "" };
	const struct vm_job job = { .map = map_badly, .reduce = reduce_sum,
		.collect = collect ? vm_add_up : NULL };
	vm_reducer *r = fork_job(&job, o, h);
	struct counts c;

	for (int runs = 0; runs < 2; runs++) {
		run_strings(r, texts, COUNTOF(texts), &c);
		ck_assert_uint_eq(c.bad_inputs, 4);
		ck_assert_uint_eq(c.bad_keys, 0);
		ck_assert_uint_eq(c.outputs, 3);
		ck_assert_int_eq(find(&c, "!a b c", 1)->cause, VM_KILLED);
		ck_assert_int_eq(find(&c, "?b d", 1)->cause, VM_FAILED);
		ck_assert_int_eq(find(&c, "#c a", 1)->cause, VM_FAILED);
		ck_assert_int_eq(find(&c, "0a a", 1)->cause, VM_FAILED);
		ck_assert_uint_eq(count_of(&c, "a"), 3);
		ck_assert_uint_eq(count_of(&c, "b"), 5);
		ck_assert_uint_eq(count_of(&c, "c"), 4);
		counts_free(&c);
	}
	close_reducer(r);
}

START_TEST(inputs_fail_alone)
{
	const struct vm_options o = { .workers = 2, .max_attempts = 2 };

	no_cores();
	try_bad_inputs(&o, NULL, 0);
	try_bad_inputs(&o, NULL, 1);
	try_bad_inputs(&o, &little, 1);
}
END_TEST

START_TEST(keys_fail_alone)
{
	const char *const texts[] = { "a !x b ?x #x", "a !x !x 0x 2x 2x",
		"3x b a" };
	const struct vm_job job = { .map = map_words,
		.reduce = reduce_badly };
	const struct vm_options o = { .workers = 2, .max_attempts = 2 };
	vm_reducer *r = fork_job(&job, &o, NULL);
	struct counts c;

	no_cores();
	run_strings(r, texts, COUNTOF(texts), &c);
	ck_assert_uint_eq(c.bad_inputs, 0);
	ck_assert_uint_eq(c.bad_keys, 4);
	ck_assert_int_eq(find(&c, "!x", 0)->cause, VM_KILLED);
	ck_assert_int_eq(find(&c, "?x", 0)->cause, VM_FAILED);
	ck_assert_int_eq(find(&c, "#x", 0)->cause, VM_FAILED);
	ck_assert_int_eq(find(&c, "0x", 0)->cause, VM_FAILED);
	ck_assert_uint_eq(count_of(&c, "a"), 3);
	ck_assert_uint_eq(count_of(&c, "b"), 2);
	ck_assert_uint_eq(count_of(&c, "2x"), 2);
	ck_assert_uint_eq(count_of(&c, "3x"), 1);
	counts_free(&c);
	close_reducer(r);
}
END_TEST

/* A failure of collect() does not lose pairs: its input fails. */
START_TEST(collect_fails_its_input)
{
	const char *const texts[] = { "a b", "a !x", "?x b", "#x", "0x b",
		"2x a", "3x" };
	/* With 20, values are also collected before the call ends. */
	const int often[] = { 1, 20 };
	const struct vm_job job = { .map = map_badly_by_key,
		.collect = collect_badly, .reduce = reduce_sum };
	const struct vm_options o = { .workers = 2, .max_attempts = 2 };
	vm_reducer *r = fork_job(&job, &o, NULL);
	char long_texts[COUNTOF(texts)][200];
	const char *these[COUNTOF(texts)];
	struct counts c;

	no_cores();
	for (size_t n = 0; n < COUNTOF(often); n++) {
		for (size_t i = 0; i < COUNTOF(texts); i++) {
			these[i] = long_texts[i];
			long_texts[i][0] = '\0';
			for (int k = 0; k < often[n]; k++)
				strcat(strcat(long_texts[i], texts[i]), " ");
		}
		queue_run(r, 0, vm_strings(these, COUNTOF(texts)));
		take_run(r, &c);
		ck_assert_int_eq(c.rc, 0);
		ck_assert_uint_eq(c.bad_inputs, 4);
		ck_assert_int_eq(find(&c, these[1], 1)->cause, VM_KILLED);
		ck_assert_int_eq(find(&c, these[2], 1)->cause, VM_FAILED);
		ck_assert_int_eq(find(&c, these[3], 1)->cause, VM_FAILED);
		ck_assert_uint_eq(c.outputs, 4);
		ck_assert_uint_eq(count_of(&c, "a"), 6 * (uint64_t)often[n]);
		ck_assert_uint_eq(count_of(&c, "b"), 3 * (uint64_t)often[n]);
		ck_assert_uint_eq(count_of(&c, "2x"), 3 * (uint64_t)often[n]);
		counts_free(&c);
	}
	close_reducer(r);
}
END_TEST

/* Makes an output, which a collect() has no reason for. */
static int collect_and_output(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	int r = collect_badly(me, key, key_size, values);

	return r == 0 ? vm_output(me, "collected", 9) : r;
}

/* Where values of several inputs are merged, no single input is to blame: the
   merge goes on without collect(). */
START_TEST(gathering_goes_without_collect)
{
	const char *const texts[] = { "a !x b", "a !x ?x", "?x #x", "#x b" };
	const char *const keys[] = { "a", "b", "!x", "?x", "#x" };
	struct vm_job job = { .map = map_words, .reduce = reduce_sum };
	struct counts c;

	no_cores();
	for (int i = 0; i < 4; i++) {
		struct vm_reduce_options h = { .partitions = i & 1,
			.memory_limit = 1 };
		vm_reducer *r;

		job.collect = i & 2 ? collect_badly : collect_and_output;
		r = fork_job(&job, &(struct vm_options){ .workers = 2 }, &h);
		run_strings(r, texts, COUNTOF(texts), &c);
		ck_assert_uint_eq(c.bad_inputs + c.bad_keys, 0);
		ck_assert_uint_eq(c.outputs, COUNTOF(keys));
		for (size_t k = 0; k < COUNTOF(keys); k++)
			ck_assert_uint_eq(count_of(&c, keys[k]), 2);
		counts_free(&c);
		close_reducer(r);
	}
}
END_TEST

/* max_failures counts inputs and keys, and a partition is neither. */
START_TEST(gathering_again_is_no_failure)
{
	const char *const texts[] = { "?x b", "?x", "?x b", "?x" };
	const struct vm_job job = { .map = map_words, .reduce = reduce_sum,
		.collect = collect_badly };
	vm_reducer *r = fork_job(&job, &(struct vm_options){ .workers = 1,
	    .max_failures = 1 }, NULL);
	struct counts c;

	run_strings(r, texts, COUNTOF(texts), &c);
	ck_assert_uint_eq(c.bad_inputs + c.bad_keys, 0);
	ck_assert_uint_eq(count_of(&c, "?x"), 4);
	ck_assert_uint_eq(count_of(&c, "b"), 2);
	counts_free(&c);
	close_reducer(r);
}
END_TEST

/* Failures of the map phase are counted after a gather, too. */
START_TEST(failures_of_each_run_are_counted)
{
	const char *const texts[] = { "?", ".a", ".a", "?", ".a" };
	const struct vm_job job = { .map = map_badly, .reduce = reduce_sum };
	vm_reducer *r = fork_job(&job, &(struct vm_options){ .workers = 1,
	    .max_failures = 2, .chunk_size = 1, .flags = VM_ORDERED,
	    .max_real_in_flight_factor = 1, .max_total_in_flight_factor = 1 },
	    NULL);
	struct counts c;

	for (int runs = 0; runs < 2; runs++) {
		run_strings(r, texts, COUNTOF(texts), &c);
		ck_assert_uint_eq(count_of(&c, "a"), 2);
		counts_free(&c);
	}
	close_reducer(r);
}
END_TEST

/* Emits the config of its job. */
static int map_config(struct vm_context *me, const void *input, size_t size)
{
	return vm_emit(me, input, size, me->config, me->config_size);
}

START_TEST(configs_have_the_size_of_their_job)
{
	char texts[] = "abcdef";
	const struct vm_job jobs[] = {
		{ .map = map_config, .config = texts, .config_size = 2 },
		{ .map = map_config, .config = texts + 2, .config_size = 4 },
		{ .map = map_config } };
	const struct vm_reduce_options named = { .name = "jobs" };
	struct vm_reduced one;
	size_t size;

	for (int i = 0; i < 2; i++) {
		vm_reducer *r = vm_fork_jobs(jobs, 3, NULL,
		    i ? &named : NULL);

		for (size_t n = 0; n < 3; n++) {
			queue_run(r, n, vm_range(0, 1));
			ck_assert_int_eq(vm_zip_key_out(r, &one), 1);
			ck_assert_int_eq(one.type, VM_OUTPUT);
			ck_assert_ptr_nonnull(vm_value(one.values, &size));
			ck_assert_uint_eq(size, jobs[n].config_size);
			ck_assert_int_eq(vm_zip_key_out(r, &one), 0);
		}
		close_reducer(r);
	}
}
END_TEST

static int map_to_itself(struct vm_context *me, const void *input, size_t size)
{
	return vm_emit(me, input, size, input, size);
}

/* The caller reads the values from the store, which has values of another run
   at the same offsets by then. */
START_TEST(each_run_has_its_own_values)
{
	const struct vm_job job = { .map = map_to_itself };
	vm_reducer *r = fork_job(&job, &(struct vm_options){ .workers = 1 },
	    NULL);
	struct vm_reduced one;
	const void *value;
	size_t size;

	for (int run = 0; run < 3; run++) {
		queue_run(r, 0, vm_range(1000 * run, 1000 * run + 100));
		for (int i = 0; i < 100; i++) {
			ck_assert_int_eq(vm_zip_key_out(r, &one), 1);
			value = vm_value(one.values, &size);
			ck_assert_ptr_nonnull(value);
			ck_assert_uint_eq(size, one.key_size);
			ck_assert_mem_eq(value, one.key, size);
		}
		ck_assert_int_eq(vm_zip_key_out(r, &one), 0);
	}
	close_reducer(r);
}
END_TEST

/* Takes the next result: an exception with code 5 and this message. */
static void take_code(vm_reducer *r, const char *message)
{
	struct vm_reduced one;

	ck_assert_int_eq(vm_zip_key_out(r, &one), 1);
	ck_assert_int_eq(one.type, VM_EXCEPTION);
	ck_assert_int_eq(one.exception->code, 5);
	ck_assert_str_eq(one.exception->message, message);
}

START_TEST(a_code_names_its_hook)
{
	const char *const bad = "#", *const good = "#x";
	const struct vm_job jobs[] = {
		{ .map = map_badly },
		{ .map = map_badly_by_key, .collect = collect_badly },
		{ .map = map_words, .reduce = reduce_badly } };
	vm_reducer *r = vm_fork_jobs(jobs, 3, NULL, NULL);

	queue_run(r, 0, vm_strings(&bad, 1));
	queue_run(r, 1, vm_strings(&good, 1));
	queue_run(r, 2, vm_strings(&good, 1));
	take_code(r, "map() failed with code 5.");
	ck_assert_int_eq(vm_zip_key_out(r, &(struct vm_reduced){ 0 }), 0);
	take_code(r, "collect() failed with code 5.");
	ck_assert_int_eq(vm_zip_key_out(r, &(struct vm_reduced){ 0 }), 0);
	take_code(r, "reduce() failed with code 5.");
	ck_assert_int_eq(vm_zip_key_out(r, &(struct vm_reduced){ 0 }), 0);
	close_reducer(r);
}
END_TEST

START_TEST(codes_and_words_are_the_hooks)
{
	const char *const texts[] = { "#x #x", "?x ?x" };
	const struct vm_job job = { .map = map_badly_by_key,
		.collect = collect_badly };
	vm_reducer *r = fork_job(&job,
	    &(struct vm_options){ .flags = VM_ORDERED }, NULL);
	struct vm_reduced one;

	queue_run(r, 0, vm_strings(texts, 2));
	ck_assert_int_eq(vm_zip_key_out(r, &one), 1);
	ck_assert_int_eq(one.exception->code, 5);
	ck_assert_uint_eq(one.input_size, 5);
	ck_assert_int_eq(((const char *)one.input)[5], 0);
	ck_assert_int_eq(vm_zip_key_out(r, &one), 1);
	ck_assert_int_eq(one.exception->code, 7);
	ck_assert_str_eq(one.exception->message, "a question");
	ck_assert_int_eq(vm_zip_key_out(r, &one), 0);
	close_reducer(r);
}
END_TEST

/* ---- calls out of place ---- */

static int emit_in_setup(struct vm_context *me)
{
	return vm_emit(me, "a", 1, NULL, 0) == -1 && errno == EINVAL ? 0 : 1;
}

static int fail_in_setup(struct vm_context *me)
{
	return vm_fail(me, 1, "no");
}

static void emit_in_teardown(struct vm_context *me)
{
	if (vm_emit(me, "a", 1, NULL, 0) == -1 && errno == EINVAL)
		atomic_fetch_add(&shared->counter[0], 1);
}

static int emit_in_reduce(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	(void)values;
	if (vm_emit(me, key, key_size, NULL, 0) == -1 && errno == EINVAL)
		return 0;
	_exit(9);
}

static int emit_other_key(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	static const char *const others[] = { "b", "a", "aab" };
	const char *other = others[key_size - 1];

	(void)key;
	(void)values;
	if (vm_emit(me, other, strlen(other), NULL, 0) == -1 &&
	    errno == EINVAL)
		return 0;
	_exit(9);
}

static int map_nulls(struct vm_context *me, const void *input, size_t size)
{
	int key = *(const char *)input == 'k';

	(void)size;
	if (vm_emit(me, key ? NULL : "a", 1, key ? "a" : NULL, 1) == -1 &&
	    errno == EINVAL)
		return 0;
	_exit(9);
}

static int emit_in_pool(struct vm_context *me, const void *input,
    size_t size)
{
	(void)input;
	(void)size;
	if (vm_emit(NULL, "a", 1, "b", 1) == -1 && errno == EINVAL &&
	    vm_emit(me, "a", 1, "b", 1) == -1 && errno == EINVAL)
		return 0;
	_exit(9);
}

static int map_after_failure(struct vm_context *me, const void *input,
    size_t size)
{
	(void)input;
	(void)size;
	vm_emit(me, "a", SIZE_MAX, "a", 1);
	if (vm_emit(me, "a", 1, "b", 1) == -1 && errno == EINVAL)
		return 0;
	_exit(9);
}

/* Runs a job over a single text, which must fail with that code. */
static void all_fail(const struct vm_job *job, const char *text, int code)
{
	vm_reducer *r = fork_job(job, NULL, NULL);
	struct vm_reduced one;
	int got, n = 0;

	queue_run(r, 0, vm_strings(&text, 1));
	for (; (got = vm_zip_key_out(r, &one)) == 1; n++) {
		ck_assert_int_eq(one.type, VM_EXCEPTION);
		ck_assert_int_eq(one.exception->cause, VM_FAILED);
		ck_assert_int_eq(one.exception->code, code);
		ck_assert_str_ne(one.exception->message, "");
	}
	ck_assert_int_eq(got, 0);
	ck_assert_int_eq(n, 1);
	close_reducer(r);
}

START_TEST(pairs_are_emitted_in_map_only)
{
	const struct vm_worker plain = { .process = emit_in_pool };
	struct vm_job job = { .map = map_words, .reduce = emit_in_reduce };
	struct vm_result result;
	vm_reducer *r;
	vm_pool *pool;

	all_fail(&job, "a", EINVAL);
	job = (struct vm_job){ .map = map_words, .collect = emit_other_key };
	/* A key of the same size, a prefix of the key, and again the same
	   size. */
	all_fail(&job, "a a", EINVAL);
	all_fail(&job, "aa aa", EINVAL);
	all_fail(&job, "aaa aaa", EINVAL);
	job = (struct vm_job){ .map = map_after_failure };
	all_fail(&job, "a", EFBIG);
	job = (struct vm_job){ .map = map_nulls };
	all_fail(&job, "k", EINVAL);
	all_fail(&job, "v", EINVAL);
	pool = fork_pool(&plain, NULL);
	imap_to(pool, vm_range(0, 1));
	take(pool, &result);
	ck_assert_int_eq(result.type, VM_EXCEPTION);
	ck_assert_int_eq(result.exception->code, EINVAL);
	close_pool(pool);

	shared = shared_new();
	job = count_words;
	job.teardown = emit_in_teardown;
	r = fork_job(&job, &(struct vm_options){ .workers = 1 }, NULL);
	/* The refused vm_emit() has failed the teardown. */
	ck_assert_int_eq(vm_reducer_close(r), 1);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "Teardown failed"));
	ck_assert_int_eq(shared->counter[0], 1);
	shared_free(shared);
}
END_TEST

/* A job that was not set up is not torn down. */
START_TEST(no_teardown_without_setup)
{
	const int workers[] = { 1, VM_SERIAL };
	struct vm_job job = count_words;

	job.setup = fail_in_setup;
	job.teardown = emit_in_teardown;
	shared = shared_new();
	for (size_t i = 0; i < COUNTOF(workers); i++) {
		vm_reducer *r = fork_job(&job, &(struct vm_options){
		    .workers = workers[i] }, NULL);

		ck_assert_int_eq(vm_ready(vm_reducer_pool(r), limit_ms()), -1);
		close_reducer(r);
	}
	ck_assert_int_eq(shared->counter[0], 0);
	shared_free(shared);
}
END_TEST

START_TEST(setup_may_not_emit)
{
	const int workers[] = { 1, VM_SERIAL };
	struct vm_job job = count_words;
	struct vm_reduced one;

	job.setup = emit_in_setup;
	for (size_t i = 0; i < COUNTOF(workers); i++) {
		vm_reducer *r = fork_job(&job, &(struct vm_options){
		    .workers = workers[i] }, NULL);
		int got, n = 0;

		queue_run(r, 0, abc());
		for (; (got = vm_zip_key_out(r, &one)) == 1; n++)
			ck_assert_int_eq(one.exception->cause,
			    VM_SETUP_FAILED);
		ck_assert_int_eq(got, -1);
		ck_assert_int_eq(errno, EPIPE);
		ck_assert_str_ne(vm_reducer_error(r), "");
		vm_reducer_close(r);
	}
}
END_TEST

START_TEST(inputs_without_map_are_pairs)
{
	const struct vm_job job = { .reduce = reduce_sum };
	const uint64_t long_key[] = { 1000, 1 };
	vm_reducer *r = fork_job(&job, NULL, NULL);
	struct counts c;

	queue_run(r, 0, abc());
	take_run(r, &c);
	ck_assert_int_eq(c.rc, 0);
	ck_assert_uint_eq(c.bad_inputs, 3);
	ck_assert_uint_eq(c.outputs, 0);
	counts_free(&c);
	queue_run(r, 0, vm_array(long_key, 1, sizeof long_key));
	take_run(r, &c);
	ck_assert_uint_eq(c.bad_inputs, 1);
	ck_assert_uint_eq(c.outputs, 0);
	counts_free(&c);
	close_reducer(r);
}
END_TEST

/* ---- pairs that are too large ---- */

#define MOST ((size_t)100000)

/* Emits a key and a value of the sizes in the input, up to MOST + 1 bytes. */
static int map_sizes(struct vm_context *me, const void *input, size_t size)
{
	static unsigned char bytes[MOST + 1];
	size_t of_key = (size_t)((const int64_t *)input)[0];
	size_t of_value = (size_t)((const int64_t *)input)[1];
	int r = vm_emit(me, bytes, of_key, bytes, of_value);

	(void)size;
	if (r < 0 && errno != EFBIG)
		_exit(9);
	return 0;
}

static int reduce_size(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	uint64_t n = 0;
	size_t size;

	(void)key;
	while (vm_value(values, &size) != NULL)
		n += size + key_size;
	return vm_output(me, &n, sizeof n);
}

START_TEST(large_items_fail_alone)
{
	const int64_t sizes[][2] = { { MOST + 1, 0 }, { MOST, 3 },
		{ 1, MOST + 1 }, { 1, MOST }, { 2, 65535 }, { 3, 65536 },
		{ 4, 65537 } };
	const struct vm_options o = { .max_item_bytes = MOST };

	for (int i = 0; i < 4; i++) {
		struct vm_job job = { .map = map_sizes, .reduce = reduce_size,
			.collect = i & 1 ? vm_add_up : NULL };
		vm_reducer *r = fork_job(&job, &o, i & 2 ? &little : NULL);
		struct counts c;

		queue_run(r, 0, vm_array(sizes, COUNTOF(sizes),
		    sizeof *sizes));
		take_run(r, &c);
		ck_assert_msg(c.rc == 0, "%s", vm_reducer_error(r));
		ck_assert_uint_eq(c.bad_inputs, 2);
		ck_assert_uint_eq(c.outputs, 5);
		for (size_t k = 0; k < c.size; k++)
			ck_assert(c.of[k].cause != 0 || c.of[k].n > 65536);
		counts_free(&c);
		close_reducer(r);
	}
}
END_TEST

/* An input larger than any memory. */
static int next_huge(void *from, const void **input, size_t *size)
{
	*input = from;
	*size = (size_t)1 << 47;
	return 1;
}

START_TEST(inputs_without_memory_fail_the_run)
{
	const struct vm_options o = { .max_item_bytes = (size_t)1 << 47 };
	vm_reducer *r = fork_job(&count_words, &o, NULL);
	struct counts c;

	queue_run(r, 0, (struct vm_source){ .next = next_huge, .from = "" });
	take_run(r, &c);
	ck_assert_int_eq(c.rc, -1);
	ck_assert_int_eq(c.error, ENOMEM);
	counts_free(&c);
	close_reducer(r);
}
END_TEST

START_TEST(large_inputs_are_the_sources_fault)
{
	static char text[MOST + 1];
	const struct vm_options o = { .max_item_bytes = MOST };
	vm_reducer *r = fork_job(&count_words, &o, NULL);
	struct counts c;

	memset(text, 'x', sizeof text);
	queue_run(r, 0, vm_array(text, 1, sizeof text));
	take_run(r, &c);
	ck_assert_int_eq(c.rc, -1);
	ck_assert_int_eq(c.error, EFBIG);
	counts_free(&c);
	take_good_run(r, &c);
	ck_assert_uint_eq(c.size, 0);
	queue_run(r, 0, vm_array(text, 1, MOST));
	take_good_run(r, &c);
	ck_assert_uint_eq(c.outputs, 1);
	counts_free(&c);
	close_reducer(r);
}
END_TEST

/* A line without end is refused, not buffered for ever, even in the source that
   the reducer makes from this source: the pipe stays open. */
START_TEST(lines_without_end_are_refused)
{
	vm_reducer *r = fork_job(&count_words, &(struct vm_options){
	    .max_item_bytes = 1000 }, NULL);
	static char much[65536];
	struct counts c;
	int ends[2];

	memset(much, 'x', sizeof much);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], much, sizeof much), sizeof much);
	queue_run(r, 0, vm_lines_fd(ends[0]));
	take_run(r, &c);
	ck_assert_int_eq(c.rc, -1);
	ck_assert_int_eq(c.error, EFBIG);
	counts_free(&c);
	close_reducer(r);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

/* ---- reducers that are refused ---- */

START_TEST(refuses_what_cannot_be)
{
	const struct vm_job nothing = { .setup = NULL };
	const struct vm_job no_config = { .map = map_words, .config_size = 8 };
	const int twice[] = { 3, 3 };
	const struct vm_options bad[] = {
		{ .workers = -5 }, { .workers = INT_MAX },
		{ .max_workers = -1 }, { .max_workers = INT_MAX },
		{ .workers = 400, .max_workers = 2 },
		{ .workers = 2, .worker_indices = twice },
		{ .worker_indices = twice }, { .max_attempts = -1 },
		{ .max_item_bytes = SIZE_MAX } };
	const struct vm_reduce_options worse[] = { { .partitions = -1 },
		{ .partitions = INT_MAX }, { .flags = 4 } };
	struct kept before = look_around();

	ck_assert_int_eq(refused_job(&nothing, NULL, NULL), EINVAL);
	ck_assert_int_eq(refused_job(NULL, NULL, NULL), EINVAL);
	ck_assert_int_eq(refused_job(&no_config, NULL, NULL), EINVAL);
	for (size_t i = 0; i < COUNTOF(bad); i++)
		ck_assert_int_eq(refused_job(&count_words, &bad[i], NULL),
		    EINVAL);
	for (size_t i = 0; i < COUNTOF(worse); i++)
		ck_assert_int_eq(refused_job(&count_words, NULL, &worse[i]),
		    EINVAL);
	ck_assert_ptr_null(vm_fork_jobs(&count_words, 0, NULL, NULL));
	ck_assert_int_eq(errno, EINVAL);
	check_kept(before);
}
END_TEST

START_TEST(knows_only_its_own_fields)
{
	struct { struct vm_job job; uint64_t more; } job = { count_words, 1 };
	struct { struct vm_options o; uint64_t more; } o = { .more = 1 };
	struct { struct vm_reduce_options h; uint64_t more; } h = { .more = 1 };
	vm_reducer *r;

	for (int i = 0; i < 3; i++) {
		r = vm_fork_jobs_sized(&job.job, 1, i == 0 ? sizeof job :
		    sizeof job.job, &o.o, i == 1 ? sizeof o : sizeof o.o, &h.h,
		    i == 2 ? sizeof h : sizeof h.h);
		ck_assert_ptr_null(r);
		ck_assert_int_eq(errno, EINVAL);
	}
	/* The structs of an older program are shorter. */
	job.more = o.more = h.more = 0;
	r = vm_fork_jobs_sized(&job.job, 1, sizeof job, &o.o,
	    sizeof o.o.workers, &h.h, sizeof h.h.partitions);
	ck_assert_ptr_nonnull(r);
	close_reducer(r);
}
END_TEST

START_TEST(workers_have_indices_of_their_own)
{
	const int indices[] = { 7, 3 };
	const int workers[] = { 2, 1, VM_SERIAL };
	struct counts c;

	for (size_t i = 0; i < COUNTOF(workers); i++) {
		vm_reducer *r = fork_job(&count_words, &(struct vm_options){
		    .workers = workers[i], .worker_indices = indices },
		    &little);

		queue_run(r, 0, abc());
		take_good_run(r, &c);
		check_abc(&c);
		counts_free(&c);
		close_reducer(r);
	}
}
END_TEST

START_TEST(refuses_runs)
{
	vm_reducer *r = fork_job(&count_words, NULL, NULL);
	struct vm_source bad = abc();
	struct vm_reduced one;
	struct counts c;

	ck_assert_int_eq(vm_map_reduce(r, 1, abc()), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_str_ne(vm_reducer_error(r), "");
	ck_assert_int_eq(vm_map_reduce(r, 0, (struct vm_source){ 0 }), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_str_ne(vm_reducer_error(r), "");
	ck_assert_int_eq(vm_map_reduce(r, 0, vm_strings(NULL, 1)), -1);
	ck_assert_int_eq(errno, EINVAL);
	bad.reserved[2] = &bad;
	ck_assert_int_eq(vm_map_reduce(r, 0, bad), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(vm_map_reduce(r, 0, vm_pairs((struct vm_pair_source){
	    NULL, NULL, NULL })), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(vm_map_reduce(NULL, 0, abc()), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_nonnull(strstr(vm_reducer_error(NULL), "vm_map_reduce"));
	ck_assert_int_eq(vm_zip_key_out(NULL, &one), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_nonnull(strstr(vm_reducer_error(NULL), "key_out"));
	ck_assert_int_eq(vm_zip_key_out(r, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_nonnull(strstr(vm_reducer_error(r), "vm_reduced"));
	ck_assert_int_eq(vm_reducer_close(NULL), 0);
	ck_assert_ptr_null(vm_reducer_pool(NULL));
	ck_assert_int_eq(vm_zip_key_out(r, &one), 0);
	queue_run(r, 0, abc());
	take_good_run(r, &c);
	check_abc(&c);
	counts_free(&c);
	close_reducer(r);
}
END_TEST

/* ---- storage of pairs ---- */

#define NOBODY 65534

static int refused_for_lack_of_rights(void *dir)
{
	struct vm_reduce_options h = { .spill_dir = dir };
	vm_reducer *r;

	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		return 77;
	r = vm_fork_jobs(&count_words, 1, NULL, &h);
	return r == NULL && errno == EACCES &&
	    strstr(vm_reducer_error(NULL), dir) != NULL ? 0 : 1;
}

START_TEST(needs_a_directory)
{
	char dir[] = "/tmp/vimap-test.XXXXXX";
	struct vm_reduce_options h = { .spill_dir = "/nowhere/at/all" };
	int status;

	ck_assert_int_eq(refused_job(&count_words, NULL, &h), ENOENT);
	ck_assert_ptr_nonnull(strstr(vm_reducer_error(NULL), h.spill_dir));
	h.spill_dir = "";
	ck_assert_int_eq(refused_job(&count_words, NULL, &h), ENOENT);
	h.spill_dir = "/dev/null";
	ck_assert_int_eq(refused_job(&count_words, NULL, &h), ENOTDIR);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chmod(dir, 0500), 0);
	status = getuid() == 0 ? in_child(refused_for_lack_of_rights, dir) :
	    0;
	h.spill_dir = dir;
	if (getuid() != 0)
		ck_assert_int_eq(refused_job(&count_words, NULL, &h), EACCES);
	rmdir(dir);
	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
}
END_TEST

/* Emits 1000 different keys of 512 bytes: some MB in a run. */
static int map_much(struct vm_context *me, const void *input, size_t size)
{
	char key[512];

	(void)size;
	memset(key, 'k', sizeof key);
	for (int64_t n = number(input) * 1000, end = n + 1000; n < end; n++) {
		memcpy(key, &n, sizeof n);
		if (vm_emit(me, key, sizeof key, &n, sizeof n) < 0)
			return -1;
	}
	return 0;
}

/* A run that fits in memory needs no directory; a larger run fails, and the
   messages name the directory. */
START_TEST(the_environment_names_a_directory)
{
	const struct vm_job much = { .map = map_much, .reduce = reduce_size };
	const struct vm_reduce_options h = { .memory_limit = 1 };
	int got, full = 0;
	struct vm_reduced one;
	struct counts c;
	vm_reducer *r;

	setenv("TMPDIR", "/nowhere/at/all", 1);
	r = fork_job(&count_words, NULL, NULL);
	queue_run(r, 0, abc());
	take_good_run(r, &c);
	check_abc(&c);
	counts_free(&c);
	close_reducer(r);
	r = fork_job(&much, NULL, &h);
	queue_run(r, 0, vm_range(0, 2));
	while ((got = vm_zip_key_out(r, &one)) == 1) {
		ck_assert_int_eq(one.exception->code, ENOSPC);
		full += strstr(one.exception->message,
		    "/nowhere/at/all") != NULL;
	}
	ck_assert_int_eq(got, 0);
	ck_assert_int_eq(full, 2);
	close_reducer(r);
	setenv("TMPDIR", "", 1);
	close_reducer(fork_job(&count_words, NULL, NULL));
	unsetenv("TMPDIR");
}
END_TEST

/* Run 1 needs more room than there is: inputs, or the run, fail with ENOSPC.
   Run 2 is small and succeeds. */
static void check_no_room(const char *dir)
{
	const struct vm_job jobs[] = { { .map = map_much,
		.reduce = reduce_size }, count_words };
	const struct vm_reduce_options h = { .spill_dir = dir,
		.memory_limit = 1 };
	struct kept before = look_around();
	vm_reducer *r = vm_fork_jobs(jobs, 2, &(struct vm_options){
	    .workers = 2 }, &h);
	struct vm_reduced one;
	struct counts c;
	int got, full = 0;

	ck_assert_msg(r != NULL, "%s", vm_reducer_error(NULL));
	for (int i = 0; i < 2; i++) {
		queue_run(r, 0, vm_range(0, 20));
		while ((got = vm_zip_key_out(r, &one)) == 1)
			if (one.type == VM_EXCEPTION) {
				ck_assert_int_eq(one.exception->code, ENOSPC);
				full++;
			}
		full += got == -1 && errno == ENOSPC;
		ck_assert(got == 0 || errno == ENOSPC);
		ck_assert_int_gt(full, 0);
		queue_run(r, 1, abc());
		take_good_run(r, &c);
		check_abc(&c);
		counts_free(&c);
	}
	close_reducer(r);
	check_kept(before);
}

static int in_small_files(void *dir)
{
	const struct rlimit limit = { 2 << 20, 2 << 20 };

	/* The limit applies to neither pipes nor memory. */
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 1;
	check_no_room(dir);
	return 0;
}

START_TEST(files_that_may_not_grow)
{
	ck_assert_int_eq(in_child(in_small_files, NULL), 0);
}
END_TEST

static int map_different(struct vm_context *me, const void *input,
    size_t size)
{
	(void)size;
	for (int64_t n = number(input) * 8000, end = n + 8000; n < end; n++)
		if (vm_emit(me, &n, sizeof n, &n, sizeof n) < 0)
			return -1;
	return 0;
}

/* Fails after it has emitted all pairs. */
static int map_in_vain(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);

	if (map_different(me, input, size) < 0)
		return -1;
	if (n % 3 == 0)
		return vm_fail(me, 1, "in vain");
	if (n % 3 == 1)
		return vm_fail(me, 0, "in vain") + 1;
	return 2;
}

/* Calls that emit 10 MB in all, in files of 512 KiB for each place. */
static int in_small_files_in_vain(void *arg)
{
	const struct rlimit limit = { 1 << 20, 1 << 20 };
	const struct vm_job job = { .map = map_in_vain };
	const struct vm_options o = { .workers = 1, .max_workers = 1 };
	vm_reducer *r;
	struct vm_reduced one;
	int got, n = 0;

	(void)arg;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	r = fork_job(&job, &o, &little);
	queue_run(r, 0, vm_range(0, 60));
	for (; (got = vm_zip_key_out(r, &one)) == 1; n++) {
		ck_assert_int_eq(one.type, VM_EXCEPTION);
		ck_assert_int_le(one.exception->code, 2);
	}
	ck_assert_int_eq(got, 0);
	ck_assert_int_eq(n, 60);
	close_reducer(r);
	return 0;
}

/* Emits pairs of as many keys as the input says. */
static int map_keys(struct vm_context *me, const void *input, size_t size)
{
	uint64_t key = 0;

	(void)size;
	for (int64_t n = number(input); n > 0; n--, key++)
		if (vm_emit(me, &key, sizeof key, "", 0) < 0)
			return -1;
	return 0;
}

/* Each buffer of 32 KiB, of 2048 pairs, is written as some 1,600 pieces,
   and a list of 1 MiB has 32,768. */
START_TEST(calls_with_too_many_pieces_say_so)
{
	const struct vm_job job = { .map = map_keys };
	vm_reducer *r = fork_job(&job, &(struct vm_options){ .workers = 1,
	    .max_item_bytes = 8 }, &(struct vm_reduce_options){
	    .memory_limit = 1, .partitions = 4096 });
	struct vm_reduced one;

	queue_run(r, 0, vm_range(46000, 46001));
	ck_assert_int_eq(vm_zip_key_out(r, &one), 1);
	ck_assert_int_eq(one.stage, VM_MAP_STAGE);
	ck_assert_int_eq(one.exception->cause, VM_FAILED);
	ck_assert_int_eq(one.exception->code, EFBIG);
	ck_assert_ptr_nonnull(strstr(one.exception->message, "pieces"));
	ck_assert_int_eq(vm_zip_key_out(r, &one), 0);
	close_reducer(r);
}
END_TEST

START_TEST(calls_that_fail_give_back_their_room)
{
	ck_assert_int_eq(in_child(in_small_files_in_vain, NULL), 0);
}
END_TEST

/* Pairs that take 19 MB, in files of 128 MiB for each place. */
static int in_larger_files(void *arg)
{
	const struct rlimit limit = { 256 << 20, 256 << 20 };
	const struct vm_job job = { .map = map_different,
		.reduce = reduce_sum };
	const struct vm_options o = { .workers = 1, .max_workers = 1 };
	const struct vm_reduce_options h = { .memory_limit = 16 << 20,
		.partitions = 1 };
	struct vm_reduced one;
	int got, keys = 0;
	vm_reducer *r;

	(void)arg;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	r = fork_job(&job, &o, &h);
	queue_run(r, 0, vm_range(0, 100));
	while ((got = vm_zip_key_out(r, &one)) == 1)
		keys++;
	ck_assert_msg(got == 0, "%s", vm_reducer_error(r));
	ck_assert_int_eq(keys, 800000);
	close_reducer(r);
	return 0;
}

START_TEST(files_need_some_times_the_pairs)
{
	ck_assert_int_eq(in_child(in_larger_files, NULL), 0);
}
END_TEST

/* Returns 77 if this process may not mount. */
static int in_small_file_system(void *dir)
{
	if (scratch_mount(dir, 2048) != 0)
		return 77;
	check_no_room(dir);
	return 0;
}

START_TEST(a_file_system_that_is_full)
{
	char dir[] = "/tmp/vimap-test.XXXXXX";
	int status;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	status = in_child(in_small_file_system, dir);
	rmdir(dir);
	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
}
END_TEST

/* ---- sources ---- */

struct failing {
	int given, fails_at, error, closed, returns;
};

static int next_or_fail(void *from, const void **input, size_t *size)
{
	struct failing *f = from;

	if (f->given == f->fails_at) {
		errno = f->error;
		return f->returns;
	}
	f->given++;
	*input = "a b";
	*size = 3;
	return 1;
}

static void close_failing(void *from)
{
	((struct failing *)from)->closed++;
}

START_TEST(sources_fail_in_the_middle)
{
	const int returns[] = { -1, -1, 7 }, at[] = { 0, 100, 100 };
	vm_reducer *r = fork_job(&count_words, NULL, NULL);
	struct vm_reduced one;
	struct counts c;

	for (int i = 0; i < 3; i++) {
		struct failing f = { .fails_at = at[i], .error = ENOTTY,
			.returns = returns[i] };

		queue_run(r, 0, (struct vm_source){ .next = next_or_fail,
		    .close = close_failing, .from = &f });
		queue_run(r, 0, abc());
		ck_assert_int_eq(vm_zip_key_out(r, &one), -1);
		ck_assert_int_eq(errno, i < 2 ? ENOTTY : EINVAL);
		ck_assert_str_ne(vm_reducer_error(r), "");
		take_good_run(r, &c);
		ck_assert_int_eq(f.closed, 1);
		ck_assert_uint_eq(count_of(&c, "a"), (uint64_t)at[i]);
		counts_free(&c);
		take_good_run(r, &c);
		check_abc(&c);
		counts_free(&c);
	}
	close_reducer(r);
}
END_TEST

/* A source whose callbacks use the reducer. */
static vm_reducer *present;

static int calls_are_refused(void)
{
	struct vm_reduced one;

	return vm_zip_key_out(present, &one) == -1 && errno == EDEADLK &&
	    vm_reducer_error(present)[0] != '\0' &&
	    vm_reducer_close(present) == -1 && errno == EDEADLK;
}

static int next_calls(void *from, const void **input, size_t *size)
{
	int *left = from;

	if (!calls_are_refused())
		return -1;
	*input = "a";
	*size = 1;
	return (*left)-- > 0;
}

START_TEST(sources_may_not_use_the_reducer)
{
	struct counts c;
	int left = 10;

	present = fork_job(&count_words, NULL, NULL);
	queue_run(present, 0, (struct vm_source){ .next = next_calls,
	    .from = &left });
	take_good_run(present, &c);
	ck_assert_uint_eq(count_of(&c, "a"), 10);
	counts_free(&c);
	close_reducer(present);
}
END_TEST

static void close_calls(void *from)
{
	*(int *)from += calls_are_refused();
}

START_TEST(nor_when_they_are_closed)
{
	int refused = 0;

	present = fork_job(&count_words, NULL, NULL);
	queue_run(present, 0, abc());
	queue_run(present, 0, (struct vm_source){ .next = next_calls,
	    .close = close_calls, .from = &refused });
	close_reducer(present);
	ck_assert_int_eq(refused, 1);
}
END_TEST

static int next_text(void *from, const void **input, size_t *size)
{
	static const char text[1000] = "text";

	(void)from;
	*input = text;
	*size = sizeof text;
	return 1;
}

/* Pairs that the caller has no room for end a run of a source without end. */
static int fails_while_it_maps(void *arg)
{
	const struct rlimit limit = { 2 << 20, 2 << 20 };
	struct vm_reduced one;
	int refused = 0;

	(void)arg;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	present = fork_job(&count_words, NULL, &little);
	queue_run(present, 0, (struct vm_source){ .next = next_text,
	    .close = close_calls, .from = &refused });
	ck_assert_int_eq(vm_zip_key_out(present, &one), -1);
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_int_eq(refused, 1);
	close_reducer(present);
	return 0;
}

START_TEST(nor_when_their_run_fails)
{
	ck_assert_int_eq(in_child(fails_while_it_maps, NULL), 0);
}
END_TEST

/* ---- ends in the middle ---- */

static int map_numbers(struct vm_context *me, const void *input, size_t size)
{
	uint64_t n = (uint64_t)number(input) % 100;

	(void)size;
	if (number(input) % 50 == 49)
		return vm_fail(me, 1, "it is so");
	return vm_emit(me, &n, sizeof n, &n, sizeof n);
}

static const struct vm_job jobs_to_end[] = {
	{ .map = map_numbers, .reduce = reduce_sum },
	{ .map = map_numbers }
};

START_TEST(ends_after_any_result)
{
	struct kept before = look_around();
	struct failing f = { .fails_at = 100 };
	struct vm_reduced one;

	/* 20 inputs fail, so that reducers are closed in the map phase, too. */
	for (int results = 0; results < 125; results += results < 30 ? 3 : 19)
		for (size_t job = 0; job < 2; job++) {
			vm_reducer *r = vm_fork_jobs(jobs_to_end, 2, NULL,
			    NULL);

			ck_assert_ptr_nonnull(r);
			queue_run(r, job, vm_range(0, 1000));
			f.closed = 0;
			queue_run(r, job, (struct vm_source){
			    .next = next_or_fail, .close = close_failing,
			    .from = &f });
			for (int i = 0; i < results; i++)
				if (vm_zip_key_out(r, &one) != 1)
					break;
			close_reducer(r);
			ck_assert_int_eq(f.closed, 1);
		}
	check_kept(before);
}
END_TEST

struct canceller {
	vm_pool *pool;
	int after_us;
};

static void *cancel_later(void *arg)
{
	struct canceller *c = arg;

	usleep((useconds_t)c->after_us);
	vm_cancel(c->pool, 0);
	return NULL;
}

/* Does a run over 4000 numbers lack a key or a value? */
static int is_cut_short(const struct counts *c)
{
	int any = c->outputs < 98;

	for (size_t i = 0; i < c->size; i++)
		any |= c->of[i].input == NULL && c->of[i].n <
		    40 * *(uint64_t *)(void *)c->of[i].key;
	return any;
}

/* Whatever the phase, the mapped pairs are reduced, or the run fails. */
START_TEST(runs_are_cancelled)
{
	const struct vm_options o = { .workers = 2 };
	vm_reducer *r = vm_fork_jobs(jobs_to_end, 2, &o, NULL);
	int cancelled = 0;
	struct canceller k = { .pool = vm_reducer_pool(r) };
	pthread_t thread;
	struct counts c;

	ck_assert_ptr_nonnull(r);
	for (int i = 0; i < 60 || (cancelled == 0 && i < 1000); i++) {
		k.after_us = i * 300;
		ck_assert_int_eq(pthread_create(&thread, NULL, cancel_later,
		    &k), 0);
		queue_run(r, (size_t)i % 2, vm_range(0, 4000));
		take_run(r, &c);
		pthread_join(thread, NULL);
		if (c.rc == -1) {
			ck_assert_int_eq(c.error, ECANCELED);
			cancelled++;
		} else {
			cancelled += is_cut_short(&c);
		}
		for (size_t n = 0; n < c.size; n++)
			ck_assert(c.of[n].input != NULL || c.of[n].n <= 40 *
			    *(uint64_t *)(void *)c.of[n].key);
		counts_free(&c);
		/* A cancel that came late ends with this run. */
		queue_run(r, 0, vm_range(0, 10));
		take_run(r, &c);
		counts_free(&c);
		queue_run(r, 0, vm_range(0, 100));
		take_run(r, &c);
		ck_assert_int_eq(c.rc, 0);
		ck_assert_uint_eq(c.outputs, 98);
		counts_free(&c);
	}
	ck_assert_int_gt(cancelled, 0);
	close_reducer(r);
}
END_TEST

START_TEST(failures_end_the_mapping)
{
	const struct vm_options o = { .max_failures = 3, .chunk_size = 1 };
	vm_reducer *r = vm_fork_jobs(jobs_to_end, 2, &o, NULL);
	struct counts c;

	ck_assert_ptr_nonnull(r);
	queue_run(r, 0, vm_range(0, 100000));
	take_run(r, &c);
	ck_assert_int_eq(c.rc, 0);
	/* Most of the inputs were not run. */
	ck_assert_uint_ge(c.bad_inputs, 3);
	ck_assert_uint_lt(c.bad_inputs, 2000);
	for (size_t n = 0; n < c.size; n++)
		ck_assert(c.of[n].cause == 0 || c.of[n].cause == VM_FAILED ||
		    c.of[n].cause == VM_CANCELLED);
	counts_free(&c);
	queue_run(r, 0, vm_range(0, 40));
	take_good_run(r, &c);
	ck_assert_uint_eq(c.outputs, 40);
	counts_free(&c);
	close_reducer(r);
}
END_TEST

START_TEST(pools_are_resized_meanwhile)
{
	const struct vm_options o = { .workers = 2, .max_workers = 7 };
	const struct vm_reduce_options h = { .memory_limit = 1 };
	vm_reducer *r = vm_fork_jobs(jobs_to_end, 2, &o, &h);
	int got, n = 0, keys = 0;
	struct vm_reduced one;

	ck_assert_ptr_nonnull(r);
	for (int run = 0; run < 3; run++) {
		queue_run(r, 0, vm_range(0, 5000));
		for (; (got = vm_zip_key_out(r, &one)) == 1; n++) {
			if (one.type == VM_OUTPUT) {
				ck_assert_uint_eq(*(const uint64_t *)
				    one.output, 50 * *(const uint64_t *)
				    one.key);
				keys++;
			}
			ck_assert_int_eq(vm_resize(vm_reducer_pool(r),
			    1 + n % 7), 0);
		}
		ck_assert_int_eq(got, 0);
	}
	ck_assert_int_eq(keys, 3 * 98);
	ck_assert_int_eq(n, 3 * (98 + 100));
	close_reducer(r);
	ck_assert_int_eq(count_children(), 0);
}
END_TEST

START_TEST(a_pool_that_breaks_down_is_told)
{
	vm_reducer *r = vm_fork_jobs(jobs_to_end, 2, NULL, NULL);
	struct vm_reduced one;
	pid_t server;
	int got;

	ck_assert_ptr_nonnull(r);
	queue_run(r, 0, vm_range(0, 100000));
	queue_run(r, 0, vm_range(0, 10));
	ck_assert_int_eq(vm_zip_key_out(r, &one), 1);
	ck_assert_int_eq(list_children(getpid(), &server, 1), 1);
	kill(server, SIGKILL);
	while ((got = vm_zip_key_out(r, &one)) == 1)
		ck_assert_int_eq(one.type, VM_EXCEPTION);
	for (int i = 0; i < 5 && got == -1; i++) {
		ck_assert_int_eq(errno, EPIPE);
		got = vm_zip_key_out(r, &one);
	}
	ck_assert_int_eq(vm_broken(vm_reducer_pool(r)), 1);
	vm_reducer_close(r);
	ck_assert_int_eq(count_children(), 0);
}
END_TEST

/* ---- other processes ---- */

static int uses_another_ones(void *arg)
{
	struct vm_reduced one;
	int fds = count_fds();

	if (vm_zip_key_out(arg, &one) != -1 || errno != EPERM ||
	    strstr(vm_reducer_error(arg), "another process") == NULL ||
	    vm_map_reduce(arg, 0, abc()) != -1 || errno != EPERM ||
	    vm_reducer_close(arg) != 0)
		return 1;
	return count_fds() < fds ? 0 : 2;
}

START_TEST(belongs_to_one_process)
{
	struct failing f = { .fails_at = 100 };
	vm_reducer *r = vm_fork_jobs(jobs_to_end, 2, NULL, &little);
	struct vm_reduced one;
	int n = 1;

	ck_assert_ptr_nonnull(r);
	queue_run(r, 1, vm_range(0, 1000));
	queue_run(r, 1, (struct vm_source){ .next = next_or_fail,
	    .close = close_failing, .from = &f });
	while (vm_zip_key_out(r, &one) == 1 && one.type != VM_OUTPUT)
		n = 1;
	/* Resources that the child frees still exist here. */
	ck_assert_int_eq(in_child(uses_another_ones, r), 0);
	ck_assert_int_eq(f.closed, 0);
	for (; vm_zip_key_out(r, &one) == 1; n++)
		while (vm_value(one.values, NULL) != NULL)
			continue;
	ck_assert_int_eq(n, 98);
	close_reducer(r);
	ck_assert_int_eq(f.closed, 1);
}
END_TEST

/* Emits more than an output may have, when all three workers have an input. */
static int map_together(struct vm_context *me, const void *input, size_t size)
{
	static const char value[100000];

	atomic_fetch_add(&shared->counter[0], 1);
	if (await(&shared->counter[0], 3, limit_ms()) < 0)
		return -1;
	return vm_emit(me, input, size, value, sizeof value);
}

/* Each worker has a place of its own in the store, also if the environment asks
   for more than max_workers. */
START_TEST(the_environment_names_workers)
{
	const struct vm_job job = { .map = map_together };
	const struct vm_options o = { .workers = 1, .max_workers = 1,
		.chunk_size = 1 };
	const char *const numbers[] = { "3", "serial" };
	struct vm_reduced one;
	vm_reducer *r;
	size_t size;

	shared = shared_new();
	for (size_t i = 0; i < COUNTOF(numbers); i++) {
		ck_assert_int_eq(setenv("VIMAP_WORKERS", numbers[i], 1), 0);
		r = fork_job(&job, &o, NULL);
		queue_run(r, 0, vm_range(0, 3));
		for (int n = 0; n < 3; n++) {
			ck_assert_int_eq(vm_zip_key_out(r, &one), 1);
			ck_assert_int_eq(one.type, VM_OUTPUT);
			ck_assert_ptr_nonnull(vm_value(one.values, &size));
			ck_assert_uint_eq(size, 100000);
		}
		ck_assert_int_eq(vm_zip_key_out(r, &one), 0);
		close_reducer(r);
	}
	shared_free(shared);
}
END_TEST

/* Asserts that the file in the directory has this content. */
static void check_file(const char *dir, const char *name, const char *text)
{
	char path[200], bytes[100];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s", name);
	ck_assert_uint_eq(fread(bytes, 1, sizeof bytes, f), strlen(text));
	ck_assert_mem_eq(bytes, text, strlen(text));
	fclose(f);
}

/* As they are told: without what the library adds; and no partitions. */
START_TEST(the_environment_has_failures_kept)
{
	const char *const texts[] = { "?", "#x", "#x" };
	const struct vm_job jobs[] = {
		{ .map = map_badly, .reduce = reduce_sum },
		{ .map = map_words, .collect = collect_badly,
		    .reduce = reduce_badly } };
	char dir[100], path[200];
	struct counts c;
	vm_reducer *r;

	scratch_make(dir, sizeof dir);
	ck_assert_int_eq(setenv("VIMAP_KEEP", dir, 1), 0);
	r = vm_fork_jobs(jobs, 2, &(struct vm_options){ .workers = 1 }, NULL);
	queue_run(r, 0, vm_strings(texts, 1));
	take_run(r, &c);
	counts_free(&c);
	check_file(dir, "0.input", "?");
	queue_run(r, 1, vm_strings(texts + 1, 2));
	take_run(r, &c);
	ck_assert_uint_eq(c.bad_keys, 1);
	counts_free(&c);
	check_file(dir, "0.2.input", "#x");
	snprintf(path, sizeof path, "%s/0.3.input", dir);
	ck_assert_int_eq(access(path, F_OK), -1);
	close_reducer(r);
	scratch_drop(dir);
}
END_TEST

START_TEST(the_environment_names_workers_with_indices)
{
	const int indices[] = { 7, 5 };
	const struct vm_options o = { .workers = 2, .max_workers = 2,
		.worker_indices = indices };
	const char *const numbers[] = { "1", "serial" };
	struct counts c;

	for (size_t i = 0; i < COUNTOF(numbers); i++) {
		vm_reducer *r;

		ck_assert_int_eq(setenv("VIMAP_WORKERS", numbers[i], 1), 0);
		r = fork_job(&count_words, &o, &little);
		queue_run(r, 0, abc());
		take_good_run(r, &c);
		check_abc(&c);
		counts_free(&c);
		close_reducer(r);
	}
}
END_TEST

START_TEST(the_environment_names_an_input)
{
	const int workers[] = { VM_SERIAL, 2 };
	const char *const texts[] = { "a a b", "b b b c", "a a a" };
	struct counts c;

	ck_assert_int_eq(setenv("VIMAP_ONLY", "1", 1), 0);
	for (size_t i = 0; i < COUNTOF(workers); i++) {
		vm_reducer *r = fork_job(&count_words, &(struct vm_options){
		    .workers = workers[i] }, NULL);

		queue_run(r, 0, vm_strings(texts, COUNTOF(texts)));
		take_good_run(r, &c);
		ck_assert_uint_eq(c.outputs, 2);
		ck_assert_uint_eq(count_of(&c, "b"), 3);
		ck_assert_uint_eq(count_of(&c, "c"), 1);
		counts_free(&c);
		close_reducer(r);
	}
}
END_TEST

START_TEST(nothing_is_left)
{
	struct kept before;
	struct counts c;

	/* The first reducer makes resources that stay. */
	close_reducer(fork_job(&count_words, NULL, NULL));
	before = look_around();
	for (int i = 0; i < 5; i++) {
		vm_reducer *r = fork_job(&count_words, NULL, &little);

		queue_run(r, 0, abc());
		take_good_run(r, &c);
		counts_free(&c);
		close_reducer(r);
		check_kept(before);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		inputs_fail_alone, keys_fail_alone, collect_fails_its_input,
		gathering_goes_without_collect,
		gathering_again_is_no_failure,
		failures_of_each_run_are_counted,
		configs_have_the_size_of_their_job, a_code_names_its_hook,
		each_run_has_its_own_values,
		codes_and_words_are_the_hooks,
		pairs_are_emitted_in_map_only, no_teardown_without_setup,
		setup_may_not_emit, inputs_without_map_are_pairs,
		large_items_fail_alone, large_inputs_are_the_sources_fault,
		lines_without_end_are_refused,
		inputs_without_memory_fail_the_run, refuses_what_cannot_be,
		knows_only_its_own_fields, workers_have_indices_of_their_own,
		refuses_runs, needs_a_directory,
		the_environment_names_a_directory,
		the_environment_names_workers,
		the_environment_names_workers_with_indices,
		the_environment_has_failures_kept,
		the_environment_names_an_input,
		files_that_may_not_grow,
		calls_that_fail_give_back_their_room,
		a_file_system_that_is_full, sources_fail_in_the_middle,
		sources_may_not_use_the_reducer, nor_when_they_are_closed,
		nor_when_their_run_fails, failures_end_the_mapping,
		pools_are_resized_meanwhile, a_pool_that_breaks_down_is_told,
		belongs_to_one_process, nothing_is_left };
	const TTest *const drawn[] = {
		files_need_some_times_the_pairs,
		calls_with_too_many_pieces_say_so, runs_are_cancelled,
		ends_after_any_result };

	return run_sampled_tests("reducer", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
