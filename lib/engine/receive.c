/*
 * receive.c - the engine's way in: channel receive -> window settle -> results.
 *
 * Runs in: caller.  Frames of a worker are checked against the items it was
 * sent; any other frame dooms it.  A worker answers its items in order, a link
 * in any order.
 *
 * Easy to get wrong: a frame is passed only after it is booked, so that running
 * out of memory in between loses nothing; and a dead worker is read to the end,
 * so frames may be older than the death.
 */
#include "config.h"

#include "engine/receive.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "engine/answer.h"
#include "engine/debug.h"
#include "engine/engine.h"
#include "engine/filled.h"
#include "engine/links.h"
#include "engine/lost_fds.h"
#include "engine/placed.h"
#include "engine/retry.h"
#include "engine/session.h"
#include "engine/stats.h"
#include "engine/tracing.h"
#include "os/sys.h"
#include "pool/away.h"
#include "wire/far.h"

/* Most time from the end of a worker's pipe to the notice of its death. */
#define ENDED_NS (200 * MS_IN_NS)

/* Consecutive results of a span in the same buffer, while they are gathered. */
struct answer {
	struct span *span;	/* NULL: none gathered */
	struct span *of;	/* the sent span that they leave */
	struct span *from;	/* the sent span with the next item, its first;
				   NULL: no item was sent */
};

/* Moves the gathered results to the results queue. */
static void close_answer(struct engine *e, struct answer *a)
{
	if (a->span != NULL)
		answer_span(e, a->span);
	a->span = a->of = NULL;
}

/* Moves the first items of a sent span to a new span.  Returns it, or NULL
   without memory. */
static struct span *take_first(struct span *of, uint32_t items, pid_t pid)
{
	struct span *s = span_new(of->chunk->freelist);

	if (s != NULL) {
		span_move_first(s, of, items);
		s->outcome.pid = pid;
	}
	return s;
}

/* Adds items and the bytes of their results, at the channel's position, to the
   answer.  alike: these are outputs of one size.  Returns 0 or -ENOMEM. */
static int gather(struct engine *e, struct member *m, struct answer *a,
    uint32_t items, size_t bytes, bool alike)
{
	struct span *of = a->from;
	unsigned char *data = m->channel.rxbuf->data;

	if (a->span != NULL && (a->of != of ||
	    a->span->rxbuf != m->channel.rxbuf))
		close_answer(e, a);
	if (a->span == NULL) {
		a->span = take_first(of, items, m->pid);
		if (a->span == NULL)
			return -ENOMEM;
		a->span->rxbuf = rxbuf_hold(m->channel.rxbuf);
		a->span->output_at = m->channel.at;
		a->span->alike = alike;
		a->of = of;
	} else {
		a->span->alike = a->span->alike && alike && frame_same(data +
		    a->span->output_at, data + m->channel.at);
		a->span->count += items;
		span_advance(of, items);
	}
	a->span->bytes += bytes;
	m->finished += items;
	return 0;
}

/* process() failed, and the item has attempts left. */
static int retry(struct engine *e, struct member *m, struct answer *a,
    const struct frame_failure *why)
{
	struct span *again;

	close_answer(e, a);
	again = take_first(a->from, 1, m->pid);
	if (again == NULL)
		return -ENOMEM;
	m->finished++;
	retry_again(e, again, why->again == FRAME_AGAIN_AFTER ?
	    why->after_ms * MS_IN_NS : RETRY_AS_OPTIONS_SAY);
	return 0;
}

/* Returns the number of items for which the next results may come. */
static inline uint32_t expected(const struct answer *a)
{
	return a->from != NULL ? span_expected(a->from) : 0;
}

/* How the worker of an item ended, or the item was not begun. */
static int told(struct engine *e, struct member *m, struct answer *a,
    struct frame *f, uint64_t now)
{
	const uint64_t seq = span_seq(a->from);
	struct span *s;

	(void)now;
	if ((f->kind == FRAME_OUTCOME && !links_check(e, m, f, seq)) ||
	    (f->kind == FRAME_RETURNED &&
	    (f->size > 0 || !links_may_return(e, m))))
		return -EPROTO;
	close_answer(e, a);
	s = take_first(a->from, 1, m->pid);
	if (s == NULL)
		return -ENOMEM;
	if (f->kind == FRAME_OUTCOME && !links_overtook(e, f, seq)) {
		m->finished++;
		links_died(e, s, f);
	} else {
		links_returned(e, m, s);
	}
	return 0;
}

/* May the body of an output have that size?  In an array all outputs have the
   same size. */
static inline bool has_size(const struct engine *e, size_t size)
{
	return e->crew.element == 0 ? size >= e->set.plan.lead :
	    size == e->crew.element;
}

/* May outputs of a sent span come as frames?  Those of an array in the slot do
   if they have another size than the array was made for. */
