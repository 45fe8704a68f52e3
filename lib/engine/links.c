/* links.c - see links.h: other machines, and answers that only links give. */
#include "config.h"

#include "engine/links.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "engine/answer.h"
#include "engine/cancels.h"
#include "engine/debug.h"
#include "engine/diagnosis.h"
#include "engine/engine.h"
#include "engine/fate.h"
#include "engine/retry.h"
#include "pool/away.h"
#include "wire/far.h"

/* Most time without machines that counts at once, so that a caller that was
   away finds the pool as it left it. */
#define LACKED_NS (1000 * MS_IN_NS)

/* ---- joining and leaving ---- */

/* Gives the host that was added last a place; r: of adding it.  Returns its
   number, or -errno with words. */
static int place(struct engine *e, int r)
{
	struct hosts *hosts = &e->set.hosts;

	if (r == -ENOMEM)
		words_set(e->words, ENOMEM, "There was no memory for a host.");
	if (r == -EPROTO)
		words_set(e->words, EPROTO, "A machine is not described as it "
		    "should be.");
	if (r == -ERANGE)
		words_set(e->words, ERANGE, "The pool has had %d machines, and "
		    "can have no more in its life.", MACHINE_MOST);
	if (r < 0)
		return r;
	if (!crew_add_host(&e->crew, hosts->all[hosts->count - 1])) {
		hosts_drop_last(hosts);
		return words_set(e->words, ERANGE, "The pool may have at most "
		    "%zu hosts at a time (vm_options.max_hosts).",
		    e->set.max_hosts);
	}
	return (int)hosts->count;
}

int links_add(struct engine *e, const struct vm_host *from)
{
	int r = settings_host_fit(&e->set, e->words);

	if (r == 0)
		r = hosts_check(from, "vm_host", e->words);
	return r < 0 ? r : place(e, hosts_add(&e->set.hosts, from));
}

int links_add_machine(struct engine *e, const unsigned char *record,
    size_t size)
{
	int r = settings_host_fit(&e->set, e->words);

	return r < 0 ? r :
	    place(e, hosts_add_machine(&e->set.hosts, record, size));
}

int links_remove(struct engine *e, int number)
{
	struct host *h = hosts_get(&e->set.hosts, number);

	if (h == NULL || h->member == NULL || !h->member->wanted)
		return words_set(e->words, EINVAL, "The pool has no host %d, "
		    "or it is gone.", number);
	crew_want(&e->crew, h->member, false);
	if (h->member->state == MEMBER_ABSENT ||
	    h->member->state == MEMBER_HELD)
		links_left(e, h->member);
	return 0;
}

void links_left(struct engine *e, struct member *m)
{
	struct host *h = hosts_get(&e->set.hosts, m->host);

	if (h->refused)
		crew_want(&e->crew, m, false);
	if (m->wanted)
		return;
	h->member = NULL;
	m->first = FIRST_PENDING;
	roster_book(&e->crew, m);
	if (h->refused)
		staffing_gave_up(e, m);
	doors_watch(e);
}

static enum vm_host_status status_of(const struct host *h)
{
	const struct member *m = h->member;

	if (m == NULL || m->state == MEMBER_GONE)
		return VM_HOST_GONE;
	if (!m->wanted || member_is_leaving(m))
		return VM_HOST_LEAVING;
	if (member_is_ready(m))
		return VM_HOST_UP;
	if (h->door)
		return VM_HOST_LISTENING;
	if (m->state == MEMBER_ASKED || member_is_starting(m) ||
	    h->words[0] == '\0')
		return VM_HOST_CONNECTING;
	return VM_HOST_DOWN;
}

