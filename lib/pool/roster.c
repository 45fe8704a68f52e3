/* roster.c - see roster.h: lists and counts of members. */
#include "config.h"

#include "pool/roster.h"

#include <assert.h>

#include "base/base.h"
#include "pool/crew.h"

_Static_assert(MEMBER_GONE == MEMBER_STATES - 1, "roster.h says how many");

/* ---- lists ---- */

static void leave(struct member *m, enum roster_kind kind)
{
	struct link *at = &m->link[kind];

	if (at->prev != NULL)
		at->prev->link[kind].next = at->next;
	else
		at->list->first = at->next;
	if (at->next != NULL)
		at->next->link[kind].prev = at->prev;
	else
		at->list->last = at->prev;
	*at = (struct link){ NULL, NULL, NULL };
}

static void join_first(struct list *list, struct member *m,
    enum roster_kind kind)
{
	m->link[kind] = (struct link){ .list = list, .next = list->first };
	if (list->first != NULL)
		list->first->link[kind].prev = m;
	else
		list->last = m;
	list->first = m;
}

static void join_last(struct list *list, struct member *m,
    enum roster_kind kind)
{
	m->link[kind] = (struct link){ .list = list, .prev = list->last };
	if (list->last != NULL)
		list->last->link[kind].next = m;
	else
		list->first = m;
	list->last = m;
}

struct member *roster_next(const struct member *m, enum roster_kind kind)
{
	return m->link[kind].next;
}

/* ---- where a member belongs ---- */

static bool has(const struct member *m, enum trait t)
{
	return m->traits >> t & 1;
}

uint32_t roster_grantable(const struct crew *c, const struct member *m)
{
	uint64_t left = c->max_items > 0 && m->host == 0 ?
	    c->max_items - m->granted : UINT32_MAX;

	return (uint32_t)MIN(left, UINT32_MAX);
}

/* May the member have another chunk, whatever the others have? */
static bool has_room(const struct crew *c, const struct member *m)
{
	if (!has(m, TRAIT_READY) || m->told_to_stop || m->alone ||
	    !crew_admits(c, m) || roster_grantable(c, m) == 0)
		return false;
	return m->nsent == 0 || !m->sated;
}

/* Can the member be told to stop, and should it be? */
static bool is_out(const struct crew *c, const struct member *m)
{
	if (m->told_to_stop)
		return false;
	if (has(m, TRAIT_STARTING))
		return !m->wanted;
	return has(m, TRAIT_READY) && (!m->wanted ||
	    (m->nsent == 0 && roster_grantable(c, m) == 0));
}

/* Returns the list of a kind that the member belongs in, or NULL.  Its traits
   must be up to date. */
static inline struct list *list_for(struct crew *c, const struct member *m,
    enum roster_kind kind)
{
	struct roster *r = &c->roster;

	switch (kind) {
	case IN_STATE:
		return &r->state[m->state];
	case IN_ROOM:
		return has_room(c, m) ? &r->room[m->nsent / m->weight] : NULL;
	case IN_BUSY:
		return m->nsent > 0 ? &r->busy : NULL;
	case IN_SENDING:
		if (m->channel.pending == 0 || m->state == MEMBER_DOOMED)
			return NULL;
		return m->full ? &r->full : &r->fresh;
	default:
		return is_out(c, m) ? &r->out : NULL;
	}
}

/* Most lists are queues, so that members take turns; the lists of members with
   room are stacks, for warm caches. */
static inline void place(struct crew *c, struct member *m,
    enum roster_kind kind)
{
	struct list *to = list_for(c, m, kind), *from = m->link[kind].list;

	if (to == from)
		return;
	if (from != NULL)
		leave(m, kind);
	if (kind == IN_BUSY)
		c->roster.nbusy = c->roster.nbusy + (to != NULL) -
		    (from != NULL);
	if (to != NULL && kind == IN_ROOM)
		join_first(to, m, kind);
	else if (to != NULL)
		join_last(to, m, kind);
}

