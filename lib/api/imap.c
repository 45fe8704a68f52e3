/*
 * imap.c - inputs in, results out: vm_imap(), vm_zip_in_out().
 *
 * Runs in: caller.  The path of an item, in the order of the files:
 *
 *	source next -> chunk pack -> window admit -> crew pick ->
 *	channel send ==> worker: receive, take, call, add ==>
 *	channel receive -> window settle -> results take -> here
 *
 * and after a death: death_member() -> window putback -> sent again, or settled
 * as failed.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "engine/cancel.h"
#include "engine/deliver.h"
#include "engine/loop_fd.h"
#include "engine/push.h"
#include "engine/resume.h"
#include "engine/stats.h"
#include "items/source.h"
#include "os/sys.h"

/* Turns the engine's result into the return value and errno of an API call. */
static int answer(struct vm_pool *p, int r, int kept)
{
	if (r == -ENOMEM)
		words_set(&p->words, ENOMEM, "There was no memory.  Nothing "
		    "is lost; call again when there is.");
	errno = r < 0 ? -r : kept;
	return r < 0 ? -1 : r;
}

/* Ends a call: lets inline functions take the items in a row, and append
   inputs, as far as no other work comes first. */
static void open_front(struct vm_pool *p)
{
	struct results *r = &p->engine.results;

	if (p->front.ours == NULL)
		return;
	r->row = r->row && deliver_may_wait(&p->engine);
	p->front.left = r->row ? r->left : 0;
	p->front.room = p->engine.intake.room;
	p->open = true;
}

/* ---- inputs ---- */

/* Returns the bytes of the library's own that each input of a source begins
   with; SIZE_MAX if the program has set the member. */
static size_t head_of(const struct vm_source *s)
{
	const uintptr_t n = (uintptr_t)s->reserved[2] - (uintptr_t)made_head;

	if (s->reserved[2] == NULL)
		return 0;
	return n <= MADE_HEAD_MOST ? (size_t)n : SIZE_MAX;
}

/* Checks a source: returns 0, or an errno and sets words. */
static int flaw(struct vm_pool *p, const struct vm_source *s)
{
	const struct made_flaw *unmade = made_flaw(s);

	if (p->engine.fate.broken) {
		p->words = p->engine.fate.words;
		return EPIPE;
	}
	if (p->engine.fate.finishing)
		return -words_set(&p->words, EPIPE, "vm_imap() comes after "
		    "vm_finish(): the pool takes no more inputs.");
	if (unmade != NULL)
		return -words_set(&p->words, unmade->error, "%s",
		    unmade->text);
	if ((s->reserved[0] != NULL && s->reserved[0] != made_here) ||
	    (s->reserved[1] != NULL && s->reserved[1] != made_again) ||
	    head_of(s) == SIZE_MAX)
		return -words_set(&p->words, EINVAL, "vm_imap() was given a "
		    "source whose vm_source.reserved is not 0; set all "
		    "members, as by an initialiser.");
	if (s->next == NULL)
		return -words_set(&p->words, EINVAL, "vm_imap() was given a "
		    "source without vm_source.next, which gives the inputs.");
	return 0;
}

int imap_turn_away(struct vm_pool *p, const struct vm_source *s, int error)
{
	bool in_hook = p != NULL && p->engine.intake.in_hook;
	const struct words words = p ? p->words : (struct words){ "" };

	if (p != NULL && error != EPERM)
		p->engine.intake.in_hook = true;
	if (s->close != NULL)
		s->close(s->from);
	if (p != NULL) {
		/* If the callback made a refused call, the words are of that
		   call. */
		p->engine.intake.in_hook = in_hook;
		p->words = words;
	}
	errno = error;
	return -1;
}

