/* teardown.c - see teardown.h: outcomes of teardowns. */
#include "config.h"

#include "engine/teardown.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/base.h"
#include "base/cut.h"
#include "base/signals.h"
#include "engine/debug.h"
#include "engine/diagnosis.h"
#include "engine/engine.h"

/* Counts a failed teardown; the first of them keeps its text. */
static void count(struct engine *e, const struct words *w)
{
	debug_say(e, "teardown: %s", w->text);
	if (e->teardowns.failed++ == 0)
		e->teardowns.words = *w;
}

/* ---- results of teardowns, if the option asks ---- */

int teardown_prepare(const struct engine *e, struct member *m)
{
	if (!e->set.plan.tell_teardowns || m->teardown != NULL ||
	    e->set.plan.hooks.teardown == NULL)
		return 0;
	m->teardown = calloc(1, sizeof *m->teardown);
	return m->teardown != NULL ? 0 : -ENOMEM;
}

/* Appends to the queue for the caller. */
static void put(struct engine *e, struct teardown *f, int index)
{
	struct teardown **at = &e->teardowns.first;

	while (*at != NULL)
		at = &(*at)->next;
	*at = f;
	f->about.worker_index = index;
}

static void drop(struct teardown *f)
{
	if (f != NULL) {
		rxbuf_drop(f->about.rxbuf);
		evidence_free(f->about.evidence);
	}
	free(f);
}

void teardown_let_go(struct engine *e)
{
	drop(e->teardowns.told);
	e->teardowns.told = NULL;
}

bool teardown_take(struct engine *e, struct item *item)
{
	struct teardown *f = e->teardowns.first;
	struct frame said = { .kind = 0 };

	if (f == NULL)
		return false;
	e->teardowns.first = f->next;
	e->teardowns.told = f;
	if (f->about.rxbuf != NULL) {
		frame_look(f->about.rxbuf->data + f->about.output_at, &said);
		said.body[said.size] = 0;
	}
	*item = (struct item){ .span = &f->about, .teardown = &f->words,
		.kind = said.kind, .body = said.body, .size = said.size };
	return true;
}

void teardown_release(struct engine *e)
{
	struct teardown *f;

	teardown_let_go(e);
	while ((f = e->teardowns.first) != NULL) {
		e->teardowns.first = f->next;
		drop(f);
	}
	for (size_t i = 0; i < e->crew.count; i++)
		free(e->crew.members[i].teardown);
}

/* ---- outcomes ---- */

/* vm_fail() was called in it. */
static void count_said(struct engine *e, int index, int code,
    const char *message, size_t size)
{
	struct words w;
	size_t text = cut_to(message, size, 400);

	if (text > 0)
		words_set(&w, 0, "Teardown failed in worker %d: %.*s", index,
		    (int)text, message);
	else
		words_set(&w, 0, "Teardown failed in worker %d with code %d.",
		    index, code);
	count(e, &w);
}

int teardown_said(struct engine *e, struct member *m, const struct frame *f)
{
	bool output = f->kind == FRAME_OUTPUT && m->teardown != NULL;
	struct failure why;

	if (e->set.plan.hooks.teardown == NULL ||
	    (f->kind != FRAME_FAILURE && !output) ||
	    (output && f->size > e->set.plan.max_item))
		return -EPROTO;
	if (!output && (frame_failure(f->body, f->size, &why) < 0 ||
	    (why.head.cause != VM_FAILED && why.head.cause != VM_TOO_BIG)))
		return -EPROTO;
	crew_session(&e->crew, m, SESSION_OVER);
	if (!output)
		count_said(e, m->index, why.head.code, why.message,
		    why.head.message_size);
	if (m->teardown == NULL)
		return 0;
	m->teardown->about.rxbuf = rxbuf_hold(m->channel.rxbuf);
	m->teardown->about.output_at = m->channel.at;
	m->teardown->about.outcome.pid = m->pid;
	m->teardown->about.outcome.exit_status = -1;
	put(e, m->teardown, m->index);
	m->teardown = NULL;
	return 0;
}

