/*
 * test_spill.c - reducers in which a single system call or allocation fails, at
 * each point of their lives and in each of their processes: a result is right,
 * or an error is reported, and no process, descriptor or memory is left.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/base.h"
#include "fault_sys.h"
#include "sample.h"
#include "tools.h"
#include "trial.h"
#include "vimap_reduce.h"

/* Words per input, and number of different words; each comes EACH times. */
#define INPUTS 24
#define WORDS 1000
#define KEYS 300
#define EACH (INPUTS * WORDS / KEYS)
/* Every n-th seed draws a given set of lives. */
#define DRAWN_OF 25
/* Calls that may fail before the run ends. */
#define ERRORS_MOST 20

/* ---- the job ---- */

/* Keys are so long that pairs are spilled. */
static int map(struct vm_context *me, const void *input, size_t size)
{
	char key[64] = "";
	uint64_t n = (uint64_t)number(input) * WORDS;
	const uint64_t one = 1;

	(void)size;
	for (uint64_t end = n + WORDS; n < end; n++) {
		key[0] = (char)(n % KEYS % 128);
		key[1] = (char)(n % KEYS / 128);
		if (vm_emit(me, key, sizeof key, &one, sizeof one) < 0)
			return -1;
	}
	return 0;
}

static int reduce(struct vm_context *me, const void *key, size_t key_size,
    struct vm_values *values)
{
	uint64_t sum = 0;
	const void *value;

	(void)key;
	(void)key_size;
	while ((value = vm_value(values, NULL)) != NULL)
		sum += *(const uint64_t *)value;
	return vm_output(me, &sum, sizeof sum);
}

/* The record of a life; never allocates memory. */
struct life {
	struct fault fault;
	int lists, collects;	/* kind of job */
	int harmless;
	uint64_t told[KEYS];
	int bad_inputs, bad_keys, errors, outputs;
};

/* Prints the reason for which a life is wrong. */
static int wrong(const struct life *l, const char *why)
{
	fprintf(stderr, "call %d of kind %d in %d, error %d: %s\n",
	    l->fault.nth, (int)l->fault.kind, (int)l->fault.where,
	    l->fault.error, why);
	return 1;
}

static uint64_t number_of(const struct vm_reduced *r)
{
	uint64_t n = 0;
	const void *value;

	if (r->output != NULL)
		return *(const uint64_t *)r->output;
	while ((value = vm_value(r->values, NULL)) != NULL)
		n += *(const uint64_t *)value;
	return n;
}

static int note(struct life *l, const struct vm_reduced *r)
{
	const unsigned char *key = r->key;
	int n;

	if (r->type == VM_EXCEPTION) {
		l->bad_inputs += r->stage == VM_MAP_STAGE;
		l->bad_keys += r->stage == VM_REDUCE_STAGE;
		return r->exception->message[0] != '\0' ? 0 :
		    wrong(l, "no message");
	}
	n = key[0] + 128 * key[1];
	if (r->key_size != 64 || n >= KEYS || l->told[n] != 0)
		return wrong(l, "a key that is none, or came twice");
	l->told[n] = number_of(r);
	l->outputs++;
	return 0;
}

static int take_all(struct life *l, vm_reducer *r)
{
	struct vm_reduced one;
	int got, bad = 0;

	while ((got = vm_zip_key_out(r, &one)) != 0 && bad == 0)
		if (got == 1) {
			bad = note(l, &one);
		} else if (++l->errors > ERRORS_MOST ||
		    vm_broken(vm_reducer_pool(r))) {
			break;
		} else if (vm_reducer_error(r)[0] == '\0') {
			return wrong(l, "no words");
		}
	return bad;
}

/* If all inputs were mapped, all results must be right; in a list, except one
   per error, as unreadable values are reported by the next call. */
