/*
 * test_fold.c - lengths that are cut into parts, and results that are folded.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "tools.h"
#include "vimap_reduce.h"

/* ---- parts ---- */

static struct vm_part parts[256];

/* Takes all parts from a source, as a pool does.  Returns their number. */
static size_t take_parts(uint64_t length, uint64_t count, enum vm_cut cut)
{
	struct vm_source s = vm_parts(length, count, cut);
	const void *input;
	size_t size, n = 0;
	int r;

	ck_assert_ptr_nonnull(s.next);
	while ((r = s.next(s.from, &input, &size)) == 1) {
		ck_assert_uint_eq(size, sizeof *parts);
		ck_assert_uint_lt(n, COUNTOF(parts));
		memcpy(&parts[n++], input, size);
	}
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(s.length, n);
	s.close(s.from);
	return n;
}

/* Parts as Pymar cuts them: limit, offset. */
static const struct {
	uint64_t length, parts;
	size_t count;
	struct { uint64_t limit, offset; } part[4];
} pymar[] = {
	{ 0, 1, 0, { { 0, 0 } } },
	{ 0, 3, 0, { { 0, 0 } } },
	{ 1, 1, 1, { { 1, 0 } } },
	{ 1, 3, 1, { { 1, 0 } } },
	{ 1, 4, 1, { { 1, 0 } } },
	{ 2, 1, 1, { { 2, 0 } } },
	{ 2, 3, 2, { { 1, 0 }, { 1, 1 } } },
	{ 2, 4, 2, { { 1, 0 }, { 1, 1 } } },
	{ 7, 1, 1, { { 7, 0 } } },
	{ 7, 3, 3, { { 3, 0 }, { 3, 3 }, { 1, 6 } } },
	{ 7, 4, 4, { { 2, 0 }, { 2, 2 }, { 2, 4 }, { 1, 6 } } },
	{ 8, 3, 3, { { 3, 0 }, { 3, 3 }, { 2, 6 } } },
	{ 8, 4, 3, { { 3, 0 }, { 3, 3 }, { 2, 6 } } },
	{ 10, 3, 3, { { 4, 0 }, { 4, 4 }, { 2, 8 } } },
	{ 10, 4, 4, { { 3, 0 }, { 3, 3 }, { 3, 6 }, { 1, 9 } } },
	{ 14, 3, 3, { { 5, 0 }, { 5, 5 }, { 4, 10 } } },
	{ 14, 4, 4, { { 4, 0 }, { 4, 4 }, { 4, 8 }, { 2, 12 } } },
	{ 100, 3, 3, { { 34, 0 }, { 34, 34 }, { 32, 68 } } },
	{ 100, 4, 4, { { 26, 0 }, { 26, 26 }, { 26, 52 }, { 22, 78 } } },
};

START_TEST(cuts_as_pymar_does)
{
	for (size_t i = 0; i < COUNTOF(pymar); i++) {
		ck_assert_uint_eq(take_parts(pymar[i].length, pymar[i].parts,
		    VM_CUT_WITH_REST), pymar[i].count);
		for (size_t n = 0; n < pymar[i].count; n++) {
			ck_assert_uint_eq(parts[n].limit,
			    pymar[i].part[n].limit);
			ck_assert_uint_eq(parts[n].offset,
			    pymar[i].part[n].offset);
		}
	}
}
END_TEST

/* Parts cover the length in order; sizes differ by 1 at most. */
static void check_even(uint64_t length, uint64_t count)
{
	size_t n = take_parts(length, count, VM_CUT_EVENLY);
	uint64_t at = 0;

	ck_assert_uint_eq(n, MIN(length, count));
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_eq(parts[i].offset, at);
		ck_assert_uint_ge(parts[i].limit, 1);
		ck_assert_uint_le(parts[i].limit, parts[0].limit);
		ck_assert_uint_le(parts[0].limit - parts[i].limit, 1);
		ck_assert(i == 0 || parts[i].limit <= parts[i - 1].limit);
		at += parts[i].limit;
	}
	ck_assert_uint_eq(at, length);
}

START_TEST(cuts_evenly)
{
	for (uint64_t length = 0; length < 40; length++)
		for (uint64_t count = 1; count < 50; count++)
			check_even(length, count);
	check_even(3, UINT64_MAX);
	check_even(UINT64_MAX, 1);
	check_even(UINT64_MAX, 2);
	check_even(UINT64_MAX, 100);
	check_even(UINT64_MAX - 1, 7);
}
END_TEST

START_TEST(cuts_what_is_long)
{
	ck_assert_uint_eq(take_parts(UINT64_MAX, 1, VM_CUT_WITH_REST), 1);
	ck_assert_uint_eq(parts[0].limit, UINT64_MAX);
	ck_assert_uint_eq(take_parts(UINT64_MAX, 2, VM_CUT_WITH_REST), 2);
	ck_assert_uint_eq(parts[0].limit, UINT64_MAX / 2 + 1);
	ck_assert_uint_eq(parts[1].offset, UINT64_MAX / 2 + 1);
	ck_assert_uint_eq(parts[1].limit, UINT64_MAX / 2);
	ck_assert_uint_eq(take_parts(9, UINT64_MAX, VM_CUT_WITH_REST), 9);
}
END_TEST

