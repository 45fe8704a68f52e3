/* crew.c - see crew.h: the caller's records of its workers. */
#include "config.h"

#include "pool/crew.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/base.h"
#include "os/sys.h"

/* Hire orders in flight: as many as the fork server's socket buffers. */
#define ASKED_MOST 16
/* Bytes in flight to one worker that keep it busy between two wake-ups.  With
   the heads of their chunks they fit in a pipe of default size: the rest of a
   chunk that does not fit costs four system calls. */
#define BYTES_ENOUGH ((size_t)62 * 1024)
/* Arrays of outputs lie in that many bytes of a slot, where they stay in
   caches and touch few pages, if these hold ELEMENTS_LEAST elements. */
#define ARRAYS ((size_t)1024 * 1024)
#define ELEMENTS_LEAST 16
/* Pauses before a place is filled again. */
#define PAUSE_FIRST (10 * MS_IN_NS)
#define PAUSE_MOST (1000 * MS_IN_NS)
/* The same for links: sshd refuses clients that come too often. */
#define LINK_PAUSE_FIRST (1000 * MS_IN_NS)
#define LINK_PAUSE_MOST (60000 * MS_IN_NS)
/* Links that connect at a time; sshd takes 10 by default. */
#define CONNECTING_MOST 8
/* Consecutive failed setups before a place is given up. */
#define SETUPS_MOST 5

/* The frame that ends a worker's channel. */
static const unsigned char stop_frame[16] = { 0, FRAME_STOP };

int crew_init(struct crew *c, size_t count, size_t wanted,
    const int *indices, struct server *server, struct slots *slots,
    struct poller *poller)
{
	*c = (struct crew){ .server = server, .poller = poller,
		.alarm = NEVER, .hands = SIZE_MAX };
	c->members = calloc(count, sizeof *c->members);
	if (c->members == NULL)
		return -ENOMEM;
	c->count = wanted;
	c->places = c->first_link = count;
	for (size_t i = 0; i < count; i++) {
		struct member *m = &c->members[i];

		m->which = (uint32_t)i;
		m->weight = 1;
		m->wanted = i < wanted;
		m->index = indices && i < wanted ? indices[i] : (int)i;
		m->slot = slots_get(slots, i);
		arena_init(&m->inputs, slots->room);
		m->inputs_at = slots_inputs(slots, i);
		arena_init(&m->copies, m->inputs_at ? SLOT_COPIES : 0);
		arena_init(&m->outputs, slots->payload);
		m->outputs_at = slot_outputs(m->slot);
		arena_init(&m->arrays, SLOT_ARRAYS);
		m->sent_end = m->leases = &m->sent;
		m->reader = m->errors = -1;
		m->doom_at = m->setup_by = NEVER;
		channel_open(&m->channel, -1, -1);
		if (m->wanted)
			roster_book(c, m);
	}
	return 0;
}

void crew_expect_arrays(struct crew *c, size_t element)
{
	c->element = element;
	if (element == 0)
		return;
	c->arrays = MIN(c->members[0].outputs.size, SLOT_PAYLOAD);
	if (element <= ARRAYS / ELEMENTS_LEAST)
		c->arrays = MIN(c->arrays, ARRAYS);
	for (size_t i = 0; i < c->count; i++)
		arena_init(&c->members[i].outputs, c->arrays);
}

bool crew_add_host(struct crew *c, struct host *h)
{
	struct member *m = NULL;

	for (size_t i = c->first_link; i < c->places && m == NULL; i++)
		if (!c->members[i].wanted &&
		    c->members[i].state == MEMBER_ABSENT)
			m = &c->members[i];
	if (m == NULL)
		return false;
	h->member = m;
	m->host = h->number;
	m->door = h->door;
	m->index = h->first_index;
	m->weight = 1;
	m->trouble = m->setups_failed = 0;
	m->first = FIRST_PENDING;
	m->hire_at = 0;
	crew_want(c, m, true);
	return true;
}

