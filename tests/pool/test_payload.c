/*
 * test_payload.c - large inputs and outputs, which travel through shared
 * memory: they are intact in whatever order their regions are freed, whatever
 * process dies, and no process waits for space that cannot become free.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "os/paging.h"
#include "os/sys.h"
#include "sample.h"
#include "tools.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

/* With so many places halves have the least size, SLOT_PAYLOAD. */
#define PLACES 512

/* The largest input that fits in such a half, with its head and
   trailer; and the largest output, with its padding. */
#define FITS (SLOT_PAYLOAD - 24)
#define OUT_FITS (SLOT_PAYLOAD - 33)

/* ---- patterns ---- */

static uint64_t word(uint64_t number, size_t i)
{
	return (number + 1) * 0x9e3779b97f4a7c15u ^ i * 0x2545f4914f6cdd1du;
}

/* Both go by whole words as far as they can: tests are not optimised, and a
   run fills and checks some hundred megabytes. */
static void fill(void *at, uint64_t number, size_t size)
{
	uint64_t *to = at, w;
	size_t i, whole = size - size % sizeof w;

	for (i = 0; i < whole; i += sizeof w)
		*to++ = word(number, i);
	w = word(number, i);
	memcpy(to, &w, size - whole);
}

static bool is_filled(const void *at, uint64_t number, size_t size)
{
	const uint64_t *from = at;
	uint64_t w;
	size_t i, whole = size - size % sizeof w;

	if ((uintptr_t)at % 16 != 0 || ((const char *)at)[size] != 0)
		return false;
	for (i = 0; i < whole; i += sizeof w)
		if (*from++ != word(number, i))
			return false;
	w = word(number, i);
	return memcmp(from, &w, size - whole) == 0;
}

/* ---- a job: inputs and outputs of given sizes ---- */

enum { STARTED, DONE, GATE, PART };

static struct job {
	const size_t *in, *out;
	size_t count, given;
	unsigned char *room;
	struct shared *sh;
} job;

/* A callback that an item runs before its answer; the item fails if it does not
   return 0. */
static int (*prank)(struct vm_context *, const void *input, size_t size);

static int answer(struct vm_context *me, const void *input, size_t size)
{
	void *room;
	int r;

	atomic_fetch_add(&job.sh->counter[STARTED], 1);
	if (size != job.in[me->index] || !is_filled(input, me->index, size))
		return vm_fail(me, 1, "a bad input");
	r = prank ? prank(me, input, size) : 0;
	if (r != 0)
		return r;
	room = vm_reserve(me, job.out[me->index]);
	if (room == NULL)
		return -1;
	fill(room, ~me->index, job.out[me->index]);
	vm_commit(me, job.out[me->index]);
	atomic_fetch_add(&job.sh->counter[DONE], 1);
	return 0;
}

static const struct vm_worker answering = { .process = answer };

static int next_of_job(void *from, const void **input, size_t *size)
{
	(void)from;
	if (job.given == job.count)
		return 0;
	fill(job.room, job.given, job.in[job.given]);
	*input = job.room;
	*size = job.in[job.given++];
	return 1;
}

static const struct vm_source by_and_by = { .next = next_of_job };

static void set_job(const size_t *in, const size_t *out, size_t count)
{
	size_t most = 1;

	no_cores();
	for (size_t i = 0; i < count; i++)
		most = MAX(most, in[i]);
	job = (struct job){ in, out, count, 0, malloc(most), shared_new() };
	ck_assert_ptr_nonnull(job.room);
}

static void end_job(void)
{
	shared_free(job.sh);
	free(job.room);
}

static vm_pool *start(const size_t *in, const size_t *out, size_t count,
    const struct vm_options *options)
{
	set_job(in, out, count);
	return fork_pool(&answering, options);
}

static void stop(vm_pool *pool)
{
	close_pool(pool);
	ck_assert_int_eq(count_children(), 0);
	end_job();
}

/* These return how far shared memory was used: for inputs, and for outputs. */
static uint64_t placed_in(const vm_pool *pool)
{
	const struct crew *c = &pool->engine.crew;
	uint64_t n = 0;

	for (size_t i = 0; i < c->count; i++)
		n += c->members[i].inputs.reach;
	return n;
}

static uint64_t placed_out(const vm_pool *pool)
{
	const struct crew *c = &pool->engine.crew;
	uint64_t n = 0;

	for (size_t i = 0; i < c->count; i++)
		n += c->members[i].outputs.reach;
	return n;
}

static void check_right(const struct vm_result *r)
{
	ck_assert_msg(r->type == VM_OUTPUT, "number %d: %s", (int)r->index,
	    r->exception ? r->exception->message : "");
	ck_assert_uint_eq(r->input_size, job.in[r->index]);
	ck_assert_uint_eq(r->output_size, job.out[r->index]);
	ck_assert(is_filled(r->input, r->index, r->input_size));
	ck_assert(is_filled(r->output, ~r->index, r->output_size));
}

/* Takes count results, each of another item, and passes each to the callback
   look. */
