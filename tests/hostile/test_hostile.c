/*
 * test_hostile.c - workers that write to shared memory at the worst moments,
 * and the data they leave when they die: sizes stay, no other worker gets any
 * of the data, and no worker can read the pages of another.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "items/span.h"
#include "os/paging.h"
#include "os/sys.h"
#include "reduce/emit.h"
#include "reduce/shuffle.h"
#include "shm/slot.h"
#include "tools.h"
#include "wire/channel.h"

#define KIB ((size_t)1024)
#define SIZE (20 * KIB)
#define ITEMS 60

/* ---- heads of inputs in shared memory ---- */

/* Three inputs of different sizes in a region of "room" bytes; their heads are
   overwritten afterwards. */
static struct chunk *with_forged_heads(struct arena *a, unsigned char *room)
{
	static char input[300];
	struct chunk *c = chunk_new(NULL, 0, 0, NULL);

	ck_assert_ptr_nonnull(c);
	for (size_t i = 0; i < sizeof input; i++)
		input[i] = (char)(1 + i % 100);
	arena_init(a, 4096);
	chunk_place(c, arena_take(a, 2048), room);
	for (size_t i = 1; i <= 3; i++)
		ck_assert_int_eq(chunk_pack(c, input, 90 * i), 0);
	for (size_t at = FRAME_START, i = 1; i <= 3; i++) {
		memset(room + at, 0xee, FRAME_HEAD);
		at += frame_length(90 * i);
	}
	return c;
}

START_TEST(a_size_is_not_read_where_a_worker_can_write)
{
	static _Alignas(16) unsigned char room[4096];
	struct arena a;
	struct chunk *c = with_forged_heads(&a, room);
	size_t at = chunk_begin(c), from = at, size;
	const void *input;

	for (size_t i = 1; i <= 3; i++) {
		ck_assert_uint_eq(chunk_bytes(c, at, 1),
		    frame_length(90 * i));
		ck_assert_uint_eq(chunk_skip(c, from, (uint32_t)i - 1), at);
		at = chunk_unpack(c, at, &input, &size);
		ck_assert_uint_eq(size, 90 * i);
		ck_assert_int_eq(*(const char *)input, 1);
	}
	chunk_drop(c);
}
END_TEST

/* Another worker must get valid frames, whatever the shared memory contains. */
START_TEST(a_head_is_not_sent_from_where_a_worker_can_write)
{
	static _Alignas(16) unsigned char room[4096], got[4096];
	struct arena a;
	struct chunk *c = with_forged_heads(&a, room);
	struct span *s = span_set(span_new(NULL), c, 0, 3, chunk_begin(c));
	struct channel ch;
	struct frame f;
	size_t n = 0, at = FRAME_START;

	span_advance(s, 1);
	channel_open(&ch, -1, -1);
	ck_assert_int_eq(channel_prepare(&ch, span_parts(s)), 0);
	span_write_head(s);
	span_send(s, &ch);
	for (size_t i = 0; i < ch.count; i++) {
		memcpy(got + FRAME_START + n, ch.queue[i].iov_base,
		    ch.queue[i].iov_len);
		n += ch.queue[i].iov_len;
	}
	ck_assert_int_eq(frame_read(got + at, n, sizeof got, &f), 1);
	ck_assert_int_eq(f.kind, FRAME_CHUNK);
	for (size_t i = 2; i <= 3; i++) {
		at += f.length;
		ck_assert_int_eq(frame_read(got + at, n + FRAME_START - at,
		    sizeof got, &f), 1);
		ck_assert_int_eq(f.kind, FRAME_ITEM);
		ck_assert_uint_eq(f.size, 90 * i);
		ck_assert_int_eq(f.body[0], 1);
		ck_assert_int_eq(f.body[f.size - 1], (int)(1 +
		    (90 * i - 1) % 100));
	}
	ck_assert_uint_eq(at + f.length, n + FRAME_START);
	channel_close(&ch, sys_close);
	span_free(s);
	chunk_drop(c);
}
END_TEST

