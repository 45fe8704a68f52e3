/*
 * vimap.h - map inputs to outputs on a pool of forked worker processes.
 *
 * Each input is handled by an ordinary function in one of several processes,
 * and comes back exactly once: paired with its output, or with the reason why
 * there is none (it failed, crashed, left).  A complete program:
 *
 *	static int twice(struct vm_context *me, const void *input, size_t size)
 *	{
 *		int x = 2 * *(const int *)input;
 *		(void)size;
 *		return vm_output(me, &x, sizeof x);
 *	}
 *
 *	int main(void)
 *	{
 *		int in[] = { 1, 2, 3, 4 }, rc = -1;
 *		struct vm_worker worker = { .process = twice };
 *		struct vm_result r;
 *		vm_pool *pool = vm_fork(&worker, NULL);
 *
 *		if (vm_imap(pool, vm_array(in, 4, sizeof *in)) == 0)
 *			while ((rc = vm_zip_in_out(pool, &r)) == 1) {
 *				if (r.type == VM_OUTPUT)
 *					printf("%d\n", *(const int *)r.output);
 *				else
 *					puts(r.exception->message);
 *			}
 *		if (rc == -1)
 *			fprintf(stderr, "%s\n", vm_error(pool));
 *		vm_close(pool);
 *		return rc != 0;
 *	}
 *
 * What to know before you start:
 *  - Workers see the program's memory as it was at vm_fork(), for ever, also
 *    those forked later.  What changes afterwards must travel as input.
 *  - Functions return 0 or more, or -1 with errno set; vm_error() has the
 *    words, also for the two below; vm_error(NULL) where there is no pool.  A
 *    failed item is a result, no error.
 *  - A pool belongs to one thread at a time and to the process that forked
 *    it; in another process its calls fail with EPERM and vm_close() only
 *    frees memory.  Only vm_cancel() and vm_cancel_with() may be called from
 *    anywhere.  Calls on a pool from its own source's hooks fail with
 *    EDEADLK.
 *  - Each input is answered once.  It may be begun more than once: by
 *    max_attempts, or if what its worker had finished cannot be believed
 *    because that worker broke the protocol.
 *  - If other threads run at vm_fork(), workers must not need their locks.
 *  - The pool has one child of your process, visible to wait(): reap all your
 *    children blindly only after vm_close().  (It survives it if you do.)
 *  - Descriptors of a pool are not yours to close, as closefrom(3) does: the
 *    pool breaks, though it leaves files alone that have the numbers then.
 *  - Every struct you fill must be zeroed where you do not fill it: use an
 *    initialiser ("= { .workers = 4 }", or "{}" and assignments in C++17).
 *
 * How this header grows: vm_worker and vm_options at their end (your size of
 * them is passed along), vm_context and vm_exception likewise (only the
 * library makes them), enums by new constants (have a default in a switch).
 * vm_source and vm_result never change.
 */
#ifndef VIMAP_H
#define VIMAP_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define VM_VERSION_MAJOR 0
#define VM_VERSION_MINOR 1
#define VM_VERSION_PATCH 0

#ifdef __GNUC__
#define VM_PRINTF(f, a) __attribute__((__format__(__printf__, f, a)))
#define VM_CHECK_RESULT __attribute__((__warn_unused_result__))
#define VM_EXPORT __attribute__((__visibility__("default")))
#else
#define VM_PRINTF(f, a)
#define VM_CHECK_RESULT
#define VM_EXPORT
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The library's version, as "0.1.0"; VM_VERSION_ is this header's. */
VM_EXPORT const char *vm_version(void);

typedef struct vm_pool vm_pool;

/* ---- 1. In the worker ------------------------------------------------ */

/* What a worker's functions see of the worker they run in. */
struct vm_context {
	void *config;		/* vm_worker.config */
	void *state;		/* yours, from setup on: a handle, a buffer */
	int worker_index;	/* of worker_indices, else 0 .. workers - 1 */
	int attempt;		/* 1 at the first try of the present input */
	uint64_t index;		/* of the present input: vm_result.index */
	uint64_t seed;		/* for random numbers: made of options.seed and
				   the number of inputs read before this one,
				   so the same whichever worker has it */
	void *layer;		/* for libraries between this one and you */
};

