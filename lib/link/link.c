/* link.c - see link.h: a worker whose process() is elsewhere. */
#include "config.h"

#include "link/link.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "items/chunk.h"
#include "link/caller.h"
#include "link/credit.h"
#include "link/guest.h"
#include "link/peer.h"
#include "link/tasks.h"
#include "os/sys.h"
#include "wire/channel.h"
#include "wire/far.h"
#include "wire/frame.h"
#include "worker/exit.h"

/* Bytes that wait for the command at most, before a next item. */
#define OUT_MOST ((size_t)256 * 1024)
/* Bytes of a failure or an outcome at most. */
#define FAILURE_MOST ((size_t)32 * 1024)
/* Items taken from a lease at once. */
#define STRIDE 64

static struct link {
	struct worker_life life;
	struct slot *slot;
	struct caller caller;
	struct peer agent;
	struct tasks tasks;
	uint64_t next;		/* number of the item of the next answer, among
				   those shipped */
	uint32_t workers;	/* there */
	struct credit credit;
	bool stopping;		/* the caller has said STOP, */
	bool stopped;		/* and the agent was told */
	bool leaving;		/* LEAVING is said */
} self;

/* Reasons for the end of a link. */
static const char no_memory[] = "There was no memory for a link.";
static const char broken[] = "The agent broke the protocol.";
static const char closed[] = "The connection ended.";
static const char silent[] = "Nothing was heard of the agent for silence_ms.";
static const char bereft[] = "The pool has ended.";

/* Ends the link, for a reason that the caller reports with the last line of the
   command's standard error.  The caller requeues the items that are not
   answered. */
static _Noreturn void give_up(const char *why)
{
	struct command *c = &self.agent.command;
	struct words w;

	if (why == closed)
		command_hear_rest(c);
	words_set(&w, 0, "%s", why);
	if (c->length > 0)
		words_add(&w, "  %.*s", (int)c->length, c->line);
	slot_tell_crash(self.slot, w.text, strlen(w.text));
	exit_leave(EXIT_FAILURE);
}

static void tell(enum frame_kind kind, const void *body, size_t size)
{
	if (peer_tell(&self.agent, kind, body, size) < 0)
		give_up(no_memory);
}

/* ---- the wait ---- */

/* Pings, and ends the link if the agent is silent.  While the agent tears down,
   the caller has a time limit for it. */
static void mind_clock(bool heeding)
{
	int r = peer_mind_clock(&self.agent, heeding && !self.leaving);

	if (r < 0)
		give_up(r == -ETIMEDOUT ? silent : no_memory);
}

enum { CALLER, AGENT, OUT, ERRORS, RESULTS, FDS };

/* The only wait of a running link: for the caller's tasks, for the agent, or
   for room in the result pipe, as bits of "what" say.  Returns the bits that
   are ready. */
static unsigned await(unsigned what)
{
	struct command *c = &self.agent.command;
	struct pollfd fds[FDS] = {
		[CALLER] = { .fd = self.caller.tasks.in, .events = POLLIN },
		[AGENT] = { .fd = c->in, .events = POLLIN },
		[OUT] = { .fd = c->out, .events = POLLOUT },
		[ERRORS] = { .fd = c->errors, .events = POLLIN },
		[RESULTS] = { .fd = self.life.results, .events = POLLOUT },
	};
	uint64_t now = sys_now(), until = peer_wake_at(&self.agent);
	unsigned ready = 0;

	what |= 1u << ERRORS;
	what |= outbox_left(&self.agent.out) > 0 ? 1u << OUT : 0;
	for (int i = 0; i < FDS; i++)
		if (!(what >> i & 1))
			fds[i].fd = -1;
	sys_poll(fds, FDS, until <= now ? 0 :
	    (int)MIN((until - now) / MS_IN_NS + 1, 60000));
	for (int i = 0; i < FDS; i++)
		ready |= fds[i].revents != 0 ? 1u << i : 0;
	if (ready >> ERRORS & 1)
		command_hear(c);
	if (ready >> OUT & 1)
		peer_write(&self.agent);
	mind_clock(what >> AGENT & 1);
	return ready;
}

/* The result pipe is full: the caller may be away for long. */
static void await_room(void)
{
	while (!(await(1u << RESULTS) >> RESULTS & 1))
		continue;
}

/* ---- to the caller ---- */

static void put(enum frame_kind kind, const void *body, size_t size)
{
	if (caller_tell(&self.caller, kind, body, size) < 0)
		give_up(bereft);
}

static void flush(void)
{
	if (caller_flush(&self.caller) < 0)
		give_up(bereft);
}

/* ---- from the agent ---- */

