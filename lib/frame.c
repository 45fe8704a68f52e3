/* frame.c - see frame.h: the writer and the reader of one message. */
#include "config.h"

#include "frame.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base.h"

_Static_assert(sizeof(struct frame_top) == FRAME_HEAD, "it has 8 bytes");

void frame_head(unsigned char *at, enum frame_kind kind, size_t body_size)
{
	const struct frame_top h = {
		.kind = (uint8_t)kind,
		.size_high = (uint16_t)((uint64_t)body_size >> 32),
		.size_low = (uint32_t)body_size,
	};

	assert(body_size <= FRAME_MAX);
	memcpy(at, &h, sizeof h);
}

void frame_write(unsigned char *at, enum frame_kind kind, const void *body,
    size_t size)
{
	frame_head(at, kind, size);
	if (size > 0)
		memcpy(at + FRAME_HEAD, body, size);
	memset(at + FRAME_HEAD + size, 0,
	    frame_length(size) - FRAME_HEAD - size);
}

int frame_read(unsigned char *at, size_t have, size_t max, struct frame *f)
{
	struct frame_top h;
	uint64_t size;

	f->length = 0;
	if (have < sizeof h)
		return 0;
	memcpy(&h, at, sizeof h);
	size = (uint64_t)h.size_high << 32 | h.size_low;
	if (h.zero != 0 || h.kind == 0 || h.kind >= FRAME_KINDS ||
	    size > max || size > FRAME_MAX) {
		at[0] = 0;	/* still ends the body before it */
		return -EPROTO;
	}
	frame_look(at, f);
	return have >= f->length;
}

int frame_body(const struct frame *f, void *to, size_t size)
{
	if (f->size != size)
		return -EPROTO;
	memcpy(to, f->body, size);
	return 0;
}

int frame_failure(const unsigned char *body, size_t size, struct failure *f)
{
	size_t room;

	if (size < sizeof f->head)
		return -EPROTO;
	memcpy(&f->head, body, sizeof f->head);
	room = size - sizeof f->head;
	f->message = (const char *)body + sizeof f->head;
	f->tail = NULL;
	if (f->head.message_size > room)
		return -EPROTO;
	room -= f->head.message_size;
	if (f->head.tail_size == -1)
		return room == 0 ? 0 : -EPROTO;
	if (f->head.tail_size < 0 || room == 0 ||
	    (size_t)f->head.tail_size != room - 1 ||
	    f->message[f->head.message_size] != '\0')
		return -EPROTO;
	f->tail = f->message + f->head.message_size + 1;
	return 0;
}
