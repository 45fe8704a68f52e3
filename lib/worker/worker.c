/* worker.c - see worker.h: all code that runs in a worker. */
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
#include "worker/context.h"
#include "worker/crash.h"
#include "worker/exit.h"
#include "worker/outstream.h"
#include "worker/rlimits.h"

/* Where so many bytes came at once, several chunks or a large one, more are on
   their way.  Then others are let run, so often, before the worker sleeps, for
   to be woken costs more; and for so many reads to come. */
#define STREAM 128
#define YIELDS 5
#define LINGERS 16

/*
 * One worker's state.  In static memory: the exit handler needs it.  Where it
 * is written to before the first item it is in one page, for each page that a
 * worker writes to is copied.
 */
static _Alignas(1024) struct worker {
	struct worker_life life;
	struct slot *slot;
	struct channel tasks;
	int lingers;		/* so many reads it waits for awake */
	bool awaited;		/* the chunk it has or had last */
	struct spin spin;	/* after one that was awaited */
	struct outstream outstream;
	unsigned char *outputs;	/* their half of the payload area */
	struct owner owner;	/* this process, not one forked here */
	struct crash crash;
	bool unguarded;		/* worker_prepare() could not guard exit() */
	bool volunteers;	/* it found that they are to be killed first */
	struct context context;	/* its end, a long text, is not touched */
} self;
_Static_assert(offsetof(struct worker, context.message) < 1024, "one page");

/* ---- leaving ---- */

/* A process that a hook forked has come back from the hook: it must not go
   on as if it were the worker. */
static void leave_if_copy(void)
{
	if (owner_is_other(&self.owner))
		sys_exit(EXIT_FAILURE);
}

/* The caller is gone or this process is broken: nothing more to tell. */
static _Noreturn void give_up(void)
{
	exit_leave(EXIT_FAILURE);
}

static void put(enum frame_kind kind, const void *body, size_t size)
{
	_Alignas(16) unsigned char frame[48];

	frame_write(frame, kind, body, size);
	if (outstream_put(&self.outstream, frame, frame_length(size)) < 0)
		give_up();
}

static void flush(void)
{
	if (outstream_flush(&self.outstream) < 0)
		give_up();
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

/* Setup has failed, or nothing could be set up at all. */
static _Noreturn void unfit(void)
{
	static unsigned char frame[CONTEXT_FAILURE_ROOM];
	size_t length = context_failure(&self.context, FRAME_UNFIT, frame);

	if (outstream_put(&self.outstream, frame, length) == 0)
		flush();
	exit_leave(EXIT_FAILURE);
}

/* No two workers of a pool are to draw the same numbers. */
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
	const struct frame_hello hello = {
		.version = FRAME_VERSION,
		.order = FRAME_ORDER,
		.generation = self.life.generation,
	};
	int r = context_init(&self.context, self.life.plan, self.life.index,
	    self.life.errors, &self.outstream);

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
	put(FRAME_HELLO, &hello, sizeof hello);
	flush();
}

/* ---- working ---- */

/* The next whole frame; waits for it.  Before it sleeps the worker writes
   out what it has.  The end of the pipe is the end of the caller. */
static void receive(struct frame *f)
{
	int r;

	if (channel_next(&self.tasks, f))
		return;
	while ((r = channel_receive(&self.tasks, SIZE_MAX, f)) == 0) {
		flush();
		if (self.lingers > 0)
			sys_linger(self.tasks.in, YIELDS);
		else if (self.awaited)
			spin_at(&self.spin, self.tasks.in);
		r = channel_fill(&self.tasks);
		if (r < 0)
			give_up();
		self.lingers = r >= STREAM ? LINGERS : MAX(self.lingers - 1, 0);
	}
	if (r < 0)
		give_up();
	channel_pass(&self.tasks, f);
}

/* The caller may have to tell of an attempt that the worker cannot. */
static void note_beginning(void)
{
	const struct context *c = &self.context;

	if (c->noted)
		slot_note(self.slot, c->started_at, c->started_cpu,
		    c->capture.from);
}

/* Does one item and answers it.  A waiting caller gets what is staged before
   the item begins.  If the result pipe is gone, which the item need not have
   done, it is as if it had not begun. */
static void work(const struct frame_chunk *chunk, uint32_t number,
    const struct frame *input)
{
	unsigned char *frame;
	size_t length;

	if (outstream_is_awaited(&self.outstream))
		flush();
	slot_begin(self.slot, chunk->ordinal, number + 1);
	if (chunk->where != CHUNK_INHERITED)
		self.outstream.worked += input->size;
	context_begin(&self.context, chunk, number);
	note_beginning();
	frame = context_process(&self.context, input->body, input->size,
	    &length);
	leave_if_copy();
	if (outstream_add(&self.outstream, frame, length) < 0) {
		slot_begin(self.slot, chunk->ordinal, number);
		give_up();
	}
}

/* Takes the next items of a chunk, up to number *end: true, or false if the
   lease ends before them. */
static bool take(const struct frame_chunk *chunk, uint32_t next,
    uint32_t *end)
{
	uint32_t limit;
	uint32_t first = slot_take(self.slot, chunk->ordinal, chunk->stride,
	    &limit);

	*end = MIN(first + chunk->stride, limit);
	return first == next && first < limit;
}

/* The next item of a chunk, wherever it is; *at: where, if it need not be
   received. */
