/*
 * words.h - what the word counts in C share: a text in memory, and its words.
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

/* Maps a file, or leaves with a message. */
struct text text_open(const char *path);

/* Is that a blank, for tr(1) and isspace(3) in the C locale? */
static inline bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next word of [*at, end), as bytes of [*at, text's end): its length, 0 if
   there is none; *at is where it begins. */
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

/* Seconds, by the monotonic clock; of CPU time, of this process and of its
   children that it has waited for. */
double seconds(void);
double cpu_of_self(void);
double cpu_of_children(void);

#endif