int vm_imap(vm_pool *p, struct vm_source hooks)
{
	int error = pool_enter(p);
	int kept = errno;
	struct source *s = NULL;
	int r = 0;

	if (error != 0)
		error_refuse(p, error, "vm_imap");
	else
		error = flaw(p, &hooks);
	if (error == 0 && atomic_load(&p->engine.cancels.asked))
		r = cancel_asked(&p->engine);
	if (error == 0 && r == 0) {
		s = source_new(&hooks, &p->engine.intake.in_hook);
		r = s == NULL ? -ENOMEM : 0;
	}
	if (r == -ENOMEM)
		words_set(&p->words, ENOMEM, "vm_imap() had no memory for a "
		    "source.");
	if (r < 0)
		error = -r;
	if (error != 0)
		return imap_turn_away(p, &hooks, error);
	made_limit(&hooks, p->engine.set.plan.max_item);
	crew_keep_here(&p->engine.crew, hooks.reserved[0] != NULL);
	p->engine.retries.uncounted = hooks.reserved[1] != NULL;
	p->keep.head = head_of(&hooks);
	stats_resume(&p->engine);
	intake_add(&p->engine, s);
	loop_fd_follow(&p->engine, 1);
	errno = kept;
	return 0;
}

/* Checks a pushed input: returns 0, or an errno and sets words. */
static int input_flaw(struct vm_pool *p, const void *input, size_t size)
{
	const size_t most = p->engine.set.plan.max_item;

	if (p->engine.fate.broken) {
		p->words = p->engine.fate.words;
		return EPIPE;
	}
	if (p->engine.fate.finishing)
		return -words_set(&p->words, EPIPE, "vm_submit() comes after "
		    "vm_finish(): the pool takes no more inputs.");
	if (input == NULL && size > 0)
		return -words_set(&p->words, EINVAL, "vm_submit() was given "
		    "NULL, and a size of %zu bytes.", size);
	if (size > most)
		return -words_set(&p->words, EFBIG, "vm_submit() was given "
		    "%zu bytes; vm_options.max_item_bytes is %zu.", size,
		    most);
	return 0;
}

/* Pushes an input that may be refused, or that needs more than a copy. */
ASIDE static int submit(vm_pool *p, const void *input, size_t size, void *tag)
{
	int error = pool_enter(p);
	int kept = errno;
	int r = 0;

	if (error != 0)
		return error_refuse(p, error, "vm_submit");
	error = input_flaw(p, input, size);
	if (error != 0) {
		errno = error;
		return -1;
	}
	if (atomic_load(&p->engine.cancels.asked))
		r = cancel_asked(&p->engine);
	if (r == 0)
		r = push_input(&p->engine, input, size, tag, &p->front);
	if (r == 1)
		loop_fd_follow(&p->engine, 1);
	open_front(p);
	return answer(p, r, kept);
}

/* The descriptor of the loop stays readable after the push before. */
int (vm_submit)(vm_pool *p, const void *input, size_t size, void *tag)
{
	return vm_front_give(p, input, size, tag) ? 1 :
	    submit(p, input, size, tag);
}

/* ---- results ---- */

/* Shows the teardown of a worker, which is no item. */
static void show_teardown(struct vm_pool *p, const struct item *i,
    struct vm_result *r)
{
	*r = (struct vm_result){
		.index = UINT64_MAX,
		.type = VM_TEARDOWN,
		.worker_index = i->span->worker_index,
		.exception = &p->exception,
	};
	if (i->kind == FRAME_OUTPUT) {
		r->exception = NULL;
		r->output = i->body;
		r->output_size = i->size;
		return;
	}
	exception_make(p, i);
}

/* Fills in the fields that every result has; runs for each item.  All fields
   are named, or the compiler would zero the struct first, in a loop. */
static inline void show(const struct item *i, struct vm_result *r)
{
	const struct span *s = i->span;

	*r = (struct vm_result){
		.input = i->input,
		.input_size = i->input_size,
		.output = i->body,
		.output_size = i->size,
		.exception = NULL,
		.tag = chunk_tag(s->chunk, i->index - s->chunk->index),
		.index = i->index,
		.type = VM_OUTPUT,
		.attempts = s->attempt,
		.worker_index = s->attempt > 0 ? s->worker_index : -1,
		.host = s->attempt > 0 ? s->host : 0,
		.wall_ns = 0,
		.cpu_ns = 0,
	};
}

