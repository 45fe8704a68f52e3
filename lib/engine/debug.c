/* debug.c - see debug.h: debug lines on stderr. */
#include "config.h"

#include "engine/debug.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/base.h"
#include "base/cut.h"
#include "engine/engine.h"
#include "engine/progress.h"
#include "os/sys.h"

/* Returns the local time, to the millisecond, in the buffer. */
static const char *time_of_day(char text[16])
{
	const uint64_t ms = sys_date() / MS_IN_NS;
	const time_t seconds = (time_t)(ms / 1000);
	struct tm t = { 0 };

	localtime_r(&seconds, &t);
	snprintf(text, 16, "%02d:%02d:%02d.%03d", t.tm_hour % 24,
	    t.tm_min % 60, t.tm_sec % 61, (int)(ms % 1000));
	return text;
}

void debug_say(struct engine *e, const char *format, ...)
{
	char line[256], time[16];
	va_list ap;

	if (!e->set.debug)
		return;
	va_start(ap, format);
	cut_print(line, sizeof line, format, ap);
	va_end(ap);
	progress_hide(e);
	fprintf(stderr, "vimap: %s [%d] %s\n", time_of_day(time),
	    (int)sys_getpid(), line);
}
