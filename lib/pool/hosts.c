/* hosts.c - see hosts.h: the other machines of a pool. */
#include "config.h"

#include "pool/hosts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/cut.h"
#include "worker/plan.h"

/* The bytes of a host's worker_index: room for the workers of each. */
#define INDICES_EACH 32768
/* Numbers are never used again. */
#define HOSTS_EVER (INT32_MAX / INDICES_EACH - 1)

int hosts_check(const struct vm_host *h, const char *where, struct words *w)
{
	if (h->command == NULL || h->command[0] == NULL)
		return words_set(w, EINVAL, "%s.command has no program to run.",
		    where);
	if (h->workers < 0 || h->workers > WORKERS_MOST || h->reserved != 0)
		return words_set(w, EINVAL, "%s.workers must be between 0 and "
		    "%d, and .reserved 0.", where, WORKERS_MOST);
	return 0;
}

/* The name for people: the last argument but one, or else the first. */
static const char *name_of(const struct vm_host *h)
{
	size_t n = 0;

	while (h->command[n] != NULL)
		n++;
	return h->name != NULL ? h->name : h->command[n > 1 ? n - 2 : 0];
}

void hosts_shut(struct host *h)
{
	h->name = (char *)h->frame + FRAME_HEAD + sizeof(struct far_host);
	h->knocked = false;
}

/* Fills in a zeroed host.  Returns 0 or -ENOMEM. */
static int fill(struct host *h, const struct vm_host *from, size_t number)
{
	h->number = (int)number;
	h->door = from->command == NULL;
	h->length = far_host_length(from->name, from->command);
	h->frame = malloc(h->length);
	if (h->frame == NULL)
		return -ENOMEM;
	far_write_host(h->frame, (uint32_t)from->workers, from->name,
	    from->command);
	hosts_shut(h);
	return 0;
}

/* Adds a host, or a door if it has no command. */
static int add(struct hosts *hosts, const struct vm_host *from)
{
	const size_t n = hosts->count;
	struct host **more;

	if (n >= HOSTS_EVER)
		return -ENOMEM;
	/* The array doubles at each power of two. */
	if ((n & (n - 1)) == 0) {
		more = realloc(hosts->all,
		    MAX(2 * n, 1) * sizeof(struct host *));
		if (more == NULL)
			return -ENOMEM;
		hosts->all = more;
	}
	hosts->all[n] = calloc(1, sizeof(struct host));
	if (hosts->all[n] == NULL)
		return -ENOMEM;
	hosts->count++;
	if (fill(hosts->all[n], from, n + 1) == 0)
		return 0;
	hosts_drop_last(hosts);
	return -ENOMEM;
}

int hosts_add(struct hosts *hosts, const struct vm_host *from)
{
	struct vm_host host = *from;

	host.name = name_of(from);
	return add(hosts, &host);
}

int hosts_add_door(struct hosts *hosts, const char *name)
{
	const struct vm_host door = { .name = name };

	return add(hosts, &door);
}

struct host *hosts_get(const struct hosts *hosts, int number)
{
	if (number < 1 || (size_t)number > hosts->count)
		return NULL;
	return hosts->all[number - 1];
}

void hosts_drop_last(struct hosts *hosts)
{
	struct host *h = hosts->all[--hosts->count];

	free(h->frame);
	free(h);
}

void hosts_release(struct hosts *hosts)
{
	while (hosts->count > 0)
		hosts_drop_last(hosts);
	free(hosts->all);
	*hosts = (struct hosts){ .count = 0 };
}

int hosts_index(const struct host *h)
{
	return h->number * INDICES_EACH;
}

void hosts_tell(struct host *h, const char *text, size_t size)
{
	size = cut_to(text, MIN(size, sizeof h->words - 1),
	    sizeof h->words - 1);
	memcpy(h->words, text, size);
	h->words[size] = '\0';
}

static void forget_orders(struct host *h)
{
	h->cancel_count = 0;
	h->recalls = false;
	h->recall = (struct far_recall){ .running = 0 };
}

size_t hosts_write_order(struct host *h)
{
	const size_t size = h->cancel_count * sizeof h->cancels[0];
	unsigned char *at = h->order;

	if (size > 0) {
		frame_write(at, FRAME_CANCEL, h->cancels, size);
		at += frame_length(size);
	}
	if (h->recalls) {
		frame_write(at, FRAME_RECALL, &h->recall, sizeof h->recall);
		at += frame_length(sizeof h->recall);
	}
	forget_orders(h);
	return (size_t)(at - h->order);
}

void hosts_drop_order(struct host *h)
{
	forget_orders(h);
	h->order_until = 0;
}