/* Returns the traits of a member, a bit each. */
static unsigned traits(const struct member *m)
{
	bool hoped = m->wanted && m->state != MEMBER_GONE;
	bool ready = member_is_ready(m);
	bool coming = hoped && m->state != MEMBER_HELD &&
	    (!ready || m->told_to_stop);
	bool unborn = m->wanted && (m->host == 0 || m->door) &&
	    (m->generation == 0 ||
	    (m->generation == 1 && m->state == MEMBER_ASKED));
	bool connecting = m->host != 0 && !m->door &&
	    (m->state == MEMBER_ASKED || member_is_starting(m));

	return (unsigned)hoped << TRAIT_HOPED |
	    (unsigned)(hoped && m->host != 0) << TRAIT_LINK |
	    (unsigned)coming << TRAIT_COMING |
	    (unsigned)unborn << TRAIT_UNBORN |
	    (unsigned)(m->wanted && !m->door && m->first == FIRST_PENDING) <<
	    TRAIT_UNTRIED |
	    (unsigned)(m->first == FIRST_FAILED) << TRAIT_MISFIT |
	    (unsigned)member_is_starting(m) << TRAIT_STARTING |
	    (unsigned)connecting << TRAIT_CONNECTING |
	    (unsigned)ready << TRAIT_READY |
	    (unsigned)(ready && m->told_to_stop) << TRAIT_STOPPING |
	    (unsigned)(!m->wanted && m->nsent > 0) << TRAIT_EXTRA;
}

static void count(struct roster *r, struct member *m, unsigned now)
{
	unsigned changed = now ^ m->traits;

	for (int i = 0; changed >> i != 0; i++) {
		if (!(changed >> i & 1))
			continue;
		if (now >> i & 1)
			r->having[i]++;
		else
			r->having[i]--;
	}
	m->traits = now;
}

void roster_book(struct crew *c, struct member *m)
{
	count(&c->roster, m, traits(m));
	for (int kind = 0; kind < ROSTER_KINDS; kind++)
		place(c, m, (enum roster_kind)kind);
}

void roster_book_load(struct crew *c, struct member *m)
{
	place(c, m, IN_ROOM);
	place(c, m, IN_BUSY);
	place(c, m, IN_OUT);
	if (!m->wanted)
		count(&c->roster, m, traits(m));
}

void roster_book_sending(struct crew *c, struct member *m)
{
	place(c, m, IN_SENDING);
}

/* ---- check ---- */

static size_t length(const struct list *l, enum roster_kind kind)
{
	size_t n = 0;

	for (const struct member *m = l->first; m != NULL;
	    m = m->link[kind].next)
		n += m->link[kind].list == l;
	return n;
}

/* Number of members in the lists of a kind. */
static size_t listed(const struct roster *r, enum roster_kind kind)
{
	size_t n = 0;

	if (kind == IN_STATE)
		for (size_t i = 0; i < COUNTOF(r->state); i++)
			n += length(&r->state[i], kind);
	if (kind == IN_ROOM)
		for (size_t i = 0; i < COUNTOF(r->room); i++)
			n += length(&r->room[i], kind);
	if (kind == IN_BUSY)
		n = length(&r->busy, kind);
	if (kind == IN_SENDING)
		n = length(&r->fresh, kind) + length(&r->full, kind);
	if (kind == IN_OUT)
		n = length(&r->out, kind);
	return n;
}

bool roster_is_right(struct crew *c)
{
	size_t there[ROSTER_KINDS] = { 0 }, having[TRAITS] = { 0 };
	bool right = true;

	for (size_t i = 0; i < c->count; i++) {
		const struct member *m = &c->members[i];

		for (int k = 0; k < ROSTER_KINDS; k++) {
			right &= m->link[k].list ==
			    list_for(c, m, (enum roster_kind)k);
			there[k] += m->link[k].list != NULL;
		}
		for (int t = 0; t < TRAITS; t++)
			having[t] += traits(m) >> t & 1;
	}
	for (int k = 0; k < ROSTER_KINDS; k++)
		right &= there[k] == listed(&c->roster, (enum roster_kind)k);
	for (int t = 0; t < TRAITS; t++)
		right &= having[t] == c->roster.having[t];
	return right && c->roster.nbusy == length(&c->roster.busy, IN_BUSY);
}
