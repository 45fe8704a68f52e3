/*
 * machine.h - measures of the machine that runs the tests, and the time limit
 * derived from them.
 *
 * The limit only serves to end a test that hangs, so it is the same for all
 * tests, and grows with the cost of a fork and of a page fault.
 */
#ifndef TESTS_MACHINE_H
#define TESTS_MACHINE_H

#include <stddef.h>

struct machine {
	long cpus;		/* online */
	double load;		/* runnable processes, mean of a minute */
	double fork_ms;		/* fork(), _exit() and waitpid() */
	double fault_us;	/* first write to a page */
	double call_us;		/* a system call */
	double wake_us;		/* a byte to a sleeping process and back */
};

/* Measures this machine, in a tenth of a second if it is idle.  Forks; leaves
   no process and no descriptor. */
void machine_measure(struct machine *);

/* Returns the time limit of a test on such a machine, in seconds: at least 120,
   at most an hour.  It is multiplied by VIMAP_TEST_SLOWER from the environment,
   for sanitizers and valgrind. */
int machine_limit(const struct machine *);

/* Formats the measures as text without a newline into a buffer. */
void machine_tell(const struct machine *, char *to, size_t size);

#endif
