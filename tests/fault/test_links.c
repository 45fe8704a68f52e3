/*
 * test_links.c - system calls of a pool whose only workers are elsewhere fail, or
 * are the last of their process: in the caller, the fork server, the link, the
 * child that becomes its command, and the agent.  Each input comes back once,
 * and no process or descriptor is left.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "fault_sys.h"
#include "sample.h"
#include "tools.h"
#include "trial.h"

/* Inputs of a life; each comes back with its square. */
#define ITEMS 24
/* Speed of the library's clock, for pauses of seconds before a link is tried
   again. */
#define HASTE 8
/* Every n-th seed draws a given trial. */
#define DRAWN_OF 40
/* The core: calls that each link makes. */
#define CORE_OF 4

static char program[4096], path[64];

static const enum fault_where roles[] = { FAULT_HERE, FAULT_IN_SERVER,
	FAULT_IN_WORKERS, FAULT_IN_COMMANDS, FAULT_IN_AGENTS };

static const char *name_of(enum fault_where role)
{
	return role == FAULT_IN_WORKERS ? "link" : role == FAULT_IN_COMMANDS ?
	    "command" : role == FAULT_IN_AGENTS ? "agent" : trial_role(role);
}

/* ---- the life of a pool ---- */

static int square(struct vm_context *me, const void *input, size_t size)
{
	const int64_t n = number(input), out[2] = { n, n * n };

	(void)size;
	return vm_output(me, out, sizeof out);
}

static const struct vm_worker table[] = {
	{ .process = square, .name = "square" },
};

/* Says why a life is wrong.  Returns 1. */
static int wrong(const struct fault *f, const char *what, const char *words)
{
	fprintf(stderr, "%s in the %s, call %d, act %d: %s %s\n",
	    trial_kinds[f->kind].name, name_of(f->where), f->nth, f->act, what,
	    words);
	return 1;
}

/* May the fault break the pool, or cost an item?  In a link and its command it
   is a loss, which costs nothing. */
static bool may_cost(const struct fault *f)
{
	return f->where != FAULT_IN_WORKERS && f->where != FAULT_IN_COMMANDS;
}

/* Notes a result.  Returns 0, or 1 if it is wrong. */
static int note(const struct fault *f, const struct vm_result *r, bool *seen)
{
	const int64_t n = number(r->input);
	int64_t out[2];

	if (n < 0 || n >= ITEMS || seen[n])
		return wrong(f, "an input came twice", "");
	seen[n] = true;
	if (r->type == VM_EXCEPTION)
		return may_cost(f) ? 0 : wrong(f, "an item failed:",
		    r->exception->message);
	memcpy(out, r->output, sizeof out);
	if (r->output_size != sizeof out || out[0] != n || out[1] != n * n)
		return wrong(f, "another output", "");
	return 0;
}

/* Maps the inputs.  Returns 0, or 1 if a promise is broken. */
static int use(const struct fault *f, vm_pool *pool)
{
	bool seen[ITEMS] = { false };
	struct vm_result r;
	int rc, tries = 0, all = 0;

	while ((rc = vm_imap(pool, vm_range(0, ITEMS))) == -1 && tries++ < 3 &&
	    vm_broken(pool) == 0)
		continue;
	while (rc != -1 || (vm_broken(pool) == 0 && tries++ < 3)) {
		rc = vm_zip_in_out_within(pool, &r, limit_ms());
		if (rc == VM_LATER)
			return wrong(f, "nothing comes", "");
		if (rc == 0)
			break;
		if (rc == 1 && note(f, &r, seen) != 0)
			return 1;
	}
	for (int i = 0; i < ITEMS; i++)
		all += seen[i];
	if (rc == 0 && all != ITEMS)
		return wrong(f, "an input is lost", "");
	return rc == 0 || may_cost(f) ? 0 : wrong(f, "broken:", vm_error(pool));
}

/* Waits until all processes below this one are gone.  Returns 0 or 1. */
static int await_end(const struct fault *f)
{
	for (int ms = 0; ms < limit_ms(); ms++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
		if (waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD)
			return 0;
		nap_ms(1);
	}
	return wrong(f, "processes are left", "");
}

/* A life in a process of its own, whose exit status says whether a promise was
   broken. */
