/*
 * combine.h - brings pairs of the same key together in memory and runs
 * collect() over their values, before they go on.
 *
 * Runs in: worker, while it maps and while it gathers.
 *
 * Easy to get wrong: collect() emits while its key's values are read; what it
 * emits takes their place only when it is done.
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

/* Where pairs go on to: 0 or -errno. */
typedef int (*combine_to)(void *arg, uint64_t hash, const void *key,
    size_t key_size, const void *value, size_t value_size);

struct combine {
	struct vm_context *me;
	size_t memory;		/* bytes of pairs that it keeps */
	const struct vm_job *job;
	combine_to to;
	void *arg;
	bool collecting;	/* collect() runs, */
	uint32_t entry;		/* over the values of this key, */
	struct buf collected;	/* and has emitted: sizes in 4 bytes, values */
	int code;		/* what it has returned, if not 0 */
	size_t collect_at;	/* values of a key */
	struct table table;
	struct vm_values values;
};

/* Makes it empty; once. */
void combine_init(struct combine *, struct vm_context *, size_t memory,
    size_t value_most);

/* Frees it all. */
void combine_release(struct combine *);

/* Forgets all pairs: those that come belong to this job, and go on there. */
void combine_begin(struct combine *, const struct vm_job *, combine_to,
    void *arg);

/* Adds a pair, which is kept unless it is large: 0 or -errno; -ECANCELED if
   collect() has failed, with that code. */
int combine_add(struct combine *, uint64_t hash, const void *key,
    size_t key_size, const void *value, size_t value_size);

/* Takes what collect() emits: 0, or -errno; -EINVAL if the key is not the one
   it was given. */
int combine_take(struct combine *, const void *key, size_t key_size,
    const void *value, size_t value_size);

/* All that it keeps goes on: as combine_add(). */
int combine_end(struct combine *);

#endif