static inline bool may_come(struct engine *e, const struct span *from)
{
	if (from->outputs == NULL)
		return true;
	crew_learn_output(&e->crew, 0);
	return from->in_slot;
}

/* Gathers the next output and all outputs behind it in the buffer.  *f is the
   first frame; on return the last, its length that of all, for
   channel_pass(). */
static int outputs(struct engine *e, struct member *m, struct answer *a,
    struct frame *f, uint64_t now)
{
	const size_t max = e->set.plan.lead + e->set.plan.max_item;
	uint32_t items = 1, most = expected(a);
	size_t bytes = f->length;
	bool alike = true;
	int r;

	(void)now;
	if (most == 0 || !has_size(e, f->size) || !may_come(e, a->from))
		return -EPROTO;
	for (;;) {
		uint32_t n = channel_alike(&m->channel, bytes, f,
		    most - items);

		bytes += n * f->length;
		items += n;
		if (items == most ||
		    channel_peek(&m->channel, bytes, max, f) != 1 ||
		    f->kind != FRAME_OUTPUT || !has_size(e, f->size))
			break;
		bytes += f->length;
		items++;
		alike = false;
	}
	r = gather(e, m, a, items, bytes, alike);
	if (a->from->outputs == NULL && alike && e->set.plan.lead == 0 &&
	    items >= CREW_ALIKE_LEAST)
		crew_learn_output(&e->crew, f->size);
	f->length = bytes;
	return r;
}

/* Takes an output in the payload arena. */
static int placed(struct engine *e, struct member *m, struct answer *a,
    struct frame *f, uint64_t now)
{
	struct frame_placed p;
	struct span *s;

	(void)now;
	if (expected(a) == 0 || !may_come(e, a->from) ||
	    e->crew.element > 0 || placed_look(e, m, f, &p) < 0)
		return -EPROTO;
	close_answer(e, a);
	s = span_new(a->from->chunk->freelist);
	if (s == NULL || placed_take(e, m, &p, s) < 0) {
		span_free(s);
		return -ENOMEM;
	}
	span_move_first(s, a->from, 1);
	s->outcome.pid = m->pid;
	m->finished++;
	answer_span(e, s);
	placed_make_room(e, m);
	return 0;
}

static int failure(struct engine *e, struct member *m, struct answer *a,
    struct frame *f, uint64_t now)
{
	struct span *of = a->from;
	struct failure why;
	int r;

	if (expected(a) == 0 || frame_failure(f->body, f->size, &why) < 0)
		return -EPROTO;
	if ((why.head.cause != VM_FAILED && why.head.cause != VM_TOO_BIG) ||
	    why.head.again > FRAME_AGAIN_AFTER)
		return -EPROTO;
	if (why.head.again != FRAME_AGAIN_NEVER &&
	    retry_may(e, of, (enum vm_cause)why.head.cause))
		return retry(e, m, a, &why.head);
	r = gather(e, m, a, 1, f->length, false);
	if (r < 0)
		return r;
	tally_fail(&e->tally, why.head.cause, 1);
	tracing_fail(e, m, of, (enum vm_cause)why.head.cause, now);
	retry_never(e, span_seq(of) - 1);
	return 0;
}

/* All items before a number are done. */
static int done(struct engine *e, struct member *m, struct answer *a,
    struct frame *f, uint64_t now)
{
	struct frame_end said;

	(void)now;
	close_answer(e, a);
	if (m->sent == NULL || frame_body(f, &said, sizeof said) < 0 ||
	    said.ordinal != m->sent->ordinal)
		return -EPROTO;
	return filled_take(e, m, said.next);
}

/* The worker is done with its oldest chunk, up to the limit of its lease.  All
   bytes of the chunk must have been written: queued buffers still point into
   it. */
static int end(struct engine *e, struct member *m, struct answer *a,
    struct frame *f, uint64_t now)
{
	struct span *s = *m->leases;
	struct frame_end said;
	int r = 0;

	if (s == NULL || frame_body(f, &said, sizeof said) < 0 ||
	    said.ordinal != s->ordinal || said.next != s->limit)
		return -EPROTO;
	close_answer(e, a);
	if (channel_sent(&m->channel) < s->sent_until)
		return -EPROTO;
	if (m->host != 0)
		return links_shipped(e, m);
	if (s->outputs != NULL)
		r = filled_take(e, m, said.next);
	if (r < 0)
		return r;
	if (s->first != s->limit)
		return -EPROTO;
	sizer_crowd(&e->sizer, s->sent_count - s->count, now,
	    e->staffing.workforce, e->cpus);
	/* The worker's own time leaves out wake-ups; it is not trusted. */
	sizer_learn(&e->sizer, s->sent_count - s->count,
	    MIN(said.ns, now - MAX(s->sent_at, m->heard_at)));
	stats_count(e, m, s, &said, now);
	crew_unlease(&e->crew, m);
	crew_ungrant(&e->crew, m, s->count);
	m->heard_at = now;
	/* Items are left if memory was short when they were taken back. */
	window_move(&e->window, s, s->count ? SPAN_WAITING : SPAN_SPENT);
	if (s->state == SPAN_SPENT)
		span_free(s);
	return 0;
}

