/*
 * diagnosis.c - the reason for a death: from the fork server's notice, the
 * worker's notes in its slot, and its captured output.
 *
 * Runs in: caller, when a worker is buried.  Easy to get wrong: the worker
 * could write to slot and captured text; they are only passed on to the user,
 * and decide nothing.
 */
#include "config.h"

#include "engine/diagnosis.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/base.h"
#include "base/cut.h"
#include "base/signals.h"
#include "engine/engine.h"
#include "worker/capture.h"

/* Was it killed by SIGKILL, as the kernel does, and not by the pool? */
static bool was_shot(const struct member *m)
{
	return WIFSIGNALED(m->death.status) &&
	    WTERMSIG(m->death.status) == SIGKILL && !m->killed;
}

/* Sets the time and CPU time that the present item had run. */
static void measure(const struct member *m, struct outcome *o)
{
	const struct slot_note n = slot_noted(m->slot);

	if (n.started_at == 0 || n.started_at > m->death.died_at)
		return;
	o->wall_ns = m->death.died_at - n.started_at;
	if (n.started_cpu < m->death.cpu_ns)
		o->cpu_ns = m->death.cpu_ns - n.started_cpu;
}

const char *diagnosis_end(const struct member *m, char text[64])
{
	const int status = m->death.status;

	if (m->held)
		snprintf(text, 64, "was killed and does not die");
	else if (WIFSIGNALED(status))
		snprintf(text, 64, "was killed by signal %d (%s)",
		    WTERMSIG(status), signals_name(WTERMSIG(status)));
	else
		snprintf(text, 64, "exited with status %d",
		    WEXITSTATUS(status));
	return text;
}

enum vm_cause diagnosis_cause(const struct member *m)
{
	if (m->blame != 0)
		return m->blame;
	return WIFSIGNALED(m->death.status) ? VM_KILLED : VM_EXITED;
}

/* Returns how the worker died. */
static struct outcome outcome_of(struct engine *e, const struct member *m,
    enum died where)
{
	int status = m->death.status;
	struct outcome o = {
		.cause = diagnosis_cause(m),
		.exit_status = -1,
		.pid = m->pid,
		.max_rss = m->death.max_rss,
		.stopped = m->blame == VM_CANCELLED,
	};

	if (o.cause == VM_KILLED)
		o.signal = WTERMSIG(status);
	if (o.cause == VM_EXITED && !slot_exit_is_hidden(m->slot))
		o.exit_status = WEXITSTATUS(status);
	o.core_dumped = WIFSIGNALED(status) && WCOREDUMP(status);
	o.out_of_memory = was_shot(m) && oom_claim(&e->staffing.oom);
	if (where == DIED_IN_ITEM && e->set.plan.measure)
		measure(m, &o);
	return o;
}

/* Returns its crash text and captured stderr, or NULL without memory. */
static struct evidence *evidence_of(const struct member *m, enum died where)
{
	size_t room = slot_crash_size(m->slot);
	uint64_t from = slot_noted(m->slot).tail_from;
	struct evidence *e = evidence_new(room,
	    m->errors >= 0 ? CAPTURE_MOST : 0, 0);

	if (e != NULL && e->traceback != NULL)
		slot_crash(m->slot, e->traceback, room);
	if (e != NULL && e->tail != NULL && where != DIED_BEFORE_ITEM)
		capture_read(m->errors, from, e->tail);
	return e;
}

void diagnosis_make(struct engine *e, const struct member *m, enum died where,
    struct span *about)
{
	about->outcome = outcome_of(e, m, where);
	about->evidence = evidence_of(m, where);
}

/* The error text about a member's setup is set: adds the resource limits, which
   may be the reason, and copies it for that member. */
static void complete(struct engine *e, struct member *m)
{
	const struct plan *p = &e->set.plan;
	struct words *w = &e->staffing.setup_words;
	size_t size;

	if (p->max_address_space > 0)
		words_add(w, "  (worker_max_address_bytes is %zu.)",
		    p->max_address_space);
	if (p->max_cpu_s > 0)
		words_add(w, "  (worker_max_cpu_seconds is %d.)",
		    p->max_cpu_s);
	free(m->setup_text);
	size = strlen(w->text) + 1;
	m->setup_text = malloc(size);
	if (m->setup_text != NULL)
		memcpy(m->setup_text, w->text, size);
}

void diagnosis_unfit(struct engine *e, struct member *m,
    const struct failure *why)
{
	struct words *w = &e->staffing.setup_words;
	size_t size = why->head.message_size;

	if (m->host != 0)
		words_set(w, 0, "Host %.64s: %.*s",
		    hosts_get(&e->set.hosts, m->host)->name,
		    (int)cut_to(why->message, size, 600), why->message);
	else if (size > 0)
		words_set(w, 0, "Setup failed in worker %d: %.*s", m->index,
		    (int)cut_to(why->message, size, 400), why->message);
	else
		words_set(w, 0, "Setup failed in worker %d with code %d.",
		    m->index, (int)why->head.code);
	complete(e, m);
}

void diagnosis_setup(struct engine *e, struct member *m)
{
	int status = m->death.status;
	struct words *w = &e->staffing.setup_words;

	if (m->blame == VM_GARBLED)
		words_set(w, 0, "Worker %d broke the protocol "
		    "before it was set up.", m->index);
	else if (m->blame == VM_TIMED_OUT)
		words_set(w, 0, "Setup in worker %d took "
		    "longer than the %llu ms of setup_timeout_ms.", m->index,
		    (unsigned long long)(e->set.setup_ns / MS_IN_NS));
	else if (WIFSIGNALED(status))
		words_set(w, 0, "Worker %d was killed by "
		    "signal %d before it was set up.", m->index,
		    WTERMSIG(status));
	else
		words_set(w, 0, "Worker %d exited with status "
		    "%d before it was set up.", m->index,
		    WEXITSTATUS(status));
	complete(e, m);
}