/*
 * What workers do.  All run in the worker's main thread; stdin is /dev/null
 * there.  C++ exceptions and longjmp() must not leave them.  A worker that
 * exits or dies in process() costs that one input; it is replaced.
 */
struct vm_worker {
	/* Optional, once, before the first input: 0, or not 0 for failure. */
	int (*setup)(struct vm_context *);

	/*
	 * Once an input.  0: done, the output is what vm_output() gathered.
	 * Anything else: failed with that code, what was gathered is dropped.
	 * The input is valid until the return, never NULL, aligned for any
	 * type that fits in it, and followed by a 0 byte not in size.
	 */
	int (*process)(struct vm_context *, const void *input, size_t size);

	/* Optional, once, after the last input, unless setup failed or the
	   worker is killed.  It fails by vm_fail(), a crash, exit() with
	   another status than 0, or teardown_timeout_ms: vm_close() tells. */
	void (*teardown)(struct vm_context *);

	/* Reaches the workers by fork, so may point to anything.  Leave it
	   alone until vm_close(): VM_SERIAL uses the original. */
	void *config;
};

/*
 * Appends a copy of the bytes to the present output.  0, or -1 with errno
 * (EFBIG beyond max_item_bytes, ENOMEM), and then the item has failed,
 * whatever process() returns.  From process(), and with tell_teardowns from
 * teardown(), on its thread: else, and for NULL data with a size, -1 and
 * EINVAL.
 */
VM_EXPORT int vm_output(struct vm_context *, const void *data, size_t size);

/*
 * The same without the copy: room for size bytes, aligned for any type if
 * the output is empty so far, or NULL as above.  vm_commit() appends the
 * first size bytes of it: 0, or -1 and EINVAL if there is no such room.  Any
 * other call in between takes the room back.
 */
VM_EXPORT void *vm_reserve(struct vm_context *, size_t size);
VM_EXPORT int vm_commit(struct vm_context *, size_t size);

/*
 * Says why the present input, setup or teardown, fails, as printf() with %m for
 * errno (at most 4095 bytes are kept, cut between two characters of UTF-8; of
 * setup's and teardown's, 400 in vm_error()).  It has now failed, whatever the
 * hook returns, and with code 0 too; the last call counts.  Keeps errno.
 * Always returns -1, so that "return vm_fail(...)" is right.
 */
VM_EXPORT int vm_fail(struct vm_context *, int code, const char *format, ...)
    VM_PRINTF(3, 4);
VM_EXPORT int vm_vfail(struct vm_context *, int code, const char *format,
    va_list) VM_PRINTF(3, 0);

/*
 * The same for what no other attempt would mend: the item has failed for good,
 * whatever max_attempts and retry_on allow.  Not if vm_fail() is called after
 * it.
 */
VM_EXPORT int vm_fail_for_good(struct vm_context *, int code,
    const char *format, ...) VM_PRINTF(3, 4);

/*
 * If this attempt fails, by vm_fail(), a return or its output, and options
 * allow another one, that begins no sooner than after so many ms (0: at once),
 * whatever retry_delay_ms and retry_delay_max_ms say: for a server that says
 * when to ask again.  The last call counts.  0, or -1 and EINVAL if ms is
 * negative, or not in process().
 */
VM_EXPORT int vm_retry_after(struct vm_context *, int ms);

/* Has vm_fail() been called, or was there no room for an output, since the
   present hook began?  1 or 0.  For libraries between this one and you. */
VM_EXPORT int vm_has_failed(const struct vm_context *);

/*
 * Says that the present input is worked on: item_timeout_ms begins anew.  For
 * what takes as long as it takes, but never long between two of these.  Costs
 * next to nothing.  From process() only; does nothing elsewhere.
 */
VM_EXPORT void vm_alive(struct vm_context *);

/* ---- 2. The pool ----------------------------------------------------- */

/* Why an item failed.  Single bits, so that they can make a mask. */
enum vm_cause {
	VM_FAILED       = 1 << 0,	/* process() said so */
	VM_KILLED       = 1 << 1,	/* its worker died of a signal */
	VM_EXITED       = 1 << 2,	/* its worker left, with 0 too */
	VM_TIMED_OUT    = 1 << 3,	/* item_timeout_ms passed */
	VM_TOO_BIG      = 1 << 4,	/* its output passed max_item_bytes */
	VM_GARBLED      = 1 << 5,	/* its worker broke the protocol */
	VM_SETUP_FAILED = 1 << 6,	/* no worker could be set up for it */
	VM_LOST         = 1 << 7,	/* the pool broke down around it */
	VM_CANCELLED    = 1 << 8	/* vm_cancel() before it was begun, or
					   before its next attempt was; with
					   RUNNING, and vm_cancel_item(), at
					   any time */
};