/* ---- heads of inputs, overwritten by workers ---- */

static int given;

/* All bytes of an input are its number, except the first byte: this says
   whether the input is hostile. */
static int next_large(void *from, const void **input, size_t *size)
{
	static unsigned char bytes[SIZE];

	(void)from;
	if (given == ITEMS)
		return 0;
	memset(bytes, given, sizeof bytes);
	bytes[0] = given % 2;
	*input = bytes;
	*size = SIZE - (size_t)given;
	given++;
	return 1;
}

static bool is_right(const void *input, size_t size, uint64_t n)
{
	const unsigned char *at = input;

	if (size != SIZE - n || at[0] != n % 2)
		return false;
	for (size_t i = 1; i < size; i++)
		if (at[i] != (unsigned char)n)
			return false;
	return at[size] == 0;
}

/* Makes the pages of a large input writable, if possible. */
static bool open_pages(const void *input)
{
	uintptr_t from = (uintptr_t)input & ~(uintptr_t)4095;

	return mprotect((void *)from, 8192, PROT_READ | PROT_WRITE) == 0;
}

/* A hostile item makes its input longer than all slots, changes it, and
   dies. */
static int forge(struct vm_context *me, const void *input, size_t size)
{
	unsigned char *at = (void *)(uintptr_t)input;
	uint64_t n = me->index;

	if (!is_right(input, size, n))
		return vm_fail(me, 1, "a changed input");
	if (n % 2 && me->attempt == 1) {
		if (open_pages(input)) {
			frame_head(at - FRAME_HEAD, FRAME_ITEM,
			    (size_t)1 << 40);
			memset(at + 1, 0xee, size - 1);
		}
		_exit(1);
	}
	return vm_output(me, &n, sizeof n);
}

static const struct vm_worker forging = { .process = forge };

static void check_forged(const struct vm_options *o)
{
	struct vm_result r;
	vm_pool *pool;

	given = 0;
	pool = fork_pool(&forging, o);
	imap_to(pool, (struct vm_source){ .next = next_large });
	for (int i = 0; i < ITEMS; i++) {
		take(pool, &r);
		ck_assert_uint_eq(r.input_size, SIZE - r.index);
		ck_assert(is_right(r.input, r.input_size, r.index));
		if (o->max_attempts > 1 || r.index % 2 == 0)
			ck_assert_msg(r.type == VM_OUTPUT, "number %d: %s",
			    (int)r.index, r.exception->message);
		else
			ck_assert_int_eq(r.exception->cause, VM_EXITED);
	}
	take_end(pool);
	close_pool(pool);
}

/* In the place of the same worker, of another, and without shared memory. */
START_TEST(an_input_stays_what_it_was)
{
	const struct vm_options ways[] = {
		{ .workers = 1, .max_attempts = 2 },
		{ .workers = 3, .max_attempts = 2, .chunk_size = 2 },
		{ .workers = 3, .max_attempts = 1, .chunk_size = 3 },
		{ .workers = 2, .max_attempts = 2, .chunk_size = 8,
		    .flags = VM_ORDERED },
	};

	for (size_t i = 0; i < COUNTOF(ways); i++)
		check_forged(&ways[i]);
}
END_TEST

/* Counts the inputs in pages that a worker may make writable, or not. */
enum { OPEN, SHUT, OTHER };
static struct shared *sh;

static int open_and_write(struct vm_context *me, const void *input, size_t size)
{
	bool opened;

	if (!is_right(input, size, me->index))
		return vm_fail(me, 1, "a changed input");
	opened = open_pages(input);
	if (opened)
		memset((void *)(uintptr_t)input, 0xee, size);
	atomic_fetch_add(&sh->counter[opened ? OPEN :
	    errno == EACCES ? SHUT : OTHER], 1);
	return vm_output(me, "done", 4);
}

static const struct vm_worker opening = { .process = open_and_write };