static void fetch(const struct frame_chunk *chunk, unsigned char **at,
    struct frame *f)
{
	if (chunk->where == CHUNK_INHERITED) {
		*f = (struct frame){ .body = *at, .size = chunk->size };
		*at += chunk->size;
		return;
	}
	if (chunk->where == CHUNK_PLACED) {
		frame_look(*at, f);
		*at += f->length;
		return;
	}
	receive(f);
	if (f->kind != FRAME_ITEM)
		give_up();
	/* The next head, whose first byte ends the input, may not be here. */
	f->body[f->size] = 0;
}

/* The worker is through with a chunk, up to an item. */
static void finish(const struct frame_chunk *chunk, uint32_t next)
{
	const struct frame_end said = { chunk->ordinal, next };

	put(FRAME_END, &said, sizeof said);
	if (chunk->report || outstream_is_due(&self.outstream))
		flush();
}

/* Items that are sent must be received, those taken back as well. */
static void work_through(const struct frame_chunk *chunk)
{
	unsigned char *at = chunk->where == CHUNK_PLACED ?
	    slots_inputs(&self.life.slots, self.life.which) + chunk->at :
	    (void *)(uintptr_t)chunk->at;
	uint32_t next = chunk->first, end = next;
	bool more = true;
	struct frame input;

	for (uint32_t i = 0; i < chunk->count &&
	    (more || chunk->where == CHUNK_PACKED); i++) {
		fetch(chunk, &at, &input);
		if (more && next == end)
			more = take(chunk, next, &end);
		if (more)
			work(chunk, next++, &input);
		if (outstream_is_due(&self.outstream) && i + 1 < chunk->count)
			flush();
	}
	finish(chunk, next);
}

/* An item whose output has a place has failed: that those before it have not is
   told first. */
static void tell_failure(const struct frame_chunk *chunk, uint32_t number)
{
	const struct frame_end done = { chunk->ordinal, number };
	size_t length;
	unsigned char *frame = context_tell(&self.context, &length);

	put(FRAME_DONE, &done, sizeof done);
	if (outstream_add(&self.outstream, frame, length) < 0) {
		slot_begin(self.slot, chunk->ordinal, number);
		give_up();
	}
}

/* Does items of an inherited array, outputs having their places in another one:
   only failures are told. */
static void fill(const struct frame_chunk *chunk, uint32_t next, uint32_t end)
{
	const unsigned char *in = (void *)(uintptr_t)chunk->at;
	unsigned char *place = self.outputs + chunk->outputs + FRAME_HEAD;
	size_t element = self.life.plan->element, nth = next - chunk->first;

	if (outstream_is_awaited(&self.outstream) ||
	    outstream_is_due(&self.outstream))
		flush();
	for (; next < end; next++, nth++) {
		bool ok;

		slot_begin(self.slot, chunk->ordinal, next + 1);
		context_begin(&self.context, chunk, next);
		note_beginning();
		ok = context_fill(&self.context, in + nth * chunk->size,
		    chunk->size, place + nth * element);
		leave_if_copy();
		if (!ok)
			tell_failure(chunk, next);
	}
	slot_finish(self.slot, chunk->ordinal, end);
}

/* Do the outputs of a chunk fit where it says that they are to be? */
static bool has_place(const struct frame_chunk *chunk)
{
	const size_t payload = self.life.slots.payload;
	const size_t element = self.life.plan->element;

	return chunk->where == CHUNK_INHERITED && element > 0 &&
	    chunk->outputs < payload &&
	    payload - chunk->outputs >= FRAME_HEAD &&
	    (payload - chunk->outputs - FRAME_HEAD) / element >= chunk->count;
}

static void fill_through(const struct frame_chunk *chunk)
{
	const uint32_t behind = chunk->first + chunk->count;
	uint32_t next = chunk->first, end;

	if (!has_place(chunk))
		give_up();
	/* A hook may have spoiled the lease word: no further than the place. */
	for (; next < behind && take(chunk, next, &end); next = end) {
		end = MIN(end, behind);
		fill(chunk, next, end);
	}
	finish(chunk, next);
}

/* What teardown has to tell, if anything, comes after LEAVING. */
static void tear_down(void)
{
	unsigned char *frame;
	size_t length;

	put(FRAME_LEAVING, NULL, 0);
	flush();
	frame = context_teardown(&self.context, &length);
	leave_if_copy();
	if (frame != NULL && outstream_put(&self.outstream, frame, length) == 0)
		flush();
}

void worker_main(const struct worker_life *life)
{
	struct frame_chunk chunk;
	struct frame f;

	self.life = *life;
	self.slot = slots_get(&life->slots, life->which);
	slots_keep_one(&self.life.slots, life->which);
	owner_claim(&self.owner);
	self.crash = (struct crash){ self.slot, &self.owner };
	outstream_init(&self.outstream, self.slot, &life->slots, life->results);
	self.outputs = slot_outputs(self.slot);
	/* The caller gives out that half. */
	if (life->plan->element > 0)
		self.outstream.payload = 0;
	channel_open(&self.tasks, life->tasks, -1);
	set_up();
	for (;;) {
		receive(&f);
		if (f.kind == FRAME_STOP)
			break;
		if (f.kind != FRAME_CHUNK ||
		    frame_body(&f, &chunk, sizeof chunk) < 0)
			give_up();
		self.awaited = chunk.awaited;
		if (chunk.outputs != FRAME_NOWHERE)
			fill_through(&chunk);
		else
			work_through(&chunk);
	}
	tear_down();
	exit_leave(EXIT_SUCCESS);
}
