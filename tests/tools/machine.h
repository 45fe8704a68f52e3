/*
 * machine.h - the machine that the tests run on: its measures, and the time
 * limit that follows from them.
 *
 * A limit is there to end a hang and for nothing else, so all tests have the
 * same, and it grows with what a fork and a page fault cost here.
 */
#ifndef TESTS_MACHINE_H
#define TESTS_MACHINE_H

#include <stddef.h>

struct machine {
	long cpus;		/* on line */
	double load;		/* runnable processes, mean of a minute */
	double fork_ms;		/* fork(), _exit() and waitpid() */
	double fault_us;	/* first touch of a page */
	double call_us;		/* a system call */
	double wake_us;		/* a byte to a sleeping process and back */
};

/* Measures this machine, in a tenth of a second if it is idle.  Forks; leaves
   no process and no descriptor. */
void machine_measure(struct machine *);

/* Seconds that a test may take on such a machine: at least 120, at most an
   hour.  VIMAP_TEST_SLOWER in the environment multiplies them, for sanitizers
   and valgrind. */
int machine_limit(const struct machine *);

/* The measures as a line of text without its end. */
void machine_tell(const struct machine *, char *to, size_t size);

#endif
