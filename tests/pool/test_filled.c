/*
 * test_filled.c - small inputs, which workers read in shared memory, and small
 * outputs of one size, which they put into an array there: every result comes once and early, whatever the sizes that
 * follow; deaths are blamed on the item that ran; and a worker that writes to
 * the array later, or lies about it, harms its own items only.
 */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "shm/slots.h"
#include "tools.h"

/* Items of a chunk, and of a run with several chunks. */
enum { CHUNK = 64, ITEMS = 4 * CHUNK };
enum { GATE, REACHED };

static struct shared *sh;

static vm_pool *start(int (*process)(struct vm_context *, const void *,
    size_t), struct vm_options options, size_t element)
{
	const struct vm_worker worker = { .process = process };
	vm_pool *pool;

	no_cores();
	sh = shared_new();
	options.chunk_size = CHUNK;
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	/* As if earlier outputs had that size. */
	pool->engine.crew.usual = element;
	return pool;
}

static void stop(vm_pool *pool)
{
	close_pool(pool);
	ck_assert_int_eq(count_children(), 0);
	shared_free(sh);
}

/* ---- sizes ---- */

/* Bytes of the output of an item; an output is the number, repeated. */
static size_t (*size_of)(int64_t n);

static int answer(struct vm_context *me, const void *input, size_t size)
{
	int64_t words[4096 / 8];
	int64_t n = number(input);

	(void)size;
	for (size_t i = 0; i < COUNTOF(words); i++)
		words[i] = n;
	return vm_output(me, words, size_of(n));
}

/* The same, reserved with more room and in pieces. */
static int answer_in_pieces(struct vm_context *me, const void *input,
    size_t size)
{
	int64_t n = number(input);
	char *room = vm_reserve(me, 20000);

	(void)size;
	if (room == NULL)
		return -1;
	for (size_t i = 0; i < size_of(n); i += 8)
		memcpy(room + i, &n, 8);
	return vm_commit(me, size_of(n) / 2) != 0 ? -1 :
	    vm_output(me, room + size_of(n) / 2, size_of(n) - size_of(n) / 2);
}

static void check_output(const struct vm_result *r)
{
	const int64_t n = number(r->input);
	const unsigned char *out = r->output;

	ck_assert_int_eq(r->type, VM_OUTPUT);
	ck_assert_int_eq(r->attempts, 1);
	ck_assert_uint_eq(r->index, (uint64_t)n);
	ck_assert_uint_eq(r->output_size, size_of(n));
	ck_assert_uint_eq((uintptr_t)out % 16, 0);
	ck_assert_int_eq(out[r->output_size], 0);
	for (size_t i = 0; i + 8 <= r->output_size; i += 8)
		ck_assert_int_eq(memcmp(out + i, &n, 8), 0);
}

/* Runs ITEMS items, with two workers; they find an array if "element" is not 0.
   Returns the size that the next outputs are expected to have. */
static size_t run_sizes(int (*process)(struct vm_context *, const void *,
    size_t), size_t (*sizes)(int64_t n), size_t element)
{
	bool seen[ITEMS] = { false };
	vm_pool *pool;
	struct vm_result r;
	size_t usual;

	size_of = sizes;
	pool = start(process, (struct vm_options){ .workers = 2 }, element);
	imap_to(pool, vm_range(0, ITEMS));
	for (int i = 0; i < ITEMS; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		check_output(&r);
		ck_assert(!seen[r.index]);
		seen[r.index] = true;
	}
	take_end(pool);
	usual = pool->engine.crew.usual;
	stop(pool);
	return usual;
}

static size_t eight(int64_t n)
{
	(void)n;
	return 8;
}

static size_t most(int64_t n)
{
	(void)n;
	return SLOT_ELEMENT_MOST;
}

static size_t above(int64_t n)
{
	(void)n;
	return SLOT_ELEMENT_MOST + 8;
}

static size_t forty(int64_t n)
{
	(void)n;
	return 40;
}

