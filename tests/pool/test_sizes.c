/*
 * test_sizes.c - inputs and outputs of any size, from 0 to far beyond the
 * buffers of pipes and rings, arrive intact; those beyond max_item_bytes are
 * refused.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "sample.h"
#include "tools.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

/* ---- patterns ---- */

/* Returns byte i of the pattern of a number; no short sequence repeats at a
   distance that is the size of a buffer. */
static unsigned char pattern(uint64_t number, size_t i)
{
	uint64_t x = (number + 1) * 0x9e3779b97f4a7c15u + i / 7;

	return (unsigned char)((x ^ x >> 9 ^ x >> 17) * 0x2545f491u >> 5 ^ i);
}

static void fill(unsigned char *at, uint64_t number, size_t size)
{
	for (size_t i = 0; i < size; i++)
		at[i] = pattern(number, i);
}

/* Returns the offset of the first byte that differs from the pattern, or
   size. */
static size_t differs(const unsigned char *at, uint64_t number, size_t size)
{
	size_t i = 0;

	while (i < size && at[i] == pattern(number, i))
		i++;
	return i;
}

/* ---- inputs of given sizes, answered by outputs of given sizes ---- */

struct job {
	const size_t *in, *out;	/* sizes of inputs and of their outputs */
	size_t count;
	size_t given;		/* number of inputs given */
	unsigned char *room;
};

static int next_of_job(void *from, const void **input, size_t *size)
{
	struct job *j = from;

	if (j->given == j->count)
		return 0;
	fill(j->room, j->given, j->in[j->given]);
	*input = j->room;
	*size = j->in[j->given++];
	return 1;
}

/* Checks the input; the output is the pattern of the complement of its
   number. */
static int answer(struct vm_context *me, const void *input, size_t size)
{
	const struct job *j = me->config;
	const unsigned char *at = input;
	size_t out = j->out[me->index], at_fault;
	unsigned char *room;

	if (size != j->in[me->index] || (uintptr_t)at % 16 || at[size] != 0)
		return vm_fail(me, 1, "bad input: %zu bytes at %p, then %d",
		    size, input, at[size]);
	at_fault = differs(at, me->index, size);
	if (at_fault < size)
		return vm_fail(me, 2, "byte %zu of %zu is bad", at_fault, size);
	room = vm_reserve(me, out);
	if (room == NULL)
		return -1;
	if ((uintptr_t)room % 16 != 0)
		return vm_fail(me, 3, "bad room for %zu bytes: %p", out, room);
	fill(room, ~me->index, out);
	return vm_commit(me, out);
}

static void check_answer(const struct job *j, const struct vm_result *r)
{
	const unsigned char *in = r->input, *out = r->output;

	ck_assert_msg(r->type == VM_OUTPUT, "number %llu: %s",
	    (unsigned long long)r->index,
	    r->exception ? r->exception->message : "");
	ck_assert_uint_eq(r->input_size, j->in[r->index]);
	ck_assert_uint_eq(r->output_size, j->out[r->index]);
	ck_assert_uint_eq((uintptr_t)in % 16, 0);
	ck_assert_uint_eq((uintptr_t)out % 16, 0);
	ck_assert_int_eq(in[r->input_size], 0);
	ck_assert_int_eq(out[r->output_size], 0);
	ck_assert_uint_eq(differs(in, r->index, r->input_size),
	    r->input_size);
	ck_assert_uint_eq(differs(out, ~r->index, r->output_size),
	    r->output_size);
}

static size_t largest(const size_t *sizes, size_t count)
{
	size_t most = 1;

	for (size_t i = 0; i < count; i++)
		most = MAX(most, sizes[i]);
	return most;
}

