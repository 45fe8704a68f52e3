/* worker.c - see worker.h: the main loop of a worker process. */
#include "config.h"

#include "worker/worker.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/base.h"
#include "items/chunk.h"
#include "os/owner.h"
#include "os/spin.h"
#include "os/streams.h"
#include "os/sys.h"
#include "wire/channel.h"
#include "wire/frame.h"
#include "worker/account.h"
#include "worker/context.h"
#include "worker/crash.h"
#include "worker/exit.h"
#include "worker/rlimits.h"
#include "worker/stride.h"

/* A read of STREAM bytes or more, or a chunk with items in shared memory, means
   that more bytes are on their way.  For the next LINGERS reads the worker then
   yields the CPU, YIELDS times at most, before it blocks for a wake-up. */
#define STREAM 128
#define YIELDS 5
#define LINGERS 16

/*
 * The state of this worker.  Static, because the crash handler has a pointer to
 * a part.  The fields written before the first item lie in one page, since the
 * kernel copies each page that a worker writes to.
 */
static _Alignas(1024) struct worker {
	struct worker_life life;
	struct slot *slot;
	struct channel tasks;
	int lingers;		/* reads before which it still yields */
	/* In the present chunk: */
	unsigned char *input;	/* pointer to the next item in memory */
	unsigned char *place;	/* of the next output, if there is an array of
				   outputs */
	size_t element;		/* bytes of an output there */
	size_t step;		/* bytes from an output there to the next */
	bool awaited;		/* flag of the chunk received last */
	struct spin spin;	/* used after such a chunk */
	struct spin lingering;	/* used while it still yields */
	struct stride stride;
	struct account account;	/* of the present chunk */
	unsigned char *outputs;	/* half of the payload area for outputs */
	struct owner owner;	/* this process, not its children */
	struct crash crash;
	bool unguarded;		/* worker_prepare() could not guard exit() */
	bool volunteers;	/* rlimits_volunteer() is to be called */
	struct context context;	/* last: its long message is not written to */
} self;
_Static_assert(offsetof(struct worker, context.message) < 1024, "one page");

/* ---- leaving ---- */

/* Exits if this process is a child forked by a hook that has returned from the
   hook: it must not go on as the worker.  Inline, as it runs for each item. */
static inline void leave_if_copy(void)
{
	if (owner_is_other(&self.owner))
		sys_exit(EXIT_FAILURE);
}

/* ---- starting ---- */

void worker_prepare(void)
{
	streams_forget(streams_end_stdin());
	self.unguarded = exit_guard() != 0;
	self.volunteers = rlimits_must_volunteer();
	owner_init(&self.owner);
	crash_prepare(&self.crash);
}

void worker_begin(struct worker_life *life)
{
	sigset_t none;

	sys_setpgid(0, 0);
	sys_die_with_parent();
	if (sys_getppid() != life->parent)
		sys_exit(EXIT_FAILURE);
	for (size_t i = 0; i < COUNTOF(life->fds); i++)
		sys_close(&life->fds[i]);
	if (self.volunteers)
		rlimits_volunteer();
	sys_handle_sigchld(false);
	if (life->plan->ignore_sigterm)
		sys_ignore(SIGTERM);
	sigemptyset(&none);
	sys_set_mask(&none);
}

/* Reports that setup failed, or could not begin, and exits. */
static _Noreturn void unfit(void)
{
	static unsigned char frame[CONTEXT_FAILURE_ROOM];
	size_t length = context_failure(&self.context, FRAME_UNFIT, frame);

	if (outstream_put(&self.account.outstream, frame, length) == 0)
		account_flush(&self.account);
	exit_leave(EXIT_FAILURE);
}

/* Seeds rand() and its kin differently in each worker of a pool. */
static void reseed(void)
{
	const uint64_t seed = context_spread(self.life.plan->seed ^
	    ((uint64_t)self.life.which << 32 | self.life.generation));

	srand((unsigned)seed);
	srandom((unsigned)(seed >> 16));
	srand48((long)(seed >> 32));
}

static void set_up(void)
{
	struct frame_hello hello = {
		.version = FRAME_VERSION,
		.order = FRAME_ORDER,
		.generation = self.life.generation,
	};
	const uint64_t began = sys_now();
	uint64_t us;
	int r = context_init(&self.context, self.life.plan, self.life.index,
	    self.life.errors, &self.account.outstream);

	if (r < 0 || self.unguarded) {
		vm_fail(&self.context.public, ENOMEM,
		    "There was no memory to start the worker.");
		unfit();
	}
	if (self.life.plan->reseed)
		reseed();
	if (self.life.plan->whole_lines)
		streams_by_lines();
	r = rlimits_limit(self.life.plan, &self.context.public);
	if (r == 0)
		r = context_setup(&self.context);
	leave_if_copy();
	sys_die_with_parent();	/* setup may have changed credentials */
	if (r < 0)
		unfit();
	us = (sys_now() - began) / 1000;
	hello.setup_us = (uint32_t)MIN(us, UINT32_MAX);
	account_put(&self.account, FRAME_HELLO, &hello, sizeof hello);
	account_flush(&self.account);
}

