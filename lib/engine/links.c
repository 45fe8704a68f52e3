/* links.c - see links.h: answers that only links give. */
#include "config.h"

#include "engine/links.h"

#include <string.h>

#include "base/base.h"
#include "engine/answer.h"
#include "engine/engine.h"
#include "engine/retry.h"
#include "wire/far.h"

/* May the byte stand in a text of several lines, in UTF-8? */
static bool is_printable(char byte)
{
	return (unsigned char)byte >= 128 || byte == '\n' || byte == '\t' ||
	    (byte >= ' ' && byte < 127);
}

/* Copies a text to the evidence, with a "?" for each byte that cannot be
   printed. */
static void copy(char *to, const char *text, int32_t size)
{
	for (int32_t i = 0; i < size; i++) {
		to[i] = '?';
		if (is_printable(text[i]))
			to[i] = text[i];
	}
}

/* Returns the texts of an OUTCOME; NULL if it has none, or without memory. */
static struct evidence *evidence_of(const struct outcome_told *told)
{
	const struct far_outcome *o = &told->head;
	/* An empty text is a text; a size of -1 becomes 0. */
	struct evidence *e = evidence_new((size_t)o->traceback_size + 1,
	    (size_t)o->tail_size + 1);

	if (e != NULL && e->traceback != NULL)
		copy(e->traceback, told->traceback, o->traceback_size);
	if (e != NULL && e->tail != NULL)
		memcpy(e->tail, told->tail, (size_t)o->tail_size);
	return e;
}

bool links_check(const struct frame *f)
{
	struct outcome_told told;

	return far_outcome(f->body, f->size, &told) == 0;
}

void links_died(struct engine *e, struct span *s, const struct frame *f)
{
	struct outcome_told told;
	const struct far_outcome *o = &told.head;

	far_outcome(f->body, f->size, &told);
	s->outcome.pid = o->pid;
	if (retry_may(e, s, (enum vm_cause)o->cause)) {
		retry_again(e, s, RETRY_AS_OPTIONS_SAY);
		return;
	}
	s->outcome = (struct outcome){
		.cause = (enum vm_cause)o->cause,
		.signal = o->signal,
		.exit_status = o->exit_status,
		.core_dumped = (int)o->core_dumped,
		.out_of_memory = (int)o->out_of_memory,
		.pid = o->pid,
		.max_rss = o->max_rss,
		.wall_ns = o->wall_ns,
		.cpu_ns = o->cpu_ns,
	};
	s->evidence = evidence_of(&told);
	s->bytes = s->evidence ? s->evidence->size : 0;
	retry_never(e, span_seq(s));
	answer_span(e, s);
}

void links_returned(struct engine *e, struct member *m, struct span *s)
{
	crew_ungrant(&e->crew, m, s->count);
	window_move(&e->window, s, SPAN_WAITING);
}