static int judge(const struct life *l)
{
	int unsure = l->lists && l->errors > 0;

	for (int i = 0; i < KEYS && l->bad_inputs == 0; i++)
		if (l->told[i] != 0 && l->told[i] != EACH && unsure-- <= 0)
			return wrong(l, "a wrong number");
	for (int i = 0; i < KEYS; i++)
		if (l->told[i] > EACH)
			return wrong(l, "too large a number");
	if (l->errors == 0 && l->bad_inputs == 0 &&
	    l->outputs + l->bad_keys != KEYS)
		return wrong(l, "keys are missing");
	if (l->harmless && (l->errors || l->bad_inputs || l->bad_keys))
		return wrong(l, "it was noticed");
	return 0;
}

static int live(struct life *l)
{
	const struct vm_job job = { .map = map,
		.reduce = l->lists ? NULL : reduce,
		.collect = l->collects ? vm_add_up : NULL };
	const struct vm_options o = { .workers = 2, .max_attempts = 2 };
	const struct vm_reduce_options h = { .memory_limit = 1,
		.flags = l->lists ? VM_SORTED : 0 };
	vm_reducer *r = vm_fork_jobs(&job, 1, &o, &h);
	int bad = 0;

	if (r == NULL) {
		l->errors++;
		return vm_reducer_error(NULL)[0] ? 0 : wrong(l, "no words");
	}
	if (vm_map_reduce(r, 0, vm_range(0, INPUTS)) == 0)
		bad = take_all(l, r);
	else
		l->errors++;
	if (vm_reducer_close(r) < 0)
		l->errors++;
	return bad;
}

/* Exit status 0: right, and no fault was met; 2: right, after a fault. */
static int watch_life(void *arg)
{
	struct life *l = arg;
	int fds = count_fds(), bad, hits;
	long blocks;

	no_cores();
	/* Allocates the memory that the first reducer allocates once. */
	vm_reducer_close(vm_fork_jobs(&(struct vm_job){ .map = map }, 1,
	    &(struct vm_options){ .workers = 1 }, NULL));
	blocks = fault_blocks();
	fault_arm(&l->fault);
	fault_malloc_on(1);
	bad = live(l);
	fault_malloc_on(0);
	hits = fault_hits();
	fault_arm(&(struct fault){ .kind = FAULT_NONE });
	if (bad == 0)
		bad = judge(l);
	if (bad == 0 && fault_blocks() != blocks)
		bad = wrong(l, "memory is left");
	if (bad == 0 && count_fds() != fds)
		bad = wrong(l, "descriptors are left");
	if (bad == 0 && count_children() != 0)
		bad = wrong(l, "processes are left");
	return bad ? 1 : hits > 0 ? 2 : 0;
}

/* Runs lives with the fault at the first call, the second ... until none is
   met; a sample has the first set of each test and some of the others, and of
   each a call in each of the ranges 1, 2 to 3, 4 to 6 and so on.  Returns the
   number of lives that met their fault. */
static int try_calls(struct life l)
{
	static unsigned numbered;
	unsigned number = numbered++;
	int met = 0, status = 2 << 8, range;

	if (!sample_takes(number, DRAWN_OF))
		return 0;
	for (int n = 1; status == 2 << 8; met++, n += range) {
		range = sample_all() ? 1 : 1 + n / 2;
		l.fault.nth = n + (int)sample_pick(number, DRAWN_OF,
		    (unsigned)range);
		status = in_child(watch_life, &l);
		ck_assert(status == 0 || status == 2 << 8);
	}
	return met - 1;
}

static const enum fault_where roles[] = { FAULT_HERE, FAULT_IN_WORKERS };

static void try_kind(enum fault_kind kind, enum fault_act act, int error,
    int harmless)
{
	int met = 0;

	for (size_t i = 0; i < COUNTOF(roles); i++)
		for (int job = 0; job < 2; job++)
			met += try_calls((struct life){ .fault = {
			    .kind = kind, .act = act, .error = error,
			    .times = 1, .where = roles[i] }, .lists = job,
			    .collects = job, .harmless = harmless });
	ck_assert(met > 0 || !sample_all());
}

START_TEST(writing_fails)
{
	try_kind(FAULT_PWRITE, FAULT_FAIL, ENOSPC, 0);
	try_kind(FAULT_PWRITE, FAULT_FAIL, EIO, 0);
}
END_TEST

