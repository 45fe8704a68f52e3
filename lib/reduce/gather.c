/* gather.c - see gather.h: brings the values of each key together. */
#include "config.h"

#include "reduce/gather.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "reduce/batch.h"
#include "reduce/hash.h"
#include "reduce/merge.h"
#include "reduce/values.h"

/* Bytes of buffers for each run that is merged. */
#define RUN_MEMORY ((size_t)192 * 1024)
/* Number of records between two calls of vm_alive(). */
#define ALIVE 1024
/* At least this number of runs is merged at once, however small the memory. */
#define RUNS_LEAST 8

/* State of a call of gather(). */
struct work {
	const struct gather_phase *g;
	/* Upper bounds of the sizes of both sinks, in bytes. */
	uint64_t values_most, index_most;
	struct batch batch;
	struct buf runs;	/* array of struct run, each sorted */
	struct sink values, index;
	struct buf key;		/* buffer for the key of the present group */
	struct group group;
	bool any;		/* there is a present group */
	uint64_t keys;
	unsigned handled;	/* records so far, to call vm_alive() */
};

static void work_open(struct work *w, const struct gather_phase *g)
{
	*w = (struct work){ .g = g };
	batch_init(&w->batch);
	buf_init(&w->runs, SIZE_MAX / 4);
	buf_init(&w->key, SIZE_MAX / 4);
}

static void work_close(struct work *w)
{
	batch_release(&w->batch);
	buf_release(&w->runs);
	buf_release(&w->key);
	sink_release(&w->values);
	sink_release(&w->index);
}

/* Counts a record and calls vm_alive() now and then. */
static void go_on(struct work *w)
{
	if (++w->handled % ALIVE == 0)
		vm_alive(w->g->me);
}

/* ---- output ---- */

static int open_sinks(struct work *w)
{
	const struct gather_phase *g = w->g;
	int r = sink_open(&w->values, g->store, g->place, w->values_most);

	if (r == 0)
		r = sink_open(&w->index, g->store, g->place, w->index_most);
	return r;
}

/* Writes the present group, which is complete, to the index. */
static int end_group(struct work *w)
{
	struct record r = { w->key.data, (const unsigned char *)&w->group,
		(uint32_t)w->key.len, sizeof w->group, false };

	if (!w->any)
		return 0;
	w->group.size = sink_at(&w->values) - w->group.at;
	w->keys++;
	w->any = false;
	return sink_put_record(&w->index, &r);
}

static int begin_group(struct work *w, const struct record *r)
{
	w->group = (struct group){ .at = sink_at(&w->values),
		.seal = HASH_START };
	w->any = true;
	w->key.len = 0;
	return buf_append(&w->key, r->key, r->key_size);
}

static bool is_same_key(const struct work *w, const struct record *r)
{
	return w->any && w->key.len == r->key_size &&
	    (r->key_size == 0 || memcmp(w->key.data, r->key, r->key_size) == 0);
}

/* Writes a record to the sinks; records come in the order of keys. */
static int put(struct work *w, const struct record *r)
{
	uint32_t size = r->apart ? RECORD_APART : r->body_size;
	struct run run;
	int error = 0;

	if (!is_same_key(w, r)) {
		error = end_group(w);
		if (error == 0)
			error = begin_group(w, r);
	}
	if (error == 0)
		error = sink_put(&w->values, &size, sizeof size);
	if (error == 0)
		error = sink_put(&w->values, r->body, r->body_size);
	w->group.count++;
	if (r->apart) {
		memcpy(&run, r->body, sizeof run);
		w->group.seal = values_seal_apart(w->group.seal, &run);
	} else {
		w->group.seal = values_seal(w->group.seal, r->body,
		    r->body_size);
	}
	return error;
}

static int finish(struct work *w, struct gathered *out)
{
	struct run values;
	int r = end_group(w);

	if (r == 0)
		r = sink_close(&w->values, &values);
	if (r == 0)
		r = sink_close(&w->index, &out->index);
	out->keys = w->keys;
	return r;
}

/* ---- records in memory ---- */

/* Sorts the batch, passes its records to a callback and empties it. */
static int pass(struct work *w,
    int (*to)(struct work *, const struct record *))
{
	int64_t count = batch_sort(&w->batch, w->g->me);
	struct record r;
	int error = count < 0 ? (int)count : 0;

	for (int64_t i = 0; i < count && error == 0; i++) {
		batch_look(&w->batch, (size_t)i, &r);
		go_on(w);
		error = to(w, &r);
	}
	batch_clear(&w->batch);
	return error;
}

/* ---- sorted runs ---- */

/* Sorted runs are written through the sink of values, which is not used
   otherwise until the last merge. */
static int put_sorted(struct work *w, const struct record *r)
{
	return sink_put_record(&w->values, r);
}

static int close_run(struct work *w)
{
	struct run run;
	int r = sink_close(&w->values, &run);

	sink_release(&w->values);
	if (r == 0)
		r = buf_append(&w->runs, &run, sizeof run);
	return r;
}

