/*
 * progress.c - see progress.h: the progress of a pool on standard error.
 *
 * Runs in: caller.  Easy to get wrong: a line that the terminal does not take
 * is dropped and the next one tried later, but a terminal that is gone is left
 * alone for good.
 */
#include "config.h"

#include "engine/progress.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "engine/engine.h"
#include "engine/stats.h"
#include "os/terminal.h"
#include "report/line.h"
#include "report/summary.h"

/* Time between two lines on a terminal, and elsewhere. */
#define DRAWN_NS (100 * MS_IN_NS)
#define PLAIN_NS (10000 * MS_IN_NS)
/* Workers that get a letter each, or are counted. */
#define LETTERS_MOST 1024
/* Columns of a line elsewhere. */
#define PLAIN_COLUMNS 120
/* The number of the bit VM_LOST. */
#define LOST_BIT 7
_Static_assert(VM_LOST == 1 << LOST_BIT, "bit of VM_LOST");

static const char erase[] = "\r\033[K";

void progress_start(struct engine *e)
{
	struct progress *p = &e->progress;

	p->on = e->set.progress;
	p->due_at = 0;
	if (p->on)
		sys_name(p->name);
}

uint64_t progress_alarm(const struct engine *e, uint64_t now)
{
	(void)now;
	return e->progress.on && !e->tally.resting && !e->fate.closing ?
	    e->progress.due_at : NEVER;
}

/* Sets the letter of each worker, and the input that takes longest. */
static void look_at_workers(struct engine *e, struct line_facts *f,
    char letters[LETTERS_MOST + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < e->crew.count && n < LETTERS_MOST; i++) {
		uint64_t index, ns = 0;
		char letter = stats_letter(e, i, &index, &ns);

		if (letter != '\0')
			letters[n++] = letter;
		if (letter == '!' && ns > f->at_ns) {
			f->at_ns = ns;
			f->at = index;
		}
	}
	letters[n] = '\0';
	f->workers = letters;
}

/* Is a program at work that pushes most inputs, so that nobody knows how many
   come? */
static bool is_open_ended(const struct engine *e)
{
	return e->intake.pushed.index > e->intake.seq / 2 &&
	    !e->fate.finishing;
}

/* Makes the line; last: no more will come.  Returns its length. */
static size_t make(struct engine *e, size_t columns, uint64_t now, bool last,
    char line[LINE_MOST + 1])
{
	const struct tally *t = &e->tally;
	struct line_facts f = {
		.name = e->progress.name,
		.done = t->answered + e->resume.skipped,
		.earlier = e->resume.answered + e->resume.skipped,
		.total = !last && is_open_ended(e) ? 0 : stats_total(e),
		.wall_ns = tally_wall(t, now),
		.failed = tally_failed(t) - t->failed[LOST_BIT],
		.retried = t->retries,
		.lost = t->failed[LOST_BIT],
	};
	char letters[LETTERS_MOST + 1];

	look_at_workers(e, &f, letters);
	e->progress.said = t->answered;
	return line_draw(line, columns, &f);
}

/* Writes a text.  Returns false if it is not written; if it never can be, no
   other is tried. */
static bool say(struct engine *e, const char *text, size_t size)
{
	int r = terminal_write(text, size);

	if (r < 0 && r != -EAGAIN && r != -ENOSPC)
		e->progress.on = false;
	return r == 0;
}

/* Writes the line as it is now.  The last line of a run stays. */
static void tell(struct engine *e, uint64_t now, bool last)
{
	char line[LINE_MOST + 1], text[LINE_MOST + 16];
	int columns = terminal_columns(), size;
	bool drawn = columns > 1;

	/* A line as wide as the terminal would move its cursor. */
	make(e, drawn ? (size_t)columns - 1 : PLAIN_COLUMNS, now, last, line);
	size = snprintf(text, sizeof text, "%s%s%s%s", drawn ? "\r" : "",
	    line, drawn ? "\033[K" : "", last || !drawn ? "\n" : "");
	if (say(e, text, (size_t)size))
		e->progress.drawn = drawn && !last;
	e->progress.due_at = now + (drawn ? DRAWN_NS : PLAIN_NS);
}

int progress_run(struct engine *e, uint64_t now)
{
	struct progress *p = &e->progress;

	if (progress_alarm(e, now) > now)
		return 0;
	/* Where lines stay, the first is worth one after a while only. */
	if (p->due_at == 0 && terminal_columns() <= 1)
		p->due_at = now + PLAIN_NS;
	else
		tell(e, now, false);
	return 0;
}

void progress_hide(struct engine *e)
{
	if (e->progress.drawn && say(e, erase, sizeof erase - 1))
		e->progress.drawn = false;
}

static void tell_stats(struct engine *e)
{
	char text[SUMMARY_MOST], name[SYS_NAME];
	struct vm_stats s;
	struct words w;

	sys_name(name);
	stats_fill(e, &s, &w);
	terminal_write(text, summary_make(text, name, &s));
}

void progress_end(struct engine *e)
{
	if (e->progress.on && (e->progress.drawn || e->tally.answered > 0))
		tell(e, sys_now(), true);
	e->progress.on = false;
	if (e->started && e->set.tell_stats)
		tell_stats(e);
}