static void take_some(vm_pool *pool, size_t count, char *seen,
    void (*look)(const struct vm_result *))
{
	struct vm_result r;

	for (size_t i = 0; i < count; i++) {
		int rc = vm_zip_in_out_within(pool, &r, limit_ms());

		ck_assert_msg(rc == 1, "%d after %d results: %s", rc, (int)i,
		    vm_error(pool));
		ck_assert_uint_lt(r.index, job.count);
		ck_assert_int_eq(seen[r.index]++, 0);
		look(&r);
	}
}

static void take_all(vm_pool *pool, void (*look)(const struct vm_result *))
{
	char *seen = calloc(job.count, 1);

	ck_assert_ptr_nonnull(seen);
	take_some(pool, job.count, seen, look);
	take_end(pool);
	free(seen);
}

/* In each relevant way; a sample has the first and another.  Chunks of a given
   size are placed in shared memory if they happen to begin with a large
   input. */
static const struct vm_options ways[] = {
	{ .workers = 1 },
	{ .workers = 1, .flags = VM_ORDERED, .chunk_size = 3 },
	{ .workers = 2, .chunk_size = 1 },
	{ .workers = 2, .chunk_size = 3 },
	{ .workers = 3, .flags = VM_ORDERED },
	{ .workers = 3, .flags = VM_ORDERED, .chunk_size = 1 },
};

static void run_all_ways(const size_t *in, const size_t *out, size_t count,
    void (*look)(const struct vm_result *), struct vm_options more)
{
	uint64_t ins = 0, outs = 0;

	for (size_t i = 0; i < COUNTOF(ways); i++) {
		struct vm_options o = more;
		vm_pool *pool;

		if (!sample_takes((unsigned)i, 5))
			continue;
		o.workers = ways[i].workers;
		o.max_workers = PLACES;
		o.flags |= ways[i].flags;
		o.chunk_size = ways[i].chunk_size;
		pool = start(in, out, count, &o);
		imap_to(pool, by_and_by);
		take_all(pool, look);
		ins += placed_in(pool);
		outs += placed_out(pool);
		stop(pool);
	}
	ck_assert_uint_gt(ins, 0);
	ck_assert_uint_gt(outs, 0);
}

/* ---- sizes ---- */

static const size_t edges[] = { SLOT_LARGE - 1, SLOT_LARGE, SLOT_LARGE + 1,
	3, 100000, 0, MIB, 100000, SLOT_LARGE - 24, SLOT_LARGE - 23, FITS, 1,
	FITS + 1, OUT_FITS, 1, OUT_FITS + 1, SLOT_PAYLOAD - 1, SLOT_PAYLOAD, SLOT_PAYLOAD + 1,
	SLOT_PAYLOAD / 2, SLOT_PAYLOAD / 2 + 1, 5 * MIB, 7, 100001, MIB + 1 };

START_TEST(sizes_at_the_edges)
{
	run_all_ways(edges, edges, COUNTOF(edges), check_right,
	    (struct vm_options){ 0 });
}
END_TEST

START_TEST(serial_pools_place_nothing)
{
	vm_pool *pool = start(edges, edges, COUNTOF(edges),
	    &(struct vm_options){ .workers = VM_SERIAL });

	imap_to(pool, by_and_by);
	take_all(pool, check_right);
	stop(pool);
}
END_TEST

/* Runs an item with an input and an output of that size, and checks whether
   each is placed in shared memory. */
static void check_placed(size_t size, bool in, bool out)
{
	vm_pool *pool = start(&size, &size, 1,
	    &(struct vm_options){ .workers = 1, .max_workers = PLACES });

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, by_and_by);
	take_all(pool, check_right);
	ck_assert_int_eq(placed_in(pool) > 0, in);
	ck_assert_int_eq(placed_out(pool) > 0, out);
	stop(pool);
}

START_TEST(what_fits_is_placed)
{
	check_placed(SLOT_LARGE - 100, false, false);
	check_placed(SLOT_LARGE - 1, false, true);
	check_placed(SLOT_LARGE, true, true);
	check_placed(OUT_FITS, true, true);
	check_placed(OUT_FITS + 1, true, false);
	check_placed(FITS, true, false);
	check_placed(FITS + 1, false, false);
}
END_TEST

/* ---- many items, with bounds and a slow caller ---- */

enum { MANY = 120 };

static size_t large[MANY], mixed[MANY];

static void draw_sizes(void)
{
	uint32_t x = 99;

	for (size_t i = 0; i < MANY; i++) {
		x = x * 1103515245u + 12345u;
		large[i] = 60000 + (x >> 16) % 90000;
		mixed[i] = i % 3 ? (x >> 16) % 100 : 20000 + (x >> 12) % MIB;
	}
}

static void check_slowly(const struct vm_result *r)
{
	nap_ms(1);
	check_right(r);
}

START_TEST(many_large_ones)
{
	draw_sizes();
	run_all_ways(large, mixed, MANY, check_right,
	    (struct vm_options){ 0 });
	run_all_ways(mixed, large, MANY, check_right,
	    (struct vm_options){ .max_in_flight_bytes = 300000 });
	run_all_ways(mixed, large, MANY, check_right,
	    (struct vm_options){ .max_in_flight_bytes = 1 });
	run_all_ways(large, large, MANY, check_slowly,
	    (struct vm_options){ 0 });
	run_all_ways(large, large, MANY, check_slowly,
	    (struct vm_options){ .max_real_in_flight_factor = 1,
	    .max_total_in_flight_factor = 2 });
}
END_TEST

