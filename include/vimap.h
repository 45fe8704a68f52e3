/*
 * vimap.h - map inputs to outputs on a pool of forked worker processes.
 *
 * An ordinary function, run in one of several worker processes, turns each
 * input into an output.  Each input comes back exactly once: with its output,
 * or with an exception that says why there is none (the function failed, the
 * worker crashed or exited).  A complete program:
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
 * Terms: the caller is the process that called vm_fork(); the fork server is
 * its child, which forks and reaps all workers; a hook is a callback given to
 * the library.
 *
 * Before you start:
 *  - A worker has a copy of the program's memory as of vm_fork(), also if the
 *    worker is forked later.  Data that changes afterwards must be an input.
 *  - Functions return 0 or more on success, and -1 with errno set on failure;
 *    vm_error(pool) returns the error text, vm_error(NULL) the text of a
 *    failure without a pool.  A failed item is a result, not an error.
 *  - One thread at a time may use a pool, in the process that forked it.  In
 *    another process calls on the pool fail with EPERM, and vm_close() only
 *    frees memory.  Only vm_cancel() may be called from any thread or signal
 *    handler.  Most calls on a pool fail with EDEADLK in the callbacks of its
 *    own sources.
 *  - Each input has one result.  An input may be processed more than once: if
 *    max_attempts allows it; if its worker broke the protocol, so that the
 *    outputs of that worker cannot be trusted; or if its worker was killed for
 *    the item before, which had timed out or was cancelled, and had just begun
 *    this one.
 *  - If other threads run at vm_fork(), hooks must not need locks that those
 *    threads may hold.
 *  - The pool is one child process of yours, the fork server, visible to
 *    wait(): wait for arbitrary children only after vm_close().  (The pool
 *    survives if you do it earlier.)
 *  - Do not close descriptors of a pool, as closefrom(3) does: the pool
 *    breaks.  Files that reuse the descriptor numbers are left alone.
 *  - Set every struct field that you do not fill to zero: use an initialiser
 *    ("= { .workers = 4 }", or "{}" and assignments in C++17).
 *
 * How this header grows: vm_worker, vm_options, vm_array_map, vm_stats and
 * vm_worker_stats get fields at their end (your sizeof is passed along),
 * vm_context and vm_exception too
 * (only the library creates them), enums get constants (have a default in a
 * switch).  vm_source, vm_result and vm_front never change.
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
#ifdef __GNUC__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"	/* vm_stats, and vm_stats() */
#endif
#endif

/* Returns the version of the library as a string, "0.1.0", which is never
   freed.  The VM_VERSION_ macros are the version of this header. */
VM_EXPORT const char *vm_version(void);

typedef struct vm_pool vm_pool;

/* ---- 1. In the worker ------------------------------------------------ */

/* The worker and the current input, as its hooks see them.  The library owns
   it; hooks may write to state and layer only.  A pointer to it is valid until
   the hook returns. */
struct vm_context {
	void *config;		/* vm_worker.config */
	void *state;		/* yours, from setup on: a handle, a buffer */
	int worker_index;	/* from worker_indices, else 0 .. workers - 1 */
	int attempt;		/* 1 for the first attempt at this input */
	uint64_t index;		/* of the current input: vm_result.index */
	uint64_t seed;		/* for random numbers: computed from
				   options.seed and the number of inputs read
				   before this input, so the same in whichever
				   worker it runs */
	void *layer;		/* for libraries between this library and you */
	size_t config_size;	/* vm_worker.config_size: on another machine,
				   the bytes that came from the caller, who may
				   have sent others than you expect */
};

/*
 * The hooks of a worker.  All run in the worker's main thread, where stdin is
 * /dev/null.  C++ exceptions and longjmp() must not leave a hook.  If a worker
 * exits or dies in process(), only the current input fails, and another worker
 * replaces it.
 */
struct vm_worker {
	/* Optional.  Runs once, before the first input.  Returns 0, or any
	   other number for failure. */
	int (*setup)(struct vm_context *);

	/*
	 * Runs once for each attempt at an input.  Returns 0 for success: the
	 * bytes appended by vm_output() are the output.  Any other number
	 * fails the item with that code, and its output is dropped.  The input
	 * buffer is valid until the return, never NULL, aligned for any type
	 * that fits in it, and followed by a 0 byte that size does not count.
	 */
	int (*process)(struct vm_context *, const void *input, size_t size);

	/* Optional.  Runs once, after the last input, unless setup failed or
	   the worker is killed.  It fails by vm_fail(), by a crash, by exit()
	   with a status other than 0, or after teardown_timeout_ms; vm_close()
	   reports it. */
	void (*teardown)(struct vm_context *);

	/* A pointer to anything: workers inherit the memory by fork.  Do not
	   change the memory until vm_close(): VM_SERIAL uses the original. */
	void *config;

	/*
	 * For vm_map_array() only, beside process() or in its place: makes
	 * count outputs from count inputs, which lie one behind the other, as
	 * a loop that the compiler can vectorise.  me->index is that of the
	 * first.  Returns 0 for success.  If it returns another number, calls
	 * vm_fail(), or dies, all its elements are run again one by one, by
	 * process() if that is set, and no attempt is counted: so the failure
	 * is that of the right element, and calls must bear repetition.
	 * vm_output() and vm_reserve() fail in it.  A call gets as many
	 * elements as take about a microsecond by the calls before, 1,024 at
	 * most.  vm_fork() refuses it with EINVAL.
	 */
	int (*process_many)(struct vm_context *, const void *inputs,
	    size_t count, void *outputs);

	/* For workers on other machines, see vm_agent(): the name by which the
	   program there finds its hooks, 1 to 63 of A-Z a-z 0-9 . _ - ; and the
	   bytes of config, which are copied to it.  0: its own config is
	   used. */
	const char *name;
	size_t config_size;

	/* Of process(), for vm_options.journal: another version does not use
	   the results of this one (NULL: "").  Name and version together have
	   1022 bytes at most. */
	const char *version;
};

/*
 * Appends a copy of size bytes to the current output.  Callable from process(),
 * and with VM_TELL_TEARDOWNS from teardown(), in the thread of the hook.
 * Returns 0, or -1 and sets errno: EFBIG beyond max_item_bytes, or ENOMEM, and
 * then the item has failed whatever process() returns; EINVAL outside those
 * hooks, or if data is NULL and size is not 0.
 */
VM_EXPORT int vm_output(struct vm_context *, const void *data, size_t size);

/*
 * The same without a copy.  vm_reserve() returns a pointer to a buffer of size
 * bytes, owned by the library and aligned for any type if the output is still
 * empty, or NULL with errno as above.  vm_commit() appends the first size
 * bytes of that buffer and returns 0, or -1 with EINVAL if the buffer is
 * smaller; without a buffer, for more than 0 bytes.  A vm_output() or
 * vm_reserve() in between invalidates the buffer.
 */
VM_EXPORT void *vm_reserve(struct vm_context *, size_t size);
VM_EXPORT int vm_commit(struct vm_context *, size_t size);

/*
 * Marks the current input, setup or teardown as failed, whatever the hook
 * returns and also if code is 0, and formats its message as printf() does,
 * with %m for errno.  At most 4095 bytes of the message are kept, cut between
 * two characters of UTF-8; vm_error() has 400 bytes of the message of a setup
 * or teardown.  The last call counts.  Keeps errno.  Always returns -1, so
 * that a hook can "return vm_fail(...)".
 */
VM_EXPORT int vm_fail(struct vm_context *, int code, const char *format, ...)
    VM_PRINTF(3, 4);
VM_EXPORT int vm_vfail(struct vm_context *, int code, const char *format,
    va_list) VM_PRINTF(3, 0);

/*
 * The same for a failure that another attempt would only repeat: the item gets
 * no further attempt, whatever max_attempts and retry_on allow.  A later call
 * of vm_fail() in the same hook cancels this.
 */
VM_EXPORT int vm_fail_for_good(struct vm_context *, int code,
    const char *format, ...) VM_PRINTF(3, 4);

/*
 * Sets the delay before the next attempt to ms milliseconds at least (0: none),
 * in place of retry_delay_ms and retry_delay_max_ms, as a server may ask for.
 * It applies if the current attempt fails by vm_fail(), by the return value of
 * process() or by its output, and options allow another attempt.  The last
 * call counts.  Returns 0, or -1 with EINVAL if ms is negative or the call is
 * not made in process().
 */
