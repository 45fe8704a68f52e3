/*
 * test_garbled.c - workers are not trusted: a worker that writes nonsense into
 * its result pipe, closes its descriptors, overwrites its shared memory or
 * leaves its process group harms only its own item.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "engine/dispatch.h"
#include "engine/intake.h"
#include "os/sys.h"
#include "sample.h"
#include "shm/slot.h"
#include "tools.h"
#include "wire/frame.h"

/* Number of inputs, and the input that misbehaves. */
enum { INPUTS = 60, BAD = 25 };
enum { CRASHED = VM_GARBLED | VM_KILLED | VM_EXITED };

static struct shared *sh;

/* The misdeed, and the next step: to return, wait or die. */
static void (*sabotage)(void);
static enum { RETURN, WAIT, DIE } then;

/* Announces its bytes in the slot, as the library does. */
static bool forges;

/* ---- facts a worker can find out about its own process ---- */

/* Finds the result pipe: the only write-only pipe that the host did not have. 
   The end of the task pipe is read-only. */
static int result_pipe(void)
{
	struct stat s;

	for (int fd = 1023; fd > 2; fd--)
		if (fstat(fd, &s) == 0 && S_ISFIFO(s.st_mode) &&
		    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY &&
		    (fcntl(fd, F_GETFD) & FD_CLOEXEC))
			return fd;
	_exit(99);
}

/* ---- ways to misbehave ---- */

static void write_all(const void *from, size_t size)
{
	size_t pages;
	struct slot *s;

	if (forges) {
		s = (void *)own_slot(sh, &pages);
		atomic_store(&s->intended, (uint64_t)1 << 40);
	}
	if (write(result_pipe(), from, size) != (ssize_t)size)
		_exit(97);
}

static void close_result(void)
{
	close(result_pipe());
}

static void close_all(void)
{
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
}

static void write_ones(void)
{
	unsigned char ones[64];

	memset(ones, 0xff, sizeof ones);
	write_all(ones, sizeof ones);
}

static void write_zeros(void)
{
	static const unsigned char zeros[64];

	write_all(zeros, sizeof zeros);
}

static void write_one_byte(void)
{
	write_all("", 1);
}

static void write_noise(void)
{
	static unsigned char noise[100000];

	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (unsigned char)(rand() >> 7);
	write_all(noise, sizeof noise);
}

static void write_half(void)
{
	unsigned char head[FRAME_HEAD];

	frame_head(head, FRAME_OUTPUT, 1000);
	write_all(head, sizeof head);
	write_all("0123456789", 10);
}

static void write_gib(void)
{
	unsigned char head[FRAME_HEAD];

	frame_head(head, FRAME_OUTPUT, (size_t)1 << 30);
	write_all(head, sizeof head);
}

static void write_absurd(void)
{
	unsigned char head[FRAME_HEAD];

	frame_head(head, FRAME_OUTPUT, FRAME_MAX);
	write_all(head, sizeof head);
}

static void write_kind(enum frame_kind kind, size_t size)
{
	unsigned char frame[64];
	static const unsigned char body[sizeof(struct frame_failure)];

	frame_write(frame, kind, body, size);
	write_all(frame, frame_length(size));
}

static void write_hello(void)
{
	write_kind(FRAME_HELLO, sizeof(struct frame_hello));
}

static void write_end(void)
{
	write_kind(FRAME_END, sizeof(struct frame_end));
}

static void write_done(void)
{
	write_kind(FRAME_DONE, sizeof(struct frame_end));
}

static void write_short_done(void)
{
	write_kind(FRAME_DONE, 1);
}

static void write_leaving(void)
{
	write_kind(FRAME_LEAVING, 0);
}

static void write_causeless(void)
{
	write_kind(FRAME_FAILURE, sizeof(struct frame_failure));
}