/* A source that never blocks is read as far as there is space. */
START_TEST(from_an_array)
{
	enum { EACH = 100000 };
	unsigned char *array = malloc((size_t)MANY * EACH);
	size_t *sizes = malloc(MANY * sizeof *sizes);

	ck_assert(array != NULL && sizes != NULL);
	draw_sizes();
	for (size_t i = 0; i < MANY; i++) {
		fill(array + i * EACH, i, EACH);
		sizes[i] = EACH;
	}
	for (size_t i = 0; i < COUNTOF(ways); i++) {
		vm_pool *pool = start(sizes, mixed, MANY, &ways[i]);

		imap_to(pool, vm_array(array, MANY, EACH));
		take_all(pool, i % 2 ? check_right : check_slowly);
		ck_assert_uint_gt(placed_in(pool), 0);
		stop(pool);
	}
	free(sizes);
	free(array);
}
END_TEST

/* ---- no process waits for space that cannot become free ---- */

/* The first item waits for all others, whose results it then delays. */
static int wait_for_all(struct vm_context *me, const void *input, size_t size)
{
	(void)input;
	(void)size;
	if (me->index == 0 &&
	    await(&job.sh->counter[DONE], MANY - 1, limit_ms()) < 0)
		return vm_fail(me, 2, "the others are not done");
	return 0;
}

START_TEST(a_slow_one_stops_nobody)
{
	static const size_t chunks[] = { 0, 1, 3 };

	draw_sizes();
	for (size_t i = 0; i < 2 * COUNTOF(chunks); i++) {
		vm_pool *pool;

		prank = wait_for_all;
		pool = start(large, large, MANY, &(struct vm_options){
		    .workers = 2, .flags = (i % 2) ? VM_ORDERED : 0,
		    .chunk_size = chunks[i / 2] });
		imap_to(pool, by_and_by);
		take_all(pool, check_right);
		ck_assert_uint_gt(placed_in(pool), 0);
		stop(pool);
	}
}
END_TEST

/* Each input comes only when the item before has begun. */
static int next_when_begun(void *from, const void **input, size_t *size)
{
	if (await(&job.sh->counter[STARTED], (long)job.given, limit_ms()) < 0) {
		errno = ETIME;
		return -1;
	}
	return next_of_job(from, input, size);
}

START_TEST(a_source_may_wait_for_its_items)
{
	draw_sizes();
	for (size_t i = 0; i < COUNTOF(ways); i++) {
		vm_pool *pool = start(i % 2 ? large : mixed, mixed, MANY,
		    &(struct vm_options){ .workers = ways[i].workers,
		    .flags = ways[i].flags,
		    .chunk_size = 1 });

		imap_to(pool, (struct vm_source){ .next = next_when_begun });
		take_all(pool, check_right);
		ck_assert_uint_gt(placed_in(pool), 0);
		stop(pool);
	}
}
END_TEST

static int tick[2];

static int tell(struct vm_context *me, const void *input, size_t size)
{
	(void)me;
	(void)input;
	(void)size;
	return write(tick[1], "", 1) == 1 ? 0 : 99;
}

static int next_at_tick(void *from, const void **input, size_t *size)
{
	char byte;
	ssize_t n = job.given < job.count ? read(tick[0], &byte, 1) : 1;

	if (n < 0)
		return errno == EAGAIN ? VM_LATER : -1;
	return next_of_job(from, input, size);
}

static int tick_fd(void *from)
{
	(void)from;
	return tick[0];
}

/* Two inputs are in flight, and another arrives when an item begins. */
START_TEST(a_source_may_have_something_later)
{
	draw_sizes();
	for (size_t i = 0; i < COUNTOF(ways); i++) {
		vm_pool *pool;

		ck_assert_int_eq(pipe(tick), 0);
		fcntl(tick[0], F_SETFL, O_NONBLOCK);
		ck_assert_int_eq(write(tick[1], "12", 2), 2);
		prank = tell;
		pool = start(large, mixed, MANY, &ways[i]);
		imap_to(pool, (struct vm_source){ .next = next_at_tick,
		    .wait_fd = tick_fd });
		take_all(pool, check_right);
		ck_assert_uint_gt(placed_in(pool), 0);
		stop(pool);
		close(tick[0]);
		close(tick[1]);
	}
}
END_TEST

/* ---- deaths of workers ---- */

static int die_at_first(struct vm_context *me, const void *input, size_t size)
{
	(void)input;
	(void)size;
	if (me->index % 7 == 3 && me->attempt == 1)
		raise(SIGKILL);
	return 0;
}

static void check_attempts(const struct vm_result *r)
{
	ck_assert_int_eq(r->attempts, r->index % 7 == 3 ? 2 : 1);
	check_right(r);
}

START_TEST(what_a_dead_worker_had_is_sent_again)
{
	draw_sizes();
	prank = die_at_first;
	run_all_ways(large, large, MANY, check_attempts,
	    (struct vm_options){ .max_attempts = 2 });
	run_all_ways(mixed, large, MANY, check_attempts,
	    (struct vm_options){ .max_attempts = 2 });
}
END_TEST

