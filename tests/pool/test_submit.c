/*
 * test_submit.c - vm_submit(): each pushed input comes back once, with its tag
 * and index; bounds; order; cancelling; in an event loop.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "sample.h"
#include "tools.h"

static int echo(struct vm_context *me, const void *input, size_t size)
{
	if (size == 8 && number(input) == -1)
		raise(SIGKILL);
	if (size == 8 && number(input) == -2)
		nap_ms(100);
	return vm_output(me, input, size);
}

static const struct vm_worker worker = { .process = echo };

/* Some that are equal, and some that are not. */
static void *tag_of(int64_t i)
{
	return (void *)(uintptr_t)(i / 3000 % 2 > 0 ? i / 70 : i * 16 + 5);
}

/* Pushes a number; takes results while there is no room.  Calls note() for each
   result. */
static void push(vm_pool *pool, int64_t x, int64_t i,
    void (*note)(const struct vm_result *))
{
	struct vm_result r;
	int rc;

	while ((rc = vm_submit(pool, &x, sizeof x, tag_of(i))) == VM_LATER) {
		take(pool, &r);
		note(&r);
	}
	ck_assert_msg(rc == 1, "%s", vm_error(pool));
}

static bool seen[200000];
static int64_t count, next_index;
static bool in_order;

static void note(const struct vm_result *r)
{
	int64_t i = (int64_t)r->index;

	ck_assert_int_lt(i, (int64_t)COUNTOF(seen));
	ck_assert(!seen[i]);
	seen[i] = true;
	ck_assert_ptr_eq(r->tag, tag_of(i));
	ck_assert_int_eq(number(r->input), i);
	if (r->type == VM_OUTPUT)
		ck_assert_int_eq(number(r->output), i);
	if (in_order)
		ck_assert_int_eq(i, next_index++);
	count++;
}

static void start(bool ordered)
{
	memset(seen, 0, sizeof seen);
	count = next_index = 0;
	in_order = ordered;
}

static void push_all(unsigned flags, int workers, size_t chunk_size, int64_t n)
{
	struct vm_options o = { .workers = workers, .flags = flags,
		.chunk_size = chunk_size };
	vm_pool *pool = fork_pool(&worker, &o);
	struct vm_result r;
	struct vm_stats s;
	int rc;

	start(flags & VM_ORDERED);
	for (int64_t i = 0; i < n; i++) {
		push(pool, i, i, note);
		if (i % 1000 != 77)
			continue;
		ck_assert_int_eq(vm_stats(pool, &s), 0);
		ck_assert_int_eq((int64_t)s.inputs, i + 1);
	}
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1)
		note(&r);
	ck_assert_int_eq(rc, 0);
	ck_assert_int_eq(count, n);
	close_pool(pool);
}

START_TEST(each_input_comes_back_with_its_tag)
{
	push_all(0, 2, 0, sample_size(200000, 20000));
	push_all(VM_ORDERED, 2, 0, sample_size(100000, 20000));
	push_all(0, 2, 1, 1000);
	push_all(0, 2, 7, 1000);
	push_all(0, VM_SERIAL, 0, 1000);
}
END_TEST

/* A worker has it before any result is taken. */
START_TEST(an_idle_worker_gets_it_at_once)
{
	struct vm_options o = { .workers = 1 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct pollfd fd = { .fd = vm_fd(pool), .events = POLLIN };
	struct vm_result r;
	int64_t x = 0;
	int rc;

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	while (poll(&fd, 1, 20) == 1)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), 0);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(vm_submit(pool, &x, sizeof x, &x), 1);
		do {
			ck_assert_int_eq(poll(&fd, 1, limit_ms()), 1);
			rc = vm_zip_in_out_within(pool, &r, 0);
		} while (rc == VM_LATER);
		ck_assert_int_eq(rc, 1);
		ck_assert_ptr_eq(r.tag, &x);
		ck_assert_uint_eq(r.index, (uint64_t)i);
	}
	close_pool(pool);
}
END_TEST

/* Without taking results a program is told to wait, and holds only what the
   bounds allow. */
