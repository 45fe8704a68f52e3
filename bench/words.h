/*
 * words.h - helpers of the word counts in C: a mapped text, and its words.
 */
#ifndef WORDS_OF_BENCH_H
#define WORDS_OF_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	const char *at;
	size_t size;
};

/* Maps a file into memory.  Exits with a message on failure. */
struct text text_open(const char *path);

/* Is that a blank, for tr(1) and isspace(3) in the C locale? */
static inline bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Finds the next word that begins in [*at, end); it may extend to text_end.
   Sets *at to its start and returns its length, or 0 if there is none. */
static inline size_t next_word(const char **at, const char *end,
    const char *text_end)
{
	const char *p = *at, *word;

	while (p < end && is_blank(*p))
		p++;
	if (p == end)
		return 0;
	for (word = p; p < text_end && !is_blank(*p); p++)
		continue;
	*at = word;
	return (size_t)(p - word);
}

#endif
