/*
 * combine.h - keeps pairs in a table by key and runs collect() over the values
 * of a key, before the pairs are passed on.
 *
 * Runs in: worker, in the phases map and gather.
 *
 * Easy to get wrong: collect() emits while it still reads the values of its
 * key; the emitted values replace them only after it has returned.
 */
#ifndef COMBINE_H
#define COMBINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "reduce/table.h"
#include "reduce/values.h"
#include "vimap.h"
#include "vimap_reduce.h"

/* Callback that gets the pairs which leave the table.  Returns 0 or -errno. */
typedef int (*combine_to)(void *arg, uint64_t hash, const void *key,
    size_t key_size, const void *value, size_t value_size);

/* The type of vm_job.collect. */
typedef int combine_hook(struct vm_context *, const void *key, size_t key_size,
    struct vm_values *);

struct combine {
	struct vm_context *me;
	size_t memory;		/* bytes the table may take */
	combine_hook *add_up;	/* vm_add_up(), which is not called: the table
				   sums the values itself */
	const struct vm_job *job;
	combine_to to;
	void *arg;
	bool each_alive;	/* each call of collect() restarts the timeout:
				   false from combine_begin() on */
	bool collecting;	/* collect() is running, */
	uint32_t entry;		/* over the values of this entry, */
	struct buf collected;	/* buffer of emitted values, each after its size
				   in 4 bytes */
	int code;		/* nonzero code collect() returned, or 0 */
	size_t collect_at;	/* threshold: values of a key */
	struct table table;
	struct vm_values values;
};

/* Initialises an empty table; call it once. */
void combine_init(struct combine *, struct vm_context *, combine_hook *add_up,
    size_t memory, size_t value_most);

/* Frees all buffers. */
void combine_release(struct combine *);

/* Drops all pairs.  Those added from now on are collected by this job and
   passed on to this callback. */
void combine_begin(struct combine *, const struct vm_job *, combine_to,
    void *arg);

/* Adds a pair: copies it into the table, or passes a large value on at once.
   Returns 0 or -errno; -ECANCELED if collect() has failed, with its code in
   "code". */
int combine_add(struct combine *, uint64_t hash, const void *key,
    size_t key_size, const void *value, size_t value_size);

/* Adds a pair that collect() emits.  Returns 0 or -errno; -EINVAL if its key
   differs from the key collect() was given. */
int combine_take(struct combine *, const void *key, size_t key_size,
    const void *value, size_t value_size);

/* Collects and passes on all pairs in the table.  Returns as combine_add(). */
int combine_end(struct combine *);

#endif
