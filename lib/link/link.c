/* link.c - see link.h: a worker whose process() is elsewhere. */
#include "config.h"

#include "link/link.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "link/caller.h"
#include "link/freight.h"
#include "link/guest.h"
#include "link/peer.h"
#include "os/sys.h"
#include "wire/channel.h"
#include "wire/far.h"
#include "wire/frame.h"
#include "worker/exit.h"

/* Bytes of a failure or an outcome at most. */
#define FAILURE_MOST ((size_t)32 * 1024)

static struct link {
	struct worker_life life;
	struct slot *slot;
	struct caller caller;
	struct peer agent;
	struct freight freight;
	uint32_t workers;	/* there */
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

/* Ends the link if a function of the freight has failed. */
static void need(int r)
{
	if (r < 0)
		give_up(r == -ENOMEM ? no_memory : bereft);
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
	freight_seek(&self.freight, said.item);
	put(FRAME_SEEK, &said, sizeof said);
}

/* Passes on an answer.  The caller knows whether the item was answered
   before. */
static void answer(const struct frame *f)
{
	if (freight_answer(&self.freight) < 0)
		give_up(broken);
	if (caller_pass_on(&self.caller, f->body - FRAME_HEAD, f->length) < 0)
		give_up(bereft);
}

/* Says LEAVING when all items are answered after STOP: the agent tears down. */
static void leave_when_done(void)
{
	if (self.leaving || !freight_is_done(&self.freight))
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
	freight_resize(&self.freight, said.workers);
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

/* ---- from the caller ---- */

static void obey(const struct frame *f)
{
	switch (f->kind) {
	case FRAME_CHUNK:
		need(freight_add_chunk(&self.freight, f));
		return;
	case FRAME_ITEM:
		need(freight_add_item(&self.freight, f));
		return;
	case FRAME_CANCEL:
		need(freight_cancel(&self.freight, f));
		return;
	case FRAME_RECALL:
		need(freight_recall(&self.freight, f));
		return;
	case FRAME_STOP:
		freight_stop(&self.freight);
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
	freight_open(&self.freight, self.slot,
	    slots_inputs(&self.life.slots, self.life.which), &self.caller,
	    &self.agent, self.workers);
	put(FRAME_HELLO, &hello, sizeof hello);
	flush();
}

/* ---- the loop ---- */

static void turn(void)
{
	unsigned ready;

	hear_caller();
	need(freight_ship(&self.freight));
	/* The credit depends on the connection. */
	if (freight_in_flight(&self.freight) > 0 &&
	    peer_measure(&self.agent) < 0)
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
