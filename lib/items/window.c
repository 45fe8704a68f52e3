/* window.c - see window.h: the chunks in flight, and the bounds. */
#include "config.h"

#include "items/window.h"

#include <assert.h>
#include <errno.h>

#include "base/base.h"

/* Items per worker that the bound in bytes has room for. */
#define ITEMS_AHEAD 4
/* The last chunk has 1/AVERAGED of the weight in an average size. */
#define AVERAGED 8

void window_init(struct window *w, size_t max_real, size_t max_total,
    size_t max_bytes)
{
	*w = (struct window){
		.max_real = max_real,
		.max_total = max_total,
		.max_bytes = max_bytes,
		.most_bytes = max_bytes,
		.usual_bytes = max_bytes,
		.least = 1,
	};
}

void window_limit(struct window *w, size_t max_real, size_t max_total)
{
	w->max_real = max_real;
	w->max_total = max_total;
}

/* Sets the bound for items of the average size. */
static void settle_bound(struct window *w)
{
	size_t items = ITEMS_AHEAD * w->least;
	size_t each = w->input_bytes + w->output_bytes;
	size_t wanted = each < w->most_bytes / items ? each * items :
	    w->most_bytes;

	w->max_bytes = MIN(w->most_bytes, MAX(w->usual_bytes, wanted));
}

void window_bound(struct window *w, size_t usual, size_t most, size_t least)
{
	w->usual_bytes = usual;
	w->most_bytes = most;
	w->least = MAX(least, 1);
	settle_bound(w);
}

/* Takes items of that many bytes together into an average size. */
static void average(struct window *w, size_t *size, size_t bytes,
    uint32_t items)
{
	size_t each;

	if (w->usual_bytes >= w->most_bytes)
		return;		/* the bound is the same for all sizes */
	each = bytes / MAX(items, 1);
	if (each > *size)
		*size += (each - *size + AVERAGED - 1) / AVERAGED;
	else
		*size -= (*size - each) / AVERAGED;
	settle_bound(w);
}

static void free_all(struct span *s)
{
	while (s != NULL) {
		struct span *next = s->next;

		span_free(s);
		s = next;
	}
}

void window_release(struct window *w)
{
	free_all(w->waiting);
	free_all(w->paused);
	w->waiting = w->near = w->paused = w->paused_end = NULL;
}

bool window_room(const struct window *w)
{
	return w->nchunks < w->least || (w->nchunks < w->max_total &&
	    w->bytes + w->result_bytes < w->max_bytes);
}

bool window_room_pushed(const struct window *w)
{
	return window_room(w) && (w->bytes < WINDOW_PUSHED ||
	    w->nwaiting < MAX(w->max_real, 1));
}

size_t window_bytes_left(const struct window *w)
{
	size_t used = w->bytes + w->result_bytes;

	return used < w->max_bytes ? w->max_bytes - used : 0;
}

bool window_may_send(const struct window *w)
{
	return w->nsent == 0 || w->nsent < w->max_real;
}

bool window_full_of_results(const struct window *w)
{
	return w->result_bytes >= w->max_bytes;
}

static void note_bytes(struct window *w)
{
	w->peak_bytes = MAX(w->peak_bytes, w->bytes + w->result_bytes);
}

int window_admit(struct window *w, struct chunk *c)
{
	struct span *s = span_new(c->freelist);

	if (s == NULL)
		return -ENOMEM;
	span_set(s, c, 0, c->count, chunk_begin(c));
	s->attempt = 1;
	w->nchunks++;
	w->bytes += chunk_charge(c);
	w->peak_chunks = MAX(w->peak_chunks, w->nchunks);
	note_bytes(w);
	average(w, &w->input_bytes, chunk_charge(c), c->count);
	window_move(w, s, SPAN_WAITING);
	return 0;
}

/* Inserts a span into the waiting queue.  The search begins at "near", as spans
   are often requeued one by one, in order. */
static void enqueue(struct window *w, struct span *s)
{
	struct span **at = &w->waiting;

	if (w->near != NULL && span_seq(w->near) < span_seq(s))
		at = &w->near->next;
	while (*at != NULL && span_seq(*at) < span_seq(s))
		at = &(*at)->next;
	s->next = *at;
	*at = s;
	w->near = s;
}

/* Inserts a span into the paused queue, most often at the end. */
static void pause_until_due(struct window *w, struct span *s)
{
	struct span **at = &w->paused;

	if (w->paused_end != NULL && w->paused_end->due_at <= s->due_at)
		at = &w->paused_end->next;
	while (*at != NULL && (*at)->due_at <= s->due_at)
		at = &(*at)->next;
	s->next = *at;
	*at = s;
	if (s->next == NULL)
		w->paused_end = s;
}

/* Removes a span from a queue; it is most often the first. */
static void leave(struct span **at, struct span *s)
{
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->next = NULL;
}

void window_move(struct window *w, struct span *s, enum span_state to)
{
	/* A new span that is sent was part of one. */
	const bool is_part = s->state == SPAN_NEW;

	switch (s->state) {
	case SPAN_WAITING:
		assert(to != SPAN_WAITING);
		leave(&w->waiting, s);
		w->near = w->near == s ? NULL : w->near;
		w->nwaiting--;
		break;
	case SPAN_PAUSED:
		assert(to != SPAN_PAUSED);
		leave(&w->paused, s);
		w->paused_end = w->paused_end == s ? NULL : w->paused_end;
		break;
	case SPAN_SENT:
		assert(to != SPAN_SENT);
		w->nsent--;
		break;
	case SPAN_NEW:
		break;
	case SPAN_ANSWERED:
	case SPAN_SPENT:
		assert(s->state == SPAN_NEW);	/* an end is final */
		break;
	}
	s->state = to;
	if (to == SPAN_WAITING) {
		w->nwaiting++;
		enqueue(w, s);
	}
	if (to == SPAN_PAUSED)
		pause_until_due(w, s);
	w->nsent += to == SPAN_SENT;
	if (!is_part)
		w->peak_sent = MAX(w->peak_sent, w->nsent);
	if (to == SPAN_ANSWERED) {
		w->result_bytes += s->bytes;
		note_bytes(w);
		average(w, &w->output_bytes, s->bytes, s->count);
	}
}

uint64_t window_due(const struct window *w)
{
	return w->paused != NULL ? w->paused->due_at : NEVER;
}

void window_wake(struct window *w, uint64_t now)
{
	while (w->paused != NULL && w->paused->due_at <= now)
		window_move(w, w->paused, SPAN_WAITING);
}

void window_taken(struct window *w, struct span *s, uint32_t items)
{
	struct chunk *c = s->chunk;

	assert(s->state == SPAN_ANSWERED && c->untaken >= items);
	c->untaken -= items;
	if (c->untaken == 0) {
		w->nchunks--;
		w->bytes -= chunk_charge(c);
	}
}

void window_free(struct window *w, struct span *s)
{
	if (s == NULL)
		return;
	assert(s->state == SPAN_ANSWERED);
	w->result_bytes -= s->bytes;
	span_free(s);
}
