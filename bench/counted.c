/*
 * counted.c - runs a command and counts the page faults of all its processes.
 *
 * Usage: bench/counted FILE COMMAND [ARGUMENT...]
 *
 * Writes to FILE the number of page faults, of the command and of all processes
 * that it and its descendants have waited for.  The exit status is that of the
 * command; 128 and the signal if that ended it, 127 if it cannot be run.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t command;

/* timeout(1) ends this process; the command must end with it. */
static void pass_on(int signal)
{
	kill(command, signal);
}

/* Returns the exit status of the command, as a shell gives it. */
static int wait_for_it(struct rusage *used)
{
	int status;

	while (wait4(command, &status, 0, used) == -1)
		continue;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
	    WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	struct rusage used;
	FILE *file;
	int status;

	if (argc < 3) {
		fputs("usage: counted FILE COMMAND [ARGUMENT...]\n", stderr);
		return 2;
	}
	command = fork();
	if (command == -1) {
		perror("counted: fork");
		return 1;
	}
	if (command == 0) {
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	signal(SIGTERM, pass_on);
	status = wait_for_it(&used);
	file = fopen(argv[1], "w");
	if (file == NULL || fprintf(file, "%ld\n",
	    used.ru_minflt + used.ru_majflt) < 0 || fclose(file) != 0) {
		perror(argv[1]);
		return 1;
	}
	return status;
}