void crew_keep_here(struct crew *c, bool here_only)
{
	if (c->here_only == here_only || c->places == c->first_link)
		return;
	c->here_only = here_only;
	for (size_t i = c->first_link; i < c->count; i++)
		roster_book(c, &c->members[i]);
}

int crew_order(struct crew *c, struct member *m, const void *frames,
    size_t size)
{
	if (channel_prepare(&m->channel, 1) < 0)
		return -ENOMEM;
	channel_send(&m->channel, frames, size);
	roster_book_sending(c, m);
	return 0;
}

/* Removes its pipes from the poller, so that they may be closed. */
static void unwatch(struct crew *c, struct member *m)
{
	poller_set(c->poller, m->channel.in, &m->in_events, 0, 0);
	poller_set(c->poller, m->channel.out, &m->out_events, 0, 0);
}

/* Resets all fields that are about a worker, and closes its descriptors.  The
   member must be booked afterwards. */
static void clear(struct crew *c, struct member *m, void (*close)(int *fd))
{
	unwatch(c, m);
	channel_close(&m->channel, close);
	m->full = false;
	crew_read(c, m);
	close(&m->reader);
	close(&m->errors);
	m->finished = m->counted = m->granted = 0;
	m->shipped = m->next = 0;
	m->ordinal = 0;
	m->blame = 0;
	m->killed = m->held = m->garbled = false;
	m->told_to_stop = m->alone = m->asked = false;
	m->presumed = m->ended = m->unsettled = false;
	m->session = SESSION_SETUP;
	m->doom_at = m->setup_by = NEVER;
}

void crew_release(struct crew *c, void (*close)(int *fd))
{
	for (size_t i = 0; i < c->count; i++) {
		struct member *m = &c->members[i];

		while (m->sent != NULL)
			span_free(crew_unlease(c, m));
		span_free(m->spare);
		free(m->setup_text);
		clear(c, m, close);
	}
	free(c->members);
	rxlist_release(&c->rxlist);
	*c = (struct crew){ 0 };
}

void crew_move(struct crew *c, struct member *m, enum member_state to)
{
	assert(m->state != to && m->state != MEMBER_GONE);
	c->asked -= m->state == MEMBER_ASKED;
	c->asked += to == MEMBER_ASKED;
	m->state = to;
	if (to >= MEMBER_DOOMED)
		unwatch(c, m);
	roster_book(c, m);
}

void crew_session(struct crew *c, struct member *m, enum session to)
{
	assert(m->session < to && m->session != SESSION_UNFIT);
	m->session = to;
	roster_book(c, m);
	/* Another link may connect now. */
	if (m->host != 0)
		c->hire_at = 0;
}

/* Places beyond the last that was ever wanted are in no list of the roster. */
void crew_want(struct crew *c, struct member *m, bool wanted)
{
	m->wanted = wanted;
	for (; wanted && c->count <= m->which; c->count++)
		roster_book(c, &c->members[c->count]);
	roster_book(c, m);
	if (m->state == MEMBER_ABSENT)
		c->hire_at = MIN(c->hire_at, m->hire_at);
}

void crew_alarm(struct crew *c, uint64_t at)
{
	c->alarm = MIN(c->alarm, at);
}

void crew_bear(struct crew *c, struct member *m, uint64_t until)
{
	m->doom_at = until;
	crew_alarm(c, until);
}

void crew_read(struct crew *c, struct member *m)
{
	const struct channel *from = &m->channel;

	c->partial -= m->partial;
	m->partial = channel_partial(from) ? from->rxbuf->len - from->at : 0;
	c->partial += m->partial;
}

int crew_written(struct crew *c, struct member *m, bool full)
{
	int r = poller_set(c->poller, m->channel.out, &m->out_events,
	    full ? EPOLLOUT : 0, poller_key(WATCHED_TASKS, m->which));

	m->full = full && r == 0;
	roster_book_sending(c, m);
	return r;
}

