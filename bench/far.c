/*
 * far.c - items and bytes through a command that leads to another machine.
 *
 * Usage: far pool ITEMS IN OUT COMMAND...
 *	  far bytes ITEMS IN OUT COMMAND...
 *
 * "pool" has a pool whose only workers, two, are where the command leads, as
 * vm_host.command; an input has IN bytes and an output OUT.  "bytes" sends the
 * same bytes to a command that prints a line when it is there, and then either
 * the input (OUT = IN) or a line after its end, and goes on for a while.
 *
 * Prints a line of pairs, NAME VALUE: seconds from the moment when the other end
 * is ready; mb, millions of bytes of input a second; and seconds of CPU time:
 * caller, link, ssh, sshd, agent, workers, and all of them.  Processes are
 * looked up on this machine, so the other must share its process numbers, as
 * those of tests/machines/world.sh do.
 *
 * Exit status: 0, 1 for a failure, 2 for a usage error.
 */
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vimap.h>

#include "clock.h"

struct sizes {
	uint64_t in, out;
};

static struct sizes sizes;
static uint64_t items;

static int fail(const char *what)
{
	fprintf(stderr, "far: %s: %s\n", what, strerror(errno));
	return -1;
}

/* ---- CPU time ---- */

enum { CALLER, LINK, SSH, SSHD, AGENT, WORKERS, ROLES };
static const char *const roles[] = { "caller", "link", "ssh", "sshd", "agent",
	"workers" };
static double cpu[ROLES];

struct process {
	char name[64];
	int parent;
	double seconds;
};

