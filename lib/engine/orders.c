/* orders.c - see orders.h: what links are told beside chunks. */
#include "config.h"

#include "engine/orders.h"

#include "base/base.h"
#include "engine/engine.h"

bool orders_cancel(struct engine *e, const struct member *m, uint64_t item)
{
	struct host *h = hosts_get(&e->set.hosts, m->host);

	if (h->cancel_count == FAR_CANCELS)
		return false;
	h->cancels[h->cancel_count++] = (struct far_seek){ item };
	e->ordered = true;
	return true;
}

static bool has_orders(const struct host *h)
{
	return h->cancel_count > 0 || h->recalls;
}

/* May its orders be queued?  The frames of the last orders must be written. */
static bool may_order(const struct host *h)
{
	const struct member *m = h->member;

	return has_orders(h) && m != NULL && member_is_ready(m) &&
	    channel_sent(&m->channel) >= h->order_until;
}

/* Queues the orders of a host, if they can be. */
static void queue(struct engine *e, struct host *h)
{
	size_t size = may_order(h) ? hosts_write_order(h) : 0;

	if (size > 0 && crew_order(&e->crew, h->member, h->order, size) < 0)
		crew_doom(&e->crew, h->member, VM_LOST);
	if (size > 0)
		h->order_until = h->member->channel.queued;
}

/* Queued at once, if possible, the order leaves before inputs that come after
   vm_cancel(), which it must not end. */
void orders_recall(struct engine *e, struct host *h, bool running)
{
	if (h->member == NULL || !member_is_ready(h->member) ||
	    h->member->nsent == 0)
		return;
	h->recalls = true;
	h->recall.running |= running;
	queue(e, h);
	e->ordered |= has_orders(h);
}

uint64_t orders_alarm(const struct engine *e, uint64_t now)
{
	uint64_t at = NEVER;

	for (size_t i = 0; e->ordered && i < e->set.hosts.count; i++)
		if (may_order(e->set.hosts.all[i]))
			at = now;
	return at;
}

int orders_run(struct engine *e, uint64_t now)
{
	bool left = false;

	(void)now;
	for (size_t i = 0; e->ordered && i < e->set.hosts.count; i++) {
		struct host *h = e->set.hosts.all[i];

		queue(e, h);
		left |= has_orders(h);
	}
	e->ordered = left;
	return 0;
}