VM_EXPORT int vm_retry_after(struct vm_context *, int ms);

/* Returns 1 if the current hook has called vm_fail(), or its output has failed
   with EFBIG or ENOMEM, else 0.  For libraries between this library and you. */
VM_EXPORT int vm_has_failed(const struct vm_context *);

/*
 * Restarts item_timeout_ms for the current input: for items whose total time
 * is not known, but which call this regularly.  It increments a counter in
 * shared memory.  Works in process() only, and does nothing elsewhere.
 */
VM_EXPORT void vm_alive(struct vm_context *);

/* ---- 2. The pool ----------------------------------------------------- */

/* Why an item failed.  Single bits, so that they can make a mask. */
enum vm_cause {
	VM_FAILED       = 1 << 0,	/* process() failed it */
	VM_KILLED       = 1 << 1,	/* a signal killed its worker */
	VM_EXITED       = 1 << 2,	/* its worker exited, also with 0 */
	VM_TIMED_OUT    = 1 << 3,	/* item_timeout_ms passed */
	VM_TOO_BIG      = 1 << 4,	/* output beyond max_item_bytes */
	VM_GARBLED      = 1 << 5,	/* its worker broke the protocol */
	VM_SETUP_FAILED = 1 << 6,	/* no worker could be set up for it */
	VM_LOST         = 1 << 7,	/* the pool broke before it was done, or
					   see vm_options.max_losses */
	VM_CANCELLED    = 1 << 8	/* vm_cancel() before its first or next
					   attempt began; at any time with
					   VM_CANCEL_RUNNING or by
					   vm_cancel_item() */
};

/* A value of vm_options.workers: no process is forked, and the hooks run in the
   caller, inside vm_zip_in_out().  For debuggers: a crash ends the caller, and
   timeouts, limits on workers and reports of crashes do not apply. */
#define VM_SERIAL (-32767)

/* Another: no worker on this machine, all on those of vm_options.hosts and
   vm_add_host(). */
#define VM_ELSEWHERE (-32766)

/*
 * A machine, as a command that leads there and starts this program, whose
 * standard input and output are the connection:
 *	{ "ssh", "-oBatchMode=yes", "h1", "/opt/prog", NULL }
 *	{ "srun", "--unbuffered", "-N1", "-n1", "-w", "n7", "/opt/prog", NULL }
 * The argument --vimap-agent is added.  ssh joins the arguments with blanks and
 * gives them to a shell: quote what needs it.  The command runs in a process of
 * the pool, without a terminal, so it cannot ask for a password.  Who may do
 * what over there is its business; see SECURITY.md.
 */
struct vm_host {
	const char *name;	/* for people; NULL: the last argument but one,
				   or else the first */
	const char *const *command;	/* a NULL ends it; copied */
	int workers;		/* 0: the CPUs usable there; VM_ELSEWHERE: none,
				   with hosts */
	/* Machines behind it, an array of host_count: the agent there runs
	   their commands, and passes inputs and results on.  They may have
	   hosts in turn, 8 levels in all.  The argument is --vimap-tree then:
	   an agent that was started with --vimap-agent runs no command. */
	int host_count;
	const struct vm_host *hosts;
};

/* Bits of vm_options.flags; each is off by default. */
enum vm_flag {
	VM_ORDERED = 1 << 0,	/* results in the order of inputs */
	VM_MEASURE_ITEMS = 1 << 1, /* vm_result has wall_ns and cpu_ns */
	VM_STDERR_TAIL = 1 << 2, /* the stderr of each worker goes to a memory
				   file, not to yours, and vm_exception has the
				   end of it */
	VM_TELL_TEARDOWNS = 1 << 3, /* teardown may have an output, and each
				   teardown is a result: see VM_TEARDOWN */
	VM_DEBUG = 1 << 4,	/* trace each chunk on your stderr, with the
				   time of day and your pid */
	/* Workers start with SIGTERM ignored, because a service manager may
	   send it to all processes at once.  To end a worker, the pool sends
	   SIGKILL 200 ms after SIGTERM. */
	VM_IGNORE_SIGTERM = 1 << 5,
	/* rand(), random() and drand48() continue in each worker from the
	   caller's state.  Without it each worker has a sequence of its own,
	   made from seed, if the caller had one thread at vm_fork(). */
	VM_KEEP_RAND = 1 << 6,
	/* Each attempt at an input gets a new worker, whose memory has no trace
	   of earlier inputs and outputs.  Each costs a fork, and large inputs
	   and outputs go through pipes.  Implies a chunk_size and a
	   worker_max_items of 1. */
	VM_ISOLATE = 1 << 7,
	/* stdio text of hooks for stdout and stderr is written line by line, a
	   line of up to 4 KiB in a single write(). */
	VM_WHOLE_LINES = 1 << 8,
	/* The progress of the pool on your stderr: on a terminal a line that
	   is drawn over, at most 10 times a second; elsewhere a line every
	   10 seconds.  Both only while you are in calls that take results.
	   Never blocks. */
	VM_PROGRESS = 1 << 9,
	/* The variables of the environment in vimap(3), VIMAP_WORKERS and the
	   like, change nothing. */
	VM_NO_ENVIRONMENT = 1 << 10,
	/* The journal has outputs too: see vm_options.journal. */
	VM_JOURNAL_OUTPUTS = 1 << 11,
	/* Inputs that have failed in an earlier run are run again. */
	VM_JOURNAL_RETRY = 1 << 12,
	/* The disk has each entry before the run goes on, by fdatasync(2), and
	   the name of the journal, which takes a readable directory; without it
	   a crash of the machine can lose the last entries. */
	VM_JOURNAL_SYNC = 1 << 13
};

/*
 * The options of a pool.  0 and NULL always mean the default, named in
 * parentheses below; a pool with all defaults works well.  vm_fork() refuses
 * negative numbers, except VM_SERIAL, absurd sizes and counts, and unknown
 * flags with EINVAL.
 */
struct vm_options {
	int workers;		/* processes (the number of usable CPUs, or
				   fewer where limits require it); VM_SERIAL;
				   or VM_ELSEWHERE */
	unsigned flags;		/* bits of enum vm_flag (none) */
	const int *worker_indices; /* an array with a number for each worker,
				   which vm_fork() copies; needs workers
				   (0, 1, 2 ...) */

	/* Inputs in a chunk, which are sent together (by measured time and
	   size). */
	size_t chunk_size;

	/* The window, in chunks per worker.  The first bounds the chunks in
	   flight, sent and not answered (10; a single worker is never sent
	   more than 64), */
	int max_real_in_flight_factor;
	/* the second those and the chunks with results that you have not taken
	   (100). */
	int max_total_in_flight_factor;
	/* The second bound in bytes; an idle worker may always get one item
	   beyond it (64 MiB, or four inputs and outputs of the present size per
	   worker, up to 16 MiB per worker; but no more than an eighth of the
	   memory available to the caller at vm_fork()). */
	size_t max_in_flight_bytes;
	/* Bytes of one input or output at most (1 GiB). */
	size_t max_item_bytes;

	/*
	 * Attempts at an input (1).  An attempt counts if the item itself
	 * caused the failure; an item that was lost because of another item
	 * is requeued and loses no attempt.
	 */
	int max_attempts;
	unsigned retry_on;	/* a mask of causes worth another attempt (all
				   that an item can cause: VM_FAILED to
				   VM_GARBLED) */
	int retry_delay_ms;	/* milliseconds before the second attempt;
				   doubles before each further attempt (0), */
	int retry_delay_max_ms;	/* up to this bound (60000) */
	int max_failures;	/* after this number of failed items the pool
				   cancels the items that have not begun, as
				   vm_cancel() does (never) */

	/* Timeouts in milliseconds of the monotonic clock; the first two have
	   no default.  A worker that exceeds its timeout is killed with its
	   process group. */
	int item_timeout_ms;	/* for an input in process(), without the time
				   in queues.  Never early; late by an eighth at
				   most (by a few ms if it is short) while you
				   wait in the library; time that you spend
				   elsewhere can double the lateness.  A crash
				   in time has 20 s more for its report */
	int setup_timeout_ms;	/* for the setup of a worker, from its fork */
	int teardown_timeout_ms; /* for the teardown of a worker, and for an
				   idle worker to begin it (5000) */
	int close_timeout_ms;	/* for running items at vm_close() (5000) */
	int fork_timeout_ms;	/* how long inputs wait while no worker is left
				   and none can be forked; then the pool breaks
				   (30000).  vm_error() has the reason at
				   once */