/* Says which item is answered next. */
static void seek(const struct frame *f)
{
	struct far_seek said;

	if (frame_body(f, &said, sizeof said) < 0)
		give_up(broken);
	self.next = said.item;
	put(FRAME_SEEK, &said, sizeof said);
}

/* Passes on an answer.  The caller knows whether the item was answered
   before. */
static void answer(const struct frame *f)
{
	if (self.next >= self.tasks.shipped ||
	    tasks_in_flight(&self.tasks) == 0)
		give_up(broken);
	self.next++;
	self.tasks.answered++;
	credit_answered(&self.credit);
	if (caller_pass_on(&self.caller, f->body - FRAME_HEAD, f->length) < 0)
		give_up(bereft);
}

/* Says LEAVING when all items are answered after STOP: the agent tears down. */
static void leave_when_done(void)
{
	if (!self.stopped || self.leaving || tasks_in_flight(&self.tasks) > 0)
		return;
	put(FRAME_LEAVING, NULL, 0);
	flush();
	self.leaving = true;
}

/* The agent has torn down.  Its text, if any, says what failed.  BYE may have
   come together with the last answers. */
static _Noreturn void part(const struct frame *f)
{
	leave_when_done();
	if (!self.leaving || f->size > CALLER_TEXT)
		give_up(broken);
	if (f->size > 0)
		caller_tell_failure(&self.caller, FRAME_FAILURE, EPIPE,
		    (const char *)f->body, f->size);
	exit_leave(EXIT_SUCCESS);
}

/* Machines behind the agent's have come or gone.  The agent may say so before
   it has read STOP: behind LEAVING the caller takes no number. */
static void resize(const struct frame *f)
{
	struct far_begun said;

	if (peer_crew(&self.agent, f, &said) < 0)
		give_up(broken);
	if (self.leaving)
		return;
	self.workers = said.workers;
	credit_resize(&self.credit, said.workers);
	put(FRAME_WORKERS, &said, sizeof said);
}

static void heed(const struct frame *f)
{
	switch (f->kind) {
	case FRAME_PING:
		return;
	case FRAME_PONG:
		peer_ponged(&self.agent);
		return;
	case FRAME_SEEK:
		seek(f);
		return;
	case FRAME_OUTPUT:
	case FRAME_FAILURE:
	case FRAME_OUTCOME:
	case FRAME_RETURNED:
		answer(f);
		return;
	case FRAME_WORKERS:
		resize(f);
		return;
	case FRAME_BYE:
		part(f);
	default:
		give_up(broken);
	}
}

/* Reads once, and handles all whole frames.  The end of the stream before BYE
   is a loss. */
static void hear_agent(void)
{
	const struct plan *p = self.life.plan;
	const size_t most = MAX(p->lead + p->max_item, FAILURE_MOST);
	struct channel *c = &self.agent.channel;
	struct frame f;
	int r = peer_fill(&self.agent);

	if (r < 0)
		give_up(r == -ENOMEM ? no_memory : closed);
	while ((r = channel_receive(c, most, &f)) == 1) {
		heed(&f);
		channel_pass(c, &f);
	}
	if (r < 0)
		give_up(broken);
}

/* ---- shipping ---- */

/* The caller has frozen the leases before it says STOP, so no further item is
   taken then. */
static bool may_ship(void)
{
	return self.stopping ||
	    (credit_left(&self.credit, tasks_in_flight(&self.tasks)) > 0 &&
	    outbox_left(&self.agent.out) < OUT_MOST);
}

/* Is the next item of a chunk in the lease?  Takes further items if need be. */
static bool take(struct task *t)
{
	const uint64_t left = credit_left(&self.credit,
	    tasks_in_flight(&self.tasks));
	const uint32_t n = (uint32_t)MIN(MAX(left, 1), STRIDE);
	uint32_t first, limit;

	if (t->shipped < t->taken)
		return true;
	/* Each further try would move the lease word beyond its limit. */
	if (t->over)
		return false;
	first = slot_take(self.slot, t->chunk.ordinal, n, &limit);
	t->over = first != t->shipped || first >= limit;
	if (!t->over)
		t->taken = MIN(first + n, limit);
	return !t->over;
}

/* Says which items would be sent again if the machine were lost. */
static void mark_shipped(const struct task *t)
{
	slot_begin(self.slot, t->chunk.ordinal, t->shipped);
}

/* Reports that the chunk has no further item to ship.  Ordinals wrap: the slot
   must not name a chunk that is long gone. */
static void close_task(const struct task *t)
{
	const struct frame_end said = { .ordinal = t->chunk.ordinal,
		.next = t->shipped };

	mark_shipped(t);
	put(FRAME_END, &said, sizeof said);
	tasks_drop(&self.tasks);
}

