/* settings.c - see settings.h: checks and defaults of the public options. */
#include "config.h"

#include "pool/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/given.h"
#include "items/chunk.h"
#include "os/cpus.h"
#include "os/fdlist.h"
#include "os/memory.h"
#include "os/sys.h"
#include "pool/environment.h"
#include "shm/slot.h"
#include "vimap.h"
#include "wire/frame.h"

/* Descriptors left to the program, if the number of workers is the library's
   choice; and descriptors that a pool uses besides those of its workers. */
#define FDS_KEPT 64
#define FDS_OF_POOL 10
/* Defaults of bytes in flight: per worker, enough for some large inputs and
   results; at least for a pool, and enough for small inputs of any number of
   workers; capped at a part of the memory, but that cap is at least
   BYTES_LEAST. */
#define BYTES_EACH ((uint64_t)16 << 20)
#define BYTES_USUAL ((uint64_t)64 << 20)
#define BYTES_PART 8
#define BYTES_LEAST ((uint64_t)1 << 20)
#define FACTOR_MOST 1000000
/* More hosts are taken for a mistake; places for hosts, if no number is
   given. */
#define HOSTS_MOST 4096
#define HOSTS_USUAL 16
/* A machine may be silent for less only if pings are more frequent than
   useful. */
#define SILENCE_LEAST 1000
#define ATTEMPTS_MOST 1000000
/* The causes that lie in an item, or may. */
#define RETRY_ON_ANY ((unsigned)(VM_FAILED | VM_KILLED | VM_EXITED | \
	VM_TIMED_OUT | VM_TOO_BIG | VM_GARBLED))
#define FLAGS_ALL ((unsigned)(VM_JOURNAL_SYNC << 1) - 1)
#define FLAGS_OF_JOURNAL ((unsigned)(VM_JOURNAL_OUTPUTS | VM_JOURNAL_RETRY | \
	VM_JOURNAL_SYNC))

/* Checks a whole number: not negative, not absurd. */
static int check(const char *name, long long value, long long most,
    struct words *w)
{
	if (value < 0)
		return words_set(w, EINVAL, "vm_options.%s must not be "
		    "negative; it is %lld.", name, value);
	if (value > most)
		return words_set(w, EINVAL, "vm_options.%s must be at most "
		    "%lld; it is %lld.", name, most, value);
	return 0;
}

static int check_size(const char *name, size_t value, uint64_t most,
    struct words *w)
{
	if (value > most)
		return words_set(w, EINVAL, "vm_options.%s must be at most "
		    "%llu; it is %zu.", name, (unsigned long long)most,
		    value);
	return 0;
}

static int check_numbers(const struct vm_options *o, struct words *w)
{
	const struct { const char *name; int value, most; } numbers[] = {
		{ "max_real_in_flight_factor", o->max_real_in_flight_factor,
		    FACTOR_MOST },
		{ "max_total_in_flight_factor", o->max_total_in_flight_factor,
		    FACTOR_MOST },
		{ "max_attempts", o->max_attempts, ATTEMPTS_MOST },
		{ "retry_delay_ms", o->retry_delay_ms, INT32_MAX },
		{ "retry_delay_max_ms", o->retry_delay_max_ms, INT32_MAX },
		{ "max_failures", o->max_failures, INT32_MAX },
		{ "item_timeout_ms", o->item_timeout_ms, INT32_MAX },
		{ "setup_timeout_ms", o->setup_timeout_ms, INT32_MAX },
		{ "teardown_timeout_ms", o->teardown_timeout_ms, INT32_MAX },
		{ "close_timeout_ms", o->close_timeout_ms, INT32_MAX },
		{ "fork_timeout_ms", o->fork_timeout_ms, INT32_MAX },
		{ "worker_max_items", o->worker_max_items, INT32_MAX },
		{ "worker_max_cpu_seconds", o->worker_max_cpu_seconds,
		    INT32_MAX },
		{ "max_workers", o->max_workers, WORKERS_MOST },
		{ "close_count", o->close_count, INT32_MAX },
		{ "host_count", o->host_count, HOSTS_MOST },
		{ "max_hosts", o->max_hosts, HOSTS_MOST },
		{ "connect_timeout_ms", o->connect_timeout_ms, INT32_MAX },
		{ "silence_ms", o->silence_ms, INT32_MAX },
		{ "patience_ms", o->patience_ms, INT32_MAX },
		{ "max_losses", o->max_losses, INT32_MAX / 2 },
	};
	int r = 0;

	if (o->workers != VM_SERIAL && o->workers != VM_ELSEWHERE)
		r = check("workers", o->workers, WORKERS_MOST, w);
	for (size_t i = 0; i < COUNTOF(numbers) && r == 0; i++)
		r = check(numbers[i].name, numbers[i].value, numbers[i].most,
		    w);
	if (r == 0 && (o->flags & ~FLAGS_ALL) != 0)
		r = words_set(w, EINVAL, "vm_options.flags has a bit that is "
		    "none of enum vm_flag: 0x%x.", o->flags & ~FLAGS_ALL);
	if (r == 0 && (o->retry_on & ~RETRY_ON_ANY) != 0)
		r = words_set(w, EINVAL, "vm_options.retry_on has a bit that "
		    "is no cause of an item's own, VM_FAILED to VM_GARBLED: "
		    "0x%x.", o->retry_on & ~RETRY_ON_ANY);
	if (r == 0)
		r = check_size("chunk_size", o->chunk_size,
		    CHUNK_ITEMS_MOST, w);
	if (r == 0)
		r = check_size("max_item_bytes", o->max_item_bytes,
		    MIN(FRAME_MAX, SIZE_MAX / 8), w);
	if (r == 0)
		r = check_size("max_in_flight_bytes", o->max_in_flight_bytes,
		    SIZE_MAX / 8, w);
	return r;
}