/* A FAILURE frame with an invalid request for another attempt. */
static void write_demand(void)
{
	const struct frame_failure f = { .cause = VM_FAILED, .tail_size = -1,
		.again = FRAME_AGAIN_AFTER + 1 };
	unsigned char frame[64];

	frame_write(frame, FRAME_FAILURE, &f, sizeof f);
	write_all(frame, frame_length(sizeof f));
}

static void write_short_failure(void)
{
	write_kind(FRAME_FAILURE, 3);
}

static void write_short_end(void)
{
	write_kind(FRAME_END, 1);
}

static void write_early_output(void)
{
	write_kind(FRAME_OUTPUT, 8);
}

static void write_short_unfit(void)
{
	write_kind(FRAME_UNFIT, 3);
}

/* An output that is announced in the payload area. */
static void write_placed(uint64_t at, uint64_t size)
{
	const struct frame_placed p = { .at = at, .size = size };
	unsigned char frame[64];

	frame_write(frame, FRAME_PLACED, &p, sizeof p);
	write_all(frame, frame_length(sizeof p));
}

static void write_placed_beyond(void)
{
	write_placed((uint64_t)1 << 40, 16);
}

static void write_placed_across(void)
{
	write_placed(0, SLOT_PAYLOAD_MOST - 7);
}

/* The skipped bytes must reach to the next start of the area. */
static void write_placed_amiss(void)
{
	write_placed(16, 16);
}

static void write_placed_before(void)
{
	write_placed((uint64_t)0 - 16, 16);
}

static void write_placed_gib(void)
{
	write_placed(0, (uint64_t)1 << 30);
}

static void write_placed_absurd(void)
{
	write_placed(0, UINT64_MAX);
}

static void write_short_placed(void)
{
	write_kind(FRAME_PLACED, sizeof(struct frame_placed) - 1);
}

static void write_long_placed(void)
{
	write_kind(FRAME_PLACED, sizeof(struct frame_placed) + 1);
}

/* The frame is valid, but the caller did not ask for it. */
static void write_early_placed(void)
{
	write_placed(0, 16);
}

static void fill_slot(int byte)
{
	size_t size;
	unsigned char *at = own_slot(sh, &size);

	memset(at, byte, size);
}

static void scribble_ones(void)
{
	fill_slot(0xff);
}

static void scribble_zeros(void)
{
	fill_slot(0);
}

/* Noise of its own for the control page, the ring and the arrays; the payload
   area, of many MiB, has the same again and again. */
static void scribble_noise(void)
{
	const size_t own = 1 << 20;
	size_t size;
	unsigned char *at = own_slot(sh, &size);

	for (size_t i = 0; i < MIN(own, size); i++)
		at[i] = (unsigned char)(rand() >> 7);
	for (size_t i = own; i < size; i += own)
		memcpy(at + i, at, MIN(own, size - i));
}

/* Many bytes committed, none flushed. */
static void scribble_lie(void)
{
	size_t size;
	uint64_t *at = (void *)own_slot(sh, &size);

	at[0] = 4096;
	at[1] = 0;
}

/* More bytes committed than the ring has room for. */
static void scribble_far(void)
{
	size_t size;
	uint64_t *at = (void *)own_slot(sh, &size);

	at[0] = (uint64_t)1 << 40;
	at[1] = 0;
}

static void leave_group(void)
{
	if (setpgid(0, getppid()) != 0)
		_exit(96);
	signal(SIGTERM, SIG_IGN);
	close_all();
}

/* ---- checks ---- */

static int work(struct vm_context *me, const void *input, size_t size)
{
	int64_t n;

	memcpy(&n, input, sizeof n);
	atomic_fetch_add(&sh->pid[n], 1);
	if (n == BAD) {
		sabotage();
		if (then == DIE)
			raise(SIGKILL);
		while (then == WAIT)
			pause();
	}
	return vm_output(me, input, size);
}

/* The bad item must end in an allowed way; all other items succeed.  Other
   items leased to its worker may run again. */