static void ship(struct task *t, const struct frame *item)
{
	if (t->shipped == t->chunk.first)
		tell(FRAME_CHUNK, &t->chunk, sizeof t->chunk);
	tell(FRAME_ITEM, item->body, item->size);
	tasks_ship(&self.tasks, t);
	mark_shipped(t);
	credit_shipped(&self.credit, item->size);
}

/* Notes where the items of a chunk lie. */
static void open_task(struct task *t)
{
	const struct frame_chunk *c = &t->chunk;

	if (c->where == CHUNK_PLACED)
		t->at = slots_inputs(&self.life.slots, self.life.which) +
		    c->at;
	if (c->where == CHUNK_INHERITED)
		t->at = (void *)(uintptr_t)c->at;
}

/* Ships the next item of a chunk; false if there is none now. */
static bool ship_next(struct task *t)
{
	struct frame f;

	if (t->shipped == t->chunk.first + t->chunk.count || !take(t) ||
	    !tasks_next(t, &f))
		return false;
	ship(t, &f);
	return true;
}

/* Ships all items for which there is credit, and ends chunks. */
static void ship_all(void)
{
	struct task *t;

	credit_update(&self.credit, self.agent.traffic.round_trip, sys_now());
	while ((t = tasks_first(&self.tasks)) != NULL) {
		if (tasks_is_over(t))
			close_task(t);
		else if (!may_ship() || (!ship_next(t) && !tasks_is_over(t)))
			return;
	}
	if (self.stopping && !self.stopped) {
		tell(FRAME_STOP, NULL, 0);
		self.stopped = true;
	}
}

/* ---- from the caller ---- */

/* Begins a chunk. */
static void begin(const struct frame *f)
{
	struct task *newest = tasks_newest(&self.tasks), *t;
	struct frame_chunk c;

	if (frame_body(f, &c, sizeof c) < 0 ||
	    (newest != NULL && !tasks_is_whole(newest)))
		give_up(bereft);
	t = tasks_add(&self.tasks, &c);
	if (t != NULL && c.outputs == FRAME_NOWHERE)
		open_task(t);
	else
		give_up(bereft);
}

/* Ships the items that were taken, beyond the bounds: only the agent can end
   them.  All bytes of their chunk have come before the order. */
static void ship_taken(void)
{
	struct task *t = tasks_first(&self.tasks);

	while (t != NULL && t->shipped < t->taken && ship_next(t))
		continue;
}

/* Passes on which items the agent is to end: all of them were taken. */
static void cancel(const struct frame *f)
{
	struct far_seek items[FAR_CANCELS];
	const size_t count = f->size / sizeof items[0];

	if (count > FAR_CANCELS || f->size % sizeof items[0] != 0)
		give_up(bereft);
	memcpy(items, f->body, f->size);
	ship_taken();
	for (size_t i = 0; i < count; i++)
		if (items[i].item >= self.tasks.shipped)
			give_up(bereft);
	tell(FRAME_CANCEL, items, f->size);
}

static void obey(const struct frame *f)
{
	switch (f->kind) {
	case FRAME_CHUNK:
		begin(f);
		return;
	case FRAME_ITEM:
		if (tasks_receive(&self.tasks, f) < 0)
			give_up(bereft);
		return;
	case FRAME_CANCEL:
		cancel(f);
		return;
	case FRAME_RECALL:
		ship_taken();
		tell(FRAME_RECALL, f->body, f->size);
		return;
	case FRAME_STOP:
		self.stopping = true;
		return;
	default:
		give_up(bereft);
	}
}

/* Handles all whole frames of the task pipe, also without credit: an order to
   cancel or to stop may lie behind items. */
static void hear_caller(void)
{
	struct frame f;
	int r;

	while ((r = channel_receive(&self.caller.tasks, SIZE_MAX, &f)) == 1) {
		obey(&f);
		channel_pass(&self.caller.tasks, &f);
	}
	if (r < 0)
		give_up(bereft);
}

/* ---- setup ---- */

/* Reports why there is no agent, and exits. */
static _Noreturn void unfit(int code, const struct words *w)
{
	caller_tell_failure(&self.caller, FRAME_UNFIT, code, w->text,
	    strlen(w->text));
	exit_leave(EXIT_FAILURE);
}

static void start_agent(void)
{
	const struct plan *p = self.life.plan;
	const struct machine *m = &self.agent.command.machine;
	struct begin_told begin = {
		.head = p->far,
		.name = p->hooks.name,
		.config = p->hooks.config,
		.behind = m->behind,
	};

	begin.head.name_size = (uint32_t)strlen(p->hooks.name);
	begin.head.config_size = p->hooks.config_size;
	begin.head.behind_size = m->behind_size;
	begin.head.workers = m->head.workers;
	begin.head.nested = m->head.nested;
	begin.head.first_index = (uint32_t)self.life.index;
	if (peer_begin(&self.agent, &begin) < 0)
		give_up(no_memory);
}