START_TEST(bounds_are_told)
{
	struct vm_options o = { .workers = 1, .chunk_size = 2,
		.max_real_in_flight_factor = 1,
		.max_total_in_flight_factor = 3 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct vm_result r;
	int64_t n = 0;
	int rc;

	start(false);
	while ((rc = vm_submit(pool, &n, sizeof n, tag_of(n))) == 1) {
		n++;
		ck_assert_int_le(n, 8);
	}
	ck_assert_int_eq(rc, VM_LATER);
	ck_assert_int_ge(n, 3);
	for (; n < 100; n++)
		push(pool, n, n, note);
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1)
		note(&r);
	ck_assert_int_eq(count, 100);
	close_pool(pool);
}
END_TEST

START_TEST(large_inputs_are_pushed_too)
{
	enum { SIZE = 300000, COUNT = 60 };
	struct vm_options o = { .workers = 2,
		.max_in_flight_bytes = 4 << 20 };
	vm_pool *pool = fork_pool(&worker, &o);
	unsigned char *bytes = malloc(SIZE);
	struct vm_result r;
	int taken = 0, rc;

	ck_assert_ptr_nonnull(bytes);
	for (int i = 0; i < COUNT; i++) {
		memset(bytes, i, SIZE);
		while ((rc = vm_submit(pool, bytes, SIZE - (size_t)i,
		    tag_of(i))) == VM_LATER) {
			take(pool, &r);
			taken++;
		}
		ck_assert_int_eq(rc, 1);
	}
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1) {
		ck_assert_uint_eq(r.output_size, SIZE - r.index);
		ck_assert_int_eq(((const unsigned char *)r.output)[SIZE / 2],
		    (int)r.index);
		ck_assert_ptr_eq(r.tag, tag_of((int64_t)r.index));
		taken++;
	}
	ck_assert_int_eq(taken, COUNT);
	close_pool(pool);
	free(bytes);
}
END_TEST

START_TEST(an_input_may_lie_in_a_result)
{
	struct vm_options o = { .workers = 1 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct vm_result r;
	int64_t x = 4711;

	ck_assert_int_eq(vm_submit(pool, &x, sizeof x, NULL), 1);
	for (int i = 0; i < 100; i++) {
		take(pool, &r);
		ck_assert_int_eq(number(r.output), 4711);
		ck_assert_int_eq(vm_submit(pool, r.output, r.output_size,
		    NULL), 1);
	}
	close_pool(pool);
}
END_TEST

START_TEST(sources_and_pushing_go_together)
{
	struct vm_options o = { .workers = 2, .flags = VM_ORDERED };
	vm_pool *pool = fork_pool(&worker, &o);
	struct vm_result r;
	int64_t read = 0, pushed = 0;
	struct vm_source s = vm_range(0, 5000);
	int rc;

	s.tag = &read;
	imap_to(pool, s);
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1) {
		if (r.tag == &read) {
			ck_assert_int_eq(number(r.input), read++);
			continue;
		}
		ck_assert_uint_eq(r.index, (uint64_t)(pushed - 1));
		ck_assert_ptr_eq(r.tag, tag_of(pushed - 1));
		if (pushed == 50)
			continue;
		ck_assert_int_eq(vm_submit(pool, &pushed, sizeof pushed,
		    tag_of(pushed)), 1);
		pushed++;
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_int_eq(read, 5000);
	/* Nothing was pushed so far; then a chain of inputs. */
	ck_assert_int_eq(vm_submit(pool, &pushed, sizeof pushed, tag_of(0)), 1);
	pushed++;
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1) {
		if (pushed == 50)
			continue;
		ck_assert_int_eq(vm_submit(pool, &pushed, sizeof pushed,
		    tag_of(pushed)), 1);
		pushed++;
	}
	ck_assert_int_eq(rc, 0);
	close_pool(pool);
}
END_TEST

