/* fuzz_array.c - see fuzz_array.h: arrays of a run. */
#include "config.h"

#include "fuzz_array.h"

#include <string.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "fuzz_puppet.h"
#include "fuzz_truth.h"
#include "fuzz_world.h"

#define INPUT_LARGEST ((size_t)3000)
#define ELEMENT_LARGEST ((size_t)20000)
/* Bytes around the buffer of outputs that must not be written to. */
#define GUARD ((size_t)256)
#define GUARDED 0xe7

struct arrays arrays;

static uint64_t count;
/* Copies of the inputs as they were, and as they are without outputs over
   them. */
static unsigned char were[ITEMS_MOST * INPUT_LARGEST];
static unsigned char apart[ITEMS_MOST * INPUT_LARGEST];
static _Alignas(64) unsigned char room[GUARD + 8 +
    ITEMS_MOST * ELEMENT_LARGEST + GUARD];
static unsigned char *in, *out;
static bool told[ITEMS_MOST];	/* its failure was reported */

void array_none(void)
{
	arrays = (struct arrays){ 0 };
}

void array_begin(uint64_t inputs, bool maps, size_t most, unsigned how,
    unsigned where)
{
	static const size_t in_sizes[] = { 8, 24, 0, 1, 16, INPUT_LARGEST,
		100, 7 };
	static const size_t elements[] = { 8, 1, 24, 100, 2000, 5000, 40,
		ELEMENT_LARGEST };
	bool in_place = how & 8;

	arrays = (struct arrays){
		.inherits = true,
		.maps = maps,
		.element = MIN(elements[where & 7], most),
		.in_size = in_sizes[how & 7],
	};
	count = inputs;
	out = room + GUARD + (where >> 3 & 7);
	in = maps && in_place ? out : apart;
	if (in == out)
		arrays.in_size = MIN(arrays.element, INPUT_LARGEST);
	if (in == out)
		arrays.element = arrays.in_size;
	memset(told, 0, sizeof told);
	if (maps)
		memset(room, GUARDED, (size_t)(out - room) +
		    count * arrays.element + GUARD);
	for (size_t i = 0; i < count * arrays.in_size; i++)
		in[i] = were[i] = (unsigned char)(i * 7 + i / 251 + 1);
}

struct vm_source array_source(void)
{
	return vm_inherited_array(in, count, arrays.in_size);
}

/* ---- results ---- */

void array_check_seen(const void *at, uint64_t number)
{
	WORLD_REQUIRE((const unsigned char *)at == in +
	    number * arrays.in_size, "a worker gets another input");
}

void array_check_input(const struct vm_result *r)
{
	WORLD_REQUIRE(r->index < count && r->input != NULL &&
	    r->input_size == arrays.in_size, "another input");
	WORLD_REQUIRE(memcmp(r->input, were + r->index * arrays.in_size,
	    arrays.in_size) == 0, "an input has changed");
}

/* Have all bytes of an element the same value? */
static bool is_all(uint64_t n, unsigned char byte)
{
	const unsigned char *at = out + n * arrays.element;

	for (size_t i = 0; i < arrays.element; i++)
		if (at[i] != byte)
			return false;
	return true;
}

/* Checks the output of an honest worker; that of a dishonest worker may be
   any. */
static void check_element(uint64_t n)
{
	static unsigned char right[ELEMENT_LARGEST];

	if (world.any_bad && !truth_is_done(n))
		return;
	WORLD_REQUIRE(truth_is_done(n), "an element that nobody made");
	puppet_output(right, n, arrays.element);
	WORLD_REQUIRE(memcmp(out + n * arrays.element, right,
	    arrays.element) == 0, "another element than was made");
}

static void on_failed(void *arg, const struct vm_result *r)
{
	WORLD_REQUIRE(arg == &arrays && r->type == VM_EXCEPTION,
	    "told of another's failure");
	array_check_input(r);
	WORLD_REQUIRE(!told[r->index], "an element is told of twice");
	WORLD_REQUIRE(is_all(r->index, 0), "what has failed is not zeroes");
	told[r->index] = true;
}

/* ---- the twin: calls of the pool ---- */

void __wrap_window_taken(struct window *w, struct span *s, uint32_t items);
void __real_window_taken(struct window *w, struct span *s, uint32_t items);

/* Results pass through this function; all other outputs have been copied to the
   array by the engine. */
void __wrap_window_taken(struct window *w, struct span *s, uint32_t items)
{
	const struct span *hand = pool->engine.results.hand;

	for (uint64_t n = span_seq(s), i = 0; i < items && s != hand; i++) {
		WORLD_REQUIRE(arrays.maps && n + i < count,
		    "taken and not handed out");
		WORLD_REQUIRE(truth[n + i].taken++ == 0,
		    "an element is there twice");
		check_element(n + i);
	}
	__real_window_taken(w, s, items);
}

/* ---- the whole run ---- */

static void check_guards(void)
{
	unsigned char *end = out + count * arrays.element;

	for (unsigned char *at = room; at < out; at++)
		WORLD_REQUIRE(*at == GUARDED, "written before the array");
	for (unsigned char *at = end; at < end + GUARD; at++)
		WORLD_REQUIRE(*at == GUARDED, "written behind the array");
}

void array_map(const struct vm_worker *worker,
    const struct vm_options *its_options, bool (*may_fail)(void))
{
	int r = vm_map_array(worker, its_options,
	    &(struct vm_array_map){ .in = in, .count = count,
	        .in_size = arrays.in_size, .out = out,
	        .out_size = arrays.element, .failed = on_failed,
	        .arg = &arrays }), any = 0;

	check_guards();
	for (uint64_t n = 0; n < count; n++)
		any |= told[n];
	if (r < 0) {
		WORLD_REQUIRE(may_fail(), "not mapped for nothing");
		return;
	}
	WORLD_REQUIRE(r == any, "failures, or none");
	for (uint64_t n = 0; n < count; n++) {
		WORLD_REQUIRE(truth[n].taken == 1, "an element is left out");
		if (told[n])
			WORLD_REQUIRE(is_all(n, 0), "a failed one is there");
		else
			check_element(n);
	}
}
