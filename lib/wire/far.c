/* far.c - see far.h: reads the frames between a link and its agent. */
#include "config.h"

#include "wire/far.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/base.h"
#include "vimap.h"

/* Takes a text of that size, and the 0 behind it, from *at on, where *left
   bytes are.  Returns false if it is not there. */
static bool text(const char **at, size_t *left, int32_t size, const char **to)
{
	*to = NULL;
	if (size == -1)
		return true;
	if (size < 0 || size > FAR_TEXT || (size_t)size + 1 > *left ||
	    (*at)[size] != '\0')
		return false;
	*to = *at;
	*at += size + 1;
	*left -= (size_t)size + 1;
	return true;
}

static bool is_possible(const struct far_outcome *o)
{
	const unsigned causes = VM_KILLED | VM_EXITED | VM_TIMED_OUT |
	    VM_GARBLED | VM_CANCELLED;

	return (o->cause & ~causes) == 0 && o->cause != 0 &&
	    (o->cause & (o->cause - 1)) == 0 && o->signal >= 0 &&
	    o->signal <= 64 && o->core_dumped <= 1 && o->out_of_memory <= 1 &&
	    o->exit_status >= -1 && o->exit_status <= 255 && o->pid >= 0;
}

int far_outcome(const unsigned char *body, size_t size, struct outcome_told *o)
{
	const char *at = (const char *)body + sizeof o->head;
	size_t left;

	if (size < sizeof o->head)
		return -EPROTO;
	memcpy(&o->head, body, sizeof o->head);
	left = size - sizeof o->head;
	if (!is_possible(&o->head) ||
	    !text(&at, &left, o->head.traceback_size, &o->traceback) ||
	    !text(&at, &left, o->head.tail_size, &o->tail) || left != 0)
		return -EPROTO;
	return 0;
}

static int32_t size_of(const char *text)
{
	return text ? (int32_t)MIN(strlen(text), FAR_TEXT) : -1;
}

static size_t body_of(const struct far_outcome *o)
{
	return sizeof *o + (size_t)(o->traceback_size + 1) +
	    (size_t)(o->tail_size + 1);
}

size_t far_outcome_length(struct far_outcome *o, const char *traceback,
    const char *tail)
{
	o->traceback_size = size_of(traceback);
	o->tail_size = size_of(tail);
	return frame_length(body_of(o));
}

/* Appends a text of that size and a 0.  Returns the next place. */
static char *append_cut(char *at, const char *text, int32_t size)
{
	if (size < 0)
		return at;
	memcpy(at, text, (size_t)size);
	at[size] = '\0';
	return at + size + 1;
}

void far_write_outcome(unsigned char *at, const struct far_outcome *o,
    const char *traceback, const char *tail)
{
	const size_t size = body_of(o);
	char *text = (char *)at + FRAME_HEAD + sizeof *o;

	frame_head(at, FRAME_OUTCOME, size);
	memcpy(at + FRAME_HEAD, o, sizeof *o);
	text = append_cut(text, traceback, o->traceback_size);
	append_cut(text, tail, o->tail_size);
	frame_pad(at, size);
}

int far_begin(const unsigned char *body, size_t size, struct begin_told *s)
{
	size_t left;

	if (size < sizeof s->head)
		return -EPROTO;
	memcpy(&s->head, body, sizeof s->head);
	left = size - sizeof s->head;
	if (s->head.name_size > left ||
	    s->head.config_size != left - s->head.name_size)
		return -EPROTO;
	s->name = (const char *)body + sizeof s->head;
	s->config = body + sizeof s->head + s->head.name_size;
	return 0;
}

void far_write_begin(unsigned char *at, const struct far_begin *head,
    const char *name, const void *config)
{
	unsigned char *body = at + FRAME_HEAD;
	size_t size = sizeof *head + head->name_size +
	    (size_t)head->config_size;

	frame_head(at, FRAME_BEGIN, size);
	memcpy(body, head, sizeof *head);
	memcpy(body + sizeof *head, name, head->name_size);
	buf_copy(body + sizeof *head + head->name_size, config,
	    (size_t)head->config_size);
	frame_pad(at, size);
}

size_t far_write_failure(unsigned char *at, enum frame_kind kind, int code,
    const char *text, size_t size)
{
	const struct frame_failure why = { .code = code, .cause = VM_FAILED,
		.message_size = (uint32_t)size, .tail_size = -1 };

	frame_head(at, kind, sizeof why + size);
	memcpy(at + FRAME_HEAD, &why, sizeof why);
	memcpy(at + FRAME_HEAD + sizeof why, text, size);
	frame_pad(at, sizeof why + size);
	return frame_length(sizeof why + size);
}

/* ---- hosts ---- */

size_t far_host_length(const char *name, const char *const *command)
{
	size_t size = sizeof(struct far_host) + strlen(name) + 1;

	if (command != NULL)
		size += sizeof FAR_AGENT;
	for (; command != NULL && *command != NULL; command++)
		size += strlen(*command) + 1;
	return frame_length(size);
}

/* Appends a text and its 0.  Returns the next place. */
static char *append(char *at, const char *text)
{
	const size_t size = strlen(text) + 1;

	memcpy(at, text, size);
	return at + size;
}

void far_write_host(unsigned char *at, uint32_t workers, const char *name,
    const char *const *command)
{
	struct far_host head = { .workers = workers,
		.texts = command != NULL ? 2 : 1 };
	char *body = (char *)at + FRAME_HEAD, *to = body + sizeof head;
	size_t size;

	to = append(to, name);
	for (; command != NULL && *command != NULL; command++, head.texts++)
		to = append(to, *command);
	if (command != NULL)
		to = append(to, FAR_AGENT);
	memcpy(body, &head, sizeof head);
	size = (size_t)(to - body);
	frame_head(at, FRAME_HOST, size);
	frame_pad(at, size);
}

int far_host(unsigned char *body, size_t size, struct host_told *h)
{
	uint32_t texts = 0;

	if (size <= sizeof h->head || body[size - 1] != '\0')
		return -EPROTO;
	memcpy(&h->head, body, sizeof h->head);
	h->texts = (char *)body + sizeof h->head;
	for (size_t i = sizeof h->head; i < size; i++)
		texts += body[i] == '\0';
	return texts == h->head.texts && texts >= 1 ? 0 : -EPROTO;
}
