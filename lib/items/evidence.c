/* evidence.c - see evidence.h: texts about a dead worker. */
#include "config.h"

#include "items/evidence.h"

#include <stdlib.h>

struct evidence *evidence_new(size_t traceback_room, size_t tail_room,
    size_t host_room)
{
	size_t size = sizeof(struct evidence) + traceback_room + tail_room +
	    host_room + 3;
	struct evidence *e = NULL;
	char *at;

	if (traceback_room > 0 || tail_room > 0 || host_room > 0)
		e = calloc(1, size);
	if (e == NULL)
		return NULL;
	e->size = size;
	at = e->text;
	e->traceback = traceback_room > 0 ? at : NULL;
	at += traceback_room + 1;
	e->tail = tail_room > 0 ? at : NULL;
	at += tail_room + 1;
	e->host = host_room > 0 ? at : NULL;
	return e;
}

void evidence_free(struct evidence *e)
{
	free(e);
}