/* ---- running chunks ---- */

/* Waits until the next frame has arrived whole.  Before it blocks it writes out
   the staged results.  End-of-file means that the caller is gone. */
ASIDE static void await_frame(void)
{
	struct frame f;
	int r;

	while ((r = channel_receive(&self.tasks, SIZE_MAX, &f)) == 0) {
		account_flush(&self.account);
		stamps_begin(&self.account.stamps, 0);
		if (self.lingers > 0)
			spin_at(&self.lingering, self.tasks.in, YIELDS);
		else if (self.awaited)
			spin_at(&self.spin, self.tasks.in, SPIN_LOOKS);
		r = channel_fill(&self.tasks);
		if (r < 0)
			exit_give_up();
		self.lingers = r >= STREAM ? LINGERS : MAX(self.lingers - 1, 0);
	}
	if (r < 0)
		exit_give_up();
}

/* Returns the next whole frame; blocks until it is there.  Inline, as it runs
   for each item. */
static inline void receive(struct frame *f)
{
	while (!channel_next(&self.tasks, f))
		await_frame();
}

/* Records when the attempt began, for the exception that the caller makes if
   the worker dies in it. */
static void note_beginning(void)
{
	const struct context *c = &self.context;

	if (c->noted)
		slot_note(self.slot, c->started_at != 0 ? c->started_at :
		    self.account.stamps.began, c->started_cpu, c->capture.from);
}

/* Ends an item of a row whose callback returned r and whose output is not in
   its place. */
ASIDE static void end_apart(const struct frame_chunk *chunk, uint32_t number,
    int r, unsigned char *place)
{
	unsigned char *frame;
	size_t length;

	frame = context_apart(&self.context, r, place, self.element, &length);
	if (frame != NULL) {
		self.account.filled = number;
		account_send(&self.account, number, frame, length);
	}
	context_begin_row(&self.context, chunk, self.element);
}

/* Runs one item of a row and puts its output into the array. */
INLINED void fill(const struct frame_chunk *chunk, uint32_t number,
    const struct frame *input, unsigned char *place)
{
	int r;

	slot_begin(self.slot, chunk->ordinal, number + 1);
	context_begin(&self.context, chunk, number);
	note_beginning();
	r = context_fill(&self.context, input->body, input->size, place);
	leave_if_copy();
	if (!context_is_filled(&self.context, r, place, self.element))
		end_apart(chunk, number, r, place);
}

/* The outputs of the items before number "next" are in the array.  Only those
   of an array in the slot are told before the chunk ends. */
static void filled_to(const struct frame_chunk *chunk, uint32_t next)
{
	slot_finish(self.slot, chunk->ordinal, next);
	if (chunk->element > 0)
		account_fill(&self.account, next);
}

/* Runs one item and adds its result. */
static void answer(const struct frame_chunk *chunk, uint32_t number,
    const struct frame *input)
{
	unsigned char *frame;
	size_t length;
	int r;

	slot_begin(self.slot, chunk->ordinal, number + 1);
	context_begin_chunk(&self.context, chunk);
	context_begin(&self.context, chunk, number);
	note_beginning();
	r = context_process(&self.context, input->body, input->size);
	leave_if_copy();
	frame = context_result(&self.context, r, &length);
	account_send(&self.account, number, frame, length);
}

/* Runs one item, behind a write of earlier results if the caller waits. */
static void work(const struct frame_chunk *chunk, uint32_t number,
    const struct frame *input)
{
	if (account_is_awaited(&self.account))
		account_flush_before(&self.account, number);
	if (chunk->where != CHUNK_INHERITED)
		self.account.outstream.worked += input->size;
	if (chunk->element == 0) {
		answer(chunk, number, input);
		return;
	}
	context_begin_row(&self.context, chunk, self.element);
	fill(chunk, number, input, self.place);
	context_end_row(&self.context);
	self.place += self.step;
	self.account.outstream.worked += self.step;
	filled_to(chunk, number + 1);
}

/* Takes the next items of a chunk from its lease, n at most, up to number *end.
   Returns false if the lease ends before them, or its word is not as
   expected. */
static bool take(const struct frame_chunk *chunk, uint32_t n, uint32_t next,
    uint32_t *end)
{
	uint32_t limit;
	uint32_t first = slot_take(self.slot, chunk->ordinal, n, &limit);

	*end = MIN(first + n, limit);
	if (first != next || first >= limit)
		return false;
	account_take(&self.account, first);
	return true;
}