/* A smaller and a larger output, and a large output, amid those of 16 bytes in
   the last chunk. */
static size_t mixed(int64_t n)
{
	if (n == ITEMS - 40)
		return 8;
	if (n == ITEMS - 30)
		return 4096;
	return n == ITEMS - 29 ? 0 : 16;
}

static size_t alternating(int64_t n)
{
	return n % 2 ? 8 : 24;
}

START_TEST(their_size_is_learned)
{
	int runs = 0;

	/* Results that come few at a time say little. */
	while (run_sizes(answer, eight, 0) != 8)
		ck_assert_int_lt(++runs, 50);
	while (run_sizes(answer, most, 0) != SLOT_ELEMENT_MOST)
		ck_assert_int_lt(++runs, 50);
	ck_assert_uint_eq(run_sizes(answer, above, 0), 0);
}
END_TEST

START_TEST(all_fit)
{
	ck_assert_uint_eq(run_sizes(answer, eight, 8), 8);
	ck_assert_uint_eq(run_sizes(answer, forty, 40), 40);
	ck_assert_uint_eq(run_sizes(answer_in_pieces, most,
	    SLOT_ELEMENT_MOST), SLOT_ELEMENT_MOST);
}
END_TEST

START_TEST(some_have_another_size)
{
	run_sizes(answer, mixed, 16);
	run_sizes(answer_in_pieces, mixed, 16);
	ck_assert_uint_eq(run_sizes(answer, alternating, 8), 0);
	ck_assert_uint_eq(run_sizes(answer, above, 8), 0);
}
END_TEST

/* ---- an item after another ---- */

enum { MISUSED, OPEN_LATER };
enum { RESERVES, COMMITS, PAUSES, FAILS_ONCE, FAILS, AFTER, KINDS };

/* What an item leaves behind does not reach the next. */
static int leave_something(struct vm_context *me, const void *input,
    size_t size)
{
	switch (number(input) % KINDS) {
	case RESERVES:
		if (vm_reserve(me, size) == NULL)
			return -1;
		break;
	case COMMITS:
		if (vm_commit(me, size) != -1)
			atomic_fetch_add(&sh->counter[MISUSED], 1);
		break;
	case PAUSES:
		if (vm_retry_after(me, 3600 * 1000) != 0)
			return -1;
		break;
	case FAILS_ONCE:
		if (me->attempt == 1)
			return 5;
		break;
	case FAILS:
		vm_fail(me, 6, "item %d", (int)number(input));
		break;
	}
	return vm_output(me, input, size);
}

static void output_too_late(struct vm_context *me)
{
	if (vm_output(me, "", 0) != -1 || vm_reserve(me, 0) != NULL)
		atomic_fetch_add(&sh->counter[MISUSED], 1);
	atomic_fetch_add(&sh->counter[OPEN_LATER], 1);
}

static void check_left(const struct vm_result *r)
{
	const int64_t n = number(r->input);

	if (n % KINDS == FAILS) {
		ck_assert_int_eq(r->type, VM_EXCEPTION);
		ck_assert_int_eq(r->exception->code, 6);
		return;
	}
	ck_assert_int_eq(r->type, VM_OUTPUT);
	ck_assert_uint_eq(r->output_size, sizeof n);
	ck_assert_int_eq(number(r->output), n);
	ck_assert_int_eq(r->attempts, n % KINDS == FAILS_ONCE ? 2 : 1);
}

static void map_leftovers(vm_pool *pool, struct vm_source source)
{
	struct vm_result r;

	imap_to(pool, source);
	for (int i = 0; i < ITEMS; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		ck_assert(pool->engine.window.paused == NULL);
		check_left(&r);
	}
	take_end(pool);
}

