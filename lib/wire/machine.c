/* machine.c - see machine.h: writes and reads the record of a machine. */
#include "config.h"

#include "wire/machine.h"

#include <errno.h>
#include <string.h>

#include "wire/far.h"

/* ---- writer ---- */

/* The name for people: the last argument but one, or else the first. */
static const char *name_of(const struct vm_host *h)
{
	size_t n = 0;

	if (h->name != NULL)
		return h->name;
	while (h->command[n] != NULL)
		n++;
	return h->command[n > 1 ? n - 2 : 0];
}

/* The argument that makes the program there an agent. */
static const char *last_of(const struct vm_host *h)
{
	return h->host_count > 0 ? FAR_TREE : FAR_AGENT;
}

/* NOLINTBEGIN(misc-no-recursion): of MACHINE_DEPTH levels at most */

size_t machine_count(const struct vm_host *h)
{
	size_t n = 1;

	for (int i = 0; i < h->host_count; i++)
		n += machine_count(&h->hosts[i]);
	return n;
}

static size_t texts_size(const struct vm_host *h)
{
	size_t size = strlen(name_of(h)) + 1;

	if (h->command == NULL)
		return size;
	for (size_t i = 0; h->command[i] != NULL; i++)
		size += strlen(h->command[i]) + 1;
	return size + strlen(last_of(h)) + 1;
}

size_t machine_size(const struct vm_host *h)
{
	size_t size = sizeof(struct machine_head) + texts_size(h);

	for (int i = 0; i < h->host_count; i++)
		size += machine_size(&h->hosts[i]);
	return size;
}

/* Appends a text and its 0.  Returns the next place. */
static unsigned char *append(unsigned char *at, const char *text)
{
	const size_t size = strlen(text) + 1;

	memcpy(at, text, size);
	return at + size;
}

/* Writes a machine, and those behind it.  Returns the next place, and sets
   *number to the next number. */
static unsigned char *write_all(unsigned char *at, const struct vm_host *h,
    int *number, bool nested)
{
	struct machine_head head = {
		.size = machine_size(h),
		.workers = h->workers,
		.first_index = (*number)++ * MACHINE_INDICES,
		.texts = 1,
		.text_size = (uint32_t)texts_size(h),
		.behind = (uint32_t)h->host_count,
		.nested = nested,
	};
	unsigned char *begin = at;

	at = append(at + sizeof head, name_of(h));
	for (size_t i = 0; h->command != NULL && h->command[i] != NULL; i++) {
		at = append(at, h->command[i]);
		head.texts++;
	}
	if (h->command != NULL) {
		at = append(at, last_of(h));
		head.texts++;
	}
	memcpy(begin, &head, sizeof head);
	for (int i = 0; i < h->host_count; i++)
		at = write_all(at, &h->hosts[i], number, true);
	return at;
}

/* NOLINTEND(misc-no-recursion) */

void machine_write(unsigned char *at, const struct vm_host *h, int number)
{
	write_all(at, h, &number, false);
}

/* ---- reader ---- */

size_t machine_first(const unsigned char *at, size_t size)
{
	struct machine_head head;

	if (size < sizeof head)
		return 0;
	memcpy(&head, at, sizeof head);
	return head.size > sizeof head && head.size <= size ?
	    (size_t)head.size : 0;
}

/* Are there as many texts, and does the last end with a 0? */
static bool has_texts(const struct machine *m)
{
	const uint32_t size = m->head.text_size;
	uint32_t texts = 0;

	for (uint32_t i = 0; i < size; i++)
		texts += m->texts[i] == '\0';
	return size > 0 && m->texts[size - 1] == '\0' &&
	    texts == m->head.texts &&
	    (texts >= 3 || (texts == 1 && m->head.behind == 0));
}

/* Are there as many records, and nothing else? */
static bool has_behind(const struct machine *m)
{
	size_t at = 0, size;
	uint32_t count = 0;

	while ((size = machine_first(m->behind + at,
	    m->behind_size - at)) > 0) {
		at += size;
		count++;
	}
	return at == m->behind_size && count == m->head.behind;
}

int machine_read(const unsigned char *at, size_t size, struct machine *m)
{
	if (machine_first(at, size) != size || size == 0)
		return -EPROTO;
	memcpy(&m->head, at, sizeof m->head);
	if (m->head.text_size > size - sizeof m->head)
		return -EPROTO;
	m->texts = (const char *)at + sizeof m->head;
	m->behind = at + sizeof m->head + m->head.text_size;
	m->behind_size = size - sizeof m->head - m->head.text_size;
	if (!has_texts(m) || !has_behind(m) || m->head.first_index < 0 ||
	    (m->head.workers < 0 && m->head.workers != VM_ELSEWHERE))
		return -EPROTO;
	return 0;
}
