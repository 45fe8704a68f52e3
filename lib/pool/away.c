/* away.c - see away.h: the items that a link has shipped to its machine. */
#include "config.h"

#include "pool/away.h"

#include <errno.h>

#include "items/window.h"

uint64_t away_number(const struct span *s, uint32_t item)
{
	return s->shipped + (item - s->sent_first);
}

static bool holds(const struct span *s, uint64_t number)
{
	const uint64_t first = away_number(s, s->first);

	/* A number before the first wraps. */
	return number - first < span_expected(s);
}

/* Returns the place in the list of the span that has the next item, or NULL.
   No lease behind the first has an item that was shipped. */
static struct span **find(struct member *m)
{
	struct span **at = &m->sent;

	while (at != m->leases && !holds(*at, m->next))
		at = &(*at)->next;
	return *at != NULL && holds(*at, m->next) ? at : NULL;
}

int away_seek(struct crew *c, struct window *w, struct member *m,
    struct span ***at)
{
	struct span *s, *before;
	uint32_t items;

	*at = find(m);
	if (*at == NULL)
		return -EPROTO;
	s = **at;
	items = (uint32_t)(m->next - away_number(s, s->first));
	if (items == 0)
		return 0;
	before = span_new(s->chunk->freelist);
	if (before == NULL)
		return -ENOMEM;
	span_move_first(before, s, items);
	before->away = true;
	before->limit = before->first + items;
	before->shipped = s->shipped;
	before->sent_first = s->sent_first;
	before->sent_at = s->sent_at;
	window_move(w, before, SPAN_SENT);
	before->next = s;
	**at = before;
	if (m->leases == *at)
		m->leases = &before->next;
	*at = &before->next;
	m->nsent++;
	crew_weigh(c, m);
	return 0;
}

void away_tidy(struct crew *c, struct window *w, struct member *m,
    struct span **at)
{
	struct span *s = *at;

	if (!s->away || s->count > 0)
		return;
	*at = s->next;
	if (m->leases == &s->next)
		m->leases = at;
	if (m->sent_end == &s->next)
		m->sent_end = at;
	window_move(w, s, SPAN_SPENT);
	span_free(s);
	m->nsent--;
	m->alone = false;
	crew_weigh(c, m);
}

void away_ship(struct crew *c, struct window *w, struct member *m)
{
	struct span **at = m->leases, *s = *at;

	m->load -= span_load(s);
	c->kept -= span_is_kept(s);
	m->nleased--;
	m->shipped += s->limit - s->sent_first;
	m->leases = &s->next;
	if (s->next != NULL)
		s->next->shipped = m->shipped;
	s->away = true;
	crew_weigh(c, m);
	away_tidy(c, w, m, at);
}
