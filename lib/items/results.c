/* results.c - see results.h: queue of answered spans. */
#include "config.h"

#include "items/results.h"

#include <assert.h>

void results_init(struct results *r, struct window *w, bool ordered)
{
	*r = (struct results){ .window = w, .ordered = ordered };
}

/* ---- the heap: children hang on "child", siblings on "next" ---- */

static struct span *meld(struct span *a, struct span *b)
{
	struct span *t;

	if (a == NULL || b == NULL)
		return a ? a : b;
	if (span_seq(b) < span_seq(a)) {
		t = a;
		a = b;
		b = t;
	}
	b->next = a->child;
	a->child = b;
	return a;
}

/* Melds siblings two by two, then all from the last pair back. */
static struct span *meld_all(struct span *s)
{
	struct span *pairs = NULL, *whole = NULL;

	while (s != NULL) {
		struct span *a = s, *b = s->next;

		s = b ? b->next : NULL;
		a->next = NULL;
		if (b != NULL)
			b->next = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs != NULL) {
		s = pairs->next;
		pairs->next = NULL;
		whole = meld(whole, pairs);
		pairs = s;
	}
	return whole;
}

/* ---- list and heap ---- */

void results_put(struct results *r, struct span *s)
{
	assert(s->state == SPAN_ANSWERED && s->count > 0);
	s->next = s->child = NULL;
	r->spans++;
	if (r->ordered) {
		r->first = meld(r->first, s);
	} else if (r->first == NULL) {
		r->first = r->last = s;
	} else {
		r->last->next = s;
		r->last = s;
	}
}

/* Removes the first span, which must exist, from list or heap. */
static struct span *pop(struct results *r)
{
	struct span *s = r->first;

	r->first = r->ordered ? meld_all(s->child) : s->next;
	r->spans--;
	s->next = s->child = NULL;
	return s;
}

static bool next_span_ready(const struct results *r)
{
	return r->first != NULL &&
	    (!r->ordered || span_seq(r->first) == r->next_seq);
}

bool results_in_hand(const struct results *r)
{
	return r->left > 0;
}

bool results_ready(const struct results *r)
{
	return r->left > 0 || next_span_ready(r);
}

void results_book(struct results *r)
{
	window_taken(r->window, r->hand, r->hand->count);
	r->next_seq += r->hand->count;
	r->taken += r->hand->count;
	r->row = false;
}

/* Sets the byte behind each output that is left to 0: in frames that a worker
   has written it may be any. */
static void end_outputs(struct results *r, const struct frame *first)
{
	unsigned char *behind = first->body + first->size;

	for (uint32_t i = 0; i < r->left && !r->hand->ended; i++)
		behind[i * first->length] = 0;
	r->hand->ended = true;
}

void results_line_up(struct results *r, struct vm_front *to)
{
	const struct chunk *c = r->hand->chunk;
	const size_t last = (size_t)r->left - 1;
	struct frame f;

	r->row = r->left > 0 && r->hand->alike && c->each > 0 &&
	    c->where != CHUNK_PLACED;
	if (!r->row)
		return;
	frame_look(r->output, &f);
	end_outputs(r, &f);
	to->input = (const char *)(c->where == CHUNK_INHERITED ? c->array :
	    c->items.data + FRAME_HEAD) + r->input_at + last * c->each;
	to->input_step = c->each;
	to->output = (const char *)f.body + last * f.length;
	to->output_step = f.length;
	to->index = r->index + last;
	to->tag = chunk_tags(c, to->index - c->index);
}

void results_settle(struct results *r, struct vm_front *from)
{
	const uint32_t items = r->row ? r->left - (uint32_t)from->left : 0;

	from->left = 0;
	if (items == 0)
		return;
	r->left -= items;
	r->index += items;
	r->input_at += items * from->input_step;
	r->output += items * from->output_step;
	if (r->left == 0)
		results_book(r);
}

void results_let_go(struct results *r)
{
	if (r->left > 0)
		return;
	window_free(r->window, r->hand);
	r->hand = NULL;
}

/* Makes the next span current.  Returns false if there is none to take. */
static bool turn_over(struct results *r)
{
	results_let_go(r);
	if (!next_span_ready(r))
		return false;
	r->hand = pop(r);
	r->left = r->hand->count;
	r->index = r->hand->chunk->index + r->hand->first;
	r->input_at = r->hand->at;
	r->output = r->hand->rxbuf == NULL ? NULL :
	    r->hand->rxbuf->data + r->hand->output_at;
	return true;
}

void results_draw_in_place(const struct span *s, struct item *item)
{
	bool any = s->region != NULL;

	item->kind = any ? FRAME_OUTPUT : FRAME_KINDS;
	item->body = any ? s->output : NULL;
	item->size = any ? s->output_size : 0;
	if (any)
		item->body[item->size] = 0;
}

bool results_take(struct results *r, struct item *item)
{
	if (r->left == 0 && !turn_over(r))
		return false;
	results_draw(r, item);
	return true;
}

void results_release(struct results *r)
{
	window_free(r->window, r->hand);
	while (r->first != NULL)
		window_free(r->window, pop(r));
	r->hand = NULL;
	r->left = 0;
	r->row = false;
}
