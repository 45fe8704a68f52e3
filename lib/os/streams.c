/* streams.c - see streams.h: text that stdio keeps in its buffers. */
#include "config.h"

#include "os/streams.h"

#include <fcntl.h>
#include <stdio.h>
#ifdef HAVE_STDIO_EXT_H
#include <stdio_ext.h>
#endif
#include <wchar.h>

#include "os/sys.h"

/* The longest line that is written whole: pipes take PIPE_BUF bytes at once. */
#define LINE_MOST 4096

/* Locked for ever: the lock's holder was a thread of the host program, which
   does not exist in this process. */
static bool out_is_stuck, err_is_stuck;

/* ---- caller ---- */

static void release(FILE *f)
{
	if (ftrylockfile(f) == 0) {
		fflush(f);
		funlockfile(f);
	}
}

void streams_release(void)
{
	bool was_pending = sys_sigpipe_pending();

	if (sys_threads() == 1) {
		fflush(NULL);
	} else {
		release(stdout);
		release(stderr);
	}
	if (!was_pending && sys_sigpipe_pending())
		sys_take_sigpipe();
}

/* ---- fork server ---- */

/* Drops the contents of the buffer without the lock and without a system call:
   the host program's file position must not move.  An empty buffer is left
   alone, or the kernel copies a page. */
static void drop(FILE *f)
{
#ifdef HAVE___FPURGE
	if (__freading(f) || __fpending(f) > 0)
		__fpurge(f);
#else
	(void)f;
#endif
}

static bool is_stuck(FILE *f)
{
	if (ftrylockfile(f) != 0)
		return true;
	funlockfile(f);
	return false;
}

/* A stream of wide characters also holds bytes not yet converted.  They are
   dropped when the stream is opened again, which is done only for such streams:
   it writes to some pages, each of which the kernel then copies. */
static void reopen_if_wide(FILE *f)
{
	if (ftrylockfile(f) != 0)
		return;
	/* freopen() returns the same stream, which stays open. */
	/* cppcheck-suppress leakReturnValNotUsed */
	if (fwide(f, 0) > 0 && freopen("/dev/null", "r", f) == NULL)
		clearerr(f);
	funlockfile(f);
}

bool streams_end_stdin(void)
{
	int fd = sys_open("/dev/null", O_RDONLY);
	bool empty = fd >= 0 && sys_dup_onto(fd, 0) >= 0;
	int ends[2];

	/* A pipe without writers is at its end as well. */
	if (!empty && sys_pipe(ends) == 0) {
		sys_dup_onto(ends[0], 0);
		sys_close(&ends[0]);
		sys_close(&ends[1]);
	}
	sys_close(&fd);
	return empty;
}

void streams_forget(bool empty)
{
	drop(stdin);
	drop(stdout);
	drop(stderr);
	out_is_stuck = is_stuck(stdout);
	err_is_stuck = is_stuck(stderr);
	if (empty)
		reopen_if_wide(stdin);
}

/* ---- worker ---- */

void streams_by_lines(void)
{
	static char out[LINE_MOST], err[LINE_MOST];

	if (!out_is_stuck)
		setvbuf(stdout, out, _IOLBF, sizeof out);
	if (!err_is_stuck)
		setvbuf(stderr, err, _IOLBF, sizeof err);
}

/* Flushing costs page faults, even with an empty buffer. */
static void flush(FILE *f)
{
#ifdef HAVE___FPENDING
	if (__fpending(f) == 0)
		return;
#endif
	fflush(f);
}

void streams_flush(void)
{
	if (!out_is_stuck)
		flush(stdout);
	if (!err_is_stuck)
		flush(stderr);
}
