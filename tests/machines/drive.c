/*
 * drive.c - a pool on the machines of tests/machines/world.sh.
 *
 * Usage: drive [OPTION]... [-- COMMAND ARGUMENT...]...
 *
 *	-n	number of inputs (3000)
 *	-u	time of an input in its worker, in microseconds (0)
 *	-j	workers on this machine (none)
 *	-w	workers on each other machine (2)
 *	-s	silence_ms (2000)
 *	-c	connect_timeout_ms (the default)
 *	-a	N:COMMAND: has the shell run this when N results have come; up
 *		to eight, by rising N
 *	-e	ends as soon as each machine has answered after the last -a
 *	-g	ends as soon as a machine was not reached
 *	-p	patience_ms, counted from the first failure
 *	-l	max_losses (the default)
 *	-t	a tree: the first machine has no workers, and the others behind
 *		it
 *	-A	number of results after which the last machine is added
 *	-R	number of results after which the first machine is removed
 *	-L	path of a socket where machines may join
 *	-J	path of such a socket: serves a pool there, and has no pool of
 *		its own
 *
 * Each COMMAND leads to a machine.  Prints
 *
 *	results N wrong N twice N missing N failed N
 *	host I N M	results of the I-th machine, and of these after the last
 *			-a; machine 0 is this one
 *	state I STATUS WORDS	of the I-th machine: a number of vm_host_status,
 *			and why it was lost or not reached last
 *	lost N		times that machines were lost
 *	after MS	from the first -a, or the fork, to the last result
 *	error TEXT	of a pool that broke down
 *	close TEXT	if vm_close() did not return 0
 *
 * Exit status: 0, 1 if the pool broke down, 2 for a usage error.
 */
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vimap.h>

#define MOST_HOSTS 8
#define MOST_INPUTS 1000000
#define FACTOR 7

/* Another build of the same program has another text here. */
#ifndef BUILD
#define BUILD "first"
#endif
const char build[] = BUILD;

struct action {
	long at;		/* results */
	const char *command;
};

static struct drive {
	struct vm_options options;
	struct vm_host hosts[MOST_HOSTS];
	struct action actions[8];
	int action_count, actions_done;
	long inputs;
	int64_t work_us;
	int ends_early, ends_unreached, tree;
	long add_at, remove_at;	/* results; 0: never */
	const char *joins;
	uint64_t began_ns, last_ns;
	long results, wrong, twice, failed, cancelled;
	long by_host[MOST_HOSTS + 1], since[MOST_HOSTS + 1];
	char seen[MOST_INPUTS];
} self = { .inputs = 3000 };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* process(): config is the time of an input, in us. */
static int work(struct vm_context *me, const void *input, size_t size)
{
	const int64_t *us = me->config;
	struct timespec t = { .tv_sec = *us / 1000000,
		.tv_nsec = *us % 1000000 * 1000 };
	int64_t number;

	memcpy(&number, input, sizeof number);
	while (t.tv_sec + t.tv_nsec > 0 && nanosleep(&t, &t) == -1)
		continue;
	number *= FACTOR;
	(void)size;
	return vm_output(me, &number, sizeof number);
}

static void act(void)
{
	const struct action *a = &self.actions[self.actions_done];

	if (self.actions_done == self.action_count || self.results < a->at)
		return;
	if (self.actions_done++ == 0)
		self.began_ns = now_ns();
	if (system(a->command) != 0)
		printf("error '%s' has failed\n", a->command);
	memset(self.since, 0, sizeof self.since);
}

/* Adds the last machine, and removes the first, at their times. */
static void come_and_go(vm_pool *pool)
{
	if (self.results == self.add_at &&
	    vm_add_host(pool, &self.hosts[self.options.host_count]) == -1)
		printf("error %s\n", vm_error(pool));
	if (self.results == self.remove_at && vm_remove_host(pool, 1) == -1)
		printf("error %s\n", vm_error(pool));
}

/* Has each machine answered after the last action? */
static int all_answered(void)
{
	if (!self.ends_early)
		return 0;
	for (int i = 1; i <= self.options.host_count; i++)
		if (self.since[i] == 0)
			return 0;
	return self.actions_done == self.action_count;
}

/* Is there a machine that was not reached? */
static int one_is_missing(vm_pool *pool)
{
	struct vm_host_state state;

	for (int i = 1; i <= self.options.host_count; i++)
		if (vm_host_state(pool, i, &state) == 1 && *state.words)
			return self.ends_unreached;
	return 0;
}

static void count(const struct vm_result *r)
{
	int64_t in, out;

	memcpy(&in, r->input, sizeof in);
	self.twice += self.seen[in]++;
	self.results++;
	self.last_ns = now_ns();
	if (r->type != VM_OUTPUT) {
		if (r->exception->cause == VM_CANCELLED)
			self.cancelled++;
		else if (self.failed++ == 0)
			printf("error %s\n", r->exception->message);
		return;
	}
	memcpy(&out, r->output, sizeof out);
	self.wrong += r->output_size != sizeof out || out != FACTOR * in;
	/* A machine that joins again has another number. */
	if (r->host <= MOST_HOSTS) {
		self.by_host[r->host]++;
		self.since[r->host]++;
	}
}

/* Takes all results.  Returns 0, or -1 if the pool broke down. */
static int take_all(vm_pool *pool)
{
	struct vm_result r;
	int rc;

	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		count(&r);
		act();
		come_and_go(pool);
		if (self.cancelled == 0 && (all_answered() ||
		    one_is_missing(pool)))
			vm_cancel(pool, VM_CANCEL_UNREAD);
	}
	return rc;
}

