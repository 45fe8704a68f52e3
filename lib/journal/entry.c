/* entry.c - see entry.h: writes and reads entries of a journal. */
#include "config.h"

#include "journal/entry.h"

#include <errno.h>
#include <string.h>

#include "journal/little.h"

/* Offsets in a head. */
enum {
	HEAD_CHECK = 0,		/* of the bytes behind it */
	HEAD_SIZE = 8,
	HEAD_DATA_CHECK = 16,
	HEAD_KEY = 24,
	HEAD_INDEX = 40,
	HEAD_WALL = 48,
	HEAD_CPU = 56,
	HEAD_TYPE = 64,
	HEAD_ATTEMPTS = 68,
	HEAD_BITS = 72		/* 32 bits, then as many zeroes */
};
#define REPLACES 1u

/* Offsets in the data of a failure; the texts follow, a 0 behind each. */
enum {
	DATA_CAUSE = 0,
	DATA_CODE = 4,
	DATA_SIGNAL = 8,
	DATA_EXIT_STATUS = 12,
	DATA_BITS = 16,
	DATA_MESSAGE = 20,	/* sizes of the texts */
	DATA_TRACEBACK = 24,
	DATA_TAIL = 28,
	DATA_MAX_RSS = 32,
	DATA_TEXTS = 40
};
#define CORE_DUMPED 1u
#define OUT_OF_MEMORY 2u
/* The size of a text that there is not. */
#define NO_TEXT UINT32_MAX

uint64_t entry_check(const struct digest *secret, const void *data,
    size_t size)
{
	return digest_of(secret, data, size).word[0];
}

void entry_write(unsigned char to[ENTRY_HEAD], const struct entry *e,
    const struct digest *secret)
{
	memset(to, 0, ENTRY_HEAD);
	little_put64(to + HEAD_SIZE, e->size);
	little_put64(to + HEAD_DATA_CHECK, e->check);
	little_put64(to + HEAD_KEY, e->key.word[0]);
	little_put64(to + HEAD_KEY + 8, e->key.word[1]);
	little_put64(to + HEAD_INDEX, e->index);
	little_put64(to + HEAD_WALL, e->wall_ns);
	little_put64(to + HEAD_CPU, e->cpu_ns);
	little_put32(to + HEAD_TYPE, (uint32_t)e->type);
	little_put32(to + HEAD_ATTEMPTS, e->attempts);
	little_put32(to + HEAD_BITS, e->replaces ? REPLACES : 0);
	little_put64(to + HEAD_CHECK, entry_check(secret, to + HEAD_SIZE,
	    ENTRY_HEAD - HEAD_SIZE));
}

int entry_read(struct entry *e, const unsigned char from[ENTRY_HEAD],
    const struct digest *secret)
{
	uint32_t type = little_get32(from + HEAD_TYPE);

	/* The type first, as most bytes that are no head have none. */
	if (type < ENTRY_BEGIN || type > ENTRY_FAILURE ||
	    little_get64(from + HEAD_CHECK) != entry_check(secret,
	    from + HEAD_SIZE, ENTRY_HEAD - HEAD_SIZE))
		return -EPROTO;
	*e = (struct entry){
		.type = (enum entry_type)type,
		.key = { { little_get64(from + HEAD_KEY),
		    little_get64(from + HEAD_KEY + 8) } },
		.index = little_get64(from + HEAD_INDEX),
		.wall_ns = little_get64(from + HEAD_WALL),
		.cpu_ns = little_get64(from + HEAD_CPU),
		.attempts = little_get32(from + HEAD_ATTEMPTS),
		.replaces = little_get32(from + HEAD_BITS) & REPLACES,
		.size = little_get64(from + HEAD_SIZE),
		.check = little_get64(from + HEAD_DATA_CHECK),
	};
	return 0;
}

/* ---- failures ---- */

/* Returns the bytes of a text with its 0. */
static size_t text_size(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

size_t entry_failure_size(const struct entry_failure *f)
{
	return DATA_TEXTS + text_size(f->message) + text_size(f->traceback) +
	    text_size(f->stderr_tail);
}

/* Stores the size of a text, and the text.  Returns a pointer behind it. */
static unsigned char *put_text(unsigned char *size, unsigned char *to,
    const char *text)
{
	size_t n = text_size(text);

	little_put32(size, n > 0 ? (uint32_t)(n - 1) : NO_TEXT);
	if (n > 0)
		memcpy(to, text, n);
	return to + n;
}

void entry_write_failure(unsigned char *to, const struct entry_failure *f)
{
	unsigned char *at = to + DATA_TEXTS;

	little_put32(to + DATA_CAUSE, f->cause);
	little_put32(to + DATA_CODE, (uint32_t)f->code);
	little_put32(to + DATA_SIGNAL, (uint32_t)f->signal);
	little_put32(to + DATA_EXIT_STATUS, (uint32_t)f->exit_status);
	little_put32(to + DATA_BITS, (f->core_dumped ? CORE_DUMPED : 0) |
	    (f->out_of_memory ? OUT_OF_MEMORY : 0));
	little_put64(to + DATA_MAX_RSS, f->max_rss);
	at = put_text(to + DATA_MESSAGE, at, f->message);
	at = put_text(to + DATA_TRACEBACK, at, f->traceback);
	put_text(to + DATA_TAIL, at, f->stderr_tail);
}

/* Takes a text of the given size out of the data that are left.  Returns false
   if they do not have it. */
static bool get_text(const unsigned char *size, const unsigned char **at,
    size_t *left, const char **text)
{
	uint32_t n = little_get32(size);

	*text = NULL;
	if (n == NO_TEXT)
		return true;
	if (n >= *left || memchr(*at, '\0', (size_t)n + 1) != *at + n)
		return false;
	*text = (const char *)*at;
	*at += (size_t)n + 1;
	*left -= (size_t)n + 1;
	return true;
}

int entry_read_failure(struct entry_failure *f, const unsigned char *from,
    size_t size)
{
	const unsigned char *at = from + DATA_TEXTS;
	size_t left = size - DATA_TEXTS;
	uint32_t bits;

	if (size < DATA_TEXTS)
		return -EPROTO;
	bits = little_get32(from + DATA_BITS);
	*f = (struct entry_failure){
		.cause = little_get32(from + DATA_CAUSE),
		.code = (int32_t)little_get32(from + DATA_CODE),
		.signal = (int32_t)little_get32(from + DATA_SIGNAL),
		.exit_status = (int32_t)little_get32(from + DATA_EXIT_STATUS),
		.core_dumped = bits & CORE_DUMPED,
		.out_of_memory = bits & OUT_OF_MEMORY,
		.max_rss = little_get64(from + DATA_MAX_RSS),
	};
	if (!get_text(from + DATA_MESSAGE, &at, &left, &f->message) ||
	    !get_text(from + DATA_TRACEBACK, &at, &left, &f->traceback) ||
	    !get_text(from + DATA_TAIL, &at, &left, &f->stderr_tail) ||
	    f->message == NULL || left > 0)
		return -EPROTO;
	return 0;
}
