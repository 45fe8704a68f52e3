/*
 * session.c - a worker's first and last words.
 *
 * Runs in: caller.  Its first frame is HELLO or UNFIT, before which a link that
 * listens sends KNOCKs; LEAVING begins its last.
 *
 * Easy to get wrong: a dead worker is read to the end, so a frame may be older
 * than the death.
 */
#include "config.h"

#include "engine/session.h"

#include <errno.h>

#include "base/base.h"
#include "engine/debug.h"
#include "engine/diagnosis.h"
#include "engine/doors.h"
#include "engine/engine.h"
#include "engine/links.h"
#include "engine/placed.h"
#include "engine/teardown.h"
#include "engine/tracing.h"

/* Most time from the report of a failed setup to the notice of the death. */
#define UNFIT_NS (1000 * MS_IN_NS)

static int hello(struct engine *e, struct member *m, const struct frame *f,
    uint64_t now)
{
	struct frame_hello h;

	if (frame_body(f, &h, sizeof h) < 0 || h.version != FRAME_VERSION ||
	    h.order != FRAME_ORDER || h.generation != m->generation ||
	    (m->host != 0) != (h.workers != 0) || h.workers > INT16_MAX)
		return -EPROTO;
	/* A worker that could not even write out HELLO never had an item: this
	   counts as a failed setup, or the place would be filled again for
	   ever.  But a worker that was told to leave may have left before its
	   HELLO was read. */
	if (m->state == MEMBER_DEAD && !m->told_to_stop)
		return 0;
	/* The pool ended this link while it connected, and expects nothing of
	   it: its agent tears down alone. */
	if (m->host != 0 && m->told_to_stop)
		return 0;
	if (m->host != 0)
		m->weight = MAX(h.workers, 1);
	if (teardown_prepare(e, m) < 0)
		return -ENOMEM;
	placed_begin(e, m);
	m->effort.setups++;
	effort_setup(&m->effort, now, MIN(h.setup_us * 1000ull,
	    now - m->ordered_at), tally_rested(&e->tally, now));
	tracing_setup(e, m, h.setup_us, now);
	m->setups_failed = 0;
	if (m->first == FIRST_PENDING)
		m->first = FIRST_WELL;
	crew_session(&e->crew, m, SESSION_READY);
	if (m->door)
		doors_watch(e);
	debug_say(e, "hello: worker %d, pid %d, set up in %u us", m->index,
	    (int)m->pid, (unsigned)h.setup_us);
	return 0;
}

static int unfit(struct engine *e, struct member *m, const struct frame *f,
    uint64_t now)
{
	struct failure why;

	if (frame_failure(f->body, f->size, &why) < 0)
		return -EPROTO;
	diagnosis_unfit(e, m, &why);
	if (m->host != 0)
		links_unfit(e, m, &why);
	crew_session(&e->crew, m, SESSION_UNFIT);
	m->setup_by = NEVER;
	crew_bear(&e->crew, m, now + UNFIT_NS);
	return 0;
}

static int leaving(struct engine *e, struct member *m, uint64_t now)
{
	if (!m->told_to_stop || m->sent != NULL)
		return -EPROTO;
	crew_bear(&e->crew, m, now + e->set.teardown_ns);
	crew_session(&e->crew, m, SESSION_TEARDOWN);
	tracing_leave(e, m, now);
	return 0;
}

int session_heed(struct engine *e, struct member *m, const struct frame *f,
    uint64_t now)
{
	switch (f->kind) {
	case FRAME_HELLO:
		return hello(e, m, f, now);
	case FRAME_UNFIT:
		return unfit(e, m, f, now);
	case FRAME_KNOCK:
		return doors_knock(e, m, f);
	case FRAME_LEAVING:
		return leaving(e, m, now);
	default:
		return teardown_said(e, m, f);
	}
}
