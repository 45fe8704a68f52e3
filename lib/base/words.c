/* words.c - see words.h: the text of the last error. */
#include "config.h"

#include "base/words.h"

#include <stdarg.h>
#include <string.h>

#include "base/cut.h"

int words_set(struct words *w, int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	cut_print(w->text, sizeof w->text, format, ap);
	va_end(ap);
	return -error;
}

const char *words_of(int error)
{
	const char *text;

#ifdef HAVE_STRERRORDESC_NP
	text = strerrordesc_np(error);
#else
	text = strerror(error);
#endif
	return text != NULL ? text : "unknown error";
}

void words_add(struct words *w, const char *format, ...)
{
	size_t used = strlen(w->text);
	va_list ap;

	va_start(ap, format);
	cut_print(w->text + used, sizeof w->text - used, format, ap);
	va_end(ap);
}