/* Makes the text for a death before the teardown had returned. */
static void explain(const struct engine *e, const struct member *m,
    struct words *w)
{
	const char *when = m->session >= SESSION_TEARDOWN ? "in" : "before";
	int status = m->death.status;

	if (e->fate.broken)
		words_set(w, 0, "The pool broke down around worker %d %s its "
		    "teardown.", m->index, when);
	else if (m->blame == VM_GARBLED)
		words_set(w, 0, "Worker %d broke the protocol when it was to "
		    "tear down.", m->index);
	else if (m->killed && m->session >= SESSION_TEARDOWN)
		words_set(w, 0, "Teardown in worker %d took longer than the "
		    "%llu ms of teardown_timeout_ms.", m->index,
		    (unsigned long long)(e->set.teardown_ns / MS_IN_NS));
	else if (m->killed && m->blame == VM_CANCELLED)
		words_set(w, 0, "Worker %d was killed before its teardown: "
		    "its item was cancelled.", m->index);
	else if (m->killed)
		words_set(w, 0, "Worker %d was killed before its teardown: "
		    "it did not come to that in time.", m->index);
	else if (WIFSIGNALED(status))
		words_set(w, 0, "Worker %d was killed by signal %d (%s) %s "
		    "its teardown.", m->index, WTERMSIG(status),
		    signals_name(WTERMSIG(status)), when);
	else
		words_set(w, 0, "Worker %d exited with status %d %s its "
		    "teardown.", m->index, WEXITSTATUS(status), when);
}

/* exit(0) in a teardown is a good end, if no output is to be reported. */
static bool has_ended_well(const struct engine *e, const struct member *m)
{
	int status = m->death.status;

	return m->session >= SESSION_TEARDOWN && m->teardown == NULL &&
	    !e->fate.broken &&
	    WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Sets how it died, as for an item's exception. */
static void diagnose(struct engine *e, const struct member *m, struct span *s)
{
	diagnosis_make(e, m, DIED_IN_TEARDOWN, s);
	if (e->fate.broken)
		s->outcome = (struct outcome){ .cause = VM_LOST,
			.exit_status = -1, .pid = m->pid };
	else if (m->killed && m->blame == VM_LOST)
		s->outcome.cause = VM_TIMED_OUT;
}

void teardown_missed(struct engine *e, struct member *m)
{
	struct teardown *f = m->teardown;
	struct words w;

	if (e->set.plan.hooks.teardown != NULL && m->told_to_stop &&
	    m->session != SESSION_OVER && !has_ended_well(e, m)) {
		explain(e, m, &w);
		count(e, &w);
		if (f != NULL) {
			f->words = w;
			diagnose(e, m, &f->about);
			put(e, f, m->index);
			f = NULL;
		}
	}
	free(f);
	m->teardown = NULL;
}

/* Without memory for a result, only teardown_sum() reports the failure. */
void teardown_serial(struct engine *e)
{
	struct context *c = e->serial.context;
	int index = c->public.worker_index;
	size_t length;
	unsigned char *frame = context_teardown(c, &length);
	struct teardown *f = NULL;
	struct rxbuf *b = NULL;

	if (frame != NULL && e->set.plan.tell_teardowns && !e->fate.closing) {
		f = calloc(1, sizeof *f);
		b = rxbuf_new(NULL, FRAME_START + length);
	}
	if (c->failed)
		count_said(e, index, c->code, c->message, strlen(c->message));
	if (f == NULL || b == NULL) {
		rxbuf_drop(b);
		free(f);
		return;
	}
	memcpy(b->data + FRAME_START, frame, length);
	b->len = FRAME_START + length;
	f->about.rxbuf = b;
	f->about.output_at = FRAME_START;
	f->about.outcome.exit_status = -1;
	put(e, f, index);
}

int teardown_sum(struct engine *e)
{
	unsigned long long n = e->teardowns.failed;

	if (n == 0)
		return 0;
	*e->words = e->teardowns.words;
	if (n > 1)
		words_add(e->words, "  (%llu teardowns failed.)", n);
	return 1;
}
