/* command.c - see command.h: a command that leads to another machine. */
#include "config.h"

#include "link/command.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/cut.h"
#include "os/identity.h"
#include "os/sys.h"
#include "wire/far.h"

/* Most time for standard error after the end of standard output. */
#define REST_NS (1000 * MS_IN_NS)

/* ---- start ---- */

/* Copies the record of a HOST frame, and lists its arguments.  Returns 0 or
   -errno. */
static int read_host(struct command *c, const void *body, size_t size)
{
	struct machine *m = &c->machine;
	char *text;
	int r;

	c->memory = malloc(size);
	if (c->memory == NULL)
		return -ENOMEM;
	memcpy(c->memory, body, size);
	r = machine_read(c->memory, size, m);
	if (r < 0)
		return r;
	c->arguments = calloc(m->head.texts + 1, sizeof *c->arguments);
	if (c->arguments == NULL)
		return -ENOMEM;
	text = (char *)c->memory + sizeof m->head;
	c->name = text;
	c->door = m->head.texts == 1;
	c->arguments[0] = text;
	for (uint32_t i = 0; i + 1 < m->head.texts; i++) {
		text += strlen(text) + 1;
		c->arguments[i] = text;
	}
	return 0;
}

int command_start(struct command *c, const void *body, size_t size,
    struct words *w)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, errors[2] = { -1, -1 };
	int r;

	*c = (struct command){ .in = -1, .out = -1, .errors = -1 };
	r = read_host(c, body, size);
	if (r == 0 && c->door)
		return 0;
	if (r == 0)
		r = sys_pipe(in);
	if (r == 0)
		r = sys_pipe(out);
	if (r == 0)
		r = sys_pipe(errors);
	if (r == 0)
		r = sys_run(c->arguments,
		    (int[]){ in[0], out[1], errors[1] });
	if (r > 0)
		r = sys_nonblock(in[1]);
	if (r == 0)
		r = sys_nonblock(out[0]);
	if (r == 0)
		r = sys_nonblock(errors[0]);
	sys_close(&in[0]);
	sys_close(&out[1]);
	sys_close(&errors[1]);
	c->out = in[1];
	c->in = out[0];
	c->errors = errors[0];
	if (r < 0)
		words_set(w, -r, "The command '%s' could not be started: %s.",
		    c->arguments != NULL ? c->arguments[0] : "",
		    words_of(-r));
	return r;
}

/* ---- standard error ---- */

/* Writes a line with the host's name before it, in a single write if it can. */
static void pass_on(const struct command *c)
{
	char text[sizeof c->line + 80];
	struct words w;
	size_t size;

	words_set(&w, 0, "%.64s: %.*s", c->name, (int)c->length,
	    c->line);
	size = strlen(w.text);
	memcpy(text, w.text, size);
	text[size] = '\n';
	sys_write(2, text, size + 1);
}

/* Adds a byte of standard error.  A line that is too long is cut in pieces. */
static void add(struct command *c, char byte)
{
	if (c->whole)
		c->length = 0;
	c->whole = byte == '\n' || c->length == sizeof c->line - 2;
	if (byte != '\n' && byte != '\r' && byte != '\0')
		c->line[c->length++] = byte;
	if (c->whole && c->loud && c->length > 0)
		pass_on(c);
	/* An empty line says nothing: the one before is kept. */
	if (c->whole && c->length == 0)
		c->whole = false;
}

void command_hear(struct command *c)
{
	char block[1024];
	ssize_t n = sys_read(c->errors, block, sizeof block);

	for (ssize_t i = 0; i < n; i++)
		add(c, block[i]);
	if (n == 0 || (n < 0 && n != -EAGAIN))
		sys_close(&c->errors);
}

void command_hear_rest(struct command *c)
{
	struct pollfd fd = { .fd = c->errors, .events = POLLIN };
	const uint64_t until = sys_now() + REST_NS;

	while (c->errors >= 0 && sys_now() < until &&
	    sys_poll(&fd, 1, 200) == 1)
		command_hear(c);
}

/* ---- the greeting ---- */

/* Keeps the beginning of other text. */
static void keep(struct command *c, const char *text, size_t size)
{
	size = MIN(size, sizeof c->said - c->said_length);
	memset(c->said + c->said_length, ' ', size);
	for (size_t i = 0; i < size; i++, c->said_length++)
		if (text[i] >= ' ' && text[i] < 127)
			c->said[c->said_length] = text[i];
}

/* Sets the words of a command, or of a connection, that brought no greeting. */
static int nothing(struct command *c, int error, const char *why,
    struct words *w)
{
	int text = (int)cut_to(c->line, c->length, 300);
	int said = (int)cut_to(c->said, c->said_length, 200);

