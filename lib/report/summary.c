/* summary.c - see summary.h: the figures of vm_stats() as a table. */
#include "config.h"

#include "report/summary.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/base.h"

/* The table while it is made. */
struct page {
	char *at;
	size_t room;
	const char *name;
};

/* Adds a line; one that does not fit is cut. */
PRINTF_LIKE(2, 3)
static void line(struct page *p, const char *format, ...)
{
	int parts[2];
	va_list ap;

	parts[0] = snprintf(p->at, p->room, "%.16s: ", p->name);
	p->at += MIN((size_t)parts[0], p->room - 1);
	p->room -= MIN((size_t)parts[0], p->room - 1);
	va_start(ap, format);
	parts[1] = vsnprintf(p->at, p->room, format, ap);
	va_end(ap);
	p->at += MIN((size_t)MAX(parts[1], 0), p->room - 1);
	p->room -= MIN((size_t)MAX(parts[1], 0), p->room - 1);
}

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static double mib(uint64_t bytes)
{
	return (double)bytes / (1024 * 1024);
}

static unsigned long long n(uint64_t number)
{
	return number;
}

static void add_counts(struct page *p, const struct vm_stats *s)
{
	line(p, "%llu inputs, %llu outputs, %llu exceptions, %llu retries\n",
	    n(s->inputs), n(s->outputs), n(s->exceptions), n(s->retries));
	for (int i = 0; i < (int)COUNTOF(s->by_cause); i++)
		if (s->by_cause[i] > 0)
			line(p, "  %llu %s\n", n(s->by_cause[i]),
			    vm_cause_name((enum vm_cause)(1 << i)));
	line(p, "%d workers: %llu forked, %llu replaced, %llu died\n",
	    s->workers, n(s->forked), n(s->replaced), n(s->deaths));
}

static void add_times(struct page *p, const struct vm_stats *s)
{
	line(p, "caller: %.3f s; in sources %.3f, asleep %.3f, in the program "
	    "%.3f\n", seconds(s->wall_ns), seconds(s->sources_ns),
	    seconds(s->asleep_ns), seconds(s->yours_ns));
	line(p, "workers: setup %.3f s, busy %.3f, blocked %.3f, idle %.3f, "
	    "CPU %.3f\n", seconds(s->setup_ns), seconds(s->busy_ns),
	    seconds(s->blocked_ns), seconds(s->idle_ns), seconds(s->cpu_ns));
	line(p, "items: median %.6f ms, 90 %% %.6f, 99 %% %.6f\n",
	    ms(s->median_ns), ms(s->p90_ns), ms(s->p99_ns));
	for (size_t i = 0; i < COUNTOF(s->slowest); i++)
		if (s->slowest[i].ns > 0)
			line(p, "  #%llu took %.3f ms\n",
			    n(s->slowest[i].index), ms(s->slowest[i].ns));
}

size_t summary_make(char to[SUMMARY_MOST], const char *name,
    const struct vm_stats *s)
{
	struct page p = { .at = to, .room = SUMMARY_MOST, .name = name };

	add_counts(&p, s);
	add_times(&p, s);
	line(&p, "most in flight: %llu of %llu chunks sent, %llu of %llu in "
	    "all, %.1f of %.1f MiB\n", n(s->real_peak), n(s->real_bound),
	    n(s->total_peak), n(s->total_bound), mib(s->bytes_peak),
	    mib(s->bytes_bound));
	line(&p, "sent %.1f MiB, received %.1f MiB\n", mib(s->input_bytes),
	    mib(s->output_bytes));
	line(&p, "%s\n", s->sentence);
	return (size_t)(p.at - to);
}
