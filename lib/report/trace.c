/* trace.c - see trace.h: events as JSON text. */
#include "config.h"

#include "report/trace.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Times are written in us with this resolution. */
#define TICK_NS 100
#define TICKS_IN_US 10

void trace_begin(struct trace *t, char *buffer, int pid, uint64_t now)
{
	*t = (struct trace){ .text = buffer, .pid = pid, .began = now };
	t->text[t->size++] = '[';
	t->text[t->size++] = '\n';
}

void trace_quote(char to[TRACE_TEXT], const char *from)
{
	size_t n = 0;

	for (; n < TRACE_TEXT - 1 && from[n] != '\0'; n++) {
		to[n] = from[n];
		if (from[n] < ' ' || from[n] > '~' || from[n] == '"' ||
		    from[n] == '\\')
			to[n] = '?';
	}
	to[n] = '\0';
}

static unsigned long long ticks(const struct trace *t, uint64_t at)
{
	return (at - MIN(t->began, at)) / TICK_NS;
}

/* Appends to the event.  All parts of it are bounded, so it has room. */
PRINTF_LIKE(2, 3)
static void add(struct trace *t, const char *format, ...)
{
	const size_t room = TRACE_ROOM - t->size;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(t->text + t->size, room, format, ap);
	va_end(ap);
	assert(n >= 0 && (size_t)n < room);
	t->size += (size_t)n;
}

static void open_event(struct trace *t, char phase, int track)
{
	add(t, "%s{\"ph\":\"%c\",\"pid\":%d,\"tid\":%d",
	    t->begun ? ",\n" : "", phase, t->pid, track);
	t->begun = true;
}

static void add_time(struct trace *t, const char *key, unsigned long long n)
{
	add(t, ",\"%s\":%llu.%llu", key, n / TICKS_IN_US, n % TICKS_IN_US);
}

static void close_event(struct trace *t, const char *name, const char *args)
{
	add(t, ",\"name\":\"%.*s\"", TRACE_TEXT - 1, name);
	if (args[0] != '\0')
		add(t, ",\"args\":{%.*s}", TRACE_ARGS - 1, args);
	add(t, "}");
}

void trace_name(struct trace *t, int track, const char *name)
{
	char text[TRACE_TEXT], args[TRACE_ARGS];

	trace_quote(text, name);
	snprintf(args, sizeof args, "\"name\":\"%s\"", text);
	open_event(t, 'M', MAX(track, 0));
	add_time(t, "ts", 0);
	close_event(t, track < 0 ? "process_name" : "thread_name", args);
}

void trace_slice(struct trace *t, int track, uint64_t from, uint64_t until,
    const char *name, const char *args)
{
	const unsigned long long at = ticks(t, from);

	open_event(t, 'X', track);
	add_time(t, "ts", at);
	add_time(t, "dur", ticks(t, MAX(from, until)) - at);
	close_event(t, name, args);
}

void trace_mark(struct trace *t, int track, uint64_t at, const char *name,
    const char *args)
{
	open_event(t, 'i', track);
	add_time(t, "ts", ticks(t, at));
	add(t, ",\"s\":\"t\"");
	close_event(t, name, args);
}

void trace_count(struct trace *t, uint64_t at, const char *name,
    uint64_t value)
{
	char args[TRACE_ARGS];

	snprintf(args, sizeof args, "\"value\":%llu",
	    (unsigned long long)value);
	open_event(t, 'C', 0);
	add_time(t, "ts", ticks(t, at));
	close_event(t, name, args);
}

void trace_end(struct trace *t)
{
	memcpy(t->text + t->size, TRACE_LAST, sizeof TRACE_LAST - 1);
	t->size += sizeof TRACE_LAST - 1;
}
