/* context.c - see context.h: the context of the user's hooks. */
#include "config.h"

#include "worker/context.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/cut.h"
#include "os/sys.h"

/* Upper bound on the length of a frame with that output. */
#define ROOM_FOR(size) (FRAME_HEAD + (size) + CONTEXT_PAD)

static struct context *around(struct vm_context *me)
{
	return CONTAINER_OF(me, struct context, public);
}

/* Runs the process_many() callback on a single input, for want of
   process(). */
static int run_one_of_many(struct vm_context *me, const void *input,
    size_t size)
{
	struct context *c = around(me);
	size_t element = c->plan->element;
	void *room = vm_reserve(me, element);
	int r;

	(void)size;
	if (room == NULL)
		return -1;
	c->in_process = false;
	r = c->plan->hooks.process_many(me, input, 1, room);
	c->in_process = true;
	return r != 0 ? r : vm_commit(me, element);
}

int context_init(struct context *c, const struct plan *plan,
    int worker_index, int errors, struct outstream *outstream)
{
	memset(c, 0, offsetof(struct context, message) + 1);
	c->public.config = plan->hooks.config;
	c->public.config_size = plan->hooks.config_size;
	c->public.worker_index = worker_index;
	c->plan = plan;
	c->process = plan->hooks.process != NULL ? plan->hooks.process :
	    run_one_of_many;
	c->outstream = outstream;
	c->cause = VM_FAILED;
	c->noted = plan->capture || plan->measure;
	c->seed = context_spread(plan->seed);
	capture_init(&c->capture, errors);
	buf_init(&c->out, FRAME_START + ROOM_FOR(plan->lead + plan->max_item));
	return buf_reserve(&c->out, FRAME_START + ROOM_FOR(0));
}

void context_release(struct context *c)
{
	buf_release(&c->out);
	buf_release(&c->text);
}

static RARELY void forget_failure(struct context *c)
{
	c->failed = c->for_good = false;
	c->code = 0;
	c->cause = VM_FAILED;
	c->message[0] = '\0';
}

/* Resets the state of the previous call. */
static void reset(struct context *c)
{
	if (c->failed)
		forget_failure(c);
	c->has_pause = false;
	c->reserved = c->size = c->lead = 0;
}

/* Ends a call: 0, or -1 if the hook returned an error or called vm_fail(). */
static int end(struct context *c, int returned)
{
	if (!c->failed && returned != 0) {
		c->failed = true;
		c->code = returned;
	}
	return c->failed ? -1 : 0;
}

int context_setup(struct context *c)
{
	int (*setup)(struct vm_context *) = c->plan->hooks.setup;

	reset(c);
	return end(c, setup ? setup(&c->public) : 0);
}

void context_note(struct context *c)
{
	if (c->plan->capture)
		capture_mark(&c->capture);
	if (c->plan->measure) {
		c->started_at = sys_now();
		c->started_cpu = sys_cpu();
	}
}

/* Makes the item fail for want of room, and sets errno.  Returns -1. */
static int no_room(struct context *c, int error, size_t size)
{
	c->cause = error == EFBIG ? VM_TOO_BIG : VM_FAILED;
	c->failed = true;
	c->plain = false;
	c->code = error;
	if (error == EFBIG)
		snprintf(c->message, sizeof c->message, "The output would "
		    "have more than the %zu bytes of max_item_bytes.",
		    c->plan->max_item);
	else
		snprintf(c->message, sizeof c->message,
		    "There was no memory for %zu bytes of output.", size);
	errno = error;
	return -1;
}

/* Gives the frame a place: that many bytes at a pointer.  It has none yet if
   they are too few for an empty output. */
static inline void place(struct context *c, unsigned char *at, size_t bytes)
{
	const bool fits = bytes >= ROOM_FOR(c->lead);

	c->at = fits ? at : NULL;
	c->room = !fits ? c->lead :
	    MIN(bytes - ROOM_FOR(0), c->lead + c->plan->max_item);
}

