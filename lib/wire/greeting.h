/*
 * greeting.h - the first words of an agent: plain text, before any frame.
 *
 * Runs in: agent, which writes it; link, which reads it.  Pure.  The command
 * that leads to another machine may print text of its own first (a banner, a
 * warning), so the link looks for a line with the magic; then lines of a key
 * and a value follow, up to an empty line:
 *
 *	vimap-agent 1		the version of this protocol
 *	order little		byte order of the frames to come
 *	word 8			bytes of a pointer
 *	identity 6c61...	of the program
 *	host h1			name of the machine
 *	cpus 4			usable CPUs
 *	name square		a worker that the program has; may repeat
 *
 * Text, as only a program of the same kind can read the frames.
 *
 * Easy to get wrong: every byte comes from elsewhere; a value is copied only as
 * far as it fits, and with a "?" for each byte that cannot be printed.
 */
#ifndef GREETING_H
#define GREETING_H

#include <stdbool.h>
#include <stddef.h>

#define GREETING_VERSION 1
/* Bytes of other text that may come before the magic, and of a greeting. */
#define GREETING_NOISE ((size_t)64 * 1024)
#define GREETING_MOST ((size_t)16 * 1024)

struct greeting {
	unsigned version;
	unsigned word;
	unsigned cpus;
	bool same_order;	/* the byte order is that of this process */
	bool has_name;		/* the wanted worker is among the names */
	char identity[72];
	char host[72];
};

/* Fills in the fields that describe this machine, apart from identity, host and
   cpus. */
void greeting_init(struct greeting *);

/* Writes the text up to the first name into a buffer of room bytes.  Returns
   its length; a name line and an empty line are to follow. */
size_t greeting_write(const struct greeting *, char *to, size_t room);

/* Looks for a whole greeting in a text.  Returns true and sets *begin to the
   magic line and *end behind the empty line; false if more must come.  *begin
   is then the length of the text that cannot be part of a greeting. */
bool greeting_find(const char *text, size_t size, size_t *begin, size_t *end);

/* Reads the greeting between those two.  name: the worker that is wanted.
   Returns 0, or -EPROTO if a line that must be there is missing or wrong. */
int greeting_read(const char *text, size_t size, const char *name,
    struct greeting *);

#endif