int crew_listen(struct crew *c, struct member *m, bool listen)
{
	return poller_set(c->poller, m->channel.in, &m->in_events,
	    listen ? EPOLLIN : 0, poller_key(WATCHED_RESULTS, m->which));
}

bool crew_is_gone(const struct crew *c)
{
	bool any = false;

	for (int i = 0; i < MEMBER_GONE; i++)
		any |= c->roster.state[i].first != NULL;
	return !any;
}

/* ---- hire ---- */

/* Orders a worker for a place. */
static void hire(struct crew *c, struct member *m, uint64_t now)
{
	m->generation++;
	m->ordered_at = now;
	m->pid = 0;
	if (c->wiped != NULL)
		slots_wipe(c->wiped, m->which);
	slot_reset(m->slot);
	slot_hold(m->slot, arena_held(&m->outputs), m->outputs.head);
	crew_move(c, m, MEMBER_ASKED);
	server_hire(c->server, m->which, m->generation, m->index);
}

/* Must a link wait until others have connected? */
static bool is_held_up(const struct crew *c, const struct member *m)
{
	return m->host != 0 && !m->door &&
	    c->roster.having[TRAIT_CONNECTING] >= CONNECTING_MOST;
}

bool crew_hire(struct crew *c, uint64_t now)
{
	struct member *m = c->roster.state[MEMBER_ABSENT].first, *next;
	uint64_t later = NEVER;
	bool any = false;

	if (c->hire_at > now)
		return false;
	for (; m != NULL && c->asked < ASKED_MOST; m = next) {
		next = roster_next(m, IN_STATE);
		if (!m->wanted || is_held_up(c, m))
			continue;
		if (m->hire_at <= now) {
			hire(c, m, now);
			any = true;
		} else {
			later = MIN(later, m->hire_at);
		}
	}
	if (m == NULL)
		c->hire_at = later;
	return any;
}

uint64_t crew_hires_at(const struct crew *c)
{
	return c->asked < ASKED_MOST ? c->hire_at : NEVER;
}

struct member *crew_member(struct crew *c, const struct notice *n)
{
	struct member *m;

	if (n->slot >= c->count)
		return NULL;
	m = &c->members[n->slot];
	return m->generation == n->generation ? m : NULL;
}

int crew_welcome(struct crew *c, struct member *m, const struct notice *n,
    const int fds[NOTICE_FDS], uint64_t setup_by)
{
	int r = poller_set(c->poller, fds[NOTICE_RESULTS], &m->in_events,
	    EPOLLIN, poller_key(WATCHED_RESULTS, m->which));

	if (r < 0)
		return r;
	channel_open(&m->channel, fds[NOTICE_RESULTS], fds[NOTICE_TASKS]);
	m->channel.list = &c->rxlist;
	m->reader = fds[NOTICE_READER];
	m->errors = fds[NOTICE_ERRORS];
	m->pid = n->pid;
	m->setup_by = setup_by;
	crew_alarm(c, setup_by);
	m->watched_from = NEVER;
	crew_move(c, m, MEMBER_RUNNING);
	return 0;
}

/* Has setup failed so often in this place that it is given up? */
static bool is_given_up(const struct member *m)
{
	return m->setups_failed >= SETUPS_MOST && m->host == 0;
}

/* Returns the pause after that many deaths in a row. */
static uint64_t pause_after(const struct member *m)
{
	const int doublings = MIN(MAX(m->trouble, 1) - 1, 10);

	/* It waits for others to come: a pause for each loss will do. */
	if (m->door)
		return LINK_PAUSE_FIRST;
	if (m->host != 0)
		return MIN(LINK_PAUSE_FIRST << doublings, LINK_PAUSE_MOST);
	return m->trouble == 0 ? 0 : MIN(PAUSE_FIRST << doublings, PAUSE_MOST);
}