/* Runs all inputs through a pool.  Returns the number of good outputs, or a
   negative number; *room is the size of the payload halves. */
static int run_opening(size_t *room)
{
	struct vm_options o = { .workers = 2, .chunk_size = 1 };
	struct vm_result r;
	vm_pool *pool;
	int n = 0;

	given = 0;
	pool = vm_fork(&opening, &o);
	if (pool == NULL)
		return -1;
	*room = pool->engine.slots.room;
	if (vm_imap(pool, (struct vm_source){ .next = next_large }) != 0)
		return -2;
	while (vm_zip_in_out_within(pool, &r, limit_ms()) == 1)
		n += r.type == VM_OUTPUT &&
		    is_right(r.input, r.input_size, r.index);
	return vm_close(pool) == 0 ? n : -3;
}

/* Inputs that came through the pipe lie in private, writable memory. */
START_TEST(shared_inputs_can_never_be_written_to)
{
	size_t room;

	sh = shared_new();
	ck_assert_int_eq(run_opening(&room), ITEMS);
	ck_assert_uint_gt(room, 0);
	ck_assert_int_gt(atomic_load(&sh->counter[SHUT]), 0);
	ck_assert_int_eq(atomic_load(&sh->counter[OTHER]), 0);
	ck_assert_int_eq(atomic_load(&sh->counter[OPEN]) +
	    atomic_load(&sh->counter[SHUT]), ITEMS);
	shared_free(sh);
}
END_TEST

/* No file can have the size of the slots, and no signal reports this. */
static int with_short_files(void *arg)
{
	const struct rlimit limit = { 1024 * KIB, 1024 * KIB };
	size_t room = 1;

	(void)arg;
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 1;
	return run_opening(&room) == ITEMS && room == 0 ? 0 : 2;
}

START_TEST(without_a_file_they_go_through_pipes)
{
	sh = shared_new();
	ck_assert_int_eq(in_child(with_short_files, NULL), 0);
	ck_assert_int_eq(atomic_load(&sh->counter[OPEN]), ITEMS);
	shared_free(sh);
}
END_TEST

/* ---- outputs in pages that are said to be read-only ---- */

static size_t claimed;

/* Says that its output lies in the payload area, in pages that it has made
   read-only, and dies. */
static int claim(struct vm_context *me, const void *input, size_t size)
{
	const struct frame_placed p = { .size = claimed, .shut = 1 };
	_Alignas(16) unsigned char frame[64];
	struct slot *s = (void *)own_slot(sh, &size);
	const uint64_t at = atomic_load(&s->committed);

	(void)me;
	(void)input;
	frame_write(frame, FRAME_PLACED, &p, sizeof p);
	slot_copy_in(s, at, frame, frame_length(sizeof p));
	atomic_store(&s->committed, at + frame_length(sizeof p));
	raise(SIGKILL);
	return 0;
}

/* Is an output of that size read in place, by the word of its worker? */
static bool is_read_in_place(size_t size)
{
	const struct vm_worker w = { .process = claim };
	const struct vm_options o = { .workers = 1, .chunk_size = 1 };
	vm_pool *pool;
	struct vm_result r;
	const struct slots *s;
	uintptr_t at;
	bool any;

	claimed = size;
	pool = fork_pool(&w, &o);
	s = &pool->engine.slots;
	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	ck_assert_uint_eq(r.output_size, size);
	at = (uintptr_t)r.output;
	any = at >= (uintptr_t)s->at &&
	    at < (uintptr_t)s->at + s->stride * s->count;
	take_end(pool);
	close_pool(pool);
	return any;
}

/* A worker cannot change other outputs than those. */
START_TEST(no_more_is_read_in_place_than_was_asked_for)
{
	sh = shared_new();
	paging_assume(PAGING_CHEAP);
	ck_assert(is_read_in_place(SLOT_IN_PLACE));
	ck_assert(!is_read_in_place(SLOT_IN_PLACE - 1));
	ck_assert(!is_read_in_place(0));
	paging_assume(PAGING_DEAR);
	ck_assert(!is_read_in_place(SLOT_IN_PLACE));
	paging_assume(PAGING_UNKNOWN);
	shared_free(sh);
}
END_TEST

