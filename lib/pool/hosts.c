/* hosts.c - see hosts.h: the other machines of a pool. */
#include "config.h"

#include "pool/hosts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/cut.h"
#include "worker/plan.h"

/* NOLINTBEGIN(misc-no-recursion): of MACHINE_DEPTH levels at most */

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

/* NOLINTEND(misc-no-recursion) */

int hosts_check(const struct vm_host *h, const char *where, struct words *w)
{
	return check(h, where, 1, w);
}

void hosts_shut(struct host *h)
{
	h->name = (char *)h->frame + FRAME_HEAD + sizeof(struct machine_head);
	h->knocked = false;
}

/* Returns a HOST frame with room for a record of that size, or NULL without
   memory. */
static unsigned char *new_frame(size_t size)
{
	unsigned char *frame = calloc(1, frame_length(size));

	if (frame != NULL)
		frame_head(frame, FRAME_HOST, size);
	return frame;
}

/* Makes room for a pointer.  The array doubles at each power of two. */
static int grow(struct hosts *hosts)
{
	const size_t n = hosts->count;
	struct host **more;

	if ((n & (n - 1)) != 0)
		return 0;
	more = realloc(hosts->all, MAX(2 * n, 1) * sizeof(struct host *));
	if (more == NULL)
		return -ENOMEM;
	hosts->all = more;
	return 0;
}

/* Adds a host that takes over a frame with a record of that size.  Returns 0,
   or -ENOMEM and frees the frame. */
static int add(struct hosts *hosts, unsigned char *frame, size_t size)
{
	struct host *h = calloc(1, sizeof *h);
	struct machine_head head;

	if (h == NULL || grow(hosts) < 0) {
		free(h);
		free(frame);
		return -ENOMEM;
	}
	memcpy(&head, frame + FRAME_HEAD, sizeof head);
	h->frame = frame;
	h->length = frame_length(size);
	h->first_index = head.first_index;
	h->door = head.texts == 1;
	hosts_shut(h);
	hosts->all[hosts->count++] = h;
	h->number = (int)hosts->count;
	return 0;
}

/* Adds a door, too, which has no command. */
int hosts_add(struct hosts *hosts, const struct vm_host *from)
{
	const size_t count = machine_count(from), size = machine_size(from);
	unsigned char *frame;

	if (count > MACHINE_MOST - hosts->machines)
		return -ERANGE;
	frame = new_frame(size);
	if (frame == NULL)
		return -ENOMEM;
	machine_write(frame + FRAME_HEAD, from, (int)hosts->machines + 1);
	if (add(hosts, frame, size) < 0)
		return -ENOMEM;
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
	unsigned char *frame;

	if (machine_read(record, size, &m) < 0 || m.head.texts == 1)
		return -EPROTO;
	frame = new_frame(size);
	if (frame == NULL)
		return -ENOMEM;
	memcpy(frame + FRAME_HEAD, record, size);
	return add(hosts, frame, size);
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
	h->ends_items |= h->recall.running != 0;
	forget_orders(h);
	return (size_t)(at - h->order);
}

void hosts_drop_order(struct host *h)
{
	forget_orders(h);
	h->order_until = 0;
	h->ends_items = false;
}
