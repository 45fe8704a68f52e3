/*
 * tools.h - what tests of pools have in common.
 *
 * Everything here asserts by Check's ck_ macros, so call it inside tests.
 */
#ifndef TESTS_TOOLS_H
#define TESTS_TOOLS_H

#include <check.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "vimap.h"

/* Is the address sanitizer at work?  It reserves more addresses than any limit
   allows, a worker that it watches tells nothing of its crash, and what is large
   takes long. */
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

/* A page that the test and all it forks share: counters, flags, pids. */
struct shared {
	atomic_long counter[64];
	atomic_int pid[512];
};

/* A fresh one, zeroed; unmap with shared_free(). */
struct shared *shared_new(void);
void shared_free(struct shared *);

/* Open descriptors of this process. */
int count_fds(void);

/* Children of this process, zombies included. */
int count_children(void);

/* The children of a process, zombies included, at most so many: how many. */
int list_children(pid_t parent, pid_t *children, int most);

/* How often a process has run and stopped again. */
unsigned long switches_of(pid_t);

/* Is there a process of this pid that is no zombie? */
int is_alive(pid_t);

/* Is it stopped? */
int is_stopped(pid_t);

/* Kills and reaps all children of this process, those included that become
   its children meanwhile. */
void kill_children(void);

/* Waits until a counter has reached a value; fails after limit_ms(). */
void wait_for(const atomic_long *counter, long value);

/* Waits until a process is gone (or a zombie); fails after limit_ms(). */
void wait_gone(pid_t);

/* Waits until a process sleeps in the kernel; fails after limit_ms(). */
void wait_asleep(pid_t);

/* A pool, or the test fails with vm_error(). */
vm_pool *fork_pool(const struct vm_worker *, const struct vm_options *);

/* Sleeps so many milliseconds. */
void nap_ms(int ms);

/* Waits until a counter has reached a value: 0, or -1 after so many ms.  For
   workers and hooks: asserts nothing. */
int await(const atomic_long *counter, long value, int ms);

/* The number that an input of vm_range() is. */
int64_t number(const void *input);

/* The monotonic clock. */
uint64_t clock_ns(void);

/* In a worker: its own slot, which is the one writable shared mapping that is
   not this one; leaves the process if there is none. */
unsigned char *own_slot(const struct shared *, size_t *size);

/* Queues a source, or the test fails with vm_error(). */
void imap_to(vm_pool *, struct vm_source);

/* The next result, which there must be; and the end, which it must be. */
void take(vm_pool *, struct vm_result *);
void take_end(vm_pool *);

/*
 * Takes results of the inputs 0 .. n - 1, as vm_range() gives them, up to the
 * end or a failure: what vm_zip_in_out() said then.  Each may come once, and
 * an output must begin with its own input.  cause: by input, how it ended, 0
 * for an output, -1 if it did not come.  Fails if nothing comes for limit_ms().
 */
int take_numbers(vm_pool *, int64_t n, int *cause);

/* Ends a pool, which must go well. */
void close_pool(vm_pool *);

/* Deaths are to leave no core file here, nor in what is forked from here. */
void no_cores(void);

/* KiB of memory this process has now. */
long memory_kib(void);

/* Runs main-like code in a child of its own: its wait status.  The child is
   killed with its process group after limit_ms(), and that fails. */
int in_child(int (*body)(void *), void *arg);

/* How long a test waits for anything before it is a hang, in milliseconds and
   nanoseconds: half of its time limit.  The same in all tests and in what they
   fork (machine.h). */
int limit_ms(void);
uint64_t limit_ns(void);

/* Runs one suite of one case, each test with the time limit of this machine:
   what main() should return.  After a failure it prints what a report needs. */
int run_tests(const char *name, const TTest *const *tests, size_t count);

/* The same with tests that take long or wait long, each of which runs with every
   seventh seed, and always if all cases are wanted (sample.h).  Such a test must
   not draw cases of its own by a multiple of seven, or some never run. */
int run_sampled_tests(const char *name, const TTest *const *tests,
    size_t count, const TTest *const *drawn, size_t drawn_count);

#endif
