/*
 * agent.c - see agent.h: the other end of a link, an ordinary pool on another
 * machine that gets its inputs, and gives its results, through a connection.
 *
 * Runs in: agent; agent_process() in its workers.  The number, index and
 * attempt of an input at the caller travel before its bytes, inside the input
 * of the agent's own pool, and on to the machines behind.
 *
 * Easy to get wrong: the agent must read from the link also while its pool
 * takes no inputs, or it does not notice that the link is gone.
 */
#include "config.h"

#include "agent/agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "agent/begin.h"
#include "api/vm_pool.h"
#include "base/base.h"
#include "engine/deliver.h"
#include "engine/turn.h"
#include "os/identity.h"
#include "os/sys.h"
#include "wire/channel.h"
#include "wire/far.h"
#include "wire/greeting.h"
#include "wire/outbox.h"
#include "worker/context.h"
#include "worker/exit.h"

/* Bytes of answers that are written at once. */
#define OUT_DUE ((size_t)64 * 1024)
/* Pings in the time after which silence is a loss; and the longest wait without
   a look at standard input. */
#define PINGS 4
#define TICK_NS (1000 * MS_IN_NS)
/* Time for running items once the link is gone. */
#define ALONE_NS MS_IN_NS

static struct agent {
	struct agent_line line;
	struct channel link;	/* what comes from it */
	const struct vm_worker *hooks;	/* the program's */
	vm_pool *pool;
	struct outbox to;	/* frames for the link */
	struct buf input;	/* the input given to the pool last */
	struct frame_chunk chunk; /* whose items come */
	uint32_t nth;		/* of the next of them */
	uint64_t inputs;	/* given to the pool so far: the link has the
				   same numbers for them, */
	uint64_t answers;	/* and answered */
	uint64_t next;		/* number of the item that the link expects */
	uint64_t heard_at;	/* the link */
	uint64_t told_at;	/* when it was written to */
	uint64_t silence_ns;
	uint32_t workers;	/* that the link was told of last */
	bool nested;		/* inputs come with a far_carried */
	bool stopped;		/* the link has said STOP */
	bool lost;		/* the link is gone, or silent */
} self = { .silence_ns = NEVER };

/* ---- to the link ---- */

static void *add(size_t size)
{
	void *at = outbox_add(&self.to, size);

	if (at == NULL)
		exit_leave(EXIT_FAILURE);
	return at;
}

static void tell(enum frame_kind kind, const void *body, size_t size)
{
	frame_write(add(frame_length(size)), kind, body, size);
}

/* Reads standard input once.  Does not block.  The pool's source must look at
   the bytes, or at their end, as standard input may not become readable
   again. */
static void hear(void)
{
	int r = self.lost ? 0 : channel_fill(&self.link);
	struct source *s = self.pool ? self.pool->engine.intake.sources : NULL;

	if (r > 0)
		self.heard_at = sys_now();
	self.lost |= r < 0;
	if (r != 0 && s != NULL)
		source_wake(s);
}

/* Waits until standard output takes bytes, the link speaks, or a tick is
   over. */
static void await(bool writing, uint64_t ns)
{
	struct pollfd fds[] = {
		{ .fd = self.link.in, .events = POLLIN },
		{ .fd = writing ? self.line.out : -1, .events = POLLOUT },
	};

	sys_poll(fds, COUNTOF(fds), (int)(ns / MS_IN_NS) + 1);
	if (fds[0].revents != 0)
		hear();
}

/* Notices that the link is silent.  Returns the time until it is, a tick at
   most. */
static uint64_t mind_silence(uint64_t now)
{
	const uint64_t silent = now - self.heard_at;

	self.lost |= silent >= self.silence_ns;
	return self.lost ? 0 : MIN(self.silence_ns - silent, TICK_NS);
}

/* Writes all frames; blocks until the link reads. */
static void flush(void)
{
	while (outbox_left(&self.to) > 0 && !self.lost) {
		ssize_t n = outbox_write(&self.to, self.line.out);
		uint64_t left = mind_silence(sys_now());

		if (n == -EAGAIN)
			await(true, left);
		else if (n < 0)
			self.lost = true;
	}
	self.told_at = sys_now();
}

/* Pings, and notices that the link is silent.  Returns the time until which the
   agent may wait. */