/* ---- folding ---- */

static int process(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);

	(void)size;
	if (n % 10 == 7)
		return vm_fail(me, 7, "it ends with a 7");
	if (n % 50 == 33)
		_exit(3);
	n *= 2;
	return vm_output(me, &n, sizeof n);
}

static const struct vm_worker doubles = { .process = process };

START_TEST(refuses_cuts)
{
	vm_pool *pool = fork_pool(&doubles, NULL);

	ck_assert_int_eq(vm_imap(pool, vm_parts(10, 0, VM_CUT_EVENLY)), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(vm_imap(pool, vm_parts(10, 0, VM_CUT_WITH_REST)), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(vm_imap(pool, vm_parts(10, 1, (enum vm_cut)7)), -1);
	ck_assert_int_eq(errno, EINVAL);
	close_pool(pool);
}
END_TEST

struct folded {
	int64_t sum, next, exceptions, outputs, stops_at;
};

static int fold(void *accumulator, const struct vm_result *r)
{
	struct folded *f = accumulator;

	if (f->next >= 0)
		ck_assert_int_eq(number(r->input), f->next++);
	if (f->outputs + f->exceptions == f->stops_at)
		return 1;
	f->exceptions += r->type == VM_EXCEPTION;
	if (r->type != VM_OUTPUT)
		return 0;
	f->outputs++;
	f->sum += number(r->output);
	return 0;
}

/* Checks that no source is left in the pool: a new fold gets its own
   results. */
static void check_idle(vm_pool *pool)
{
	struct folded f = { .next = -1, .stops_at = -1 };

	ck_assert_int_eq(vm_fold(pool, vm_range(0, 7), fold, &f), 0);
	ck_assert_int_eq(f.sum, 42);
}

START_TEST(folds_all)
{
	struct folded f;
	vm_pool *pool;

	for (int ordered = 0; ordered < 2; ordered++) {
		pool = fork_pool(&doubles, &(struct vm_options){
		    .flags = ordered ? VM_ORDERED : 0, .workers = 3 });
		f = (struct folded){ .next = ordered ? 0 : -1,
		    .stops_at = -1 };
		ck_assert_int_eq(vm_fold(pool, vm_range(0, 100), fold, &f), 1);
		ck_assert_int_eq(f.exceptions, 12);
		ck_assert_int_eq(f.outputs, 88);
		ck_assert_int_eq(f.sum, 9900 - 2 * (520 + 33 + 83));
		check_idle(pool);
		f = (struct folded){ .next = -1, .stops_at = -1 };
		ck_assert_int_eq(vm_fold(pool, vm_range(0, 0), fold, &f), 0);
		check_idle(pool);
		close_pool(pool);
	}
}
END_TEST

START_TEST(fold_may_stop)
{
	vm_pool *pool = fork_pool(&doubles, NULL);
	struct folded f;

	for (int64_t n = 0; n < 30; n += 6) {
		f = (struct folded){ .next = -1, .stops_at = n };
		ck_assert_int_eq(vm_fold(pool, vm_range(0, 100000), fold, &f),
		    -1);
		ck_assert_int_eq(errno, ECANCELED);
		ck_assert_int_eq(f.outputs + f.exceptions, n);
		check_idle(pool);
	}
	close_pool(pool);
}
END_TEST

static int closed;

static int next_failing(void *from, const void **input, size_t *size)
{
	static int64_t n;
	int *left = from;

	if ((*left)-- == 0) {
		errno = ENOTTY;
		return -1;
	}
	*input = &n;
	*size = sizeof n;
	return 1;
}

/* The pool whose calls close() makes, in vain; NULL: none. */
static vm_pool *called;

static void count_close(void *from)
{
	(void)from;
	closed++;
	if (called != NULL) {
		ck_assert_int_eq(vm_resize(called, 1), -1);
		ck_assert_int_eq(errno, EDEADLK);
		ck_assert_int_eq(vm_close(called), -1);
		ck_assert_int_eq(errno, EDEADLK);
	}
}

START_TEST(sources_that_fail)
{
	vm_pool *pool = fork_pool(&doubles, NULL);
	struct folded f = { .next = -1, .stops_at = -1 };
	int left = 10;
	const struct vm_source s = { .next = next_failing,
		.close = count_close, .from = &left };

	ck_assert_int_eq(vm_fold(pool, s, fold, &f), -1);
	ck_assert_int_eq(errno, ENOTTY);
	ck_assert_int_eq(f.outputs, 10);
	ck_assert_int_eq(closed, 1);
	check_idle(pool);
	called = pool;
	ck_assert_int_eq(vm_fold(pool, s, NULL, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "vm_fold()"));
	called = NULL;
	ck_assert_int_eq(closed, 2);
	ck_assert_int_eq(vm_fold(NULL, s, fold, &f), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(closed, 3);
	ck_assert_int_eq(vm_fold(NULL, s, NULL, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "vm_"));
	ck_assert_int_eq(closed, 4);
	check_idle(pool);
	close_pool(pool);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { cuts_as_pymar_does, cuts_evenly,
		cuts_what_is_long, refuses_cuts, folds_all, fold_may_stop,
		sources_that_fail };

	return run_tests("fold", tests, COUNTOF(tests));
}