START_TEST(a_death_costs_its_input_only)
{
	struct vm_options o = { .workers = 2 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct vm_result r;
	int64_t x;
	int killed = 0, rc;

	for (int64_t i = 0; i < 1000; i++) {
		x = i == 500 ? -1 : i;
		while ((rc = vm_submit(pool, &x, sizeof x,
		    tag_of(i))) == VM_LATER)
			take(pool, &r);
		ck_assert_int_eq(rc, 1);
	}
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1)
		if (r.type == VM_EXCEPTION) {
			ck_assert_int_eq(r.exception->cause, VM_KILLED);
			ck_assert_uint_eq(r.index, 500);
			ck_assert_ptr_eq(r.tag, tag_of(500));
			killed++;
		}
	ck_assert_int_eq(rc, 0);
	ck_assert_int_eq(killed, 1);
	close_pool(pool);
}
END_TEST

START_TEST(a_pushed_input_is_cancelled_by_its_tag)
{
	struct vm_options o = { .workers = 1 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct vm_result r;
	int64_t slow = -2;
	int cancelled = 0, rc;

	for (int64_t i = 0; i < 20; i++)
		ck_assert_int_eq(vm_submit(pool, &slow, sizeof slow,
		    tag_of(i)), 1);
	ck_assert_int_eq(vm_cancel_item(pool, tag_of(15), 15), 1);
	/* Again: it is answered. */
	ck_assert_int_eq(vm_cancel_item(pool, tag_of(15), 15), 0);
	ck_assert_int_eq(vm_cancel_item(pool, tag_of(15), 16), 0);
	ck_assert_int_eq(vm_cancel_item(pool, tag_of(99), 99), 0);
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1)
		if (r.type == VM_EXCEPTION) {
			ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
			ck_assert_ptr_eq(r.tag, tag_of(15));
			cancelled++;
		}
	ck_assert_int_eq(cancelled, 1);
	for (int64_t i = 0; i < 20; i++)
		ck_assert_int_eq(vm_submit(pool, &slow, sizeof slow,
		    tag_of(i)), 1);
	vm_cancel(pool, 0);
	cancelled = 0;
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1)
		cancelled += r.type == VM_EXCEPTION;
	ck_assert_int_eq(rc, 0);
	ck_assert_int_ge(cancelled, 10);
	close_pool(pool);
}
END_TEST

/* Sizes of inputs that are pushed while the worker starts: long rows of one
   size, and others between. */
static size_t nth_size(uint64_t i)
{
	return i % 100 < 60 ? 8 : i % 30;
}

static void push_bytes(vm_pool *pool, uint64_t i)
{
	unsigned char bytes[32];

	memset(bytes, (int)(i % 251), sizeof bytes);
	ck_assert_int_eq(vm_submit(pool, bytes, nth_size(i),
	    tag_of((int64_t)i)), 1);
}

static void wrong_push(vm_pool *pool, const void *input, size_t size, int error)
{
	errno = 0;
	ck_assert_int_eq(vm_submit(pool, input, size, NULL), -1);
	ck_assert_int_eq(errno, error);
}

/* What is refused between inputs that are only added to a chunk leaves no
   trace, and a cancelled input is that with the tag. */