/* Moves the frame to another buffer, which may overlap with the present one. */
static void move(struct context *c, unsigned char *to, size_t bytes)
{
	if (c->size > c->lead)
		memmove(to + FRAME_HEAD, c->at + FRAME_HEAD, c->size);
	place(c, to, bytes);
}

/* Moves the frame to the buffer "out", which has room for it.  ours: the frame
   was there before the buffer grew, which may have moved both. */
static void go_to_buffer(struct context *c, bool ours)
{
	unsigned char *at = c->out.data + FRAME_START;
	const size_t bytes = c->out.cap - FRAME_START;

	if (ours)
		place(c, at, bytes);
	else
		move(c, at, bytes);
}

/* The frame is given up: its memory in the payload area, as far as it was
   written to, can be given back. */
static void leave_place(struct context *c)
{
	if (c->outstream != NULL)
		outstream_reserve(c->outstream, c->at, c->size);
}

/* Makes room for more output: in the payload area of the slot if the frame is
   large and still in the stream, else in the buffer "out", which grows.
   Returns 0 or -errno. */
static int spill(struct context *c, size_t size)
{
	size_t room, least = ROOM_FOR(c->size + size);
	bool ours = c->at == c->out.data + FRAME_START;
	unsigned char *to = NULL;
	int r;

	if (c->outstream != NULL && !ours && least >= SLOT_LARGE)
		to = outstream_place_large(c->outstream, least, &room);
	if (to != NULL) {
		move(c, to, room);
		return 0;
	}
	r = buf_reserve(&c->out, FRAME_START + least);
	if (r == 0 && !ours)
		leave_place(c);
	if (r == 0)
		go_to_buffer(c, ours);
	return r;
}

bool context_fill_many(struct context *c, const void *inputs, size_t n,
    unsigned char *outputs)
{
	reset(c);
	return end(c, c->plan->hooks.process_many(&c->public, inputs, n,
	    outputs)) == 0;
}

static RARELY bool no_element(struct context *c)
{
	vm_fail(&c->public, EINVAL, "The output has %zu bytes; an element of "
	    "the array has %zu.", c->size, c->plan->element);
	return false;
}

unsigned char *context_tell(struct context *c, size_t *length)
{
	static _Alignas(16) unsigned char room[16 + CONTEXT_FAILURE_ROOM];

	leave_place(c);
	*length = context_failure(c, FRAME_FAILURE, room + FRAME_START);
	return room + FRAME_START;
}

/* Completes the OUTPUT frame. */
static inline unsigned char *end_output(struct context *c, size_t *length)
{
	unsigned char *at = c->at;
	const size_t size = c->size;

	*length = frame_length(size);
	frame_head(at, FRAME_OUTPUT, size);
	frame_pad(at, size);
	return at;
}

/* Writes the times of the attempt before its output. */
static RARELY void put_times(struct context *c)
{
	const struct frame_times t = {
		.wall_ns = sys_now() - c->started_at,
		.cpu_ns = sys_cpu() - c->started_cpu,
	};

	memcpy(c->at + FRAME_HEAD, &t, sizeof t);
}

/* Completes the frame of an item that has failed, or may have, or whose frame
   has more in it than the output, or no place yet. */
ASIDE static unsigned char *end_with_care(struct context *c, size_t *length)
{
	size_t element = c->plan->element;
	bool ok = !c->failed &&
	    (element == 0 || c->size == element || no_element(c));

	if (ok && c->at == NULL && spill(c, 0) < 0)
		no_room(c, ENOMEM, 0);
	if (c->failed)
		return context_tell(c, length);
	if (c->lead > 0)
		put_times(c);
	return end_output(c, length);
}