static void run_leftovers(size_t chunk)
{
	const struct vm_worker worker = { .process = leave_something,
		.teardown = output_too_late };
	const struct vm_options options = { .workers = 1, .max_attempts = 2,
		.chunk_size = chunk };
	int64_t plain[ITEMS];
	vm_pool *pool;

	sh = shared_new();
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	pool->engine.crew.usual = 8;
	pool->engine.sizer.item_ns = 10;
	map_leftovers(pool, vm_range(0, ITEMS));
	/* So that teardown follows a row. */
	for (int i = 0; i < ITEMS; i++)
		plain[i] = AFTER;
	map_leftovers(pool, vm_array(plain, ITEMS, sizeof *plain));
	close_pool(pool);
	ck_assert_int_eq(atomic_load(&sh->counter[MISUSED]), 0);
	ck_assert_int_eq(atomic_load(&sh->counter[OPEN_LATER]), 1);
	shared_free(sh);
}

START_TEST(each_item_begins_afresh)
{
	/* Through the pipe, and in shared memory. */
	ck_assert_uint_lt(CHUNK * frame_length(8), SLOT_COPY_LEAST);
	run_leftovers(CHUNK);
	ck_assert_uint_ge(ITEMS * frame_length(8), SLOT_COPY_LEAST);
	run_leftovers(ITEMS);
}
END_TEST

/* ---- failures, deaths ---- */

static int bad;

/* Items around the bad item fail, and this ends its worker. */
static int fail_or_die(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);

	atomic_fetch_add(&sh->pid[n], 1);
	if (n == bad)
		raise(SIGKILL);
	if (n == bad - 2 || n == bad + 1)
		return vm_fail(me, 7, "item %d", (int)n);
	return vm_output(me, input, size);
}

static void check_death(int n)
{
	vm_pool *pool;
	struct vm_result r;

	bad = n;
	pool = start(fail_or_die, (struct vm_options){ .workers = 1 }, 8);
	imap_to(pool, vm_range(0, CHUNK));
	for (int i = 0; i < CHUNK; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		n = (int)number(r.input);
		if (n == bad)
			ck_assert_int_eq(r.exception->cause, VM_KILLED);
		else if (n == bad - 2 || n == bad + 1)
			ck_assert_int_eq(r.exception->cause, VM_FAILED);
		else
			ck_assert_int_eq(number(r.output), n);
	}
	take_end(pool);
	/* Those before it were finished. */
	for (int i = 0; i < CHUNK; i++)
		ck_assert_int_eq(atomic_load(&sh->pid[i]), 1);
	stop(pool);
}

START_TEST(a_death_is_blamed_on_the_item_that_ran)
{
	check_death(0);
	check_death(1);
	check_death(20);
	check_death(CHUNK - 1);
}
END_TEST

/* ---- results come early ---- */

enum { SLOW = 50, LATER = 2 * CHUNK, LAST = 3 * CHUNK - 1 };

static int slow_at_gate(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) == SLOW &&
	    await(&sh->counter[GATE], 1, limit_ms()) < 0)
		return vm_fail(me, 1, "nobody has opened the gate");
	return vm_output(me, input, size);
}

START_TEST(a_slow_item_holds_up_none_before_it)
{
	for (int ordered = 0; ordered < 2; ordered++) {
		vm_pool *pool = start(slow_at_gate, (struct vm_options){
		    .workers = 1, .flags = ordered ? VM_ORDERED : 0 }, 8);
		struct vm_result r;

		imap_to(pool, vm_range(0, CHUNK));
		for (int i = 0; i < CHUNK; i++) {
			ck_assert_int_eq(vm_zip_in_out_within(pool, &r,
			    limit_ms()), 1);
			ck_assert_int_eq(number(r.output), i);
			if (i == SLOW - 1)
				atomic_store(&sh->counter[GATE], 1);
		}
		take_end(pool);
		stop(pool);
	}
}
END_TEST

/* Items from LATER on fail, but for the last. */
static int last_at_gate(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) >= LATER && number(input) < LAST)
		return vm_fail(me, 7, "no output");
	if (number(input) == LAST &&
	    await(&sh->counter[GATE], 1, limit_ms()) < 0)
		return vm_fail(me, 1, "nobody has opened the gate");
	return vm_output(me, input, size);
}

