/* crew.c - see crew.h: the caller's view of its workers. */
#include "config.h"

#include "crew.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base.h"
#include "sys.h"

/* Orders under way: what the fork server's socket holds without waiting. */
#define ASKED_MOST 16
/* Bytes on the way to one worker that keep it busy between two wake-ups. */
#define BYTES_ENOUGH ((size_t)64 * 1024)
/* Pauses before a place is filled again. */
#define PAUSE_FIRST (10 * MS_IN_NS)
#define PAUSE_MOST (1000 * MS_IN_NS)
/* Setups that may fail in a row before a place is given up. */
#define SETUPS_MOST 5

int crew_init(struct crew *c, size_t count, size_t wanted,
    const int *indices, struct server *server, struct slots *slots)
{
	*c = (struct crew){ .server = server };
	c->members = calloc(count, sizeof *c->members);
	if (c->members == NULL)
		return -ENOMEM;
	c->count = wanted;
	c->places = count;
	for (size_t i = 0; i < count; i++) {
		struct member *m = &c->members[i];

		m->which = (uint32_t)i;
		m->wanted = i < wanted;
		m->index = indices ? indices[i] : (int)i;
		m->slot = slots_get(slots, i);
		area_init(&m->inputs, slots->payload);
		m->outputs = slot_outputs(m->slot, slots);
		m->sent_end = &m->sent;
		m->reader = m->errors = -1;
		m->doom_at = m->setup_by = NEVER;
		channel_open(&m->channel, -1, -1);
	}
	return 0;
}

void crew_clear(struct member *m, void (*close)(int *fd))
{
	channel_close(&m->channel, close);
	close(&m->reader);
	close(&m->errors);
	m->ordinal = 0;
	m->outputs_at = 0;
	m->finished = m->granted = 0;
	m->blame = 0;
	m->killed = m->garbled = m->told_to_stop = m->alone = false;
	m->presumed = false;
	m->greeted = m->unfit = m->ended = m->unsettled = false;
	m->doom_at = m->setup_by = NEVER;
}

void crew_release(struct crew *c, void (*close)(int *fd))
{
	for (size_t i = 0; i < c->count; i++) {
		struct member *m = &c->members[i];

		while (m->sent != NULL)
			span_free(crew_unlease(m));
		span_free(m->spare);
		crew_clear(m, close);
	}
	free(c->members);
	*c = (struct crew){ 0 };
}

void crew_move(struct crew *c, struct member *m, enum member_state to)
{
	assert(m->state != to && m->state != MEMBER_GONE);
	c->asked -= m->state == MEMBER_ASKED;
	c->asked += to == MEMBER_ASKED;
	m->state = to;
}

/* ---- hire ---- */

bool crew_hire(struct crew *c, uint64_t now)
{
	bool any = false;

	for (size_t i = 0; i < c->count && c->asked < ASKED_MOST; i++) {
		struct member *m = &c->members[i];

		if (m->state != MEMBER_ABSENT || !m->wanted ||
		    m->hire_at > now)
			continue;
		m->generation++;
		m->pid = 0;
		slot_reset(m->slot);
		crew_move(c, m, MEMBER_ASKED);
		server_hire(c->server, m->which, m->generation, m->index);
		any = true;
	}
	return any;
}

struct member *crew_member(struct crew *c, const struct notice *n)
{
	struct member *m;

	if (n->slot >= c->count)
		return NULL;
	m = &c->members[n->slot];
	return m->generation == n->generation ? m : NULL;
}

void crew_welcome(struct crew *c, struct member *m, const struct notice *n,
    const int fds[NOTICE_FDS], uint64_t setup_by)
{
	channel_open(&m->channel, fds[NOTICE_RESULTS], fds[NOTICE_TASKS]);
	m->reader = fds[NOTICE_READER];
	m->errors = fds[NOTICE_ERRORS];
	m->pid = n->pid;
	m->setup_by = setup_by;
	m->watched_from = NEVER;
	crew_move(c, m, MEMBER_STARTING);
}

void crew_replace(struct crew *c, struct member *m, bool began, uint64_t now)
{
	uint64_t pause;

	m->trouble = began ? 0 : m->trouble + 1;
	pause = m->trouble ? PAUSE_FIRST << MIN(m->trouble - 1, 10) : 0;
	m->hire_at = now + MIN(pause, PAUSE_MOST);
	crew_move(c, m, crew_gives_up(m) ? MEMBER_GONE : MEMBER_ABSENT);
}

bool crew_gives_up(const struct member *m)
{
	return m->setups_failed >= SETUPS_MOST;
}