static void check_pool(const struct vm_options *options, int allowed,
    int runs_most)
{
	const struct vm_worker worker = { .process = work };
	int cause[INPUTS], runs, bad;
	vm_pool *pool;

	no_cores();
	sh = shared_new();
	pool = fork_pool(&worker, options);
	imap_to(pool, vm_range(0, INPUTS));
	ck_assert_int_eq(take_numbers(pool, INPUTS, cause), 0);
	for (int i = 0; i < INPUTS; i++) {
		runs = atomic_load(&sh->pid[i]);
		ck_assert_msg(i == BAD || cause[i] == 0, "innocent %d: %s",
		    i, vm_cause_name((enum vm_cause)cause[i]));
		ck_assert_msg(runs >= 1 && runs <= runs_most,
		    "%d was run %d times", i, runs);
	}
	bad = cause[BAD];
	ck_assert_msg(bad == 0 || (bad & allowed), "the bad one: %s",
	    vm_cause_name((enum vm_cause)bad));
	ck_assert(bad != 0 || then == RETURN);
	ck_assert_int_eq(vm_broken(pool), 0);
	close_pool(pool);
	ck_assert_int_eq(count_children(), 0);
	shared_free(sh);
}

/* The pools of a test are numbered: each pool is drawn by 1 of DRAWN_OF
   seeds. */
#define DRAWN_OF 6
static unsigned numbered;

/* A single item per lease. */
static void check_alone(void (*how)(void), int and_then, int allowed)
{
	sabotage = how;
	then = and_then;
	for (int workers = 1; workers < 4; workers++)
		if (sample_takes(numbered++, DRAWN_OF))
			check_pool(&(struct vm_options){ .workers = workers,
			    .chunk_size = 1, .max_real_in_flight_factor = 1,
			    .flags = workers & 1 ? VM_ORDERED : 0 }, allowed, 1);
}

/* Many items per lease, some done and some to be done. */
static void check_among(void (*how)(void), int and_then, int allowed)
{
	static const size_t sizes[] = { 1, 10, INPUTS, 0 };

	sabotage = how;
	then = and_then;
	for (size_t i = 0; i < COUNTOF(sizes); i++)
		for (int workers = 1; workers < 3; workers++)
			if (sample_takes(numbered++, DRAWN_OF))
				check_pool(&(struct vm_options){
				    .workers = workers, .chunk_size = sizes[i],
				    .flags = workers & 1 ? VM_ORDERED : 0 }, allowed, 3);
}

static void check_all(void (*how)(void), int and_then, int allowed)
{
	check_alone(how, and_then, allowed);
	check_among(how, and_then, allowed);
}

/* ---- descriptors ---- */

START_TEST(closes_its_result_pipe)
{
	check_all(close_result, RETURN, CRASHED);
	check_all(close_result, WAIT, CRASHED);
}
END_TEST

START_TEST(closes_all_descriptors)
{
	check_all(close_all, RETURN, CRASHED);
	check_all(close_all, WAIT, CRASHED);
}
END_TEST

START_TEST(leaves_its_process_group)
{
	check_all(leave_group, RETURN, CRASHED);
	check_all(leave_group, WAIT, CRASHED);
}
END_TEST

/* ---- the pipe, with no other item leased ---- */

static void (*const nonsense[])(void) = { write_ones, write_zeros,
	write_one_byte, write_noise, write_absurd, write_hello, write_end,
	write_leaving, write_causeless, write_short_failure, write_done,
	write_short_done, write_demand };

START_TEST(writes_nonsense)
{
	for (size_t i = 0; i < COUNTOF(nonsense); i++)
		check_alone(nonsense[i], RETURN, CRASHED);
}
END_TEST

START_TEST(writes_nonsense_and_waits)
{
	for (size_t i = 0; i < COUNTOF(nonsense); i++)
		if (nonsense[i] != write_one_byte)
			check_alone(nonsense[i], WAIT, CRASHED);
}
END_TEST

START_TEST(writes_nonsense_and_dies)
{
	for (size_t i = 0; i < COUNTOF(nonsense); i++)
		check_alone(nonsense[i], DIE, CRASHED);
}
END_TEST