static int live(void *fault)
{
	const struct fault *f = fault;
	const char *command[] = { program, "--agent", path, NULL };
	struct vm_host host = { .name = "h", .workers = 2,
		.command = command };
	const struct vm_options o = { .workers = VM_ELSEWHERE, .hosts = &host,
		.host_count = 1, .patience_ms = INT_MAX };
	int fds = count_fds(), r = 0;
	vm_pool *pool;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	fault_hasten(HASTE);
	fault_malloc_on(1);
	pool = vm_fork(&table[0], &o);
	if (pool != NULL)
		r = use(f, pool);
	else if (!may_cost(f) || vm_error(NULL)[0] == '\0')
		r = wrong(f, "vm_fork() fails:", vm_error(NULL));
	if (pool != NULL && vm_close(pool) == -1 && !may_cost(f))
		r = wrong(f, "vm_close() fails:", vm_error(NULL));
	fault_malloc_on(0);
	if (r == 0 && count_fds() != fds)
		r = wrong(f, "descriptors are left", "");
	return r != 0 ? r : await_end(f);
}

/* ---- trials ---- */

/* Runs lives with the fault at the first call, the second ... until none is met.
   Returns the number of lives that met it; adds to *bad those that went
   wrong. */
static int try_all(struct fault f, unsigned trial, unsigned of, int *bad)
{
	int missed = 0, hits = 0, range, status;

	for (int n = 1; missed < 2 && *bad < 3; n += range) {
		range = sample_all() ? 1 : 1 + n / 2;
		f.nth = n + (int)sample_pick(trial, of, (unsigned)range);
		fault_arm(&f);
		status = in_child(live, &f);
		missed = fault_hits() > 0 ? 0 : missed + 1;
		hits += missed == 0;
		/* A caller that is killed has nothing to say. */
		*bad += status != 0 && (f.act == FAULT_FAIL ||
		    f.where != FAULT_HERE);
	}
	return hits;
}

/* Every n-th seed draws the trial. */
static unsigned drawn_of(const struct fault *f)
{
	const enum fault_kind core[] = { FAULT_RUN, FAULT_COPY,
		FAULT_HOST_NAME, FAULT_WRITEV };

	for (size_t i = 0; i < COUNTOF(core); i++)
		if (f->kind == core[i])
			return CORE_OF;
	return DRAWN_OF;
}

static void start(void)
{
	snprintf(path, sizeof path, "/tmp/vimap-links-%d", (int)getpid());
	ck_assert_int_eq(fault_share(path), 0);
	no_cores();
}

/* Returns the number of lives, of those of all trials, that meet a fault in
   that process at least.  A command only makes way for another program. */
static int least_hits(enum fault_where role)
{
	return role == FAULT_IN_COMMANDS ? 1 : 10;
}

/* The first trial is always drawn. */
static void try_kinds(enum fault_act act)
{
	int hits[COUNTOF(roles)] = { 0 }, bad = 0;
	unsigned trial = 0;

	start();
	for (int kind = FAULT_NONE + 1; kind < FAULT_COUNT; kind++)
		for (size_t i = 0; i < COUNTOF(roles); i++) {
			const struct fault f = { .kind = kind, .act = act,
				.error = trial_kinds[kind].errors[0],
				.where = roles[i], .times = 1 };
			const unsigned of = drawn_of(&f);

			if ((f.error != 0 || act != FAULT_FAIL) &&
			    sample_takes(trial++, of))
				hits[i] += try_all(f, trial, of, &bad);
		}
	unlink(path);
	ck_assert_int_eq(bad, 0);
	for (size_t i = 0; i < COUNTOF(roles); i++)
		ck_assert_msg(hits[i] >= sample_size(least_hits(roles[i]),
		    i == 0), "%s: %d", name_of(roles[i]), hits[i]);
}

START_TEST(calls_fail)
{
	try_kinds(FAULT_FAIL);
}
END_TEST

START_TEST(processes_end_before_calls)
{
	try_kinds(FAULT_KILL_BEFORE);
}
END_TEST

/* Is each of the kinds that links and agents add met? */
START_TEST(calls_of_links_are_met)
{
	const struct { enum fault_kind kind; enum fault_where where; } added[] =
	    { { FAULT_RUN, FAULT_IN_COMMANDS }, { FAULT_COPY, FAULT_IN_AGENTS },
	    { FAULT_HOST_NAME, FAULT_IN_AGENTS } };
	int bad = 0;

	start();
	for (size_t i = 0; i < COUNTOF(added); i++) {
		const struct fault f = { .kind = added[i].kind,
			.where = added[i].where, .times = 1,
			.error = trial_kinds[added[i].kind].errors[0] };

		ck_assert_int_gt(try_all(f, 0, 1, &bad), 0);
	}
	unlink(path);
	ck_assert_int_eq(bad, 0);
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const tests[] = { calls_of_links_are_met, calls_fail,
		processes_end_before_calls };

	if (argc > 2 && strcmp(argv[1], "--agent") == 0 &&
	    fault_join(argv[2]) < 0)
		return 1;
	vm_agent(argc, argv, table, COUNTOF(table));
	if (realpath(argv[0], program) == NULL)
		return 1;
	return run_tests("links", tests, COUNTOF(tests));
}