bool crew_hopeless(const struct crew *c)
{
	bool any = false;

	for (size_t i = 0; i < c->count && !any; i++)
		any = c->members[i].wanted &&
		    c->members[i].state != MEMBER_GONE;
	return !any;
}

bool crew_owed(const struct crew *c)
{
	bool owed = c->asked > 0;

	for (size_t i = 0; i < c->count && !owed; i++)
		owed = c->members[i].state == MEMBER_DOOMED;
	return owed;
}

/* ---- pick ---- */

/* May it have another chunk, seen by itself? */
static bool has_room(const struct crew *c, const struct member *m)
{
	if (m->state != MEMBER_READY || m->told_to_stop || m->alone ||
	    crew_grantable(c, m) == 0)
		return false;
	return m->nsent == 0 || ((int)m->nsent < c->leases &&
	    (m->nsent < 2 || m->sent_bytes < BYTES_ENOUGH));
}

struct member *crew_pick(struct crew *c)
{
	struct member *best = NULL;

	for (size_t i = 0; i < c->count; i++) {
		struct member *m = &c->members[i];

		if (has_room(c, m) &&
		    (best == NULL || m->nsent < best->nsent))
			best = m;
		if (best != NULL && best->nsent == 0)
			break;
	}
	return best;
}

struct member *crew_idle(struct crew *c)
{
	struct member *m = crew_pick(c);

	return m != NULL && m->nsent == 0 ? m : NULL;
}

bool crew_waits(struct crew *c)
{
	bool any = crew_idle(c) != NULL;

	for (size_t i = 0; i < c->count && !any; i++) {
		struct member *m = &c->members[i];

		any = m->wanted && m->state != MEMBER_GONE &&
		    (m->state != MEMBER_READY || m->told_to_stop);
	}
	return any;
}

struct member *crew_home(struct crew *c, const struct chunk *chunk)
{
	struct member *m;

	if (chunk->where != CHUNK_PLACED)
		return NULL;
	m = CONTAINER_OF(chunk->region->area, struct member, inputs);
	return has_room(c, m) ? m : NULL;
}

/* ---- leases ---- */

uint32_t crew_grantable(const struct crew *c, const struct member *m)
{
	uint64_t left = c->max_items > 0 ? c->max_items - m->granted :
	    UINT32_MAX;

	return (uint32_t)MIN(left, UINT32_MAX);
}

void crew_ungrant(struct member *m, uint32_t items)
{
	m->granted -= items;
}

int crew_lease(struct member *m, struct span *s, uint64_t now)
{
	size_t bytes = 0;

	s->in_place = s->chunk->where == CHUNK_PLACED &&
	    s->chunk->region->area == &m->inputs;
	if (!s->in_place)
		bytes = chunk_bytes(s->chunk, s->at, s->count);
	if (m->spare == NULL)
		m->spare = span_new();
	if (m->spare == NULL || channel_prepare(&m->channel, 2) < 0)
		return -ENOMEM;
	s->ordinal = m->ordinal++;
	s->limit = s->first + s->count;
	s->worker_index = m->index;
	s->sent_at = now;
	s->sent_count = s->count;
	s->sent_bytes = bytes;
	s->finished = m->finished;
	span_write_head(s);
	slot_lease(m->slot, s->ordinal, s->first, s->limit);
	channel_send(&m->channel, s->head, sizeof s->head);
	if (bytes > 0)
		channel_send(&m->channel, s->chunk->items.data + s->at,
		    bytes);
	s->sent_until = m->channel.queued;
	*m->sent_end = s;
	m->sent_end = &s->next;
	if (m->nsent++ == 0)
		m->heard_at = now;
	m->sent_bytes += bytes;
	m->granted += s->count;
	m->alone = span_is_suspect(s);
	return 0;
}

struct span *crew_unlease(struct member *m)
{
	struct span *s = m->sent;

	m->sent = s->next;
	if (m->sent == NULL)
		m->sent_end = &m->sent;
	s->next = NULL;
	m->nsent--;
	m->sent_bytes -= s->sent_bytes;
	m->alone = false;
	return s;
}

/* The caller's own count stays: what the lease word no longer grants comes
   back when the worker is buried. */
void crew_freeze(struct member *m)
{
	for (struct span *s = m->sent; s != NULL; s = s->next)
		slot_lower(m->slot, s->ordinal, s->first, &s->limit);
}

void crew_doom(struct crew *c, struct member *m, enum vm_cause blame)
{
	crew_freeze(m);
	m->blame = blame;
	m->killed = true;
	crew_move(c, m, MEMBER_DOOMED);
	server_kill(c->server, m->which, m->generation);
}