START_TEST(writes_half_a_frame_and_dies)
{
	check_alone(write_half, DIE, CRASHED);
	check_alone(write_gib, DIE, CRASHED);
}
END_TEST

START_TEST(writes_half_a_frame_and_goes_on)
{
	check_alone(write_half, RETURN, CRASHED);
	check_alone(write_gib, RETURN, CRASHED);
}
END_TEST

/* Well-formed frames at a valid position, with impossible contents. */
START_TEST(forges_a_frame)
{
	forges = true;
	for (size_t i = 0; i < COUNTOF(nonsense); i++) {
		check_alone(nonsense[i], RETURN, CRASHED);
		check_alone(nonsense[i], DIE, CRASHED);
		if (nonsense[i] != write_one_byte)
			check_alone(nonsense[i], WAIT, CRASHED);
	}
	check_alone(write_short_end, WAIT, CRASHED);
	check_alone(write_short_unfit, WAIT, CRASHED);
	check_alone(write_half, WAIT, CRASHED);
}
END_TEST

static void (*const misplaced[])(void) = { write_placed_beyond,
	write_placed_across, write_placed_amiss, write_placed_before,
	write_placed_gib, write_placed_absurd, write_short_placed,
	write_long_placed };

START_TEST(forges_where_an_output_is)
{
	forges = true;
	for (size_t i = 0; i < COUNTOF(misplaced); i++) {
		check_alone(misplaced[i], RETURN, CRASHED);
		check_alone(misplaced[i], WAIT, VM_GARBLED);
		check_alone(misplaced[i], DIE, CRASHED);
		check_among(misplaced[i], RETURN, CRASHED);
	}
}
END_TEST

static void write_placed_fitting(void)
{
	write_placed(0, 1001);
}

/* The output would fit at its claimed place, but exceeds max_item_bytes. */
START_TEST(forges_where_a_large_output_is)
{
	forges = true;
	sabotage = write_placed_fitting;
	then = WAIT;
	check_pool(&(struct vm_options){ .workers = 2, .chunk_size = 1,
	    .max_real_in_flight_factor = 1, .max_item_bytes = 1000 },
	    VM_GARBLED, 1);
}
END_TEST

/* ---- the pipe, with more items leased ---- */

START_TEST(writes_nonsense_among_others)
{
	for (size_t i = 0; i < COUNTOF(nonsense); i++)
		check_among(nonsense[i], RETURN, CRASHED);
}
END_TEST

START_TEST(writes_nonsense_among_others_and_waits)
{
	for (size_t i = 0; i < COUNTOF(nonsense); i++)
		if (nonsense[i] != write_one_byte)
			check_among(nonsense[i], WAIT, CRASHED);
}
END_TEST

START_TEST(writes_nonsense_among_others_and_dies)
{
	for (size_t i = 0; i < COUNTOF(nonsense); i++)
		check_among(nonsense[i], DIE, CRASHED);
	check_among(write_half, DIE, CRASHED);
	check_among(write_gib, DIE, CRASHED);
}
END_TEST

/* ---- shared memory: a worker may damage its own staged results, so a single
   item is leased ---- */

static void (*const scribbles[])(void) = { scribble_ones, scribble_zeros,
	scribble_noise, scribble_lie };

START_TEST(scribbles_over_its_pages)
{
	for (size_t i = 0; i < COUNTOF(scribbles); i++) {
		check_alone(scribbles[i], RETURN, CRASHED);
		check_alone(scribbles[i], DIE, CRASHED);
	}
	check_alone(scribble_far, WAIT, CRASHED);
}
END_TEST

/* ---- before the first item ---- */

static int bad_setup(struct vm_context *me)
{
	(void)me;
	sabotage();
	if (then == DIE)
		_exit(1);
	while (then == WAIT)
		pause();
	return then == RETURN ? -1 : 0;
}