static uint64_t mind_clock(void)
{
	const uint64_t now = sys_now(), left = mind_silence(now);

	if (now - self.told_at >= self.silence_ns / PINGS) {
		tell(FRAME_PING, NULL, 0);
		flush();
	}
	return now + MIN(self.silence_ns / PINGS, left);
}

/* ---- in the workers ---- */

/* process() of the agent's pool. */
static int agent_process(struct vm_context *me, const void *input, size_t size)
{
	const struct context *c = CONTAINER_OF(me, struct context, public);
	struct far_carried head;

	memcpy(&head, input, sizeof head);
	me->index = head.index;
	me->attempt = (int)head.attempt;
	me->seed = context_spread(c->seed ^ head.seq);
	return self.hooks->process(me, (const char *)input + sizeof head,
	    size - sizeof head);
}

/* ---- inputs ---- */

/* Copies an input, with number, index and attempt before it, if these did not
   come with it.  The pool may have no room for it yet, while more is read from
   the link.  Returns 0 or -ENOMEM. */
static int carry(const struct frame *f)
{
	const struct far_carried head = {
		.index = self.chunk.index + self.nth,
		.seq = self.chunk.seq + self.nth,
		.attempt = self.chunk.attempt,
	};

	self.input.len = 0;
	if (!self.nested && buf_append(&self.input, &head, sizeof head) < 0)
		return -ENOMEM;
	return buf_append(&self.input, f->body, f->size);
}

/* Makes an input of an ITEM frame.  Returns 1; 0 if the link breaks the
   protocol; or -1 with errno. */
static int take(const struct frame *f, const void **input, size_t *size)
{
	self.lost |= self.nested && f->size < sizeof(struct far_carried);
	if (self.lost)
		return 0;
	if (carry(f) < 0) {
		errno = ENOMEM;
		return -1;
	}
	*input = self.input.data;
	*size = self.input.len;
	self.nth++;
	self.inputs++;
	return 1;
}

/* Has the pool end items that it was given.  Items that are answered are not
   found, and no harm.  Returns 0, -ENOMEM or -EPROTO. */
static int cancel(const struct frame *f)
{
	struct far_seek items[FAR_CANCELS];
	const size_t count = f->size / sizeof items[0];
	int r = 0;

	if (count > FAR_CANCELS || f->size % sizeof items[0] != 0)
		return -EPROTO;
	memcpy(items, f->body, f->size);
	for (size_t i = 0; i < count && r == 0; i++)
		r = items[i].item >= self.inputs ? -EPROTO :
		    cancels_add(&self.pool->engine.cancels, items[i].item);
	return r;
}

/* Has the pool give back items that it has not begun.  Returns 0 or -EPROTO. */
static int recall(const struct frame *f)
{
	struct far_recall said;

	if (frame_body(f, &said, sizeof said) < 0)
		return -EPROTO;
	cancels_back(&self.pool->engine.cancels, self.inputs,
	    said.running != 0);
	return 0;
}

/* Takes a frame of the link.  Returns 1 for an input; 0 at the end; VM_LATER
   for any other frame; or -1 with errno. */
static int heed(const struct frame *f, const void **input, size_t *size)
{
	int r = 0;

	if (f->kind == FRAME_ITEM)
		return take(f, input, size);
	if (f->kind == FRAME_STOP) {
		self.stopped = true;
		cancels_back(&self.pool->engine.cancels, self.inputs, false);
		return self.answers < self.inputs ? VM_LATER : 0;
	}
	if (f->kind == FRAME_CHUNK)
		r = frame_body(f, &self.chunk, sizeof self.chunk);
	else if (f->kind == FRAME_CANCEL)
		r = cancel(f);
	else if (f->kind == FRAME_RECALL)
		r = recall(f);
	else if (f->kind == FRAME_PING)
		tell(FRAME_PONG, NULL, 0);
	else
		r = -EPROTO;
	if (f->kind == FRAME_CHUNK)
		self.nth = 0;
	self.lost |= r < 0;
	return self.lost ? 0 : VM_LATER;
}

/* next() of the source of the agent's pool. */
static int next(void *from, const void **input, size_t *size)
{
	struct frame f;
	int r;

	(void)from;
	for (;;) {
		r = channel_receive(&self.link, SIZE_MAX, &f);
		if (r == 1) {
			r = heed(&f, input, size);
			channel_pass(&self.link, &f);
			if (r != VM_LATER)
				return r;
			continue;
		}
		if (r < 0 || self.lost) {
			self.lost = true;
			return 0;
		}
		r = channel_fill(&self.link);
		if (r > 0)
			self.heard_at = sys_now();
		else if (r == 0)
			return VM_LATER;
		else
			self.lost = true;
	}
}

