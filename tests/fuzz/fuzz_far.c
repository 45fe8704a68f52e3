/*
 * fuzz_far.c - fuzz target: what links and agents read of each other, and the
 * caller's books of the items that a link has shipped.
 *
 * The first byte selects the reader.  Greetings are offered as they would
 * arrive, in two pieces; bodies of frames as a whole.  For the books the input
 * is a program: chunks are leased, taken back in part, and end; answers come in
 * any order.  Each item must be answered once or be left at the end, and no
 * answer to anything else may be accepted.  Pairs of reducers: fuzz_pairs.c.
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "fuzz_pairs.h"
#include "items/window.h"
#include "pool/away.h"
#include "wire/far.h"
#include "wire/greeting.h"
#include "wire/machine.h"

static void require(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz_far: %s\n", what);
	abort();
}

static unsigned char *copy_of(const uint8_t *data, size_t size)
{
	unsigned char *copy = malloc(size + !size);

	require(copy != NULL, "no memory for the test itself");
	memcpy(copy, data, size);
	return copy;
}

/* ---- readers ---- */

static void read_greeting(const uint8_t *data, size_t size)
{
	size_t half = size > 0 ? data[0] % (size + 1) : 0, begin, end, b, e;
	char *text = (char *)copy_of(data, size);
	struct greeting g;
	bool early = greeting_find(text, half, &begin, &end);

	if (greeting_find(text, size, &b, &e)) {
		require(b <= e && e <= size, "a greeting outside the text");
		require(!early || (begin == b && end == e),
		    "a greeting that moves");
		if (greeting_read(text + b, e - b, "work", &g) == 0)
			require(strlen(g.identity) < sizeof g.identity &&
			    strlen(g.host) < sizeof g.host, "no end of text");
	} else {
		require(!early, "a greeting that is lost");
		require(b <= size, "more than the text");
	}
	free(text);
}

/* Machines behind are read as their agent reads them. */
static void read_machine(const unsigned char *at, size_t size, int depth)
{
	struct machine m;
	const char *text;
	size_t part, left;

	if (machine_read(at, size, &m) < 0 || depth > MACHINE_DEPTH)
		return;
	text = m.texts;
	for (uint32_t i = 0; i < m.head.texts; i++)
		text += strlen(text) + 1;
	require(text == (const char *)m.behind, "texts elsewhere");
	left = m.behind_size;
	for (at = m.behind; (part = machine_first(at, left)) > 0; at += part) {
		read_machine(at, part, depth + 1);
		left -= part;
	}
	require(left == 0, "machines elsewhere");
}

static void read_host(const uint8_t *data, size_t size)
{
	unsigned char *body = copy_of(data, size);

	read_machine(body, size, 0);
	free(body);
}

static void read_begin(const uint8_t *data, size_t size)
{
	unsigned char *body = copy_of(data, size);
	struct begin_told b;

	if (far_begin(body, size, &b) == 0)
		require((const unsigned char *)b.name >= body &&
		    (const unsigned char *)b.config + b.head.config_size ==
		    b.behind && b.behind + b.head.behind_size == body + size,
		    "a config or machines elsewhere");
	free(body);
}

/* An outcome that is accepted is written again as it was. */
static void read_outcome(const uint8_t *data, size_t size)
{
	unsigned char *body = copy_of(data, size), *again;
	struct outcome_told o;
	struct frame f;
	size_t length;

	if (far_outcome(body, size, &o) == 0 &&
	    (o.traceback == NULL || strlen(o.traceback) ==
	    (size_t)o.head.traceback_size) && (o.tail == NULL ||
	    strlen(o.tail) == (size_t)o.head.tail_size) && (o.host == NULL ||
	    strlen(o.host) == (size_t)o.head.host_size)) {
		length = far_outcome_length(&o);
		again = malloc(length);
		require(again != NULL, "no memory for the test itself");
		far_write_outcome(again, &o);
		frame_look(again, &f);
		require(f.size == size && memcmp(f.body, body, size) == 0,
		    "an outcome that changes");
		free(again);
	}
	free(body);
}

/* ---- the caller's books of a link ---- */

/* Items, leases and numbers of shipped items at most. */
#define MOST 512

static _Alignas(64) struct slot slot;
static struct crew crew;
static struct member member;
static struct window window;

/* The truth. */
static uint32_t items;		/* leased so far */
static bool is_answered[MOST], is_back[MOST];	/* by item */
static uint32_t item_of[MOST];	/* by number: of leases that have ended */
static uint32_t ended;