/* As vm_options.workers: no process is forked, everything runs inside
   vm_zip_in_out().  For debuggers: a crash is yours, and timeouts, limits on
   workers and what is told of crashes do not hold. */
#define VM_SERIAL (-32767)

/*
 * How the pool works.  0 and NULL always mean the default, and all defaults
 * together are a good pool.  Negative numbers, but for VM_SERIAL, are refused
 * with EINVAL, and so are sizes and counts that cannot be meant.
 */
struct vm_options {
	int workers;		/* 0: as many as usable CPUs, or fewer, as
				   limits allow; VM_SERIAL */
	int ordered;		/* not 0: results in the order of inputs */
	const int *worker_indices; /* one for each of workers, which must then
				   be given; copied.  NULL: 0, 1, 2 ... */

	/* Inputs that travel together.  0: by measured time and size. */
	size_t chunk_size;

	/* At most so many chunks a worker are sent and unanswered (10; a
	   worker is never sent more than 64), */
	int max_real_in_flight_factor;
	/* and so many with those whose results you have not taken (100). */
	int max_total_in_flight_factor;
	/* The same bound in bytes; a worker that has nothing may always have
	   one item beyond it.  0: 16 MiB a worker, 64 MiB at least, but no
	   more than an eighth of the memory that was there for us at
	   vm_fork(). */
	size_t max_in_flight_bytes;
	/* The most one input or output may have (1 GiB). */
	size_t max_item_bytes;

	/*
	 * Attempts at one input (1).  Only those count that failed by the
	 * item's own doing: what another item, or vm_close(), took with it is
	 * begun again free of charge.
	 */
	int max_attempts;
	unsigned retry_on;	/* causes worth another attempt (all that are
				   the item's own: VM_FAILED to VM_GARBLED) */
	int retry_delay_ms;	/* before the second; doubles each time (0), */
	int retry_delay_max_ms;	/* and stops growing here (60000) */
	int max_failures;	/* after so many failed items what has not
				   begun is cancelled, as by vm_cancel()
				   (0: never) */

	/* Bounds in time, by the monotonic clock.  0: none, but for the last
	   two.  What runs longer is killed, its process group too.  Another is
	   fork_timeout_ms. */
	int item_timeout_ms;	/* one input in process(), not its waiting:
				   never early, an eighth (of short ones, a
				   few ms) late at most while you wait in the
				   library; what you spend elsewhere adds up
				   to as much again */
	int setup_timeout_ms;	/* each worker's setup, from its fork on */
	int teardown_timeout_ms; /* each worker's teardown, and for an idle
				   worker to come to it (5000) */
	int close_timeout_ms;	/* running items at vm_close() (5000) */

	int max_workers;	/* vm_resize() may ask for (the larger of
				   2 x workers and 16; with worker_indices:
				   workers) */

	/* A worker after these is replaced by a fresh one, between two items;
	   beyond the limits the kernel lets calls fail, or sends SIGXCPU. */
	int max_items_per_worker; /* (0: never) */
	int max_cpu_seconds;	/* in its whole life (0: no limit) */
	size_t max_address_space; /* bytes of it, RLIMIT_AS, with what it
				   inherited (0: no limit) */
	size_t max_rss_per_worker; /* bytes it has in memory, with what it
				   inherited; looked at once a second
				   (0: no limit) */

	int tell_setup_failures; /* not 0: see vm_result.input */
	int measure_items;	/* not 0: vm_exception has wall_ns, cpu_ns */
	int stderr_tail;	/* not 0: a worker's stderr is kept in memory,
				   of which vm_exception has the end, instead
				   of going to yours */
	int debug;		/* not 0: the life of each chunk on stderr */
	uint64_t seed;		/* for vm_context.seed */

