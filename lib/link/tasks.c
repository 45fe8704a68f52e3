/* tasks.c - see tasks.h: the chunks that a link has been given. */
#include "config.h"

#include "link/tasks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
		.shipped = c->first, .answered = c->first };
	buf_init(&new->items, SIZE_MAX / 4);
	t->last++;
	return new;
}

struct task *tasks_first(struct tasks *t)
{
	return t->first == t->last ? NULL : at(t, t->first);
}

struct task *tasks_shipping(struct tasks *t)
{
	return t->shipping == t->last ? NULL : at(t, t->shipping);
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

void tasks_close(struct tasks *t)
{
	at(t, t->shipping++)->closed = true;
}

struct task *tasks_find(struct tasks *t, uint32_t ordinal, uint32_t number)
{
	struct task *of = at(t, ordinal);

	if (ordinal - t->first >= t->last - t->first ||
	    number < of->answered || number >= of->shipped)
		return NULL;
	if (of->early != NULL && of->early[number - of->chunk.first] != NULL)
		return NULL;
	return of;
}

bool tasks_is_next(const struct tasks *t, const struct task *of,
    uint32_t number)
{
	return of == &t->ring[t->first % SLOT_LEASES] &&
	    number == of->answered;
}

int tasks_keep(struct tasks *t, struct task *of, uint32_t number,
    const struct frame *f)
{
	struct early *e;

	if (of->early == NULL)
		of->early = calloc(of->chunk.count, sizeof(struct early *));
	if (of->early == NULL)
		return -ENOMEM;
	e = malloc(sizeof *e + f->length);
	if (e == NULL)
		return -ENOMEM;
	e->length = f->length;
	memcpy(e->frame, f->body - FRAME_HEAD, f->length);
	of->early[number - of->chunk.first] = e;
	t->in_flight--;
	t->kept += sizeof *e + e->length;
	return 0;
}

struct early *tasks_take(struct tasks *t)
{
	struct task *of = tasks_first(t);
	struct early *e;

	if (of == NULL || of->early == NULL || of->answered == of->shipped)
		return NULL;
	e = of->early[of->answered - of->chunk.first];
	if (e == NULL)
		return NULL;
	of->early[of->answered - of->chunk.first] = NULL;
	/* tasks_answered() counts it once more. */
	t->in_flight++;
	t->kept -= sizeof *e + e->length;
	return e;
}

void tasks_answered(struct tasks *t)
{
	at(t, t->first)->answered++;
	t->in_flight--;
}

bool tasks_done(const struct tasks *t)
{
	const struct task *of = &t->ring[t->first % SLOT_LEASES];

	return t->first != t->last && of->closed &&
	    of->answered == of->shipped;
}

void tasks_drop(struct tasks *t)
{
	struct task *of = at(t, t->first++);

	free(of->early);
	of->early = NULL;
	buf_release(&of->items);
}
