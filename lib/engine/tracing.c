/* tracing.c - see tracing.h: the trace of a pool. */
#include "config.h"

#include "engine/tracing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "engine/diagnosis.h"
#include "engine/engine.h"
#include "engine/trace_file.h"
#include "report/trace.h"
#include "os/sys.h"

/* The caller's track, and those of the places. */
#define CALLER 0
#define FIRST 1

/* A name of a slice. */
struct name {
	char text[TRACE_TEXT];
};

static int track_of(const struct member *m)
{
	return (int)m->which + FIRST;
}

/* Makes room for an event.  Returns false if none is to be drawn. */
static bool may_draw(struct engine *e)
{
	return e->trace.on && trace_file_has_room(e);
}

/* ---- the caller ---- */

/* Draws a slice that is long enough to be seen. */
static void draw_caller(struct engine *e, uint64_t from, uint64_t until,
    const char *name)
{
	if (e->trace.on && until > from &&
	    until - from >= TRACE_SHORT_NS && may_draw(e))
		trace_slice(&e->trace.text, CALLER, from, until, name,
		    "");
}

void tracing_enter(struct engine *e, uint64_t now)
{
	if (e->started)
		draw_caller(e, e->tally.left_at, now, "program");
}

void tracing_sleep(struct engine *e, uint64_t from, uint64_t until,
    enum tally_want want)
{
	static const char *const names[WANTS] = {
		[WANT_NOTHING] = "waits for workers",
		[WANT_INPUTS] = "waits for workers",
		[WANT_PUSHED] = "waits for workers",
		[WANT_SOURCE] = "waits for the source",
		[WANT_REAL] = "waits: bound on chunks sent",
		[WANT_TOTAL] = "waits: bound on chunks in flight",
		[WANT_BYTES] = "waits: bound on bytes in flight",
	};

	draw_caller(e, from, until, names[want]);
}

void tracing_read(struct engine *e, uint64_t from, uint64_t until)
{
	draw_caller(e, from, until, "sources");
}

void tracing_retry(struct engine *e, const struct span *s)
{
	char args[TRACE_ARGS];

	snprintf(args, sizeof args, "\"index\":%llu,\"attempt\":%d",
	    (unsigned long long)s->chunk->index + s->first, s->attempt);
	if (may_draw(e))
		trace_mark(&e->trace.text, CALLER, sys_now(), "retry", args);
}

void tracing_break(struct engine *e)
{
	if (may_draw(e))
		trace_mark(&e->trace.text, CALLER, sys_now(), "broken",
		    "");
}

/* ---- tracks of workers ---- */

/* Draws a mark with the pid of the worker. */
static void mark(struct engine *e, const struct member *m, uint64_t at,
    const char *name)
{
	char args[TRACE_ARGS];

	snprintf(args, sizeof args, "\"pid\":%d", (int)m->pid);
	if (may_draw(e))
		trace_mark(&e->trace.text, track_of(m), at, name, args);
}

/* Draws a slice where the track is free. */
static void draw(struct engine *e, struct member *m, uint64_t from,
    uint64_t until, const char *name, const char *args)
{
	from = MAX(from, m->track.until);
	if (until < from || !may_draw(e))
		return;
	m->track.until = until;
	trace_slice(&e->trace.text, track_of(m), from, until, name, args);
}

/* Returns the name of items of a chunk. */
static struct name name_of(const struct chunk *c, uint32_t first,
    uint32_t count)
{
	const unsigned long long from = c->index + first;
	struct name n;

	if (count == 1)
		snprintf(n.text, sizeof n.text, "item %llu", from);
	else
		snprintf(n.text, sizeof n.text, "items %llu-%llu", from,
		    from + count - 1);
	return n;
}

static void draw_items(struct engine *e, struct member *m,
    const struct span *s, uint32_t first, uint32_t count, uint64_t from,
    uint64_t until, const char *how)
{
	const struct name name = name_of(s->chunk, first, count);
	char args[TRACE_ARGS] = "";

	if (how != NULL)
		snprintf(args, sizeof args, "\"attempt\":%d,\"ended\":\"%s\"",
		    s->attempt, how);
	else if (s->attempt > 1)
		snprintf(args, sizeof args, "\"attempt\":%d", s->attempt);
	draw(e, m, from, until, name.text, args);
	m->track.ordinal = s->ordinal;
	m->track.next = first + count;
}

static void name_track(struct engine *e, int track, int host, int index)
{
	char name[TRACE_TEXT];

	if (host > 0)
		snprintf(name, sizeof name, "host %.100s",
		    hosts_get(&e->set.hosts, host)->name);
	else
		snprintf(name, sizeof name, "worker %d", index);
	if (may_draw(e))
		trace_name(&e->trace.text, track, name);
}

void tracing_fork(struct engine *e, struct member *m, uint64_t now)
{
	if (!e->trace.on)
		return;
	if (m->generation == 1 || m->host != 0)
		name_track(e, track_of(m), m->host, m->index);
	m->track = (struct trace_track){ .until = m->track.until };
	mark(e, m, now, "forked");
}

