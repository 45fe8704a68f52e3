/* fate.c - see fate.h: whether a pool goes on. */
#include "config.h"

#include "engine/fate.h"

#include "engine/debug.h"
#include "engine/engine.h"
#include "engine/tracing.h"

void fate_break(struct engine *e, enum vm_cause cause)
{
	if (e->fate.broken)
		return;
	e->fate.broken = true;
	e->fate.cause = cause;
	e->fate.words = *e->words;
	tracing_break(e);
	debug_say(e, "broken: %s", e->words->text);
}