static void check_bad_setup(void (*how)(void), int and_then)
{
	const struct vm_worker worker = { .setup = bad_setup,
		.process = work };
	const struct vm_options options = { .workers = 2 };
	int cause[INPUTS], got = 0;
	vm_pool *pool;

	sabotage = how;
	then = and_then;
	no_cores();
	sh = shared_new();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, INPUTS));
	ck_assert_int_eq(take_numbers(pool, INPUTS, cause), -1);
	ck_assert_int_eq(errno, EPIPE);
	for (int i = 0; i < INPUTS; i++) {
		ck_assert(cause[i] == VM_SETUP_FAILED || cause[i] == -1);
		got += cause[i] != -1;
	}
	ck_assert_int_ge(got, 1);
	close_pool(pool);
	shared_free(sh);
}

static void check_setup(void (*how)(void), int and_then)
{
	if (sample_takes(numbered++, DRAWN_OF / 2))
		check_bad_setup(how, and_then);
}

START_TEST(misbehaves_in_setup)
{
	check_setup(close_all, WAIT);
	check_setup(close_all, RETURN);
	for (size_t i = 0; i < COUNTOF(nonsense); i++)
		check_setup(nonsense[i], RETURN);
	for (size_t i = 0; i < COUNTOF(scribbles); i++) {
		check_setup(scribbles[i], RETURN);
		check_setup(scribbles[i], DIE);
	}
}
END_TEST

START_TEST(forges_in_setup)
{
	forges = true;
	for (size_t i = 0; i < COUNTOF(nonsense); i++)
		check_setup(nonsense[i], RETURN);
	check_setup(write_early_output, WAIT);
	check_setup(write_early_placed, WAIT);
	check_setup(write_short_unfit, WAIT);
}
END_TEST

/* Sends HELLO and waits for work; wrong: the field with a wrong value, or
   none. */
enum { BAD_VERSION, BAD_ORDER, BAD_GENERATION, ALL_RIGHT };
static int wrong;

static int early_hello(struct vm_context *me)
{
	const struct frame_hello hello = {
		.version = FRAME_VERSION + (wrong == BAD_VERSION),
		.order = FRAME_ORDER + (wrong == BAD_ORDER),
		.generation = 1 + (wrong == BAD_GENERATION),
	};
	unsigned char frame[64];

	(void)me;
	frame_write(frame, FRAME_HELLO, &hello, sizeof hello);
	write_all(frame, frame_length(sizeof hello));
	while (wrong <= ALL_RIGHT)
		pause();
	return 0;
}

START_TEST(says_hello_as_another)
{
	const struct vm_worker worker = { .setup = early_hello,
		.process = work };
	const struct vm_options options = { .workers = 1,
		.close_timeout_ms = 1 };
	vm_pool *pool;

	forges = true;
	for (wrong = 0; wrong <= ALL_RIGHT; wrong++) {
		sh = shared_new();
		pool = fork_pool(&worker, &options);
		if (wrong == ALL_RIGHT) {
			ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
		} else {
			ck_assert_int_eq(vm_ready(pool, limit_ms()), -1);
			ck_assert_int_eq(errno, ECHILD);
			ck_assert_ptr_nonnull(strstr(vm_error(pool),
			    "broke the protocol"));
		}
		close_pool(pool);
		shared_free(sh);
	}
}
END_TEST

/* ---- well-formed frames with false contents ---- */

/* Only the first worker misbehaves. */
enum { ATTEMPTS, BEGUN };

static bool is_first(void)
{
	return atomic_fetch_add(&sh->counter[ATTEMPTS], 1) == 0;
}

/* Bytes that the library did not write are no output of the item. */
START_TEST(writes_an_output_itself)
{
	sabotage = write_early_output;
	then = WAIT;
	check_pool(&(struct vm_options){ .workers = 2, .chunk_size = 1,
	    .max_real_in_flight_factor = 1 }, VM_GARBLED, 1);
}
END_TEST