static void report(vm_pool *pool)
{
	struct vm_host_state state;
	long missing = 0, lost = 0;

	for (long i = 0; i < self.inputs; i++)
		missing += !self.seen[i];
	printf("results %ld wrong %ld twice %ld missing %ld failed %ld\n",
	    self.results - self.cancelled, self.wrong, self.twice, missing,
	    self.failed);
	for (int i = 0; i <= MOST_HOSTS &&
	    (i == 0 || vm_host_state(pool, i, &state) == 1); i++)
		printf("host %d %ld %ld\n", i, self.by_host[i],
		    self.since[i]);
	for (int i = 1; vm_host_state(pool, i, &state) == 1; i++) {
		printf("state %d %d %s\n", i, (int)state.status, state.words);
		lost += state.times_lost;
	}
	printf("lost %ld\n", lost);
	printf("after %ld\n", (long)((self.last_ns - self.began_ns) / 1000000));
}

static int run(const struct vm_worker *worker)
{
	vm_pool *pool = vm_fork(worker, &self.options);
	int rc = -1;

	self.began_ns = self.last_ns = now_ns();
	if (self.options.patience_ms > 0 && vm_ready(pool, -1) == 0)
		puts("error nothing has failed");
	if (pool && vm_imap(pool, vm_range(0, self.inputs)) == 0)
		rc = take_all(pool);
	if (rc == -1)
		printf("error %s\n", vm_error(pool));
	report(pool);
	if (vm_close(pool) != 0)
		printf("close %s\n", vm_error(NULL));
	return rc == -1;
}

/* Cuts the arguments at each "--". */
static int parse_commands(char **argv)
{
	struct vm_options *o = &self.options;

	for (; *argv; argv++) {
		if (strcmp(*argv, "--") == 0) {
			*argv = NULL;
			continue;
		}
		if (argv[-1] != NULL)
			continue;
		if (o->host_count == MOST_HOSTS)
			return -1;
		self.hosts[o->host_count++].command = (const char **)argv;
	}
	o->hosts = self.hosts;
	return 0;
}

static int parse_action(char *text)
{
	struct action *a = &self.actions[self.action_count];
	char *end;

	if (self.action_count++ == 8)
		return -1;
	a->at = strtol(text, &end, 10);
	a->command = end + 1;
	return *end == ':' ? 0 : -1;
}

static int parse_option(int letter, int *workers)
{
	const long number = optarg ? atol(optarg) : 0;

	switch (letter) {
	case 'a':
		return parse_action(optarg);
	case 'c':
		self.options.connect_timeout_ms = (int)number;
		return 0;
	case 'e':
		self.ends_early = 1;
		return 0;
	case 'g':
		self.ends_unreached = 1;
		return 0;
	case 'j':
		self.options.workers = (int)number;
		return 0;
	case 'l':
		self.options.max_losses = (int)number;
		return 0;
	case 'n':
		self.inputs = number;
		return number > 0 && number <= MOST_INPUTS ? 0 : -1;
	case 'p':
		self.options.patience_ms = (int)number;
		return 0;
	case 's':
		self.options.silence_ms = (int)number;
		return 0;
	case 'A':
		self.add_at = number;
		return 0;
	case 'J':
		self.joins = optarg;
		return 0;
	case 'L':
		self.options.listen = optarg;
		return 0;
	case 'R':
		self.remove_at = number;
		return 0;
	case 't':
		self.tree = 1;
		return 0;
	case 'u':
		self.work_us = number;
		return 0;
	case 'w':
		*workers = (int)number;
		return 0;
	default:
		return -1;
	}
}

/* Puts all machines but the first behind it. */
static void make_tree(void)
{
	self.hosts[0].workers = VM_ELSEWHERE;
	self.hosts[0].hosts = self.hosts + 1;
	self.hosts[0].host_count = self.options.host_count - 1;
	self.options.host_count = 1;
}

static int join(const struct vm_worker *worker, int workers)
{
	const struct vm_join how = { .to = self.joins, .workers = workers,
		.once = 1 };

	if (vm_join(&how, worker, 1) == 0)
		return 0;
	fprintf(stderr, "drive: %s\n", vm_error(NULL));
	return 1;
}

int main(int argc, char **argv)
{
	const struct vm_worker worker = { .name = "drive", .process = work,
		.config = &self.work_us, .config_size = sizeof self.work_us };
	int letter, workers = 2, rc = 0;

	vm_agent(argc, argv, &worker, 1);
	self.options.silence_ms = 2000;
	self.options.workers = VM_ELSEWHERE;
	while (rc == 0 && (letter = getopt(argc, argv, "a:c:egj:l:n:p:s:tu:w:A:J:L:R:")) !=
	    -1)
		rc = parse_option(letter, &workers);
	if (optind > 1 && strcmp(argv[optind - 1], "--") == 0)
		optind--;
	if (rc == -1 || parse_commands(argv + optind) == -1) {
		fputs("drive: see tests/machines/drive.c\n", stderr);
		return 2;
	}
	for (int i = 0; i < self.options.host_count; i++)
		self.hosts[i].workers = workers;
	if (self.tree)
		make_tree();
	if (self.add_at > 0)
		self.options.host_count--;
	if (self.joins)
		return join(&worker, workers);
	return run(&worker);
}
