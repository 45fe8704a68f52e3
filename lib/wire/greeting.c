/* greeting.c - see greeting.h: the first words of an agent. */
#include "config.h"

#include "wire/greeting.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "wire/frame.h"

static const char magic[] = "vimap-agent ";
#define MAGIC_SIZE (sizeof magic - 1)

static const char *order_name(void)
{
	return FRAME_KIND_AT == 8 ? "little" : "big";
}

void greeting_init(struct greeting *g)
{
	*g = (struct greeting){
		.version = GREETING_VERSION,
		.word = sizeof(void *),
		.same_order = true,
	};
}

/* The magic begins a line even if other text ends without a newline. */
size_t greeting_write(const struct greeting *g, char *to, size_t room)
{
	int n = snprintf(to, room, "\n%s%u\norder %s\nword %u\nidentity %s\n"
	    "host %s\ncpus %u\n", magic, g->version, order_name(), g->word,
	    g->identity, g->host, g->cpus);

	return n < 0 ? 0 : MIN((size_t)n, room - 1);
}

/* Returns the offset of the first line from "at" on that begins with the magic
   or, cut off by the text's end, may do so; size if there is none. */
static size_t find_magic(const char *text, size_t size, size_t at)
{
	const char *newline;

	while (at < size && memcmp(text + at, magic,
	    MIN(MAGIC_SIZE, size - at)) != 0) {
		newline = memchr(text + at, '\n', size - at);
		at = newline ? (size_t)(newline - text) + 1 : size;
	}
	return at;
}

bool greeting_find(const char *text, size_t size, size_t *begin, size_t *end)
{
	const char *newline;
	size_t at;

	at = *begin = find_magic(text, size, 0);
	while (at < size) {
		newline = memchr(text + at, '\n', size - at);
		if (newline == NULL)
			break;
		if (newline == text + at) {
			*end = at + 1;
			return true;
		}
		at = (size_t)(newline - text) + 1;
	}
	return false;
}

/* Copies a value of n bytes into a text of room bytes, as far as it fits. */
static void keep(char *to, size_t room, const char *value, size_t n)
{
	size_t size = MIN(n, room - 1);

	memset(to, '?', size);
	for (size_t i = 0; i < size; i++)
		if (value[i] > ' ' && value[i] < 127)
			to[i] = value[i];
	to[size] = '\0';
}

/* Reads a decimal number of up to 9 digits.  Returns false for anything
   else. */
static bool number(const char *value, size_t n, unsigned *to)
{
	unsigned sum = 0;

	for (size_t i = 0; i < n; i++) {
		if (value[i] < '0' || value[i] > '9')
			return false;
		sum = sum * 10 + (unsigned)(value[i] - '0');
		if (i == 9)
			return false;
	}
	*to = sum;
	return n > 0;
}

static bool is(const char *value, size_t n, const char *text)
{
	return strlen(text) == n && memcmp(value, text, n) == 0;
}

/* The keys that must be there, and two that a reader can do without. */
enum key { KEY_VERSION, KEY_ORDER, KEY_WORD, KEY_IDENTITY, KEY_HOST, KEY_CPUS,
	KEYS_NEEDED, KEY_NAME = KEYS_NEEDED, KEY_OTHER };
#define SEEN_ALL ((1u << KEYS_NEEDED) - 1)
static const char *const keys[] = { "vimap-agent", "order", "word", "identity",
	"host", "cpus", "name" };

static enum key key_of(const char *line, size_t n)
{
	for (size_t i = 0; i < COUNTOF(keys); i++)
		if (is(line, n, keys[i]))
			return (enum key)i;
	return KEY_OTHER;
}

/* Takes over a value.  Returns false if it is not what its key needs. */
static bool take(struct greeting *g, enum key key, const char *value,
    size_t n, const char *name)
{
	switch (key) {
	case KEY_VERSION:
		return number(value, n, &g->version);
	case KEY_ORDER:
		g->same_order = is(value, n, order_name());
		return true;
	case KEY_WORD:
		return number(value, n, &g->word);
	case KEY_IDENTITY:
		keep(g->identity, sizeof g->identity, value, n);
		return true;
	case KEY_HOST:
		keep(g->host, sizeof g->host, value, n);
		return true;
	case KEY_CPUS:
		return number(value, n, &g->cpus);
	case KEY_NAME:
		g->has_name |= is(value, n, name);
		return true;
	default:
		return true;
	}
}

/* A key of a later version is left alone. */
int greeting_read(const char *text, size_t size, const char *name,
    struct greeting *g)
{
	unsigned seen = 0;

	*g = (struct greeting){ 0 };
	for (size_t at = 0, n; at < size; at += n + 1) {
		const char *line = text + at;
		const char *newline = memchr(line, '\n', size - at);
		const char *space;
		enum key key;
		size_t word;

		n = newline ? (size_t)(newline - line) : size - at;
		space = memchr(line, ' ', n);
		if (space == NULL)
			continue;
		word = (size_t)(space - line);
		key = key_of(line, word);
		if (!take(g, key, space + 1, n - word - 1, name))
			return -EPROTO;
		seen |= 1u << key;
	}
	return (seen & SEEN_ALL) == SEEN_ALL ? 0 : -EPROTO;
}