/* ---- a pool that changes or ends ---- */

static void check_right_or_cancelled(const struct vm_result *r)
{
	if (r->type == VM_OUTPUT) {
		check_right(r);
		return;
	}
	ck_assert_int_eq(r->exception->cause, VM_CANCELLED);
	ck_assert(is_filled(r->input, r->index, job.in[r->index]));
}

START_TEST(cancelled_in_the_middle)
{
	draw_sizes();
	for (size_t i = 0; i < COUNTOF(ways); i++) {
		char seen[MANY] = { 0 };
		vm_pool *pool = start(large, large, MANY, &ways[i]);
		struct vm_result r;

		imap_to(pool, by_and_by);
		take_some(pool, MANY / 3, seen, check_right);
		ck_assert_uint_gt(placed_in(pool), 0);
		vm_cancel(pool, 0);
		while (vm_zip_in_out_within(pool, &r, limit_ms()) == 1) {
			ck_assert_int_eq(seen[r.index]++, 0);
			check_right_or_cancelled(&r);
		}
		for (size_t n = 0; n < job.given; n++)
			ck_assert_int_eq(seen[n], 1);
		/* The pool continues with the next source. */
		job.given = 0;
		imap_to(pool, by_and_by);
		take_all(pool, check_right);
		stop(pool);
	}
}
END_TEST

START_TEST(closed_with_results_untaken)
{
	int fds = count_fds();

	draw_sizes();
	for (size_t i = 0; i < COUNTOF(ways); i++) {
		char seen[MANY] = { 0 };
		vm_pool *pool = start(large, large, MANY, &ways[i]);

		imap_to(pool, by_and_by);
		take_some(pool, 3 + i, seen, check_right);
		stop(pool);
		ck_assert_int_eq(count_fds(), fds);
	}
}
END_TEST

START_TEST(resized_in_the_middle)
{
	static const int sizes[] = { 4, 1, 3, 2, 4 };

	draw_sizes();
	for (size_t i = 0; i < COUNTOF(ways); i++) {
		struct vm_options o = ways[i];
		char seen[MANY] = { 0 };
		vm_pool *pool;

		o.max_workers = 4;
		pool = start(large, mixed, MANY, &o);
		imap_to(pool, by_and_by);
		for (size_t n = 0; n < COUNTOF(sizes); n++) {
			take_some(pool, 20, seen, check_right);
			ck_assert_int_eq(vm_resize(pool, sizes[n]), 0);
		}
		take_some(pool, MANY - 100, seen, check_right);
		take_end(pool);
		ck_assert_uint_gt(placed_in(pool), 0);
		stop(pool);
	}
}
END_TEST

/* ---- processes forked by a callback ---- */

/* A child of process() may read the same shared memory. */
static int read_in_child(struct vm_context *me, const void *input, size_t size)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(is_filled(input, me->index, size) ? 0 : 1);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return vm_fail(me, 5, "no child");
	return status == 0 ? 0 : vm_fail(me, 6, "status %d", status);
}

START_TEST(children_of_workers_have_inputs)
{
	draw_sizes();
	prank = read_in_child;
	run_all_ways(large, mixed, 40, check_right, (struct vm_options){ 0 });
}
END_TEST

/* ---- workers that write beyond their own memory ---- */

enum { BAD = 25 };

/* Offsets from the pointer to its input: before the input, and behind it. */
static const ptrdiff_t beside[] = { -1, -(FRAME_HEAD + FRAME_START), 100000,
	150000 };
static size_t nth;
static size_t crashes;

/* Returns whether the pointer lies in shared memory.  An input that was meant
   for another worker may come through the pipe, into private memory of this
   worker. */
static bool is_shared(const void *at)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long begin, end;
	char line[300], kind = '-';

	if (maps == NULL)
		return false;
	while (kind == '-' && fgets(line, sizeof line, maps) != NULL)
		if (sscanf(line, "%lx-%lx", &begin, &end) == 2 &&
		    begin <= (uintptr_t)at && (uintptr_t)at < end)
			sscanf(line, "%*s %*3c%c", &kind);
	fclose(maps);
	return kind == 's';
}

static int write_beside(struct vm_context *me, const void *input, size_t size)
{
	volatile char *at = (volatile char *)(uintptr_t)input;

	(void)size;
	if (me->index == BAD && is_shared(input)) {
		atomic_fetch_add(&job.sh->counter[PART], 1);
		signal(SIGSEGV, SIG_DFL);
		at[beside[nth]] = 1;
	}
	return 0;
}

static void check_crash(const struct vm_result *r)
{
	ck_assert_int_eq(r->attempts, 1);
	if (r->index != BAD || atomic_load(&job.sh->counter[PART]) == 0) {
		check_right(r);
		return;
	}
	ck_assert_int_eq(r->type, VM_EXCEPTION);
	ck_assert_int_eq(r->exception->cause, VM_KILLED);
	ck_assert_int_eq(r->exception->signal, SIGSEGV);
	ck_assert(is_filled(r->input, r->index, r->input_size));
	crashes++;
}