/* Runs the items of a chunk, from that number on. */
static void run_chunk(vm_pool *pool, int from)
{
	struct vm_result r;

	imap_to(pool, vm_range(from, from + CHUNK));
	for (int i = from; i < from + CHUNK; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		ck_assert_int_eq(number(r.input), i);
		if (i >= LATER && i < LAST)
			ck_assert_int_eq(r.exception->cause, VM_FAILED);
		else
			ck_assert_int_eq(number(r.output), i);
		if (i == LAST - 1)
			atomic_store(&sh->counter[GATE], 1);
	}
	take_end(pool);
}

/* The words of the slot have 16 bits of an ordinal: after 65,536 chunks without
   an array, the words about the last array seem to be about the next. */
START_TEST(words_of_an_old_chunk_count_for_nothing)
{
	vm_pool *pool = start(last_at_gate, (struct vm_options){
	    .workers = 1, .flags = VM_ORDERED }, 8);
	struct crew *c = &pool->engine.crew;

	run_chunk(pool, 0);
	ck_assert_uint_eq(c->members[0].ordinal, 1);
	c->usual = 0;
	run_chunk(pool, CHUNK);
	c->usual = 8;
	c->members[0].ordinal = 1 << 16;
	run_chunk(pool, LATER);
	stop(pool);
}
END_TEST

/* ---- timeouts ---- */

enum { STOPPED = 10, SAMPLED_MS = 2000 };

/* Says that its output is in the array, and goes on later: as a worker that is
   stopped between two items does. */
static int stop_after(struct vm_context *me, const void *input, size_t size)
{
	size_t slot_size;

	if (number(input) == STOPPED) {
		if (await(&sh->counter[REACHED], 1, limit_ms()) < 0)
			return vm_fail(me, 1, "nobody has seen the item");
		if (vm_output(me, input, size) < 0)
			return -1;
		slot_finish((void *)own_slot(sh, &slot_size), 0, STOPPED + 1);
		return await(&sh->counter[GATE], 1, limit_ms());
	}
	return vm_output(me, input, size);
}

/* Takes the results that come, the next of which has the number *n, until a
   sample finds the worker at an item or, for NEVER, at none; or it is killed. */
static void take_until(vm_pool *pool, uint64_t item, int *n)
{
	const struct member *m = &pool->engine.crew.members[0];
	const uint64_t end = clock_ns() + limit_ns();
	struct vm_result r;

	while (m->watched != item && pool->engine.tally.deaths == 0) {
		ck_assert_uint_lt(clock_ns(), end);
		if (vm_zip_in_out_within(pool, &r, 1) == 1) {
			ck_assert_int_eq(r.type, VM_OUTPUT);
			ck_assert_int_eq(number(r.output), (*n)++);
		}
	}
}

START_TEST(a_worker_between_two_items_is_not_garbled)
{
	vm_pool *pool = start(stop_after, (struct vm_options){ .workers = 1,
	    .flags = VM_ORDERED, .item_timeout_ms = SAMPLED_MS }, 8);
	struct vm_result r;
	struct vm_stats stats;
	int n = 0;

	imap_to(pool, vm_range(0, CHUNK));
	take_until(pool, STOPPED, &n);
	atomic_store(&sh->counter[REACHED], 1);
	take_until(pool, NEVER, &n);
	atomic_store(&sh->counter[GATE], 1);
	for (; n < CHUNK; n++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		ck_assert_int_eq(number(r.output), n);
	}
	take_end(pool);
	ck_assert_int_eq(vm_stats(pool, &stats), 0);
	ck_assert_uint_eq(stats.deaths, 0);
	stop(pool);
}
END_TEST

/* ---- hostile workers ---- */