static int wait_fd(void *from)
{
	(void)from;
	return self.link.in;
}

/* ---- results ---- */

/* Returns the name of the machine behind this where an item ended; NULL: this
   machine. */
static const char *host_of(const struct span *s)
{
	if (s->evidence != NULL && s->evidence->host != NULL)
		return s->evidence->host;
	return s->host > 0 ? hosts_get(&self.pool->engine.set.hosts,
	    s->host)->name : NULL;
}

/* Tells how the worker of an item ended. */
static void tell_outcome(const struct span *s)
{
	const struct outcome *o = &s->outcome;
	struct outcome_told told = {
		.head = {
			.cause = (uint32_t)o->cause,
			.signal = o->signal,
			.exit_status = o->exit_status,
			.pid = o->pid,
			.core_dumped = o->core_dumped != 0,
			.out_of_memory = o->out_of_memory != 0,
			.wall_ns = o->wall_ns,
			.cpu_ns = o->cpu_ns,
			.max_rss = o->max_rss,
		},
		.traceback = s->evidence ? s->evidence->traceback : NULL,
		.tail = s->evidence ? s->evidence->tail : NULL,
		.host = host_of(s),
	};
	const size_t length = far_outcome_length(&told);

	far_write_outcome(add(length), &told);
}

/* Sends the answer to an item.  Returns 0, or -EPIPE if the pool broke down and
   the item is not answered here. */
static int answer(const struct item *item)
{
	const enum vm_cause cause = item->span->outcome.cause;
	const struct far_seek seek = { item->index };

	if (item->teardown != NULL)
		return 0;
	if (cause == VM_SETUP_FAILED ||
	    (cause == VM_LOST && self.pool->engine.fate.broken))
		return -EPIPE;
	self.answers++;
	if (seek.item != self.next)
		tell(FRAME_SEEK, &seek, sizeof seek);
	self.next = seek.item + 1;
	if (cause == 0)
		tell(item->kind, item->body, item->size);
	else if (cause == VM_CANCELLED && !item->span->outcome.stopped)
		tell(FRAME_RETURNED, NULL, 0);
	else
		tell_outcome(item->span);
	return 0;
}

/* Returns the number of workers, with those of machines behind this that are
   there. */
static uint32_t count_workers(void)
{
	const struct crew *c = &self.pool->engine.crew;
	size_t n = (size_t)vm_workers(self.pool);

	for (size_t i = c->first_link; i < c->count; i++)
		if (member_is_ready(&c->members[i]))
			n += c->members[i].weight;
	return (uint32_t)MIN(MAX(n, 1), WORKERS_MOST);
}

/* Tells the number of workers if it has changed. */
static void tell_workers(enum frame_kind kind)
{
	const struct far_begun said = { .workers = count_workers() };

	if (said.workers != self.workers)
		tell(kind, &said, sizeof said);
	self.workers = said.workers;
}

/* Serves the link until it says STOP, or is gone.  Returns 0, or -errno if the
   pool broke down. */
static int serve(void)
{
	struct engine *e = &self.pool->engine;
	struct item item;
	uint64_t until;
	int r;

	do {
		until = mind_clock();
		/* Answers are written before the agent waits. */
		r = deliver_next(e, &item,
		    outbox_left(&self.to) > 0 ? 0 : until);
		if (r == 1)
			r = answer(&item) < 0 ? -EPIPE : 1;
		if (r != 1 || outbox_left(&self.to) >= OUT_DUE) {
			tell_workers(FRAME_WORKERS);
			flush();
		}
		if (r == VM_LATER)
			hear();
	} while (!self.lost && (r == 1 || r == VM_LATER || r == -ENOMEM) &&
	    !(self.stopped && self.answers == self.inputs));
	flush();
	return r < 0 ? r : 0;
}

/* ---- start and end ---- */