static void run_job(const size_t *in, const size_t *out, size_t count,
    const struct vm_options *options)
{
	struct job job = { in, out, count, 0, malloc(largest(in, count)) };
	const struct vm_worker worker = { .process = answer, .config = &job };
	char *seen = calloc(count, 1);
	vm_pool *pool = fork_pool(&worker, options);
	struct vm_result r;

	ck_assert(job.room != NULL && seen != NULL);
	imap_to(pool, (struct vm_source){ .next = next_of_job,
		.from = &job });
	for (size_t i = 0; i < count; i++) {
		take(pool, &r);
		ck_assert_uint_lt(r.index, count);
		ck_assert_int_eq(seen[r.index]++, 0);
		if (options->flags & VM_ORDERED)
			ck_assert_uint_eq(r.index, i);
		check_answer(&job, &r);
	}
	take_end(pool);
	close_pool(pool);
	free(seen);
	free(job.room);
}

/* Runs the job with all combinations of chunk size, order and number of
   workers; a sample has the first and some others. */
static void run_all_ways(const size_t *in, const size_t *out, size_t count)
{
	const size_t chunk_sizes[] = { 0, 1, 3, 100 };
	const int workers[] = { 1, 4 };
	unsigned number = 0;

	for (size_t i = 0; i < COUNTOF(chunk_sizes); i++)
		for (size_t j = 0; j < COUNTOF(workers); j++)
			for (int ordered = 0; ordered < 2; ordered++) {
				struct vm_options o = { .workers = workers[j],
				    .chunk_size = chunk_sizes[i],
				    .flags = ordered ? VM_ORDERED : 0 };

				if (sample_takes(number++, 5))
					run_job(in, out, count, &o);
			}
}

/* Sizes around those of words, pages, pipes and rings. */
static const size_t edges[] = { 0, 1, 7, 8, 9, 15, 16, 17, 0, 4079, 4080,
	4088, 4095, 4096, 4097, 0, 64 * KIB - 17, 64 * KIB - 16,
	64 * KIB - 8, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 3,
	128 * KIB - 25, 128 * KIB - 24, 128 * KIB - 16, 128 * KIB - 9,
	128 * KIB - 8, 128 * KIB - 7, 128 * KIB - 1, 128 * KIB,
	128 * KIB + 1, 1, 0, MIB };

START_TEST(sizes_at_the_edges)
{
	run_all_ways(edges, edges, COUNTOF(edges));
}
END_TEST

START_TEST(long_inputs_and_short_outputs)
{
	size_t zeros[COUNTOF(edges)] = { 0 };

	run_all_ways(edges, zeros, COUNTOF(edges));
}
END_TEST

START_TEST(short_inputs_and_long_outputs)
{
	size_t zeros[COUNTOF(edges)] = { 0 };

	run_all_ways(zeros, edges, COUNTOF(edges));
}
END_TEST

START_TEST(many_mixed_sizes)
{
	static size_t in[1500], out[1500];
	uint32_t x = 12345;

	for (size_t i = 0; i < COUNTOF(in); i++) {
		x = x * 1103515245u + 12345u;
		in[i] = (x >> 16) % ((x >> 8) % 11 ? 60 : 90000);
		x = x * 1103515245u + 12345u;
		out[i] = (x >> 16) % ((x >> 8) % 7 ? 200 : 200000);
	}
	run_job(in, out, COUNTOF(in), &(struct vm_options){ .workers = 4 });
	run_job(in, out, COUNTOF(in), &(struct vm_options){ .workers = 2,
	    .chunk_size = 50, .flags = VM_ORDERED });
	run_job(in, out, COUNTOF(in), &(struct vm_options){ .workers = 3,
	    .chunk_size = 5, .max_in_flight_bytes = 100000,
	    .flags = VM_ORDERED });
	run_job(in, out, COUNTOF(in), &(struct vm_options){ .workers = 3,
	    .chunk_size = 5, .max_in_flight_bytes = 100000 });
	run_job(in, out, 300, &(struct vm_options){ .workers = VM_SERIAL });
}
END_TEST

