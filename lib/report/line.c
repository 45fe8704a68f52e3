/* line.c - see line.h: the progress of a run as a line of text. */
#include "config.h"

#include "report/line.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/cut.h"

#define S_IN_NS ((uint64_t)1000000000)

/* Columns of a part, of the gap between two, and of the bar. */
#define PART_MOST 64
#define GAP 2
#define BAR_LEAST 8
#define BAR_MOST 30

/* The parts of the line, from left to right. */
enum part { NAME, COUNT, SHARE, BAR, RATE, TIME, FAILED, LOST, RETRIED, AT,
	WORKERS, PARTS };

/* The parts from the highest rank to the lowest; the bar takes what is left. */
static const enum part ranks[] = { COUNT, SHARE, FAILED, LOST, TIME, RATE, AT,
	WORKERS, RETRIED, NAME };

struct parts {
	char text[PARTS][PART_MOST];	/* "": there is none */
	bool taken[PARTS];
};

PRINTF_LIKE(2, 3)
static void put(char to[PART_MOST], const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	cut_print(to, PART_MOST, format, ap);
	va_end(ap);
}

/* ---- figures ---- */

/* Writes a number with a comma between thousands. */
static const char *number(uint64_t n, char to[32])
{
	char digits[24];
	int count = snprintf(digits, sizeof digits, "%llu",
	    (unsigned long long)n);
	char *at = to;

	for (int i = 0; i < count; i++) {
		if (i > 0 && (count - i) % 3 == 0)
			*at++ = ',';
		*at++ = digits[i];
	}
	*at = '\0';
	return to;
}

/* Writes a time as 0:41 or 1:02:03. */
static const char *clock_of(double seconds, char to[32])
{
	unsigned long long s = seconds < 1e9 ? (unsigned long long)seconds :
	    1000000000;

	if (s >= 3600)
		snprintf(to, 32, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60,
		    s % 60);
	else
		snprintf(to, 32, "%llu:%02llu", s / 60, s % 60);
	return to;
}

static void put_rate(char to[PART_MOST], double per_second)
{
	char text[32];

	if (per_second >= 1e6)
		put(to, "%.1fM/s", per_second / 1e6);
	else if (per_second >= 1e5)
		put(to, "%.0fk/s", per_second / 1e3);
	else if (per_second >= 1)
		put(to, "%s/s", number((uint64_t)per_second, text));
	else if (per_second > 0)
		put(to, "%.1f s each", 1 / per_second);
}

/* ---- parts ---- */

/* The time that is left, by the mean rate, or has passed. */
static void put_time(char to[PART_MOST], const struct line_facts *f)
{
	double passed = (double)f->wall_ns / S_IN_NS;
	uint64_t done = f->done - f->earlier;
	char text[32];

	if (f->total > f->done && done > 0)
		put(to, "left %s", clock_of(passed *
		    (double)(f->total - f->done) / (double)done, text));
	else
		put(to, "%s", clock_of(passed, text));
}

/* A letter a worker; with many workers, how many have each letter. */
static void put_workers(char to[PART_MOST], const char *letters)
{
	static const char order[] = "RS.!x";
	size_t used = 0;

	if (strlen(letters) <= 32) {
		put(to, "%s", letters);
		return;
	}
	for (const char *o = order; *o != '\0'; o++) {
		unsigned n = 0;

		for (const char *at = letters; *at != '\0'; at++)
			n += *at == *o;
		if (n > 0)
			used += (size_t)snprintf(to + used, PART_MOST - used,
			    "%s%u%c", used > 0 ? " " : "", n, *o);
	}
}

/* Other bytes than printable ASCII may have any width. */
static void put_name(char to[PART_MOST], const char *name)
{
	put(to, "%.16s", name);
	for (; *to != '\0'; to++)
		if (*to < ' ' || *to > '~')
			*to = '?';
}

static void put_parts(struct parts *p, const struct line_facts *f)
{
	char one[32], two[32];

	put_name(p->text[NAME], f->name);
	put(p->text[COUNT], f->total > 0 ? "%s/%s" : "%s",
	    number(f->done, one), number(f->total, two));
	if (f->total > 0)
		put(p->text[SHARE], "%u%%", (unsigned)((double)f->done * 100 /
		    (double)f->total));
	if (f->wall_ns > 0)
		put_rate(p->text[RATE], (double)(f->done - f->earlier) *
		    S_IN_NS / (double)f->wall_ns);
	put_time(p->text[TIME], f);
	if (f->failed > 0)
		put(p->text[FAILED], "%s failed", number(f->failed, one));
	if (f->lost > 0)
		put(p->text[LOST], "%s lost", number(f->lost, one));
	if (f->retried > 0)
		put(p->text[RETRIED], "%s retried", number(f->retried, one));
	if (f->at_ns > 0)
		put(p->text[AT], "#%llu at it %s", (unsigned long long)f->at,
		    clock_of((double)f->at_ns / S_IN_NS, one));
	put_workers(p->text[WORKERS], f->workers);
}

/* Takes the parts that fit.  Returns the columns used. */
static size_t choose(struct parts *p, size_t width)
{
	size_t used = 0;

	for (size_t i = 0; i < COUNTOF(ranks); i++) {
		size_t size = strlen(p->text[ranks[i]]);
		size_t more = size + (used > 0 ? GAP : 0);

		if (size == 0 || used + more > width)
			continue;
		p->taken[ranks[i]] = true;
		used += more;
	}
	return used;
}

/* Makes a bar of the columns that are left, with its two brackets. */
static void put_bar(struct parts *p, size_t left, const struct line_facts *f)
{
	size_t size, full;

	if (f->total == 0 || left < BAR_LEAST + GAP + 2)
		return;
	size = MIN(left - GAP - 2, BAR_MOST);
	full = (size_t)((double)size * (double)MIN(f->done, f->total) /
	    (double)f->total);
	p->text[BAR][0] = '[';
	memset(p->text[BAR] + 1, '#', full);
	memset(p->text[BAR] + 1 + full, '.', size - full);
	memcpy(p->text[BAR] + 1 + size, "]", 2);
	p->taken[BAR] = true;
}

size_t line_draw(char to[LINE_MOST + 1], size_t width,
    const struct line_facts *f)
{
	struct parts p = { .taken = { false } };
	size_t used = 0;

	width = MIN(width, LINE_MOST);
	put_parts(&p, f);
	put_bar(&p, width - choose(&p, width), f);
	to[0] = '\0';
	for (int i = 0; i < PARTS; i++)
		if (p.taken[i])
			used += (size_t)snprintf(to + used,
			    LINE_MOST + 1 - used, "%*s%s", used > 0 ? GAP : 0,
			    "", p.text[i]);
	return used;
}
