/*
 * test_points.c - a process of the pool is killed or stopped at each of its
 * system calls: the caller, the fork server, a worker; before the call and
 * after it.
 *
 * The life of a pool and its checks: trial.c.
 */
#include "config.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "sample.h"
#include "tools.h"
#include "trial.h"

/* Trials that kill keep the CPUs busy, trials that stop do not. */
#define AT_A_TIME 6
#define STOPPED_AT_A_TIME 80
/* About the number of calls of a kind that a fork server makes. */
#define LONG_SILENCES 50
/* Each trial costs seconds in which the CPUs are idle. */
#define SILENCES_DRAWN_OF 120

static struct trial trials[(LONG_SILENCES + 3) * FAULT_COUNT];
static size_t count;
/* Trials of the test, drawn or not. */
static unsigned numbered;

/* The core: a worker is stopped before it writes, and each process is killed
   before these calls, before some each time and before others by the day. */
static unsigned drawn_of(const struct trial *t, unsigned of)
{
	if (t->fault.act == FAULT_STOP_BEFORE && t->fault.kind == FAULT_WRITE &&
	    t->fault.where == FAULT_IN_WORKERS)
		return 1;
	if (t->fault.act != FAULT_KILL_BEFORE || t->fault.lacks)
		return of;
	if (t->fault.kind == FAULT_WRITE || t->fault.kind == FAULT_WRITEV ||
	    t->fault.kind == FAULT_FORK)
		return 1;
	return t->fault.kind == FAULT_SEND || t->fault.kind == FAULT_READ ? 3 :
	    of;
}

/* Adds a trial of each kind of calls; of: every n-th seed draws it. */
static void add(struct trial t, enum fault_act act, int attempts, unsigned of)
{
	t.fault.act = act;
	t.attempts = attempts;
	for (int kind = FAULT_NONE + 1; kind < FAULT_COUNT; kind++) {
		t.fault.kind = kind;
		t.number = ++numbered;
		t.drawn_of = drawn_of(&t, of);
		if (sample_takes(t.number, t.drawn_of))
			trials[count++] = t;
	}
}

static void run_all(int at_a_time)
{
	int hits[COUNTOF(trials)] = { 0 }, all = 0;

	ck_assert_int_eq(trials_run(trials, count, at_a_time, hits), 0);
	for (size_t i = 0; i < count; i++)
		all += hits[i];
	ck_assert_int_gt(all, sample_size(50, 2));
}

/* Also with a facility that is missing. */
static void check_kills(enum fault_where where)
{
	const enum fault_kind lacks[] = { FAULT_NONE, FAULT_PIDFD_OPEN,
		FAULT_REOPEN, FAULT_OPEN_CHILDREN };
	struct trial t = { .fault.where = where };

	for (size_t i = 0; i < COUNTOF(lacks); i++) {
		t.fault.lacks = lacks[i];
		t.fault.lacks_error = trial_kinds[lacks[i]].errors[0];
		add(t, FAULT_KILL_BEFORE, 1, 2 * TRIALS_DRAWN_OF);
		add(t, FAULT_KILL_AFTER, 2, 2 * TRIALS_DRAWN_OF);
	}
	run_all(AT_A_TIME);
}

/* Number of names in a directory. */
static int count_names(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		closedir(d);
	return n;
}

START_TEST(the_caller_is_killed)
{
	int names = count_names("/dev/shm"), tries = 0;

	check_kills(FAULT_HERE);
	/* Other programs may use the same directory for a while. */
	while (count_names("/dev/shm") > names && tries++ < 300)
		usleep(100000);
	ck_assert_int_le(tries, 300);
}
END_TEST

START_TEST(the_fork_server_is_killed)
{
	check_kills(FAULT_IN_SERVER);
}
END_TEST

START_TEST(a_worker_is_killed)
{
	check_kills(FAULT_IN_WORKERS);
}
END_TEST

/* A fork server that never answers costs seconds, so each such life is a trial
   of its own. */
static void add_silence(void)
{
	for (int n = 1; n <= LONG_SILENCES; n++)
		add((struct trial){ .fault.where = FAULT_IN_SERVER,
		    .only = n }, FAULT_STOP_BEFORE, 2, SILENCES_DRAWN_OF);
}

START_TEST(somebody_is_stopped)
{
	struct trial t = { .goes_on = true, .harmless = true };

	add_silence();
	for (int role = FAULT_HERE; role <= FAULT_IN_WORKERS; role *= 2) {
		t.fault.where = role;
		add(t, FAULT_STOP_BEFORE, 2, TRIALS_DRAWN_OF);
	}
	run_all(STOPPED_AT_A_TIME);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_caller_is_killed, the_fork_server_is_killed,
		a_worker_is_killed };
	const TTest *const drawn[] = {
		somebody_is_stopped };

	return run_sampled_tests("points", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
