/*
 * vimap_reduce.h - map, collect and reduce on a pool of worker processes.
 *
 * map() turns each input into (key, value) pairs; reduce() turns each key and
 * all its values into an output.  Both are callbacks that run in the workers.
 * The caller iterates over (key, output); other systems call its loop
 * "finish".  Counting words:
 *
 *	static int split(struct vm_context *me, const void *input, size_t size)
 *	{
 *		const char *word, *end = (const char *)input + size;
 *		static const uint64_t one = 1;
 *
 *		for (word = input; (word = skip_blanks(word, end)) < end;) {
 *			size_t n = word_length(word, end);
 *			if (vm_emit(me, word, n, &one, sizeof one) < 0)
 *				return -1;
 *			word += n;
 *		}
 *		return 0;
 *	}
 *
 *	static int sum(struct vm_context *me, const void *key, size_t size,
 *	    struct vm_values *values)
 *	{
 *		uint64_t n = 0;
 *		const void *value;
 *
 *		(void)key, (void)size;
 *		while ((value = vm_value(values, NULL)))
 *			n += *(const uint64_t *)value;
 *		return vm_output(me, &n, sizeof n);
 *	}
 *
 *	struct vm_job job = { .map = split, .reduce = sum };
 *	struct vm_reduced r;
 *	vm_reducer *reducer = vm_fork_jobs(&job, 1, NULL, NULL);
 *
 *	if (vm_map_reduce(reducer, 0, vm_lines(stdin)) == 0)
 *		while ((rc = vm_zip_key_out(reducer, &r)) == 1)
 *			if (r.type == VM_OUTPUT)
 *				use(r.key, r.key_size, r.output, r.output_size);
 *			else
 *				complain(r.exception->message);
 *	if (rc == -1)
 *		complain(vm_reducer_error(reducer));
 *	vm_reducer_close(reducer);
 *
 * A run has three phases.  Map: the inputs are mapped.  Gather: when all inputs
 * are mapped, the values of each key are brought together, a partition of the
 * keys at a time.  Reduce: the keys are reduced.  Inputs and keys are items of
 * the underlying pool, so vm_options apply to each call of map() and reduce():
 * attempts, timeouts, limits, order; VM_TELL_TEARDOWNS has no effect.  The
 * rules of vimap.h on workers, lifetimes, alignment, the 0 byte behind data,
 * threads and growth of structs apply here too.
 *
 * The caller never inspects pairs.  Small amounts pass through it as opaque
 * bytes.  Workers write larger amounts, with checksums, to a memory file, and
 * beyond memory_limit to an unlinked temporary file.
 */
#ifndef VIMAP_REDUCE_H
#define VIMAP_REDUCE_H

#include <vimap.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vm_reducer vm_reducer;	/* a pool and the jobs it can run */
struct vm_values;			/* the values of one key */

/*
 * The hooks of a job; map or reduce must be set.  They run in the workers as
 * the hooks of vm_worker do.  A worker runs setup of all jobs, and each job has
 * its own config and state in vm_context.  The pairs of a call are kept only if
 * the call succeeds: a failed or crashed attempt leaves no pair behind, and no
 * value is counted twice.
 */
struct vm_job {
	int (*setup)(struct vm_context *);	/* as in vm_worker; optional */
	void (*teardown)(struct vm_context *);	/* likewise */

	/* Emits any number of pairs for an input; returns 0, or a code for
	   failure.  NULL: the source gives pairs, see vm_pairs(). */
	int (*map)(struct vm_context *, const void *input, size_t size);

	/* Optional.  Combines values before reduce(): emits fewer pairs in
	   place of the values it gets, with the same key (another key is
	   EINVAL).  Runs any number of times for a key, also zero, in the map
	   and gather phases.  The results of the run must not depend on how
	   often it ran or on which values.  mincemeat's collectfn. */
	int (*collect)(struct vm_context *, const void *key, size_t key_size,
	    struct vm_values *);

	/* Runs once for each attempt at a key and makes its output with
	   vm_output(); returns 0, or a code for failure.  vm_context.index is
	   the number of the key.  NULL: results have the values themselves,
	   grouped by key. */
	int (*reduce)(struct vm_context *, const void *key, size_t key_size,
	    struct vm_values *);

	void *config;				/* vm_context.config */
	size_t config_size;			/* as in vm_worker: bytes for
						   other machines */
};

/* Bits of vm_reduce_options.flags. */
enum vm_reduce_flag {
	VM_SORTED = 1 << 0,	/* results in order of keys, by memcmp() over
				   the common length, a prefix before the longer
				   key.  Else partition by partition */
	VM_IN_INPUT_ORDER = 1 << 1 /* the values of a key in order of their
				   inputs, and of the same input as emitted,
				   unless there is collect.  With VM_SORTED,
				   runs give equal bytes */
};