int links_state(const struct engine *e, int number, struct vm_host_state *s)
{
	const struct host *h = hosts_get(&e->set.hosts, number);
	const struct member *m = h != NULL ? h->member : NULL;
	struct slot_traffic now = { 0 };

	if (h == NULL)
		return 0;
	if (m != NULL)
		now = slot_traffic(m->slot);
	*s = (struct vm_host_state){
		.name = h->name,
		.words = h->words,
		.status = status_of(h),
		.workers = m != NULL && member_is_ready(m) ?
		    (int)m->weight : 0,
		.times_lost = h->times_lost,
		.done = h->done + (m != NULL ? m->finished : 0),
		.sent_again = h->sent_again,
		.bytes_out = h->traffic.bytes_out + now.bytes_out,
		.bytes_in = h->traffic.bytes_in + now.bytes_in,
		.round_trip_ns = now.round_trip > 0 ? now.round_trip :
		    h->traffic.round_trip,
	};
	return 1;
}

void links_begin(struct engine *e, struct member *m)
{
	struct host *h = hosts_get(&e->set.hosts, m->host);

	hosts_shut(h);
	if (crew_order(&e->crew, m, h->frame, h->length) < 0)
		crew_doom(&e->crew, m, VM_LOST);
}

/* ---- loss ---- */

void links_unfit(struct engine *e, const struct member *m,
    const struct failure *why)
{
	struct host *h = hosts_get(&e->set.hosts, m->host);

	h->refused = why->head.code == FAR_NEVER && !h->door;
	hosts_tell(h, why->message, why->head.message_size);
}

/* Records the link's last words, or else its end. */
static void tell_end(struct host *h, const struct member *m)
{
	char text[sizeof h->words], end[64];
	size_t size = slot_crash_size(m->slot);
	struct words w;

	if (m->blame == VM_GARBLED)
		words_set(&w, 0, "The agent broke the protocol.");
	else
		words_set(&w, 0, "The link %s.", diagnosis_end(m, end));
	if (size == 0 || m->blame == VM_GARBLED) {
		hosts_tell(h, w.text, strlen(w.text));
		return;
	}
	size = MIN(size, sizeof text);
	slot_crash(m->slot, text, size);
	hosts_tell(h, text, size);
}

void links_lost(struct engine *e, const struct member *m)
{
	struct host *h = hosts_get(&e->set.hosts, m->host);
	const struct slot_traffic now = slot_traffic(m->slot);

	hosts_drop_order(h);
	h->done += m->finished;
	h->traffic.bytes_out += now.bytes_out;
	h->traffic.bytes_in += now.bytes_in;
	if (now.round_trip > 0)
		h->traffic.round_trip = now.round_trip;
	/* It is counted once. */
	slot_tell_traffic(m->slot, &(struct slot_traffic){ 0 });
	if (m->told_to_stop || m->session == SESSION_UNFIT || e->fate.broken)
		return;
	h->times_lost += m->session == SESSION_READY;
	tell_end(h, m);
	debug_say(e, "lost: host %s: %s", h->name, h->words);
}

/* Returns the number of items of a leased span that are at the machine, or were
   on their way. */
static uint32_t shipped(const struct member *m, const struct span *s)
{
	uint32_t next;

	if (slot_begun(m->slot, s->ordinal, s->limit, &next) < 0)
		return s->count;
	return MIN(next > s->first ? next - s->first : 0, s->count);
}

/* Answers the only item of a span. */
static void give_up(struct engine *e, struct member *m, struct span *s)
{
	struct span *first = m->spare;

	m->spare = NULL;
	span_move_first(first, s, 1);
	first->outcome.pid = 0;
	retry_never(e, span_seq(first));
	answer_cause(e, first, VM_LOST);
}

size_t links_judge(struct engine *e, struct member *m)
{
	struct host *h = hosts_get(&e->set.hosts, m->host);
	const int most = e->set.max_losses;
	size_t all = 0;

	for (struct span *s = m->sent; s != NULL; s = s->next) {
		const uint32_t items = s->away ? s->count : shipped(m, s);
		/* Without memory all items of the span count a loss. */
		struct span *rest = items > 0 && items < s->count ?
		    span_cut(s, s->first + items) : NULL;

		if (rest != NULL)
			links_requeue(e, rest);
		all += items;
		if (items == 0 || m->told_to_stop)
			continue;
		s->alone |= ++s->losses >= most;
		if (s->losses >= 2 * most && s->count == 1 && m->spare != NULL)
			give_up(e, m, s);
	}
	h->sent_again += m->told_to_stop ? 0 : all;
	return all;
}

