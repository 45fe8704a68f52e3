/* doors.c - see doors.h: machines that join. */
#include "config.h"

#include "engine/doors.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "engine/debug.h"
#include "engine/engine.h"
#include "os/fdlist.h"

/* Doors with a connection that has not greeted yet, at most: as many
   connections of strangers are open at a time. */
#define STRANGERS_MOST 8

/* ---- the socket ---- */

static int explain(struct engine *e, int error)
{
	const char *name = e->set.listen;

	if (error == EADDRINUSE)
		return words_set(e->words, error, "vm_options.listen: there is "
		    "a file '%.200s', or another pool listens there.", name);
	if (error == EINVAL)
		return words_set(e->words, error, "vm_options.listen must be a "
		    "path, or a name of A-Z a-z 0-9 . _ - .");
	if (error == EPERM)
		return words_set(e->words, error, "The pool cannot listen at "
		    "'%.200s' (vm_options.listen): the directory of its "
		    "socket is another user's or open to others.", name);
	return words_set(e->words, error, "The pool cannot listen at '%.200s' "
	    "(vm_options.listen): %s.", name, words_of(error));
}

int doors_open(struct engine *e)
{
	int r;

	if (e->set.listen == NULL)
		return 0;
	r = door_open(&e->doors.door, e->set.listen);
	if (r < 0)
		return explain(e, -r);
	doors_watch(e);
	return 0;
}

void doors_hand_over(struct engine *e)
{
	fdlist_drop(&e->doors.door.fd);
}

void doors_close(struct engine *e, bool foreign, void (*close)(int *fd))
{
	if (foreign)
		e->doors.door.path[0] = '\0';
	door_close(&e->doors.door, close);
}

/* ---- doors ---- */

/* Is the host a door that no machine has come through? */
static bool is_open(const struct host *h)
{
	return h->door && h->member != NULL && h->member->wanted &&
	    !member_is_ready(h->member);
}

void doors_watch(struct engine *e)
{
	struct hosts *hosts = &e->set.hosts;
	size_t waiting = 0, strangers = 0;

	if (e->set.listen == NULL || e->fate.closing || e->fate.finishing ||
	    e->fate.broken)
		return;
	for (size_t i = 0; i < hosts->count; i++) {
		waiting += is_open(hosts->all[i]) && !hosts->all[i]->knocked;
		strangers += is_open(hosts->all[i]) && hosts->all[i]->knocked;
	}
	if (waiting > 0 || strangers >= STRANGERS_MOST ||
	    hosts_add_door(hosts, e->set.listen) < 0)
		return;
	if (!crew_add_host(&e->crew, hosts->all[hosts->count - 1]))
		hosts_drop_last(hosts);
}

/* Copies the name of a machine, with a "?" for each byte that cannot be
   printed. */
static void name(struct host *h, const struct frame *f)
{
	memcpy(h->guest, f->body, f->size);
	h->guest[f->size] = '\0';
	for (size_t i = 0; i < f->size; i++)
		if (h->guest[i] <= ' ' || h->guest[i] >= 127)
			h->guest[i] = '?';
	h->name = h->guest;
}

int doors_knock(struct engine *e, struct member *m, const struct frame *f)
{
	struct host *h = hosts_get(&e->set.hosts, m->host);

	if (m->host == 0 || !h->door || f->size > FAR_NAME)
		return -EPROTO;
	if (f->size > 0) {
		name(h, f);
		debug_say(e, "joins: host %s", h->name);
	}
	h->knocked = true;
	doors_watch(e);
	return 0;
}
