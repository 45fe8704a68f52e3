/*
 * on_terminal.c - runs a program on a terminal of its own and types ^C there.
 *
 * Usage: on_terminal LINES,LINES... PROGRAM ARGUMENT...
 *
 * Types ^C whenever the program has printed that many lines in all.  Copies to
 * stdout what the program prints, without the terminal's CR and "^C".  Then
 * prints "status N" or "signal N".
 *
 * Exit status: 0; 1 after a message if the program left a process behind, or a
 * call failed.  Ends by SIGALRM after the time limit of a test.
 */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int give_up(const char *call)
{
	perror(call);
	return 1;
}

/* In the program: makes the terminal its own, and its standard streams. */
static void become(const char *name, char **argv)
{
	int side;

	setsid();
	side = open(name, O_RDWR | O_NOCTTY);
	if (side < 0 || ioctl(side, TIOCSCTTY, 0) == -1 ||
	    dup2(side, 0) != 0 || dup2(side, 1) != 1 || dup2(side, 2) != 2)
		_exit(90);
	if (side > 2)
		close(side);
	execvp(argv[0], argv);
	_exit(91);
}

/* Copies the text up to the end of the terminal.  lines: see Usage. */
static int converse(FILE *lead, int fd, char *lines)
{
	long next = strtol(lines, &lines, 10), count = 0;
	int c;

	while ((c = getc(lead)) != EOF) {
		if (c == '^' && (c = getc(lead)) == 'C')
			continue;
		if (c != '\r')
			putchar(c);
		count += c == '\n';
		if (c != '\n' || count != next)
			continue;
		if (write(fd, "\003", 1) != 1)
			return give_up("write");
		next = *lines == ',' ? strtol(lines + 1, &lines, 10) : -1;
	}
	return 0;
}

/* Waits for the program.  What it left behind is a child of this process. */
static int tell_end(pid_t pid)
{
	int status, left;

	if (waitpid(pid, &status, 0) != pid)
		return give_up("waitpid");
	if (WIFSIGNALED(status))
		printf("signal %d\n", WTERMSIG(status));
	else
		printf("status %d\n", WEXITSTATUS(status));
	/* -1: there is no child. */
	left = waitpid(-1, &status, WNOHANG) >= 0;
	if (left)
		fprintf(stderr, "on_terminal: a process is left\n");
	return left;
}

int main(int argc, char **argv)
{
	const char *limit = getenv("VIMAP_TEST_LIMIT");
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	FILE *lead;
	pid_t pid;
	int r;

	if (argc < 3 || fd < 0 || grantpt(fd) == -1 || unlockpt(fd) == -1)
		return give_up("on_terminal");
	alarm(limit ? (unsigned)atoi(limit) : 120);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1)
		return give_up("prctl");
	lead = fdopen(fd, "r");
	if (lead == NULL)
		return give_up("fdopen");
	pid = fork();
	if (pid == 0)
		become(ptsname(fd), argv + 2);
	r = pid < 0 ? give_up("fork") : converse(lead, fd, argv[1]);
	if (r == 0)
		r = tell_end(pid);
	fclose(lead);
	return r;
}