/* Checks combinations of options. */
static int check_together(const struct vm_options *o, struct words *w)
{
	int r = 0;

	if (o->worker_indices != NULL && o->workers == 0)
		r = words_set(w, EINVAL, "vm_options.worker_indices needs "
		    "vm_options.workers: how many there are.");
	if (r == 0 && (o->flags & VM_ISOLATE) && (o->chunk_size > 1 ||
	    o->worker_max_items > 1 || o->workers == VM_SERIAL))
		r = words_set(w, EINVAL, "VM_ISOLATE goes with "
		    "processes, a chunk_size of 1 and worker_max_items "
		    "of 1 only.");
	if (r == 0 && o->journal == NULL && (o->journal_key != NULL ||
	    o->flags & FLAGS_OF_JOURNAL))
		r = words_set(w, EINVAL, "vm_options.journal_key and "
		    "VM_JOURNAL_ flags need vm_options.journal, a path.");
	if (r == 0 && o->max_workers > 0 && (o->workers > o->max_workers ||
	    (o->worker_indices != NULL && o->workers < o->max_workers)))
		r = words_set(w, EINVAL, "vm_options.max_workers is %d, which "
		    "does not go with %d workers%s.", o->max_workers,
		    o->workers, o->worker_indices ? " and as many "
		    "worker_indices" : "");
	return r;
}

/* The number of a descriptor that is not open now may later become a descriptor
   of the pool. */
static int check_fds(const struct vm_options *o, struct words *w)
{
	if (o->close_fds == NULL && o->close_count > 0)
		return words_set(w, EINVAL, "vm_options.close_fds must not be "
		    "NULL with a close_count of %d.", o->close_count);
	for (int i = 0; i < o->close_count; i++)
		if (!sys_is_open(o->close_fds[i]))
			return words_set(w, EINVAL, "vm_options.close_fds[%d] "
			    "is %d, which is no open descriptor.", i,
			    o->close_fds[i]);
	return 0;
}

/* ---- other machines ---- */

static bool is_name(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return n > 0 && n < 64 && name[n] == '\0';
}

int settings_host_fit(const struct settings *s, struct words *w)
{
	const struct vm_worker *hooks = &s->plan.hooks;

	if (s->serial || s->isolate || s->plan.tell_teardowns)
		return words_set(w, EINVAL, "Other machines (vm_options.hosts "
		    "or .listen) do not go with VM_SERIAL, VM_ISOLATE or "
		    "VM_TELL_TEARDOWNS.");
	if (hooks->name == NULL || !is_name(hooks->name))
		return words_set(w, EINVAL, "Other machines (vm_options.hosts "
		    "or .listen) need a vm_worker.name, or that of a reducer, "
		    "of 1 to 63 of A-Z a-z 0-9 . _ - .");
	if (hooks->config != NULL && hooks->config_size == 0)
		return words_set(w, EINVAL, "With vm_options.hosts or .listen "
		    "a vm_worker.config needs its config_size: the bytes that "
		    "are copied to other machines.");
	if (s->plan.silence_ns < SILENCE_LEAST * MS_IN_NS)
		return words_set(w, EINVAL, "vm_options.silence_ms must be at "
		    "least %d.", SILENCE_LEAST);
	return 0;
}