	int max_workers;	/* the upper bound of vm_resize() (the larger
				   of 2 x workers and 16; with worker_indices:
				   workers) */

	/* An array of close_count open descriptors that no process of the pool
	   is to inherit.  Not read after vm_fork(). */
	int close_count;
	const int *close_fds;

	/* Limits on a worker.  Beyond the first and the last a new worker
	   replaces it, between two items; beyond worker_max_cpu_seconds the
	   kernel sends SIGXCPU, beyond worker_max_address_bytes its calls
	   fail. */
	int worker_max_items;	/* (no limit) */
	int worker_max_cpu_seconds; /* in its whole life (no limit) */
	size_t worker_max_address_bytes; /* RLIMIT_AS, with the inherited
				   memory (no limit) */
	size_t worker_max_rss_bytes; /* resident, with the inherited memory;
				   measured once a second (no limit) */

	uint64_t seed;		/* for vm_context.seed */

	/*
	 * Other machines, beside the workers here: an array of host_count,
	 * copied; see vm_add_host().  Each is served by one process of the
	 * pool, a link.  Needs vm_worker.name and, if there is a config, its
	 * config_size.  Limits on workers, timeouts and retries hold there as
	 * here.  Not with VM_SERIAL, VM_ISOLATE, VM_TELL_TEARDOWNS and
	 * vm_map_array().
	 */
	const struct vm_host *hosts;
	int host_count;
	int max_hosts;		/* at a time, with those of vm_add_host() (the
				   larger of 2 x host_count and 16, if the
				   options allow hosts) */
	int connect_timeout_ms;	/* from the start of a command to the answer of
				   the agent (60000) */
	int silence_ms;		/* a machine that is not heard of for this time
				   is lost; its agent ends by the same bound.
				   At least 1000 (20000) */
	int patience_ms;	/* with inputs waiting and no worker anywhere,
				   before the pool breaks down (60000;
				   INT_MAX: for ever) */
	int max_losses;		/* an input that was at this number of lost
				   machines is sent alone from then on; after as
				   many more it fails as VM_LOST (3) */

	/*
	 * The path of a file for a trace of the pool, as ui.perfetto.dev and
	 * chrome://tracing read it: a track for the caller and for each worker,
	 * with setups, items, deaths and waits, and the numbers of chunks and
	 * bytes in flight.  "%p" in it is replaced by the pid.  The file is
	 * made with mode 0600, or emptied if it is a regular file of yours;
	 * else vm_fork() fails.  It has 96 MiB at most; a mark says if it is
	 * full.  If it cannot be written to later, the pool goes on without it,
	 * and vm_error() says so at once and, for NULL, after a vm_close() that
	 * returned 0.  (NULL: no trace.)
	 */
	const char *trace;

	/*
	 * Where machines may join the pool by vm_join(): the path of a Unix
	 * socket, which vm_fork() makes with mode 0600 and vm_close() removes,
	 * or a name without "/", which is a socket in the directory vimap of
	 * $XDG_RUNTIME_DIR, or of /run/user/UID, or in /tmp/vimap-UID.  Only
	 * processes of the same user and of root can connect.  Each machine
	 * that joins is a host, as those of vm_add_host(), and takes a place of
	 * max_hosts.  At most 8 connections that have not greeted are open,
	 * each for 10 seconds.  What hosts need, this needs.  (NULL: none may
	 * join.)
	 */
	const char *listen;

	/*
	 * The path of a journal (NULL: none): a file that keeps which inputs
	 * are finished, so that a run that is killed at any point and started
	 * again goes on where it was.  An input is known by its key, of which
	 * the journal has a hash; two equal inputs are two.  It is finished if
	 * its result is an output, or an exception by its own doing, VM_FAILED
	 * to VM_GARBLED, but no death by SIGHUP, SIGINT, SIGKILL or SIGTERM,
	 * which most often come from outside.
	 *
	 * With VM_JOURNAL_OUTPUTS every run returns a result for each input.
	 * A result is in the journal before you have it, so an input whose
	 * result you had is not run again: the next run returns the result as
	 * it was, with a worker_index of -1, and an exception without pid.
	 * Without the flag each input has one result over all runs, and the
	 * next run leaves out the finished inputs; indexes and seeds are as if
	 * it did not.  An input is finished when the next result is asked for,
	 * or the pool closed; so a kill in between has one result come again,
	 * and none is lost.
	 *
	 * The file is made with mode 0600, and must be a regular file that only
	 * you may write to; a single pool has it at a time.  vm_fork() fails
	 * with EINVAL and leaves it as it is if it is no journal, or one of
	 * another version of the format, or of the other kind: with outputs or
	 * without.  Results of workers with another vm_worker.name or version
	 * stay in it unused.
	 * An end that was cut short, by a kill or a crash, is cut off; inputs
	 * whose entries are damaged are run again.  If the file cannot be
	 * written to later, the run goes on, and those results are not in it:
	 * vm_error() says so at once, and vm_close() returns 1.  With a
	 * journal, vm_inherited_array() sends its items.  Not with
	 * vm_map_array() and vimap_reduce.h; VIMAP_ONLY leaves it alone.
	 */
	const char *journal;

	/* Optional.  Returns a pointer to the key of an input, and sets its
	   size, in place of all bytes of the input: valid until the next call.
	   Runs in the caller, as vm_source.next does; config: of vm_worker. */
	const void *(*journal_key)(void *config, const void *input,
	    size_t size, size_t *key_size);
};

/*
 * Forks a fork server and, through it, the workers; blocks until the workers
 * are forked, but not until their setups have ended.  Flushes stdio output
 * first (in a program with threads: stdout and stderr, if unlocked).  Call it
 * early, before threads and big heaps exist.  Both structs may be changed or
 * freed on return; options may be NULL.
 *
 * Returns a pool, which vm_close() frees, or NULL and sets errno; the text is
 * in vm_error(NULL).  EINVAL: a bad option, which the text names.  EAGAIN,
 * EMFILE, ENFILE, ENOMEM: a limit is reached.  ETIMEDOUT: the fork server was
 * silent for 10 seconds without being at work.  ECHILD: the fork server was
 * killed meanwhile.  EBADF: another thread has closed descriptors of the pool.
 *
 * vm_fork_sized() is the exported function; it is told the bytes of both
 * structs.  A binding for another language calls it with the sizes of the
 * structs as it lays them out.
 */
VM_EXPORT vm_pool *vm_fork_sized(const struct vm_worker *, size_t worker_size,
    const struct vm_options *, size_t options_size) VM_CHECK_RESULT;

VM_CHECK_RESULT static inline vm_pool *
vm_fork(const struct vm_worker *worker, const struct vm_options *options)
{
	return vm_fork_sized(worker, sizeof *worker, options, sizeof *options);
}

/*
 * Ends and frees the pool: closes its sources, drops the items that have not
 * begun and the results that you have not taken, lets running items end within
 * close_timeout_ms, runs teardowns within teardown_timeout_ms, and kills all
 * processes that are left.  Blocks until then.  The pool is freed in any case,
 * except after EDEADLK in a hook of a source; NULL is allowed.
 *
 * Returns 0 or 1 and keeps errno, or returns -1 and sets it.  1: teardowns
 * failed, now or in workers that were replaced earlier, or workers died before
 * their teardown, or a worker was given up because its setup failed five times
 * in a row, while others worked; vm_error(NULL) has the text of the first and
 * the number.  Or 1: the journal lacks results, which vm_error(NULL) tells.
 * -1, ETIMEDOUT: a process does not die; vm_error(NULL) has the text.
 */
VM_EXPORT int vm_close(vm_pool *);

/*
 * vm_close() for event loops: waits for running items and teardowns no longer
 * than ms milliseconds (0: not at all; negative: as vm_close()).  Returns
 * VM_LATER if there is more to wait for: call it again when vm_fd() is
 * readable.  Meanwhile the results are gone, and any other call fails with
 * EPIPE, except vm_close(), vm_fd(), vm_error(), vm_broken() and vm_workers().
 * Otherwise the pool is freed, and the values are those of vm_close(); for the
 * end of the fork server, which has no workers by then, it blocks some
 * milliseconds.
 */