/* ---- no machine ---- */

/* Is there no worker, and can there be none on this machine? */
static bool is_lacking(const struct engine *e)
{
	const struct roster *r = &e->crew.roster;

	return e->set.max_hosts > 0 && r->having[TRAIT_READY] == 0 &&
	    r->having[TRAIT_HOPED] == r->having[TRAIT_LINK];
}

static bool is_needed(const struct engine *e)
{
	return (e->window.nwaiting > 0 || e->links.awaited) &&
	    !e->fate.closing && !e->fate.broken;
}

/* Sets the error text: why each host is not there, as far as it has room. */
static void explain(struct engine *e)
{
	words_set(e->words, ETIMEDOUT, "No machine was there for %llu ms "
	    "(vm_options.patience_ms).",
	    (unsigned long long)(e->set.patience_ns / MS_IN_NS));
	if (e->set.listen != NULL && e->set.hosts.machines >= MACHINE_MOST)
		words_add(e->words, "  No machine can join any more, as the "
		    "pool has had %d of them.", MACHINE_MOST);
	for (size_t i = 0; i < e->set.hosts.count; i++) {
		const struct host *h = e->set.hosts.all[i];
		const char *none = h->door ? "Nobody has joined." :
		    "No answer yet.";

		words_add(e->words, "  %.64s: %.200s", h->name,
		    h->words[0] != '\0' ? h->words : none);
	}
}

uint64_t links_alarm(const struct engine *e, uint64_t now)
{
	const struct links *l = &e->links;
	uint64_t left = e->set.patience_ns - l->lacked_for, at = NEVER;

	(void)now;
	if (l->lacking && is_needed(e) && e->set.patience_ns != NEVER)
		at = l->looked_at + MIN(left, LACKED_NS);
	return at;
}

int links_run(struct engine *e, uint64_t now)
{
	struct links *l = &e->links;
	const uint64_t passed = now - l->looked_at;

	if (e->set.max_hosts == 0)
		return 0;
	if (l->lacking && is_needed(e))
		l->lacked_for += MIN(passed, LACKED_NS);
	l->looked_at = now;
	l->lacking = is_lacking(e);
	if (!l->lacking)
		l->lacked_for = 0;
	if (l->lacked_for < e->set.patience_ns)
		return 0;
	explain(e);
	fate_break(e, VM_LOST);
	return 0;
}

/* ---- answers ---- */

/* May the byte stand in a text of several lines, in UTF-8? */
static bool is_printable(char byte)
{
	return (unsigned char)byte >= 128 || byte == '\n' || byte == '\t' ||
	    (byte >= ' ' && byte < 127);
}

/* Copies a text to the evidence, with a "?" for each byte that cannot be
   printed. */
static void copy(char *to, const char *text, int32_t size)
{
	for (int32_t i = 0; i < size; i++) {
		to[i] = '?';
		if (is_printable(text[i]))
			to[i] = text[i];
	}
}

/* Returns the texts of an OUTCOME of that host; NULL if it has none, or without
   memory. */
static struct evidence *evidence_of(const struct host *h,
    const struct outcome_told *told)
{
	const struct far_outcome *o = &told->head;
	const size_t behind = strlen(h->name) + 1;
	/* An empty text is a text; a size of -1 becomes 0. */
	struct evidence *e = evidence_new((size_t)o->traceback_size + 1,
	    (size_t)o->tail_size + 1,
	    told->host != NULL ? behind + (size_t)o->host_size + 1 : 0);

	if (e == NULL)
		return NULL;
	if (told->traceback != NULL)
		copy(e->traceback, told->traceback, o->traceback_size);
	if (told->tail != NULL)
		memcpy(e->tail, told->tail, (size_t)o->tail_size);
	if (told->host != NULL) {
		memcpy(e->host, h->name, behind);
		e->host[behind - 1] = '/';
		copy(e->host + behind, told->host, o->host_size);
	}
	return e;
}