START_TEST(a_chunk_is_filled_by_the_rules)
{
	enum { INPUTS = 1000, CANCELLED = 130 };
	struct vm_options o = { .workers = 1, .max_item_bytes = 100,
		.chunk_size = INPUTS };
	vm_pool *pool = fork_pool(&worker, &o);
	bool back[INPUTS] = { false };
	struct vm_result r;
	char bytes[101] = "";

	for (uint64_t i = 0; i < INPUTS; i++) {
		push_bytes(pool, i);
		if (i % 100 == 50) {
			wrong_push(pool, NULL, 8, EINVAL);
			wrong_push(pool, bytes, sizeof bytes, EFBIG);
		}
		if (i == CANCELLED + 7)
			ck_assert_int_eq(vm_cancel_item(pool,
			    tag_of(CANCELLED), CANCELLED), 1);
	}
	push_bytes(pool, 0);
	push_bytes(pool, 1);
	ck_assert_int_eq(vm_finish(pool), 0);
	wrong_push(pool, bytes, 8, EPIPE);
	for (int n = 0; n < INPUTS; n++) {
		const unsigned char *in;

		take(pool, &r);
		in = r.input;
		ck_assert_uint_lt(r.index, INPUTS);
		ck_assert(!back[r.index]);
		back[r.index] = true;
		ck_assert_uint_eq(r.input_size, nth_size(r.index));
		for (size_t k = 0; k < r.input_size; k++)
			ck_assert_uint_eq(in[k], r.index % 251);
		ck_assert_uint_eq(in[r.input_size], 0);
		ck_assert_ptr_eq(r.tag, tag_of((int64_t)r.index));
		ck_assert((r.type == VM_OUTPUT) == (r.index != CANCELLED));
		if (r.type == VM_OUTPUT)
			ck_assert_mem_eq(r.output, in, r.input_size);
	}
	for (uint64_t n = 0; n < 2; n++) {
		take(pool, &r);
		ck_assert_uint_eq(r.index, INPUTS + n);
	}
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* An input counts 64 bytes more than its frame, of 16. */
START_TEST(bytes_are_bounded)
{
	struct vm_options o = { .workers = 1, .chunk_size = 100000,
		.max_in_flight_bytes = 80000 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct vm_result r;
	int64_t n = 0;
	int rc;

	start(false);
	while ((rc = vm_submit(pool, &n, sizeof n, tag_of(n))) == 1)
		n++;
	ck_assert_int_eq(rc, VM_LATER);
	ck_assert_int_ge(n, 900);
	ck_assert_int_le(n, 1001);
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1)
		note(&r);
	ck_assert_int_eq(rc, 0);
	ck_assert_int_eq(count, n);
	close_pool(pool);
}
END_TEST

START_TEST(wrong_calls_are_refused)
{
	struct vm_options o = { .workers = 1, .max_item_bytes = 100 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct vm_result r;
	char bytes[101] = "";

	errno = 0;
	ck_assert_int_eq(vm_submit(NULL, bytes, 1, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(vm_submit(pool, NULL, 1, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(vm_submit(pool, bytes, 101, NULL), -1);
	ck_assert_int_eq(errno, EFBIG);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "max_item_bytes"));
	ck_assert_int_eq(vm_submit(pool, NULL, 0, NULL), 1);
	take(pool, &r);
	ck_assert_uint_eq(r.input_size, 0);
	ck_assert_uint_eq(r.index, 0);
	ck_assert_int_eq(vm_finish(pool), 0);
	ck_assert_int_eq(vm_submit(pool, bytes, 1, NULL), -1);
	ck_assert_int_eq(errno, EPIPE);
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* The program takes results that are alike, while a chunk of pushed inputs is
   being filled. */
START_TEST(none_is_pushed_between_results_of_the_end)
{
	const struct vm_options o = { .workers = 1, .chunk_size = 64 };
	vm_pool *pool = fork_pool(&worker, &o);
	struct vm_result r;
	int64_t n = 0;

	for (int i = 0; i < 256; i++, n++)
		ck_assert_int_eq(vm_submit(pool, &n, sizeof n, NULL), 1);
	for (int i = 0; i < 100; i++)
		take(pool, &r);
	for (int i = 0; i < 5; i++, n++)
		ck_assert_int_eq(vm_submit(pool, &n, sizeof n, NULL), 1);
	ck_assert_int_eq(vm_finish(pool), 0);
	for (int64_t i = 100; i < n; i++) {
		take(pool, &r);
		ck_assert_int_eq(number(r.output), i);
		errno = 0;
		ck_assert_int_eq(vm_submit(pool, &n, sizeof n, NULL), -1);
		ck_assert_int_eq(errno, EPIPE);
	}
	take_end(pool);
	close_pool(pool);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { each_input_comes_back_with_its_tag,
		an_idle_worker_gets_it_at_once, bounds_are_told,
		large_inputs_are_pushed_too, an_input_may_lie_in_a_result,
		sources_and_pushing_go_together, a_death_costs_its_input_only,
		none_is_pushed_between_results_of_the_end,
		a_pushed_input_is_cancelled_by_its_tag,
		a_chunk_is_filled_by_the_rules, bytes_are_bounded,
		wrong_calls_are_refused };

	return run_tests("submit", tests, COUNTOF(tests));
}
