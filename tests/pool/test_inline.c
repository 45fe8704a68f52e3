/*
 * test_inline.c - the calls that run for each item are inline in the header and
 * functions of the library: both give the same results, one after the other in
 * any order, and an inline call is refused where the function is.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "tools.h"

#define ITEMS 3000
#define SIZE_MOST 40

static int (*const take_by_call)(vm_pool *, struct vm_result *) = vm_zip_in_out;
static int (*const give_by_call)(vm_pool *, const void *, size_t, void *) =
    vm_submit;

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static const struct vm_worker echoer = { .process = echo };

static size_t left_in_row(const vm_pool *pool)
{
	return pool->front.left;
}

static size_t room_to_append(const vm_pool *pool)
{
	return pool->front.room;
}

/* Returns an array of ITEMS inputs of that size, each unlike the others. */
static unsigned char *make_inputs(size_t size)
{
	unsigned char *in = malloc(ITEMS * size + 1);

	ck_assert_ptr_nonnull(in);
	for (size_t i = 0; i < ITEMS * size; i++)
		in[i] = (unsigned char)(i * 7 + i / 251 + 1);
	return in;
}

/* The result of input number n, which are "size" bytes, all with a 0 behind. */
static void check(const struct vm_result *r, const unsigned char *in,
    size_t size, uint64_t n, const void *tag)
{
	ck_assert_int_eq(r->type, VM_OUTPUT);
	ck_assert_uint_eq(r->index, n);
	ck_assert_uint_eq(r->input_size, size);
	ck_assert_uint_eq(r->output_size, size);
	ck_assert_mem_eq(r->input, in + n * size, size);
	ck_assert_mem_eq(r->output, in + n * size, size);
	ck_assert_uint_eq(((const unsigned char *)r->input)[size], 0);
	ck_assert_uint_eq(((const unsigned char *)r->output)[size], 0);
	ck_assert_ptr_eq(r->tag, tag);
	ck_assert_ptr_null(r->exception);
	ck_assert_int_eq(r->attempts, 1);
	ck_assert_int_ge(r->worker_index, 0);
	ck_assert_int_eq(r->host, 0);
}

static vm_pool *open_ordered(void)
{
	const struct vm_options o = { .workers = 2, .flags = VM_ORDERED,
		.chunk_size = 50 };

	return fork_pool(&echoer, &o);
}

START_TEST(results_are_taken_either_way)
{
	vm_pool *pool = open_ordered();
	struct vm_result r;

	for (size_t size = 1; size <= SIZE_MOST; size += size < 9 ? 1 : 7) {
		unsigned char *in = make_inputs(size);
		size_t rows = 0;

		imap_to(pool, vm_array(in, ITEMS, size));
		for (uint64_t n = 0; n < ITEMS; n++) {
			rows += left_in_row(pool) > 0;
			memset(&r, 0xff, sizeof r);
			ck_assert_int_eq(n % 5 < 3 ? vm_zip_in_out(pool, &r) :
			    take_by_call(pool, &r), 1);
			check(&r, in, size, n, NULL);
		}
		ck_assert_uint_gt(rows, ITEMS / 2);
		take_end(pool);
		free(in);
	}
	close_pool(pool);
}
END_TEST

START_TEST(inputs_are_given_either_way)
{
	vm_pool *pool = open_ordered();
	struct vm_result r;
	char tags[ITEMS];
	uint64_t first = 0;

	for (size_t size = 1; size <= SIZE_MOST; size += size < 9 ? 1 : 7) {
		unsigned char *in = make_inputs(size);
		uint64_t taken = 0;
		size_t inline_calls = 0;

		for (size_t n = 0; n < ITEMS; n++) {
			int rc;

			inline_calls += room_to_append(pool) > 0;
			while ((rc = n % 5 < 3 ? vm_submit(pool, in + n * size,
			    size, &tags[n]) : give_by_call(pool, in + n * size,
			    size, &tags[n])) == VM_LATER) {
				take(pool, &r);
				r.index -= first;
				check(&r, in, size, taken, &tags[taken]);
				taken++;
			}
			ck_assert_int_eq(rc, 1);
		}
		for (; taken < ITEMS; taken++) {
			take(pool, &r);
			r.index -= first;
			check(&r, in, size, taken, &tags[taken]);
		}
		ck_assert_uint_gt(inline_calls, ITEMS / 10);
		take_end(pool);
		first += ITEMS;
		free(in);
	}
	close_pool(pool);
}
END_TEST

/* Gives numbers until the next may be appended and the next result is in a row.
   Returns their count, and sets *taken to that of the results taken. */
static uint64_t open_both(vm_pool *pool, uint64_t *taken)
{
	struct vm_result r;
	uint64_t n = 0;

	*taken = 0;
	while (room_to_append(pool) == 0 || left_in_row(pool) == 0) {
		int rc = vm_submit(pool, &n, sizeof n, NULL);

		ck_assert_int_ge(rc, 1);
		n += rc == 1;
		if (rc == VM_LATER || (n % 100 == 0 &&
		    left_in_row(pool) == 0)) {
			take(pool, &r);
			++*taken;
		}
	}
	return n;
}