/* How jobs run.  0 and NULL mean the default, named in parentheses. */
struct vm_reduce_options {
	int partitions;		/* number of partitions that keys are hashed
				   into, 4096 at most (4 per worker, fewer to
				   sort with a small memory_limit).  Thousands
				   need more memory than a small memory_limit */
	unsigned flags;		/* bits of enum vm_reduce_flag (none) */
	size_t memory_limit;	/* bytes for pairs in all processes (256 MiB).
				   Half holds pairs in a memory file; pairs
				   beyond that go to a temporary file.  A value
				   is in memory as a whole while it is used,
				   and each worker has a buffer of 64 KiB at
				   least.  A quarter, 1 to 64 MiB, is the
				   default of max_in_flight_bytes */
	const char *spill_dir;	/* directory of the temporary file, which is
				   opened before the fork and has no name
				   ($TMPDIR or /tmp; if no file can be made
				   there, pairs beyond that half fail with
				   ENOSPC) */
	const char *name;	/* of the jobs, for agents, as vm_worker.name;
				   see vm_jobs_as_worker() (other machines are
				   excluded) */
};

/* ---- On the workers -------------------------------------------------- */

/*
 * Emits a pair, which is copied; key and value may be empty, and NULL then.
 * Works in map() and collect() only.  May block while it writes to the memory
 * file or the temporary file.  Returns 0, or -1 and sets errno, and then the
 * current call has failed whatever it returns.  EINVAL: called elsewhere, or
 * collect() emits another key than its own.  EFBIG: a key or a value beyond
 * max_item_bytes or, on another machine, all pairs of the call beyond it.  (On
 * this one a call of map() fails with EFBIG at its end if the list of its
 * pieces, 32 bytes for each partition whenever the worker's buffer was full, is
 * beyond max_item_bytes and 1 MiB.)
 * ENOSPC or another error of write(2): the pair cannot be
 * stored.  ENOMEM.  ECANCELED: collect(), called from here, has failed.
 */
VM_EXPORT int vm_emit(struct vm_context *, const void *key, size_t key_size,
    const void *value, size_t value_size);

/*
 * Returns a pointer to the next value, and stores its bytes in *size unless
 * size is NULL; returns NULL after the last value.  The library owns the
 * buffer, which is valid until the next call on the same values; it is never
 * NULL for an empty value.  Returns NULL also if the value cannot be read or
 * differs from the emitted bytes (EBADMSG): then the current call of reduce()
 * or collect() has failed or, in the caller, the next vm_zip_key_out() returns
 * the error.  May block while it reads the temporary file.
 */
VM_EXPORT const void *vm_value(struct vm_values *, size_t *size);

/* Returns the number of values of the key. */
VM_EXPORT uint64_t vm_value_count(const struct vm_values *);

/* A ready-made vm_job.collect for values of type uint64_t: emits their sum.
   The library recognises the pointer and adds up in place, so it costs less
   than a callback of your own. */
VM_EXPORT int vm_add_up(struct vm_context *, const void *key, size_t key_size,
    struct vm_values *);

/* ---- On other machines ----------------------------------------------- */

/*
 * Returns an entry for the table of vm_agent(), by which agents find the jobs
 * of a reducer with vm_reduce_options.name and vm_options.hosts.  Copies the
 * name, 1 to 63 of A-Z a-z 0-9 . _ -, and the array of count jobs, and keeps
 * the copy until the program ends: call it once for each name, before other
 * threads exist.  Both ends must have the same jobs under the name.  Without
 * memory or valid jobs the entry has no process(), and agents refuse to serve
 * it.
 *
 *	static const struct vm_job jobs[] = { { .map = split, .reduce = sum } };
 *	struct vm_worker table[] = { vm_jobs_as_worker("words", jobs, 1) };
 *
 *	vm_agent(argc, argv, table, 1);
 *
 * map() and collect() run on all machines; setup() and teardown() too.  The
 * pairs of a call travel to the caller, which checks them, as the output of its
 * input, so max_item_bytes bounds all pairs of a call there, and a large input
 * with collect() has fewer pairs to send than many small ones.  Values are
 * gathered and keys are reduced by the workers on the caller's machine, of
 * which a reducer must have at least one.  A worker elsewhere uses as much of
 * memory_limit as one here, and memory for the pairs of a call.
 */
VM_EXPORT struct vm_worker vm_jobs_as_worker_sized(const char *name,
    const struct vm_job *, size_t count, size_t job_size);

static inline struct vm_worker
vm_jobs_as_worker(const char *name, const struct vm_job *jobs, size_t count)
{
	return vm_jobs_as_worker_sized(name, jobs, count, sizeof *jobs);
}

/* ---- In the caller --------------------------------------------------- */