START_TEST(inputs_cannot_be_written_to)
{
	for (size_t i = 0; i < MANY; i++)
		large[i] = mixed[i] = 100000;
	prank = write_beside;
	for (nth = 0; nth < COUNTOF(beside); nth++) {
		crashes = 0;
		run_all_ways(large, mixed, 60, check_crash,
		    (struct vm_options){ 0 });
		ck_assert_uint_gt(crashes, 0);
	}
}
END_TEST

static unsigned char *outputs;

static void *scribble(void *unused)
{
	for (unsigned char n = 0;; n++)
		memset(outputs, n, SLOT_PAYLOAD - FRAME_HEAD);
	return unused;
}

/* The worker with the first item overwrites its outputs from then on, while it
   works and while the caller reads.  Each worker has one of the first two
   items. */
static int scribble_on(struct vm_context *me, const void *input, size_t size)
{
	pthread_t thread;

	(void)input;
	(void)size;
	if (me->index > 1)
		return 0;
	if (me->index == 0) {
		outputs = vm_reserve(me, 100000);
		if (outputs == NULL ||
		    pthread_create(&thread, NULL, scribble, NULL) != 0)
			return vm_fail(me, 3, "cannot scribble");
		job.sh->pid[0] = getpid();
	}
	atomic_fetch_add(&job.sh->counter[GATE], 1);
	if (await(&job.sh->counter[GATE], 2, limit_ms()) < 0)
		return vm_fail(me, 4, "the other one has not begun");
	return 0;
}

static int scribbler, by_scribbler, by_others;

static void check_unless_scribbled(const struct vm_result *r)
{
	if (r->index == 0)
		scribbler = r->worker_index;
	ck_assert_int_eq(r->type, VM_OUTPUT);
	ck_assert_uint_eq(r->output_size, 100000);
	ck_assert_int_eq(((const char *)r->output)[100000], 0);
	ck_assert(is_filled(r->input, r->index, r->input_size));
	if (r->worker_index == scribbler) {
		by_scribbler++;
		return;
	}
	by_others++;
	check_right(r);
}

START_TEST(who_scribbles_over_its_outputs_spoils_its_own)
{
	vm_pool *pool;

	for (size_t i = 0; i < MANY; i++)
		large[i] = 100000;
	prank = scribble_on;
	pool = start(large, large, MANY, &(struct vm_options){ .workers = 2,
	    .chunk_size = 1, .max_real_in_flight_factor = 1,
	    .flags = VM_ORDERED });
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, by_and_by);
	take_all(pool, check_unless_scribbled);
	ck_assert_int_gt(by_scribbler, 0);
	ck_assert_int_gt(by_others, 0);
	ck_assert_uint_gt(placed_out(pool), 0);
	stop(pool);
}
END_TEST

/* ---- outputs that are read in place, in shared memory ---- */

enum { HELD = 200000, FEW = 8, TIMES = 100 };

static size_t small[TIMES], outs[TIMES];

static void set_sizes(size_t size)
{
	for (size_t i = 0; i < TIMES; i++) {
		small[i] = 16;
		outs[i] = size;
	}
}

static vm_pool *the_pool;
static int in_place, copied;

static bool lies_in_a_slot(const void *at)
{
	const struct slots *s = &the_pool->engine.slots;

	return (uintptr_t)at >= (uintptr_t)s->at &&
	    (uintptr_t)at < (uintptr_t)s->at + s->stride * s->count;
}

static void count_places(const struct vm_result *r)
{
	check_right(r);
	in_place += lies_in_a_slot(r->output);
	copied += !lies_in_a_slot(r->output);
}

/* Runs count items with outputs of one size; leaves the pool open. */
static void run_outputs(size_t size, size_t count, struct vm_options options)
{
	set_sizes(size);
	options.chunk_size = 1;
	in_place = copied = 0;
	the_pool = start(small, outs, count, &options);
	ck_assert_int_eq(vm_ready(the_pool, limit_ms()), 0);
	imap_to(the_pool, by_and_by);
	take_all(the_pool, count_places);
}

/* Returns the number of bytes that came through rings and pipes. */
static uint64_t streamed(void)
{
	const struct crew *c = &the_pool->engine.crew;
	uint64_t n = 0;

	for (size_t i = 0; i < c->count; i++)
		n += c->members[i].channel.position;
	return n;
}

/* All are placed, and read in place only where protecting pages is cheap. */
static void place_all(enum paging paging)
{
	static const size_t sizes[] = { 20000, HELD, MIB, 3 * MIB, OUT_FITS };
	bool cheap = paging == PAGING_CHEAP;

	paging_assume(paging);
	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		run_outputs(sizes[i], TIMES, (struct vm_options){
		    .workers = 1, .max_real_in_flight_factor = 1 });
		ck_assert_uint_lt(streamed(), TIMES * 256);
		ck_assert_int_eq(in_place,
		    cheap && sizes[i] >= SLOT_IN_PLACE ? TIMES : 0);
		stop(the_pool);
	}
}

START_TEST(all_of_one_size_are_placed)
{
	place_all(PAGING_CHEAP);
}
END_TEST

START_TEST(all_are_copied_where_protection_is_dear)
{
	place_all(PAGING_DEAR);
}
END_TEST

/* The first large output is copied, and the costs are measured then.  With a
   single chunk in flight, no output is made before that is settled. */
