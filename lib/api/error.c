/*
 * error.c - text for users: vm_error(), messages of failed items.
 *
 * Runs in: caller.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "base/cut.h"
#include "base/signals.h"

static _Thread_local struct words thread_words;
/* The words are about a call that was given NULL. */
static _Thread_local bool of_null;

struct words *error_words(void)
{
	of_null = false;
	return &thread_words;
}

/* A failure of vm_fork() is the reason why there is no pool: its words stay. */
int error_null(const char *call, const char *what)
{
	if (thread_words.text[0] == '\0' || of_null) {
		words_set(&thread_words, EINVAL, "%s() was given NULL, and "
		    "needs %s.", call, what);
		of_null = true;
	}
	errno = EINVAL;
	return -1;
}

int error_refuse(struct vm_pool *p, int error, const char *call)
{
	if (p == NULL)
		return error_null(call, "a pool that vm_fork() has returned");
	if (error == EPERM)
		words_set(&p->words, error, "%s() was called in another "
		    "process than the pool's; call it in the one that called "
		    "vm_fork(), or fork a pool here.", call);
	else if (error == EDEADLK)
		words_set(&p->words, error, "%s() was called from a hook that "
		    "the pool runs in the caller; there only vm_cancel() may "
		    "be.  Call it when the hook has returned.", call);
	else if (error == EPIPE)
		words_set(&p->words, error, "%s() comes after "
		    "vm_close_within(): the pool is being closed.", call);
	errno = error;
	return -1;
}

const char *vm_error(const vm_pool *pool)
{
	return pool != NULL ? pool->words.text : thread_words.text;
}

const char *vm_cause_name(enum vm_cause cause)
{
	switch (cause) {
	case VM_FAILED:
		return "failed";
	case VM_KILLED:
		return "killed";
	case VM_EXITED:
		return "exited";
	case VM_TIMED_OUT:
		return "timed out";
	case VM_TOO_BIG:
		return "too big";
	case VM_GARBLED:
		return "garbled";
	case VM_SETUP_FAILED:
		return "setup failed";
	case VM_LOST:
		return "lost";
	case VM_CANCELLED:
		return "cancelled";
	}
	return "unknown";
}

/* Returns further details on a death by a signal. */
static const char *why_killed(const struct vm_pool *p,
    const struct outcome *o)
{
	if (o->out_of_memory)
		return " while the kernel counted a kill for want of memory";
	if (o->signal == SIGXCPU && p->engine.set.plan.max_cpu_s > 0)
		return ": it had used the CPU seconds of "
		    "worker_max_cpu_seconds";
	return "";
}

/* Makes the message of a failure that the library has detected. */
static void describe(struct vm_pool *p, const struct span *s)
{
	const struct outcome *o = &s->outcome;
	const char *why = p->engine.fate.words.text;
	struct words *w = &p->message;

	switch (o->cause) {
	case VM_KILLED:
		words_set(w, 0, "The worker was killed by signal %d (%s)%s.",
		    o->signal, signals_name(o->signal), why_killed(p, o));
		break;
	case VM_EXITED:
		if (o->exit_status < 0)
			words_set(w, 0, "The worker exited in the middle of "
			    "the item; its status is not known.");
		else
			words_set(w, 0, "The worker exited with status %d in "
			    "the middle of the item.", o->exit_status);
		break;
	case VM_TIMED_OUT:
		words_set(w, 0, "The item took longer than the %llu ms of "
		    "item_timeout_ms, and its worker was killed.",
		    (unsigned long long)(p->engine.set.item_ns / MS_IN_NS));
		break;
	case VM_GARBLED:
		words_set(w, 0, "The worker broke the protocol and was "
		    "killed.");
		break;
	case VM_SETUP_FAILED:
		words_set(w, 0, "No worker could be set up.  %.*s",
		    (int)cut_to(why, strlen(why), 400), why);
		break;
	case VM_CANCELLED:
		if (o->stopped)
			words_set(w, 0, "The item was cancelled while it ran, "
			    "and its worker was killed.");
		else
			words_set(w, 0, "The item was cancelled before it was "
		    "begun%s.", s->attempt > 0 ? " again" : "");
		break;
	case VM_LOST:
		if (s->losses >= 2 * p->engine.set.max_losses) {
			words_set(w, 0, "The item was at %d machines that were "
			    "lost, at the last of them alone "
			    "(vm_options.max_losses).", s->losses);
			break;
		}
		/* fall through */
	default:
		words_set(w, 0, "The pool broke down before the item was "
		    "answered.  %.*s", (int)cut_to(why, strlen(why), 400), why);
	}
}

/* Reads the contents of a FAILURE frame, which was checked on arrival. */
static void read_failure(struct vm_pool *p, const struct item *i)
{
	struct vm_exception *x = &p->exception;
	struct failure f;

	if (frame_failure(i->body, i->size, &f) < 0)
		return;
	x->cause = (enum vm_cause)f.head.cause;
	x->code = f.head.code;
	x->wall_ns = f.head.wall_ns;
	x->cpu_ns = f.head.cpu_ns;
	x->stderr_tail = f.tail;
	if (f.head.message_size > 0)
		x->message = f.message;
	else
		words_set(&p->message, 0, "%s() failed with code %d.",
		    i->teardown ? "teardown" : "process", x->code);
}

void exception_make(struct vm_pool *p, const struct item *i)
{
	const struct span *s = i->span;
	struct vm_exception *x = &p->exception;

	*x = (struct vm_exception){
		.cause = s->outcome.cause,
		.signal = s->outcome.signal,
		.exit_status = s->outcome.exit_status,
		.core_dumped = s->outcome.core_dumped,
		.out_of_memory = s->outcome.out_of_memory,
		.pid = s->outcome.pid,
		.worker_index = s->attempt > 0 || i->teardown ?
		    s->worker_index : -1,
		.message = p->message.text,
		.wall_ns = s->outcome.wall_ns,
		.cpu_ns = s->outcome.cpu_ns,
		.max_rss = s->outcome.max_rss,
	};
	if (s->host > 0)
		x->host = hosts_get(&p->engine.set.hosts, s->host)->name;
	if (s->evidence != NULL) {
		x->traceback = s->evidence->traceback;
		x->stderr_tail = s->evidence->tail;
	}
	if (s->evidence != NULL && s->evidence->host != NULL)
		x->host = s->evidence->host;
	if (i->teardown != NULL && i->kind != FRAME_FAILURE)
		x->message = i->teardown->text;
	else if (i->teardown != NULL || x->cause == 0)
		read_failure(p, i);
	else
		describe(p, s);
}
