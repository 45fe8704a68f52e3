/*
 * test_everycall.c - every system call, in each process of a pool, at every
 * point of its life: it fails, is interrupted, moves a part only.  All inputs
 * come back once, no process or descriptor is left, and no process hangs.
 *
 * The life of a pool and its checks: trial.c.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>

#include "base/base.h"
#include "sample.h"
#include "tools.h"
#include "trial.h"

/* More than CPUs, as each life sleeps for a part of its time. */
#define AT_A_TIME 6
#define TRIALS_MOST (FAULT_COUNT * 12)

static const enum fault_where roles[] = { FAULT_HERE, FAULT_IN_SERVER,
	FAULT_IN_WORKERS };

static struct trial trials[TRIALS_MOST];
static size_t count;
/* Trials of the test, drawn or not, and by kind: trials that run, and faults
   they met. */
static unsigned numbered;
static int run[FAULT_COUNT], met[FAULT_COUNT];

/* Returns n if every n-th seed draws this trial.  The core are failures of the
   calls that each life makes most: some in each process each time, others in a
   process that changes by the day. */
static unsigned drawn_of(const struct trial *t)
{
	const enum fault_kind core[] = { FAULT_WRITEV, FAULT_FORK,
		FAULT_READ, FAULT_RECEIVE, FAULT_EPOLL_WAIT, FAULT_MALLOC };

	if (t->attempts < 2 || t->fault.times > 1 || t->fault.lacks != 0)
		return TRIALS_DRAWN_OF;
	for (unsigned i = 0; i < COUNTOF(core); i++)
		if (t->fault.kind == core[i] &&
		    t->fault.error == trial_kinds[core[i]].errors[0])
			return i < 2 ? 1 : 3;
	return TRIALS_DRAWN_OF;
}

static void add(struct trial *t)
{
	t->number = ++numbered;
	t->drawn_of = drawn_of(t);
	if (!sample_takes(t->number, t->drawn_of))
		return;
	ck_assert_uint_lt(count, TRIALS_MOST);
	trials[count++] = *t;
}

/* Adds a trial in each role, with max_attempts 1 and 2. */
static void add_roles(struct trial t)
{
	for (size_t i = 0; i < COUNTOF(roles); i++) {
		t.fault.where = roles[i];
		for (t.attempts = 1; t.attempts <= 2; t.attempts++)
			add(&t);
	}
}

/* Runs the added trials.  Each kind that every life calls must have been met,
   if it was tried in each role. */
static void run_all(void)
{
	int hits[TRIALS_MOST] = { 0 };

	ck_assert_int_eq(trials_run(trials, count, AT_A_TIME, hits), 0);
	for (size_t i = 0; i < count; i++) {
		run[trials[i].fault.kind]++;
		met[trials[i].fault.kind] += hits[i];
	}
	for (size_t i = 0; i < count; i++) {
		enum fault_kind kind = trials[i].fault.kind;

		ck_assert_msg(met[kind] > 0 || trials[i].fault.lacks ||
		    run[kind] < (int)COUNTOF(roles) ||
		    (trial_kinds[kind].ways & FAULT_RARE),
		    "%s was never met", trial_kinds[kind].name);
	}
}

/* Each kind fails with the first or the second of its errors. */
static void add_failures(int which, enum fault_kind lacks)
{
	struct trial t = { .fault = { .lacks = lacks,
		.lacks_error = trial_kinds[lacks].errors[0] } };

	for (int kind = FAULT_NONE + 1; kind < FAULT_COUNT; kind++) {
		t.fault.kind = kind;
		t.fault.error = trial_kinds[kind].errors[which];
		t.harmless = !(trial_kinds[kind].ways & FAULT_COSTS);
		if (t.fault.error != 0 && kind != (int)lacks)
			add_roles(t);
	}
}

START_TEST(calls_fail)
{
	add_failures(0, FAULT_NONE);
	run_all();
}
END_TEST

START_TEST(calls_fail_otherwise)
{
	add_failures(1, FAULT_NONE);
	run_all();
}
END_TEST

/* From some call on all calls of a kind fail: the kernel lacks them, or a
   sandbox forbids them. */
START_TEST(calls_never_work_again)
{
	const int needed = FAULT_COSTS | FAULT_NEEDED;
	struct trial t = { .fault.times = INT_MAX, .harmless = true };

	for (int kind = FAULT_NONE + 1; kind < FAULT_COUNT; kind++) {
		t.fault.kind = kind;
		t.fault.error = trial_kinds[kind].errors[0];
		if (t.fault.error != 0 && !(trial_kinds[kind].ways & needed))
			add_roles(t);
	}
	run_all();
}
END_TEST

START_TEST(calls_fail_without_pidfds)
{
	add_failures(0, FAULT_PIDFD_OPEN);
	run_all();
}
END_TEST

START_TEST(calls_fail_without_lists_of_children)
{
	add_failures(0, FAULT_OPEN_CHILDREN);
	run_all();
	ck_assert(met[FAULT_LIST] > 0 || !sample_all());
}
END_TEST

static void add_ways(int way, struct trial t)
{
	t.harmless = true;
	for (int kind = FAULT_NONE + 1; kind < FAULT_COUNT; kind++) {
		t.fault.kind = kind;
		if (trial_kinds[kind].ways & way)
			add_roles(t);
	}
}

START_TEST(calls_are_interrupted)
{
	add_ways(FAULT_INTR, (struct trial){ .fault.error = EINTR });
	run_all();
}
END_TEST

START_TEST(calls_are_cut_short)
{
	add_ways(FAULT_SHORT, (struct trial){ .fault.act = FAULT_ONE_BYTE });
	add_ways(FAULT_SHORT, (struct trial){ .fault.act = FAULT_HALF });
	run_all();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		calls_fail, calls_never_work_again, calls_are_interrupted,
		calls_are_cut_short };
	const TTest *const drawn[] = {
		calls_fail_without_pidfds, calls_fail_otherwise,
		calls_fail_without_lists_of_children };

	return run_sampled_tests("everycall", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