START_TEST(the_first_is_measured)
{
	paging_assume(PAGING_UNKNOWN);
	run_outputs(HELD, TIMES, (struct vm_options){ .workers = 1,
	    .max_real_in_flight_factor = 1 });
	ck_assert_int_eq(in_place,
	    paging_protects_cheaply(NULL, 0) ? TIMES - 1 : 0);
	ck_assert_int_eq(in_place + copied, TIMES);
	stop(the_pool);
}
END_TEST

static long faults(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_minflt;
}

static long faults_before;

static void note_faults(const struct vm_result *r)
{
	if (r->index == 9)
		faults_before = faults();
	ck_assert(is_filled(r->output, ~r->index, r->output_size));
}

/* Each output covers 256 pages and more, but causes fewer than 10 page faults
   on average. */
static void count_faults(enum paging paging)
{
	paging_assume(paging);
	set_sizes(MIB);
	the_pool = start(small, outs, TIMES, &(struct vm_options){
	    .workers = 1, .max_real_in_flight_factor = 1, .chunk_size = 1 });
	imap_to(the_pool, by_and_by);
	take_all(the_pool, note_faults);
	ck_assert_int_lt(faults() - faults_before, 10 * TIMES);
	stop(the_pool);
}

START_TEST(no_pages_are_new_for_each)
{
	count_faults(PAGING_CHEAP);
	count_faults(PAGING_DEAR);
}
END_TEST

static int others;

/* The first item waits for all others; some of these die. */
static int wait_or_die(struct vm_context *me, const void *input, size_t size)
{
	(void)input;
	(void)size;
	if (me->index == 0 &&
	    await(&job.sh->counter[DONE], others, limit_ms()) < 0)
		return vm_fail(me, 2, "the others are not done");
	if (me->index % 3 == 2 && me->attempt == 1)
		raise(SIGKILL);
	return 0;
}

START_TEST(they_outlive_their_worker)
{
	paging_assume(PAGING_CHEAP);
	prank = wait_or_die;
	others = FEW - 1;
	run_outputs(HELD, FEW, (struct vm_options){ .workers = 2,
	    .flags = VM_ORDERED, .max_attempts = 2,
	    .max_real_in_flight_factor = 1 });
	ck_assert_int_eq(in_place, FEW);
	ck_assert_uint_lt(streamed(), FEW * 256);
	stop(the_pool);
}
END_TEST

START_TEST(what_waits_long_makes_room)
{
	paging_assume(PAGING_CHEAP);
	prank = wait_or_die;
	others = TIMES / 2 - 1;
	run_outputs(MIB, TIMES / 2, (struct vm_options){ .workers = 2,
	    .flags = VM_ORDERED, .max_attempts = 2, .max_workers = PLACES,
	    .max_in_flight_bytes = 1 << 30, .max_real_in_flight_factor = 1 });
	ck_assert_int_gt(in_place, 0);
	ck_assert_int_gt(copied, TIMES / 4);
	ck_assert_uint_lt(streamed(), TIMES * 256);
	stop(the_pool);
}
END_TEST

/* A returned result stays valid after the death of its worker. */
START_TEST(one_that_is_looked_at_stays)
{
	struct vm_result r;

	paging_assume(PAGING_CHEAP);
	set_sizes(HELD);
	the_pool = start(small, outs, 2, &(struct vm_options){ .workers = 1,
	    .chunk_size = 1, .max_real_in_flight_factor = 1 });
	imap_to(the_pool, by_and_by);
	for (int i = 0; i < 2; i++) {
		const struct member *m = &the_pool->engine.crew.members[0];
		uint32_t generation = m->generation;

		ck_assert_int_eq(vm_zip_in_out_within(the_pool, &r, limit_ms()), 1);
		ck_assert(lies_in_a_slot(r.output));
		ck_assert_int_eq(kill(m->pid, SIGKILL), 0);
		while (m->generation == generation ||
		    !member_is_ready(m)) {
			ck_assert_int_ge(vm_ready(the_pool, 1), 0);
			nap_ms(1);
		}
		check_right(&r);
	}
	take_end(the_pool);
	stop(the_pool);
}
END_TEST

enum { BEFORE = 16 * 20000 };

/* The second item has written a part of its output when the region before it is
   freed, and then needs the whole area. */
static int grow_later(struct vm_context *me, const void *input, size_t size)
{
	static char part[BEFORE];

	(void)input;
	(void)size;
	if (me->index != 1)
		return 0;
	memset(part, 'x', sizeof part);
	part[BEFORE / 2] = 'y';
	if (vm_output(me, part, sizeof part) != 0)
		return -1;
	atomic_fetch_add(&job.sh->counter[PART], 1);
	if (await(&job.sh->counter[GATE], 1, limit_ms()) < 0)
		return vm_fail(me, 8, "the gate stays shut");
	return 0;
}