START_TEST(reading_fails)
{
	try_kind(FAULT_PREAD, FAULT_FAIL, EIO, 0);
}
END_TEST

START_TEST(calls_are_interrupted_or_do_less)
{
	try_kind(FAULT_PWRITE, FAULT_FAIL, EINTR, 1);
	try_kind(FAULT_PWRITE, FAULT_ONE_BYTE, 0, 1);
	try_kind(FAULT_PWRITE, FAULT_HALF, 0, 1);
	try_kind(FAULT_PREAD, FAULT_FAIL, EINTR, 1);
	try_kind(FAULT_PREAD, FAULT_HALF, 0, 1);
	try_kind(FAULT_TEMPORARY, FAULT_FAIL, EINTR, 1);
}
END_TEST

START_TEST(files_cannot_be_had)
{
	try_kind(FAULT_TEMPORARY, FAULT_FAIL, EMFILE, 0);
	/* A named file will do instead, and so will a file on the disk
	   alone. */
	try_kind(FAULT_TEMPORARY, FAULT_FAIL, EOPNOTSUPP, 1);
	try_kind(FAULT_TEMPORARY, FAULT_FAIL, EISDIR, 1);
	try_kind(FAULT_MEMFD, FAULT_FAIL, ENOSYS, 1);
}
END_TEST

/* Neither kind of file, and names that cannot be unlinked. */
START_TEST(files_cannot_be_had_by_name)
{
	struct life l = { .fault = { .kind = FAULT_NAMED, .error = EACCES,
		.times = 1, .where = FAULT_HERE, .lacks = FAULT_TEMPORARY,
		.lacks_error = EOPNOTSUPP } };

	ck_assert_int_gt(try_calls(l), 0);
}
END_TEST

START_TEST(room_cannot_be_given_back)
{
	try_kind(FAULT_PUNCH, FAULT_FAIL, EOPNOTSUPP, 1);
	try_kind(FAULT_EMPTY, FAULT_FAIL, EIO, 0);
	try_kind(FAULT_MAP_SHARED, FAULT_FAIL, ENOMEM, 0);
}
END_TEST

/* A sample has the first job, in which at least some calls must fail. */
static void check_short_of_memory(enum fault_where where, int job, int least)
{
	int met = try_calls((struct life){ .fault = { .kind = FAULT_MALLOC,
	    .error = ENOMEM, .times = 1, .where = where }, .lists = job,
	    .collects = job });

	if (job == 0 || sample_all())
		ck_assert_int_gt(met, sample_size(5, least));
}

START_TEST(memory_is_short_in_the_caller)
{
	for (int job = 0; job < 2; job++)
		check_short_of_memory(FAULT_HERE, job, 5);
}
END_TEST

START_TEST(memory_is_short_in_workers)
{
	for (int job = 0; job < 2; job++)
		check_short_of_memory(FAULT_IN_WORKERS, job, 2);
}
END_TEST

/* A worker that dies at its files costs only another attempt. */
START_TEST(workers_die_at_their_files)
{
	const enum fault_kind kinds[] = { FAULT_PWRITE, FAULT_PREAD,
		FAULT_PUNCH };
	const enum fault_act acts[] = { FAULT_KILL_BEFORE, FAULT_KILL_AFTER };
	int met = 0;

	for (size_t i = 0; i < COUNTOF(kinds) * COUNTOF(acts); i++)
		for (int job = 0; job < 2; job++)
			met += try_calls((struct life){ .fault = {
			    .kind = kinds[i / 2], .act = acts[i % 2],
			    .times = 1, .where = FAULT_IN_WORKERS },
			    .lists = job, .collects = job, .harmless = 1 });
	ck_assert_int_gt(met, sample_size(20, 0));
}
END_TEST