/* Exits, and tells the process that joined how it ended. */
static _Noreturn void leave(enum agent_end how, const char *text, size_t size)
{
	const char kind = (char)how;

	if (self.line.report >= 0) {
		sys_write(self.line.report, &kind, 1);
		sys_write(self.line.report, text, MIN(size, AGENT_TEXT));
	}
	exit_leave(how == AGENT_SERVED ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void greet(const struct vm_worker *table, size_t count)
{
	char text[512], line[80];
	struct greeting g;
	struct words w;
	size_t size;

	greeting_init(&g);
	identity_of_program(g.identity);
	sys_host_name(g.host, sizeof g.host);
	g.cpus = (unsigned)MAX(sys_affinity(), 1);
	size = greeting_write(&g, text, sizeof text);
	memcpy(add(size), text, size);
	for (size_t i = 0; i < count; i++) {
		if (table[i].name == NULL)
			continue;
		words_set(&w, 0, "name %.64s", table[i].name);
		size = strlen(w.text);
		memcpy(line, w.text, size);
		line[size++] = '\n';
		memcpy(add(size), line, size);
	}
	memcpy(add(1), "\n", 1);
	flush();
}

static _Noreturn void refuse(const char *text)
{
	tell(FRAME_REFUSED, text, strlen(text));
	flush();
	leave(AGENT_REFUSED, text, strlen(text));
}

/* Waits for BEGIN, and forks the pool. */
static void begin(const struct vm_worker *table, size_t count)
{
	const uint64_t until = self.line.patience_ns == NEVER ? NEVER :
	    sys_now() + self.line.patience_ns;
	struct begin_told start;
	struct words w;
	struct frame f;
	int r;

	while ((r = channel_receive(&self.link, SIZE_MAX, &f)) == 0 &&
	    !self.lost && sys_now() < until)
		await(false, TICK_NS);
	if (r == 1 && f.kind == FRAME_REFUSED)
		leave(AGENT_REFUSED, (const char *)f.body, f.size);
	if (r != 1 || f.kind != FRAME_BEGIN ||
	    far_begin(f.body, f.size, &start) < 0)
		exit_leave(EXIT_FAILURE);
	self.silence_ns = start.head.silence_ms * MS_IN_NS;
	self.nested = start.head.nested;
	self.hooks = begin_find(&start, table, count);
	if (self.hooks == NULL)
		refuse("It has no worker of that name.");
	self.pool = begin_fork(&start, &self.line, self.hooks, agent_process,
	    &w);
	if (self.pool == NULL)
		refuse(w.text);
	channel_pass(&self.link, &f);
}

/* Closes the pool and says BYE, unless the link is gone. */
static _Noreturn void end(int r)
{
	struct words w = { .text = "" };

	if (r < 0 && !self.lost) {
		words_set(&w, 0, "%s", vm_error(self.pool));
		sys_write(2, w.text, strlen(w.text));
		sys_write(2, "\n", 1);
	}
	if (r < 0 || self.lost)
		self.pool->engine.set.close_ns = ALONE_NS;
	if (vm_close(self.pool) != 0)
		words_set(&w, 0, "%s", vm_error(NULL));
	if (r < 0 || self.lost)
		leave(AGENT_LOST, w.text, strlen(w.text));
	tell(FRAME_BYE, w.text, strlen(w.text));
	flush();
	leave(AGENT_SERVED, "", 0);
}

/* Waits for the first worker, and tells the link that there is one.  If none
   can be had now, the link may try again. */
static void await_worker(void)
{
	struct engine *e = &self.pool->engine;
	const size_t *having = e->crew.roster.having;

	e->staffing.awaits_setups = e->links.awaited = true;
	while (having[TRAIT_READY] == 0 && !e->fate.broken && !self.lost) {
		uint64_t until = mind_clock();

		if (turn_run(e, until) < 0)
			refuse(vm_error(self.pool));
		hear();
	}
	e->staffing.awaits_setups = e->links.awaited = false;
	if (e->fate.broken && e->fate.cause == VM_SETUP_FAILED)
		refuse(e->fate.words.text);
	if (e->fate.broken)
		end(-EPIPE);
	tell_workers(FRAME_BEGUN);
	flush();
}

void agent_serve(const struct agent_line *line, const struct vm_worker *table,
    size_t count)
{
	const struct vm_source source = { .next = next, .wait_fd = wait_fd };
	int r;

	self.line = *line;
	outbox_init(&self.to);
	buf_init(&self.input, SIZE_MAX / 4);
	self.heard_at = self.told_at = sys_now();
	channel_open(&self.link, self.line.in, -1);
	greet(table, count);
	begin(table, count);
	/* Workers have the program's own action for it. */
	sys_ignore(SIGPIPE);
	await_worker();
	r = vm_imap(self.pool, source) < 0 ? -errno : serve();
	end(r);
}
