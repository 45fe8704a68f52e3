/* fuzz_pairs.c - see fuzz_pairs.h. */
#include "config.h"

#include "fuzz_pairs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/buf.h"
#include "reduce/emit.h"
#include "reduce/hash.h"
#include "reduce/shuffle.h"
#include "reduce/told.h"

#define PARTITIONS 3
#define PAIR_MOST ((size_t)80000)
/* Bytes behind the input, for large values. */
#define TAIL ((size_t)70000)
#define JOBS 2

/* What the first byte asks for. */
enum { HAS_TAIL = 1, HAS_PARCEL = 2, IN_ORDER = 4 };

static struct store store = { .file = { -1, -1 } };
static struct shuffle shuffle;

static void require(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz_far: %s\n", what);
	abort();
}

static void append(struct buf *b, const void *from, size_t size)
{
	require(buf_append(b, from, size) == 0,
	    "no memory for the test itself");
}

/* ---- the truth ---- */

/* Of each partition. */
struct sum {
	uint64_t pairs, hash;
};

static void add_to(struct sum *s, uint64_t hash, const void *value, size_t size)
{
	s->pairs++;
	s->hash = hash_word(hash_word(s->hash, hash), hash_bytes(value, size));
}

/* Adds up the pairs.  Returns false if the bytes are no whole pairs. */
static bool sum_up(const unsigned char *at, size_t left, struct sum *sums)
{
	uint32_t sizes[2];
	uint64_t hash;

	while (left > 0) {
		if (left < sizeof sizes)
			return false;
		memcpy(sizes, at, sizeof sizes);
		at += sizeof sizes;
		left -= sizeof sizes;
		if (sizes[0] > PAIR_MOST || sizes[1] > PAIR_MOST ||
		    (size_t)sizes[0] + sizes[1] > left)
			return false;
		hash = hash_bytes(at, sizes[0]);
		add_to(&sums[hash_share(hash, PARTITIONS)], hash,
		    at + sizes[0], sizes[1]);
		at += sizes[0] + sizes[1];
		left -= sizes[0] + sizes[1];
	}
	return true;
}

/* Is the output one without pieces, all of pairs? */
static bool is_good(const struct buf *b, struct sum *sums)
{
	struct parcel p;

	if (b->len < sizeof p)
		return false;
	memcpy(&p, b->data + b->len - sizeof p, sizeof p);
	return p.size >= sizeof p && p.size <= b->len && p.pieces == 0 &&
	    sum_up(b->data + b->len - p.size, (size_t)p.size - sizeof p, sums);
}

/* ---- the partitions ---- */

static void read_record(const struct record *r, struct sum *s)
{
	static unsigned char value[80000];
	const uint64_t hash = hash_bytes(r->key, r->key_size);
	struct run run;

	if (!r->apart) {
		add_to(s, hash, r->body, r->body_size);
		return;
	}
	memcpy(&run, r->body, sizeof run);
	require(run.extent.size <= sizeof value, "a value that grows");
	require(run_read(&store, &run, value) == 0, "a value is lost");
	add_to(s, hash, value, (size_t)run.extent.size);
}

static void read_partition(uint32_t partition, struct sum *s)
{
	struct run list, runs[64];
	struct scan scan;
	int r = shuffle_list(&shuffle, partition, &list);

	if (r == 0)
		return;
	require(r == 1 && list.extent.size <= sizeof runs &&
	    run_read(&store, &list, runs) == 0, "a list is lost");
	for (size_t i = 0; i < list.extent.size / sizeof runs[0]; i++) {
		scan_open(&scan, &store, &runs[i], PAIR_MOST);
		while ((r = scan_next(&scan)) == 1)
			read_record(&scan.now, s);
		require(r == 0, "a run does not parse");
		scan_release(&scan);
	}
}

void fuzz_pairs(const uint8_t *data, size_t size)
{
	const unsigned how = size > 0 ? data[0] : 0;
	struct sum truth[PARTITIONS] = { { 0 } }, found[PARTITIONS] = { { 0 } };
	static unsigned char tail[TAIL];
	struct parcel parcel = { .size = sizeof parcel };
	struct words w;
	struct buf b;
	int r;

	if (store.words == NULL)
		require(store_open(&store, 1, UINT64_MAX, NULL, &w) == 0,
		    "no store");
	require(shuffle_open(&shuffle, &store, PARTITIONS, 64,
	    how & IN_ORDER) == 0, "no shuffle");
	buf_init(&b, SIZE_MAX / 4);
	append(&b, data + (size > 0), size - (size > 0));
	/* No pairs begin with these bytes. */
	memset(tail, 0xff, sizeof tail);
	if (how & HAS_TAIL)
		append(&b, tail, sizeof tail);
	parcel.size += b.len;
	if (how & HAS_PARCEL)
		append(&b, &parcel, sizeof parcel);
	r = shuffle_add_far(&shuffle, b.data, b.len, PAIR_MOST);
	if (is_good(&b, truth))
		require(r == 0, "good pairs are refused");
	else
		require(r == -EBADMSG, "bad pairs are taken");
	for (uint32_t i = 0; i < PARTITIONS; i++) {
		read_partition(i, &found[i]);
		require(r < 0 ? found[i].pairs == 0 : memcmp(&found[i],
		    &truth[i], sizeof found[i]) == 0, "other pairs");
	}
	buf_release(&b);
	shuffle_close(&shuffle);
	require(store_empty(&store) == 0, "no empty store");
}

/* ---- what agents are told ---- */

void fuzz_told(const uint8_t *data, size_t size)
{
	struct vm_job jobs[JOBS] = { { .config = NULL } };
	struct job_plan plan = { .jobs = jobs, .count = JOBS };
	unsigned char *copy = malloc(size + !size);
	const struct told *t = (const void *)copy;

	require(copy != NULL, "no memory for the test itself");
	memcpy(copy, data, size);
	if (told_is(t, size) && told_read(t, &plan) == 0)
		for (size_t i = 0; i < JOBS; i++)
			require(jobs[i].config == NULL ||
			    ((unsigned char *)jobs[i].config >= copy &&
			    (unsigned char *)jobs[i].config <= copy + size),
			    "a config elsewhere");
	free(copy);
}