/* Ends a stride, of which the items before number "next" have run.  If the
   caller waits, it may have an idle worker for the others up to number "end":
   they are given back, and the next item is taken alone. */
static void end_stride(const struct frame_chunk *chunk, uint32_t next,
    uint32_t end)
{
	const bool wanted = account_is_wanted(&self.account);

	account_ran(&self.account, next);
	stride_end(&self.stride, wanted);
	if (wanted && next < end)
		slot_give_back(self.slot, chunk->ordinal, next);
}

/* Finds the next item of a chunk in memory.  Inline, as it runs for each
   item. */
static inline void look(const struct frame_chunk *chunk, unsigned char **at,
    struct frame *f)
{
	if (chunk->where == CHUNK_PLACED) {
		frame_look(*at, f);
		*at += f->length;
		return;
	}
	f->body = *at;
	f->size = (size_t)chunk->size;
	*at += chunk->size;
}

/* Reads the next item of a chunk.  Items in memory are there; others are
   received, which may block. */
static void fetch(const struct frame_chunk *chunk, struct frame *f)
{
	if (chunk->where != CHUNK_PACKED) {
		look(chunk, &self.input, f);
		return;
	}
	receive(f);
	if (f->kind != FRAME_ITEM)
		exit_give_up();
	/* The byte behind the input must be 0.  It is the first byte of the
	   next head, which may not have arrived. */
	f->body[f->size] = 0;
}

/* Does an array of outputs fit at the offset in the payload area that the chunk
   names? */
static bool has_place(const struct frame_chunk *chunk)
{
	const size_t payload = self.life.slots.payload;
	const size_t element = self.life.plan->element;

	return chunk->where == CHUNK_INHERITED && element > 0 &&
	    chunk->outputs < payload &&
	    payload - chunk->outputs >= FRAME_HEAD &&
	    (payload - chunk->outputs - FRAME_HEAD) / element >= chunk->count;
}

/* Finds the array for the outputs of a chunk. */
static void find_place(const struct frame_chunk *chunk)
{
	if (chunk->element > 0) {
		self.element = chunk->element;
		self.step = chunk->step;
		self.place = slot_array(self.slot, chunk);
	} else {
		self.element = self.step = self.life.plan->element;
		self.place = !has_place(chunk) ? NULL :
		    self.outputs + chunk->outputs + FRAME_HEAD;
	}
	if (self.place == NULL)
		exit_give_up();
}

/* Begins a chunk. */
static void begin(const struct frame_chunk *chunk)
{
	account_begin(&self.account, chunk);
	stride_begin(&self.stride, chunk->stride);
	self.input = chunk->where == CHUNK_PLACED ?
	    slots_inputs(&self.life.slots, self.life.which) + chunk->at :
	    (void *)(uintptr_t)chunk->at;
	if (chunk->outputs != FRAME_NOWHERE)
		find_place(chunk);
}

/* Runs the items of a chunk, which are sent or whose results are.  Items that
   are sent must be received even if the caller has taken them back. */
static void work_through(const struct frame_chunk *chunk)
{
	uint32_t next = chunk->first, end = next;
	bool more = true;
	struct frame input;

	for (uint32_t i = 0; i < chunk->count &&
	    (more || chunk->where == CHUNK_PACKED); i++) {
		fetch(chunk, &input);
		if (more && next == end)
			more = take(chunk, self.stride.items, next, &end);
		if (more)
			work(chunk, next++, &input);
		if (more && (next == end || account_is_wanted(&self.account))) {
			end_stride(chunk, next, end);
			end = next;
		}
		if (account_is_due(&self.account) && i + 1 < chunk->count)
			account_flush_before(&self.account, next);
	}
	account_end(&self.account, chunk, next);
}

/* Is a stride to end before that item, as the caller waits?  If all its items
   are to be run, results are written out instead. */
static inline bool ends_early(const struct frame_chunk *chunk, uint32_t next,
    bool all)
{
	if (!account_is_wanted(&self.account))
		return false;
	if (all && account_is_awaited(&self.account)) {
		filled_to(chunk, next);
		account_flush_before(&self.account, next);
	}
	return !all;
}

/* Runs items in memory, each for itself: all up to number "end", or one and the
   others unless the caller waits.  Returns the number after the last item. */
static uint32_t fill_singly(const struct frame_chunk *chunk, uint32_t next,
    uint32_t end, bool all)
{
	/* No hook can change the copy, so it need not be loaded again. */
	const struct frame_chunk own = *chunk;
	const size_t step = self.step;
	unsigned char *at = self.input, *place = self.place;
	struct frame input;

	context_begin_row(&self.context, chunk, self.element);
	do {
		look(&own, &at, &input);
		fill(&own, next, &input, place);
		place += step;
		next++;
	} while (next < end && !ends_early(chunk, next, all));
	context_end_row(&self.context);
	self.input = at;
	self.place = place;
	return next;
}