	words_set(w, 0, c->door ? "The connection to '%.80s' %s." :
	    "The command '%.80s' %s.", c->arguments[0], why);
	if (text > 0)
		words_add(w, "  It wrote to standard error: %.*s", text,
		    c->line);
	if (said > 0)
		words_add(w, "  It wrote: %.*s", said, c->said);
	return -error;
}

/* Reads standard output once into the buffer of GREETING_NOISE bytes.  Returns
   1, 0 at its end, or -EAGAIN. */
static int fill(struct command *c, char *text, size_t *size)
{
	ssize_t n = sys_read(c->in, text + *size, GREETING_NOISE - *size);

	*size += n > 0 ? (size_t)n : 0;
	return n == -EAGAIN ? -EAGAIN : n > 0;
}

/* Waits until the command writes anything.  Returns 0, or -ETIMEDOUT. */
static int await(struct command *c, uint64_t deadline)
{
	struct pollfd fds[] = {
		{ .fd = c->in, .events = POLLIN },
		{ .fd = c->errors, .events = POLLIN },
	};
	uint64_t now = sys_now();
	int ms = (int)MIN((deadline - now) / MS_IN_NS, 1000) + 1;

	if (now >= deadline)
		return -ETIMEDOUT;
	sys_poll(fds, COUNTOF(fds), ms);
	if (fds[1].revents != 0)
		command_hear(c);
	return 0;
}

/* Can the text still become a greeting?  r: as fill() returned; noise: bytes
   that belong to none.  Returns 0, or -errno with words. */
static int judge(struct command *c, int r, size_t size, size_t noise,
    struct words *w)
{
	if (r == 0 && c->door)
		return nothing(c, EPIPE, "ended before an agent had greeted",
		    w);
	if (r == 0) {
		command_hear_rest(c);
		return nothing(c, EPIPE, "ended, and no agent answered: the "
		    "program there must call vm_agent() first in main()", w);
	}
	/* No shell writes to the door of a pool: an agent that joins begins
	   with an empty line and the magic. */
	if (c->door && noise > 1)
		return nothing(c, EPROTO, "does not begin as that of an agent",
		    w);
	if (size == GREETING_NOISE)
		return nothing(c, EPROTO, "wrote 64 KiB, and nothing of an "
		    "agent", w);
	return 0;
}

/* Reads until there is a whole greeting.  Returns 0 or -errno with words. */
static int read_greeting(struct command *c, char *text, size_t *begin,
    size_t *end, uint64_t deadline, struct words *w)
{
	size_t size = 0;
	int r, error;

	for (;;) {
		r = fill(c, text, &size);
		if (greeting_find(text, size, begin, end))
			break;
		c->said_length = 0;
		keep(c, text, size);
		error = judge(c, r, size, *begin, w);
		if (error < 0)
			return error;
		if (r < 0 && await(c, deadline) < 0)
			return nothing(c, ETIMEDOUT, c->door ?
			    "brought no greeting in time" : "brought no agent "
			    "within connect_timeout_ms", w);
	}
	/* The agent waits for BEGIN before it goes on. */
	if (*end != size)
		return nothing(c, EPROTO, "brought an agent that breaks the "
		    "protocol", w);
	return 0;
}

static int check(const struct greeting *g, const char *name, struct words *w)
{
	char own[IDENTITY_SIZE];

	identity_of_program(own);
	if (g->version != GREETING_VERSION)
		return words_set(w, FAR_NEVER, "The agent speaks version %u of "
		    "the protocol, this library version %u.", g->version,
		    GREETING_VERSION);
	if (!g->same_order || g->word != sizeof(void *))
		return words_set(w, FAR_NEVER, "The agent's machine is of "
		    "another kind: its byte order or word size differs.");
	if (!g->has_name)
		return words_set(w, FAR_NEVER, "The program there has no "
		    "worker of the name '%.64s'.", name);
	if (strcmp(own, g->identity) != 0 || strcmp(own, "unknown") == 0)
		return words_set(w, FAR_NEVER, "The program there is another "
		    "build: its identity is %s, that of this program %s.",
		    g->identity, own);
	return 0;
}

int command_greet(struct command *c, const char *name, uint64_t deadline,
    struct greeting *g, struct words *w)
{
	char *text = malloc(GREETING_NOISE);
	size_t begin, end;
	int r = -ENOMEM;

	if (text != NULL)
		r = read_greeting(c, text, &begin, &end, deadline, w);
	else
		words_set(w, ENOMEM, "There was no memory for a greeting.");
	if (r == 0) {
		r = greeting_read(text + begin, end - begin, name, g);
		if (r < 0)
			nothing(c, EPROTO, "brought a greeting that is no "
			    "agent's", w);
	}
	free(text);
	return r == 0 ? check(g, name, w) : r;
}
