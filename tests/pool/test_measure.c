/*
 * test_measure.c - VM_MEASURE_ITEMS: each result has the times of its attempt,
 * and outputs of every size are as without it.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "tools.h"

#define WORK_NS ((uint64_t)10 * MS_IN_NS)

static struct shared *sh;

static uint64_t own_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- times ---- */

enum { SPINS, SLEEPS, FAILS, CRASHES, KINDS };

static int work(struct vm_context *me, const void *input, size_t size)
{
	const uint64_t until = own_cpu() + WORK_NS;
	const int64_t kind = number(input) % KINDS;

	if (kind == SLEEPS)
		nap_ms((int)(WORK_NS / MS_IN_NS));
	else
		while (own_cpu() < until)
			continue;
	if (kind == FAILS)
		return vm_fail(me, 1, "for a test");
	if (kind == CRASHES && me->worker_index >= 0)
		raise(SIGKILL);
	return vm_output(me, input, size);
}

/* Runs an item of each kind below a number.  Times are those of the same clock
   as here, so they are within the time of the run. */
static void check_times(struct vm_options o, const struct vm_worker *w,
    int kinds)
{
	const uint64_t began = clock_ns();
	struct vm_result r, *copy;
	vm_pool *pool = fork_pool(w, &o);

	imap_to(pool, vm_range(0, kinds));
	for (int i = 0; i < kinds; i++) {
		take(pool, &r);
		ck_assert_uint_ge(r.wall_ns, WORK_NS);
		ck_assert_uint_le(r.wall_ns, clock_ns() - began);
		if (r.index != SLEEPS)
			ck_assert_uint_ge(r.cpu_ns, WORK_NS / 2);
		ck_assert(r.index >= FAILS || r.type == VM_OUTPUT);
		if (r.type != VM_OUTPUT) {
			ck_assert_uint_eq(r.wall_ns, r.exception->wall_ns);
			ck_assert_uint_eq(r.cpu_ns, r.exception->cpu_ns);
		}
		copy = vm_result_copy(&r);
		ck_assert_ptr_nonnull(copy);
		ck_assert_uint_eq(copy->wall_ns, r.wall_ns);
		ck_assert_uint_eq(copy->cpu_ns, r.cpu_ns);
		free(copy);
	}
	take_end(pool);
	close_pool(pool);
}

static const struct vm_worker worker = { .process = work, .name = "work" };

START_TEST(each_result_has_its_times)
{
	struct vm_options o = { .workers = 2, .flags = VM_MEASURE_ITEMS };

	check_times(o, &worker, KINDS);
	o.flags |= VM_ORDERED;
	check_times(o, &worker, KINDS);
	o.workers = VM_SERIAL;
	check_times(o, &worker, FAILS + 1);
}
END_TEST

START_TEST(so_has_a_result_of_another_machine)
{
	char program[4096];
	const ssize_t n = readlink("/proc/self/exe", program,
	    sizeof program - 1);
	const char *const command[] = { program, NULL };
	const struct vm_host host = { .command = command, .workers = 2 };
	const struct vm_options o = { .workers = VM_ELSEWHERE, .hosts = &host,
		.host_count = 1, .flags = VM_MEASURE_ITEMS };

	ck_assert_int_gt(n, 0);
	program[n] = '\0';
	check_times(o, &worker, KINDS);
}
END_TEST

/* ---- outputs ---- */

static const size_t sizes[] = { 0, 1, 8, 15, 16, 17, 100, 4096, 16 * 1024 - 24,
	16 * 1024 - 16, 16 * 1024 - 1, 16 * 1024, 128 * 1024 - 24,
	128 * 1024 - 16, 128 * 1024, 128 * 1024 + 1, 1024 * 1024,
	5 * 1024 * 1024 };
#define MOST (5 * 1024 * 1024)

static void fill(unsigned char *to, size_t size, int64_t n)
{
	for (size_t i = 0; i < size; i++)
		to[i] = (unsigned char)((size_t)n * 31 + i * 7 + i / 251);
}

/* Makes an output in one of the ways there are. */
static int make(struct vm_context *me, const void *input, size_t size)
{
	const int64_t n = number(input);
	const size_t all = sizes[(size_t)n % COUNTOF(sizes)];
	static unsigned char bytes[MOST];
	unsigned char *at;

	(void)size;
	if (n / (int64_t)COUNTOF(sizes) == 0) {
		fill(bytes, all, n);
		return vm_output(me, bytes, all / 3) == 0 ?
		    vm_output(me, bytes + all / 3, all - all / 3) : -1;
	}
	at = vm_reserve(me, all);
	if (at == NULL || (uintptr_t)at % 16 != 0)
		return vm_fail(me, 1, "not aligned");
	fill(at, all, n);
	return vm_commit(me, all);
}

