/*
 * test_many.c - process_many(): elements of an array made several in a call,
 * and each failure that of the element at fault.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "sample.h"
#include "tools.h"

#define COUNT 40000
/* Elements that do harm. */
#define BAD(n) ((n) % 9000 == 4444)
#define BADS 4

enum { TOGETHER, MOST, SINGLE, FAILURES, BY_PROCESS };

static struct shared *sh;
static int64_t in[COUNT], out[COUNT];

/* The harm that the bad elements do, or NULL. */
static int (*harm)(struct vm_context *);

static int64_t output_of(int64_t n)
{
	return 3 * n + 1;
}

static int make_many(struct vm_context *me, const void *inputs, size_t count,
    void *outputs)
{
	const int64_t *x = inputs;
	int64_t *y = outputs;
	long most = atomic_load(&sh->counter[MOST]);
	int r = 0;

	atomic_fetch_add(&sh->counter[count > 1 ? TOGETHER : SINGLE], 1);
	while (most < (long)count && !atomic_compare_exchange_weak(
	    &sh->counter[MOST], &most, (long)count))
		;
	if ((uintptr_t)x % sizeof *x != 0 || (uintptr_t)y % sizeof *y != 0 ||
	    me->index != (uint64_t)x[0])
		return vm_fail(me, 99, "a wrong pointer or index");
	for (size_t i = 0; i < count; i++) {
		if (BAD(x[i]) && harm != NULL)
			r = harm(me);
		y[i] = output_of(x[i]);
	}
	return r;
}

static int make_one(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input), y = output_of(n);
	int r = BAD(n) && harm != NULL ? harm(me) : 0;

	(void)size;
	atomic_fetch_add(&sh->counter[BY_PROCESS], 1);
	return r != 0 ? r : vm_output(me, &y, sizeof y);
}

static const struct vm_worker many = { .process_many = make_many };
static const struct vm_worker both = { .process = make_one,
	.process_many = make_many };

static enum vm_cause cause;

static void count_failure(void *arg, const struct vm_result *r)
{
	(void)arg;
	ck_assert(BAD(r->index));
	ck_assert_int_eq(number(r->input), (int64_t)r->index);
	ck_assert_int_eq(r->exception->cause, cause);
	ck_assert_int_eq(r->attempts, 1);
	ck_assert_int_eq(out[r->index], 0);
	atomic_fetch_add(&sh->counter[FAILURES], 1);
}

/* Maps the array; elements that do harm fail with that cause, and no others. */
static void map(const struct vm_worker *w, int (*how)(struct vm_context *),
    enum vm_cause with, struct vm_options o)
{
	int r;

	sh = shared_new();
	harm = how;
	cause = with;
	for (int64_t i = 0; i < COUNT; i++) {
		in[i] = i;
		out[i] = -1;
	}
	r = vm_map_array(w, &o, &(struct vm_array_map){ .in = in,
	    .count = COUNT, .in_size = sizeof *in, .out = out,
	    .out_size = sizeof *out, .failed = count_failure });
	ck_assert_msg(r == (how != NULL), "%d: %s", r, vm_error(NULL));
	for (int64_t i = 0; i < COUNT; i++)
		ck_assert_int_eq(out[i],
		    BAD(i) && how != NULL ? 0 : output_of(i));
	ck_assert_int_eq(atomic_load(&sh->counter[FAILURES]),
	    how != NULL ? BADS : 0);
	ck_assert_int_eq(count_children(), 0);
}

/* Elements came several at a time, of which no more are taken than the worker
   does in a moment. */
static void check_together(void)
{
	ck_assert_int_gt(atomic_load(&sh->counter[TOGETHER]), 0);
	ck_assert_int_gt(atomic_load(&sh->counter[MOST]), 16);
	ck_assert_int_le(atomic_load(&sh->counter[MOST]), 1024);
}

START_TEST(elements_come_together)
{
	for (int workers = 1; workers < 4; workers++) {
		map(&many, NULL, 0, (struct vm_options){ .workers = workers });
		check_together();
		shared_free(sh);
		map(&both, NULL, 0, (struct vm_options){ .workers = workers,
		    .chunk_size = 5000 });
		check_together();
		shared_free(sh);
	}
}
END_TEST

START_TEST(serial_pools_call_it_for_each)
{
	map(&many, NULL, 0, (struct vm_options){ .workers = VM_SERIAL });
	ck_assert_int_eq(atomic_load(&sh->counter[SINGLE]), COUNT);
	shared_free(sh);
}
END_TEST

/* ---- failures ---- */

static int refuse(struct vm_context *me)
{
	return vm_fail(me, 7, "a bad element");
}

