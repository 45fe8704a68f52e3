/* serial.c - see serial.h: the pool without processes. */
#include "config.h"

#include "engine/serial.h"

#include "engine/answer.h"
#include "engine/engine.h"
#include "engine/fate.h"
#include "engine/retry.h"
#include "engine/teardown.h"
#include "engine/tracing.h"
#include "os/sys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int serial_start(struct engine *e)
{
	e->serial.context = malloc(sizeof *e->serial.context);
	if (e->serial.context == NULL)
		return -ENOMEM;
	return context_init(e->serial.context, &e->set.plan,
	    e->set.indices ? e->set.indices[0] : 0, -1, NULL);
}

void serial_tear_down(struct engine *e)
{
	const uint64_t began = sys_now();

	e->intake.in_hook = true;
	if (e->serial.up)
		teardown_serial(e);
	e->intake.in_hook = false;
	if (e->serial.up)
		tracing_serial(e, "teardown", NULL, began);
	e->serial.up = false;
}

void serial_stop(struct engine *e, bool foreign)
{
	if (e->serial.context == NULL)
		return;
	if (!foreign)
		serial_tear_down(e);
	context_release(e->serial.context);
	free(e->serial.context);
	e->serial.context = NULL;
}

int serial_ready(struct engine *e)
{
	struct context *c = e->serial.context;
	uint64_t began;
	int r;

	if (e->fate.broken) {
		*e->words = e->fate.words;
		return e->fate.cause == VM_SETUP_FAILED ? -ECHILD : -EPIPE;
	}
	if (e->serial.up)
		return 0;
	began = sys_now();
	e->intake.in_hook = true;
	r = context_setup(c);
	e->intake.in_hook = false;
	tracing_serial(e, "setup", NULL, began);
	if (r == 0) {
		e->serial.up = true;
		return 0;
	}
	if (c->message[0] != '\0')
		words_set(e->words, 0, "Setup failed: %.400s", c->message);
	else
		words_set(e->words, 0, "Setup failed with code %d.", c->code);
	fate_break(e, VM_SETUP_FAILED);
	return -ECHILD;
}

/* Runs process() for the first item of a span, and copies the result frame to a
   buffer.  Returns 0 or -errno. */
static int process(struct engine *e, struct span *s)
{
	struct frame_chunk chunk;
	struct frame head;
	const void *input;
	unsigned char *frame;
	size_t size, length;
	uint64_t began;
	int known, r;

	span_write_head(s);
	known = frame_read(s->head, sizeof s->head, sizeof chunk, &head);
	if (known != 1 || frame_body(&head, &chunk, sizeof chunk) < 0)
		return -EPROTO;
	chunk_unpack(s->chunk, s->at, &input, &size);
	began = e->trace.on ? sys_now() : 0;
	e->intake.in_hook = true;
	context_begin_chunk(e->serial.context, &chunk);
	context_begin(e->serial.context, &chunk, s->first);
	r = context_process(e->serial.context, input, size);
	frame = context_result(e->serial.context, r, &length);
	e->intake.in_hook = false;
	tracing_serial(e, NULL, s, began);
	s->rxbuf = rxbuf_new(&e->crew.rxlist, FRAME_START + length);
	if (s->rxbuf == NULL)
		return -ENOMEM;
	memcpy(s->rxbuf->data + FRAME_START, frame, length);
	s->rxbuf->len = FRAME_START + length;
	s->output_at = FRAME_START;
	s->bytes = length;
	return 0;
}

/* Requeues an item that failed and has attempts left; false if it has none. */
static bool failed_for_now(struct engine *e, struct span *s)
{
	const struct context *c = e->serial.context;

	if (!c->failed || c->for_good || !retry_may(e, s, c->cause))
		return false;
	rxbuf_drop(s->rxbuf);
	s->rxbuf = NULL;
	s->bytes = 0;
	retry_again(e, s, c->has_pause ? c->pause_ms * MS_IN_NS :
	    RETRY_AS_OPTIONS_SAY);
	return true;
}

int serial_run(struct engine *e)
{
	struct span *s = e->window.waiting;
	struct span *rest;
	int r;

	if (s == NULL || e->fate.broken || serial_ready(e) < 0)
		return 0;
	if (s->count > 1) {
		rest = span_cut(s, s->first + 1);
		if (rest == NULL)
			return -ENOMEM;
		window_move(&e->window, rest, SPAN_WAITING);
	}
	r = process(e, s);
	if (r < 0 || failed_for_now(e, s))
		return r;
	s->worker_index = e->serial.context->public.worker_index;
	if (e->serial.context->failed) {
		tally_fail(&e->tally, e->serial.context->cause, 1);
		retry_never(e, span_seq(s));
	}
	answer_span(e, s);
	return 0;
}