	/* Not 0: workers begin with SIGTERM ignored, as what ends a service
	   may send it to all processes at once.  The pool ends workers with
	   SIGKILL then, 200 ms after it. */
	int ignore_sigterm;
	/* Not 0: rand(), random() and drand48() go on in each worker from the
	   caller's state; else each worker has a sequence of its own, by seed,
	   if the caller had one thread at vm_fork(). */
	int keep_rand;
	/* Descriptors that no process of the pool is to have, of close_count;
	   open ones.  Not read after vm_fork(). */
	const int *close_fds;
	size_t close_count;
	/* Not 0: each input has a worker of its own, which finds nothing of
	   inputs or outputs before it in memory; each costs a fork, and large
	   ones go through pipes.  chunk_size and max_items_per_worker are 1
	   then. */
	int isolate;
	/* Not 0: what hooks print to stdout and stderr with stdio is written
	   line by line, those of up to 4 KiB whole. */
	int whole_lines;

	int fork_timeout_ms;	/* while no worker is left and none can be
				   forked, inputs wait so long, and the pool
				   breaks (30000); vm_error() tells at once */
	int tell_teardowns;	/* not 0: teardown may have an output, and each
				   comes as a result: see VM_TEARDOWN */
};

/*
 * Forks a pool and returns while the workers are still being set up.  Flushes
 * stdio output first (with threads: stdout and stderr, if unlocked).  Do it
 * early: before threads and big heaps.  Both structs may be changed or freed
 * on return; options may be NULL.  NULL on failure: EINVAL for a bad option,
 * which vm_error(NULL) names; EAGAIN, ENOMEM, EMFILE, ENFILE; ETIMEDOUT if
 * the fork server is silent for 10 seconds, and not at work; ECHILD if it was
 * killed meanwhile, EBADF if another thread has closed what is the pool's.
 *
 * vm_fork_sized() is for other languages: sizes are those of the structs as
 * you lay them out.  The library has vm_fork() too: as of version 0.1.
 */
VM_EXPORT vm_pool *vm_fork_sized(const struct vm_worker *, size_t worker_size,
    const struct vm_options *, size_t options_size) VM_CHECK_RESULT;

#ifdef VM_NO_INLINE
VM_EXPORT vm_pool *vm_fork(const struct vm_worker *,
    const struct vm_options *);
#else
VM_CHECK_RESULT static inline vm_pool *
vm_fork(const struct vm_worker *worker, const struct vm_options *options)
{
	return vm_fork_sized(worker, sizeof *worker, options, sizeof *options);
}
#endif

/*
 * Ends the pool: closes its sources, drops what has not begun and what you
 * have not taken, lets running items end within close_timeout_ms, runs
 * teardowns, kills what is left.  The pool is gone in any case, but for
 * EDEADLK in a source's hook.  0, and errno is kept; NULL is fine.  1, and
 * errno is kept: so it was, but teardowns have failed, now or of workers that
 * were replaced before, or workers that were to tear down died before they
 * came to it.  -1: ETIMEDOUT if a process would not die.  vm_error(NULL) has
 * words for both: for 1, of the first teardown that failed, and how many did.
 * Using the pool afterwards is as using memory after free().
 */
VM_EXPORT int vm_close(vm_pool *);

/*
 * What went wrong last on this pool, in words, "" if nothing has; of NULL, in
 * this thread's last vm_fork() or vm_close() of a pool or, if that went well,
 * in its last call that was given NULL ("": neither).  A call that is refused
 * names what it was given, and what it needs.  Valid until the next failure
 * there.  Never NULL.  Keeps errno.
 */
VM_EXPORT const char *vm_error(const vm_pool *);

/* 1: the pool broke down, close it; 0: it works, only a source failed. */
VM_EXPORT int vm_broken(const vm_pool *);

/* How many workers it is to have: what 0 in options.workers came to, or what
   vm_resize() last asked for; 1 if serial. */
VM_EXPORT int vm_workers(const vm_pool *);

/* Waits up to so many ms (0: looks only; negative: for ever) for the first
   setups: 0 when all have ended well, VM_LATER if some still run, -1 if one
   failed (ECHILD) or the pool broke down (EPIPE); words: vm_error().  Results
   are not touched. */
VM_EXPORT int vm_ready(vm_pool *, int ms);