int context_process(struct context *c, const void *input, size_t size)
{
	unsigned char *at = NULL;
	size_t bytes = 0;
	int r;

	reset(c);
	c->size = c->lead = c->plan->lead;
	if (c->outstream != NULL)
		at = outstream_place(c->outstream, &bytes);
	place(c, at, bytes);
	c->in_process = true;
	c->plain = c->at != NULL;
	r = c->process(&c->public, input, size);
	c->in_process = c->plain = false;
	return r;
}

unsigned char *context_result(struct context *c, int r, size_t *length)
{
	if (end(c, r) < 0 || c->plan->element > 0 || c->lead > 0 ||
	    c->at == NULL)
		return end_with_care(c, length);
	return end_output(c, length);
}

void context_begin_row(struct context *c, const struct frame_chunk *chunk,
    size_t element)
{
	reset(c);
	context_begin_chunk(c, chunk);
	c->room = element;
	c->in_process = c->plain = true;
}

void context_end_row(struct context *c)
{
	c->in_process = c->plain = false;
}

/* Moves an output out of its place in an array, where no frame has room. */
static void move_out(struct context *c)
{
	if (buf_reserve(&c->out, FRAME_START + ROOM_FOR(c->size)) < 0)
		no_room(c, ENOMEM, c->size);
	else
		go_to_buffer(c, false);
}

unsigned char *context_apart(struct context *c, int r, unsigned char *place,
    size_t element, size_t *length)
{
	bool ok = end(c, r) == 0;

	if (ok && c->size == element) {
		/* A larger vm_reserve() may have moved the frame elsewhere. */
		memmove(place, c->at + FRAME_HEAD, element);
		outstream_give_back(c->outstream, 0);
		return NULL;
	}
	if (ok && c->plan->element > 0)
		ok = no_element(c);
	if (ok && c->at == place - FRAME_HEAD)
		move_out(c);
	return c->failed ? context_tell(c, length) : end_output(c, length);
}

unsigned char *context_teardown(struct context *c, size_t *length)
{
	reset(c);
	if (c->noted)
		context_note(c);
	/* There is room for an empty output. */
	place(c, c->out.data + FRAME_START, c->out.cap - FRAME_START);
	c->in_process = c->plan->tell_teardowns;
	if (c->plan->hooks.teardown != NULL)
		c->plan->hooks.teardown(&c->public);
	c->in_process = c->plain = false;
	if (c->failed)
		return context_tell(c, length);
	return c->plan->tell_teardowns && c->plan->hooks.teardown != NULL ?
	    end_output(c, length) : NULL;
}

enum frame_again context_again(const struct context *c)
{
	if (c->for_good)
		return FRAME_AGAIN_NEVER;
	return c->has_pause ? FRAME_AGAIN_AFTER : FRAME_AGAIN;
}

size_t context_failure(const struct context *c, enum frame_kind kind,
    unsigned char *at)
{
	struct frame_failure f = {
		.code = c->code,
		.cause = (uint32_t)c->cause,
		.message_size = (uint32_t)strlen(c->message),
		.tail_size = -1,
		.again = context_again(c),
		.after_ms = c->pause_ms,
	};
	unsigned char *text = at + FRAME_HEAD + sizeof f;
	size_t size = sizeof f + f.message_size, length;

	memcpy(text, c->message, f.message_size);
	if (c->capture.fd >= 0) {
		text[f.message_size] = '\0';
		f.tail_size = (int32_t)capture_read(c->capture.fd,
		    c->capture.from, (char *)text + f.message_size + 1);
		size += 1 + (size_t)f.tail_size;
	}
	if (c->started_at != 0) {
		f.wall_ns = sys_now() - c->started_at;
		f.cpu_ns = sys_cpu() - c->started_cpu;
	}
	length = frame_length(size);
	frame_head(at, kind, size);
	memcpy(at + FRAME_HEAD, &f, sizeof f);
	memset(at + FRAME_HEAD + size, 0, length - FRAME_HEAD - size);
	return length;
}

/* ---- the public functions ---- */

