/* outbox.c - see outbox.h: frames that wait to be written. */
#include "config.h"

#include "wire/outbox.h"

#include <errno.h>
#include <string.h>

#include "os/sys.h"

void outbox_init(struct outbox *o)
{
	*o = (struct outbox){ .total = 0 };
	buf_init(&o->frames, SIZE_MAX / 4);
}

void *outbox_add(struct outbox *o, size_t size)
{
	if (buf_reserve(&o->frames, size) < 0)
		return NULL;
	o->frames.len += size;
	return o->frames.data + o->frames.len - size;
}

int outbox_tell(struct outbox *o, enum frame_kind kind, const void *body,
    size_t size)
{
	unsigned char *at = outbox_add(o, frame_length(size));

	if (at == NULL)
		return -ENOMEM;
	frame_write(at, kind, body, size);
	return 0;
}

/* Moves no byte more often than twice, and keeps the buffer small. */
static void compact(struct outbox *o)
{
	const size_t left = outbox_left(o);

	if (o->written < left)
		return;
	memmove(o->frames.data, o->frames.data + o->written, left);
	o->frames.len = left;
	o->written = 0;
}

ssize_t outbox_write(struct outbox *o, int fd)
{
	ssize_t n = sys_write(fd, o->frames.data + o->written, outbox_left(o));

	if (n < 0)
		return n;
	o->written += (size_t)n;
	o->total += (uint64_t)n;
	compact(o);
	return n;
}
