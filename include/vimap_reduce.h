/*
 * vimap_reduce.h - map, collect and reduce on a pool of worker processes.
 *
 * map() turns each input into (key, value) pairs; reduce() gets each key with
 * all its values and makes one output of them.  Both run on the workers, and
 * the caller iterates over (key, output) - its loop is what other systems
 * call finish.  Counting words:
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
 *	vm_reducer *reducer = vm_fork_job(&job, NULL, NULL);
 *
 *	if (vm_map_reduce(reducer, 0, vm_lines(stdin)) == 0)
 *		while ((rc = vm_zip_key_out(reducer, &r)) == 1)
 *			use(r.key, r.key_size, r.output, r.output_size);
 *	vm_reducer_close(reducer);
 *
 * A run has three rounds: inputs are mapped; when all are, the values of each
 * key are brought together, a partition of the keys at a time; then keys are
 * reduced.  Inputs and keys are items of the pool below, so what vm_options say
 * of items holds for each call of map() and of reduce(): attempts, timeouts,
 * limits, order; tell_teardowns has no meaning.  What vimap.h says of workers,
 * lifetimes, alignment, the 0 byte after each piece of data, threads and
 * growth holds here too.
 *
 * The caller never looks into pairs: small amounts pass it as they are, others
 * workers write, sealed, to memory that is a file, and past memory_limit to an
 * unlinked one on a disk.
 */
#ifndef VIMAP_REDUCE_H
#define VIMAP_REDUCE_H

#include <vimap.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vm_reducer vm_reducer;	/* a pool and the jobs it can do */
struct vm_values;			/* the values of one key */

/*
 * What the workers do.  At least one of map and reduce.  Pairs count only
 * when the call that emitted them returned 0: an attempt that fails or
 * crashes leaves no pair behind, and no value is counted twice.  Hooks run as
 * those of vm_worker do; each job has a config and a state of its own there,
 * and each worker is set up for all jobs.
 */
struct vm_job {
	int (*setup)(struct vm_context *);	/* as in vm_worker; optional */
	void (*teardown)(struct vm_context *);	/* likewise */

	/* Emits any number of pairs for one input.  NULL: the source gives
	   pairs already, see vm_pairs(). */
	int (*map)(struct vm_context *, const void *input, size_t size);

	/* Optional.  For each key, zero, one or more times before reduce(),
	   by the worker that maps and again where values are brought together:
	   emits fewer pairs of the same key (another is EINVAL) in place of
	   those given.  What comes out in the end must not depend on how often
	   it ran, nor over which of the values.  mincemeat's collectfn. */
	int (*collect)(struct vm_context *, const void *key, size_t key_size,
	    struct vm_values *);

	/* Once a key; makes its output by vm_output().  me->index is the
	   key's number.  NULL: results have the values themselves, grouped by
	   key. */
	int (*reduce)(struct vm_context *, const void *key, size_t key_size,
	    struct vm_values *);

	void *config;				/* vm_context.config */
};

/* How jobs run; 0 is the default everywhere. */
struct vm_reduce_options {
	int partitions;		/* into which keys are hashed (4 a worker, fewer
				   to sort in little memory; at most 4096).
				   Thousands pass a small memory_limit */
	int sorted;		/* not 0: all results in order of keys, as
				   memcmp() over the common length, a prefix
				   before what it begins.  Else keys of one
				   partition come after those of another */
	int in_input_order;	/* not 0: a key's values in order of inputs and,
				   of one, as emitted, unless there is collect;
				   with sorted, runs give equal bytes */
	int reserved;		/* 0 */
	size_t memory_limit;	/* bytes for pairs, of all processes; past half
				   of it, which the workers do not need, they
				   go to a file (256 MiB).  A value is in
				   memory as a whole when it is used, and each
				   worker has 64 KiB at least.  A quarter, 1
				   to 64 MiB, is max_in_flight_bytes unless
				   that is given */
	const char *spill_dir;	/* for that one, which is opened before the
				   fork and has no name ($TMPDIR, /tmp: where
				   none can be made, pairs past that half fail
				   with ENOSPC) */
};

/* ---- On the workers -------------------------------------------------- */

/*
 * Emits a pair, which is copied; either may be empty, and NULL then.  In map()
 * and collect() only.  0, or -1 with errno, and then the present call has
 * failed whatever it returns: EINVAL elsewhere, or if collect() emits another
 * key than the one it was given; EFBIG for a key or a value beyond
 * max_item_bytes; ENOSPC, or another, if the temporary file cannot have it;
 * ENOMEM; ECANCELED if collect() has failed.  May write to that file.
 */
VM_EXPORT int vm_emit(struct vm_context *, const void *key, size_t key_size,
    const void *value, size_t value_size);

/*
 * The next value, and its size unless size is NULL; NULL after the last.
 * Valid until the next call on the same values.  Never NULL for an empty
 * value.  NULL too if it cannot be read or is not what was emitted (EBADMSG):
 * then the present call of reduce() or collect() has failed, or, in the caller,
 * the next vm_zip_key_out() tells.  Reads the temporary file.
 */
VM_EXPORT const void *vm_value(struct vm_values *, size_t *size);

/* The number of values. */
VM_EXPORT uint64_t vm_value_count(const struct vm_values *);

/* A ready-made collect for values that are uint64_t: emits their sum.  It is
   known, and costs less than one that does the same. */
VM_EXPORT int vm_add_up(struct vm_context *, const void *key, size_t key_size,
    struct vm_values *);

/* ---- In the caller --------------------------------------------------- */

