/*
 * test_storms.c - inputs pushed at random to workers here and on machines, some
 * behind others, while inputs are cancelled, one or all, machines are added and
 * removed, and workers fail and exit: each input comes back once, as it ended,
 * and no machine is lost.
 */
#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "sample.h"
#include "tools.h"

/* Inputs of a round; inputs that are pushed at a time; attempts at an input;
   exit status of workers. */
#define N 1500
#define BURST 20
#define ATTEMPTS 2
#define STATUS 33

struct told {
	int64_t number;
	int64_t attempt;
};

/* What an attempt at an input does. */
enum deed { ANSWERS, NAPS, FAILS, EXITS };

static char program[4096];
static uint64_t state;

static uint32_t draw(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

static enum deed deed_of(int64_t number, int64_t attempt)
{
	const uint64_t n = ((uint64_t)number * 4 + (uint64_t)attempt) *
	    0x9E3779B97F4A7C15u >> 56;

	if (n == 0)
		return EXITS;
	if (n < 6)
		return FAILS;
	return n < 30 ? NAPS : ANSWERS;
}

static int work(struct vm_context *me, const void *input, size_t size)
{
	const struct told t = { number(input), me->attempt };
	const enum deed deed = deed_of(t.number, t.attempt);

	(void)size;
	if (deed == EXITS)
		_exit(STATUS);
	if (deed == FAILS)
		return me->attempt;
	if (deed == NAPS)
		nap_ms(1);
	return vm_output(me, &t, sizeof t);
}

static const struct vm_worker table[] = {
	{ .process = work, .name = "work" },
};

/* ---- a round ---- */

static struct {
	vm_pool *pool;
	int64_t pushed;
	int answered;
	int hosts;		/* numbers so far */
	bool seen[N];
	bool cancelled[N];	/* the input may come back so */
} storm;

static void check_exception(const struct vm_result *r, enum deed deed)
{
	const struct vm_exception *x = r->exception;

	if (x->cause == VM_CANCELLED) {
		ck_assert(storm.cancelled[r->index]);
		return;
	}
	ck_assert(r->attempts == ATTEMPTS || storm.cancelled[r->index]);
	if (deed == FAILS) {
		ck_assert_int_eq(x->cause, VM_FAILED);
		ck_assert_int_eq(x->code, r->attempts);
	} else {
		ck_assert_int_eq(deed, EXITS);
		ck_assert_int_eq(x->cause, VM_EXITED);
		ck_assert_int_eq(x->exit_status, STATUS);
	}
}

static void check(const struct vm_result *r)
{
	const enum deed deed = deed_of((int64_t)r->index, r->attempts);
	struct told t;

	ck_assert_int_lt((int64_t)r->index, storm.pushed);
	ck_assert_int_eq(number(r->input), (int64_t)r->index);
	ck_assert(!storm.seen[r->index]);
	storm.seen[r->index] = true;
	storm.answered++;
	if (r->type == VM_EXCEPTION) {
		check_exception(r, deed);
		return;
	}
	ck_assert(deed == ANSWERS || deed == NAPS);
	ck_assert_uint_eq(r->output_size, sizeof t);
	memcpy(&t, r->output, sizeof t);
	ck_assert_int_eq(t.number, (int64_t)r->index);
	ck_assert_int_eq(t.attempt, r->attempts);
}

static void push(void)
{
	int rc = 1;

	for (uint32_t i = draw(BURST); i > 0 && rc == 1 && storm.pushed < N;
	    i--) {
		rc = vm_submit(storm.pool, &storm.pushed, sizeof storm.pushed,
		    NULL);
		ck_assert_msg(rc == 1 || rc == VM_LATER, "%s",
		    vm_error(storm.pool));
		storm.pushed += rc == 1;
	}
}

static void cancel_one(void)
{
	int64_t i = storm.pushed - 1 - draw(100);
	int rc;

	if (i < 0)
		return;
	rc = vm_cancel_item(storm.pool, NULL, (uint64_t)i);
	ck_assert_int_ge(rc, 0);
	ck_assert(rc == 0 || !storm.seen[i]);
	storm.cancelled[i] |= rc == 1;
}

static void cancel_all(void)
{
	for (int64_t i = 0; i < storm.pushed; i++)
		storm.cancelled[i] = true;
	vm_cancel(storm.pool, draw(4));
}

/* The first machine stays. */
static void change_hosts(void)
{
	const char *command[] = { program, NULL };
	const struct vm_host host = { .name = "guest", .workers = 2,
		.command = command };
	int n;

	if (storm.hosts > 1 && draw(2) == 0) {
		vm_remove_host(storm.pool, 2 + (int)draw((uint32_t)
		    storm.hosts - 1));
		return;
	}
	n = vm_add_host(storm.pool, &host);
	storm.hosts = n > 0 ? n : storm.hosts;
}

static void disturb(void)
{
	switch (draw(12)) {
	case 0:
		cancel_all();
		break;
	case 1:
		change_hosts();
		break;
	case 2:
	case 3:
	case 4:
		cancel_one();
	}
}

static void begin(void)
{
	const char *command[] = { program, NULL };
	const struct vm_host behind[] = {
		{ .name = "leaf", .workers = 1, .command = command },
		{ .name = "leaf", .workers = 2, .command = command },
	};
	const struct vm_host host = { .name = "root", .workers = 1,
		.command = command, .hosts = behind, .host_count = 2 };
	const struct vm_options o = {
		.workers = draw(2) == 0 ? VM_ELSEWHERE : 2,
		.hosts = &host, .host_count = 1, .max_hosts = 4,
		.flags = draw(2) == 0 ? VM_ORDERED : 0,
		.chunk_size = draw(2) * (1 + draw(20)),
		.max_attempts = ATTEMPTS };

	memset(&storm, 0, sizeof storm);
	storm.pool = fork_pool(&table[0], &o);
	storm.hosts = 1;
}

static void finish(void)
{
	struct vm_host_state s;

	take_end(storm.pool);
	for (int i = 1; i <= storm.hosts; i++) {
		ck_assert_int_eq(vm_host_state(storm.pool, i, &s), 1);
		ck_assert_msg(s.times_lost == 0, "host %d: %s", i, s.words);
	}
	close_pool(storm.pool);
	ck_assert_int_eq(count_children(), 0);
}

START_TEST(each_input_comes_back_as_it_ended)
{
	const int rounds = sample_size(100, 8);
	struct vm_result r;
	int rc;

	for (int i = 0; i < rounds; i++) {
		state = (uint64_t)sample_seed() * 1000 + (uint64_t)i;
		printf("round %llu\n", (unsigned long long)state);
		begin();
		while (storm.answered < N) {
			push();
			disturb();
			rc = vm_zip_in_out_within(storm.pool, &r,
			    storm.pushed < N ? (int)draw(2) : limit_ms());
			ck_assert_msg(rc >= 0, "%s", vm_error(storm.pool));
			if (rc == 1)
				check(&r);
			ck_assert(rc != VM_LATER || storm.pushed < N);
		}
		finish();
	}
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const tests[] = { each_input_comes_back_as_it_ended };

	vm_agent(argc, argv, table, COUNTOF(table));
	if (realpath(argv[0], program) == NULL)
		return 1;
	return run_tests("storms", tests, COUNTOF(tests));
}
