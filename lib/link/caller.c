/* caller.c - see caller.h: the caller as a link sees it. */
#include "config.h"

#include "link/caller.h"

#include <string.h>

#include "os/sys.h"
#include "wire/far.h"

int caller_open(struct caller *c, const struct worker_life *life,
    void (*full)(void))
{
	int r = sys_nonblock(life->tasks);

	if (r == 0)
		r = sys_nonblock(life->results);
	channel_open(&c->tasks, life->tasks, -1);
	outstream_init(&c->stream, slots_get(&life->slots, life->which),
	    &life->slots, life->results);
	c->stream.full = full;
	return r;
}

int caller_tell(struct caller *c, enum frame_kind kind, const void *body,
    size_t size)
{
	_Alignas(16) unsigned char frame[FRAME_HEAD +
	    sizeof(struct frame_end) + 16];

	frame_write(frame, kind, body, size);
	return outstream_put(&c->stream, frame, frame_length(size));
}

int caller_tell_failure(struct caller *c, enum frame_kind kind, int code,
    const char *text, size_t size)
{
	_Alignas(16) unsigned char frame[FRAME_HEAD +
	    sizeof(struct frame_failure) + CALLER_TEXT + 16];
	size_t length = far_write_failure(frame, kind, code, text, size);
	int r = outstream_put(&c->stream, frame, length);

	return r < 0 ? r : caller_flush(c);
}

int caller_pass_on(struct caller *c, unsigned char *frame, size_t length)
{
	struct frame f;
	size_t room;
	unsigned char *at = NULL;

	frame_look(frame, &f);
	if (f.kind == FRAME_OUTPUT && f.size >= SLOT_LARGE &&
	    c->stream.payload > 0)
		at = outstream_place_large(&c->stream, length, &room);
	if (at != NULL)
		memcpy(at, frame, length);
	return outstream_add(&c->stream, at ? at : frame, length);
}

int caller_flush(struct caller *c)
{
	return outstream_flush(&c->stream);
}