VM_EXPORT int vm_close_within(vm_pool *, int ms) VM_CHECK_RESULT;

/*
 * Returns the text of the last failure on this pool, "" if there was none.  For
 * NULL: of this thread's last vm_fork() or vm_close() of a pool or, if that
 * succeeded, of its last call that was given NULL ("" if there was none).  The
 * text of a refused call names the wrong argument and the right one.  The
 * string is owned by the library, never NULL, and valid until the next failure
 * of the same kind.  Keeps errno.
 */
VM_EXPORT const char *vm_error(const vm_pool *);

/* Returns 1 if the pool broke down and can only be closed; 0 if it works, also
   after a source failed; -1 with EINVAL for NULL. */
VM_EXPORT int vm_broken(const vm_pool *);

/* Returns the number of workers that the pool aims at: the number vm_fork()
   chose or was given, or the last of vm_resize(); 1 with VM_SERIAL; -1 with
   EINVAL for NULL. */
VM_EXPORT int vm_workers(const vm_pool *);

/* Waits up to ms milliseconds (0: does not wait; negative: without limit) until
   the first setup of each worker has ended.  Returns 0 if all have succeeded,
   VM_LATER if some still run, or -1 and sets errno: ECHILD if a setup failed,
   EPIPE if the pool broke down, ENOMEM.  Takes no results. */
VM_EXPORT int vm_ready(vm_pool *, int ms);

/*
 * Announces that no more inputs will come: vm_imap() and vm_resize() fail with
 * EPIPE from now on.  When all inputs are answered the workers tear down, and
 * vm_zip_in_out() returns 0 only after they have exited; with
 * VM_TELL_TEARDOWNS it first returns each teardown as a result.  Without
 * vm_finish() teardowns run in vm_close(), which drops their outputs; teardowns
 * of workers that are replaced are results in either case.  Does not block.
 * Returns 0, or -1 and sets errno: EINVAL, EPERM, EDEADLK, or EPIPE if the pool
 * is broken.
 */
VM_EXPORT int vm_finish(vm_pool *);

/*
 * To be called first in main(), with the program's named workers.  Returns at
 * once if the last argument is neither --vimap-agent nor --vimap-tree.
 * Otherwise this process is the agent of a pool on another machine: it forks a
 * pool of its own with the hooks of the name that the other side asks for,
 * serves its inputs through standard input and output, and exits.  There
 * setup() runs once in each worker, config points to a copy of the bytes that
 * were sent, aligned for any type, me->index, me->seed and me->attempt are as
 * at the caller, and text for stdout goes to stderr, which the caller's stderr
 * receives line by line with the name of the host before each.  An agent ends
 * with all its processes when its pool does, or when nothing was heard of it
 * for silence_ms.
 *
 * Both ends must be the same build of the program: the linker's build-id is
 * compared, or a hash of the file where it has none.
 */
VM_EXPORT void vm_agent(int argc, char **argv, const struct vm_worker *,
    size_t count);

/*
 * The way round that begins at the other machine: the program there offers its
 * workers to a pool that listens.
 */
struct vm_join {
	const char *to;		/* vm_options.listen of a pool on this machine;
				   or NULL, and */
	const char *const *command;	/* a command that leads there, whose
				   standard input and output are the connection;
				   a NULL ends it:
				   { "ssh", "-oBatchMode=yes", "caller",
				   "/opt/prog", "--vimap-relay", "queue", NULL }
				   { "spipe", "-t", "caller:8025", "-k", "key",
				   NULL } */
	int workers;		/* unless the pool says (the usable CPUs) */
	int once;		/* not 0: serve a single pool */
};

/*
 * Serves pools with the named workers of the table, as vm_agent() does, in
 * child processes.  Blocks: waits for a pool, also for one that does not exist
 * yet; serves it until it is done, or lost; and waits for the next.  Tries
 * again after pauses of 20 ms to 1 s, with a command 1 s to 60 s.  Text of
 * hooks and of the command goes to stdout and stderr of this program.
 *
 * Returns 0 with once, when a pool is done.  Otherwise -1 and sets errno, with
 * words in vm_error(NULL): EINVAL for a bad argument; EPROTO if the pool
 * refuses this program, as another build or for its names, or if no worker
 * could be set up; EPIPE with once, if the pool was lost; EPERM, EACCES,
 * ENOTDIR or ENAMETOOLONG for a socket that is out of reach.
 *
 * vm_agent() makes a program that is started with the arguments --vimap-relay
 * and a name or path, and no others, a relay: it passes bytes between its
 * standard input and output and that socket, which it waits for.
 */
VM_EXPORT int vm_join(const struct vm_join *, const struct vm_worker *,
    size_t count) VM_CHECK_RESULT;

/*
 * Adds a machine, which is copied.  Does not block: its command is started
 * during later calls on the pool, at most 8 commands at a time.  A machine that
 * is lost or cannot be reached is tried again, after pauses of 1 s to 60 s.  If
 * it is lost, the inputs that it has not answered wait again; this costs no
 * attempt of them, see vm_options.max_losses.  A program of another build, or
 * without a worker of the name, is given up.
 *
 * Returns the number of the host, which no other host of the pool gets: those
 * of vm_options.hosts have 1 to host_count.  Or returns -1 and sets errno:
 * EINVAL for an invalid host or options that exclude hosts, ERANGE beyond
 * max_hosts and beyond 65,534 machines in the life of the pool, EPIPE if the
 * pool is broken or was told to finish, EPERM, EDEADLK, ENOMEM.
 */
VM_EXPORT int vm_add_host(vm_pool *, const struct vm_host *);

/* Takes back the inputs that have not begun at a machine, lets the others end,
   and lets the machine go.  Does not block.  Returns 0, or -1 and sets errno:
   EINVAL if there is no such host or it is gone, EPIPE, EPERM, EDEADLK. */
VM_EXPORT int vm_remove_host(vm_pool *, int host);

enum vm_host_status {
	VM_HOST_CONNECTING = 1,	/* waits for its turn, or its command runs and
				   no agent has answered */
	VM_HOST_UP,
	VM_HOST_DOWN,		/* lost, or not reached; is tried again */
	VM_HOST_LEAVING,	/* its present inputs end, and its teardowns */
	VM_HOST_GONE,		/* removed or given up, or the pool has ended */
	VM_HOST_LISTENING	/* waits at vm_options.listen for a machine */
};

/* A machine of a pool; counts are of its whole life. */
struct vm_host_state {
	const char *name;	/* valid until vm_close() */
	const char *words;	/* why it was lost or not reached last; ""
				   if never.  Valid until the next call on the
				   pool */
	enum vm_host_status status;
	int workers;		/* 0 unless it is up; with those of the machines
				   behind it that are up */
	int times_lost;		/* while it was up */
	int reserved;		/* 0 */
	uint64_t done;		/* inputs that it has answered */
	uint64_t sent_again;	/* inputs that were at it, or on their way, when
				   it was lost */
	uint64_t bytes_out;	/* to it, and */
	uint64_t bytes_in;	/* from it, over the connection */
	uint64_t round_trip_ns;	/* of a ping, the shortest; 0: none yet */
};

/* Describes a host.  Does not block.  Returns 1; 0 if no host ever had that
   number; or -1 and sets errno: EINVAL, EPERM, EDEADLK.  vm_host_state_sized()
   is told the bytes of the struct, as vm_fork_sized() is. */
VM_EXPORT int vm_host_state_sized(vm_pool *, int host, struct vm_host_state *,
    size_t size);

static inline int
vm_host_state(vm_pool *pool, int host, struct vm_host_state *state)
{
	return vm_host_state_sized(pool, host, state, sizeof *state);
}

/* ---- 3. Inputs ------------------------------------------------------- */

#define VM_LATER 2		/* nothing yet; more may come */

/* A source of inputs: callbacks that run in the caller's thread, inside calls
   on the pool.  Of the pool's functions they may call vm_cancel(), vm_error(),
   vm_broken() and vm_workers(); all others fail with EDEADLK. */