/*
 * No more inputs will come: vm_imap() and vm_resize() fail with EPIPE from now
 * on.  When all is answered the workers tear down, and vm_zip_in_out() returns
 * 0 only when they have left; with tell_teardowns it tells of each before.
 * What teardowns say without it, in vm_close(), is dropped; those of workers
 * that are replaced are told in any case.  Does not wait.  0 or -1: EINVAL,
 * EPERM, EDEADLK, EPIPE if the pool is broken.
 */
VM_EXPORT int vm_finish(vm_pool *);

/* ---- 3. Inputs ------------------------------------------------------- */

#define VM_LATER 2		/* nothing yet; more may come */

/* Where inputs come from.  Its functions run in the caller's thread, inside
   calls on the pool, and must not call the pool themselves (EDEADLK), but
   for vm_cancel() and vm_cancel_with(). */
struct vm_source {
	/*
	 * Sets the next input: 1.  The end: 0.  Failure: -1 and errno.  The
	 * bytes are copied before the source is called again.  Size 0 is an
	 * input like any other, and *input may be NULL then.  Blocking holds
	 * up results, and inputs of a chunk that is not full yet (with
	 * chunk_size 1 there are none: each is with a worker before the next
	 * is asked for): to wait without that, have wait_fd, return VM_LATER.
	 * Any other return, and an input beyond max_item_bytes (EFBIG), is a
	 * failure of the source (EINVAL).
	 */
	int (*next)(void *from, const void **input, size_t *size);

	/* Optional.  Called just once: at the end, a failure, vm_cancel(),
	   vm_close(), or when vm_imap() fails. */
	void (*close)(void *from);
	void *from;

	/* Optional: readable when next() is worth a call after VM_LATER, and
	   a promise that next() does not block.  Without it, or while it is
	   -1, next() is called again after each result taken. */
	int (*wait_fd)(void *from);

	uint64_t length;	/* inputs in all, if you know; only kept */
	void *tag;		/* yours: comes back as vm_result.tag */
	void *reserved[3];	/* 0 */
};

/*
 * Queues a source, to be read lazily inside vm_zip_in_out(), after all queued
 * before it.  It now belongs to the pool, on failure too.  0 or -1: EINVAL,
 * ENOMEM, EPIPE if the pool is broken, or what a ready-made source failed of;
 * vm_error() tells what of it cannot be used.
 */
VM_EXPORT int vm_imap(vm_pool *, struct vm_source) VM_CHECK_RESULT;

/* Ready-made sources.  What they point to is yours, is read when its turn
   comes, and must stay till then.  Each must be given to vm_imap() once. */
VM_EXPORT struct vm_source vm_array(const void *items, size_t count,
    size_t item_size);

/*
 * The same, but nothing travels: workers use the items as they were at
 * vm_fork(), when they must have been there.  Not copied, so aligned and ended
 * as they lie there; and vm_result.input is yours, as it is by then.
 */
VM_EXPORT struct vm_source vm_inherited_array(const void *items, size_t count,
    size_t item_size);

/* Strings, without their 0; ends early at a NULL: argv + 1, gl_pathv.  For
   files named by paths: the name is the input, the worker opens it. */
VM_EXPORT struct vm_source vm_strings(char *const *strings, size_t count);

/* Lines, without their newline; the last one needs none.  The file stays
   open.  vm_lines_fd() does not block: for pipes, terminals, sockets; it
   reads ahead, up to 64 KiB beyond the last line it gave. */
VM_EXPORT struct vm_source vm_lines(FILE *);
VM_EXPORT struct vm_source vm_lines_fd(int fd);

/* Numbers: each input is one int64_t, from begin up to, not with, end. */
VM_EXPORT struct vm_source vm_range(int64_t begin, int64_t end);

/*
 * Parts of a length, each input being one struct vm_part: what lies there the
 * worker makes or finds itself.  At most so many parts, none of them empty, in
 * order.  EINVAL for 0 parts.
 *	VM_CUT_EVENLY	sizes differ by 1 at most, the longer ones first
 *	VM_CUT_PYMAR	as Pymar's Producer cuts: length / parts + 1 each, and
 *			the rest, so it may be fewer parts
 */
struct vm_part {
	uint64_t offset;
	uint64_t limit;		/* how many from there on */
};
enum vm_cut { VM_CUT_EVENLY = 0, VM_CUT_PYMAR = 1 };
VM_EXPORT struct vm_source vm_parts(uint64_t length, uint64_t parts,
    enum vm_cut);