static void open_books(void)
{
	memset(&slot, 0, sizeof slot);
	memset(is_answered, 0, sizeof is_answered);
	memset(is_back, 0, sizeof is_back);
	items = ended = 0;
	crew = (struct crew){ .leases = 4, .members = &member, .count = 1 };
	member = (struct member){ .weight = 2, .host = 1, .slot = &slot,
		.session = SESSION_READY, .state = MEMBER_RUNNING };
	member.sent_end = member.leases = &member.sent;
	channel_open(&member.channel, -1, -1);
	window_init(&window, MOST, MOST, 1 << 20);
	roster_book(&crew, &member);
}

static void lease(uint32_t count)
{
	struct chunk *c;

	if (items + count > MOST || member.nleased == SLOT_LEASES)
		return;
	c = chunk_new(NULL, items, items, NULL);
	require(c != NULL, "no memory for the test itself");
	for (uint32_t i = 0; i < count; i++, items++)
		require(chunk_pack(c, "input", items % 6) == 0,
		    "no memory for the test itself");
	require(window_admit(&window, c) == 0 &&
	    crew_lease(&crew, &member, window.waiting, 1) == 0,
	    "no memory for the test itself");
	chunk_drop(c);
	window_move(&window, window.waiting, SPAN_SENT);
}

static struct span *last_lease(void)
{
	struct span *s = *member.leases;

	while (s != NULL && s->next != NULL)
		s = s->next;
	return s;
}

/* Takes back items of the last lease; at least those answered were taken. */
static void take_back(uint32_t stay)
{
	struct span *s = last_lease(), *rest;
	uint32_t from;

	if (s == NULL)
		return;
	from = s->first + stay;
	if (from >= s->limit ||
	    slot_lower(&slot, s->ordinal, from, &s->limit) < 0)
		return;
	rest = span_cut(s, s->limit);
	require(rest != NULL, "no memory for the test itself");
	for (uint32_t i = 0; i < rest->count; i++)
		is_back[span_seq(rest) + i] = true;
	span_free(rest);
}

static void end_lease(void)
{
	struct span *s = *member.leases;

	if (s == NULL)
		return;
	for (uint32_t i = s->sent_first; i < s->limit; i++)
		item_of[ended++] = (uint32_t)s->chunk->seq + i;
	away_ship(&crew, &window, &member);
}

/* Returns the item of a number, or MOST. */
static uint32_t find(uint32_t number)
{
	const struct span *s = *member.leases;
	uint32_t item;

	if (number < ended)
		return item_of[number];
	if (s == NULL)
		return MOST;
	item = number - ended + s->sent_first;
	return item < s->limit ? (uint32_t)s->chunk->seq + item : MOST;
}

static void answer(uint32_t number)
{
	const uint32_t item = find(number);
	struct span **at, *s;

	member.next = number;
	if (away_seek(&crew, &window, &member, &at) < 0) {
		require(item == MOST || is_answered[item],
		    "an answer is refused");
		return;
	}
	s = *at;
	require(item != MOST && !is_answered[item] && !is_back[item],
	    "an answer twice, or to nothing");
	require(span_seq(s) == item, "an answer to another item");
	is_answered[item] = true;
	span_advance(s, 1);
	away_tidy(&crew, &window, &member, at);
	require(roster_is_right(&crew), "a wrong roster");
}

static void close_none(int *fd)
{
	require(*fd == -1, "a pipe");
}

/* The machine is lost: the items that are left are those not answered. */
static void close_books(void)
{
	while (member.sent != NULL) {
		struct span *s = crew_unlease(&crew, &member);

		for (uint32_t i = 0; i < s->count; i++) {
			uint64_t item = span_seq(s) + i;

			require(!is_answered[item] && !is_back[item],
			    "an item twice");
			is_back[item] = true;
		}
		window_move(&window, s, SPAN_SPENT);
		span_free(s);
	}
	for (uint32_t i = 0; i < items; i++)
		require(is_answered[i] != is_back[i], "an item is lost");
	require(member.nsent == 0 && member.nleased == 0 &&
	    member.load == 0 && window.nsent == 0, "counts differ");
	span_free(member.spare);
	channel_close(&member.channel, close_none);
}

static void keep_books(const uint8_t *data, size_t size)
{
	open_books();
	for (size_t i = 0; i + 1 < size; i += 2) {
		const uint8_t by = data[i + 1];

		switch (data[i] % 8) {
		case 0:
		case 1:
			lease(1 + by % 20);
			break;
		case 2:
			take_back(by % 20);
			break;
		case 3:
			end_lease();
			break;
		default:
			answer((data[i] / 8 % 2) * 256u + by);
		}
	}
	close_books();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(const uint8_t *, size_t) = {
		read_greeting, read_host, read_begin, read_outcome,
		keep_books, fuzz_pairs, fuzz_told };

	if (size > 0)
		readers[data[0] % COUNTOF(readers)](data + 1, size - 1);
	return 0;
}