bool links_check(const struct engine *e, const struct member *m,
    const struct frame *f, uint64_t seq)
{
	struct outcome_told told;

	return far_outcome(f->body, f->size, &told) == 0 &&
	    (told.head.cause != VM_CANCELLED ||
	    cancels_has(&e->cancels, seq) ||
	    hosts_get(&e->set.hosts, m->host)->ends_items);
}

bool links_overtook(const struct engine *e, const struct frame *f,
    uint64_t seq)
{
	struct outcome_told told;

	return far_outcome(f->body, f->size, &told) == 0 &&
	    told.head.cause == VM_CANCELLED && !cancels_has(&e->cancels, seq);
}

void links_died(struct engine *e, struct span *s, const struct frame *f)
{
	struct outcome_told told;
	const struct far_outcome *o = &told.head;

	far_outcome(f->body, f->size, &told);
	s->outcome.pid = o->pid;
	if (retry_may(e, s, (enum vm_cause)o->cause)) {
		retry_again(e, s, RETRY_AS_OPTIONS_SAY);
		return;
	}
	s->outcome = (struct outcome){
		.cause = (enum vm_cause)o->cause,
		.signal = o->signal,
		.exit_status = o->exit_status,
		.core_dumped = (int)o->core_dumped,
		.stopped = o->cause == VM_CANCELLED,
		.out_of_memory = (int)o->out_of_memory,
		.pid = o->pid,
		.max_rss = o->max_rss,
		.wall_ns = o->wall_ns,
		.cpu_ns = o->cpu_ns,
	};
	if (o->cause == VM_LOST)
		s->losses = 2 * e->set.max_losses;
	s->evidence = evidence_of(hosts_get(&e->set.hosts, s->host), &told);
	s->bytes = s->evidence ? s->evidence->size : 0;
	retry_never(e, span_seq(s));
	answer_span(e, s);
}

void links_requeue(struct engine *e, struct span *s)
{
	const uint64_t seq = span_seq(s);
	const bool covered = s->count == 1 ? cancels_has(&e->cancels, seq) :
	    seq < e->cancels.until;

	window_move(&e->window, s, SPAN_WAITING);
	if (!covered)
		return;
	s->attempt--;
	answer_cause(e, s, VM_CANCELLED);
}

bool links_may_return(const struct engine *e, const struct member *m)
{
	return m->told_to_stop ||
	    hosts_get(&e->set.hosts, m->host)->order_until > 0;
}

void links_returned(struct engine *e, struct member *m, struct span *s)
{
	crew_ungrant(&e->crew, m, s->count);
	links_requeue(e, s);
}

/* Items are left beyond the limit if memory was short when they were taken
   back. */
int links_shipped(struct engine *e, struct member *m)
{
	struct span *s = *m->leases, *rest;

	if (s->count > span_expected(s)) {
		rest = span_cut(s, s->limit);
		if (rest == NULL)
			return -ENOMEM;
		crew_ungrant(&e->crew, m, rest->count);
		window_move(&e->window, rest, SPAN_WAITING);
	}
	away_ship(&e->crew, &e->window, m);
	return 0;
}

int links_resized(struct engine *e, struct member *m, const struct frame *f)
{
	struct far_begun said;

	if (frame_body(f, &said, sizeof said) < 0 || said.workers == 0 ||
	    said.workers > WORKERS_MOST)
		return -EPROTO;
	m->weight = said.workers;
	crew_weigh(&e->crew, m);
	return 0;
}

void links_learn(struct engine *e, struct member *m, uint64_t now)
{
	const uint32_t n = (uint32_t)(m->finished - m->counted);
	const uint64_t ns = now - MIN(m->heard_at, now);

	if (n == 0 || (n < e->sizer.aim && m->nsent > 0))
		return;
	sizer_crowd(&e->sizer, n, now, e->staffing.workforce, e->cpus);
	sizer_learn(&e->sizer, n, ns);
	times_add(&e->tally.times, ns / n, n);
	m->effort.busy += ns;
	m->counted = m->finished;
	m->heard_at = now;
}
