/* answer.c - see answer.h: spans that are answered. */
#include "config.h"

#include "engine/answer.h"

#include "base/base.h"
#include "engine/debug.h"
#include "engine/engine.h"

void answer_span(struct engine *e, struct span *s)
{
	e->tally.answered += s->count;
	e->tally.output_bytes += s->bytes;
	if (s->outcome.cause != 0)
		tally_fail(&e->tally, s->outcome.cause, s->count);
	debug_say(e, "answer: %u items from number %llu of worker %d",
	    s->count, (unsigned long long)span_seq(s), s->worker_index);
	window_move(&e->window, s, SPAN_ANSWERED);
	results_put(&e->results, s);
}

void answer_cause(struct engine *e, struct span *s, enum vm_cause cause)
{
	s->outcome.cause = cause;
	answer_span(e, s);
}

void answer_waiting(struct engine *e, enum vm_cause cause)
{
	struct span *s;

	window_wake(&e->window, NEVER);
	while ((s = e->window.waiting) != NULL) {
		s->attempt--;
		answer_cause(e, s, cause);
	}
}
