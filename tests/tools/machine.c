/* machine.c - see machine.h: measures the machine that runs the tests. */
#include "config.h"

#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FORKS 100
#define FAULTS 1000
#define CALLS 1000
#define WAKES 200

/* Time limit of a test, on a machine that needs at most USUAL_MS for all FORKS
   and FAULTS and has a CPU for each runnable process. */
#define LIMIT_S 120
#define LIMIT_MOST_S 3600
#define USUAL_MS 50.0

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double measure_forks(void)
{
	double began = now_us();

	for (int i = 0; i < FORKS; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
	return (now_us() - began) / FORKS;
}

static double measure_faults(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	volatile char *at = mmap(NULL, FAULTS * page, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double began = now_us(), took;

	if (at == MAP_FAILED)
		return 0;
	for (size_t i = 0; i < FAULTS; i++)
		at[i * page] = 1;
	took = now_us() - began;
	munmap((void *)at, FAULTS * page);
	return took / FAULTS;
}

static double measure_calls(void)
{
	double began = now_us();

	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
	return (now_us() - began) / CALLS;
}

/* Sends each byte back, until the pipe ends. */
static void echo(int from, int to)
{
	char byte;

	while (read(from, &byte, 1) == 1)
		if (write(to, &byte, 1) != 1)
			break;
}

static double measure_wakes(void)
{
	int there[2], back[2];
	double began;
	char byte = 0;
	pid_t pid;

	if (pipe(there) < 0)
		return 0;
	if (pipe(back) < 0) {
		close(there[0]);
		close(there[1]);
		return 0;
	}
	pid = fork();
	if (pid == 0) {
		close(there[1]);
		echo(there[0], back[1]);
		_exit(0);
	}
	close(there[0]);
	close(back[1]);
	began = now_us();
	for (int i = 0; i < WAKES && pid > 0; i++)
		if (write(there[1], &byte, 1) != 1 ||
		    read(back[0], &byte, 1) != 1)
			break;
	began = now_us() - began;
	close(there[1]);
	close(back[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return began / WAKES;
}

void machine_measure(struct machine *m)
{
	*m = (struct machine){ .cpus = sysconf(_SC_NPROCESSORS_ONLN) };
	if (getloadavg(&m->load, 1) != 1)
		m->load = 0;
	m->fork_ms = measure_forks() / 1e3;
	m->fault_us = measure_faults();
	m->call_us = measure_calls();
	m->wake_us = measure_wakes();
}

static double at_least(double least, double n)
{
	return n > least ? n : least;
}

int machine_limit(const struct machine *m)
{
	const char *slower = getenv("VIMAP_TEST_SLOWER");
	double ms = FORKS * m->fork_ms + FAULTS * m->fault_us / 1e3;
	double limit = LIMIT_S * at_least(1, ms / USUAL_MS) *
	    at_least(1, m->load / (double)m->cpus);

	if (slower != NULL)
		limit *= at_least(1, atof(slower));
	return limit < LIMIT_MOST_S ? (int)limit : LIMIT_MOST_S;
}

void machine_tell(const struct machine *m, char *to, size_t size)
{
	snprintf(to, size, "%ld CPUs, load %.1f, fork %.2f ms, page fault "
	    "%.1f us, system call %.2f us, round trip %.0f us", m->cpus,
	    m->load, m->fork_ms, m->fault_us, m->call_us, m->wake_us);
}