/* Takes the results of the numbers from "taken" on, below n, then the end. */
static void take_rest(vm_pool *pool, uint64_t taken, uint64_t n)
{
	struct vm_result r;

	for (; taken < n; taken++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_uint_eq(r.index, taken);
		ck_assert_mem_eq(r.input, &taken, sizeof taken);
		ck_assert_mem_eq(r.output, &taken, sizeof taken);
	}
	take_end(pool);
}

/* Other calls see what inline calls have done, and these go on. */
START_TEST(calls_come_in_any_order)
{
	vm_pool *pool = open_ordered();
	struct vm_stats stats;
	struct vm_result r;
	uint64_t taken, n = open_both(pool, &taken);

	ck_assert_int_eq(vm_submit(pool, &n, sizeof n, NULL), 1);
	n++;
	ck_assert_int_eq(vm_zip_in_out(pool, &r), 1);
	ck_assert_uint_eq(r.index, taken);
	taken++;
	ck_assert_int_eq(vm_stats(pool, &stats), 0);
	ck_assert_uint_eq(stats.inputs, n);
	ck_assert_uint_eq(left_in_row(pool), 0);
	ck_assert_uint_eq(room_to_append(pool), 0);
	ck_assert_int_eq(vm_stats(pool, &stats), 0);
	ck_assert_uint_eq(stats.inputs, n);
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, -1), 1);
	ck_assert_uint_eq(r.index, taken);
	taken++;
	ck_assert_int_eq(vm_submit(pool, &n, sizeof n, NULL), 1);
	n++;
	take_rest(pool, taken, n);
	close_pool(pool);
}
END_TEST

static int use_foreign(void *arg)
{
	vm_pool *pool = arg;
	struct vm_result r;
	int64_t n = 0;

	errno = 0;
	if (vm_zip_in_out(pool, &r) != -1 || errno != EPERM)
		return 1;
	errno = 0;
	if (vm_zip_in_out_within(pool, &r, 0) != -1 || errno != EPERM)
		return 2;
	errno = 0;
	return vm_submit(pool, &n, sizeof n, NULL) != -1 || errno != EPERM;
}

START_TEST(another_process_is_refused)
{
	vm_pool *pool = open_ordered();
	uint64_t taken, n = open_both(pool, &taken);

	ck_assert_int_eq(in_child(use_foreign, pool), 0);
	take_rest(pool, taken, n);
	close_pool(pool);
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
	vm_pool *pool = open_ordered();
	uint64_t taken, n = open_both(pool, &taken);

	errno = 0;
	ck_assert_int_eq(vm_submit(pool, NULL, sizeof n, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(vm_zip_in_out(pool, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(vm_zip_in_out_within(NULL, NULL, 0), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(vm_submit(NULL, &n, sizeof n, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	take_rest(pool, taken, n);
	ck_assert_int_eq(vm_finish(pool), 0);
	errno = 0;
	ck_assert_int_eq(vm_submit(pool, &n, sizeof n, NULL), -1);
	ck_assert_int_eq(errno, EPIPE);
	close_pool(pool);
}
END_TEST

/* vm_cancel() covers the inputs that were appended before it, and not the input
   behind it. */
START_TEST(a_cancel_comes_between_inputs)
{
	vm_pool *pool = open_ordered();
	struct vm_result r;
	uint64_t taken, n = open_both(pool, &taken);
	int rc;

	ck_assert_int_eq(vm_submit(pool, &n, sizeof n, NULL), 1);
	vm_cancel(pool, 0);
	ck_assert_int_eq(vm_submit(pool, &n, sizeof n, &n), 1);
	for (; taken <= n + 1; taken++) {
		take(pool, &r);
		ck_assert_uint_eq(r.index, taken);
		if (taken == n)
			ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
	}
	ck_assert_ptr_eq(r.tag, &n);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	rc = vm_zip_in_out(pool, &r);
	ck_assert_int_eq(rc, 0);
	close_pool(pool);
}
END_TEST

START_TEST(a_pool_closes_between_inline_calls)
{
	vm_pool *pool = open_ordered();
	struct vm_result r;
	uint64_t taken, n = open_both(pool, &taken);

	ck_assert_int_eq(vm_submit(pool, &n, sizeof n, NULL), 1);
	ck_assert_int_eq(vm_zip_in_out(pool, &r), 1);
	close_pool(pool);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { results_are_taken_either_way,
		inputs_are_given_either_way, calls_come_in_any_order,
		another_process_is_refused, wrong_arguments_are_refused,
		a_cancel_comes_between_inputs,
		a_pool_closes_between_inline_calls };

	return run_tests("inline", tests, COUNTOF(tests));
}
