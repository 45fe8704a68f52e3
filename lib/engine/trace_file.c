/* trace_file.c - see trace_file.h: the file of a pool's trace. */
#include "config.h"

#include "engine/trace_file.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "engine/debug.h"
#include "engine/engine.h"
#include "os/fdlist.h"
#include "os/sys.h"
#include "os/terminal.h"

/* The viewers become slow with larger files. */
#define BYTES_MOST ((uint64_t)96 << 20)
/* Events are written after this time at the latest. */
#define WRITE_NS (1000 * MS_IN_NS)
/* Counters are at least so far apart, and by this part of the time so far: a
   picture of the whole shows no more. */
#define COUNT_NS MS_IN_NS
#define COUNT_PART 4096
/* Room for a pid, and for the number of a pool behind the path. */
#define NUMBERS 64

/* ---- the path ---- */

/*
 * Pools of a process that take the path from the environment write a file each:
 * PATH, PATH.2, PATH.3.  A process forked from such a process, which may be a
 * worker, has its pid in front of that number.  The word is the pid of the
 * process with the last such pool, whether it was forked so, and the number of
 * that pool.
 */
#define FORKED ((uint64_t)1 << 31)

static void number_pool(char suffix[NUMBERS])
{
	static _Atomic uint64_t last;
	const uint64_t pid = (uint64_t)sys_getpid();
	uint64_t old = atomic_load(&last), new;
	int n = 0;

	do {
		new = pid << 32 | (old != 0 ? FORKED : 0) | 1;
		if (old >> 32 == pid)
			new = old + 1;
	} while (!atomic_compare_exchange_weak(&last, &old, new));
	suffix[0] = '\0';
	if (new & FORKED)
		n = snprintf(suffix, NUMBERS, ".%d", (int)pid);
	if ((new & (FORKED - 1)) > 1)
		snprintf(suffix + n, NUMBERS - (size_t)n, ".%u",
		    (unsigned)(new & (FORKED - 1)));
}

/* Returns the path with the pid for "%p"; NULL without memory. */
static char *make_path(const char *given, const char *suffix)
{
	const char *mark = strstr(given, "%p");
	size_t before = mark != NULL ? (size_t)(mark - given) : strlen(given);
	size_t room = strlen(given) + strlen(suffix) + NUMBERS;
	char *path = malloc(room);

	if (path == NULL)
		return NULL;
	if (mark != NULL)
		snprintf(path, room, "%.*s%d%s%s", (int)before, given,
		    (int)sys_getpid(), mark + 2, suffix);
	else
		snprintf(path, room, "%s%s", given, suffix);
	return path;
}

/* ---- writing ---- */

/* Sets the error text for a trace that ends early. */
static void explain(struct engine *e)
{
	words_set(e->words, e->trace.error, "The trace %.200s ends early: %s.",
	    e->trace.path, outfile_flaw(e->trace.error));
}

/* No more events are drawn. */
static void stop(struct engine *e, int error)
{
	e->trace.on = false;
	e->trace.error = error;
	explain(e);
	debug_say(e, "%s", e->words->text);
}

static void write_out(struct engine *e, uint64_t now)
{
	struct trace_file *f = &e->trace;
	int r = outfile_write(&f->out, f->text.text, f->text.size);

	f->text.size = 0;
	f->written_at = now;
	if (r < 0)
		stop(e, -r);
}

bool trace_file_has_room(struct engine *e)
{
	struct trace_file *f = &e->trace;

	if (!f->on || trace_has_room(&f->text))
		return f->on;
	write_out(e, sys_now());
	if (f->on && f->out.size >= BYTES_MOST) {
		trace_mark(&f->text, 0, f->written_at, "the trace is full",
		    "");
		f->on = false;
	}
	return f->on;
}

/* ---- counters ---- */

/* Draws a counter if its value has changed. */
static void count(struct engine *e, enum trace_counter which, uint64_t value,
    uint64_t now)
{
	static const char *const names[TRACE_COUNTERS] = {
		[TRACE_SENT] = "chunks sent",
		[TRACE_SENT_BOUND] = "chunks sent: bound",
		[TRACE_CHUNKS] = "chunks in flight",
		[TRACE_CHUNKS_BOUND] = "chunks in flight: bound",
		[TRACE_BYTES] = "bytes in flight",
		[TRACE_BYTES_BOUND] = "bytes in flight: bound",
	};
	struct trace_file *f = &e->trace;

	if (f->counters[which] == value + 1 || !trace_file_has_room(e))
		return;
	f->counters[which] = value + 1;
	trace_count(&f->text, now, names[which], value);
}