/* Would more bytes make the output too large? */
static inline bool is_too_big(const struct context *c, size_t more)
{
	return more > c->plan->max_item - (c->size - c->lead);
}

/* Returns a pointer to room behind the output so far, or NULL with errno set;
   then the item has failed. */
static unsigned char *reserve(struct context *c, size_t size)
{
	int r = 0;

	c->reserved = 0;
	if (is_too_big(c, size))
		r = -EFBIG;
	else if (c->at == NULL || size > c->room - c->size)
		r = spill(c, size);
	if (r < 0) {
		no_room(c, -r, size);
		return NULL;
	}
	return c->at + FRAME_HEAD + c->size;
}

/* Sets "plain" where no bytes are reserved. */
static void set_plain(struct context *c)
{
	c->plain = c->at != NULL && !c->failed && !c->has_pause;
}

void *vm_reserve(struct vm_context *me, size_t size)
{
	struct context *c = me ? around(me) : NULL;
	void *to;

	if (c == NULL || !c->in_process) {
		errno = EINVAL;
		return NULL;
	}
	to = reserve(c, size);
	if (to == NULL)
		return NULL;
	c->reserved = size;
	c->plain = false;
	if (c->outstream != NULL)
		outstream_reserve(c->outstream, c->at, c->size + size);
	return to;
}

int vm_commit(struct vm_context *me, size_t size)
{
	struct context *c = me ? around(me) : NULL;

	if (c == NULL || !c->in_process || size > c->reserved) {
		errno = EINVAL;
		return -1;
	}
	c->size += size;
	c->reserved = 0;
	set_plain(c);
	return 0;
}

/* As vm_output(), where that may fail or must make room. */
ASIDE static int output(struct context *c, const void *data, size_t size)
{
	unsigned char *to;

	if (c == NULL || !c->in_process || (data == NULL && size > 0)) {
		errno = EINVAL;
		return -1;
	}
	to = reserve(c, size);
	if (to == NULL)
		return -1;
	buf_copy(to, data, size);
	c->size += size;
	set_plain(c);
	return 0;
}

int vm_output(struct vm_context *me, const void *data, size_t size)
{
	struct context *c = me ? around(me) : NULL;
	size_t had;

	if (c == NULL || !c->plain || data == NULL || size > c->room - c->size)
		return output(c, data, size);
	had = c->size;
	c->size = had + size;
	buf_copy(c->at + FRAME_HEAD + had, data, size);
	return 0;
}

void vm_alive(struct vm_context *me)
{
	const struct context *c = me ? around(me) : NULL;

	if (c != NULL && c->in_process && c->outstream != NULL)
		slot_live(c->outstream->slot);
}

int vm_has_failed(const struct vm_context *me)
{
	return me != NULL && CONTAINER_OF(me, const struct context,
	    public)->failed;
}

int vm_vfail(struct vm_context *me, int code, const char *format, va_list ap)
{
	struct context *c = me ? around(me) : NULL;

	if (c == NULL)
		return -1;
	c->failed = true;
	c->plain = c->for_good = false;
	c->code = code;
	c->cause = VM_FAILED;
	if (format == NULL)
		c->message[0] = '\0';
	else
		cut_print(c->message, sizeof c->message, format, ap);
	return -1;
}

int vm_fail(struct vm_context *me, int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vm_vfail(me, code, format, ap);
	va_end(ap);
	return -1;
}

int vm_fail_for_good(struct vm_context *me, int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vm_vfail(me, code, format, ap);
	va_end(ap);
	if (me != NULL)
		around(me)->for_good = true;
	return -1;
}

int vm_retry_after(struct vm_context *me, int ms)
{
	struct context *c = me ? around(me) : NULL;

	if (c == NULL || !c->in_process || ms < 0) {
		errno = EINVAL;
		return -1;
	}
	c->has_pause = true;
	c->plain = false;
	c->pause_ms = (uint32_t)ms;
	return 0;
}
