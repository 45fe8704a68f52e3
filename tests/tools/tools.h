/*
 * tools.h - helpers of the tests of pools.
 *
 * All functions assert by the ck_ macros of Check, so call them inside tests.
 */
#ifndef TESTS_TOOLS_H
#define TESTS_TOOLS_H

#include <check.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "vimap.h"

/* Is the address sanitizer in use?  It reserves more address space than any
   limit allows, hides the crash of a worker, and makes large data slow. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Shared memory of the test and all processes it forks: counters, flags,
   pids. */
struct shared {
	atomic_long counter[64];
	atomic_int pid[512];
};

/* Maps a zeroed page; unmap it with shared_free(). */
struct shared *shared_new(void);
void shared_free(struct shared *);

/* Returns the number of open descriptors of this process. */
int count_fds(void);

/* Returns the number of children of this process, zombies included. */
int count_children(void);

/* Lists the children of a process, zombies included, in an array of "most"
   pids.  Returns their number. */
int list_children(pid_t parent, pid_t *children, int most);

/* Returns the parent of a process; exits if there is no such process.  For
   workers and hooks, too: asserts nothing. */
pid_t parent_of(pid_t);

/* Returns the number of context switches of a process. */
unsigned long switches_of(pid_t);

/* Does a process with this pid exist that is no zombie? */
int is_alive(pid_t);

/* Is it stopped? */
int is_stopped(pid_t);

/* Kills and reaps all children of this process, including processes that become
   its children meanwhile. */
void kill_children(void);

/* Waits until a counter has reached a value; fails after limit_ms(). */
void wait_for(const atomic_long *counter, long value);

/* Waits until a process has exited (or is a zombie); fails after limit_ms(). */
void wait_gone(pid_t);

/* Waits until a process sleeps in the kernel; fails after limit_ms(). */
void wait_asleep(pid_t);

/* Forks a pool, or the test fails with vm_error(). */
vm_pool *fork_pool(const struct vm_worker *, const struct vm_options *);

/* Sleeps, in milliseconds. */
void nap_ms(int ms);

/* Waits until a counter has reached a value.  Returns 0, or -1 after that many
   ms.  For workers and hooks: asserts nothing. */
int await(const atomic_long *counter, long value, int ms);

/* Returns the number in an input of vm_range(). */
int64_t number(const void *input);

/* Returns the time of the monotonic clock. */
uint64_t clock_ns(void);

/* In a worker: returns a pointer to its own slot, the only writable shared
   mapping apart from struct shared; exits if there is none. */
unsigned char *own_slot(const struct shared *, size_t *size);

/* Queues a source, or the test fails with vm_error(). */
void imap_to(vm_pool *, struct vm_source);

/* take() asserts that there is another result; take_end() that there is
   none. */
void take(vm_pool *, struct vm_result *);
void take_end(vm_pool *);

/*
 * Takes results of the inputs 0 .. n - 1, as vm_range() gives them, up to the
 * end or a failure, and returns the last value of vm_zip_in_out().  Each input
 * may come once, and an output must begin with its own input. cause: array, by
 * input: 0 for an output, the cause of an exception, -1 if no result came.
 * Fails if no result comes for limit_ms().
 */
int take_numbers(vm_pool *, int64_t n, int *cause);

/* Closes a pool and asserts success. */
void close_pool(vm_pool *);

/* Disables core files of this process and of those it forks. */
void no_cores(void);

/* Returns the resident memory of this process, in KiB. */
long memory_kib(void);

/* Forks, and fails in the parent if that fails.  No check may run in the child
   of a test when the test ends or the child is killed: a check notes its line
   in a file that the test runner reads from the beginning once the test has
   ended, and a late note or a part of a note would spoil it. */
pid_t new_process(void);

/* Runs a function like main() in a forked child.  Returns its wait status.  The
   child's process group is killed after limit_ms(), and the test fails. */
int in_child(int (*body)(void *), void *arg);

/* Return half of a test's time limit, in milliseconds and nanoseconds: a longer
   wait counts as a hang.  The same in all tests and in processes they fork
   (machine.h). */
int limit_ms(void);
uint64_t limit_ns(void);

/* Runs a suite with a single case; each test has the time limit of this
   machine.  Returns the value for main().  After a failure it prints the facts
   for a report. */
int run_tests(const char *name, const TTest *const *tests, size_t count);

/* The same, with a second array of tests that take long or wait long.  Each of
   these runs with every seventh seed, and always if all cases are wanted
   (sample.h).  Such a test must not sample its own cases by a multiple of
   seven, or some cases never run. */
int run_sampled_tests(const char *name, const TTest *const *tests,
    size_t count, const TTest *const *drawn, size_t drawn_count);

#endif