/* Runs items together.  All count as begun, so that each is run again alone if
   the worker dies.  Returns false if the call has failed. */
static bool fill_together(const struct frame_chunk *chunk, uint32_t next,
    uint32_t end)
{
	const uint32_t n = end - next;
	bool ok;

	slot_begin(self.slot, chunk->ordinal, end);
	context_begin_chunk(&self.context, chunk);
	context_begin(&self.context, chunk, next);
	note_beginning();
	ok = context_fill_many(&self.context, self.input, n, self.place);
	leave_if_copy();
	if (!ok) {
		/* The same items have their time again, each for itself. */
		slot_live(self.slot);
		return false;
	}
	self.input += n * chunk->size;
	self.place += n * self.step;
	return true;
}

/* Runs items of an inherited array, together if that can be.  A single item is
   run like any other: it is to blame if the worker dies. */
static void fill_many(const struct frame_chunk *chunk, uint32_t next,
    uint32_t end)
{
	const uint32_t n = end - next;
	bool timed = stride_times(&self.stride, n);
	uint64_t began = timed ? sys_now() : 0;

	if (n == 1 || !fill_together(chunk, next, end))
		fill_singly(chunk, next, end, true);
	if (timed)
		stride_learn(&self.stride, n, sys_now() - began);
}

/* Counts the bytes of n items that have run, the first at a pointer. */
static void count_work(const struct frame_chunk *chunk, uint32_t n,
    const unsigned char *from)
{
	size_t *worked = &self.account.outstream.worked;

	if (chunk->where == CHUNK_PLACED)
		*worked += (size_t)(self.input - from);
	if (chunk->element > 0)
		*worked += n * self.step;
}

/* Runs the items of a chunk in memory whose outputs have places in an array. */
static void fill_through(const struct frame_chunk *chunk)
{
	const bool many = chunk->element == 0 &&
	    self.life.plan->hooks.process_many != NULL;
	const uint32_t behind = chunk->first + chunk->count;
	uint32_t next = chunk->first, ran, end;

	/* A hook may have spoiled the lease word: stop at the array's end. */
	for (; next < behind && take(chunk, many ? self.stride.together :
	    self.stride.items, next, &end); next = ran) {
		const unsigned char *from = self.input;

		end = MIN(end, behind);
		if (account_is_awaited(&self.account) ||
		    account_is_due(&self.account))
			account_flush_before(&self.account, next);
		else if (account_is_wanted(&self.account))
			account_split(&self.account, next);
		ran = end;
		if (many)
			fill_many(chunk, next, end);
		else
			ran = fill_singly(chunk, next, end, false);
		filled_to(chunk, ran);
		count_work(chunk, ran - next, from);
		end_stride(chunk, ran, end);
	}
	account_end(&self.account, chunk, next);
}

/* Runs teardown.  Its output or failure, if any, is sent after LEAVING. */
static void tear_down(void)
{
	unsigned char *frame;
	size_t length;

	account_put(&self.account, FRAME_LEAVING, NULL, 0);
	account_flush(&self.account);
	frame = context_teardown(&self.context, &length);
	leave_if_copy();
	if (frame != NULL &&
	    outstream_put(&self.account.outstream, frame, length) == 0)
		account_flush(&self.account);
}

void worker_main(const struct worker_life *life)
{
	struct frame_chunk chunk;
	struct frame f;

	self.life = *life;
	self.slot = slots_get(&life->slots, life->which);
	exit_note(self.slot);
	slots_keep_one(&self.life.slots, life->which);
	owner_claim(&self.owner);
	self.crash = (struct crash){ self.slot, &self.owner };
	account_init(&self.account, self.slot, &life->slots, life->results,
	    life->plan->trace);
	self.outputs = slot_outputs(self.slot);
	stride_init(&self.stride);
	/* The caller gives out that half, as arrays. */
	if (life->plan->element > 0)
		self.account.outstream.payload = 0;
	channel_open(&self.tasks, life->tasks, -1);
	set_up();
	for (;;) {
		receive(&f);
		if (f.kind == FRAME_STOP)
			break;
		if (f.kind != FRAME_CHUNK ||
		    frame_body(&f, &chunk, sizeof chunk) < 0)
			exit_give_up();
		self.awaited = chunk.awaited;
		if (chunk.where == CHUNK_PLACED && chunk.count > 1)
			self.lingers = LINGERS;
		begin(&chunk);
		if (chunk.outputs != FRAME_NOWHERE &&
		    chunk.where != CHUNK_PACKED)
			fill_through(&chunk);
		else
			work_through(&chunk);
	}
	tear_down();
	exit_leave(EXIT_SUCCESS);
}