static void write_other_cause(void)
{
	const struct frame_failure f = { .cause = VM_CANCELLED,
		.tail_size = -1 };
	unsigned char frame[64];

	frame_write(frame, FRAME_FAILURE, &f, sizeof f);
	write_all(frame, frame_length(sizeof f));
}

/* Only process() can fail, and only with two of the causes. */
START_TEST(forges_a_cause)
{
	forges = true;
	sabotage = write_other_cause;
	then = WAIT;
	check_pool(&(struct vm_options){ .workers = 2, .chunk_size = 1,
	    .max_real_in_flight_factor = 1 }, VM_GARBLED, 1);
}
END_TEST

/* The first item fails, to be tried again, and leaves an orphan that writes
   nonsense when the next item runs. */
static int fail_and_garble(struct vm_context *me, const void *input,
    size_t size)
{
	bool again = atomic_fetch_add(&sh->pid[me->index], 1) > 0;

	if (again)
		return vm_output(me, input, size);
	if (me->index == 0) {
		if (fork() > 0)
			return vm_fail(me, 1, "later");
		if (await(&sh->counter[BEGUN], 1, limit_ms()) == 0)
			write_ones();
		_exit(0);
	}
	atomic_store(&sh->counter[BEGUN], 1);
	for (;;)
		pause();
	return 0;
}

/* The second item was begun alone, but its worker has run another item before.
   The failure of the first item may lie in the pipe behind the nonsense: then
   it is not read, and costs no attempt. */
START_TEST(an_item_before_may_have_done_it)
{
	const struct vm_worker worker = { .process = fail_and_garble };
	const struct vm_options options = { .workers = 1, .chunk_size = 1,
		.max_attempts = 2, .flags = VM_ORDERED };
	struct vm_result r;
	vm_pool *pool;

	sh = shared_new();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 2));
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_ge(r.attempts, 1);
		ck_assert_int_le(r.attempts, i == 0 ? 2 : 1);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

/* The shared memory says that the item was never begun, though it writes to the
   pipe. */
static void hide_and_write(void)
{
	size_t size;
	struct slot *s = (void *)own_slot(sh, &size);

	atomic_store(&s->begun, 0);
	write_ones();
}

/* The caller believes this three times, as for any item that was not begun. */
START_TEST(hides_what_it_does)
{
	for (int after = RETURN; after <= DIE; after++) {
		sabotage = hide_and_write;
		then = after;
		check_pool(&(struct vm_options){ .workers = 2, .chunk_size = 1,
		    .max_real_in_flight_factor = 1 }, CRASHED, 3);
	}
}
END_TEST

/* Garbles both the ring and the pipe before the caller reads. */
static int garble_both(struct vm_context *me, const void *input, size_t size)
{
	struct slot *s;
	size_t pages;

	if (number(input) != 0)
		return vm_output(me, input, size);
	s = (void *)own_slot(sh, &pages);
	atomic_store(&s->committed, UINT64_MAX);
	write_ones();
	atomic_store(&sh->counter[0], 1);
	for (;;)
		pause();
}

/* A doomed worker is no longer read, nor doomed again. */
START_TEST(is_doomed_once)
{
	const struct vm_worker worker = { .process = garble_both };
	const struct vm_options options = { .workers = 1, .chunk_size = 1 };
	uint64_t position;
	struct member *m;
	int cause[3];
	vm_pool *pool;

	forges = true;
	sh = shared_new();
	pool = fork_pool(&worker, &options);
	m = &pool->engine.crew.members[0];
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, 3));
	ck_assert_int_eq(intake_run(&pool->engine, sys_now()), 0);
	ck_assert_int_eq(dispatch_run(&pool->engine, sys_now()), 0);
	wait_for(&sh->counter[0], 1);
	position = m->channel.position;
	ck_assert_int_eq(vm_cancel_item(pool, NULL, 0), 1);
	ck_assert_int_eq(m->state, MEMBER_DOOMED);
	ck_assert_uint_eq(m->channel.position, position);
	crew_doom(&pool->engine.crew, m, VM_LOST);
	ck_assert_int_eq(m->blame, VM_GARBLED);
	ck_assert_int_eq(take_numbers(pool, 3, cause), 0);
	ck_assert_int_eq(cause[0], VM_GARBLED);
	ck_assert_int_eq(cause[1], 0);
	ck_assert_int_eq(cause[2], 0);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