/* Calls that pools make as well. */
START_TEST(other_calls_fail)
{
	const enum fault_where where[] = { FAULT_HERE, FAULT_IN_SERVER,
		FAULT_IN_WORKERS };
	int met = 0;

	for (int kind = FAULT_NONE + 1; kind < FAULT_MALLOC; kind++)
		for (size_t i = 0; i < COUNTOF(where); i++)
			if (trial_kinds[kind].errors[0] != 0)
				met += try_calls((struct life){ .fault = {
				    .kind = (enum fault_kind)kind,
				    .error = trial_kinds[kind].errors[0],
				    .times = 1, .where = where[i] },
				    .harmless = kind != FAULT_PREAD &&
					kind != FAULT_EMPTY &&
					!(trial_kinds[kind].ways &
					FAULT_COSTS) });
	ck_assert_int_gt(met, sample_size(FAULT_MALLOC, 1));
}
END_TEST

/* ---- without keys ---- */

static int twice(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = 2 * number(input);

	(void)size;
	return vm_output(me, &n, sizeof n);
}

struct folded {
	int64_t sum, count, most;
};

static int fold(void *accumulator, const struct vm_result *r)
{
	struct folded *f = accumulator;

	if (f->count == f->most)
		return 1;
	f->count++;
	f->sum += r->type == VM_OUTPUT ? number(r->output) : 0;
	return 0;
}

/* Exit status 0: right, and no fault was met; 2: right, after a fault. */
static int fold_short_of_memory(void *arg)
{
	const struct life *l = arg;
	const struct vm_worker worker = { .process = twice };
	const struct vm_options o = { .workers = 2, .chunk_size = 3 };
	struct folded f = { .most = l->lists ? 20 : 1000 };
	vm_pool *pool = vm_fork(&worker, &o);
	int got, met;

	if (pool == NULL)
		return wrong(l, "no pool");
	fault_arm(&l->fault);
	fault_malloc_on(1);
	got = vm_fold(pool, vm_range(0, 200), fold, &f);
	fault_malloc_on(0);
	met = fault_hits() > 0;
	if (got == -1 && errno != ENOMEM &&
	    (errno != ECANCELED || !l->lists))
		return wrong(l, "another error");
	if (got == 0 && f.sum != 199 * 200)
		return wrong(l, "a wrong sum");
	f = (struct folded){ .most = 1000 };
	if (vm_fold(pool, vm_range(0, 7), fold, &f) != 0 || f.count != 7 ||
	    f.sum != 42)
		return wrong(l, "results of another source");
	return vm_close(pool) < 0 ? wrong(l, "no end") : met ? 2 : 0;
}

START_TEST(folding_short_of_memory)
{
	struct life l = { .fault = { .kind = FAULT_MALLOC, .error = ENOMEM,
		.times = 1, .where = FAULT_HERE } };

	for (l.lists = 0; l.lists < 2; l.lists++) {
		int status = 2 << 8;

		for (int n = 1, range; status == 2 << 8; n += range) {
			range = sample_all() ? 1 : 1 + n / 4;
			l.fault.nth = n + (int)sample_pick(0, 1,
			    (unsigned)range);
			status = in_child(fold_short_of_memory, &l);
			ck_assert(status == 0 || status == 2 << 8);
		}
		ck_assert_int_gt(l.fault.nth, 10);
	}
}
END_TEST

/* From some call on the disk is full, for all processes. */
START_TEST(the_disk_stays_full)
{
	int met = 0;

	for (size_t i = 0; i < COUNTOF(roles); i++)
		met += try_calls((struct life){ .fault = {
		    .kind = FAULT_PWRITE, .error = ENOSPC, .times = 1 << 30,
		    .where = roles[i] } });
	ck_assert_int_gt(met, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		writing_fails, reading_fails, calls_are_interrupted_or_do_less,
		files_cannot_be_had, files_cannot_be_had_by_name,
		memory_is_short_in_the_caller, the_disk_stays_full };
	const TTest *const drawn[] = {
		room_cannot_be_given_back, workers_die_at_their_files,
		folding_short_of_memory, other_calls_fail,
		memory_is_short_in_workers };

	return run_sampled_tests("spill", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