static int return_seven(struct vm_context *me)
{
	(void)me;
	return 7;
}

static int die(struct vm_context *me)
{
	(void)me;
	return raise(SIGKILL);
}

static int leave(struct vm_context *me)
{
	(void)me;
	exit(0);
}

static int hang(struct vm_context *me)
{
	(void)me;
	for (;;)
		pause();
	return 0;
}

/* With process() and without, in chunks of all sizes; a sample has some of
   these ways, for each harm others. */
static void map_all_ways(int (*how)(struct vm_context *), enum vm_cause with,
    struct vm_options o)
{
	static const unsigned chunks[] = { 0, 10000, COUNT };
	static unsigned number;

	for (size_t i = 0; i < COUNTOF(chunks); i++) {
		o.workers = 1 + (int)i % 2;
		o.chunk_size = chunks[i];
		if (sample_takes(number++, 5)) {
			map(&many, how, with, o);
			check_together();
			shared_free(sh);
		}
		if (!sample_takes(number++, 5))
			continue;
		map(&both, how, with, o);
		check_together();
		/* The elements of the calls that failed, each again. */
		ck_assert_int_ge(atomic_load(&sh->counter[BY_PROCESS]), 16);
		shared_free(sh);
	}
}

START_TEST(a_failure_is_that_of_its_element)
{
	map_all_ways(refuse, VM_FAILED, (struct vm_options){ 0 });
	map_all_ways(return_seven, VM_FAILED, (struct vm_options){ 0 });
}
END_TEST

START_TEST(a_death_is_that_of_its_element)
{
	no_cores();
	map_all_ways(die, VM_KILLED, (struct vm_options){ 0 });
	map_all_ways(leave, VM_EXITED, (struct vm_options){ 0 });
}
END_TEST

START_TEST(a_timeout_is_that_of_its_element)
{
	map(&many, hang, VM_TIMED_OUT, (struct vm_options){ .workers = 2,
	    .item_timeout_ms = 200 });
	check_together();
	shared_free(sh);
}
END_TEST

static int make_many_or_die(struct vm_context *me, const void *inputs,
    size_t count, void *outputs)
{
	const int64_t *x = inputs;

	for (size_t i = 0; i < count; i++)
		if (BAD(x[i]))
			raise(SIGKILL);
	return make_many(me, inputs, count, outputs);
}

/* Where process() makes the elements that process_many() dies of, none fails,
   and no attempt is lost. */
START_TEST(alone_an_element_gets_process)
{
	no_cores();
	map(&(struct vm_worker){ .process = make_one,
	    .process_many = make_many_or_die }, NULL, 0,
	    (struct vm_options){ .workers = 2 });
	check_together();
	ck_assert_int_ge(atomic_load(&sh->counter[BY_PROCESS]), BADS);
	shared_free(sh);
}
END_TEST

/* Only the elements of the call are run alone: not the rest of the chunk. */
START_TEST(the_others_stay_together)
{
	no_cores();
	map(&many, die, VM_KILLED, (struct vm_options){ .workers = 1,
	    .chunk_size = COUNT });
	check_together();
	ck_assert_int_lt(atomic_load(&sh->counter[SINGLE]), 1024 * BADS + 1000);
	shared_free(sh);
}
END_TEST

/* ---- wrong calls ---- */

static int has_output(struct vm_context *me, const void *inputs, size_t count,
    void *outputs)
{
	errno = 0;
	if (vm_output(me, "x", 1) != -1 || errno != EINVAL)
		return vm_fail(me, 98, "vm_output() did not fail");
	return make_many(me, inputs, count, outputs);
}

START_TEST(it_has_no_output_of_its_own)
{
	map(&(struct vm_worker){ .process_many = has_output }, NULL, 0,
	    (struct vm_options){ .workers = 2 });
	check_together();
	shared_free(sh);
	map(&(struct vm_worker){ .process_many = has_output }, NULL, 0,
	    (struct vm_options){ .workers = VM_SERIAL });
	shared_free(sh);
}
END_TEST

START_TEST(pools_refuse_it)
{
	errno = 0;
	ck_assert_ptr_null(vm_fork(&both, NULL));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "process_many"));
	ck_assert_ptr_null(vm_fork(&many, NULL));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { elements_come_together,
		serial_pools_call_it_for_each, a_failure_is_that_of_its_element,
		a_death_is_that_of_its_element,
		a_timeout_is_that_of_its_element,
		alone_an_element_gets_process, the_others_stay_together,
		it_has_no_output_of_its_own, pools_refuse_it };

	return run_tests("many", tests, COUNTOF(tests));
}