/*
 * Forks a pool for an array of count jobs, numbered from 0; &job is an array of
 * one.  Blocks as vm_fork() does.  All structs may be changed or freed
 * on return; options and how may be NULL.  Returns a reducer, which
 * vm_reducer_close() frees, or NULL with errno as vm_fork(); the text is in
 * vm_reducer_error(NULL).  EINVAL also for a job with neither map nor reduce,
 * for worker_indices that are not all different, for VM_ELSEWHERE, for hosts or
 * listen without a name, for a name and a config without its config_size, or
 * for a config_size without a config;
 * EACCES, ENOENT, ENOSPC or another error of open(2) for spill_dir.
 * item_timeout_ms applies to calls of the hooks; the items of the gather phase
 * restart it with vm_alive().
 */
VM_EXPORT vm_reducer *vm_fork_jobs_sized(const struct vm_job *, size_t count,
    size_t job_size, const struct vm_options *, size_t options_size,
    const struct vm_reduce_options *, size_t reduce_options_size)
    VM_CHECK_RESULT;

VM_CHECK_RESULT static inline vm_reducer *
vm_fork_jobs(const struct vm_job *jobs, size_t count,
    const struct vm_options *options, const struct vm_reduce_options *how)
{
	return vm_fork_jobs_sized(jobs, count, sizeof *jobs, options,
	    sizeof *options, how, sizeof *how);
}

/*
 * Appends a run of a job over a source to the reducer's queue.  The reducer
 * owns the source from now on, also on failure.  Runs are executed one after
 * another, in this order, inside vm_zip_key_out(), and each source is read in
 * its run; this call does not block.  Returns 0, or -1 and sets errno: EINVAL
 * for NULL, a job number that does not exist or a source without next, ENOMEM,
 * EPERM in a child of the process that forked the reducer, EDEADLK while the
 * reducer is closed, or the error of a ready-made source.
 */
VM_EXPORT int vm_map_reduce(vm_reducer *, size_t job, struct vm_source)
    VM_CHECK_RESULT;

/* A source of pairs for a job without map; its callbacks are as those of
   vm_source, and next() may block.  Each pair is an input, which is copied. */
struct vm_pair_source {
	int (*next)(void *from, const void **key, size_t *key_size,
	    const void **value, size_t *value_size);
	void (*close)(void *from);
	void *from;
};
VM_EXPORT struct vm_source vm_pairs(struct vm_pair_source);

enum vm_stage { VM_MAP_STAGE = 1, VM_REDUCE_STAGE = 2 };

/* A key with its output, or an input or a key that failed for good.  The
   library owns all memory that the pointers refer to; it is valid until the
   next vm_zip_key_out() or vm_reducer_close(). */
struct vm_reduced {
	const void *key;	/* NULL with VM_MAP_STAGE */
	size_t key_size;
	const void *output;	/* of reduce; NULL if there is no reduce, or it
				   failed */
	size_t output_size;
	struct vm_values *values; /* if the job has no reduce, else NULL */
	const void *input;	/* the input that failed in map, else NULL */
	size_t input_size;
	const struct vm_exception *exception;	/* NULL if VM_OUTPUT */
	uint64_t run;		/* number of the run, from 0, in the order of
				   vm_map_reduce() */
	enum vm_type type;
	enum vm_stage stage;
};

/*
 * Waits for the next result and fills the struct.  Returns
 *	1	a result.  An input or a key that failed for good is a
 *		VM_EXCEPTION; the run continues, and keys are reduced without
 *		the values of failed inputs.
 *	0	the end of the current run, or no run is queued; the next call
 *		starts the next run
 *	-1	and sets errno.  Either as vm_zip_in_out(), also if a source
 *		failed: the next call continues the run.  Or the run failed,
 *		vm_reducer_error() has the text, and the next call starts the
 *		next run: ENOSPC or another error if pairs cannot be stored,
 *		EBADMSG if stored pairs are damaged, EIO if the workers of the
 *		gather phase keep dying, ECANCELED after vm_cancel().
 * vm_cancel() during the map phase ends the source only, and the pairs of the
 * inputs mapped so far are reduced.  If all keys are already in the window, the
 * keys that have not begun fail with VM_CANCELLED instead of the run.
 */
VM_EXPORT int vm_zip_key_out(vm_reducer *, struct vm_reduced *) VM_CHECK_RESULT;

/* Returns the underlying pool, which the reducer owns, for vm_cancel(),
   vm_resize(), vm_workers(), vm_ready(), vm_broken(), vm_add_host(),
   vm_remove_host() and vm_host_state(); NULL for NULL.  Give it no inputs and
   take no results from it. */
VM_EXPORT vm_pool *vm_reducer_pool(vm_reducer *);

/* Returns the text of the last failure, as vm_error() does; for NULL, of this
   thread's last vm_fork_jobs() or, if that succeeded, of its last call that was
   given NULL. */
VM_EXPORT const char *vm_reducer_error(const vm_reducer *);

/* Ends and frees the reducer at any time, as vm_close() does: closes its
   sources, frees the space of the temporary file, blocks until the workers are
   gone.  Returns 0, 1 or -1, with the text in vm_error(NULL), as vm_close();
   NULL is allowed. */
VM_EXPORT int vm_reducer_close(vm_reducer *);

#ifdef __cplusplus
}
#endif
#endif
