/* terminal.c - see terminal.h: lines on the standard error of the program. */
#include "config.h"

#include "os/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/base.h"
#include "os/fdlist.h"
#include "os/sys.h"

#define STDERR 2

/* Columns of a terminal that does not say. */
#define COLUMNS 80

int terminal_columns(void)
{
	const char *kind = sys_getenv("TERM");
	int columns;

	if (kind == NULL || kind[0] == '\0' || strcmp(kind, "dumb") == 0)
		return 0;
	columns = sys_columns(STDERR);
	return columns == 0 ? COLUMNS : MAX(columns, 0);
}

/* Writes while SIGPIPE and SIGTTOU are blocked. */
static ssize_t write_quietly(int fd, const char *text, size_t size)
{
	bool was_pending = sys_sigpipe_pending();
	ssize_t r = sys_write_now(fd, text, size);

	if (!was_pending && sys_sigpipe_pending())
		sys_take_sigpipe();
	return r;
}

/* No other thread forks a pool while the second descriptor exists. */
static ssize_t write_to_terminal(const char *text, size_t size)
{
	ssize_t r;
	int fd;

	if (!sys_in_foreground(STDERR))
		return -EAGAIN;
	fdlist_lock();
	fd = sys_reopen(STDERR, O_WRONLY | O_NONBLOCK | O_NOCTTY);
	r = write_quietly(fd < 0 ? STDERR : fd, text, size);
	sys_close(&fd);
	fdlist_unlock();
	return r;
}

int terminal_write(const char *text, size_t size)
{
	int kept = errno;
	sigset_t mask;
	ssize_t r = sys_block_signals(&mask);

	if (r < 0)
		return (int)r;
	if (sys_columns(STDERR) >= 0)
		r = write_to_terminal(text, size);
	else
		r = write_quietly(STDERR, text, size);
	sys_set_mask(&mask);
	errno = kept;
	return (int)MIN(r, 0);
}