struct vm_source {
	/*
	 * Sets the pointer and the size of the next input and returns 1.
	 * Returns 0 at the end, or -1 with errno on failure.  The library
	 * copies the bytes before it calls the source again.  An input may be
	 * empty; *input may be NULL then.  If next() blocks, results wait, and
	 * so do the inputs of a chunk that is not full (with a chunk_size of 1
	 * there are none: each input is sent before next() is called again).
	 * To avoid that, set wait_fd and return VM_LATER.  An input beyond
	 * max_item_bytes (EFBIG) and any other return value (EINVAL) are a
	 * failure of the source.
	 */
	int (*next)(void *from, const void **input, size_t *size);

	/* Optional.  Called exactly once: at the end, at a failure, at
	   vm_cancel(), at vm_close(), or if vm_imap() fails. */
	void (*close)(void *from);
	void *from;		/* a pointer for these callbacks */

	/* Optional.  Returns a descriptor that becomes readable when next() is
	   to be called again after VM_LATER.  It promises that next() does not
	   block.  Without it, or while it returns -1, next() is called again
	   after each result taken. */
	int (*wait_fd)(void *from);

	uint64_t length;	/* number of inputs, if known, else 0; for
				   vm_stats.total */
	void *tag;		/* yours: comes back as vm_result.tag */
	void *reserved[3];	/* NULL */
};

/*
 * Appends a source to the pool's queue.  The pool reads it lazily, inside
 * vm_zip_in_out(), after all sources before it; this call reads nothing and
 * does not block.  The pool owns the source from now on, also on failure.
 * Returns 0, or -1 and sets errno: EINVAL, ENOMEM, EPIPE if the pool is broken
 * or vm_finish() was called, EPERM, EDEADLK, or the error of a ready-made
 * source; vm_error() names the part of the source that cannot be used.
 */
VM_EXPORT int vm_imap(vm_pool *, struct vm_source) VM_CHECK_RESULT;

/*
 * Pushes one input, for programs that get theirs one by one.  The bytes are
 * copied; they may lie in the current result.  Pushed inputs come before those
 * that sources have not given yet, or gave when there was no room.  A worker
 * gets the input at once if one is idle, otherwise when results are taken.  Its
 * result has this tag and, as index, the number of inputs pushed before.  Does
 * not block.  Returns
 *	1		the input is taken
 *	0		the input is finished by the journal, and has no result
 *	VM_LATER	not taken: a bound on what is in flight is reached, or
 *			512 KiB of inputs and more are in flight and
 *			max_real_in_flight_factor chunks a worker wait.  There
 *			is room again after results were taken; vm_fd() becomes
 *			readable for them
 *	-1		and sets errno: EFBIG beyond max_item_bytes, EINVAL,
 *			ENOMEM, EPERM, EDEADLK, or EPIPE if the pool is broken
 *			or vm_finish() was called, which ends pushing
 */
VM_EXPORT int vm_submit(vm_pool *, const void *input, size_t size, void *tag)
    VM_CHECK_RESULT;

/* Ready-made sources.  You own the memory they point to; it is read lazily and
   must be valid until then.  Each source must be given to vm_imap() once, which
   also returns the errors of these functions: EINVAL for a wrong argument, or
   ENOMEM.  vm_array() gives each of count items of item_size bytes. */
VM_EXPORT struct vm_source vm_array(const void *items, size_t count,
    size_t item_size);

/*
 * The same, but the items are not sent: workers use the items of the array as
 * they were at vm_fork(), when the array must have existed.  As they are not
 * copied, their alignment and the byte behind them are those of the array;
 * vm_result.input points into your array, as it is by then.
 */
VM_EXPORT struct vm_source vm_inherited_array(const void *items, size_t count,
    size_t item_size);

/* A source of your own in a call: next() is vm_source.next, and from its
   argument; all other fields are 0.  vm_imap() returns EINVAL for NULL. */
VM_EXPORT struct vm_source vm_callback(int (*next)(void *from,
    const void **input, size_t *size), void *from);

/* An array of strings, of type char ** or const char *const *.  C converts
   neither of them to the other, so there the compiler accepts any pointer. */
#ifdef __cplusplus
typedef const char *const *vm_string_array;
#else
typedef const void *vm_string_array;
#endif

/* Strings without their 0; ends early at a NULL pointer, so that argv + 1 and
   gl_pathv can be given.  To process files, give their paths: the worker opens
   the file. */
VM_EXPORT struct vm_source vm_strings(vm_string_array strings, size_t count);

/* Lines without their newline, which the last line need not have.  The file or
   descriptor stays open.  vm_lines() may block.  vm_lines_fd() does not, so it
   fits pipes, terminals and sockets; it reads up to 64 KiB ahead of the last
   line it gave.  EBADF for a negative descriptor. */
VM_EXPORT struct vm_source vm_lines(FILE *);
VM_EXPORT struct vm_source vm_lines_fd(int fd);

/* Numbers: each input is an int64_t, from begin to end - 1. */
VM_EXPORT struct vm_source vm_range(int64_t begin, int64_t end);

/*
 * Parts of a length: each input is a struct vm_part, and the worker makes or
 * finds the data itself.  At most this number of parts, none of them empty, in
 * order.  EINVAL for 0 parts.
 *	VM_CUT_EVENLY		sizes differ by 1 at most, the larger parts
 *				first
 *	VM_CUT_WITH_REST	parts of length / parts + 1 and the rest, so
 *				there may be fewer parts; as Pymar's Producer
 */
struct vm_part {
	uint64_t offset;
	uint64_t limit;		/* its length, from offset on */
};
enum vm_cut { VM_CUT_EVENLY = 0, VM_CUT_WITH_REST = 1 };
VM_EXPORT struct vm_source vm_parts(uint64_t length, uint64_t parts,
    enum vm_cut);

/*
 * Files in parts, for records that end with a byte, as lines do: each input is
 * a struct vm_block with the path of the file behind it, and the worker reads
 * the file, by vm_read_block().  Each part has about block_size bytes (0: 256
 * KiB) and the records that begin in it, whole, so each record is in exactly
 * one part; the last needs no separator at its end.  separator is that byte, 0
 * to 255, or -1: parts are cut at multiples of block_size whatever they
 * contain.
 *
 * This call asks for the sizes of all files and reads nothing else.  An empty
 * file has no part; a file without a size (no such file, no permission) has
 * one, which fails.  What a file grows by later is not read, except for the end
 * of its last record.  The paths end early at a NULL pointer, and relative
 * paths must mean the same in the caller and in its workers, which have the
 * directory of vm_fork().  EINVAL for a directory, a pipe, a device or any
 * other path that is not a file, which vm_error() names.
 */
struct vm_block {
	uint64_t offset;	/* where the part begins, in bytes */
	uint64_t limit;		/* its length, from offset on */
	int separator;
	int error;		/* errno, if the file has no size; else 0 */
};
VM_EXPORT struct vm_source vm_blocks(vm_string_array paths, size_t count,
    uint64_t block_size, int separator);

/* Files with their sizes: each input is a vm_block of the whole file, also if
   the file is empty: offset is 0, and limit is the size.  The worker opens the
   path or calls vm_read_block().  Otherwise as vm_blocks(). */
VM_EXPORT struct vm_source vm_files(vm_string_array paths, size_t count);

/* Returns the path in such an input, which must be that of process() or of a
   result, or a whole copy; "" for NULL. */
VM_EXPORT const char *vm_block_path(const struct vm_block *);

/*
 * Reads the records of an input of vm_blocks() or vm_files(), and sets *bytes
 * and *length: the records with their separators, one behind the other, and a 0
 * byte that length does not count.  Parts in which no record begins, as within
 * a long one, have a length of 0.  Callable from process(), in its thread.  The
 * library owns the buffer; it is valid until the next call or the return of
 * process(), and you may not write to it.  It has block_size bytes and the rest
 * of the last record, which may be max_item_bytes long.
 *
 * Returns 0, or -1 and sets errno, and then the item has failed, as by
 * vm_fail(), with errno as its code and a message with the path: errno of
 * open(2) or read(2); ESTALE: the file has become shorter, so that it ends
 * within the part; EFBIG: the last record is too long; ENOMEM.  EINVAL: it is
 * no such input, or the call is not made in process().
 */
VM_EXPORT int vm_read_block(struct vm_context *, const void *input,
    size_t size, const char **bytes, size_t *length);