/* A worker's first and last words. */
static int session(struct engine *e, struct member *m, struct answer *a,
    struct frame *f, uint64_t now)
{
	(void)a;
	return session_heed(e, m, f, now);
}

/* When items ran, for the trace. */
static int stamped(struct engine *e, struct member *m, struct answer *a,
    struct frame *f, uint64_t now)
{
	close_answer(e, a);
	return tracing_stamp(e, m, f, now);
}

/* ---- frames ---- */

/* Handles a frame of a member.  Returns 0, -ENOMEM or -EPROTO.  Sets f->length
   to the bytes of all frames it has taken.  a: the results being gathered. */
typedef int handler(struct engine *, struct member *, struct answer *a,
    struct frame *f, uint64_t now);

/* Says which item a link answers next. */
static int seek(struct engine *e, struct member *m, struct answer *a,
    struct frame *f, uint64_t now)
{
	struct far_seek said;

	(void)now;
	if (frame_body(f, &said, sizeof said) < 0)
		return -EPROTO;
	close_answer(e, a);
	m->next = said.item;
	return 0;
}

/* The machine of a link has more or fewer workers. */
static int resized(struct engine *e, struct member *m, struct answer *a,
    struct frame *f, uint64_t now)
{
	(void)now;
	close_answer(e, a);
	return links_resized(e, m, f);
}

/* Handles an answer of a link. */
static int far(struct engine *e, struct member *m, struct answer *a,
    struct frame *f, uint64_t now)
{
	static handler *const answers[FRAME_KINDS] = {
		[FRAME_OUTPUT] = outputs,
		[FRAME_PLACED] = placed,
		[FRAME_FAILURE] = failure,
		[FRAME_OUTCOME] = told,
		[FRAME_RETURNED] = told,
	};
	struct span **at, *s;
	uint32_t first;
	int r = away_seek(&e->crew, &e->window, m, &at);

	if (r < 0)
		return r;
	a->from = s = *at;
	first = s->first;
	r = answers[f->kind](e, m, a, f, now);
	m->next += s->first - first;
	if (f->kind != FRAME_RETURNED)
		tracing_run(e, m, s, first, now);
	if (s->count == 0)
		close_answer(e, a);
	away_tidy(&e->crew, &e->window, m, at);
	return r;
}

/* A link at work, in place of SESSION_READY. */
#define LINK_READY SESSIONS

/* Table of the frames that a worker may send in each session. */
static handler *const handlers[SESSIONS + 1][FRAME_KINDS] = {
	[SESSION_SETUP] = {
		[FRAME_HELLO] = session,
		[FRAME_UNFIT] = session,
		[FRAME_KNOCK] = session,
	},
	[SESSION_READY] = {
		[FRAME_OUTPUT] = outputs,
		[FRAME_PLACED] = placed,
		[FRAME_FAILURE] = failure,
		[FRAME_DONE] = done,
		[FRAME_STAMP] = stamped,
		[FRAME_END] = end,
		[FRAME_LEAVING] = session,
	},
	[SESSION_TEARDOWN] = {
		[FRAME_OUTPUT] = session,
		[FRAME_FAILURE] = session,
	},
	[LINK_READY] = {
		[FRAME_SEEK] = seek,
		[FRAME_OUTPUT] = far,
		[FRAME_PLACED] = far,
		[FRAME_FAILURE] = far,
		[FRAME_OUTCOME] = far,
		[FRAME_RETURNED] = far,
		[FRAME_WORKERS] = resized,
		[FRAME_END] = end,
		[FRAME_LEAVING] = session,
	},
};

static int settle_frame(struct engine *e, struct member *m, struct answer *a,
    struct frame *f, uint64_t now)
{
	const unsigned session = m->session == SESSION_READY && m->host != 0 ?
	    LINK_READY : m->session;
	handler *handle = (unsigned)f->kind < FRAME_KINDS ?
	    handlers[session][f->kind] : NULL;

	if (handle == NULL)
		return -EPROTO;
	a->from = m->sent;
	return handle(e, m, a, f, now);
}

/* Returns the size of the largest body a member may send: an output, a
   failure's message or, of a link, an outcome. */
static size_t body_most(const struct engine *e, const struct member *m)
{
	return MAX(e->set.plan.lead + e->set.plan.max_item,
	    m->host != 0 ? FAR_OUTCOME_MOST : CONTEXT_FAILURE_ROOM);
}

