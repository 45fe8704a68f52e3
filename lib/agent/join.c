/*
 * join.c - vm_join(): a program that offers its workers to a pool elsewhere.
 *
 * Runs in: the program that joins, which waits; a child of it for each
 * connection, the agent, so that nothing of a pool that is over is left.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "api/vm_pool.h"
#include "base/base.h"
#include "os/cpus.h"
#include "os/door.h"
#include "os/fdlist.h"
#include "os/streams.h"
#include "os/sys.h"
#include "worker/exit.h"
#include "worker/plan.h"

/* Pauses before the next try: to a pool on this machine, and by a command. */
#define NEAR_FIRST_MS 20
#define NEAR_MOST_MS 1000
#define FAR_FIRST_MS 1000
#define FAR_MOST_MS 60000
/* Time of a connection until the pool says what it wants: a pool with as many
   machines as it may have lets others wait. */
#define PATIENCE_NS (60000 * MS_IN_NS)

/* ---- in the agent ---- */

/* Returns a descriptor for the text of the command: standard error, or
   /dev/null if the program has closed that.  Or -errno. */
static int text_end(void)
{
	int fd = sys_copy(2);

	return fd == -EBADF ? sys_open("/dev/null", O_WRONLY) : fd;
}

/* Starts the command that leads to the pool, as a connection.  Returns 0 or
   -errno. */
static int start_command(const struct vm_join *how, struct agent_line *l)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, errors = text_end();
	int r = sys_pipe(in);

	if (r == 0)
		r = sys_pipe(out);
	if (r == 0)
		r = MIN(errors, 0);
	if (r == 0)
		r = sys_run((char *const *)(uintptr_t)how->command,
		    (int[]){ in[0], out[1], errors });
	r = MIN(r, 0);
	if (r == 0)
		r = sys_nonblock(in[1]);
	if (r == 0)
		r = sys_nonblock(out[0]);
	sys_close(&in[0]);
	sys_close(&out[1]);
	sys_close(&errors);
	l->in = out[0];
	l->out = in[1];
	return r;
}

/* Serves the pool behind a connection or, if that is -1, behind the command.
   Exits with nothing in the report if the command cannot be started. */
static _Noreturn void visit(const struct vm_join *how, int connection,
    const struct vm_worker *table, size_t count, int report)
{
	struct agent_line line = {
		.in = connection,
		.workers = how->workers > 0 ? how->workers : cpus_usable(""),
		.report = report,
		.patience_ns = PATIENCE_NS,
	};
	int r;

	if (connection >= 0)
		r = line.out = sys_copy(connection);
	else
		r = start_command(how, &line);
	if (r < 0)
		exit_leave(EXIT_FAILURE);
	agent_serve(&line, table, count);
}

/* ---- in the program ---- */

/* Forks the agent.  Returns the pipe for its report, and its pid, or -errno. */
static int fork_agent(const struct vm_join *how, int connection,
    const struct vm_worker *table, size_t count, pid_t *pid)
{
	const pid_t parent = sys_getpid();
	int ends[2];
	int r = sys_pipe(ends);

	if (r < 0)
		return r;
	streams_release();
	fdlist_lock();
	*pid = sys_fork();
	if (*pid == 0) {
		fdlist_drop_all();
		fdlist_unlock();
		sys_close(&ends[0]);
		sys_die_with_parent();
		if (sys_getppid() != parent)
			sys_exit(EXIT_FAILURE);
		visit(how, connection, table, count, ends[1]);
	}
	fdlist_unlock();
	sys_close(&ends[1]);
	if (*pid < 0)
		sys_close(&ends[0]);
	return *pid < 0 ? *pid : ends[0];
}

/* Reads the report of an agent up to its end.  Returns the enum agent_end and
   sets the words; 0 if there is none. */
static int read_report(int fd, struct words *w)
{
	char text[1 + AGENT_TEXT];
	size_t size = 0;
	ssize_t n;

	do {
		n = sys_read(fd, text + size, sizeof text - size);
		size += n > 0 ? (size_t)n : 0;
	} while (n > 0 && size < sizeof text);
	if (size == 0)
		return 0;
	words_set(w, 0, "%.*s", (int)size - 1, text + 1);
	return text[0];
}

/* Serves a pool once, and waits for its end.  Returns as read_report(), or
   -errno. */
static int serve_once(const struct vm_join *how, const struct vm_worker *table,
    size_t count, struct words *w)
{
	int connection = how->to != NULL ? door_connect(how->to) : -1;
	struct rusage used;
	int report, status, r;
	pid_t pid = -1;

	if (how->to != NULL && connection < 0)
		return connection;
	report = fork_agent(how, connection, table, count, &pid);
	sys_close(&connection);
	if (report < 0)
		return report;
	r = read_report(report, w);
	sys_close(&report);
	sys_reap(pid, &status, &used);
	return r;
}

/* Can a door be there later? */
static bool is_final(int error)
{
	return error == -EINVAL || error == -ENAMETOOLONG ||
	    error == -EPERM || error == -EACCES || error == -ENOTDIR;
}

/* Serves pools until it is refused or, with once, until a pool has ended.
   Returns 0, or -errno with words. */
static int serve(const struct vm_join *how, const struct vm_worker *table,
    size_t count, struct words *w)
{
	const int first = how->to != NULL ? NEAR_FIRST_MS : FAR_FIRST_MS;
	const int most = how->to != NULL ? NEAR_MOST_MS : FAR_MOST_MS;
	int ms = first, r;

	for (;;) {
		r = serve_once(how, table, count, w);
		if (is_final(r))
			return words_set(w, -r, "The door '%.200s' cannot be "
			    "reached: %s.", how->to, r == -EPERM ? "it, or its "
			    "directory, is another user's or open to others" :
			    words_of(-r));
		if (r == AGENT_REFUSED)
			return -EPROTO;
		if (how->once && r == AGENT_SERVED)
			return 0;
		if (how->once && r == AGENT_LOST)
			return words_set(w, EPIPE, "The pool was lost.");
		sys_poll(NULL, 0, ms);
		ms = r > 0 ? first : MIN(2 * ms, most);
	}
}

static int check(const struct vm_join *how, const struct vm_worker *table,
    size_t count, struct words *w)
{
	bool any = false;

	for (size_t i = 0; i < count && table != NULL; i++)
		any |= table[i].name != NULL && table[i].process != NULL;
	if (how == NULL || (how->to == NULL) == (how->command == NULL) ||
	    (how->command != NULL && how->command[0] == NULL))
		return words_set(w, EINVAL, "vm_join() needs either "
		    "vm_join.to or a vm_join.command.");
	if (how->workers < 0 || how->workers > WORKERS_MOST)
		return words_set(w, EINVAL, "vm_join.workers must be between 0 "
		    "and %d.", WORKERS_MOST);
	if (!any)
		return words_set(w, EINVAL, "vm_join() needs a worker with a "
		    "name and process().");
	return 0;
}

int vm_join(const struct vm_join *how, const struct vm_worker *table,
    size_t count)
{
	struct words w = { "" };
	int kept = errno;
	int r = check(how, table, count, &w);

	if (r == 0)
		r = serve(how, table, count, &w);
	*error_words() = w;
	errno = r < 0 ? -r : kept;
	return r < 0 ? -1 : 0;
}