static int check_hosts(const struct vm_options *o, struct words *w)
{
	char where[40];
	int r = 0;

	if (o->host_count > 0 && o->hosts == NULL)
		return words_set(w, EINVAL, "vm_options.hosts must not be NULL "
		    "with a host_count of %d.", o->host_count);
	if (o->max_hosts > 0 && o->max_hosts < o->host_count)
		return words_set(w, EINVAL, "vm_options.max_hosts is %d, less "
		    "than the host_count of %d.", o->max_hosts, o->host_count);
	for (int i = 0; i < o->host_count && r == 0; i++) {
		snprintf(where, sizeof where, "vm_options.hosts[%d]", i);
		r = hosts_check(&o->hosts[i], where, w);
	}
	return r;
}

static size_t or_else(size_t given, size_t usual)
{
	return given ? given : usual;
}

static int32_t ms_of(uint64_t ns)
{
	return (int32_t)MIN(ns / MS_IN_NS, INT32_MAX);
}

/* The options that agents get. */
static struct far_begin start_of(const struct settings *s,
    const struct vm_options *o)
{
	return (struct far_begin){
		.seed = o->seed,
		.max_item = s->plan.max_item,
		.max_address_space = o->worker_max_address_bytes,
		.max_rss = o->worker_max_rss_bytes,
		.flags = (o->flags & ~(unsigned)(VM_ORDERED | VM_DEBUG |
		    VM_PROGRESS) & ~FLAGS_OF_JOURNAL) | VM_NO_ENVIRONMENT,
		.silence_ms = (uint32_t)(s->plan.silence_ns / MS_IN_NS),
		.item_ms = ms_of(s->item_ns),
		.setup_ms = ms_of(s->setup_ns),
		.teardown_ms = ms_of(s->teardown_ns),
		.close_ms = ms_of(s->close_ns),
		.fork_ms = ms_of(s->fork_ns),
		.max_items = o->worker_max_items,
		.max_cpu_s = o->worker_max_cpu_seconds,
		.connect_ms = ms_of(s->plan.connect_ns),
		.patience_ms = ms_of(s->patience_ns),
		.max_losses = s->max_losses,
	};
}

/* Sets the number of places for hosts, and copies those that are given. */
static int take_hosts(struct settings *s, const struct vm_options *o,
    struct words *w)
{
	const int n = o->host_count;
	const bool asked = n > 0 || o->workers == VM_ELSEWHERE ||
	    o->listen != NULL;
	struct words unfit;
	int r = settings_host_fit(s, asked ? w : &unfit);

	s->plan.first_link = s->max_workers;
	if (r < 0)
		return asked ? r : 0;
	s->max_hosts = or_else((size_t)o->max_hosts,
	    (size_t)MIN(MAX(2 * n, HOSTS_USUAL), HOSTS_MOST));
	s->plan.far = start_of(s, o);
	for (r = 0; r == 0 && s->hosts.count < (size_t)n; )
		r = hosts_add(&s->hosts, &o->hosts[s->hosts.count]);
	if (r == 0 && o->listen != NULL)
		s->listen = strdup(o->listen);
	if (o->listen != NULL && s->listen == NULL)
		r = -ENOMEM;
	return r < 0 ? words_set(w, ENOMEM, "There was no memory for %d "
	    "hosts.", n) : 0;
}

static int copy_indices(struct settings *s, const int *indices,
    struct words *w)
{
	size_t size = s->workers * sizeof *indices;
	int r = 0;

	if (indices == NULL)
		return 0;
	for (size_t i = 0; i < s->workers && r == 0; i++)
		r = check("worker_indices", indices[i], INT32_MAX, w);
	if (r < 0)
		return r;
	s->indices = malloc(size);
	if (s->indices == NULL)
		return words_set(w, ENOMEM, "There was no memory for %zu "
		    "workers.", s->workers);
	memcpy(s->indices, indices, size);
	return 0;
}