/* Names of files that match the pattern, sorted, as glob(3) finds them during
   this call.  No match is an empty source.  EIO if a directory cannot be
   read. */
VM_EXPORT struct vm_source vm_glob(const char *pattern);

/* ---- 4. Results ------------------------------------------------------ */

enum vm_type {
	VM_OUTPUT = 1,
	VM_EXCEPTION = 2,
	/* With VM_TELL_TEARDOWNS: not an item, but the teardown of a worker,
	   with its worker_index and without an input.  It has an output, or an
	   exception if it failed; exit(0) in it is VM_EXITED too. */
	VM_TEARDOWN = 3
};

/* Why the last attempt at an item failed.  Only the library creates it. */
struct vm_exception {
	enum vm_cause cause;
	int code;		/* VM_FAILED: from vm_fail() or process() */
	int signal;		/* VM_KILLED: the signal, else 0 */
	int exit_status;	/* VM_EXITED: the status; else, or if the C
				   library does not tell it, as for quick_exit()
				   and for exit() with musl, -1 */
	int core_dumped;
	int out_of_memory;	/* 1: killed by SIGKILL, not by the library,
				   while the kernel counted an out-of-memory
				   kill in its control group; else 0.  The
				   kernel does not name the killed process */
	pid_t pid;		/* of the worker; 0 unless a worker, or the
				   pool, died */
	int worker_index;	/* -1 if there was no worker */
	const char *message;	/* never NULL, for any cause: a sentence, or
				   the text given to vm_fail() */
	const char *traceback;	/* VM_KILLED by a crash: a line with the
				   signal, its code and address, then a line
				   for each function on the stack: module and
				   offset for debuggers, and its name if it is
				   exported.  At most 3072 bytes.  Else NULL,
				   also under sanitizers or if a hook has a
				   handler of its own */
	const char *stderr_tail; /* the last 4096 bytes that the attempt wrote
				   to stderr; NULL unless VM_STDERR_TAIL */
	uint64_t wall_ns;	/* elapsed time of the attempt, */
	uint64_t cpu_ns;	/* and its CPU time, with that of processes it
				   has waited for; 0 unless VM_MEASURE_ITEMS */
	uint64_t max_rss;	/* peak resident bytes of the worker, with the
				   inherited memory; 0 unless it died */
	const char *host;	/* vm_host.name of the worker's machine, where
				   pid is meant; "h1/h2" for h2 behind h1, if a
				   worker there died; NULL: this machine */
	uint64_t number;	/* of inputs that the pool had read before this
				   input: with vm_options.seed it gives the
				   seed; for vm_replay() */
};

/*
 * An input with its output or exception.  The library owns all memory that the
 * pointers refer to.  It is valid until the next vm_zip_in_out() or vm_close()
 * on this pool, but not in a process forked meanwhile; no other call changes
 * it.  Data is aligned for any type that fits in it, and followed by a 0 byte
 * that no size counts.
 */
struct vm_result {
	const void *input;	/* NULL for VM_TEARDOWN, else never NULL */
	size_t input_size;
	const void *output;	/* never NULL for VM_OUTPUT and for a
				   VM_TEARDOWN that succeeded; else NULL */
	size_t output_size;
	const struct vm_exception *exception;	/* NULL if there is an output */
	void *tag;		/* vm_source.tag */
	uint64_t index;		/* of the input in its source, from 0;
				   UINT64_MAX if there is no input */
	enum vm_type type;
	int attempts;		/* number of attempts; 0 if none began */
	int worker_index;	/* of the last attempt; -1 if none began; the
				   same for all workers of another machine and
				   of those behind it */
	int host;		/* of the last attempt: 1 for the first of
				   vm_options.hosts; 0: this machine */
	uint64_t wall_ns;	/* elapsed time of the last attempt in the
				   worker, */
	uint64_t cpu_ns;	/* and its CPU time, with that of processes it
				   has waited for; 0 unless VM_MEASURE_ITEMS */
};

/*
 * Waits for the next result, in the order they arrive or, with VM_ORDERED,
 * in the order of the inputs, and fills the struct.  Returns
 *	1	a result
 *	0	the end: every input is answered and no source is left.  The
 *		pool is idle and may be given more sources.
 *	-1	and sets errno.  If a source failed, errno is the source's; its
 *		earlier inputs have been answered; call again for the rest.
 *		EPIPE: the pool broke down (vm_broken() returns 1), and its
 *		inputs have come back as VM_LOST or VM_SETUP_FAILED.  ENOMEM:
 *		nothing is lost, call again.  EDEADLK: the call was made in a
 *		hook of a source; or a source without wait_fd returned VM_LATER
 *		while nothing is in flight, and the source stays queued.  Or
 *		EINVAL, EPERM.
 * Signal handlers do not interrupt the wait: call vm_cancel() in them.
 */
VM_EXPORT int vm_zip_in_out(vm_pool *, struct vm_result *) VM_CHECK_RESULT;

/* The same, but returns VM_LATER if there is no result after ms milliseconds;
   0 does not wait, and a negative time means no limit. */
VM_EXPORT int vm_zip_in_out_within(vm_pool *, struct vm_result *, int ms)
    VM_CHECK_RESULT;

/*
 * For event loops: returns a descriptor that is readable while
 * vm_zip_in_out_within(pool, &r, 0), which never waits, has a result or work to
 * do: inputs to read and send, results, deaths, and all clocks of the pool, so
 * the loop needs no timer for it.  When it is readable call that, once or until
 * it returns something else than 1; what is left keeps the descriptor readable.
 * It may be readable although nothing is to be handed out, and is so after
 * vm_imap(), vm_resize(), vm_finish(), vm_cancel() and vm_cancel_item().
 *
 * Wait for it to be readable, and do nothing else with it; it is level-
 * triggered, stays the same, and is closed by vm_close(): remove it from the
 * loop before.  A source without wait_fd that blocks holds up the loop.  As
 * wait_fd of a source of another pool it makes a pipeline.  Returns -1 and sets
 * errno: EINVAL, EPERM, EDEADLK, EMFILE, ENFILE, ENOMEM.
 */
VM_EXPORT int vm_fd(vm_pool *);

/* Returns a copy of the result and of all memory it points to (except tag), in
   one block that you own and free().  NULL with ENOMEM, or EINVAL for NULL. */
VM_EXPORT struct vm_result *vm_result_copy(const struct vm_result *);

/*
 * For debuggers: runs process() for a failed input in the calling process, with
 * setup() before and teardown() behind it, as VM_SERIAL does: a crash ends the
 * caller, so that gdb stops at it.  Give it the worker and the options of the
 * pool, and a result of the pool or a copy of one, or a struct that has only
 * input, input_size and index.  The hooks see the same index, attempt, seed and
 * worker_index; without an exception the seed is that of a pool with a single
 * source.  Of the options it heeds seed, max_item_bytes and VM_MEASURE_ITEMS.
 * Neither the environment nor a journal has an effect.
 *
 * Returns the result, which you free() as one of vm_result_copy(), or NULL and
 * sets errno: EINVAL, EFBIG beyond max_item_bytes, ENOMEM, and others of
 * vm_fork(); vm_error(NULL) has the text.  vm_replay_sized() is told the bytes
 * of the structs, as vm_fork_sized() is.
 */
VM_EXPORT struct vm_result *vm_replay_sized(const struct vm_worker *,
    size_t worker_size, const struct vm_options *, size_t options_size,
    const struct vm_result *) VM_CHECK_RESULT;

VM_CHECK_RESULT static inline struct vm_result *
vm_replay(const struct vm_worker *worker, const struct vm_options *options,
    const struct vm_result *failed)
{
	return vm_replay_sized(worker, sizeof *worker, options,
	    sizeof *options, failed);
}

/* Returns "failed", "killed", "timed out" and so on, for tables; "unknown" for
   any other number.  The string is never freed. */
VM_EXPORT const char *vm_cause_name(enum vm_cause);