/* Names of files that match, sorted, as of this call.  No match is an empty
   source. */
VM_EXPORT struct vm_source vm_glob(const char *pattern);

/* ---- 4. Results ------------------------------------------------------ */

enum vm_type {
	VM_OUTPUT = 1,
	VM_EXCEPTION = 2,
	/* With tell_teardowns: no item, but a worker's teardown, with its
	   worker_index and no input.  There is an output, or an exception if
	   it has failed; also VM_EXITED after exit(0) in it. */
	VM_TEARDOWN = 3
};

/* Why the last attempt at an item failed.  Made by the library only. */
struct vm_exception {
	enum vm_cause cause;
	int code;		/* FAILED: vm_fail()'s or process()'s */
	int signal;		/* KILLED: the signal, else 0 */
	int exit_status;	/* EXITED: the status, else -1 */
	int core_dumped;
	int out_of_memory;	/* 1: killed by SIGKILL, not by us, while the
				   kernel counted a kill for want of memory in
				   its control group; else 0.  Whom it took
				   the kernel does not say */
	pid_t pid;		/* of the worker; 0 if there was none */
	int worker_index;	/* -1 if there was no worker */
	const char *message;	/* never NULL; a whole sentence, any cause,
				   or what vm_fail() was given */
	const char *traceback;	/* KILLED by a crash: the signal, its code
				   and address; then the stack, a line each:
				   module + offset for debuggers, and the
				   function where its name is exported.  At
				   most 3072 bytes.  Else NULL, and where a
				   handler of your own or a sanitizer watches */
	const char *stderr_tail; /* the last 4096 bytes it wrote there during
				   the attempt; NULL unless stderr_tail */
	uint64_t wall_ns;	/* of the attempt: time it took, */
	uint64_t cpu_ns;	/* and CPU time, with that of processes it
				   has waited for; 0 unless measure_items */
	uint64_t max_rss;	/* bytes, in its worker's life, with what it
				   inherited; 0 unless the worker died */
};

/*
 * An input and what became of it.  All pointers belong to the library and
 * stay valid until the next vm_zip_in_out() or vm_close() on this pool, but
 * not in a process forked meanwhile; no other call touches them.  Data is
 * aligned for any type that fits in it, and followed by a 0 byte that no size
 * counts.
 */
struct vm_result {
	const void *input;	/* never NULL, but for VM_TEARDOWN, and with
				   tell_setup_failures: no item then, a worker
				   was given up since its setup failed five
				   times in a row */
	size_t input_size;
	const void *output;	/* never NULL if type is VM_OUTPUT, or
				   VM_TEARDOWN that went well; else NULL */
	size_t output_size;
	const struct vm_exception *exception;	/* NULL if there is an output */
	void *tag;		/* vm_source's */
	uint64_t index;		/* of the input in its source, from 0;
				   UINT64_MAX if there is none */
	enum vm_type type;
	int attempts;		/* it took; 0 if never begun */
	int worker_index;	/* of the last attempt; -1 if never begun */
	int reserved;
};

/*
 * The next result, in the order they arrive or, if ordered, of the inputs.
 *	1	a result
 *	0	the end: every input is answered and no source is left.  The
 *		pool is idle and may be given more.
 *	-1	a source failed (errno is its), what was read from it has been
 *		answered; call again for the rest.  Or the pool broke down
 *		(EPIPE, and vm_broken() is 1), and its inputs have come back
 *		as VM_LOST or VM_SETUP_FAILED.  Or ENOMEM: nothing is lost,
 *		call again.  Or EINVAL, EPERM, EDEADLK.
 * EDEADLK: it was called from a source's hook; or a source without wait_fd
 * says VM_LATER while nothing is in flight, and the source stays.
 * Signal handlers do not interrupt it: call vm_cancel() in them.
 */
VM_EXPORT int vm_zip_in_out(vm_pool *, struct vm_result *) VM_CHECK_RESULT;

/* The same, but VM_LATER if there is nothing yet after so many ms; 0 looks
   only, and a negative time waits for ever. */
VM_EXPORT int vm_zip_in_out_within(vm_pool *, struct vm_result *, int ms)
    VM_CHECK_RESULT;

/* A copy with all it points to (but tag), one block for free().  NULL and
   ENOMEM, or EINVAL for NULL. */
