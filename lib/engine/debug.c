/* debug.c - see debug.h: debug lines on stderr. */
#include "config.h"

#include "engine/debug.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/cut.h"
#include "engine/engine.h"
#include "engine/progress.h"

void debug_say(struct engine *e, const char *format, ...)
{
	char line[256];
	va_list ap;

	if (!e->set.debug)
		return;
	va_start(ap, format);
	cut_print(line, sizeof line, format, ap);
	va_end(ap);
	progress_hide(e);
	fprintf(stderr, "vimap: %s\n", line);
}
