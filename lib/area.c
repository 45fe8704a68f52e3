/* area.c - see area.h: room in shared pages, given out in turn. */
#include "config.h"

#include "area.h"

#include <assert.h>
#include <stdlib.h>

void area_init(struct area *a, size_t size)
{
	*a = (struct area){ .size = size };
}

bool area_place(size_t area, uint64_t held, uint64_t head, size_t size,
    uint64_t *at)
{
	size_t offset;

	if (size == 0 || size > area)
		return false;
	offset = (size_t)(head % area);
	*at = head;
	if (offset > 0 && (held == head || offset + size > area))
		*at += area - offset;
	return held == head || *at + size - held <= area;
}

bool area_has(const struct area *a, size_t size)
{
	uint64_t at;

	return area_place(a->size, area_held(a), a->head, size, &at);
}

struct region *area_take(struct area *a, size_t size)
{
	uint64_t at;

	if (!area_place(a->size, area_held(a), a->head, size, &at))
		return NULL;
	return area_take_at(a, at, size);
}

/* It begins at the head, or where the area begins the next time. */
bool area_allows(const struct area *a, uint64_t at, size_t size)
{
	uint64_t skipped = at - a->head;

	if (a->size == 0 || size > a->size || skipped >= a->size ||
	    (skipped > 0 && at % a->size != 0))
		return false;
	return at % a->size + size <= a->size &&
	    (a->first == NULL || at + size - a->first->from <= a->size);
}

struct region *area_take_at(struct area *a, uint64_t at, size_t size)
{
	struct region *r = malloc(sizeof *r);

	if (r == NULL)
		return NULL;
	*r = (struct region){ .area = a, .from = at, .to = at + size };
	a->head = r->to;
	if (a->first == NULL)
		a->first = r;
	else
		a->last->next = r;
	a->last = r;
	return r;
}

void area_pass(struct area *a, uint64_t at, size_t size)
{
	a->head = at + size;
}

size_t region_offset(const struct region *r)
{
	return (size_t)(r->from % r->area->size);
}

void region_drop(struct region *r)
{
	struct area *a;

	if (r == NULL)
		return;
	assert(!r->back);
	r->back = true;
	a = r->area;
	while (a->first != NULL && a->first->back) {
		r = a->first;
		a->first = r->next;
		free(r);
	}
}
