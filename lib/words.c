/* words.c - see words.h: what went wrong last. */
#include "config.h"

#include "words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int words_set(struct words *w, int error, const char *format, ...)
{
	int kept = errno;
	va_list ap;

	va_start(ap, format);
	if (vsnprintf(w->text, sizeof w->text, format, ap) < 0)
		w->text[0] = '\0';
	va_end(ap);
	errno = kept;
	return -error;
}

void words_add(struct words *w, const char *format, ...)
{
	size_t used = strlen(w->text);
	va_list ap;

	va_start(ap, format);
	if (vsnprintf(w->text + used, sizeof w->text - used, format, ap) < 0)
		w->text[used] = '\0';
	va_end(ap);
}