/* ---- orphans of an item ---- */

/* Orphans: a child that has executed another program, and its parent.  MET_*
   record which of them are alive at the next item. */
enum { HIDDEN, PROGRAM, MET_HIDDEN, MET_PROGRAM, LEFT };

/* Stays outside the process group, with the pages of the worker; usually
   children inherit only the inputs. */
static void stay(int which)
{
	setsid();
	atomic_store(&sh->pid[which], getpid());
	for (;;)
		pause();
}

static void leave_two(int gone)
{
	size_t size;
	unsigned char *slot = own_slot(sh, &size);

	madvise(slot, size, MADV_DOFORK);
	if (fork() != 0)
		return;
	setsid();
	if (fork() == 0) {
		close(gone);
		stay(HIDDEN);
	}
	while (atomic_load(&sh->pid[HIDDEN]) == 0)
		nap_ms(1);
	atomic_store(&sh->pid[PROGRAM], getpid());
	execlp("sleep", "sleep", "3600", (char *)NULL);
	_exit(1);
}

/* The first item ends when the second process has executed a program, which
   closes the pipe. */
static int leave_something(struct vm_context *me, const void *input,
    size_t size)
{
	int ends[2];
	char c;

	if (me->index > 0) {
		atomic_store(&sh->counter[MET_HIDDEN],
		    is_alive((pid_t)sh->pid[HIDDEN]));
		atomic_store(&sh->counter[MET_PROGRAM],
		    is_alive((pid_t)sh->pid[PROGRAM]));
		return vm_output(me, input, size);
	}
	if (pipe2(ends, O_CLOEXEC) != 0)
		return vm_fail(me, errno, "no pipe");
	leave_two(ends[1]);
	close(ends[1]);
	while (read(ends[0], &c, 1) > 0)
		continue;
	atomic_store(&sh->counter[LEFT], is_alive((pid_t)sh->pid[HIDDEN]) &&
	    is_alive((pid_t)sh->pid[PROGRAM]));
	_exit(1);
}

START_TEST(the_next_worker_has_its_pages_alone)
{
	const struct vm_worker worker = { .process = leave_something };
	const struct vm_options options = { .workers = 1, .max_workers = 1 };
	struct vm_result r;
	vm_pool *pool;

	sh = shared_new();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 2));
	take(pool, &r);
	ck_assert_int_eq(r.exception->cause, VM_EXITED);
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	take_end(pool);
	ck_assert_int_eq(sh->counter[LEFT], 1);
	ck_assert_int_eq(sh->counter[MET_HIDDEN], 0);
	ck_assert_int_eq(sh->counter[MET_PROGRAM], 1);
	close_pool(pool);
	ck_assert(!is_alive((pid_t)sh->pid[PROGRAM]));
	shared_free(sh);
}
END_TEST

/* ---- remains of inputs and outputs ---- */

#define SECRET 48

/* Returns a byte of an input and of its output; no other data contain the
   sequence. */
static unsigned char secret(uint64_t number, size_t at)
{
	return (unsigned char)((number + 1) * 0x9e3779b97f4a7c15u >>
	    at % 8 * 7 ^ at);
}

static int next_secret(void *from, const void **input, size_t *size)
{
	static unsigned char bytes[SECRET];

	(void)from;
	if (given == 8)
		return 0;
	for (size_t i = 0; i < SECRET; i++)
		bytes[i] = secret((uint64_t)given, i);
	given++;
	*input = bytes;
	*size = SECRET;
	return 1;
}

static bool has_secret(const unsigned char *at, size_t size, uint64_t number)
{
	for (size_t i = 0; i + SECRET <= size; i++) {
		size_t n = 0;

		while (n < SECRET && at[i + n] == secret(number, n))
			n++;
		if (n == SECRET)
			return true;
	}
	return false;
}

