/*
 * settings.h - the options of a pool after defaults and checks.
 *
 * Runs in: caller.  Made by settings.c; read by the engine and the API, and
 * changed by vm_resize() and vm_add_host() only.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"
#include "pool/hosts.h"
#include "worker/plan.h"

struct settings {
	struct plan plan;	/* the part that workers use */
	size_t workers;		/* wanted now; 1 if serial */
	size_t usual;		/* number of usable CPUs, if the default number
				   of workers holds; 0: the number was given */
	size_t max_workers;	/* bound on workers for the pool's life */
	struct hosts hosts;	/* owned; vm_add_host() adds to them */
	size_t max_hosts;	/* places for hosts; 0: the pool cannot have
				   any */
	char *listen;		/* name or path of the door, owned; NULL: no
				   machine may join */
	int max_losses;		/* of machines, until an item is sent alone */
	uint64_t patience_ns;	/* bound on the time without a machine */
	bool serial;
	bool ordered;
	bool debug;
	bool progress;
	bool tell_stats;	/* write a table to stderr at the end */
	bool tell_trace;	/* the path of the trace is the environment's */
	char *keep;		/* directory for failed inputs, owned; NULL:
				   they are not kept */
	char *trace;		/* path of the trace's file, owned; NULL: no
				   trace */
	char *journal;		/* path of the journal, owned; NULL: none */
	const void *(*journal_key)(void *config, const void *input,
	    size_t size, size_t *key_size); /* NULL: all bytes are the key */
	bool journal_outputs;
	bool journal_retry;
	bool journal_sync;
	uint64_t only;		/* index of the only input of each source that
				   is read; NEVER: all are */
	int *indices;		/* array of an index for each worker, owned;
				   NULL: 0, 1, 2 ... */
	size_t chunk_size;	/* 0: measured */
	size_t real_factor;	/* chunks per worker */
	size_t total_factor;
	int leases;		/* chunks that one worker may hold */
	size_t max_bytes;	/* in flight; 0: by the number of workers */
	uint64_t memory;	/* usable memory in bytes, if max_bytes is 0;
				   set by settings_look() */
	int max_attempts;
	unsigned retry_on;	/* bit mask of causes */
	uint64_t retry_ns;	/* delay before the second attempt */
	uint64_t retry_most_ns;
	uint64_t max_failures;	/* 0: no limit */
	uint64_t max_items;	/* per worker; 0: no limit */
	uint64_t max_rss;	/* per worker, in bytes; 0: no limit */
	bool isolate;		/* a slot's pages are emptied before each
				   worker */
	uint64_t item_ns;	/* 0: no limit */
	uint64_t setup_ns;	/* 0: no limit */
	uint64_t teardown_ns;
	uint64_t close_ns;
	uint64_t fork_ns;	/* bound on the time without a worker that can
				   be forked */
};

struct vm_options;

/*
 * Checks the options of the user and fills in defaults; the sizes are those
 * that the user's program knows the structs by.  Returns 0; -EINVAL with words
 * that name the option; -ENOMEM.
 */
int settings_make(struct settings *, const struct vm_worker *,
    size_t worker_size, const struct vm_options *, size_t options_size,
    struct words *);

/* Reads how much memory is usable, if settings_bytes() depends on it. */
void settings_look(struct settings *);

/* Returns the bound in bytes on the window of a pool with that many workers.
   *usual: the bound while items are small. */
size_t settings_bytes(const struct settings *, size_t workers, size_t *usual);

/* Checks that items can go to other machines.  Returns 0, or -EINVAL with
   words. */
int settings_host_fit(const struct settings *, struct words *);

/* Frees the memory that settings_make() has allocated. */
void settings_release(struct settings *);

#endif
