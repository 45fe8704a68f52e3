/* farewell.c - see farewell.h: how teardowns end. */
#include "config.h"

#include "farewell.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "base.h"
#include "cut.h"
#include "signals.h"

/* One more has failed, the first of them for this reason. */
static void count(struct engine *e, const struct words *w)
{
	engine_say(e, "teardown: %s", w->text);
	if (e->teardowns_failed++ == 0)
		e->teardown_words = *w;
}

/* It was failed by vm_fail(). */
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

int farewell_said(struct engine *e, struct member *m, const struct frame *f)
{
	struct failure why;

	if (m->torn_down || e->set.plan.hooks.teardown == NULL ||
	    f->kind != FRAME_FAILURE ||
	    frame_failure(f->body, f->size, &why) < 0)
		return -EPROTO;
	m->torn_down = true;
	count_said(e, m->index, why.head.code, why.message,
	    why.head.message_size);
	return 0;
}

/* Words for a death before the teardown had returned. */
static void explain(const struct engine *e, const struct member *m,
    struct words *w)
{
	const char *when = m->left ? "in" : "before";
	int status = m->death.status;

	if (e->broken)
		words_set(w, 0, "The pool broke down around worker %d %s its "
		    "teardown.", m->index, when);
	else if (m->blame == VM_GARBLED)
		words_set(w, 0, "Worker %d broke the protocol when it was to "
		    "tear down.", m->index);
	else if (m->killed && m->left)
		words_set(w, 0, "Teardown in worker %d took longer than the "
		    "%llu ms of teardown_timeout_ms.", m->index,
		    (unsigned long long)(e->set.teardown_ns / MS_IN_NS));
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

/* exit(0) in a teardown is an end as good as any. */
static bool has_ended_well(const struct engine *e, const struct member *m)
{
	int status = m->death.status;

	return m->left && !e->broken && WIFEXITED(status) &&
	    WEXITSTATUS(status) == 0;
}

void farewell_missed(struct engine *e, const struct member *m)
{
	struct words w;

	if (e->set.plan.hooks.teardown == NULL || !m->greeted ||
	    !m->told_to_stop || m->torn_down || has_ended_well(e, m))
		return;
	explain(e, m, &w);
	count(e, &w);
}

void farewell_serial(struct engine *e)
{
	const struct context *c = e->serial;

	count_said(e, c->public.worker_index, c->code, c->message,
	    strlen(c->message));
}

int farewell_sum(struct engine *e)
{
	unsigned long long n = e->teardowns_failed;

	if (n == 0)
		return 0;
	*e->words = e->teardown_words;
	if (n > 1)
		words_add(e->words, "  (%llu teardowns failed.)", n);
	return 1;
}
