/*
 * greet.c - the engine's first and last words with a worker: hello, unfit,
 * leaving.
 *
 * Runs in: caller.  Easy to get wrong: the dead are read to the end, in the
 * state they died in, so what is read may be older than that.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>

#include "base/base.h"
#include "base/cut.h"
#include "engine/engine.h"
#include "engine/teardown.h"

/* How long a worker may take to be gone after it said that its setup
   failed. */
#define UNFIT_NS (1000 * MS_IN_NS)

int greet_hello(struct engine *e, struct member *m, const struct frame *f)
{
	struct frame_hello h;

	if (frame_body(f, &h, sizeof h) < 0 || h.version != FRAME_VERSION ||
	    h.order != FRAME_ORDER || h.generation != m->generation)
		return -EPROTO;
	/* It could not write even that out, and never had anything to do: a
	   setup that fails, or the place would be filled again for ever.  But
	   one that was told to leave may have done so before this was read. */
	if (m->state == MEMBER_DEAD && !m->told_to_stop)
		return 0;
	if (teardown_prepare(e, m) < 0)
		return -ENOMEM;
	m->greeted = true;
	m->setups_failed = 0;
	if (m->first == FIRST_PENDING)
		m->first = FIRST_WELL;
	if (m->state != MEMBER_DEAD)
		crew_move(&e->crew, m, MEMBER_READY);
	engine_say(e, "hello: worker %d", m->index);
	return 0;
}

/* The words about a setup that failed are the worker's own, or ours. */
int greet_unfit(struct engine *e, struct member *m, const struct frame *f,
    uint64_t now)
{
	struct failure why;
	size_t text;

	if (frame_failure(f->body, f->size, &why) < 0)
		return -EPROTO;
	text = cut_to(why.message, why.head.message_size, 400);
	if (text > 0)
		words_set(&e->setup_words, 0, "Setup failed in worker %d: "
		    "%.*s", m->index, (int)text, why.message);
	else
		words_set(&e->setup_words, 0, "Setup failed in worker %d "
		    "with code %d.", m->index, (int)why.head.code);
	diagnosis_complete(e, m);
	m->unfit = true;
	m->setup_by = NEVER;
	crew_bear(&e->crew, m, now + UNFIT_NS);
	return 0;
}

int greet_leaving(struct engine *e, struct member *m, uint64_t now)
{
	if (!m->told_to_stop || m->sent != NULL)
		return -EPROTO;
	m->left = true;
	crew_bear(&e->crew, m, now + e->set.teardown_ns);
	if (m->state != MEMBER_DEAD)
		crew_move(&e->crew, m, MEMBER_LEAVING);
	return 0;
}
