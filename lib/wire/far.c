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
	    VM_GARBLED | VM_CANCELLED | VM_LOST;

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
	    !text(&at, &left, o->head.tail_size, &o->tail) ||
	    !text(&at, &left, o->head.host_size, &o->host) || left != 0)
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
	    (size_t)(o->tail_size + 1) + (size_t)(o->host_size + 1);
}

size_t far_outcome_length(struct outcome_told *o)
{
	o->head.traceback_size = size_of(o->traceback);
	o->head.tail_size = size_of(o->tail);
	o->head.host_size = size_of(o->host);
	return frame_length(body_of(&o->head));
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

void far_write_outcome(unsigned char *at, const struct outcome_told *o)
{
	size_t size = body_of(&o->head);
	char *text = (char *)at + FRAME_HEAD + sizeof o->head;

	frame_head(at, FRAME_OUTCOME, size);
	memcpy(at + FRAME_HEAD, &o->head, sizeof o->head);
	text = append_cut(text, o->traceback, o->head.traceback_size);
	text = append_cut(text, o->tail, o->head.tail_size);
	append_cut(text, o->host, o->head.host_size);
	frame_pad(at, size);
}

int far_begin(const unsigned char *body, size_t size, struct begin_told *s)
{
	const struct far_begin *head = &s->head;
	size_t left;

	if (size < sizeof *head)
		return -EPROTO;
	memcpy(&s->head, body, sizeof *head);
	left = size - sizeof *head;
	if (head->name_size > left ||
	    head->config_size > left - head->name_size ||
	    head->behind_size != left - head->name_size - head->config_size)
		return -EPROTO;
	s->name = (const char *)body + sizeof *head;
	s->config = s->name + head->name_size;
	s->behind = (const unsigned char *)s->config + head->config_size;
	return 0;
}

static size_t begin_size(const struct far_begin *head)
{
	return sizeof *head + head->name_size + (size_t)head->config_size +
	    (size_t)head->behind_size;
}

size_t far_begin_length(const struct begin_told *s)
{
	return frame_length(begin_size(&s->head));
}

void far_write_begin(unsigned char *at, const struct begin_told *s)
{
	const struct far_begin *head = &s->head;
	unsigned char *to = at + FRAME_HEAD + sizeof *head;

	frame_head(at, FRAME_BEGIN, begin_size(head));
	memcpy(at + FRAME_HEAD, head, sizeof *head);
	memcpy(to, s->name, head->name_size);
	to += head->name_size;
	buf_copy(to, s->config, (size_t)head->config_size);
	to += head->config_size;
	buf_copy(to, s->behind, (size_t)head->behind_size);
	frame_pad(at, begin_size(head));
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
