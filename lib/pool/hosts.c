/* hosts.c - see hosts.h: the other machines of a pool. */
#include "config.h"

#include "pool/hosts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/cut.h"
#include "worker/plan.h"

/* Checks the hosts behind a host. */
static int check_behind(const struct vm_host *, const char *where, int depth,
    struct words *);

static int check(const struct vm_host *h, const char *where, int depth,
    struct words *w)
{
	if (depth > MACHINE_DEPTH)
		return words_set(w, EINVAL, "vm_options.hosts has hosts behind "
		    "hosts on more than %d levels.", MACHINE_DEPTH);
	if (h->command == NULL || h->command[0] == NULL)
		return words_set(w, EINVAL, "%s.command has no program to run.",
		    where);
	if ((h->workers < 0 && h->workers != VM_ELSEWHERE) ||
	    h->workers > WORKERS_MOST)
		return words_set(w, EINVAL, "%s.workers must be between 0 and "
		    "%d, or VM_ELSEWHERE.", where, WORKERS_MOST);
	if (h->host_count < 0 || (h->host_count > 0 && h->hosts == NULL))
		return words_set(w, EINVAL, "%s.host_count is %d, and .hosts "
		    "no array of that size.", where, h->host_count);
	if (h->workers == VM_ELSEWHERE && h->host_count == 0)
		return words_set(w, EINVAL, "%s.workers is VM_ELSEWHERE, "
		    "without hosts.", where);
	return check_behind(h, where, depth, w);
}

static int check_behind(const struct vm_host *h, const char *where, int depth,
    struct words *w)
{
	struct words inner;
	int r = 0;

	for (int i = 0; i < h->host_count && r == 0; i++) {
		words_set(&inner, 0, "%.120s.hosts[%d]", where, i);
		r = check(&h->hosts[i], inner.text, depth + 1, w);
	}
	return r;
}

int hosts_check(const struct vm_host *h, const char *where, struct words *w)
{
	return check(h, where, 1, w);
}

void hosts_shut(struct host *h)
{
	h->name = (char *)h->frame + FRAME_HEAD + sizeof(struct machine_head);
	h->knocked = false;
}

/* Adds a host with an empty frame for a record of that size.  Returns the place
   for the record, or NULL without memory. */
static unsigned char *add(struct hosts *hosts, size_t size)
{
	const size_t n = hosts->count;
	struct host **more, *h;

	/* The array doubles at each power of two. */
	if ((n & (n - 1)) == 0) {
		more = realloc(hosts->all,
		    MAX(2 * n, 1) * sizeof(struct host *));
		if (more == NULL)
			return NULL;
		hosts->all = more;
	}
	h = hosts->all[n] = calloc(1, sizeof *h);
	if (h == NULL)
		return NULL;
	hosts->count++;
	h->number = (int)n + 1;
	h->length = frame_length(size);
	h->frame = calloc(1, h->length);
	if (h->frame == NULL) {
		hosts_drop_last(hosts);
		return NULL;
	}
	frame_head(h->frame, FRAME_HOST, size);
	hosts_shut(h);
	return h->frame + FRAME_HEAD;
}

/* Adds a door, too, which has no command. */
int hosts_add(struct hosts *hosts, const struct vm_host *from)
{
	const size_t count = machine_count(from);
	unsigned char *record;

	if (count > MACHINE_MOST - hosts->machines)
		return -ERANGE;
	record = add(hosts, machine_size(from));
	if (record == NULL)
		return -ENOMEM;
	machine_write(record, from, (int)hosts->machines + 1);
	hosts->all[hosts->count - 1]->door = from->command == NULL;
	hosts->all[hosts->count - 1]->first_index =
	    ((int)hosts->machines + 1) * MACHINE_INDICES;
	hosts->machines += count;
	return 0;
}

int hosts_add_door(struct hosts *hosts, const char *name)
{
	const struct vm_host door = { .name = name };

	return hosts_add(hosts, &door);
}

int hosts_add_machine(struct hosts *hosts, const unsigned char *record,
    size_t size)
{
	struct machine m;
	unsigned char *copy;

	if (machine_read(record, size, &m) < 0 || m.head.texts == 1)
		return -EPROTO;
	copy = add(hosts, size);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, record, size);
	hosts->all[hosts->count - 1]->first_index = m.head.first_index;
	return 0;
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

	if (h->first_index > 0)
		hosts->machines = MIN(hosts->machines,
		    (size_t)(h->first_index / MACHINE_INDICES - 1));
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