/* Waits for a frame of the agent that is no PING.  Returns as
   channel_receive(); -EPIPE if the agent has ended. */
static int await_frame(struct frame *f)
{
	struct channel *c = &self.agent.channel;
	int r;

	while ((r = channel_receive(c, 4096, f)) == 0 ||
	    (r == 1 && f->kind == FRAME_PING)) {
		if (r == 1)
			channel_pass(c, f);
		else if (await(1u << AGENT) >> AGENT & 1 &&
		    peer_fill(&self.agent) < 0)
			return -EPIPE;
	}
	return r;
}

/* Waits for the agent's answer to BEGIN.  Returns 0 or -errno with words. */
static int await_started(struct words *w)
{
	const struct command *c = &self.agent.command;
	struct far_begun started;
	struct frame f;
	int r = await_frame(&f);

	if (r == -EPIPE)
		return words_set(w, EPIPE, "The agent ended before it had "
		    "started.  %.*s", (int)c->length, c->line);
	if (r == 1 && f.kind == FRAME_REFUSED)
		return words_set(w, FAR_NEVER, "The agent could not serve: "
		    "%.*s", (int)MIN(f.size, 500), (const char *)f.body);
	if (r < 0 || f.kind != FRAME_BEGUN ||
	    peer_crew(&self.agent, &f, &started) < 0)
		return words_set(w, EPROTO, "The agent broke the protocol when "
		    "it was to start.");
	channel_pass(&self.agent.channel, &f);
	self.workers = started.workers;
	return 0;
}

/* Waits for the HOST frame of the caller, and starts its command.  Returns 0,
   or -errno with words. */
static int start_command(struct words *w)
{
	struct pollfd fd = { .fd = self.caller.tasks.in, .events = POLLIN };
	struct frame f;
	int r;

	while ((r = channel_receive(&self.caller.tasks, SIZE_MAX, &f)) == 0)
		if (sys_poll(&fd, 1, -1) == 1 &&
		    channel_fill(&self.caller.tasks) < 0)
			give_up(bereft);
	if (r < 0 || f.kind != FRAME_HOST)
		give_up(bereft);
	r = command_start(&self.agent.command, f.body, f.size, w);
	channel_pass(&self.caller.tasks, &f);
	return r;
}

static void set_up(void)
{
	struct frame_hello hello = {
		.version = FRAME_VERSION,
		.order = FRAME_ORDER,
		.generation = self.life.generation,
	};
	const struct plan *p = self.life.plan;
	struct greeting g;
	struct words w;
	int r = start_command(&w);

	if (r == 0 && self.agent.command.door)
		r = guest_await(&self.agent.command, self.life.door,
		    p->hooks.name, &self.caller, &g, &w);
	else if (r == 0)
		r = command_greet(&self.agent.command, p->hooks.name,
		    sys_now() + p->connect_ns, &g, &w);
	if (r < 0)
		unfit(-r, &w);
	self.agent.command.loud = true;
	peer_open(&self.agent, p->silence_ns);
	start_agent();
	r = await_started(&w);
	if (r == 0)
		r = peer_ping(&self.agent);
	if (r < 0)
		unfit(-r, &w);
	hello.workers = self.workers;
	credit_init(&self.credit, self.workers, sys_now());
	put(FRAME_HELLO, &hello, sizeof hello);
	flush();
}

/* ---- the loop ---- */

static void turn(void)
{
	unsigned ready;

	hear_caller();
	ship_all();
	/* The credit depends on the connection. */
	if (tasks_in_flight(&self.tasks) > 0 && peer_measure(&self.agent) < 0)
		give_up(no_memory);
	leave_when_done();
	flush();
	ready = await(1u << AGENT | 1u << CALLER);
	if (ready >> CALLER & 1 && channel_fill(&self.caller.tasks) < 0)
		give_up(bereft);
	if (ready >> AGENT & 1)
		hear_agent();
	slot_tell_traffic(self.slot, &self.agent.traffic);
}

void link_main(const struct worker_life *life)
{
	self.life = *life;
	self.slot = slots_get(&life->slots, life->which);
	slots_keep_one(&self.life.slots, life->which);
	sys_ignore(SIGPIPE);
	outbox_init(&self.agent.out);
	if (caller_open(&self.caller, life, await_room) < 0)
		give_up(bereft);
	set_up();
	for (;;)
		turn();
}
