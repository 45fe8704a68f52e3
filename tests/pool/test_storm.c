/*
 * test_storm.c - inputs pushed and read at random in pools with random options,
 * while a thread, a signal handler and the program cancel them, one or all,
 * workers fail and exit, and their number changes: each input comes back once,
 * as it ended or as it was cancelled, and vm_fd() tells of each result.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/base.h"
#include "sample.h"
#include "tools.h"

/* Inputs of a round that are pushed, and of its source; inputs that are pushed
   at a time; most bytes of an input; exit status of workers. */
#define PUSHED 600
#define READ 300
#define BURST 30
#define BYTES_MOST 100000
#define STATUS 33
#define WORKERS_MOST 5

/* What an attempt at an input does. */
enum deed { ANSWERS, NAPS, FAILS, EXITS };

struct told {
	int64_t number;
	int64_t attempt;
};

static uint64_t state;
static bool is_serial;		/* as of vm_fork(), in workers too */

static uint64_t scramble(uint64_t n)
{
	return n * 0x9E3779B97F4A7C15u >> 24;
}

static uint32_t draw(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

static bool chance(uint32_t of)
{
	return draw(of) == 0;
}

static enum deed deed_of(int64_t number, int64_t attempt)
{
	const uint64_t n = scramble((uint64_t)(number * 4 + attempt)) % 256;

	if (n == 0)
		return is_serial ? FAILS : EXITS;
	if (n < 8)
		return FAILS;
	return n < 16 ? NAPS : ANSWERS;
}

/* Runs of inputs have the same size. */
static size_t size_of(int64_t number)
{
	const uint64_t n = scramble((uint64_t)number / 20);

	if (number >= PUSHED || n % 2 == 0)
		return sizeof number;
	return sizeof number + (number % 97 == 5 ? BYTES_MOST / 2 : n % 1000);
}

static int work(struct vm_context *me, const void *input, size_t size)
{
	const struct told t = { number(input), me->attempt };
	const enum deed deed = deed_of(t.number, t.attempt);

	if (size != size_of(t.number))
		return vm_fail(me, -1, "an input of %zu bytes", size);
	if (deed == EXITS)
		_exit(STATUS);
	if (deed == FAILS)
		return me->attempt;
	if (deed == NAPS)
		nap_ms(1);
	return vm_output(me, &t, sizeof t);
}

/* ---- a round ---- */

static struct {
	vm_pool *pool;
	struct vm_options options;
	struct pollfd fd;	/* of vm_fd(), or -1: not used */
	int64_t pushed;
	int answered;
	bool reads;		/* the source was added */
	bool ended;		/* no result has been due since the last input */
	bool seen[PUSHED + READ];
	bool cancelled[PUSHED + READ];	/* the input may come back so */
	int64_t next[2];	/* with VM_ORDERED: of each kind of input */
	bool storms;		/* vm_cancel() may be called at any time */
	pthread_t thread;
	atomic_bool stop;
} storm;

static vm_pool *_Atomic signalled;

/* The index of inputs of the source begins anew. */
static int64_t number_of(const struct vm_result *r)
{
	return (int64_t)r->index + (r->tag != NULL ? PUSHED : 0);
}

static void check_exception(const struct vm_result *r, int64_t i)
{
	const enum deed deed = deed_of(i, r->attempts);
	const struct vm_exception *x = r->exception;

	if (x->cause == VM_CANCELLED) {
		ck_assert(storm.cancelled[i] || storm.storms);
		return;
	}
	ck_assert(r->attempts == storm.options.max_attempts ||
	    storm.cancelled[i] || storm.storms);
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
	const int64_t i = number_of(r);
	const enum deed deed = deed_of(i, r->attempts);
	int64_t *next = &storm.next[i >= PUSHED];
	struct told t;

	ck_assert_int_lt(i, i < PUSHED ? storm.pushed : PUSHED + READ);
	ck_assert_uint_eq(r->input_size, size_of(i));
	ck_assert_int_eq(number(r->input), i);
	ck_assert(!storm.seen[i]);
	storm.seen[i] = true;
	storm.answered++;
	ck_assert(!(storm.options.flags & VM_ORDERED) ||
	    (int64_t)r->index == (*next)++);
	if (r->type == VM_EXCEPTION) {
		check_exception(r, i);
		return;
	}
	ck_assert(deed == ANSWERS || deed == NAPS);
	ck_assert_uint_eq(r->output_size, sizeof t);
	memcpy(&t, r->output, sizeof t);
	ck_assert_int_eq(t.number, i);
	ck_assert_int_eq(t.attempt, r->attempts);
}

/* ---- inputs ---- */

static void push(void)
{
	static char bytes[BYTES_MOST];
	int rc = 1;

	for (uint32_t i = draw(BURST); i > 0 && rc == 1 &&
	    storm.pushed < PUSHED; i--) {
		memcpy(bytes, &storm.pushed, sizeof storm.pushed);
		rc = vm_submit(storm.pool, bytes, size_of(storm.pushed), NULL);
		ck_assert_msg(rc == 1 || rc == VM_LATER, "%s",
		    vm_error(storm.pool));
		storm.pushed += rc == 1;
		storm.ended = false;
	}
}

static void add_source(void)
{
	struct vm_source s = vm_range(PUSHED, PUSHED + READ);

	s.tag = &storm;
	imap_to(storm.pool, s);
	storm.reads = true;
	storm.ended = false;
}

/* Are all inputs in? */
static bool is_fed(void)
{
	return storm.pushed == PUSHED && storm.reads;
}

/* ---- cancelling ---- */

static void cover_all(void)
{
	for (int64_t i = 0; i < PUSHED + READ; i++)
		storm.cancelled[i] |= i < storm.pushed ||
		    (i >= PUSHED && storm.reads);
}

static void cancel_all(void)
{
	cover_all();
	vm_cancel(storm.pool, draw(4));
}

static void cancel_one(void)
{
	const bool of_source = storm.reads && chance(3);
	const int64_t back = draw(50);
	const int64_t index = of_source ? draw(READ) :
	    MAX(storm.pushed - 1 - back, 0);
	const int64_t i = of_source ? PUSHED + index : index;
	int rc = vm_cancel_item(storm.pool, of_source ? &storm : NULL,
	    (uint64_t)index);

	ck_assert_int_ge(rc, 0);
	ck_assert(rc == 0 || !storm.seen[i]);
	storm.cancelled[i] |= rc == 1;
}

static void *cancel_often(void *arg)
{
	unsigned how = 0;

	(void)arg;
	while (!atomic_load(&storm.stop)) {
		vm_cancel(storm.pool, how++ % 4);
		nap_ms(1);
	}
	return NULL;
}

static void on_alarm(int signal)
{
	static unsigned how;
	vm_pool *pool = signalled;

	(void)signal;
	if (pool != NULL)
		vm_cancel(pool, how++ % 4);
}

static void set_timer(int us)
{
	const struct itimerval every = { { 0, us }, { 0, us } };

	ck_assert_int_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
}

static void begin_storm(void)
{
	if (storm.storms)
		return;
	storm.storms = true;
	storm.stop = false;
	ck_assert_int_eq(pthread_create(&storm.thread, NULL, cancel_often,
	    NULL), 0);
	signalled = storm.pool;
	set_timer(1500);
}

static void end_storm(void)
{
	if (!storm.storms)
		return;
	set_timer(0);
	signalled = NULL;
	atomic_store(&storm.stop, true);
	ck_assert_int_eq(pthread_join(storm.thread, NULL), 0);
	storm.storms = false;
	cover_all();
}

static void disturb(void)
{
	switch (draw(30)) {
	case 0:
		cancel_all();
		break;
	case 1:
		begin_storm();
		break;
	case 2:
	case 3:
	case 4:
		end_storm();
		break;
	case 5:
		if (!is_serial)
			ck_assert_int_eq(vm_resize(storm.pool,
			    1 + (int)draw(WORKERS_MOST)), 0);
		break;
	case 6:
		if (!storm.reads)
			add_source();
		break;
	case 7:
	case 8:
	case 9:
		cancel_one();
	}
}

/* ---- results ---- */

/* Returns false if no result may be there yet. */
static bool is_readable(void)
{
	const int ms = is_fed() ? limit_ms() : (int)draw(2);
	int r;

	do
		r = poll(&storm.fd, 1, ms);
	while (r < 0 && errno == EINTR);
	ck_assert_int_ge(r, 0);
	ck_assert_msg(r == 1 || !is_fed(), "a hang");
	return r == 1;
}

/* Returns false at the end. */
static bool take_one(void)
{
	const bool waits = is_fed() && storm.fd.fd < 0;
	struct vm_result r;
	int rc;

	if (is_fed() && storm.ended)
		return false;
	if (storm.fd.fd >= 0 && !is_readable())
		return true;
	errno = EDOM;
	rc = vm_zip_in_out_within(storm.pool, &r, waits ? limit_ms() :
	    storm.fd.fd >= 0 ? 0 : (int)draw(2));
	ck_assert_msg(rc >= 0, "%s", vm_error(storm.pool));
	ck_assert_int_eq(errno, EDOM);
	ck_assert(rc != VM_LATER || !waits);
	if (rc == 1)
		check(&r);
	storm.ended = rc == 0;
	return rc != 0;
}

static void begin(void)
{
	static const size_t chunks[] = { 0, 0, 1, 7, 1000 };
	static const int factors[] = { 0, 0, 1, 3 };
	const struct vm_worker worker = { .process = work };

	memset(&storm, 0, sizeof storm);
	is_serial = chance(6);
	storm.options = (struct vm_options){
		.workers = is_serial ? VM_SERIAL : 1 + (int)draw(3),
		.max_workers = is_serial ? 0 : WORKERS_MOST,
		.flags = chance(2) ? VM_ORDERED : 0,
		.chunk_size = chunks[draw(COUNTOF(chunks))],
		.max_real_in_flight_factor = factors[draw(COUNTOF(factors))],
		.max_total_in_flight_factor = factors[draw(COUNTOF(factors))],
		.max_in_flight_bytes = chance(4) ? 1 + draw(100000) : 0,
		.max_attempts = 1 + (int)draw(3),
		.retry_delay_ms = chance(4) ? 1 + (int)draw(4) : 0,
		.worker_max_items = chance(6) ? 50 : 0,
	};
	storm.pool = fork_pool(&worker, &storm.options);
	storm.fd = (struct pollfd){ .events = POLLIN,
		.fd = chance(2) ? vm_fd(storm.pool) : -1 };
}

static void close_in_steps(void)
{
	struct pollfd fd = { .fd = vm_fd(storm.pool), .events = POLLIN };
	int rc;

	while ((rc = vm_close_within(storm.pool, 0)) == VM_LATER)
		ck_assert_int_eq(poll(&fd, 1, limit_ms()), 1);
	ck_assert_int_eq(rc, 0);
}

/* All inputs come back, except those that a cancelled source had left. */
static void finish(void)
{
	end_storm();
	while (take_one())
		continue;
	for (int i = 0; i < PUSHED + READ; i++)
		ck_assert(storm.seen[i] || (i >= PUSHED &&
		    storm.cancelled[i]));
	if (chance(2))
		close_pool(storm.pool);
	else
		close_in_steps();
	ck_assert_int_eq(count_children(), 0);
}

START_TEST(each_input_comes_back_once)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	const int rounds = sample_size(400, 12), fds = count_fds();

	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	for (int i = 0; i < rounds; i++) {
		state = (uint64_t)sample_seed() * 1000 + (uint64_t)i;
		printf("round %llu\n", (unsigned long long)state);
		begin();
		while (!is_fed() || storm.answered < PUSHED) {
			push();
			disturb();
			for (uint32_t n = draw(20); n > 0 && take_one(); n--)
				continue;
			if (storm.pushed == PUSHED && !storm.reads)
				add_source();
		}
		finish();
		ck_assert_int_eq(count_fds(), fds);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { each_input_comes_back_once };

	return run_tests("storm", tests, COUNTOF(tests));
}
