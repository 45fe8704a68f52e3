/* area.c - see area.h: room in shared pages, given out in turn. */
#include "config.h"

#include "area.h"

#include <assert.h>
#include <stdlib.h>

void area_init(struct area *a, size_t size)
{
	*a = (struct area){ .size = size };
}

/* Where a region of that size would begin: at the head, or where the area
   begins again if it would not end before. */
static uint64_t place(const struct area *a, size_t size)
{
	size_t offset = (size_t)(a->head % a->size);

	return offset + size <= a->size ? a->head : a->head - offset + a->size;
}

bool area_has(const struct area *a, size_t size)
{
	if (size == 0 || size > a->size)
		return false;
	return a->first == NULL ||
	    place(a, size) + size - a->first->from <= a->size;
}

struct region *area_take(struct area *a, size_t size)
{
	struct region *r = area_has(a, size) ? malloc(sizeof *r) : NULL;

	if (r == NULL)
		return NULL;
	*r = (struct region){ .area = a, .from = place(a, size) };
	r->to = a->head = r->from + size;
	if (a->first == NULL)
		a->first = r;
	else
		a->last->next = r;
	a->last = r;
	return r;
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