START_TEST(one_that_grows_moves_where_there_is_room)
{
	static unsigned char array[2][16];
	struct vm_result r;
	const char *made;

	paging_assume(PAGING_CHEAP);
	fill(array[0], 0, sizeof array[0]);
	fill(array[1], 1, sizeof array[1]);
	set_sizes(HELD);
	outs[1] = SLOT_PAYLOAD - BEFORE - HELD / 2;
	prank = grow_later;
	the_pool = start(small, outs, 2, &(struct vm_options){ .workers = 1,
	    .max_workers = PLACES, .chunk_size = 1,
	    .max_real_in_flight_factor = 2 });
	imap_to(the_pool, vm_array(array, 2, sizeof array[0]));
	ck_assert_int_eq(vm_zip_in_out_within(the_pool, &r, limit_ms()), 1);
	ck_assert(lies_in_a_slot(r.output));
	check_right(&r);
	ck_assert_int_eq(await(&job.sh->counter[PART], 1, limit_ms()), 0);
	ck_assert_int_eq(vm_zip_in_out_within(the_pool, &r, 1), VM_LATER);
	atomic_store(&job.sh->counter[GATE], 1);
	ck_assert_int_eq(vm_zip_in_out_within(the_pool, &r, limit_ms()), 1);
	made = r.output;
	ck_assert_ptr_eq(made, the_pool->engine.crew.members[0].outputs_at +
	    FRAME_HEAD);
	ck_assert_uint_eq(r.output_size, BEFORE + outs[1]);
	for (size_t i = 0; i < BEFORE; i++)
		ck_assert_int_eq(made[i], i == BEFORE / 2 ? 'y' : 'x');
	ck_assert(is_filled(made + BEFORE, ~r.index, outs[1]));
	take_end(the_pool);
	stop(the_pool);
}
END_TEST

static char *last_made;

static int write_to_the_last(struct vm_context *me, const void *input,
    size_t size)
{
	(void)input;
	(void)size;
	if (me->index == BAD) {
		atomic_fetch_add(&job.sh->counter[PART], 1);
		signal(SIGSEGV, SIG_DFL);
		last_made[HELD / 2] = 1;
	}
	last_made = vm_reserve(me, HELD);
	return 0;
}

START_TEST(their_worker_cannot_write_there)
{
	paging_assume(PAGING_CHEAP);
	set_sizes(HELD);
	prank = write_to_the_last;
	the_pool = start(small, outs, TIMES, &(struct vm_options){
	    .workers = 1, .chunk_size = 1, .max_real_in_flight_factor = 1 });
	imap_to(the_pool, by_and_by);
	crashes = 0;
	take_all(the_pool, check_crash);
	ck_assert_uint_eq(crashes, 1);
	stop(the_pool);
}
END_TEST

enum { VICTIM = 1, CULPRIT };

/* While the first item waits, another item reserves an output; a later item, in
   the next worker of that place, writes to the same pointer. */
static int write_to_another(struct vm_context *me, const void *input,
    size_t size)
{
	atomic_long *where = &job.sh->counter[GATE];

	if (me->index == VICTIM)
		atomic_store(where, (long)(uintptr_t)vm_reserve(me, HELD));
	if (me->index == CULPRIT && me->attempt == 2) {
		signal(SIGSEGV, SIG_DFL);
		((volatile char *)(uintptr_t)atomic_load(where))[HELD / 2] = 1;
	}
	return wait_or_die(me, input, size);
}

static void check_culprit(const struct vm_result *r)
{
	if (r->index != CULPRIT) {
		check_right(r);
		return;
	}
	ck_assert_int_eq(r->attempts, 2);
	ck_assert_int_eq(r->type, VM_EXCEPTION);
	ck_assert_int_eq(r->exception->signal, SIGSEGV);
}

START_TEST(the_next_worker_cannot_write_there)
{
	paging_assume(PAGING_CHEAP);
	set_sizes(HELD);
	prank = write_to_another;
	others = FEW - 2;
	the_pool = start(small, outs, FEW, &(struct vm_options){
	    .workers = 2, .flags = VM_ORDERED, .max_attempts = 2,
	    .chunk_size = 1, .max_real_in_flight_factor = 1 });
	imap_to(the_pool, by_and_by);
	take_all(the_pool, check_culprit);
	stop(the_pool);
}
END_TEST

/* The second item waits for the first gate, the fifth for the next. */
static int wait_at_gates(struct vm_context *me, const void *input,
    size_t size)
{
	long gate = me->index == 1 ? 1 : me->index == 4 ? 2 : 0;

	(void)input;
	(void)size;
	if (await(&job.sh->counter[GATE], gate, limit_ms()) < 0)
		return vm_fail(me, 7, "the gate stays shut");
	return 0;
}

/* Lets the pool read results while the caller uses an earlier result. */
static void read_until_finished(uint64_t items)
{
	while (the_pool->engine.crew.members[0].finished < items) {
		ck_assert_int_ge(vm_ready(the_pool, 1), 0);
		nap_ms(1);
	}
}

/* The output that the caller reads is not moved when later results need
   space. */