/* Searches the slot of its worker for earlier inputs. */
static int look_for_secrets(struct vm_context *me, const void *input,
    size_t size)
{
	size_t length;
	const unsigned char *slot = own_slot(sh, &length);

	for (uint64_t n = 0; n < me->index; n++)
		if (has_secret(slot, length, n))
			atomic_fetch_add(&sh->counter[LEFT], 1);
	if (me->index % 3 == 1 && vm_output(me, input, size) == 0)
		_exit(1);
	return vm_output(me, input, size);
}

/* Returns the number of secrets found. */
static long leave_secrets(const struct vm_options *o)
{
	const struct vm_worker worker = { .process = look_for_secrets };
	struct vm_result r;
	vm_pool *pool;

	given = 0;
	sh = shared_new();
	pool = fork_pool(&worker, o);
	imap_to(pool, (struct vm_source){ .next = next_secret });
	for (int i = 0; i < 8; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, r.index % 3 == 1 ? VM_EXCEPTION :
		    VM_OUTPUT);
	}
	take_end(pool);
	close_pool(pool);
	return sh->counter[LEFT];
}

START_TEST(an_isolated_item_finds_nothing)
{
	struct vm_options o = { .workers = 1, .worker_max_items = 1 };

	ck_assert_int_gt(leave_secrets(&o), 0);
	shared_free(sh);
	o.flags = VM_ISOLATE;
	ck_assert_int_eq(leave_secrets(&o), 0);
	shared_free(sh);
}
END_TEST

/* ---- outputs of workers of a reducer ---- */

#define HERE ((uint32_t)64 * 1024 * 1024)

/* Two pieces; the copy of the first takes long. */
struct output {
	struct piece piece[2];
	unsigned char here[HERE + 8];
	struct parcel parcel;
};

struct change {
	struct shuffle *s;
	struct output *output;
};

/* Changes the second piece when the copy of the first begins. */
static void *change_second(void *arg)
{
	const struct change *c = arg;
	unsigned char *volatile *begun = &c->s->parts[0].open.data;

	while (*begun == NULL)
		continue;
	c->output->piece[1].partition = 1u << 30;
	c->output->piece[1].here = UINT32_MAX;
	return NULL;
}

START_TEST(a_parcel_is_read_once)
{
	struct output *o = calloc(1, sizeof *o);
	struct store store;
	struct words words;
	struct shuffle s;
	struct change c = { &s, o };
	pthread_t thread;

	ck_assert_ptr_nonnull(o);
	ck_assert_int_eq(store_open(&store, 1, 0, NULL, &words), 0);
	ck_assert_int_eq(shuffle_open(&s, &store, 2, SIZE_MAX / 4, false), 0);
	o->piece[0].here = HERE;
	o->piece[1].partition = 1;
	o->piece[1].here = 8;
	o->parcel = (struct parcel){ sizeof *o, 2 };
	memset(o->here + HERE, 0x77, 8);
	ck_assert_int_eq(pthread_create(&thread, NULL, change_second, &c), 0);
	ck_assert_int_eq(shuffle_add(&s, 0, o, sizeof *o), 0);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(s.parts[0].open.len, HERE);
	ck_assert_uint_eq(s.parts[1].open.len, 8);
	ck_assert_int_eq(s.parts[1].open.data[7], 0x77);
	shuffle_close(&s);
	store_close(&store);
	free(o);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_size_is_not_read_where_a_worker_can_write,
		a_head_is_not_sent_from_where_a_worker_can_write,
		an_input_stays_what_it_was,
		shared_inputs_can_never_be_written_to,
		without_a_file_they_go_through_pipes,
		no_more_is_read_in_place_than_was_asked_for,
		the_next_worker_has_its_pages_alone,
		an_isolated_item_finds_nothing, a_parcel_is_read_once };

	return run_tests("hostile", tests, COUNTOF(tests));
}
