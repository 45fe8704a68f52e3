/* peer.c - see peer.h: the agent as its link sees it. */
#include "config.h"

#include "link/peer.h"

#include <errno.h>

#include "base/base.h"
#include "os/sys.h"
#include "worker/plan.h"

/* Pings in the time after which silence is a loss. */
#define PINGS 4
/* Interval of the pings that measure a connection in use. */
#define MEASURE_NS (100 * MS_IN_NS)

void peer_open(struct peer *p, uint64_t silence_ns)
{
	channel_open(&p->channel, p->command.in, -1);
	p->silence_ns = silence_ns;
	p->heard_at = p->told_at = sys_now();
}

int peer_begin(struct peer *p, const struct begin_told *begin)
{
	unsigned char *at = outbox_add(&p->out, far_begin_length(begin));

	if (at == NULL)
		return -ENOMEM;
	far_write_begin(at, begin);
	return 0;
}

/* With machines behind it, the agent has more workers than were asked for. */
int peer_crew(const struct peer *p, const struct frame *f,
    struct far_begun *said)
{
	const struct machine_head *host = &p->command.machine.head;

	if (frame_body(f, said, sizeof *said) < 0 || said->workers == 0 ||
	    said->workers > WORKERS_MOST)
		return -EPROTO;
	return host->behind > 0 || host->workers == 0 ||
	    said->workers == (uint32_t)host->workers ? 0 : -EPROTO;
}

int peer_tell(struct peer *p, enum frame_kind kind, const void *body,
    size_t size)
{
	return outbox_tell(&p->out, kind, body, size);
}

int peer_ping(struct peer *p)
{
	p->told_at = p->pinged_at = sys_now();
	p->pings++;
	return peer_tell(p, FRAME_PING, NULL, 0);
}

void peer_write(struct peer *p)
{
	ssize_t n = outbox_write(&p->out, p->command.out);

	p->traffic.bytes_out = p->out.total;
	if (n >= 0)
		p->told_at = sys_now();
	/* The agent's last words, or the end of its output, say more. */
	else if (n != -EAGAIN)
		sys_close(&p->command.out);
}

int peer_fill(struct peer *p)
{
	int r = channel_fill(&p->channel);

	p->traffic.bytes_in = channel_brought(&p->channel);
	if (r > 0)
		p->heard_at = sys_now();
	return r;
}

int peer_measure(struct peer *p)
{
	if (p->pings > 0 || sys_now() - p->pinged_at < MEASURE_NS)
		return 0;
	return peer_ping(p);
}

void peer_ponged(struct peer *p)
{
	uint64_t *least = &p->traffic.round_trip;
	const uint64_t trip = sys_now() - p->pinged_at;

	if (p->pings == 1 && (*least == 0 || trip < *least))
		*least = trip;
	if (p->pings > 0)
		p->pings--;
}

uint64_t peer_wake_at(const struct peer *p)
{
	const uint64_t ping = outbox_left(&p->out) > 0 ? NEVER :
	    p->told_at + p->silence_ns / PINGS;

	return MIN(ping, p->heard_at + p->silence_ns);
}

int peer_mind_clock(struct peer *p, bool heeding)
{
	uint64_t now = sys_now();

	if (!heeding)
		p->heard_at = now;
	if (now - p->heard_at >= p->silence_ns)
		return -ETIMEDOUT;
	if (outbox_left(&p->out) == 0 &&
	    now - p->told_at >= p->silence_ns / PINGS)
		return peer_ping(p);
	return 0;
}
