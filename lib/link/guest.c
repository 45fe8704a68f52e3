/* guest.c - see guest.h: an agent that joins. */
#include "config.h"

#include "link/guest.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/base.h"
#include "os/door.h"
#include "os/sys.h"
#include "wire/far.h"

/* Time of a connection until its greeting is whole. */
#define GREETING_NS (10000 * MS_IN_NS)

/* Waits for a connection.  Returns 0 or -errno. */
static int take(struct command *c, int door)
{
	struct pollfd fd = { .fd = door, .events = POLLIN };

	c->length = c->said_length = 0;
	while ((c->in = door_accept(door)) == -EAGAIN)
		sys_poll(&fd, 1, -1);
	c->out = c->in < 0 ? c->in : sys_copy(c->in);
	if (c->out < 0)
		sys_close(&c->in);
	return MIN(c->out, 0);
}

/* Tells the guest why it is not let in, and closes its connection.  An empty
   socket has room for the text. */
static void refuse(struct command *c, const struct words *w)
{
	unsigned char frame[sizeof w->text + 32];
	const size_t size = strlen(w->text);

	frame_write(frame, FRAME_REFUSED, w->text, size);
	sys_write(c->out, frame, frame_length(size));
	sys_close(&c->in);
	sys_close(&c->out);
}

/* Has an agent that greeted ended since?  It waits for BEGIN, so any event is
   its end, or a breach of the protocol.  While the pool has no place for it, a
   guest waits in the queue of the socket, and gives up after a while. */
static bool is_gone(const struct command *c)
{
	struct pollfd fd = { .fd = c->in, .events = POLLIN };

	return sys_poll(&fd, 1, 0) != 0;
}

static int knock(struct caller *caller, const char *host)
{
	int r = caller_tell(caller, FRAME_KNOCK, host,
	    strnlen(host, FAR_NAME));

	return r < 0 ? r : caller_flush(caller);
}

/* Takes a connection, and reads its greeting.  Returns 1; 0 if it was refused,
   or has ended; or -errno with words. */
static int receive(struct command *c, int door, const char *name,
    struct caller *caller, struct greeting *g, struct words *w)
{
	int r = take(c, door);

	if (r == 0)
		r = knock(caller, "");
	if (r < 0)
		return words_set(w, -r, "No connection could be accepted: %s.",
		    words_of(-r));
	r = command_greet(c, name, sys_now() + GREETING_NS, g, w);
	if (r == 0 && is_gone(c))
		r = words_set(w, EPIPE, "The agent ended before it was let "
		    "in.");
	if (r < 0)
		refuse(c, w);
	return r == 0;
}

int guest_await(struct command *c, int door, const char *name,
    struct caller *caller, struct greeting *g, struct words *w)
{
	int r;

	while ((r = receive(c, door, name, caller, g, w)) == 0)
		continue;
	return r < 0 ? r : knock(caller, g->host);
}
