/* arena.c - see arena.h: regions of a shared memory area. */
#include "config.h"

#include "shm/arena.h"

#include <assert.h>
#include <stdlib.h>

#include "base/base.h"

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
	return begin - head <= area - MIN(area / PART, ARENA_TURN) &&
	    begin + size + (head - held) - held <= area;
}

bool arena_place(size_t area, size_t near, uint64_t held, uint64_t head,
    size_t size, uint64_t *at)
{
	uint64_t begin;
	size_t offset;

	if (size == 0 || size > near)
		return false;
	offset = (size_t)(head % area);
	begin = head + area - offset;
	*at = head;
	if (offset > 0 && (held == head || offset + size > near ||
	    comes_again(area, held, head, size, begin)))
		*at = begin;
	return held == head || *at + size - held <= area;
}

/* Finds the first gap of size bytes: sets *at to its offset, and *before to the
   region before it, or NULL.  Returns false if there is none. */
static bool find_gap(const struct arena *a, size_t size, uint64_t *at,
    struct region **before)
{
	struct region *r = a->first;

	*at = 0;
	*before = NULL;
	if (size == 0 || size > a->size)
		return false;
	for (; r != NULL && r->from - *at < size; r = r->next) {
		*at = r->to;
		*before = r;
	}
	return r != NULL || a->size - *at >= size;
}

bool arena_has(const struct arena *a, size_t size)
{
	struct region *before;
	uint64_t at;

	return find_gap(a, size, &at, &before);
}

struct region *arena_take(struct arena *a, size_t size)
{
	struct region *r, *before, **link;
	uint64_t at;

	if (!find_gap(a, size, &at, &before))
		return NULL;
	r = malloc(sizeof *r);
	if (r == NULL)
		return NULL;
	link = before != NULL ? &before->next : &a->first;
	*r = (struct region){ .area = a, .from = at, .to = at + size,
		.next = *link };
	*link = r;
	a->reach = MAX(a->reach, (size_t)r->to);
	return r;
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

/* The head has come to the end of a placed region of that size. */
static void advance(struct arena *a, uint64_t at, size_t size)
{
	const size_t end = (size_t)(at % a->size) + size;

	a->head = at + size;
	a->reach = MAX(a->reach, end);
}

struct region *arena_take_at(struct arena *a, uint64_t at, size_t size)
{
	struct region *r = malloc(sizeof *r);

	if (r == NULL)
		return NULL;
	*r = (struct region){ .area = a, .from = at, .to = at + size,
		.placed = true };
	advance(a, at, size);
	if (a->first == NULL)
		a->first = r;
	else
		a->last->next = r;
	a->last = r;
	return r;
}

void arena_pass(struct arena *a, uint64_t at, size_t size)
{
	advance(a, at, size);
}

size_t region_offset(const struct region *r)
{
	return (size_t)(r->from % r->area->size);
}

/* Placed regions come back in turn, as their worker knows only where the taken
   part begins. */
static void drop_placed(struct region *r)
{
	struct arena *a = r->area;

	assert(!r->back);
	r->back = true;
	while (a->first != NULL && a->first->back) {
		r = a->first;
		a->first = r->next;
		free(r);
	}
}

void region_drop(struct region *r)
{
	struct region **p;

	if (r == NULL)
		return;
	if (r->placed) {
		drop_placed(r);
		return;
	}
	for (p = &r->area->first; *p != r; p = &(*p)->next)
		;
	*p = r->next;
	free(r);
}