static int look(int pid, struct process *p)
{
	char path[64], text[1024] = "", *name, *end;
	unsigned long user, kernel;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (!file || !fgets(text, sizeof text, file))
		text[0] = '\0';
	if (file)
		fclose(file);
	name = strchr(text, '(');
	end = strrchr(text, ')');
	if (!name || !end || sscanf(end + 1, " %*c %d %*d %*d %*d %*d %*u %*u "
	    "%*u %*u %*u %lu %lu", &p->parent, &user, &kernel) != 3)
		return -1;
	*end = '\0';
	snprintf(p->name, sizeof p->name, "%s", name + 1);
	p->seconds = (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
	return 0;
}

/* Returns the role of a process; -1: none. */
static int role(int pid, const struct process *p)
{
	struct process parent;

	if (pid == getpid())
		return CALLER;
	if (strcmp(p->name, "ssh") == 0)
		return SSH;
	if (strcmp(p->name, "sshd") == 0)
		return SSHD;
	if (strcmp(p->name, "far") == 0)
		return AGENT;
	if (strncmp(p->name, "far:w", 5) != 0 || look(p->parent, &parent) == -1)
		return -1;
	return parent.parent == getpid() ? LINK : WORKERS;
}

/* Adds the CPU time so far of all processes, times sign. */
static void count_cpu(int sign)
{
	struct process p;
	glob_t found;
	int pid, r;

	if (glob("/proc/[0-9]*", GLOB_NOSORT, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		pid = atoi(found.gl_pathv[i] + strlen("/proc/"));
		r = look(pid, &p) == 0 ? role(pid, &p) : -1;
		if (r >= 0)
			cpu[r] += sign * p.seconds;
	}
	globfree(&found);
}

static void report(double seconds)
{
	double all = 0;

	printf("seconds %.3f mb %.3f", seconds,
	    (double)items * (double)sizes.in / 1e6 / seconds);
	for (int i = 0; i < ROLES; i++) {
		/* Another sshd of the machine may have ended meanwhile. */
		cpu[i] = cpu[i] > 0 ? cpu[i] : 0;
		printf(" %s %.2f", roles[i], cpu[i]);
		all += cpu[i];
	}
	printf(" all %.2f\n", all);
}

/* ---- a pool ---- */

/* process() */
static int answer(struct vm_context *me, const void *input, size_t size)
{
	const struct sizes *s = me->config;

	if (size != s->in)
		return vm_fail(me, 1, "%zu bytes", size);
	return vm_output(me, input, s->out);
}

/* Takes the results of so many inputs.  Returns 0, or -1 after a message. */
static int take(vm_pool *pool, uint64_t count)
{
	struct vm_result r;

	for (; count > 0; count--)
		if (vm_zip_in_out(pool, &r) != 1 || r.type != VM_OUTPUT ||
		    r.output_size != sizes.out) {
			fprintf(stderr, "far: %s\n", vm_error(pool));
			return -1;
		}
	return 0;
}

/* vm_source.next: from is the block. */
static int next(void *from, const void **input, size_t *size)
{
	static uint64_t given;

	if (given++ == items)
		return 0;
	*input = from;
	*size = sizes.in;
	return 1;
}

static int run_pool(const char *const *command, char *block,
    const struct vm_worker *worker)
{
	const struct vm_host host = { .command = command, .workers = 2 };
	const struct vm_options options = { .workers = VM_ELSEWHERE,
		.hosts = &host, .host_count = 1 };
	vm_pool *pool = vm_fork(worker, &options);
	double began;
	int r = -1;

	/* A first item, so that the connection is there. */
	if (pool && vm_imap(pool, vm_array(block, 1, sizes.in)) == 0 &&
	    take(pool, 1) == 0) {
		count_cpu(-1);
		began = clock_now();
		if (vm_imap(pool, vm_callback(next, block)) == 0)
			r = take(pool, items);
		began = clock_now() - began;
		count_cpu(1);
	}
	if (r == 0)
		report(began);
	return vm_close(pool) == -1 ? -1 : r;
}

/* ---- bytes ---- */

static pid_t start(char **command, int *to, int *from)
{
	int in[2], out[2];
	pid_t pid;

	if (pipe(in) == -1 || pipe(out) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		execvp(command[0], command);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	*to = in[1];
	*from = out[0];
	fcntl(*to, F_SETFL, O_NONBLOCK);
	return pid;
}

/* Sends all inputs, and reads that many bytes.  Returns 0 or -1. */
static int pump(int to, int from, char *block, char *room, uint64_t expected)
{
	struct pollfd fds[] = { { .fd = to, .events = POLLOUT },
		{ .fd = from, .events = POLLIN } };
	uint64_t left = items * sizes.in;
	ssize_t n;

	while (expected > 0) {
		if (poll(fds, 2, -1) == -1)
			return -1;
		if (fds[0].fd >= 0 && fds[0].revents) {
			n = write(to, block, left < sizes.in ? left : sizes.in);
			left -= n > 0 ? (uint64_t)n : 0;
			if (n == -1 && errno != EAGAIN)
				return -1;
		}
		if (fds[0].fd >= 0 && left == 0) {
			close(to);
			fds[0].fd = -1;
		}
		if (fds[1].revents) {
			n = read(from, room, sizes.in + 1);
			if (n <= 0 || (uint64_t)n > expected)
				return -1;
			expected -= (uint64_t)n;
		}
	}
	return 0;
}

static int run_bytes(char **command, char *block, char *room)
{
	int to = -1, from = -1, r;
	pid_t pid = start(command, &to, &from);
	double began;

	if (pid == -1 || read(from, room, 1) != 1)
		return fail(command[0]);
	count_cpu(-1);
	began = clock_now();
	r = pump(to, from, block, room,
	    sizes.out == sizes.in ? items * sizes.in : 1);
	began = clock_now() - began;
	count_cpu(1);
	if (r == 0)
		report(began);
	else
		fail(command[0]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r;
}

int main(int argc, char **argv)
{
	const struct vm_worker worker = { .name = "far", .process = answer,
		.config = &sizes, .config_size = sizeof sizes };
	char *block, *room;
	int i, r;

	vm_agent(argc, argv, &worker, 1);
	if (argc < 6) {
		fputs("Usage: far pool|bytes ITEMS IN OUT COMMAND...\n",
		    stderr);
		return 2;
	}
	items = strtoull(argv[2], NULL, 10);
	sizes.in = strtoull(argv[3], NULL, 10);
	sizes.out = strtoull(argv[4], NULL, 10);
	block = malloc(sizes.in + 1);
	room = malloc(sizes.in + 1);
	if (!block || !room || items == 0 || sizes.in == 0 ||
	    sizes.out > sizes.in)
		return 2;
	for (i = 0; (uint64_t)i < sizes.in; i++)
		block[i] = (char)(i * 7 + i / 256);
	if (strcmp(argv[1], "pool") == 0)
		r = run_pool((const char *const *)argv + 5, block, &worker);
	else
		r = run_bytes(argv + 5, block, room);
	free(room);
	free(block);
	return r == 0 ? 0 : 1;
}