START_TEST(items_of_100_mib)
{
	const size_t in[] = { 5, 100 * MIB, 7, 9 };
	const size_t out[] = { 6, 100 * MIB, 0, 11 };

	run_job(in, out, 4, &(struct vm_options){ .workers = 2 });
}
END_TEST

/* ---- staged results: slow items among fast ones ---- */

/* As answer(), but some items take long enough for the caller to look for
   staged results meanwhile. */
static int answer_late(struct vm_context *me, const void *input, size_t size)
{
	if (me->index % 3 == 0)
		nap_ms((int)(me->index % 4));
	return answer(me, input, size);
}

START_TEST(staged_results_are_whole)
{
	static size_t in[600], out[600];
	struct job job = { in, out, COUNTOF(in), 0, malloc(KIB) };
	const struct vm_worker worker = { .process = answer_late,
		.config = &job };
	struct vm_result r;
	vm_pool *pool;

	for (size_t i = 0; i < COUNTOF(in); i++) {
		in[i] = i % 100;
		out[i] = i * 7919 % (i % 5 ? 3000 : 120000);
	}
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 2,
	    .chunk_size = 20 });
	imap_to(pool, (struct vm_source){ .next = next_of_job,
		.from = &job });
	for (size_t i = 0; i < COUNTOF(in); i++) {
		take(pool, &r);
		check_answer(&job, &r);
	}
	take_end(pool);
	close_pool(pool);
	free(job.room);
}
END_TEST

/* ---- vm_output(), vm_reserve(), vm_commit() ---- */

/* Every valid use and some misuses of the functions; fails with the number of
   the line that went wrong. */
static int reserve_well(struct vm_context *me, const void *input, size_t size)
{
	char *room;

	(void)input;
	(void)size;
#define MUST(x) do { if (!(x)) return __LINE__; } while (0)
	room = vm_reserve(me, 1000);
	MUST(room != NULL && (uintptr_t)room % 16 == 0);
	memset(room, 'a', 1000);
	MUST(vm_commit(me, 1001) == -1 && errno == EINVAL);
	MUST(vm_commit(me, 3) == 0);
	MUST(vm_commit(me, 1) == -1 && errno == EINVAL);
	MUST(vm_output(me, NULL, 0) == 0);
	MUST(vm_output(me, "bc", 2) == 0);
	room = vm_reserve(me, 10);
	MUST(room != NULL);
	MUST(vm_output(me, "d", 1) == 0);	/* drops the reservation */
	MUST(vm_commit(me, 1) == -1 && errno == EINVAL);
	room = vm_reserve(me, 0);
	MUST(room != NULL && vm_commit(me, 0) == 0);
	room = vm_reserve(me, 1);
	MUST(room != NULL);
	*room = 'e';
	return vm_commit(me, 1);
}

START_TEST(reserved_room_becomes_output)
{
	const struct vm_worker worker = { .process = reserve_well };
	vm_pool *pool = fork_pool(&worker, NULL);
	struct vm_result r;

	imap_to(pool, vm_range(0, 5));
	for (int i = 0; i < 5; i++) {
		take(pool, &r);
		ck_assert_msg(r.type == VM_OUTPUT, "line %d",
		    r.exception ? r.exception->code : 0);
		ck_assert_uint_eq(r.output_size, 7);
		ck_assert_str_eq(r.output, "aaabcde");
	}
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* ---- max_item_bytes ---- */

/* The second of three sources has an input of one byte too many. */
static void check_too_long(int workers)
{
	static const char bytes[200];
	const struct vm_worker worker = { .process = reserve_well };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = workers, .max_item_bytes = 1000, .chunk_size = 2 });
	static const char *const good[] = { "one", "two", "three" };
	static char long_line[1002];
	const char *bad[] = { "four", long_line, "never read" };
	struct vm_result r;

	memset(long_line, 'x', 1001);
	imap_to(pool, vm_array(bytes, 3, 50));
	imap_to(pool, vm_strings(bad, 3));
	imap_to(pool, vm_strings(good, 3));
	for (int i = 0; i < 4; i++)
		take(pool, &r);
	errno = 0;
	ck_assert_int_eq(vm_zip_in_out(pool, &r), -1);
	ck_assert_int_eq(errno, EFBIG);
	ck_assert_str_ne(vm_error(pool), "");
	ck_assert_int_eq(vm_broken(pool), 0);
	for (int i = 0; i < 3; i++) {
		take(pool, &r);
		ck_assert_uint_lt(r.index, 3);
		ck_assert_str_eq(r.input, good[r.index]);
	}
	take_end(pool);
	close_pool(pool);
}