void tracing_setup(struct engine *e, struct member *m, uint32_t us,
    uint64_t now)
{
	if (e->trace.on)
		draw(e, m, m->effort.since,
		    MIN(m->effort.since + us * (uint64_t)1000, now), "setup",
		    "");
}

void tracing_leave(struct engine *e, struct member *m, uint64_t now)
{
	if (e->trace.on)
		m->track.leaving = now;
}

/* Is it about items that the worker has, or had, of its oldest chunk? */
static bool is_sane(const struct frame_stamp *said, const struct span *s)
{
	return said->ordinal == s->ordinal && said->first >= s->sent_first &&
	    said->count > 0 && said->count <= s->sent_count &&
	    said->first - s->sent_first <= s->sent_count - said->count;
}

int tracing_stamp(struct engine *e, struct member *m, const struct frame *f,
    uint64_t now)
{
	struct frame_stamp said;

	if (!e->set.plan.trace || m->host != 0 || m->sent == NULL ||
	    frame_body(f, &said, sizeof said) < 0 ||
	    !is_sane(&said, m->sent))
		return -EPROTO;
	if (e->trace.on)
		draw_items(e, m, m->sent, said.first, said.count,
		    MIN(said.begin, now), MIN(said.end, now), NULL);
	return 0;
}

void tracing_fail(struct engine *e, struct member *m, const struct span *s,
    enum vm_cause cause, uint64_t now)
{
	char args[TRACE_ARGS];

	snprintf(args, sizeof args, "\"index\":%llu",
	    (unsigned long long)s->chunk->index + s->first - 1);
	if (may_draw(e))
		trace_mark(&e->trace.text, track_of(m), now,
		    vm_cause_name(cause), args);
}

void tracing_run(struct engine *e, struct member *m, const struct span *s,
    uint32_t from, uint64_t now)
{
	if (e->trace.on && s->first > from)
		draw_items(e, m, s, from, s->first - from, s->sent_at, now,
		    NULL);
}

void tracing_overdue(struct engine *e, const struct member *m, uint64_t now)
{
	mark(e, m, now, "timeout");
}

/* ---- deaths ---- */

/* Draws the items of a dead worker that it has not told: those that it had
   done, and the item it was at.  Its words may lie, but cannot name an item
   that it did not have. */
static void draw_rest(struct engine *e, struct member *m, const char *how)
{
	const uint64_t died_at = m->death.died_at;
	const struct span *s = m->sent;
	uint64_t at = slot_noted(m->slot).started_at;
	uint32_t from, next;

	while (s != NULL && s->count == 0)
		s = s->next;
	if (s == NULL || m->host != 0 ||
	    slot_begun(m->slot, s->ordinal, s->limit, &next) < 0 ||
	    next <= s->sent_first)
		return;
	from = s->sent_first;
	if (m->track.ordinal == s->ordinal && m->track.next > from)
		from = m->track.next;
	at = MIN(MAX(at, s->sent_at), died_at);
	if (from < next - 1)
		draw_items(e, m, s, from, next - 1 - from, s->sent_at, at,
		    NULL);
	if (from < next)
		draw_items(e, m, s, next - 1, 1, at, died_at, how);
}

void tracing_bury(struct engine *e, struct member *m)
{
	const uint64_t died_at = m->death.died_at;
	char text[64], args[TRACE_ARGS];
	const char *how = text;

	if (!e->trace.on)
		return;
	diagnosis_end(m, text);
	if (m->blame != 0)
		how = vm_cause_name(m->blame);
	if (m->track.leaving != 0)
		/* The caller may have read of both at the same time. */
		draw(e, m, MIN(m->track.leaving, died_at), died_at,
		    "teardown", "");
	else if (m->session < SESSION_READY && m->effort.since != 0)
		draw(e, m, m->effort.since, died_at, "setup",
		    "\"ended\":\"failed\"");
	else
		draw_rest(e, m, how);
	snprintf(args, sizeof args, "\"pid\":%d,\"how\":\"%s\","
	    "\"cause\":\"%s\"", (int)m->pid, text,
	    vm_cause_name(diagnosis_cause(m)));
	if (may_draw(e))
		trace_mark(&e->trace.text, track_of(m), died_at,
		    m->told_to_stop ? "end" : "death", args);
}

/* ---- without processes ---- */

void tracing_serial(struct engine *e, const char *name, const struct span *s,
    uint64_t from)
{
	struct name n;

	if (!e->trace.on)
		return;
	if (s != NULL) {
		n = name_of(s->chunk, s->first, 1);
		name = n.text;
	} else if (name[0] == 's') {
		name_track(e, FIRST, 0,
		    e->set.indices ? e->set.indices[0] : 0);
	}
	if (may_draw(e))
		trace_slice(&e->trace.text, FIRST, from, sys_now(), name,
		    "");
}
