/* cut.c - see cut.h: texts cut between two characters. */
#include "config.h"

#include "base/cut.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

/* The most continuation bytes that a UTF-8 character has. */
#define REST 3

static bool is_rest(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Length in bytes of the character with this first byte. */
static size_t length_of(char first)
{
	unsigned char c = (unsigned char)first;

	return c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

size_t cut_end(const char *text, size_t size)
{
	size_t rest = 0;

	while (rest < REST && rest < size && is_rest(text[size - 1 - rest]))
		rest++;
	if (rest < size && length_of(text[size - 1 - rest]) > rest + 1)
		return size - rest - 1;
	return size;
}

size_t cut_begin(const char *text, size_t size)
{
	size_t rest = 0;

	while (rest < REST && rest < size && is_rest(text[rest]))
		rest++;
	return rest;
}

size_t cut_to(const char *text, size_t size, size_t most)
{
	return size <= most ? size : cut_end(text, most);
}

void cut_print(char *to, size_t room, const char *format, va_list ap)
{
	int kept = errno;
	int r = vsnprintf(to, room, format, ap);

	if (r < 0)
		to[0] = '\0';
	else if ((size_t)r >= room)
		to[cut_end(to, room - 1)] = '\0';
	errno = kept;
}
