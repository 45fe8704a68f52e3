/* frame.c - see frame.h: reads the bodies of frames. */
#include "config.h"

#include "wire/frame.h"

#include <errno.h>
#include <string.h>

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