/*
 * Gives an idle pool a source and calls the callback fold() in the caller with
 * each result, exceptions included, in the order they arrive or, with
 * VM_ORDERED, in the order of the inputs, as vimap's VimapFold does.  Blocks
 * until the source is done.  To accumulate in the workers first, give each of
 * them a part of the input at a time (vm_parts()).
 *
 * Returns 0 if all results are outputs, 1 if some are exceptions, or -1 and
 * sets errno as vm_imap() and vm_zip_in_out() do; results up to then have been
 * folded.  ECANCELED: fold() returned a number other than 0; the remaining
 * items are cancelled and not folded, nor finished in a journal without
 * outputs.  EINVAL: fold is NULL.  ENOMEM: the
 * remaining items are cancelled too.  The pool may be given more sources
 * afterwards unless it broke down; if memory was short even for cancelling,
 * its next results are the remaining items.
 */
VM_EXPORT int vm_fold(vm_pool *, struct vm_source,
    int (*fold)(void *accumulator, const struct vm_result *),
    void *accumulator);

/* The arrays of vm_map_array(), which are yours. */
struct vm_array_map {
	const void *in;		/* count elements of in_size bytes */
	size_t count;
	size_t in_size;
	void *out;		/* count elements of out_size bytes; may be the
				   same array as in */
	size_t out_size;
	/* Optional.  Called in the caller for each element that failed, in no
	   particular order; the result is valid until it returns.  Its input
	   lies in the array "in": outputs of other elements may have
	   overwritten it if the arrays overlap and elements differ in size or
	   place. */
	void (*failed)(void *arg, const struct vm_result *);
	void *arg;		/* for failed() */
};

/*
 * Maps an array to an array on all CPUs.  Forks a pool, calls process() in the
 * workers to make element i of out from element i of in, for i from 0 to
 * count - 1, and closes the pool; blocks until all that is done.  Workers have
 * the inputs as of this call; only outputs are copied.  An output of another
 * size than out_size bytes fails its element (code EINVAL).  process_many(), if
 * set, makes several elements in a call.  The buffer of
 * vm_reserve() is the element's position in an array of outputs, and aligned
 * accordingly.  VM_ORDERED and VM_TELL_TEARDOWNS have no effect.
 *
 * Returns 0 if all elements succeeded, or 1 if some failed: they are zeroes in
 * out.  After both, vm_error(NULL) has a text if vm_close() returned 1 or the
 * trace ends early, else "".  Returns -1 with errno, and a text in
 * vm_error(NULL), as vm_fork() and vm_zip_in_out() do; with EINVAL also if a
 * pointer is NULL, an array has too many bytes, or out_size is 0 or more than
 * max_item_bytes.  The contents of out are undefined then.
 * vm_map_array_sized() is told the bytes of the structs, as vm_fork_sized()
 * is.
 */
VM_EXPORT int vm_map_array_sized(const struct vm_worker *, size_t worker_size,
    const struct vm_options *, size_t options_size,
    const struct vm_array_map *, size_t map_size);

static inline int
vm_map_array(const struct vm_worker *worker, const struct vm_options *options,
    const struct vm_array_map *map)
{
	return vm_map_array_sized(worker, sizeof *worker, options,
	    sizeof *options, map, sizeof *map);
}

/* ---- 5. While it runs ------------------------------------------------ */

/*
 * Cancels all sources and inputs that the pool has now: items that have not
 * begun come back as VM_CANCELLED, running items end as usual, and later
 * sources are not affected.  Bits in how change that; other bits are ignored:
 *	VM_CANCEL_RUNNING	running items come back as VM_CANCELLED too;
 *				their workers are killed and replaced
 *	VM_CANCEL_UNREAD	sources are read to their end, which they must
 *				have, and all their inputs come back as
 *				VM_CANCELLED
 * Items that another machine has not begun may come back as VM_CANCELLED only
 * after the items that were sent there before them.  A failure of a cancelled
 * source that was not reported yet is dropped.  May be called in
 * any thread and in signal handlers while the pool is open; does not block and
 * keeps errno.  The next call that adds a source or takes a result carries it
 * out; without VM_CANCEL_UNREAD those sources are not read any more.
 */
enum vm_cancel_how { VM_CANCEL_RUNNING = 1, VM_CANCEL_UNREAD = 2 };
VM_EXPORT void vm_cancel(vm_pool *, unsigned how);

/*
 * Cancels one input, named by the tag and the index that its result will have;
 * if several have that name, the input that was read first.  The pool
 * continues.  Does not block.  Returns
 *	1	the input comes back as VM_CANCELLED and gets no further
 *		attempt.  If it runs, the calls that follow kill and replace
 *		its worker, on another machine too; if it ends before that, it
 *		comes back as it ended
 *	0	no input with that name was read and is still unanswered
 *	-1	and sets errno: EINVAL, ENOMEM, EPERM, EDEADLK
 */
VM_EXPORT int vm_cancel_item(vm_pool *, const void *tag, uint64_t index);

/*
 * Sets the number of workers, from 1 to max_workers.  Does not block: the
 * calls that follow have new workers forked, with the memory as of vm_fork().
 * Surplus workers finish their current item, tear down and exit, and the items
 * they had not begun are requeued for others.  A place that was given up stays
 * empty.  Returns 0, or -1 and sets errno: EINVAL, ERANGE beyond max_workers,
 * EPIPE if the pool is broken or vm_finish() was called, EPERM, EDEADLK.
 */
VM_EXPORT int vm_resize(vm_pool *, int workers);

/* What limits a run. */
enum vm_limit {
	VM_LIMIT_NONE = 0,	/* nothing stands out, or it is too early */
	VM_LIMIT_INPUT = 1,	/* workers wait for a source */
	VM_LIMIT_WORKERS = 2,	/* they are busy: more CPUs would help */
	VM_LIMIT_OUTSIDE = 3,	/* they are at items, but wait for disk, network
				   or a CPU */
	VM_LIMIT_TAKING = 4,	/* results wait for you */
	VM_LIMIT_SENDING = 5,	/* items are too small for the cost to send
				   them */
	VM_LIMIT_LONGEST = 6,	/* a single item takes most of the time */
	VM_LIMIT_SETUP = 7,	/* workers are in setup too often or too long */
	VM_LIMIT_BOUND = 8	/* a bound on what is in flight is too low */
};

/* An input that took long. */
struct vm_slow {
	uint64_t ns;		/* 0: there is none */
	uint64_t index;		/* vm_result.index */
	void *tag;		/* vm_result.tag */
	void *reserved;
};

/*
 * What has become of a pool so far.  Chunks are counted, not items, so it costs
 * items nothing.  Times are in nanoseconds, without the time in which the pool
 * had no inputs; sizes are in bytes.  Fields may be added at the end.
 */
struct vm_stats {
	uint64_t inputs;	/* that were read from sources */
	uint64_t total;		/* inputs there will be, by vm_source.length,
				   and that were pushed; 0 if a source does not
				   say */
	uint64_t outputs;	/* inputs that have an output by now, */
	uint64_t exceptions;	/* or an exception, */
	uint64_t by_cause[16];	/* of the cause 1 << i */
	uint64_t taken;		/* results that you have taken */
	uint64_t input_bytes;	/* sent to workers, */
	uint64_t output_bytes;	/* and received; both with up to 23 bytes an
				   item that the library adds */
	uint64_t retries;	/* attempts after a first attempt */
	uint64_t deaths;	/* of workers that were not to leave */
	uint64_t forked;	/* workers, */
	uint64_t replaced;	/* of which that many succeeded another */
	uint64_t setups;	/* that have succeeded */

	/* The most there have been at a time, and the bound now. */
	uint64_t real_peak;	/* chunks sent and not answered:
				   max_real_in_flight_factor */
	uint64_t real_bound;
	uint64_t total_peak;	/* these, and chunks with results that you have
				   not taken: max_total_in_flight_factor */
	uint64_t total_bound;
	uint64_t bytes_peak;	/* of both: max_in_flight_bytes */
	uint64_t bytes_bound;

	/* The time of the caller: in all, and in parts.  The rest is the
	   library's own. */
	uint64_t wall_ns;
	uint64_t yours_ns;	/* between two calls that took results */
	uint64_t sources_ns;	/* in sources, with packing their inputs */
	uint64_t asleep_ns;	/* waiting for workers, or for a source that
				   returned VM_LATER */

	/* The time of all workers together, in which another machine is a
	   single worker, without the CPU time of those there. */
	uint64_t setup_ns;	/* in setup() */
	uint64_t busy_ns;	/* at chunks */
	uint64_t idle_ns;	/* waiting for chunks */
	uint64_t blocked_ns;	/* of busy_ns, until you took their outputs */
	uint64_t cpu_ns;	/* CPU time */
	uint64_t max_rss;	/* peak resident bytes of the largest worker
				   that has died */

