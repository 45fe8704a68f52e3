/* arena.c - see arena.h: regions of shared memory, given out in turn. */
#include "config.h"

#include "shm/arena.h"

#include <assert.h>
#include <stdlib.h>

/* The part of an area that is used in any case, before its begin is used
   again. */
#define PART 8

void arena_init(struct arena *a, size_t size)
{
	*a = (struct arena){ .size = size };
}

/* Is it better to begin again at the position "begin" than to go on?  Then it
   has room for the region, and for as much again as is taken now. */
static bool comes_again(size_t area, uint64_t held, uint64_t head, size_t size,
    uint64_t begin)
{
	return begin - head <= area - area / PART &&
	    begin + size + (head - held) - held <= area;
}

bool arena_place(size_t area, uint64_t held, uint64_t head, size_t size,
    uint64_t *at)
{
	uint64_t begin;
	size_t offset;

	if (size == 0 || size > area)
		return false;
	offset = (size_t)(head % area);
	begin = head + area - offset;
	*at = head;
	if (offset > 0 && (held == head || offset + size > area ||
	    comes_again(area, held, head, size, begin)))
		*at = begin;
	return held == head || *at + size - held <= area;
}

bool arena_has(const struct arena *a, size_t size)
{
	uint64_t at;

	return arena_place(a->size, arena_held(a), a->head, size, &at);
}

struct region *arena_take(struct arena *a, size_t size)
{
	uint64_t at;

	if (!arena_place(a->size, arena_held(a), a->head, size, &at))
		return NULL;
	return arena_take_at(a, at, size);
}

/* The worker places a region at the head, or at the next begin of the area. */
bool arena_allows(const struct arena *a, uint64_t at, size_t size)
{
	uint64_t skipped = at - a->head;

	if (a->size == 0 || size > a->size || skipped >= a->size ||
	    (skipped > 0 && at % a->size != 0))
		return false;
	return at % a->size + size <= a->size &&
	    (a->first == NULL || at + size - a->first->from <= a->size);
}

struct region *arena_take_at(struct arena *a, uint64_t at, size_t size)
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

void arena_pass(struct arena *a, uint64_t at, size_t size)
{
	a->head = at + size;
}

size_t region_offset(const struct region *r)
{
	return (size_t)(r->from % r->area->size);
}

void region_drop(struct region *r)
{
	struct arena *a;

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