/* Asserts that all outputs are right; returns the sum of their times. */
static uint64_t check_outputs(int workers, unsigned flags)
{
	const struct vm_worker w = { .process = make };
	const struct vm_options o = { .workers = workers, .flags = flags,
		.max_item_bytes = MOST };
	static unsigned char right[MOST];
	uint64_t sum = 0;
	struct vm_result r;
	vm_pool *pool = fork_pool(&w, &o);

	imap_to(pool, vm_range(0, 2 * COUNTOF(sizes)));
	for (size_t i = 0; i < 2 * COUNTOF(sizes); i++) {
		take(pool, &r);
		ck_assert_msg(r.type == VM_OUTPUT, "%s", r.exception ?
		    r.exception->message : "");
		ck_assert_uint_eq(r.output_size,
		    sizes[r.index % COUNTOF(sizes)]);
		fill(right, r.output_size, (int64_t)r.index);
		ck_assert_int_eq(memcmp(r.output, right, r.output_size), 0);
		ck_assert_int_eq(((const char *)r.output)[r.output_size], 0);
		ck_assert_uint_eq((uintptr_t)r.output % 16, 0);
		sum += r.wall_ns + r.cpu_ns;
	}
	take_end(pool);
	close_pool(pool);
	return sum;
}

START_TEST(outputs_of_every_size_are_right)
{
	const int ways[] = { VM_SERIAL, 1, 3 };

	for (size_t i = 0; i < COUNTOF(ways); i++) {
		ck_assert_uint_gt(check_outputs(ways[i], VM_MEASURE_ITEMS), 0);
		ck_assert_uint_eq(check_outputs(ways[i], 0), 0);
	}
}
END_TEST

static int give_bytes(struct vm_context *me, const void *input, size_t size)
{
	static const char bytes[200];

	(void)size;
	return vm_output(me, bytes, (size_t)number(input));
}

START_TEST(the_bound_on_outputs_is_the_same)
{
	const struct vm_worker w = { .process = give_bytes };
	const struct vm_options o = { .workers = 1, .max_item_bytes = 100,
		.flags = VM_MEASURE_ITEMS };
	struct vm_result r;
	vm_pool *pool = fork_pool(&w, &o);

	imap_to(pool, vm_range(98, 103));
	for (int i = 98; i < 103; i++) {
		take(pool, &r);
		if (r.index + 98 <= 100)
			ck_assert_uint_eq(r.output_size, r.index + 98);
		else
			ck_assert_int_eq(r.exception->cause, VM_TOO_BIG);
	}
	close_pool(pool);
}
END_TEST

/* ---- workers that lie ---- */

static int in_lie;

/* Puts an OUTPUT without room for its times into its ring, or has it in the
   payload area, and dies. */
static int lie(struct vm_context *me, const void *input, size_t size)
{
	_Alignas(16) unsigned char frame[64] = { 0 };
	const struct frame_placed p = { .size = 8 };
	size_t slot_size, length;
	struct slot *slot;
	uint64_t at;

	if (number(input) != 1)
		return vm_output(me, input, size);
	slot = (void *)own_slot(sh, &slot_size);
	at = atomic_load(&slot->committed);
	if (in_lie == 0)
		frame_write(frame, FRAME_OUTPUT, "12345678", 8);
	else
		frame_write(frame, FRAME_PLACED, &p, sizeof p);
	length = frame_length(in_lie == 0 ? 8 : sizeof p);
	slot_copy_in(slot, at, frame, length);
	atomic_store(&slot->committed, at + length);
	raise(SIGKILL);
	return 0;
}

START_TEST(outputs_without_times_are_garbage)
{
	const struct vm_worker w = { .process = lie };
	const struct vm_options o = { .workers = 1, .chunk_size = 1,
		.flags = VM_MEASURE_ITEMS };
	int cause[3];
	vm_pool *pool;

	sh = shared_new();
	for (in_lie = 0; in_lie < 2; in_lie++) {
		pool = fork_pool(&w, &o);
		imap_to(pool, vm_range(0, 3));
		ck_assert_int_eq(take_numbers(pool, 3, cause), 0);
		ck_assert_int_eq(cause[0], 0);
		ck_assert_int_eq(cause[1], VM_GARBLED);
		ck_assert_int_eq(cause[2], 0);
		ck_assert_int_eq(vm_close(pool), 0);
	}
	shared_free(sh);
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const tests[] = {
		each_result_has_its_times, so_has_a_result_of_another_machine,
		outputs_of_every_size_are_right,
		the_bound_on_outputs_is_the_same,
		outputs_without_times_are_garbage,
	};

	vm_agent(argc, argv, &worker, 1);
	return run_tests("measure", tests, COUNTOF(tests));
}