/* Overwrites the arrays of its slot while the caller has results of them. */
static int spoil_later(struct vm_context *me, const void *input, size_t size)
{
	size_t slot_size;
	struct slot *s = (void *)own_slot(sh, &slot_size);

	if (number(input) == CHUNK) {
		if (await(&sh->counter[REACHED], 1, limit_ms()) < 0)
			return vm_fail(me, 1, "no result has come");
		memset(slot_arrays(s), 0x55, SLOT_ARRAYS);
		atomic_store(&sh->counter[GATE], 1);
	}
	return vm_output(me, input, size);
}

/* Spoils the arrays when the first result was taken.  Returns how many results
   were taken from an array with it. */
static int spoil(void)
{
	vm_pool *pool = start(spoil_later, (struct vm_options){ .workers = 1,
	    .flags = VM_ORDERED }, 8);
	struct vm_result r;
	int with = 0;

	imap_to(pool, vm_range(0, ITEMS));
	for (int i = 0; i < ITEMS; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		if (i == 0) {
			with = (int)pool->engine.results.left;
			atomic_store(&sh->counter[REACHED], 1);
			wait_for(&sh->counter[GATE], 1);
		}
		ck_assert_int_eq(r.type, VM_OUTPUT);
		if (i <= with)
			ck_assert_int_eq(number(r.output), i);
	}
	take_end(pool);
	stop(pool);
	return with;
}

/* The result in hand, and those copied with it, do not change. */
START_TEST(results_are_private)
{
	int runs = 0;

	while (spoil() == 0)
		ck_assert_int_lt(++runs, 50);
}
END_TEST

/* The lie: sets words, or sends a DONE. */
static void (*lie)(struct slot *);

static void put_done(struct slot *s, uint32_t ordinal, uint32_t next)
{
	const struct frame_end done = { .ordinal = ordinal, .next = next };
	unsigned char frame[64];
	uint64_t at = atomic_load(&s->committed);

	frame_write(frame, FRAME_DONE, &done, sizeof done);
	slot_copy_in(s, at, frame, frame_length(sizeof done));
	atomic_store(&s->committed, at + frame_length(sizeof done));
}

static void done_beyond_the_chunk(struct slot *s)
{
	put_done(s, 0, CHUNK + 1);
}

static void done_before_the_chunk(struct slot *s)
{
	put_done(s, 0, UINT32_MAX);
}

static void done_of_another_chunk(struct slot *s)
{
	put_done(s, 1, 1);
}

static void done_word_beyond(struct slot *s)
{
	slot_finish(s, 0, (1 << 24) - 1);
}

static void begun_word_beyond(struct slot *s)
{
	slot_begin(s, 0, (1 << 24) - 1);
}

static int lie_and_die(struct vm_context *me, const void *input, size_t size)
{
	size_t slot_size;

	if (number(input) == bad && atomic_fetch_add(&sh->pid[0], 1) == 0) {
		lie((void *)own_slot(sh, &slot_size));
		raise(SIGKILL);
	}
	return vm_output(me, input, size);
}

/* Every item has a result, and all but those of the worker's chunk an output of
   their own. */
static void check_lie(void (*how)(struct slot *))
{
	vm_pool *pool;
	struct vm_result r;
	bool seen[ITEMS] = { false };

	lie = how;
	bad = 20;
	pool = start(lie_and_die, (struct vm_options){ .workers = 1,
	    .max_attempts = 3 }, 8);
	imap_to(pool, vm_range(0, ITEMS));
	for (int i = 0; i < ITEMS; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		ck_assert(!seen[r.index]);
		seen[r.index] = true;
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_uint_eq(r.output_size, 8);
		if (r.index >= CHUNK || r.index < (uint64_t)bad)
			ck_assert_int_eq(number(r.output), (int)r.index);
	}
	take_end(pool);
	ck_assert_int_ge(atomic_load(&sh->pid[0]), 1);
	stop(pool);
}

START_TEST(a_liar_harms_its_chunk_only)
{
	check_lie(done_beyond_the_chunk);
	check_lie(done_before_the_chunk);
	check_lie(done_of_another_chunk);
	check_lie(done_word_beyond);
	check_lie(begun_word_beyond);
}
END_TEST