START_TEST(one_that_is_looked_at_is_not_moved)
{
	static unsigned char array[FEW][16];
	struct vm_result r;

	paging_assume(PAGING_CHEAP);
	set_sizes(MIB);
	prank = wait_at_gates;
	for (size_t i = 0; i < FEW; i++)
		fill(array[i], i, sizeof array[i]);
	the_pool = start(small, outs, FEW, &(struct vm_options){ .workers = 1,
	    .chunk_size = 1, .max_real_in_flight_factor = FEW });
	imap_to(the_pool, vm_array(array, FEW, sizeof array[0]));
	ck_assert_int_eq(vm_zip_in_out_within(the_pool, &r, limit_ms()), 1);
	atomic_store(&job.sh->counter[GATE], 1);
	read_until_finished(4);
	atomic_store(&job.sh->counter[GATE], 2);
	read_until_finished(5);
	ck_assert(lies_in_a_slot(r.output));
	check_right(&r);
	for (int i = 1; i < FEW; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(the_pool, &r, limit_ms()), 1);
		check_right(&r);
	}
	take_end(the_pool);
	stop(the_pool);
}
END_TEST

/* ---- too few addresses for all payload areas ---- */

struct narrow {
	size_t mib;		/* address space beyond that in use, in MiB */
	size_t payload;		/* expected slots.payload */
};

/* Limits the address space of this process to its current use plus bytes. */
static bool limit(size_t bytes)
{
	struct rlimit most;
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	bool well = f != NULL && fscanf(f, "%ld", &pages) == 1;

	if (f != NULL)
		fclose(f);
	most.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + bytes;
	most.rlim_max = RLIM_INFINITY;
	return well && setrlimit(RLIMIT_AS, &most) == 0;
}

/* Runs a pool of many places, each with a slot.  Returns 0, or the number of
   the check that failed. */
static int narrow_pool(void *arg)
{
	const struct narrow *n = arg;
	FILE *words = tmpfile();
	char line[4096] = "";
	struct vm_result r;
	size_t taken = 0;
	vm_pool *pool;

	if (words == NULL || dup2(fileno(words), STDERR_FILENO) < 0 ||
	    !limit(n->mib * MIB))
		return 10;
	pool = vm_fork(&answering, &(struct vm_options){ .workers = 2,
	    .max_workers = 256, .flags = VM_DEBUG,
	    .max_in_flight_bytes = MIB });
	if (pool == NULL)
		return 11;
	if (pool->engine.slots.payload != n->payload)
		return 12;
	if (vm_imap(pool, by_and_by) != 0)
		return 13;
	while (vm_zip_in_out_within(pool, &r, limit_ms()) == 1)
		taken += r.type == VM_OUTPUT &&
		    is_filled(r.output, ~r.index, r.output_size);
	if (taken != job.count || vm_close(pool) != 0)
		return 14;
	fflush(stderr);
	rewind(words);
	while (fgets(line, sizeof line, words) != NULL)
		if (strstr(line, "payload: ") != NULL)
			return 0;
	return 15;
}

/* 256 slots take 48 MiB; with halves of 64 KiB 128 MiB, of 128 KiB 160 MiB, of
   256 KiB 224 MiB; 16 MiB are left. */
START_TEST(less_of_it_or_none_will_do)
{
	static struct narrow cases[] = { { 152, SLOT_PAYLOAD_LEAST },
		{ 192, 2 * SLOT_PAYLOAD_LEAST }, { 88, 0 } };

	draw_sizes();
	for (size_t i = 0; i < COUNTOF(cases) && !SANITIZED; i++) {
		set_job(mixed, large, MANY);
		ck_assert_int_eq(in_child(narrow_pool, &cases[i]), 0);
		end_job();
	}
}
END_TEST

/* Bytes that are left at least, after what vm_fork() has taken since. */
#define LEFT_LEAST (15 * MIB)

/* The least payload areas would fit, and leave less than 4 MiB. */
static int crowded_pool(void *arg)
{
	vm_pool *pool;

	(void)arg;
	if (!limit(132 * MIB))
		return 10;
	pool = vm_fork(&answering, &(struct vm_options){ .workers = 1,
	    .max_workers = 256 });
	if (pool == NULL)
		return 11;
	if (sys_has_room(LEFT_LEAST) < 0)
		return 12;
	return vm_close(pool) == 0 ? 0 : 13;
}

START_TEST(addresses_are_left_to_the_program)
{
	if (!SANITIZED)
		ck_assert_int_eq(in_child(crowded_pool, NULL), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		serial_pools_place_nothing, closed_with_results_untaken,
		children_of_workers_have_inputs,
		who_scribbles_over_its_outputs_spoils_its_own,
		the_first_is_measured,
		no_pages_are_new_for_each, they_outlive_their_worker,
		one_that_is_looked_at_stays, their_worker_cannot_write_there,
		the_next_worker_cannot_write_there,
		one_that_is_looked_at_is_not_moved,
		addresses_are_left_to_the_program };
	const TTest *const drawn[] = {
		from_an_array, a_slow_one_stops_nobody,
		a_source_may_wait_for_its_items,
		a_source_may_have_something_later, resized_in_the_middle,
		all_of_one_size_are_placed,
		all_are_copied_where_protection_is_dear, what_waits_long_makes_room,
		one_that_grows_moves_where_there_is_room,
		less_of_it_or_none_will_do, many_large_ones,
		what_a_dead_worker_had_is_sent_again, cancelled_in_the_middle,
		what_fits_is_placed, inputs_cannot_be_written_to,
		sizes_at_the_edges };

	return run_sampled_tests("payload", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
