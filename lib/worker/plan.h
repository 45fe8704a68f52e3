/*
 * plan.h - what all workers of a pool are told.
 *
 * Runs in: caller, which makes it at vm_fork() (options.c); fork server and
 * workers, which inherit it; changed by nobody.
 */
#ifndef PLAN_H
#define PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vimap.h"

struct plan {
	struct vm_worker hooks;
	uint64_t seed;		/* vm_options.seed */
	size_t max_item;	/* bytes an output may have */
	size_t element;		/* bytes each output must have, for it is one of
				   an array; 0: any */
	void *left_out;		/* pages of the host's that no process of the
				   pool needs */
	size_t left_out_size;	/* bytes; 0: none */
	bool measure;		/* time each attempt */
	bool tell_teardowns;	/* teardown may have an output */
	bool capture;		/* standard error goes into failures */
	bool ignore_sigterm;
	bool whole_lines;	/* stdio writes line by line */
	bool reseed;		/* rand() is to differ among workers */
	const int *close_fds;	/* of the caller of vm_fork(), as of then: for
				   the fork server when it begins */
	size_t close_count;
	int max_cpu_s;		/* CPU seconds; 0: no limit */
	size_t max_address_space; /* bytes; 0: no limit */
};

#endif