/* Handles all complete frames.  Returns 0, -ENOMEM, or -EPROTO for an invalid
   frame. */
static int settle(struct engine *e, struct member *m, uint64_t now)
{
	struct answer a = { NULL, NULL, NULL };
	struct frame f;
	uint64_t boundary;
	int r;

	while ((r = channel_receive(&m->channel, body_most(e, m), &f)) == 1) {
		r = settle_frame(e, m, &a, &f, now);
		if (r < 0)
			break;
		channel_pass(&m->channel, &f);
	}
	boundary = channel_boundary(&m->channel);
	close_answer(e, &a);
	if (m->host != 0)
		links_learn(e, m, now);
	/* The rest of an incomplete frame must be on its way, by the slot's
	   words. */
	if (r == 0 && m->state != MEMBER_DEAD && channel_partial(&m->channel)
	    && f.length > 0 && !slot_allows(m->slot, boundary, f.length))
		r = -EPROTO;
	return r;
}

/* Dooms a worker that breaks the protocol; no more is read from it. */
static void garbled(struct engine *e, struct member *m)
{
	debug_say(e, "garbled: worker %d", m->index);
	m->blame = VM_GARBLED;
	crew_doom(&e->crew, m, VM_GARBLED);
}

/* Handles frames; dooms the worker if a frame is invalid.  Returns 0 or
   -ENOMEM. */
static int settle_or_doom(struct engine *e, struct member *m, uint64_t now)
{
	int r = settle(e, m, now);

	crew_read(&e->crew, m);
	m->unsettled = r == -ENOMEM;
	if (m->unsettled)
		crew_alarm(&e->crew, now);
	if (r < 0 && r != -ENOMEM)
		garbled(e, m);
	return m->unsettled ? r : 0;
}

int receive_read(struct engine *e, struct member *m, uint64_t now)
{
	int n = channel_fill(&m->channel);
	uint64_t brought = channel_brought(&m->channel);

	if (n == -ENOMEM)
		return n;
	if (n == -EPROTO || (n > 0 && !slot_meant(m->slot, brought))) {
		garbled(e, m);
		return 0;
	}
	if (n < 0 && n != -EPIPE && lost_fds_pipes(e, m, now))
		return 0;
	m->moved_at = n > 0 ? now : m->moved_at;
	/* The end of the pipe is no death yet; makes sure that a death
	   follows. */
	if (n < 0 && !m->ended) {
		m->ended = true;
		crew_bear(&e->crew, m, MIN(m->doom_at, now + ENDED_NS));
	}
	if ((n > 0 || m->unsettled) && settle_or_doom(e, m, now) < 0)
		return -ENOMEM;
	/* Its teardown has returned; how fast its output arrives depends on the
	   caller. */
	if (n > 0 && member_is_leaving(m) && !e->fate.closing &&
	    channel_partial(&m->channel))
		crew_bear(&e->crew, m, now + e->set.teardown_ns);
	return n > 0;
}

/* As receive_ring(), without outputs in an array. */
static int read_ring(struct engine *e, struct member *m, uint64_t now)
{
	uint64_t from = m->channel.position;
	int64_t ahead = slot_ahead(m->slot, from);
	unsigned char *at;

	if (ahead < 0)
		garbled(e, m);
	if (ahead <= 0)
		return 0;
	at = channel_place(&m->channel, (size_t)ahead);
	if (at == NULL)
		return -ENOMEM;
	slot_copy_out(m->slot, from, at, (size_t)ahead);
	/* Bytes overwritten meanwhile are in the pipe. */
	if (!slot_intact(m->slot, from))
		ahead = 0;
	channel_placed(&m->channel, (size_t)ahead);
	if (ahead == 0)
		return 0;
	m->moved_at = now;
	return settle_or_doom(e, m, now) < 0 ? -ENOMEM : 1;
}

int receive_ring(struct engine *e, struct member *m, uint64_t now)
{
	const struct filled f = filled_look(m);
	int r = read_ring(e, m, now), early = 0;

	if (r >= 0 && f.next > 0)
		early = filled_take_early(e, m, f);
	return early != 0 ? early : r;
}

int receive_rest(struct engine *e, struct member *m, uint64_t now)
{
	bool lost = lost_fds_pipes(e, m, now);
	bool whole = m->channel.in >= 0 &&
	    sys_is(m->channel.in, &m->in_file);
	int r = whole;

	while (r > 0 && m->blame != VM_GARBLED)
		r = receive_read(e, m, now);
	if (r == 0 && m->blame != VM_GARBLED && m->channel.in >= 0)
		r = receive_ring(e, m, now);
	/* With frames left unread, a failed item would pass for done. */
	if (r >= 0 && whole)
		r = filled_take_rest(e, m);
	return lost && r >= 0 ? -EBADF : MIN(r, 0);
}