static int leave_unasked(struct vm_context *me)
{
	const struct frame_hello hello = { .version = FRAME_VERSION,
		.order = FRAME_ORDER, .generation = 1 };
	unsigned char frames[64];
	size_t length = frame_length(sizeof hello);

	(void)me;
	if (!is_first())
		return 0;
	frame_write(frames, FRAME_HELLO, &hello, sizeof hello);
	frame_write(frames + length, FRAME_LEAVING, NULL, 0);
	write_all(frames, length + frame_length(0));
	for (;;)
		pause();
	return 0;
}

/* The worker does not get the time limit of a teardown. */
START_TEST(leaves_unasked)
{
	const struct vm_worker worker = { .setup = leave_unasked,
		.process = work };
	const struct vm_options options = { .workers = 1,
		.teardown_timeout_ms = INT32_MAX };
	struct vm_result r;
	vm_pool *pool;

	forges = true;
	sh = shared_new();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 1));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

/* More than the buffers of pipes hold, in inputs too small for shared
   memory. */
enum { LONG = 8192, OF_CHUNK = 60, PAIR = 2 * OF_CHUNK };

/* Sends all outputs of its chunk and the END frame, though only a part of the
   chunk was sent to the worker. */
static int end_too_early(struct vm_context *me, const void *input, size_t size)
{
	const struct frame_end end = { .ordinal = 0,
		.next = OF_CHUNK };
	unsigned char frames[OF_CHUNK * 16 + 64];
	uint64_t n;

	(void)size;
	if (me->index == 0 && is_first()) {
		for (n = 0; n < OF_CHUNK; n++)
			frame_write(frames + n * 16, FRAME_OUTPUT, &n,
			    sizeof n);
		frame_write(frames + OF_CHUNK * 16, FRAME_END, &end,
		    sizeof end);
		write_all(frames, OF_CHUNK * 16 + frame_length(sizeof end));
		for (;;)
			pause();
	}
	return vm_output(me, input, sizeof n);
}

/* Pointers to the unsent bytes lead into the chunk, so the chunk cannot be
   done. */
START_TEST(ends_a_chunk_before_it_was_sent)
{
	static uint64_t inputs[PAIR][LONG / 8];
	const struct vm_worker worker = { .process = end_too_early };
	const struct vm_options options = { .workers = 1,
		.chunk_size = OF_CHUNK };
	struct vm_result r;
	vm_pool *pool;

	forges = true;
	sh = shared_new();
	for (uint64_t i = 0; i < PAIR; i++)
		inputs[i][0] = i;
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_array(inputs, PAIR, LONG));
	for (int i = 0; i < PAIR; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_mem_eq(r.output, r.input, 8);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		closes_its_result_pipe, is_doomed_once, writes_nonsense,
		writes_nonsense_and_waits, writes_nonsense_and_dies,
		writes_half_a_frame_and_dies, writes_half_a_frame_and_goes_on,
		writes_nonsense_among_others,
		writes_nonsense_among_others_and_waits, forges_a_frame,
		forges_where_an_output_is, forges_where_a_large_output_is,
		writes_an_output_itself, forges_a_cause,
		an_item_before_may_have_done_it, hides_what_it_does,
		leaves_unasked, ends_a_chunk_before_it_was_sent };
	const TTest *const drawn[] = {
		scribbles_over_its_pages, says_hello_as_another,
		misbehaves_in_setup, leaves_its_process_group, forges_in_setup,
		closes_all_descriptors, writes_nonsense_among_others_and_dies };

	return run_sampled_tests("garbled", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