void crew_replace(struct crew *c, struct member *m, bool began, uint64_t now)
{
	m->trouble = began ? 0 : m->trouble + 1;
	m->hire_at = now + pause_after(m);
	c->hire_at = m->host != 0 ? 0 : MIN(c->hire_at, m->hire_at);
	crew_move(c, m, is_given_up(m) ? MEMBER_GONE : MEMBER_ABSENT);
}

/* Returns an unwanted place without a process, or NULL. */
static struct member *find_free(struct crew *c)
{
	for (size_t i = 0; i < c->first_link; i++)
		if (!c->members[i].wanted &&
		    c->members[i].state == MEMBER_ABSENT)
			return &c->members[i];
	return NULL;
}

/* The process still exists: another place stands in for this place. */
static void hold(struct crew *c, struct member *m)
{
	struct member *other = m->wanted && m->host == 0 ? find_free(c) : NULL;
	int index = m->index;

	crew_move(c, m, MEMBER_HELD);
	/* Another link may connect now. */
	if (m->host != 0)
		c->hire_at = 0;
	if (other == NULL)
		return;
	m->index = other->index;
	other->index = index;
	crew_want(c, m, false);
	crew_want(c, other, true);
}

void crew_vacate(struct crew *c, struct member *m, void (*close)(int *fd),
    bool for_good, bool began, uint64_t now)
{
	bool held = m->held && !is_given_up(m);

	clear(c, m, close);
	if (for_good && m->state == MEMBER_GONE)
		roster_book(c, m);
	else if (for_good)
		crew_move(c, m, MEMBER_GONE);
	else if (held)
		hold(c, m);
	else
		crew_replace(c, m, began, now);
}

void crew_shoot(struct crew *c)
{
	for (size_t i = 0; i < c->count; i++)
		server_kill_worker(c->server, c->members[i].pid);
	server_shoot(c->server);
}

bool crew_hopeless(const struct crew *c)
{
	return c->roster.having[TRAIT_HOPED] ==
	    (c->here_only ? c->roster.having[TRAIT_LINK] : 0);
}

bool crew_owed(const struct crew *c)
{
	return c->asked > 0;
}

/* ---- pick ---- */

struct member *crew_pick(const struct crew *c)
{
	struct member *best = crew_idle(c);

	for (int i = 1; i < c->leases && best == NULL; i++)
		best = c->roster.room[i].first;
	return best;
}

struct member *crew_idle(const struct crew *c)
{
	return c->roster.nbusy < c->hands ? c->roster.room[0].first : NULL;
}

struct member *crew_empty(const struct crew *c)
{
	struct member *m = c->roster.room[0].first;

	while (m != NULL && m->nsent > 0)
		m = roster_next(m, IN_ROOM);
	return m;
}

bool crew_waits(const struct crew *c)
{
	return crew_idle(c) != NULL || c->roster.having[TRAIT_COMING] > 0;
}

struct member *crew_home(const struct chunk *chunk)
{
	struct member *m;

	if (chunk->where != CHUNK_PLACED)
		return NULL;
	m = CONTAINER_OF(chunk->region->area, struct member, inputs);
	return m->link[IN_ROOM].list != NULL ? m : NULL;
}

/* ---- leases ---- */

void crew_ungrant(struct crew *c, struct member *m, uint32_t items)
{
	m->granted -= items;
	if (items > 0)
		roster_book_load(c, m);
}

/* Sets whether the member has enough chunks: another like the last would be too
   much.  If so, it gets no more before half of them are done, so that several
   chunks leave in one write. */
static void weigh(const struct crew *c, struct member *m)
{
	const uint32_t most = crew_most(c, m);
	const size_t enough = BYTES_ENOUGH * m->weight;

	if (m->nsent >= most || m->nleased == SLOT_LEASES ||
	    (m->nsent >= 2 * m->weight && m->load + m->last_load > enough))
		m->sated = true;
	else if (m->nsent < MIN(2 * m->weight, most) ||
	    (2 * m->nsent <= most && 2 * m->load <= enough))
		m->sated = false;
}

