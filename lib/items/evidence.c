/* evidence.c - see evidence.h: texts about a dead worker. */
#include "config.h"

#include "items/evidence.h"

#include <stdlib.h>

struct evidence *evidence_new(size_t traceback_room, size_t tail_room)
{
	size_t size = sizeof(struct evidence) + traceback_room + tail_room +
	    2;
	struct evidence *e = NULL;

	if (traceback_room > 0 || tail_room > 0)
		e = calloc(1, size);
	if (e == NULL)
		return NULL;
	e->size = size;
	e->traceback = traceback_room > 0 ? e->text : NULL;
	e->tail = tail_room > 0 ? e->text + traceback_room + 1 : NULL;
	return e;
}

void evidence_free(struct evidence *e)
{
	free(e);
}