static int copy_trace(struct settings *s, const char *path, struct words *w)
{
	if (path == NULL)
		return 0;
	s->trace = strdup(path);
	s->plan.trace = true;
	return s->trace != NULL ? 0 : words_set(w, ENOMEM, "There was no "
	    "memory for the path of the trace.");
}

/* A single input that is run for a debugger is not for the journal. */
static int take_journal(struct settings *s, const struct vm_options *o,
    struct words *w)
{
	if (o->journal == NULL || s->only != NEVER)
		return 0;
	s->journal_key = o->journal_key;
	s->journal_outputs = o->flags & VM_JOURNAL_OUTPUTS;
	s->journal_retry = o->flags & VM_JOURNAL_RETRY;
	s->journal_sync = o->flags & VM_JOURNAL_SYNC;
	s->journal = strdup(o->journal);
	return s->journal != NULL ? 0 : words_set(w, ENOMEM, "There was no "
	    "memory for the path of the journal.");
}

/* Number of places, and slots in shared memory, for later vm_resize(). */
static size_t most_workers(const struct settings *s,
    const struct vm_options *o)
{
	size_t usual = MAX(2 * s->workers, 16);

	if (s->serial || o->worker_indices != NULL)
		return s->workers;
	return or_else((size_t)o->max_workers, MIN(usual, WORKERS_MOST));
}

/*
 * As many workers as CPUs, unless the limit on descriptors allows fewer.  Some
 * descriptors are kept for the program and for later pools.  A worker takes two
 * of them, three where /proc is missing; the capture of its stderr takes
 * another.
 */
static size_t usual_workers(size_t cpus, bool capture)
{
	uint64_t left;
	uint64_t each = fdlist_left(&left) ? 2 : 3;

	each += capture;
	left -= MIN(left / 2, FDS_KEPT);
	left -= MIN(left, FDS_OF_POOL);
	return (size_t)MIN(cpus, MAX(left / each, 1));
}

static void fill_in(struct settings *s, const struct vm_options *o)
{
	size_t real = or_else((size_t)o->max_real_in_flight_factor, 10);
	size_t total = or_else((size_t)o->max_total_in_flight_factor, 100);

	s->serial = o->workers == VM_SERIAL;
	s->workers = s->serial ? 1 : (size_t)o->workers;
	if (o->workers == VM_ELSEWHERE) {
		s->workers = 0;
	} else if (s->workers == 0) {
		s->usual = (size_t)cpus_usable("");
		if (o->max_workers > 0)
			s->usual = MIN(s->usual, (size_t)o->max_workers);
		s->workers = usual_workers(s->usual, o->flags & VM_STDERR_TAIL);
	}
	s->max_workers = most_workers(s, o);
	s->workers = MIN(s->workers, s->max_workers);
	s->plan.seed = o->seed;
	s->plan.max_item = or_else(o->max_item_bytes, (size_t)1 << 30);
	s->plan.tell_teardowns = o->flags & VM_TELL_TEARDOWNS;
	s->plan.measure = o->flags & VM_MEASURE_ITEMS;
	s->plan.lead = s->plan.measure ? sizeof(struct frame_times) : 0;
	s->plan.capture = o->flags & VM_STDERR_TAIL;
	s->plan.ignore_sigterm = o->flags & VM_IGNORE_SIGTERM;
	s->plan.whole_lines = o->flags & VM_WHOLE_LINES;
	s->plan.reseed = !(o->flags & VM_KEEP_RAND) && sys_threads() == 1;
	s->plan.close_fds = o->close_fds;
	s->plan.close_count = (size_t)o->close_count;
	s->ordered = o->flags & VM_ORDERED;
	s->debug = o->flags & VM_DEBUG;
	s->progress = o->flags & VM_PROGRESS;
	s->chunk_size = o->chunk_size;
	s->real_factor = real;
	s->total_factor = total;
	s->leases = (int)MIN(real, SLOT_LEASES);
	s->max_bytes = o->max_in_flight_bytes;
	s->max_attempts = (int)or_else((size_t)o->max_attempts, 1);
	s->retry_on = o->retry_on ? o->retry_on : RETRY_ON_ANY;
	s->retry_ns = (uint64_t)o->retry_delay_ms * MS_IN_NS;
	s->retry_most_ns = or_else((size_t)o->retry_delay_max_ms, 60000) *
	    MS_IN_NS;
	s->max_failures = (uint64_t)o->max_failures;
	s->max_items = (uint64_t)o->worker_max_items;
	s->max_rss = o->worker_max_rss_bytes;
	s->isolate = o->flags & VM_ISOLATE;
	if (s->isolate)
		s->max_items = s->chunk_size = 1;
	s->plan.max_cpu_s = o->worker_max_cpu_seconds;
	s->plan.max_address_space = o->worker_max_address_bytes;
	s->item_ns = (uint64_t)o->item_timeout_ms * MS_IN_NS;
	s->setup_ns = (uint64_t)o->setup_timeout_ms * MS_IN_NS;
	s->teardown_ns = or_else((size_t)o->teardown_timeout_ms, 5000) *
	    MS_IN_NS;
	s->close_ns = or_else((size_t)o->close_timeout_ms, 5000) * MS_IN_NS;
	s->fork_ns = or_else((size_t)o->fork_timeout_ms, 30000) * MS_IN_NS;
	s->plan.connect_ns = or_else((size_t)o->connect_timeout_ms, 60000) *
	    MS_IN_NS;
	s->plan.silence_ns = or_else((size_t)o->silence_ms, 20000) * MS_IN_NS;
	s->patience_ns = o->patience_ms == INT32_MAX ? NEVER :
	    or_else((size_t)o->patience_ms, 60000) * MS_IN_NS;
	s->max_losses = (int)or_else((size_t)o->max_losses, 3);
}