/* Takes places in the slot for the inputs of a span and, if they form an array,
   for its outputs.  A link passes frames on. */
static void place(const struct crew *c, struct member *m, struct span *s)
{
	if (m->host == 0)
		span_copy_inputs(s, &m->copies, m->inputs_at, m->inputs.size);
	s->in_slot = c->element == 0;
	if (c->element > 0)
		span_place_outputs(s, &m->outputs, c->element, c->element);
	else if (c->usual > 0 && m->host == 0 && s->count >= CREW_ALIKE_LEAST)
		span_place_outputs(s, &m->arrays, c->usual,
		    slot_step(c->usual));
}

int crew_lease(struct crew *c, struct member *m, struct span *s, uint64_t now)
{
	size_t bytes = 0;

	s->in_place = s->chunk->where == CHUNK_PLACED &&
	    s->chunk->region->area == &m->inputs;
	if (!s->in_place)
		bytes = chunk_bytes(s->chunk, s->at, s->count);
	if (m->spare == NULL)
		m->spare = span_new(s->chunk->freelist);
	if (m->spare == NULL ||
	    channel_prepare(&m->channel, span_parts(s)) < 0)
		return -ENOMEM;
	s->ordinal = m->ordinal++;
	s->limit = s->first + s->count;
	s->worker_index = m->index;
	s->host = m->host;
	s->sent_at = now;
	s->sent_count = s->count;
	s->sent_first = s->first;
	s->sent_bytes = bytes;
	s->finished = m->finished;
	s->shipped = m->shipped;
	s->away = false;
	place(c, m, s);
	span_write_head(s);
	slot_lease(m->slot, s->ordinal, s->first, s->limit);
	span_send(s, &m->channel);
	s->sent_until = m->channel.queued;
	*m->sent_end = s;
	m->sent_end = &s->next;
	m->nleased++;
	if (m->nsent++ == 0)
		m->heard_at = now;
	m->last_load = span_load(s);
	m->load += m->last_load;
	c->kept += span_is_kept(s);
	m->granted += s->count;
	m->alone = span_is_suspect(s);
	weigh(c, m);
	roster_book_load(c, m);
	roster_book_sending(c, m);
	return 0;
}

struct span *crew_unlease(struct crew *c, struct member *m)
{
	struct span *s = m->sent;

	m->sent = s->next;
	if (m->leases == &s->next)
		m->leases = &m->sent;
	if (m->sent == NULL)
		m->sent_end = &m->sent;
	s->next = NULL;
	m->nsent--;
	if (!s->away) {
		m->nleased--;
		m->load -= span_load(s);
		c->kept -= span_is_kept(s);
	}
	m->alone = false;
	crew_weigh(c, m);
	span_displace(s);
	return s;
}

void crew_weigh(struct crew *c, struct member *m)
{
	weigh(c, m);
	roster_book_load(c, m);
}

int crew_stop(struct crew *c, struct member *m)
{
	if (channel_prepare(&m->channel, 1) < 0)
		return -ENOMEM;
	crew_freeze(m);
	m->told_to_stop = true;
	channel_send(&m->channel, stop_frame, sizeof stop_frame);
	roster_book(c, m);
	return 0;
}

/* The member's own counts stay: items above the lowered limits are requeued
   when the worker is dead. */
void crew_freeze(struct member *m)
{
	for (struct span *s = *m->leases; s != NULL; s = s->next)
		slot_lower(m->slot, s->ordinal, s->first, &s->limit);
}

void crew_doom(struct crew *c, struct member *m, enum vm_cause blame)
{
	if (m->state >= MEMBER_DOOMED)
		return;
	crew_freeze(m);
	m->blame = blame;
	m->killed = true;
	crew_move(c, m, MEMBER_DOOMED);
	server_kill(c->server, m->which, m->generation);
}