	/* The time of items, within an eighth.  Items of a chunk that take less
	   than about a millisecond have the mean time of their chunk. */
	uint64_t median_ns;	/* half of the items take less, */
	uint64_t p90_ns;	/* 90 %, */
	uint64_t p99_ns;	/* 99 % */
	struct vm_slow slowest[5]; /* the slowest inputs, longest time first;
				   also those that killed their worker */

	/* A sentence on what limits the run, with the figures that show it and
	   what would help: for people, its words may change.  Never NULL; valid
	   until the next vm_stats() or vm_close() on the pool. */
	const char *sentence;
	enum vm_limit limit;	/* the same for programs */
	int workers;		/* as vm_workers() */

	/* With vm_options.journal: of inputs, those that it has answered, or
	   left out without VM_JOURNAL_OUTPUTS; and results it does not have, as
	   it could not be written to. */
	uint64_t resumed;
	uint64_t unrecorded;
};

/* Fills the struct.  Does not block.  Returns 0, or -1 and sets errno: EINVAL,
   EPERM, EDEADLK.  For progress, call it when vm_zip_in_out_within() returns;
   a broken pool has it too.  vm_stats_sized() is told the bytes of the struct,
   as vm_fork_sized() is. */
VM_EXPORT int vm_stats_sized(vm_pool *, struct vm_stats *, size_t size);

static inline int
vm_stats(vm_pool *pool, struct vm_stats *stats)
{
	return vm_stats_sized(pool, stats, sizeof *stats);
}

enum vm_worker_state {
	VM_WORKER_DEAD = 0,	/* it is being killed or replaced */
	VM_WORKER_SETUP = 1,
	VM_WORKER_IDLE = 2,
	VM_WORKER_RUNS = 3,	/* it has inputs */
	VM_WORKER_LEAVING = 4,	/* it tears down */
	VM_WORKER_GIVEN_UP = 5	/* none comes any more */
};

/* A place in the pool: its worker, and the sums of all its workers, one after
   the other.  Times and sizes as in vm_stats. */
struct vm_worker_stats {
	uint64_t items;		/* done; those of a chunk count when the library
				   hears of them */
	uint64_t at;		/* vm_result.index of the input it is at, of
				   whichever source; UINT64_MAX: none */
	uint64_t since_ns;	/* time without a sign of it since then */
	uint64_t setups;
	uint64_t setup_ns;
	uint64_t busy_ns;
	uint64_t idle_ns;
	uint64_t blocked_ns;
	uint64_t cpu_ns;
	uint64_t max_rss;	/* peak, also of a worker that is alive */
	pid_t pid;		/* of the present worker, for gdb -p; 0: none */
	int index;		/* vm_context.worker_index */
	enum vm_worker_state state;
	int reserved;
};

/* Fills the struct for a place, from 0 to max_workers - 1.  Reads a file in
   /proc.  Returns 1; 0, and zeroes the struct, if no worker is wanted there, as
   with VM_SERIAL; or -1 and sets errno: EINVAL, EPERM, EDEADLK. */
VM_EXPORT int vm_worker_stats_sized(vm_pool *, int place,
    struct vm_worker_stats *, size_t size);

static inline int
vm_worker_stats(vm_pool *pool, int place, struct vm_worker_stats *stats)
{
	return vm_worker_stats_sized(pool, place, stats, sizeof *stats);
}

/* ---- The calls that run for each item, inline ------------------------- */

/*
 * The start of a pool.  Private: only the library and the functions below use
 * it, in the process of the pool; a change of it is a change of the ABI.  left
 * and room are 0 while a function of the library runs.
 *
 * vm_zip_in_out(), vm_zip_in_out_within() and vm_submit() are macros as well as
 * functions: they call the function of the library only if more is to be done
 * than to show or to copy one item.  Define VM_NO_INLINE for functions alone.
 */
struct vm_front {
	const unsigned char *ours;	/* reads 0 in another process */
	const unsigned *cancelled;	/* vm_cancel() was called */

	/* The next results differ from the result shown last in their pointers,
	   index and tag only, */
	size_t left;			/* that many of them */
	struct vm_result shown;
	/* of the last result in the row: */
	const char *input;
	size_t input_step;		/* bytes from the input before */
	const char *output;
	size_t output_step;
	uint64_t index;
	void *const *tag;		/* NULL: the tag is that of "shown" */

	/* Inputs as large as the last may be appended to its chunk, */
	size_t room;			/* that many of them */
	size_t size;			/* of each, in bytes */
	uint64_t head;			/* frame: 8 bytes before an input */
	char *frame;			/* place of the last of them, */
	void **own_tag;			/* of its tag; NULL: all must have */
	void *only_tag;			/* this tag */
};

#if defined __GNUC__ && !defined VM_NO_INLINE

#ifdef __cplusplus
#define VM_FRONT(pool) reinterpret_cast<struct vm_front *>(pool)
#else
#define VM_FRONT(pool) ((struct vm_front *)(void *)(pool))
#endif

/* Returns 1 and fills the struct if the next result is in a row; else 0. */
static inline int vm_front_take(vm_pool *pool, struct vm_result *result)
{
	struct vm_front *f = VM_FRONT(pool);
	void *rest;
	size_t left;

	if (f == NULL || f->left == 0 || *f->ours == 0 || result == NULL)
		return 0;
	left = --f->left;
	/* Each store counts here. */
	result->input = f->input - left * f->input_step;
	result->input_size = f->shown.input_size;
	result->output = f->output - left * f->output_step;
	result->output_size = f->shown.output_size;
	result->exception = f->shown.exception;
	result->tag = f->tag != NULL ? *(f->tag - left) : f->shown.tag;
	result->index = f->index - left;
	rest = &result->type;
	__builtin_memcpy(rest, &f->shown.type, sizeof *result -
	    __builtin_offsetof(struct vm_result, type));
	return 1;
}

/* Returns 1 if the input needs only be appended to a chunk, and was; else 0. */
static inline int vm_front_give(vm_pool *pool, const void *input, size_t size,
    void *tag)
{
	struct vm_front *f = VM_FRONT(pool);
	const size_t length = (8 + size + 15) / 16 * 16;	/* of a frame */
	size_t left;
	char *at;

	if (f == NULL || f->room == 0 || size != f->size || input == NULL ||
	    *f->ours == 0 || __atomic_load_n(f->cancelled, __ATOMIC_ACQUIRE))
		return 0;
	left = f->room - 1;
	if (f->own_tag != NULL)
		*(f->own_tag - left) = tag;
	else if (tag != f->only_tag)
		return 0;
	f->room = left;
	at = f->frame - left * length;
	/* The padding, if there may be any. */
	if (!__builtin_constant_p(size) || size % 16 != 8)
		__builtin_memset(at + length - 16, 0, 16);
	__builtin_memcpy(at, &f->head, 8);
	__builtin_memcpy(at + 8, input, size);
	return 1;
}

VM_CHECK_RESULT static inline int
vm_zip_in_out_inline(vm_pool *pool, struct vm_result *result)
{
	return vm_front_take(pool, result) ? 1 : (vm_zip_in_out)(pool, result);
}

VM_CHECK_RESULT static inline int
vm_zip_in_out_within_inline(vm_pool *pool, struct vm_result *result, int ms)
{
	return vm_front_take(pool, result) ? 1 :
	    (vm_zip_in_out_within)(pool, result, ms);
}

VM_CHECK_RESULT static inline int
vm_submit_inline(vm_pool *pool, const void *input, size_t size, void *tag)
{
	return vm_front_give(pool, input, size, tag) ? 1 :
	    (vm_submit)(pool, input, size, tag);
}

/* With any number of arguments, as an argument may have commas: a compound
   literal of C, a template of C++. */
#define vm_zip_in_out(...) vm_zip_in_out_inline(__VA_ARGS__)
#define vm_zip_in_out_within(...) vm_zip_in_out_within_inline(__VA_ARGS__)
#define vm_submit(...) vm_submit_inline(__VA_ARGS__)

#undef VM_FRONT

#endif

#ifdef __cplusplus
#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif
}
#endif
#endif