VM_EXPORT struct vm_result *vm_result_copy(const struct vm_result *);

/* "failed", "killed", "timed out": for tables. */
VM_EXPORT const char *vm_cause_name(enum vm_cause);

/*
 * Maps an array to an array on all cores, as easily as a loop: forks a pool,
 * has process() make element i of out of element i of in (both from 0), closes
 * the pool; waits for all that.  Workers have the inputs as of this call;
 * nothing is copied but outputs, so out may be in.  Each output must have
 * out_size bytes, or its element has failed (code EINVAL); the room that
 * vm_reserve() gives is where it lies in an array of them, and aligned so.
 * "ordered", tell_setup_failures and tell_teardowns have no meaning.
 *
 * 0: all are done.  1: some have failed; they are zeroes in out, and for each
 * failed(arg, result) was called, in the caller, in no order, if it is not
 * NULL; the result is gone when it returns.  With both, vm_error(NULL) has
 * words if teardowns have failed, else "".  -1 and errno, words in
 * vm_error(NULL), as vm_fork() and vm_zip_in_out(); and EINVAL for an array
 * that is NULL, has too many bytes, or has outputs of 0 bytes or more than
 * max_item_bytes.  What out has then is not defined.
 */
VM_EXPORT int vm_map_array_sized(const struct vm_worker *, size_t worker_size,
    const struct vm_options *, size_t options_size, const void *in,
    size_t count, size_t in_size, void *out, size_t out_size,
    void (*failed)(void *arg, const struct vm_result *), void *arg);

#ifdef VM_NO_INLINE
VM_EXPORT int vm_map_array(const struct vm_worker *,
    const struct vm_options *, const void *in, size_t count, size_t in_size,
    void *out, size_t out_size,
    void (*failed)(void *arg, const struct vm_result *), void *arg);
#else
static inline int
vm_map_array(const struct vm_worker *worker, const struct vm_options *options,
    const void *in, size_t count, size_t in_size, void *out, size_t out_size,
    void (*failed)(void *arg, const struct vm_result *), void *arg)
{
	return vm_map_array_sized(worker, sizeof *worker, options,
	    sizeof *options, in, count, in_size, out, out_size, failed, arg);
}
#endif

/* ---- 5. While it runs ------------------------------------------------ */

/*
 * Gives up all sources and inputs the pool has now: what has not begun comes
 * back as VM_CANCELLED, what runs ends as usual, later inputs are not meant.
 * That a source had failed is not told any more.
 * Safe in any thread and in signal handlers while the pool is open; returns
 * at once and keeps errno.  From the next call on the pool on, those sources
 * are not read.
 */
VM_EXPORT void vm_cancel(vm_pool *);

/*
 * The same, and with these bits:
 *	VM_CANCEL_RUNNING	what runs comes back as VM_CANCELLED, too; its
 *				worker is killed, and replaced
 *	VM_CANCEL_UNREAD	sources are not given up but read to their end,
 *				which they must have, and all of it comes back
 *				as VM_CANCELLED
 * Other bits are ignored.
 */
enum vm_cancel_how { VM_CANCEL_RUNNING = 1, VM_CANCEL_UNREAD = 2 };
VM_EXPORT void vm_cancel_with(vm_pool *, unsigned how);

/*
 * Gives up one input, by the tag and the index that its result will have; of
 * several, the one read first.  The pool goes on.  Does not wait.
 *	1	it comes back as VM_CANCELLED, and is not tried again.  If it
 *		runs its worker is killed, in the calls that follow, and
 *		replaced; if it ends before that it comes as it ended
 *	0	no input that was read and is not answered is so named
 *	-1	EINVAL, ENOMEM, EPERM, EDEADLK
 */
VM_EXPORT int vm_cancel_item(vm_pool *, const void *tag, uint64_t index);

/*
 * From now on the pool is to have so many workers, 1 to max_workers.  Does not
 * wait: more are forked, as of vm_fork(), in the calls that follow; those that
 * are too many end the item they are at, tear down and leave, and what they
 * have not begun goes to others.  A place that was given up stays empty.
 * 0 or -1: EINVAL, ERANGE beyond max_workers, EPIPE if the pool is broken,
 * EPERM, EDEADLK.
 */
VM_EXPORT int vm_resize(vm_pool *, int workers);

#ifdef __cplusplus
}
#endif
#endif
