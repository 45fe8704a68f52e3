/*
 * settings.h - the options of a pool after defaults and checks.
 *
 * Runs in: caller.  Made by options.c, read by everybody above the books,
 * changed by nobody.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"
#include "worker/plan.h"

struct settings {
	struct plan plan;	/* what the workers get of it */
	size_t workers;		/* now wanted; 1 if serial */
	size_t usual;		/* CPUs, if their number is to be that of
				   workers; 0: this was given */
	size_t max_workers;	/* there may ever be */
	bool serial;
	bool ordered;
	bool debug;
	int *indices;		/* one a worker, ours; NULL: 0, 1, 2 ... */
	size_t chunk_size;	/* 0: by measure */
	size_t real_factor;	/* chunks a worker */
	size_t total_factor;
	int leases;		/* chunks one worker may have */
	size_t max_bytes;	/* in flight; 0: by the number of workers */
	uint64_t memory;	/* that can be had, if so, in bytes */
	int max_attempts;
	unsigned retry_on;	/* causes */
	uint64_t retry_ns;	/* before the second attempt */
	uint64_t retry_most_ns;
	uint64_t max_failures;	/* 0: no limit */
	uint64_t max_items;	/* of a worker; 0: no limit */
	uint64_t max_rss;	/* of a worker, in bytes; 0: no limit */
	bool tell_setup_failures;
	bool isolate;		/* pages are emptied for each worker */
	uint64_t item_ns;	/* 0: as long as it takes */
	uint64_t setup_ns;	/* the same */
	uint64_t teardown_ns;
	uint64_t close_ns;
	uint64_t fork_ns;	/* without a worker that could be forked */
};

struct vm_options;

/*
 * Checks and fills in what the caller gave, with the sizes it knows the
 * structs by.  0; -EINVAL with words that name the option; -ENOMEM.
 */
int settings_make(struct settings *, const struct vm_worker *,
    size_t worker_size, const struct vm_options *, size_t options_size,
    struct words *);

/* The bound in bytes on what is in flight with so many workers. */
size_t settings_bytes(const struct settings *, size_t workers);

/* Frees what settings_make() has allocated. */
void settings_release(struct settings *);

#endif
