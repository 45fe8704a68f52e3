/*
 * fuzz_far.c - fuzz target: what links and agents read of each other, and a
 * link's books.
 *
 * The first byte selects the reader.  Greetings are offered as they would
 * arrive, in two pieces; bodies of frames as a whole.  For the books the input
 * is a program: chunks come, items are shipped, answers come in any order; they
 * must come out in the order of the items, each once, and the counts agree.
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "items/chunk.h"
#include "link/tasks.h"
#include "wire/far.h"
#include "wire/greeting.h"

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

static void read_host(const uint8_t *data, size_t size)
{
	unsigned char *body = copy_of(data, size);
	struct host_told h;
	const char *at;

	if (far_host(body, size, &h) == 0) {
		at = h.texts;
		for (uint32_t i = 0; i < h.head.texts; i++)
			at += strlen(at) + 1;
		require(at == (const char *)body + size, "texts elsewhere");
	}
	free(body);
}

static void read_begin(const uint8_t *data, size_t size)
{
	unsigned char *body = copy_of(data, size);
	struct begin_told b;

	if (far_begin(body, size, &b) == 0)
		require((const unsigned char *)b.name >= body &&
		    b.config + b.head.config_size == body + size,
		    "a config elsewhere");
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
	    strlen(o.tail) == (size_t)o.head.tail_size)) {
		length = far_outcome_length(&o.head, o.traceback, o.tail);
		again = malloc(length);
		require(again != NULL, "no memory for the test itself");
		far_write_outcome(again, &o.head, o.traceback, o.tail);
		frame_look(again, &f);
		require(f.size == size && memcmp(f.body, body, size) == 0,
		    "an outcome that changes");
		free(again);
	}
	free(body);
}

/* ---- the books of a link ---- */

static struct tasks tasks;
static uint32_t first_of[256];	/* by ordinal: number of the first item */
static uint64_t out;		/* answers that came out */

/* Each chunk has numbers behind those of the chunk before, so that the order
   shows. */
static void add_chunk(uint32_t count, uint32_t *next)
{
	struct frame_chunk c = { .ordinal = tasks.last, .count = count,
		.first = *next, .where = CHUNK_PACKED };
	struct task *t = tasks_newest(&tasks);

	if (tasks.last >= COUNTOF(first_of) ||
	    (t != NULL && !tasks_is_whole(t)))
		return;
	first_of[tasks.last] = *next;
	if (tasks_add(&tasks, &c) != NULL)
		*next += count;
	else
		require(tasks.last - tasks.first == SLOT_LEASES, "no room");
}

static void receive(void)
{
	_Alignas(16) unsigned char room[FRAME_START + 48];
	uint64_t body[2] = { 1, 2 };
	struct task *t = tasks_newest(&tasks);
	const bool may = t != NULL && !tasks_is_whole(t);
	struct frame f;

	frame_write(room + FRAME_START, FRAME_ITEM, body, sizeof body);
	frame_look(room + FRAME_START, &f);
	require((tasks_receive(&tasks, &f) == 0) == may, "an item too many");
}

static void ship(void)
{
	struct task *t = tasks_shipping(&tasks);
	struct frame f;

	if (t == NULL)
		return;
	if (tasks_is_over(t)) {
		tasks_close(&tasks);
	} else if (t->shipped < t->chunk.first + t->chunk.count &&
	    tasks_next(t, &f)) {
		require(f.kind == FRAME_ITEM && f.size == 16, "another item");
		t->shipped++;
		tasks.in_flight++;
	}
}

/* The caller takes back all that was not shipped. */
static void take_back(void)
{
	struct task *t = tasks_shipping(&tasks);

	if (t != NULL)
		t->over = true;
}

static void come_out(uint32_t number)
{
	require(number >= out, "an answer twice, or before its turn");
	out = number + 1;
}

static void settle(void)
{
	struct early *e;
	uint32_t number;

	for (;;) {
		if (tasks_done(&tasks)) {
			tasks_drop(&tasks);
		} else if ((e = tasks_take(&tasks)) != NULL) {
			memcpy(&number, e->frame + FRAME_HEAD, sizeof number);
			require(number == tasks_first(&tasks)->answered,
			    "an answer to another item");
			free(e);
			tasks_answered(&tasks);
			come_out(number);
		} else {
			return;
		}
	}
}

static void answer(uint32_t ordinal, uint32_t number)
{
	_Alignas(16) unsigned char room[FRAME_START + 32];
	struct task *t = tasks_find(&tasks, ordinal, number);
	struct frame f;

	if (t == NULL)
		return;
	frame_write(room + FRAME_START, FRAME_OUTPUT, &number, sizeof number);
	frame_look(room + FRAME_START, &f);
	if (tasks_is_next(&tasks, t, number)) {
		tasks_answered(&tasks);
		come_out(number);
		settle();
	} else {
		require(tasks_keep(&tasks, t, number, &f) == 0, "no memory");
	}
}

/* Answers all that is left: then nothing may be kept. */
static void finish(void)
{
	struct task *t;

	while ((t = tasks_newest(&tasks)) != NULL && !tasks_is_whole(t))
		receive();
	while ((t = tasks_shipping(&tasks)) != NULL)
		ship();
	settle();
	while ((t = tasks_first(&tasks)) != NULL)
		answer(t->chunk.ordinal, t->answered);
	require(tasks.in_flight == 0 && tasks.kept == 0, "counts differ");
}

static void keep_books(const uint8_t *data, size_t size)
{
	uint32_t next = 0;

	memset(&tasks, 0, sizeof tasks);
	out = 0;
	for (size_t i = 0; i + 1 < size; i += 2) {
		const uint8_t by = data[i + 1];

		switch (data[i] % 8) {
		case 0:
			add_chunk(1 + by % 20, &next);
			break;
		case 1:
			take_back();
			break;
		case 2:
		case 3:
			receive();
			break;
		case 4:
		case 5:
			ship();
			break;
		default:
			answer(by, first_of[by] + data[i] / 8 % 20);
		}
		settle();
	}
	finish();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(const uint8_t *, size_t) = {
		read_greeting, read_host, read_begin, read_outcome,
		keep_books };

	if (size > 0)
		readers[data[0] % COUNTOF(readers)](data + 1, size - 1);
	return 0;
}
