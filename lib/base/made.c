/* made.c - see made.h: the library's own sources. */
#include "config.h"

#include "base/made.h"

#include <stdlib.h>

char made_here[1];
char made_again[1];
char made_head[MADE_HEAD_MOST + 1];

void made_drop(void *state)
{
	const struct made *m = state;

	if (m->release != NULL)
		m->release(state);
	free(state);
}

void made_keep(void *flaw)
{
	(void)flaw;
}

void made_forget(void *flaw)
{
	free(flaw);
}

const struct made_flaw *made_flaw(const struct vm_source *s)
{
	bool unmade = s->close == made_keep || s->close == made_forget;

	return unmade && s->next == NULL ? s->from : NULL;
}

void made_limit(const struct vm_source *s, size_t most)
{
	struct made *m = s->from;

	if (made_is(s) && m->most != 0)
		m->most = most;
}
