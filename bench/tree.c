/*
 * tree.c - the cost of many agents to a caller: flat, and in a tree.
 *
 * Usage: tree [SHAPE...]
 *
 * A SHAPE is the number of agents, each with a worker, that the caller has links
 * to (10); or the number of agents without workers, and of those behind each
 * (10x100).  All agents are on this machine, so that the figures of the caller
 * alone tell of a cluster.  The default is 1 10 100 10x10 10x100.
 *
 * An item takes MS ms without CPU time, and each agent gets ITEMS of them.
 * Prints a line a shape: agents with workers; seconds until all of them are up;
 * seconds for the items, and the least that this can take; of the caller: CPU
 * time in all, and an item, and resident memory; CPU time of all processes, an
 * item.
 *
 * Exit status: 0, 1 for a failure, 2 for a usage error.
 */
#define _XOPEN_SOURCE 700

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <vimap.h>

#include "clock.h"

#define MS 200
#define ITEMS 20
#define AGENTS_MOST 4096

static char program[4096];
static const char *const command[] = { program, NULL };

static double resident_mib(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	if (file && fscanf(file, "%*u %lu", &pages) != 1)
		pages = 0;
	if (file)
		fclose(file);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

/* process() */
static int wait_ms(struct vm_context *me, const void *input, size_t size)
{
	const struct timespec t = { 0, MS * 1000000L };

	nanosleep(&t, NULL);
	return vm_output(me, input, size);
}

static const struct vm_worker table[] = {
	{ .process = wait_ms, .name = "wait" },
};

/* Reads "N" or "NxM".  Returns 0, or -1 if it is neither. */
static int read_shape(const char *text, int *first, int *behind)
{
	char rest;

	*behind = 0;
	if (sscanf(text, "%dx%d%c", first, behind, &rest) == 2 && *behind > 0)
		return *first > 0 && *first <= AGENTS_MOST / *behind ? 0 : -1;
	*behind = 0;
	if (sscanf(text, "%d%c", first, &rest) != 1)
		return -1;
	return *first > 0 && *first <= AGENTS_MOST ? 0 : -1;
}

static vm_pool *fork_tree(int first, int behind)
{
	static struct vm_host hosts[AGENTS_MOST], leaves[AGENTS_MOST];
	const struct vm_options options = { .workers = VM_ELSEWHERE,
		.hosts = hosts, .host_count = first, .max_hosts = first,
		.teardown_timeout_ms = 600000, .close_timeout_ms = 600000,
		.connect_timeout_ms = 600000, .silence_ms = 600000 };

	for (int i = 0; i < behind; i++)
		leaves[i] = (struct vm_host){ .name = "leaf",
			.command = command, .workers = 1 };
	for (int i = 0; i < first; i++)
		hosts[i] = (struct vm_host){ .name = "first",
			.command = command,
			.workers = behind > 0 ? VM_ELSEWHERE : 1,
			.hosts = leaves, .host_count = behind };
	return vm_fork(table, &options);
}

/* Turns the pool until all agents are up.  Returns 0, or -1 if it broke. */
static int await_all(vm_pool *pool, int first, int agents)
{
	const struct timespec pause = { 0, 10000000L };
	struct vm_host_state s;
	struct vm_result r;
	int up;

	do {
		up = 0;
		for (int i = 1; i <= first; i++)
			if (vm_host_state(pool, i, &s) == 1)
				up += s.workers;
		if (vm_zip_in_out_within(pool, &r, 10) < 0)
			return -1;
		nanosleep(&pause, NULL);
	} while (up < agents);
	return 0;
}

static int run_items(vm_pool *pool, int items)
{
	struct vm_result r;

	if (vm_imap(pool, vm_range(0, items)) < 0)
		return -1;
	for (int i = 0; i < items; i++)
		if (vm_zip_in_out(pool, &r) != 1 || r.type != VM_OUTPUT)
			return -1;
	return 0;
}

static int run(const char *shape)
{
	int first, behind, agents, items;
	double began = clock_now(), up, seconds, mine, others, memory;
	vm_pool *pool;

	if (read_shape(shape, &first, &behind) < 0) {
		fprintf(stderr, "tree: '%s' is no shape, as 10 or 10x100 are\n",
		    shape);
		return 2;
	}
	agents = behind > 0 ? first * behind : first;
	items = agents * ITEMS;
	others = clock_cpu(RUSAGE_CHILDREN);
	pool = fork_tree(first, behind);
	if (pool == NULL || await_all(pool, first, agents) < 0)
		goto failed;
	up = clock_now() - began;
	mine = clock_cpu(RUSAGE_SELF);
	began = clock_now();
	if (run_items(pool, items) < 0)
		goto failed;
	seconds = clock_now() - began;
	mine = clock_cpu(RUSAGE_SELF) - mine;
	memory = resident_mib();
	if (vm_close(pool) != 0)
		goto failed;
	others = clock_cpu(RUSAGE_CHILDREN) - others;
	printf("%-9s %6d %8.2f %8.2f %6.2f %8.3f %8.1f %8.1f %9.1f\n", shape,
	    agents, up, seconds, ITEMS * MS / 1000.0, mine,
	    mine * 1e6 / items, memory, (mine + others) * 1e6 / items);
	fflush(stdout);
	return 0;
failed:
	fprintf(stderr, "tree: %s: %s\n", shape, vm_error(pool));
	return 1;
}

int main(int argc, char **argv)
{
	static char *usual[] = { "1", "10", "100", "10x10", "10x100" };
	char **shapes = argc > 1 ? argv + 1 : usual;
	int count = argc > 1 ? argc - 1 : 5, r = 0;

	vm_agent(argc, argv, table, 1);
	if (realpath("/proc/self/exe", program) == NULL) {
		perror("tree: /proc/self/exe");
		return 1;
	}
	printf("shape     agents     up s  items s  least  caller s   us/item  "
	    "    MiB all us/item\n");
	for (int i = 0; i < count && r == 0; i++)
		r = run(shapes[i]);
	return r;
}
