/* cancels.c - see cancels.h: which items are to be cancelled. */
#include "config.h"

#include "engine/cancels.h"

#include <errno.h>
#include <stdlib.h>

#include "base/base.h"

bool cancels_lists(const struct cancels *c, uint64_t seq)
{
	size_t i = 0;

	while (i < c->count && c->list[i].seq != seq)
		i++;
	return i < c->count;
}

int cancels_add(struct cancels *c, uint64_t seq)
{
	size_t room = MAX(2 * c->room, 16);
	struct cancelled *more;

	if (cancels_lists(c, seq))
		return 0;
	if (c->count == c->room) {
		more = realloc(c->list, room * sizeof *more);
		if (more == NULL)
			return -ENOMEM;
		c->list = more;
		c->room = room;
	}
	c->list[c->count++] = (struct cancelled){ .seq = seq };
	return 0;
}

bool cancels_has(const struct cancels *c, uint64_t seq)
{
	return seq < c->until || cancels_lists(c, seq);
}

void cancels_back(struct cancels *c, uint64_t before, bool running)
{
	c->back = before;
	c->running |= running;
}

void cancels_release(struct cancels *c)
{
	free(c->list);
	c->list = NULL;
	c->count = c->room = 0;
}
