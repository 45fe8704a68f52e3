/*
 * plan.h - the settings that all workers of a pool share.
 *
 * Runs in: caller, which makes it at vm_fork() (settings.c); fork server and
 * workers, which inherit it.  Read-only after the fork.
 */
#ifndef PLAN_H
#define PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vimap.h"
#include "wire/far.h"

/* A larger number of workers is taken for a mistake. */
#define WORKERS_MOST 32766

struct plan {
	struct vm_worker hooks;
	uint64_t seed;		/* vm_options.seed */
	size_t max_item;	/* bytes an output may have */
	size_t element;		/* bytes each output must have, as an element
				   of an array; 0: any */
	void *left_out;		/* pages of the host that no process of the
				   pool needs */
	size_t left_out_size;	/* bytes; 0: none */
	bool measure;		/* time each attempt */
	size_t lead;		/* bytes before an item's output in its frame:
				   those of a frame_times, or 0 */
	bool trace;		/* tell when items ran */
	bool tell_teardowns;	/* teardown may have an output */
	bool capture;		/* put standard error into failures */
	bool ignore_sigterm;
	bool whole_lines;	/* stdio writes line by line */
	bool reseed;		/* seed rand() differently in each worker */
	const int *close_fds;	/* array: descriptors of the caller that the
				   fork server closes when it begins */
	size_t close_count;
	int max_cpu_s;		/* CPU seconds; 0: no limit */
	size_t max_address_space; /* bytes; 0: no limit */
	size_t first_link;	/* slots from here on are for links */
	struct far_begin far;	/* the part of BEGIN that all agents get */
	uint64_t connect_ns;	/* bound on a command's greeting */
	uint64_t silence_ns;	/* a machine not heard for that time is
				   lost */
};

#endif