int settings_make(struct settings *s, const struct vm_worker *worker,
    size_t worker_size, const struct vm_options *options,
    size_t options_size, struct words *w)
{
	struct vm_options o;
	int r;

	*s = (struct settings){ .only = NEVER };
	if (worker == NULL)
		return words_set(w, EINVAL, "vm_fork() needs a vm_worker; it "
		    "was given NULL.");
	r = given_take(&s->plan.hooks, sizeof s->plan.hooks, worker,
	    worker_size, "vm_worker", w);
	if (r == 0)
		r = given_take(&o, sizeof o, options, options_size,
		    "vm_options", w);
	if (r == 0 && s->plan.hooks.process == NULL &&
	    s->plan.hooks.process_many == NULL)
		r = words_set(w, EINVAL, "vm_worker.process must not be "
		    "NULL.");
	if (r == 0 && !(o.flags & VM_NO_ENVIRONMENT))
		r = environment_change(&o, w);
	if (r == 0)
		r = check_numbers(&o, w);
	if (r == 0)
		r = check_together(&o, w);
	if (r == 0)
		r = check_fds(&o, w);
	if (r == 0)
		r = check_hosts(&o, w);
	if (r != 0)
		return r;
	fill_in(s, &o);
	if (!(o.flags & VM_NO_ENVIRONMENT))
		r = environment_adjust(s, w);
	if (r == 0)
		r = copy_trace(s, o.trace, w);
	if (r == 0)
		r = take_journal(s, &o, w);
	if (r == 0)
		r = take_hosts(s, &o, w);
	return r != 0 ? r : copy_indices(s, o.worker_indices, w);
}

void settings_look(struct settings *s)
{
	s->memory = s->max_bytes == 0 ? memory_usable("") : 0;
}

size_t settings_bytes(const struct settings *s, size_t workers, size_t *usual)
{
	uint64_t wanted = MAX(workers * BYTES_EACH, BYTES_USUAL);
	uint64_t part = MAX(s->memory / BYTES_PART, BYTES_LEAST);
	uint64_t bytes = MIN(wanted, part);
	size_t most = or_else(s->max_bytes, (size_t)MIN(bytes, SIZE_MAX / 8));

	*usual = or_else(s->max_bytes, (size_t)MIN(most, BYTES_USUAL));
	return most;
}

void settings_release(struct settings *s)
{
	hosts_release(&s->hosts);
	free(s->indices);
	free(s->trace);
	free(s->keep);
	free(s->listen);
	s->listen = NULL;
	free(s->journal);
	s->journal = NULL;
	s->keep = NULL;
	s->trace = NULL;
	s->indices = NULL;
}