/* Fills in the times of an attempt, which lie before its output. */
RARELY static void show_times(const struct item *i, struct vm_result *r)
{
	struct frame_times t;

	memcpy(&t, i->body, sizeof t);
	r->output = i->body + sizeof t;
	r->output_size = i->size - sizeof t;
	r->wall_ns = t.wall_ns;
	r->cpu_ns = t.cpu_ns;
}

/* Fills in the exception of an item that has no output. */
RARELY static void show_failure(struct vm_pool *p, const struct item *i,
    struct vm_result *r)
{
	r->output = NULL;
	r->output_size = 0;
	r->type = VM_EXCEPTION;
	r->exception = &p->exception;
	exception_make(p, i);
	p->exception.number = chunk_number(i->span->chunk, i->index);
	r->wall_ns = p->exception.wall_ns;
	r->cpu_ns = p->exception.cpu_ns;
	if (!p->engine.retries.uncounted)
		keep_failure(&p->keep, p->engine.set.keep, r);
}

/* Waits for the next item, or shows a teardown, as none is ready. */
RARELY static int wait_for(struct vm_pool *p, struct item *item,
    struct vm_result *result, int ms)
{
	int kept = errno, r;

	if (p->engine.resume.on)
		resume_taken(&p->engine);
	r = deliver_next(&p->engine, item, pool_moment(ms));

	loop_fd_follow(&p->engine, r);
	if (r == 1 && item->teardown != NULL)
		show_teardown(p, item, result);
	return answer(p, r, kept);
}

/* Reports a call that is refused or was given NULL.  Returns -1. */
RARELY static int turn_down(struct vm_pool *p, int error)
{
	if (error != 0)
		return error_refuse(p, error, "vm_zip_in_out");
	words_set(&p->words, EINVAL, "vm_zip_in_out() was given NULL, and "
	    "needs a struct vm_result to fill.");
	errno = EINVAL;
	return -1;
}

/* Shows the next item of a pool that has been entered.  Returns 1; or the value
   of a call that has no item to show. */
static int show_next(struct vm_pool *p, struct vm_result *result, int ms)
{
	struct item item;
	int r;

	if (!deliver_draw(&p->engine, &item)) {
		r = wait_for(p, &item, result, ms);
		if (r != 1 || item.teardown != NULL)
			return r;
	}
	show(&item, result);
	if (item.span->outcome.cause != 0 || item.kind != FRAME_OUTPUT)
		show_failure(p, &item, result);
	else if (p->engine.set.plan.lead > 0)
		show_times(&item, result);
	else if (!p->engine.resume.on && item.span->alike) {
		results_line_up(&p->engine.results, &p->front);
		p->front.shown = *result;
	}
	if (p->engine.resume.on)
		resume_told(&p->engine, &item, result);
	return 1;
}

/* As vm_front_take() has not shown the next item: shows it, or refuses the
   call.  The row goes on if another call has stopped it. */
ASIDE static int show_any(struct vm_pool *p, struct vm_result *result, int ms)
{
	int error = pool_enter(p), r;

	if (error != 0 || result == NULL)
		return turn_down(p, error);
	if (p->engine.results.row) {
		open_front(p);
		if (vm_front_take(p, result))
			return 1;
		pool_settle(p);
	}
	r = show_next(p, result, ms);
	open_front(p);
	return r;
}

int (vm_zip_in_out_within)(vm_pool *p, struct vm_result *result, int ms)
{
	return vm_front_take(p, result) ? 1 : show_any(p, result, ms);
}

int (vm_zip_in_out)(vm_pool *p, struct vm_result *result)
{
	return vm_front_take(p, result) ? 1 : show_any(p, result, -1);
}

int vm_ready(vm_pool *p, int ms)
{
	int error = pool_enter(p);
	int kept = errno;
	int r;

	if (error != 0)
		return error_refuse(p, error, "vm_ready");
	r = deliver_ready(&p->engine, pool_moment(ms));
	loop_fd_follow(&p->engine, 1);
	return answer(p, r, kept);
}
