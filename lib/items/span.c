/* span.c - see span.h: consecutive items in the same state. */
#include "config.h"

#include "items/span.h"

#include <assert.h>
#include <string.h>

#include "items/freelist.h"

/* Arrays of outputs do not share cache lines of this size. */
#define LINE 64
/* The part of a placed input that counts as load.  A worker so has two inputs
   of 128 KiB or more at a time, which stay in the caches of the CPUs. */
#define PLACED_PART 4

_Static_assert((FRAME_HEAD + sizeof(struct frame_chunk) + 15) / 16 * 16 ==
    sizeof((struct span *)0)->head, "a CHUNK frame fits");

struct span *span_new(struct freelist *freelist)
{
	struct span *s = freelist_take_span(freelist);

	if (s != NULL)
		*s = (struct span){ .worker_index = -1,
			.outcome = { .exit_status = -1 } };
	return s;
}

struct span *span_set(struct span *s, struct chunk *c, uint32_t first,
    uint32_t count, size_t at)
{
	assert(s->chunk == NULL);
	s->chunk = chunk_hold(c);
	s->first = first;
	s->count = count;
	s->at = at;
	return s;
}

void span_copy_inputs(struct span *s, struct arena *area, unsigned char *half,
    size_t offset)
{
	const size_t size = FRAME_START + s->sent_bytes + 1;

	if (s->chunk->where != CHUNK_PACKED || s->count == 1 ||
	    s->sent_bytes < SLOT_COPY_LEAST || s->sent_bytes > SLOT_COPY_MOST)
		return;
	s->copy = arena_take(area, (size + LINE - 1) / LINE * LINE);
	if (s->copy == NULL)
		return;
	s->copy_at = offset + region_offset(s->copy) + FRAME_START;
	memcpy(half + s->copy_at, s->chunk->items.data + s->at,
	    s->sent_bytes + 1);
}

void span_place_outputs(struct span *s, struct arena *area, size_t element,
    size_t step)
{
	size_t size = FRAME_HEAD + step * s->count;

	s->element = element;
	s->step = step;
	s->outputs = arena_take(area, (size + LINE - 1) / LINE * LINE);
	s->outputs_first = s->first;
}

void span_displace(struct span *s)
{
	region_drop(s->outputs);
	region_drop(s->copy);
	s->outputs = s->copy = NULL;
}

static size_t bytes_of(const struct region *r)
{
	return r != NULL ? (size_t)(r->to - r->from) : 0;
}

size_t span_load(const struct span *s)
{
	const size_t placed = s->in_place ? bytes_of(s->chunk->region) : 0;

	return s->sent_bytes + placed / PLACED_PART +
	    (s->in_slot ? 0 : bytes_of(s->outputs));
}

size_t span_output_offset(const struct span *s, uint32_t item)
{
	return region_offset(s->outputs) + FRAME_HEAD +
	    (item - s->outputs_first) * s->step;
}

void span_free(struct span *s)
{
	struct freelist *freelist;

	if (s == NULL)
		return;
	freelist = s->chunk ? s->chunk->freelist : NULL;
	chunk_drop(s->chunk);
	span_displace(s);
	rxbuf_drop(s->rxbuf);
	region_drop(s->region);
	evidence_free(s->evidence);
	freelist_put_span(freelist, s);
}

uint64_t span_seq(const struct span *s)
{
	return s->chunk->seq + s->first;
}

bool span_is_kept(const struct span *s)
{
	return !s->report || s->sent_count > 1;
}

bool span_is_suspect(const struct span *s)
{
	return s->suspicion > 0 || s->alone;
}

void span_advance(struct span *s, uint32_t items)
{
	assert(items <= s->count);
	s->at = chunk_skip(s->chunk, s->at, items);
	s->first += items;
	s->count -= items;
}

void span_move_first(struct span *to, struct span *from, uint32_t items)
{
	span_set(to, from->chunk, from->first, items, from->at);
	to->attempt = from->attempt;
	to->worker_index = from->worker_index;
	to->host = from->host;
	to->losses = from->losses;
	span_advance(from, items);
}

struct span *span_cut(struct span *s, uint32_t from)
{
	uint32_t stay = from - s->first;
	struct span *rest = span_new(s->chunk->freelist);

	assert(from >= s->first && stay <= s->count);
	if (rest == NULL)
		return NULL;
	span_set(rest, s->chunk, from, s->count - stay,
	    chunk_skip(s->chunk, s->at, stay));
	rest->attempt = s->attempt;
	rest->worker_index = s->worker_index;
	rest->host = s->host;
	rest->losses = s->losses;
	s->count = stay;
	return rest;
}

/* Returns the address or offset at which the worker finds the first item, if it
   need not be sent; else 0. */
static uint64_t whereabouts(const struct span *s)
{
	if (s->chunk->where == CHUNK_INHERITED)
		return (uintptr_t)s->chunk->array + s->at;
	if (s->copy != NULL)
		return s->copy_at;
	return s->in_place ? region_offset(s->chunk->region) +
	    chunk_head(s->chunk, s->at)->at : 0;
}

void span_write_head(struct span *s)
{
	const enum chunk_where where = s->in_place || s->copy != NULL ?
	    CHUNK_PLACED : s->chunk->where == CHUNK_PLACED ? CHUNK_PACKED :
	    s->chunk->where;
	bool in_slot = s->outputs != NULL && s->in_slot;
	const struct frame_chunk c = {
		.index = s->chunk->index + s->first,
		.seq = span_seq(s) + s->chunk->skipped,
		.ordinal = s->ordinal,
		.first = s->first,
		.count = s->count,
		.attempt = (uint32_t)s->attempt,
		.stride = s->stride,
		.report = s->report,
		.awaited = s->awaited,
		.where = (uint16_t)where,
		.at = whereabouts(s),
		.size = s->chunk->each,
		.outputs = s->outputs ? region_offset(s->outputs) :
		    FRAME_NOWHERE,
		.element = in_slot ? (uint32_t)s->element : 0,
		.step = in_slot ? (uint32_t)s->step : 0,
	};

	frame_write(s->head, FRAME_CHUNK, &c, sizeof c);
}

size_t span_parts(const struct span *s)
{
	if (s->chunk->where == CHUNK_PLACED && !s->in_place)
		return 1 + 2 * (size_t)s->count;
	return s->chunk->where == CHUNK_PACKED && s->copy == NULL ? 2 : 1;
}

/* Queues items placed in shared memory of another worker, with the caller's own
   copies of their heads: that worker is not trusted. */
static void send_placed(const struct span *s, struct channel *to)
{
	const struct chunk *c = s->chunk;

	for (size_t i = s->at; i < s->at + s->count; i++) {
		const struct chunk_head *h = chunk_head(c, i);

		channel_send(to, h->head, FRAME_HEAD);
		channel_send(to, c->items.data + h->at + FRAME_HEAD,
		    chunk_bytes(c, i, 1) - FRAME_HEAD);
	}
}

void span_send(struct span *s, struct channel *to)
{
	const struct chunk *c = s->chunk;

	channel_send(to, s->head, sizeof s->head);
	if (c->where == CHUNK_PLACED && !s->in_place)
		send_placed(s, to);
	if (c->where == CHUNK_PACKED && s->copy == NULL)
		channel_send(to, c->items.data + s->at, s->sent_bytes);
}
