/* chaos_round.c - values drawn from the seed: rounds, fates, bytes. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "chaos.h"

/* ---- random numbers ---- */

static uint64_t spread(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

uint64_t mix(uint64_t a, uint64_t b)
{
	return spread(spread(a) ^ b);
}

uint64_t draw(struct rng *r)
{
	r->state += 0x9e3779b97f4a7c15u;
	return spread(r->state);
}

uint32_t draw_below(struct rng *r, uint32_t n)
{
	return (uint32_t)(draw(r) % n);
}

bool draw_once_in(struct rng *r, uint32_t n)
{
	return draw_below(r, n) == 0;
}

/* ---- the round ---- */

static void draw_options(struct round *r, struct rng *g)
{
	struct vm_options *o = &r->options;

	*o = (struct vm_options){
		.workers = 1 + (int)draw_below(g, 8),
		.flags = draw_below(g, 8),
		.max_attempts = 1 + (int)draw_below(g, 4),
		.retry_delay_ms = (int)draw_below(g, 6),
		.close_timeout_ms = 50 + (int)draw_below(g, 500),
		.seed = r->seed,
	};
	if (draw_once_in(g, 2))
		o->chunk_size = draw_once_in(g, 3) ? 1 :
		    1 + draw_below(g, 200);
	if (draw_once_in(g, 3))
		o->max_real_in_flight_factor = 1 + (int)draw_below(g, 20);
	if (draw_once_in(g, 3))
		o->max_total_in_flight_factor = 1 + (int)draw_below(g, 100);
	if (draw_once_in(g, 3))
		o->max_in_flight_bytes = 1 + draw_below(g, 100000);
	if (draw_once_in(g, 4))
		o->max_item_bytes = (size_t)1 << 20;
	if (draw_once_in(g, 2))
		o->item_timeout_ms = 50 + (int)draw_below(g, 101);
	if (draw_once_in(g, 4))
		o->worker_max_items = (int)(r->items / 100 +
		    draw_below(g, r->items));
}

/* Sets the odds so that about count attempts of the round have that fate. */
static void expect(struct round *r, enum fate f, uint32_t count)
{
	r->odds[f] = (uint32_t)(((uint64_t)count << 32) / r->items);
}

static void draw_fates(struct round *r, struct rng *g)
{
	bool garbage = draw_once_in(g, 3);

	expect(r, FATE_SLOW, draw_below(g, 60));
	expect(r, FATE_STUBBORN, draw_below(g, 5));
	expect(r, FATE_PARENT, draw_below(g, 5));
	expect(r, FATE_HUGE, draw_below(g, 10));
	expect(r, FATE_EMPTY, r->items / 50);
	expect(r, FATE_GARBAGE, garbage ? draw_below(g, 6) : 0);
	expect(r, FATE_FAIL, draw_below(g, r->items / 50));
	expect(r, FATE_TALK, r->options.flags & VM_STDERR_TAIL ? draw_below(g, 20) : 0);
	expect(r, FATE_TOO_BIG, r->options.max_item_bytes ? 3 : 0);
	expect(r, FATE_SEGV, draw_below(g, 20));
	expect(r, FATE_ABORT, draw_below(g, 8));
	expect(r, FATE_KILL, draw_below(g, 20));
	expect(r, FATE_EXIT, draw_below(g, 20));
	expect(r, FATE_LOOP, r->options.item_timeout_ms ?
	    draw_below(g, 5) : 0);
}

/* With a chance of 1 in "rounds", draws a result at which an event happens. */
static uint32_t draw_moment(const struct round *r, struct rng *g,
    uint32_t rounds)
{
	return draw_once_in(g, rounds) ? draw_below(g, r->items) : UINT32_MAX;
}

void round_draw(struct round *r, uint64_t seed, uint64_t number)
{
	struct rng g = { mix(seed, number) };

	*r = (struct round){ .seed = g.state, .number = number };
	r->items = draw_once_in(&g, 2) ? 1000 + draw_below(&g, 4000) :
	    10000 + draw_below(&g, ITEMS_MOST - 10000);
	r->odds_medium = (uint32_t)(((uint64_t)draw_below(&g, 60) << 32) /
	    r->items);
	r->odds_big = (uint32_t)(((uint64_t)draw_below(&g, 5) << 32) /
	    r->items);
	draw_options(r, &g);
	draw_fates(r, &g);
	r->jobs = draw_once_in(&g, 3) ? 2 + (int)draw_below(&g, 2) : 1;
	r->cancel_at = draw_moment(r, &g, 6);
	r->close_at = draw_moment(r, &g, 6);
	r->resize_every = draw_once_in(&g, 2) ? r->items / 10 : 0;
	r->nap_every = draw_once_in(&g, 2) ? r->items / 10 : 0;
	r->hunt_us = draw_once_in(&g, 4) ? 0 : 500 + draw_below(&g, 20000);
	r->hunt_to_end = draw_once_in(&g, 2);
	r->prompt = draw_once_in(&g, 2);
}

void round_print(const struct round *r)
{
	const struct vm_options *o = &r->options;

	printf("round %llu: items %u, jobs %d, workers %d, flags %u, "
	    "chunk %zu, factors %d %d, bytes %zu, most %zu, attempts %d, "
	    "delay %d, timeout %d, close %d, worker's items %d, "
	    "cancel at %u, close at %u, resize %u, "
	    "nap %u, hunt %u %d, prompt %d, garbage %u\n",
	    (unsigned long long)r->number,
	    r->items, r->jobs, o->workers, o->flags, o->chunk_size,
	    o->max_real_in_flight_factor, o->max_total_in_flight_factor,
	    o->max_in_flight_bytes, o->max_item_bytes, o->max_attempts,
	    o->retry_delay_ms, o->item_timeout_ms, o->close_timeout_ms,
	    o->worker_max_items, r->cancel_at, r->close_at,
	    r->resize_every, r->nap_every, r->hunt_us, r->hunt_to_end,
	    r->prompt, r->odds[FATE_GARBAGE]);
}

/* ---- items ---- */

enum { ABOUT_FATE = 1, ABOUT_INPUT, ABOUT_OUTPUT, ABOUT_SIZE };

static uint64_t number_of(const struct round *r, int about, uint64_t index,
    int attempt)
{
	return mix(r->seed + (uint64_t)about, index << 8 | (uint64_t)attempt);
}

enum fate fate_of(const struct round *r, uint64_t index, int attempt)
{
	uint32_t at = (uint32_t)number_of(r, ABOUT_FATE, index, attempt);

	for (int f = FATES - 1; f > FATE_FINE; f--) {
		if (at < r->odds[f])
			return (enum fate)f;
		at -= r->odds[f];
	}
	return FATE_FINE;
}

size_t input_size(const struct round *r, uint64_t index)
{
	struct rng g = { number_of(r, ABOUT_SIZE, index, 0) };
	uint32_t at = (uint32_t)draw(&g);

	if (at < r->odds_big)
		return draw_below(&g, (1 << 20) + 1);
	if (at - r->odds_big < r->odds_medium)
		return draw_below(&g, 1 << 16);
	if (draw_once_in(&g, 16))
		return draw_below(&g, 1000);
	return draw_once_in(&g, 16) ? 0 : draw_below(&g, 33);
}

size_t output_size(const struct round *r, uint64_t index, int attempt)
{
	struct rng g = { number_of(r, ABOUT_SIZE, index, attempt) };

	switch (fate_of(r, index, attempt)) {
	case FATE_HUGE:
		return 100000 + draw_below(&g, 600000);
	case FATE_TOO_BIG:
		return (1 << 20) + 1 + draw_below(&g, 100000);
	case FATE_EMPTY:
		return 0;
	default:
		return draw_once_in(&g, 16) ? draw_below(&g, 1000) :
		    8 + draw_below(&g, 9);
	}
}

uint64_t input_key(const struct round *r, uint64_t index)
{
	return number_of(r, ABOUT_INPUT, index, 0);
}

uint64_t output_key(const struct round *r, uint64_t index, int attempt)
{
	return number_of(r, ABOUT_OUTPUT, index, attempt);
}

/* ---- bytes ---- */

void content_fill(void *to, size_t size, uint64_t key)
{
	struct rng g = { key };
	unsigned char *at = to;

	while (size > 0) {
		uint64_t word = draw(&g);
		size_t n = size < sizeof word ? size : sizeof word;

		memcpy(at, &word, n);
		at += n;
		size -= n;
	}
}

bool content_is(const void *from, size_t size, uint64_t key)
{
	struct rng g = { key };
	const unsigned char *at = from;

	while (size > 0) {
		uint64_t word = draw(&g);
		size_t n = size < sizeof word ? size : sizeof word;

		if (memcmp(at, &word, n) != 0)
			return false;
		at += n;
		size -= n;
	}
	return true;
}
