/* tasks.c - see tasks.h: the chunks that a link has been given. */
#include "config.h"

#include "link/tasks.h"

#include <errno.h>

#include "items/chunk.h"

static struct task *at(struct tasks *t, uint32_t ordinal)
{
	return &t->ring[ordinal % SLOT_LEASES];
}

struct task *tasks_add(struct tasks *t, const struct frame_chunk *c)
{
	struct task *new = at(t, t->last);

	if (c->ordinal != t->last || t->last - t->first == SLOT_LEASES)
		return NULL;
	*new = (struct task){ .chunk = *c, .taken = c->first,
		.shipped = c->first };
	buf_init(&new->items, SIZE_MAX / 4);
	t->last++;
	return new;
}

struct task *tasks_first(struct tasks *t)
{
	return t->first == t->last ? NULL : at(t, t->first);
}

int tasks_receive(struct tasks *t, const struct frame *f)
{
	struct task *of = tasks_newest(t);

	if (of == NULL || tasks_is_whole(of))
		return -EPROTO;
	if (buf_append(&of->items, f->body - FRAME_HEAD, f->length) < 0)
		return -ENOMEM;
	of->received++;
	return 0;
}

bool tasks_next(struct task *t, struct frame *f)
{
	if (t->chunk.where == CHUNK_INHERITED) {
		*f = (struct frame){ .body = t->at,
			.size = (size_t)t->chunk.size };
		t->at += t->chunk.size;
	} else if (t->chunk.where != CHUNK_PACKED) {
		frame_look(t->at, f);
		t->at += f->length;
	} else if (t->items_at == t->items.len) {
		return false;
	} else {
		frame_look(t->items.data + t->items_at, f);
		t->items_at += f->length;
	}
	return true;
}

bool tasks_is_over(const struct task *t)
{
	return tasks_is_whole(t) && (t->over ||
	    t->shipped == t->chunk.first + t->chunk.count);
}

bool tasks_is_whole(const struct task *t)
{
	return t->chunk.where != CHUNK_PACKED || t->received == t->chunk.count;
}

struct task *tasks_newest(struct tasks *t)
{
	return t->first == t->last ? NULL : at(t, t->last - 1);
}

void tasks_ship(struct tasks *t, struct task *of)
{
	of->shipped++;
	t->shipped++;
}

uint64_t tasks_in_flight(const struct tasks *t)
{
	return t->shipped - t->answered;
}

void tasks_drop(struct tasks *t)
{
	buf_release(&at(t, t->first++)->items);
}
