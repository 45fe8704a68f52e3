/*
 * filled.c - see filled.h: outputs in arrays in shared memory.
 *
 * Runs in: caller.  The worker can write to an array at any time, so each
 * output is copied once, when it counts as done, and only the copy is used.
 *
 * Easy to get wrong: the items before the item begun last are done only as far
 * as no frame about them is unread.
 */
#include "config.h"

#include "engine/filled.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "engine/answer.h"
#include "engine/engine.h"
#include "shm/slots.h"

/* Copies n elements to the caller's array, and counts their items as taken. */
static void to_array(struct engine *e, const unsigned char *from,
    struct span *done)
{
	const size_t size = done->count * e->crew.element;

	memcpy(e->array + (done->chunk->index + done->first) *
	    e->crew.element, from, size);
	e->tally.answered += done->count;
	e->tally.output_bytes += size;
	e->results.taken += done->count;
	window_move(&e->window, done, SPAN_ANSWERED);
	window_taken(&e->window, done, done->count);
	window_free(&e->window, done);
}

/* Copies n elements to a buffer, as frames.  Inline, for a size known to the
   compiler. */
static inline void write_frames(unsigned char *to, const unsigned char *from,
    uint32_t n, size_t size, size_t step)
{
	for (uint32_t i = 0; i < n; i++)
		frame_write(to + i * frame_length(size), FRAME_OUTPUT,
		    from + i * step, size);
}

static void to_results(struct engine *e, const unsigned char *from,
    const struct span *of, struct span *done)
{
	unsigned char *to = done->rxbuf->data + FRAME_START;

	if (of->element == 8)
		write_frames(to, from, done->count, 8, 8);
	else
		write_frames(to, from, done->count, of->element, of->step);
	done->output_at = FRAME_START;
	done->bytes = done->count * frame_length(of->element);
	done->alike = done->ended = true;
	done->rxbuf->len = FRAME_START + done->bytes;
	done->rxbuf->data[done->rxbuf->len] = 0;
	answer_span(e, done);
}

/* Returns an empty span, with a buffer for n outputs of a span as results, or
   NULL without memory. */
static struct span *room_for(struct engine *e, const struct span *of,
    uint32_t n)
{
	struct span *s = span_new(of->chunk->freelist);

	if (s == NULL || !of->in_slot)
		return s;
	s->rxbuf = rxbuf_new(&e->crew.rxlist, FRAME_START +
	    n * frame_length(of->element));
	if (s->rxbuf == NULL) {
		span_free(s);
		return NULL;
	}
	return s;
}

int filled_take(struct engine *e, struct member *m, uint32_t next)
{
	struct span *of = m->sent, *done;
	const unsigned char *from;
	uint32_t n;

	if (of == NULL || of->outputs == NULL || next < of->first ||
	    next > of->limit || next > of->first + of->count)
		return -EPROTO;
	n = next - of->first;
	if (n == 0)
		return 0;
	done = room_for(e, of, n);
	if (done == NULL)
		return -ENOMEM;
	from = (of->in_slot ? slot_arrays(m->slot) : m->outputs_at) +
	    span_output_offset(of, of->first);
	span_move_first(done, of, n);
	done->outcome.pid = m->pid;
	m->finished += n;
	if (of->in_slot)
		to_results(e, from, of, done);
	else
		to_array(e, from, done);
	return 0;
}

struct filled filled_look(const struct member *m)
{
	const struct span *s = m->sent;

	if (s == NULL || s->outputs == NULL || !s->in_slot)
		return (struct filled){ 0 };
	return (struct filled){
		.ordinal = s->ordinal,
		.next = slot_done(m->slot, s->ordinal, s->limit, false),
	};
}

int filled_take_early(struct engine *e, struct member *m, struct filled f)
{
	const struct span *s = m->sent;
	uint32_t next;
	int r;

	if (s == NULL || s->outputs == NULL || s->ordinal != f.ordinal ||
	    f.next <= s->first || !member_is_ready(m) || m->unsettled ||
	    !slot_is_read(m->slot, channel_boundary(&m->channel)) ||
	    slot_begun(m->slot, s->ordinal, s->limit, &next) < 0 ||
	    f.next > next)
		return 0;
	r = filled_take(e, m, f.next);
	if (r < 0)
		return r;
	/* They count as bytes read: the worker may be at none of its items
	   left, and is not garbled then. */
	m->watched_from = NEVER;
	return 1;
}

int filled_take_rest(struct engine *e, struct member *m)
{
	const struct span *s = m->sent;
	uint32_t next, finished;

	if (s == NULL || s->outputs == NULL || m->blame == VM_GARBLED ||
	    slot_begun(m->slot, s->ordinal, s->limit, &next) < 0)
		return 0;
	finished = slot_done(m->slot, s->ordinal, s->limit,
	    !s->in_slot && e->set.plan.hooks.process_many != NULL);
	if (finished <= s->first || finished > next)
		return 0;
	return filled_take(e, m, finished) == -ENOMEM ? -ENOMEM : 0;
}