START_TEST(an_input_too_big_fails_its_source_only)
{
	check_too_long(1);
	check_too_long(VM_SERIAL);
}
END_TEST

/* Outputs as many bytes as the input says, in one of three ways. */
static int put_out(struct vm_context *me, const void *input, size_t size)
{
	static const char bytes[2000];
	size_t n = (size_t)*(const int64_t *)input;
	void *room;

	(void)size;
	switch (me->index % 3) {
	case 0:
		vm_output(me, bytes, n);
		break;
	case 1:
		vm_output(me, bytes, n / 2);
		vm_output(me, bytes, n - n / 2);
		break;
	default:
		room = vm_reserve(me, n);
		if (room == NULL && errno != EFBIG)
			return vm_fail(me, 77, "errno is %d", errno);
		if (room != NULL)
			vm_commit(me, n);
	}
	return 0;
}

static void check_too_big(int workers)
{
	const struct vm_worker worker = { .process = put_out };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = workers, .max_item_bytes = 1000, .chunk_size = 5 });
	struct vm_result r;

	imap_to(pool, vm_range(950, 1050));
	for (int i = 0; i < 100; i++) {
		int64_t n;

		take(pool, &r);
		n = *(const int64_t *)r.input;
		ck_assert_int_eq(r.type, n > 1000 ? VM_EXCEPTION : VM_OUTPUT);
		if (n <= 1000) {
			ck_assert_uint_eq(r.output_size, (uint64_t)n);
			continue;
		}
		ck_assert_int_eq(r.exception->cause, VM_TOO_BIG);
		ck_assert_str_ne(r.exception->message, "");
		ck_assert_int_eq(r.attempts, 1);
	}
	take_end(pool);
	close_pool(pool);
}

START_TEST(an_output_too_big_is_a_failure_of_its_item)
{
	check_too_big(2);
	check_too_big(VM_SERIAL);
}
END_TEST

/* Fails in every worker except the first that ran an item. */
static int same_pid(struct vm_context *me, const void *input, size_t size)
{
	int *first = &(int){ 0 };
	struct shared *s = me->config;

	if (!atomic_compare_exchange_strong(&s->pid[0], first, getpid()) &&
	    *first != getpid())
		return vm_fail(me, 88, "another worker");
	return put_out(me, input, size);
}

START_TEST(a_worker_outlives_an_output_too_big)
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = same_pid, .config = s };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 1, .max_item_bytes = 100 });
	struct vm_result r;

	imap_to(pool, vm_range(90, 150));
	for (int i = 0; i < 60; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type == VM_OUTPUT, r.index <= 10);
		if (r.type == VM_EXCEPTION)
			ck_assert_int_eq(r.exception->cause, VM_TOO_BIG);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(s);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		sizes_at_the_edges, staged_results_are_whole,
		reserved_room_becomes_output,
		an_input_too_big_fails_its_source_only,
		an_output_too_big_is_a_failure_of_its_item,
		a_worker_outlives_an_output_too_big };
	const TTest *const drawn[] = {
		short_inputs_and_long_outputs, items_of_100_mib,
		long_inputs_and_short_outputs, many_mixed_sizes };

	return run_sampled_tests("sizes", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