static int write_sorted(struct work *w)
{
	int r = sink_open(&w->values, w->g->store, w->g->place,
	    w->batch.records.len);

	if (r == 0)
		r = pass(w, put_sorted);
	return r == 0 ? close_run(w) : r;
}

static int merge(struct work *w, const struct run *runs, size_t count,
    int (*to)(struct work *, const struct record *))
{
	struct record record;
	struct merge m;
	int r = merge_open(&m, w->g->store, runs, count, w->g->key_most);

	while (r == 0 && (r = merge_next(&m, &record)) == 1) {
		go_on(w);
		r = to(w, &record);
	}
	merge_close(&m);
	return r;
}

/* Merges the runs in groups of at most "most" neighbours, each group into a new
   run.  A turn covers all groups, so the new runs stand in the order of the old
   ones. */
static int merge_turn(struct work *w, size_t most)
{
	struct buf old = w->runs;
	const struct run *runs = (const void *)old.data;
	size_t count = old.len / sizeof *runs;
	int r = 0;

	buf_init(&w->runs, SIZE_MAX / 4);
	for (size_t i = 0, n; i < count && r == 0; i += n) {
		uint64_t bytes = 0;

		n = MIN(most, count - i);
		for (size_t k = 0; k < n; k++)
			bytes += runs[i + k].extent.size;
		r = sink_open(&w->values, w->g->store, w->g->place, bytes);
		if (r == 0)
			r = merge(w, runs + i, n, put_sorted);
		if (r == 0)
			r = close_run(w);
		for (size_t k = 0; k < n && r == 0; k++)
			store_drop(w->g->store, &runs[i + k].extent);
	}
	buf_release(&old);
	return r;
}

static int merge_all(struct work *w)
{
	size_t most = MAX(w->g->memory / RUN_MEMORY, RUNS_LEAST);
	const struct run *runs;
	size_t count;
	int r = 0;

	while (r == 0 && w->runs.len / sizeof(struct run) > most)
		r = merge_turn(w, most);
	runs = (const void *)w->runs.data;
	count = w->runs.len / sizeof *runs;
	if (r == 0)
		r = open_sinks(w);
	if (r == 0)
		r = merge(w, runs, count, put);
	for (size_t i = 0; i < count && r == 0; i++)
		store_drop(w->g->store, &runs[i].extent);
	return r;
}

/* ---- the whole partition ---- */

/* Adds a record to the batch, and writes the batch when it exceeds the
   memory. */
static int add(struct work *w, const struct record *r)
{
	int error;

	w->values_most += sizeof(uint32_t) + (uint64_t)r->body_size;
	w->index_most += RECORD_HEAD + (uint64_t)r->key_size +
	    sizeof(struct group);
	error = batch_add(&w->batch, r);
	return error == 0 && batch_size(&w->batch) >= w->g->memory ?
	    write_sorted(w) : error;
}

/* Callback of combine.h: adds a pair that has passed collect(). */
static int add_pair(void *arg, uint64_t hash, const void *key,
    size_t key_size, const void *value, size_t value_size)
{
	struct work *w = arg;
	struct record r = { key, value, (uint32_t)key_size,
		(uint32_t)value_size, value_size >= RECORD_LARGE };
	struct run run;
	int error = 0;

	(void)hash;
	go_on(w);
	if (r.apart) {
		error = run_write(w->g->store, w->g->place, value, value_size,
		    &run);
		r.body = (const unsigned char *)&run;
		r.body_size = sizeof run;
	}
	return error == 0 ? add(w, &r) : error;
}

/* Only called for a value within its record: collect() does not read values
   that lie apart. */
static int collect(struct work *w, const struct record *r)
{
	return combine_add(w->g->combine, hash_bytes(r->key, r->key_size),
	    r->key, r->key_size, r->body, r->body_size);
}

static int read_run(struct work *w, const struct run *run)
{
	struct scan s;
	int r = scan_open(&s, w->g->store, run, w->g->key_most);

	while (r == 0 && (r = scan_next(&s)) == 1) {
		go_on(w);
		r = w->g->job != NULL && !s.now.apart ? collect(w, &s.now) :
		    add(w, &s.now);
	}
	scan_release(&s);
	return r;
}

/* A partition that fits in memory is written only once. */
static int pass_all(struct work *w)
{
	int r;

	if (w->runs.len == 0) {
		r = open_sinks(w);
		return r == 0 ? pass(w, put) : r;
	}
	r = w->batch.records.len > 0 ? write_sorted(w) : 0;
	return r == 0 ? merge_all(w) : r;
}

int gather(const struct gather_phase *g, const struct run *runs, size_t count,
    struct gathered *out)
{
	struct work w;
	int r = 0;

	work_open(&w, g);
	if (g->job != NULL) {
		combine_begin(g->combine, g->job, add_pair, &w);
		g->combine->each_alive = true;
	}
	for (size_t i = 0; i < count && r == 0; i++)
		r = read_run(&w, &runs[i]);
	if (r == 0 && g->job != NULL)
		r = combine_end(g->combine);
	if (r == 0)
		r = pass_all(&w);
	if (r == 0)
		r = finish(&w, out);
	work_close(&w);
	return r;
}