/*
 * Forks a pool for jobs, which are numbered from 0; vm_fork_job() has just
 * one.  All structs may be changed or freed on return; options and how may be
 * NULL.  NULL on failure, as vm_fork(), words from
 * vm_reducer_error(NULL); EINVAL also
 * for a job with neither map nor reduce, or worker_indices that are not all
 * different; EACCES, ENOENT, ENOSPC or what else spill_dir is refused with.
 * item_timeout_ms counts for calls of the hooks; bringing values together is
 * done in items as well, which say that they go on (vm_alive()).
 */
VM_EXPORT vm_reducer *vm_fork_jobs_sized(const struct vm_job *, size_t count,
    size_t job_size, const struct vm_options *, size_t options_size,
    const struct vm_reduce_options *, size_t reduce_options_size)
    VM_CHECK_RESULT;

#ifdef VM_NO_INLINE
VM_EXPORT vm_reducer *vm_fork_jobs(const struct vm_job *, size_t count,
    const struct vm_options *, const struct vm_reduce_options *);
VM_EXPORT vm_reducer *vm_fork_job(const struct vm_job *,
    const struct vm_options *, const struct vm_reduce_options *);
#else
VM_CHECK_RESULT static inline vm_reducer *
vm_fork_jobs(const struct vm_job *jobs, size_t count,
    const struct vm_options *options, const struct vm_reduce_options *how)
{
	return vm_fork_jobs_sized(jobs, count, sizeof *jobs, options,
	    sizeof *options, how, sizeof *how);
}

VM_CHECK_RESULT static inline vm_reducer *
vm_fork_job(const struct vm_job *job, const struct vm_options *options,
    const struct vm_reduce_options *how)
{
	return vm_fork_jobs(job, 1, options, how);
}
#endif

/*
 * Queues a run of a job over a source, which now belongs to the reducer, on
 * failure too.  Runs are done one after another, in this order; the source is
 * read when it is its turn.  0 or -1: EINVAL for a job there is not, or no
 * source, ENOMEM, EPERM in a child of the process that forked the reducer, or
 * what a ready-made source failed of.
 */
VM_EXPORT int vm_map_reduce(vm_reducer *, size_t job, struct vm_source)
    VM_CHECK_RESULT;

/* Where pairs come from for a job without map; as vm_source otherwise.  Each
   is an input, and index counts them. */
struct vm_pair_source {
	int (*next)(void *from, const void **key, size_t *key_size,
	    const void **value, size_t *value_size);
	void (*close)(void *from);
	void *from;
};
VM_EXPORT struct vm_source vm_pairs(struct vm_pair_source);

enum vm_stage { VM_MAP_STAGE = 1, VM_REDUCE_STAGE = 2 };

/* What a key came to; or what failed for good.  All it points to is the
   library's and valid until the next vm_zip_key_out() or vm_reducer_close(). */
struct vm_reduced {
	const void *key;	/* NULL if an input failed in map */
	size_t key_size;
	const void *output;	/* of reduce; NULL if none or failed */
	size_t output_size;
	struct vm_values *values; /* if the job has no reduce, else NULL */
	const void *input;	/* the input that failed in map, else NULL */
	size_t input_size;
	const struct vm_exception *exception;	/* NULL if VM_OUTPUT */
	uint64_t run;		/* the how manieth vm_map_reduce(), from 0 */
	enum vm_type type;
	enum vm_stage stage;
};

/*
 * Waits for the next result: 1.  0: the end of the present run, or there is
 * none; the next call goes on with the next one.  Inputs and keys that failed
 * for good come as VM_EXCEPTION while the rest of the run goes on; a key of
 * which an input was lost is still reduced.
 * -1: as vm_zip_in_out(), a source that failed included: call again for the
 * rest.  Or the run has failed, words in vm_reducer_error(), and the next call
 * goes on with the next run: ENOSPC and others if the temporary file cannot
 * have the pairs, EBADMSG if it has others than were written, EIO if values
 * could not be brought together, ECANCELED after vm_cancel(), unless inputs
 * were being mapped: then what was mapped is reduced; or all keys are with
 * workers: then those that were not begun fail with VM_CANCELLED.
 */
VM_EXPORT int vm_zip_key_out(vm_reducer *, struct vm_reduced *) VM_CHECK_RESULT;

/* The pool below, for vm_cancel(), vm_resize(), vm_workers(), vm_ready() and
   vm_broken(); it must not be given inputs, nor results be taken from it. */
VM_EXPORT vm_pool *vm_reducer_pool(vm_reducer *);

/* What went wrong last, in words, as vm_error(); of NULL, in this thread's last
   vm_fork_job() or, if nothing did, in its last call that was given NULL. */
VM_EXPORT const char *vm_reducer_error(const vm_reducer *);

/* Ends it all, at any moment, as vm_close(): sources are closed, temporary
   space is given back.  0, 1 or -1, and words in vm_error(NULL), as there;
   NULL is fine. */
VM_EXPORT int vm_reducer_close(vm_reducer *);

/* ---- Without keys ---------------------------------------------------- */

/*
 * Gives an idle pool a source and calls fold() with each result, exceptions
 * included, in the caller, in the order they come (with vm_options.ordered, of
 * the inputs), as vimap's VimapFold does.  A worker that is given a part of
 * the input at a time (vm_parts()) accumulates there before.
 *
 * 0: all were outputs.  1: there were exceptions.  -1: as vm_imap() and
 * vm_zip_in_out(), what had come is folded; ECANCELED if fold() returned
 * anything but 0: then what has not begun is given up, and what had is not
 * folded.  EINVAL for no fold().  ENOMEM: what has not begun is given up as
 * well.  The pool can be given more in each case, but if it broke down; only
 * where there was no memory even to give up, what it has comes out of it first.
 */
VM_EXPORT int vm_fold(vm_pool *, struct vm_source,
    int (*fold)(void *accumulator, const struct vm_result *),
    void *accumulator);

#ifdef __cplusplus
}
#endif
#endif