/* ---- taking back, cancelling ---- */

START_TEST(what_was_not_begun_is_taken_back)
{
	vm_pool *pool = start(slow_at_gate, (struct vm_options){
	    .workers = 2 }, 8);
	bool seen[CHUNK] = { false };
	struct vm_result r;

	imap_to(pool, vm_range(0, CHUNK));
	for (int i = 0; i < CHUNK; i++) {
		/* All but the slow item come before the gate opens. */
		if (i == CHUNK - 1)
			atomic_store(&sh->counter[GATE], 1);
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		ck_assert_int_eq(number(r.output), (int)r.index);
		ck_assert(!seen[r.index]);
		seen[r.index] = true;
	}
	take_end(pool);
	stop(pool);
}
END_TEST

START_TEST(cancelled_while_it_runs)
{
	vm_pool *pool = start(slow_at_gate, (struct vm_options){
	    .workers = 1 }, 8);
	struct vm_result r;
	int outputs = 0, cancelled = 0;

	imap_to(pool, vm_range(0, CHUNK));
	for (int i = 0; i < SLOW; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		ck_assert_int_eq(number(r.output), i);
	}
	vm_cancel(pool, VM_CANCEL_RUNNING);
	while (vm_zip_in_out_within(pool, &r, limit_ms()) == 1) {
		outputs += r.type == VM_OUTPUT;
		cancelled += r.type == VM_EXCEPTION &&
		    r.exception->cause == VM_CANCELLED;
	}
	ck_assert_int_eq(outputs, 0);
	ck_assert_int_eq(cancelled, CHUNK - SLOW);
	stop(pool);
}
END_TEST

/* ---- inputs ---- */

enum { LONG = 400 };

/* Checks its input, and dies at the bad item in the first attempt. */
static int look_and_die(struct vm_context *me, const void *input, size_t size)
{
	const unsigned char *at = input;

	if (size != 8 || (uintptr_t)at % 16 || at[size] != 0 ||
	    (uint64_t)number(input) != me->index)
		return vm_fail(me, 1, "bad input %d", (int)me->index);
	if (number(input) == bad && me->attempt == 1)
		raise(SIGKILL);
	return vm_output(me, input, size);
}

/* The inputs of a dead worker are sent again, from the caller's own copy. */
START_TEST(inputs_survive_their_worker)
{
	const struct vm_worker worker = { .process = look_and_die };
	const struct vm_options options = { .workers = 2, .max_attempts = 2,
		.chunk_size = LONG };
	vm_pool *pool;
	struct vm_result r;
	bool seen[4 * LONG] = { false };
	uint64_t copied = 0;

	bad = LONG + 100;
	no_cores();
	sh = shared_new();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 4 * LONG));
	for (int i = 0; i < 4 * LONG; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_eq(r.attempts, number(r.input) == bad ? 2 : 1);
		ck_assert_int_eq(number(r.output), number(r.input));
		ck_assert(!seen[r.index]);
		seen[r.index] = true;
	}
	take_end(pool);
	for (int i = 0; i < 2; i++) {
		const struct member *m = &pool->engine.crew.members[i];

		copied += m->copies.reach;
		ck_assert_ptr_null(m->copies.first);
		ck_assert_ptr_null(m->arrays.first);
	}
	/* Without a mapping for inputs, none can be there. */
	ck_assert(copied >= SLOT_COPY_LEAST || pool->engine.slots.room == 0);
	stop(pool);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { their_size_is_learned, all_fit,
		some_have_another_size, each_item_begins_afresh,
		a_death_is_blamed_on_the_item_that_ran,
		a_slow_item_holds_up_none_before_it,
		words_of_an_old_chunk_count_for_nothing, results_are_private,
		a_worker_between_two_items_is_not_garbled,
		a_liar_harms_its_chunk_only, what_was_not_begun_is_taken_back,
		cancelled_while_it_runs, inputs_survive_their_worker };

	return run_tests("filled", tests, COUNTOF(tests));
}