static void count_all(struct engine *e, uint64_t now)
{
	const struct window *w = &e->window;

	e->trace.counted_at = now;
	count(e, TRACE_SENT, w->nsent, now);
	count(e, TRACE_SENT_BOUND, w->max_real, now);
	count(e, TRACE_CHUNKS, w->nchunks, now);
	count(e, TRACE_CHUNKS_BOUND, w->max_total, now);
	count(e, TRACE_BYTES, w->bytes + w->result_bytes, now);
	count(e, TRACE_BYTES_BOUND, w->max_bytes, now);
}

uint64_t trace_file_alarm(const struct engine *e, uint64_t now)
{
	const struct trace_file *f = &e->trace;

	(void)now;
	return f->on && f->text.size > 0 ? f->written_at + WRITE_NS : NEVER;
}

int trace_file_run(struct engine *e, uint64_t now)
{
	const struct trace_file *f = &e->trace;
	uint64_t apart = (now - f->text.began) / COUNT_PART;

	if (!f->on)
		return 0;
	if (now - f->counted_at >= MAX(apart, COUNT_NS))
		count_all(e, now);
	if (trace_file_alarm(e, now) <= now)
		write_out(e, now);
	return 0;
}

/* ---- begin and end ---- */

/* Begins the text, in the file too: a disk that is full is told at once. */
static int begin(struct engine *e)
{
	struct trace_file *f = &e->trace;
	char name[SYS_NAME], title[TRACE_TEXT];
	int r;

	trace_begin(&f->text, f->text.text, (int)sys_getpid(),
	    e->tally.began);
	sys_name(name);
	snprintf(title, sizeof title, "%s: a pool of vimap", name);
	trace_name(&f->text, -1, title);
	trace_name(&f->text, 0, "caller");
	r = outfile_write(&f->out, f->text.text, f->text.size);
	f->text.size = 0;
	return r;
}

int trace_file_open(struct engine *e)
{
	struct trace_file *f = &e->trace;
	char suffix[NUMBERS] = "";
	int r = -ENOMEM;

	f->out.fd = -1;
	if (e->set.trace == NULL)
		return 0;
	if (e->set.tell_trace)
		number_pool(suffix);
	f->path = make_path(e->set.trace, suffix);
	f->text.text = malloc(TRACE_ROOM);
	if (f->path != NULL && f->text.text != NULL)
		r = outfile_open(&f->out, f->path, false);
	if (r == 0)
		r = begin(e);
	f->on = r == 0;
	if (r < 0)
		words_set(e->words, -r, "The trace %.200s cannot be written: "
		    "%s.", f->path != NULL ? f->path : e->set.trace,
		    outfile_flaw(-r));
	return r;
}

/* Writes the events that are left, and the end. */
static void finish(struct engine *e)
{
	struct trace_file *f = &e->trace;

	if (f->on)
		count_all(e, sys_now());
	if (f->on)
		write_out(e, sys_now());
	f->on = false;
	trace_end(&f->text);
	if (outfile_write(&f->out, f->text.text, f->text.size) < 0)
		debug_say(e, "The trace has no closing bracket.");
}

void trace_file_close(struct engine *e, bool foreign, void (*close)(int *fd))
{
	struct trace_file *f = &e->trace;

	if (!foreign && f->out.fd >= 0 && f->text.text != NULL)
		finish(e);
	f->on = false;
	outfile_close(&f->out, close);
	free(f->text.text);
	f->text.text = NULL;
}

/* Tells people who asked for the trace by the environment. */
static void tell(const struct engine *e)
{
	char line[sizeof e->words->text + 16];
	int n = snprintf(line, sizeof line, "vimap: %s\n", e->words->text);

	terminal_write(line, (size_t)n);
}

void trace_file_sum(struct engine *e, bool told)
{
	struct trace_file *f = &e->trace;

	if (told)
		*e->words = (struct words){ "" };
	if (told && f->error != 0)
		explain(e);
	if (told && f->error != 0 && e->set.tell_trace)
		tell(e);
	free(f->path);
	f->path = NULL;
}
