/* retry.c - see retry.h: the cost of a failure. */
#include "config.h"

#include "engine/retry.h"

#include "base/base.h"
#include "engine/debug.h"
#include "engine/engine.h"
#include "engine/tracing.h"
#include "os/sys.h"

bool retry_may(const struct engine *e, const struct span *s,
    enum vm_cause cause)
{
	/* An item that ran elsewhere may have ended before the order to end it
	   came. */
	if (s->host != 0 && span_seq(s) < e->cancels.ended)
		return false;
	return s->attempt < e->set.max_attempts &&
	    (e->set.retry_on & (unsigned)cause) != 0 &&
	    !cancels_lists(&e->cancels, span_seq(s));
}

/* Returns the pause before an attempt, from the second on, ns. */
static uint64_t pause_before(const struct engine *e, int attempt)
{
	uint64_t pause = e->set.retry_ns;

	for (int i = 2; i < attempt && pause > 0 &&
	    pause < e->set.retry_most_ns; i++)
		pause *= 2;
	return MIN(pause, e->set.retry_most_ns);
}

/* Reads the clock anew: the turn's time may lie before the failure. */
void retry_again(struct engine *e, struct span *s, uint64_t pause)
{
	e->tally.retries++;
	s->attempt++;
	debug_say(e, "retry: number %llu failed; attempt %d follows",
	    (unsigned long long)span_seq(s), s->attempt);
	tracing_retry(e, s);
	if (pause == RETRY_AS_OPTIONS_SAY)
		pause = pause_before(e, s->attempt);
	s->due_at = pause > 0 ? sys_now() + pause : 0;
	if (pause > 0)
		window_move(&e->window, s, SPAN_PAUSED);
	else if (s->state != SPAN_WAITING)
		window_move(&e->window, s, SPAN_WAITING);
}

void retry_never(struct engine *e, uint64_t seq)
{
	if (e->retries.uncounted)
		return;
	e->retries.failed += seq >= e->retries.from;
	if (e->set.max_failures == 0 || e->retries.failed < e->set.max_failures)
		return;
	e->retries.failed = 0;
	e->retries.from = e->intake.seq;
	atomic_fetch_or(&e->cancels.asked, 1);
}
