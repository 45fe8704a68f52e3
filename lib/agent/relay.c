/* relay.c - see relay.h: the way from a command to the door of a pool. */
#include "config.h"

#include "agent/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/words.h"
#include "os/door.h"
#include "os/sys.h"

/* Pauses while no pool listens. */
#define PAUSE_FIRST_MS 20
#define PAUSE_MOST_MS 1000

/* Bytes on their way in a direction. */
struct way {
	int from, to;
	char bytes[64 * 1024];
	size_t begin, end;	/* of those that are not written */
	bool ended;		/* no more bytes come */
};

static struct way in, out;

/* Reads once, behind the bytes that are not written. */
static void fill(struct way *w)
{
	ssize_t n;

	if (w->begin == w->end)
		w->begin = w->end = 0;
	n = sys_read(w->from, w->bytes + w->end, sizeof w->bytes - w->end);
	w->ended = n == 0 || (n < 0 && n != -EAGAIN);
	w->end += n > 0 ? (size_t)n : 0;
}

/* Waits between two tries; the end of standard input is the end, also behind
   the greeting of an agent. */
static void pause_for(int ms)
{
	const bool full = in.end == sizeof in.bytes;
	struct pollfd fd = { .fd = in.from, .events = full ? 0 : POLLIN };

	if (sys_poll(&fd, 1, ms) != 1)
		return;
	if (fd.revents & POLLIN)
		fill(&in);
	else
		in.ended = true;
	if (in.ended)
		sys_exit(EXIT_FAILURE);
}

static int find_door(const char *door)
{
	int ms = PAUSE_FIRST_MS, r;

	while ((r = door_connect(door)) == -ENOENT || r == -ECONNREFUSED ||
	    r == -EAGAIN) {
		pause_for(ms);
		ms = MIN(2 * ms, PAUSE_MOST_MS);
	}
	if (r >= 0)
		return r;
	fprintf(stderr, "The door '%.200s' cannot be reached: %s.\n", door,
	    words_of(-r));
	sys_exit(EXIT_FAILURE);
}

/* Reads if there is room, writes if there are bytes, each once.  Returns false
   if the other side takes no more. */
static bool pass(struct way *w)
{
	ssize_t n;

	if (w->begin == w->end && !w->ended)
		fill(w);
	if (w->begin == w->end)
		return true;
	n = sys_write(w->to, w->bytes + w->begin, w->end - w->begin);
	w->begin += n > 0 ? (size_t)n : 0;
	return n >= 0 || n == -EAGAIN;
}

static void await(void)
{
	struct way *ways[] = { &in, &out };
	struct pollfd fds[2];

	for (int i = 0; i < 2; i++) {
		const bool full = ways[i]->begin < ways[i]->end;

		fds[i] = (struct pollfd){
			.fd = full ? ways[i]->to : ways[i]->from,
			.events = full ? POLLOUT : POLLIN,
		};
	}
	sys_poll(fds, COUNTOF(fds), -1);
}

void relay_run(const char *door)
{
	sys_ignore(SIGPIPE);
	if (sys_nonblock(0) < 0 || sys_nonblock(1) < 0)
		sys_exit(EXIT_FAILURE);
	in = (struct way){ .from = 0 };
	in.to = find_door(door);
	out = (struct way){ .from = in.to, .to = 1 };
	while (pass(&in) && pass(&out)) {
		if ((in.ended && in.begin == in.end) ||
		    (out.ended && out.begin == out.end))
			sys_exit(EXIT_SUCCESS);
		await();
	}
	sys_exit(EXIT_FAILURE);
}
