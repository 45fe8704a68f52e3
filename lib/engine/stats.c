/*
 * stats.c - counts and times of a pool for vm_stats().
 *
 * Runs in: caller.  Easy to get wrong: the words of a slot are a worker's, and
 * say at most which item it is at; and the time since the library last looked
 * is the program's, whatever the workers did in it.
 */
#include "config.h"

#include "engine/stats.h"

#include "base/base.h"
#include "engine/engine.h"
#include "os/sys.h"
#include "report/verdict.h"

/* An item takes long after this time, and this multiple of most others. */
#define LONG_NS (5000 * MS_IN_NS)
#define LONG_TIMES 8

/* Has the pool no inputs, read or not, whose result is to come? */
static bool is_empty(const struct engine *e)
{
	return e->window.nchunks == 0 && e->intake.filling == NULL &&
	    e->intake.sources == NULL;
}

enum tally_want stats_want(struct engine *e)
{
	const struct source *s = e->intake.sources;
	const struct window *w = &e->window;

	if (crew_idle(&e->crew) == NULL)
		return WANT_NOTHING;
	if (w->waiting != NULL)
		return window_may_send(w) ? WANT_NOTHING : WANT_REAL;
	if (s == NULL)
		return e->intake.pushed.index > 0 && !e->fate.finishing ?
		    WANT_PUSHED : WANT_INPUTS;
	if (!window_room(w))
		return w->nchunks >= w->max_total ? WANT_TOTAL : WANT_BYTES;
	return s->state == SOURCE_WAITING ? WANT_SOURCE : WANT_NOTHING;
}

void stats_resume(struct engine *e)
{
	if (!e->tally.resting && !is_empty(e))
		return;
	tally_rest(&e->tally);
	tally_resume(&e->tally, sys_now());
}

uint64_t stats_total(const struct engine *e)
{
	const struct source *s = e->intake.sources;
	uint64_t total = e->intake.seq + e->resume.skipped;

	for (; s != NULL; s = s->next) {
		if (s->hooks.length == 0 || s->hooks.length < s->index ||
		    s->hooks.length - s->index > UINT64_MAX - total)
			return 0;
		total += s->hooks.length - s->index;
	}
	return total;
}

/* ---- times of items ---- */

/* Estimates the time of the last item in the longest leg of n items.  The
   caller asks a worker for its results while it is at a long item; so that item
   is the last in its leg, unless the leg ends with the chunk and the worker was
   not asked. */
static uint64_t longest_ns(const struct engine *e, bool asked,
    const struct frame_end *said, uint32_t n)
{
	uint64_t each = said->longest / MAX(said->items, 1), usual;

	if (said->items <= 1 || (said->items == n && !asked))
		return each;
	usual = times_part(&e->tally.times, 500);
	return said->longest - (said->items - 1) * MIN(usual, each);
}

void stats_count(struct engine *e, struct member *m, const struct span *s,
    const struct frame_end *said, uint64_t now)
{
	const uint64_t lived = now - m->effort.since;
	const uint64_t ns = MIN(said->ns, lived);
	const uint64_t blocked = MIN(said->blocked, ns);
	const uint32_t n = (uint32_t)(m->finished - m->counted);
	const bool asked = m->asked;
	struct times_item slow = { .ns = 0 };
	uint64_t others;

	m->counted = m->finished;
	m->asked = false;
	m->effort.busy += ns;
	m->effort.blocked += blocked;
	if (n == 0 || said->last >= said->next || said->items > n ||
	    said->next - said->last > n || said->longest > ns - blocked)
		return;
	slow = (struct times_item){
		.ns = longest_ns(e, asked, said, n),
		.seq = s->chunk->seq + said->last,
		.index = s->chunk->index + said->last,
		.tag = chunk_tag(s->chunk, said->last),
	};
	others = ns - blocked - MIN(slow.ns, ns - blocked);
	times_add(&e->tally.times, slow.ns, 1);
	if (n > 1)
		times_add(&e->tally.times, others / (n - 1), n - 1);
	times_list(&e->tally.times, &slow);
}

/* ---- a place ---- */

/* Finds the item that the worker is at.  Returns false if it is at none, or its
   words are invalid. */
static bool find_item(const struct member *m, uint64_t *index)
{
	uint32_t next;

	for (const struct span *s = m->host == 0 ? m->sent : NULL; s != NULL;
	    s = s->next) {
		if (slot_begun(m->slot, s->ordinal, s->limit, &next) < 0)
			return false;
		if (s->count > 0 && next > s->first) {
			*index = s->chunk->index + next - 1;
			return true;
		}
	}
	return false;
}

static enum vm_worker_state state_of(const struct member *m)
{
	if (member_is_starting(m))
		return VM_WORKER_SETUP;
	if (member_is_leaving(m))
		return VM_WORKER_LEAVING;
	if (m->state == MEMBER_RUNNING)
		return m->nsent > 0 ? VM_WORKER_RUNS : VM_WORKER_IDLE;
	if (m->state == MEMBER_GONE)
		return VM_WORKER_GIVEN_UP;
	return VM_WORKER_DEAD;
}

/* Has this place, or had it, a worker to tell about? */
static bool is_used(const struct member *m)
{
	return m->wanted || m->effort.since != 0;
}

/* Returns the time from then until the library last looked. */
static uint64_t seen_since(const struct engine *e, uint64_t then)
{
	return e->tally.left_at - MIN(then, e->tally.left_at);
}

/* Adds the times of a place, with those of its present worker. */
static void add_times(const struct engine *e, const struct member *m,
    struct vm_worker_stats *w)
{
	const struct effort *f = &m->effort;
	uint64_t lived = f->lived, used;
	uint64_t rested = member_is_starting(m) ? f->rested : e->tally.rested;

	w->setup_ns = f->setup;
	w->busy_ns = f->busy;
	w->blocked_ns = MIN(f->blocked, f->busy);
	w->cpu_ns = f->cpu;
	if (f->since != 0) {
		lived += effort_lived(f, e->tally.left_at, rested);
		w->cpu_ns += sys_cpu_now(m->pid);
	}
	if (member_is_starting(m))
		w->setup_ns += seen_since(e, f->since);
	if (member_is_ready(m) && m->nsent > 0)
		w->busy_ns += seen_since(e, MAX(m->sent->sent_at,
		    m->heard_at));
	used = w->setup_ns + w->busy_ns;
	w->idle_ns = lived - MIN(used, lived);
}

static void fill_place(const struct engine *e, const struct member *m,
    struct vm_worker_stats *w)
{
	const struct effort *f = &m->effort;

	*w = (struct vm_worker_stats){
		.items = f->items + m->finished,
		.at = UINT64_MAX,
		.setups = f->setups,
		.max_rss = f->max_rss,
		.pid = f->since != 0 ? m->pid : 0,
		.index = m->index,
		.state = state_of(m),
	};
	add_times(e, m, w);
	if (w->state == VM_WORKER_RUNS && find_item(m, &w->at))
		w->since_ns = seen_since(e, MAX(m->sent->sent_at,
		    m->moved_at));
}

int stats_worker(struct engine *e, size_t place, struct vm_worker_stats *w)
{
	const struct member *m = &e->crew.members[place];

	if (e->set.serial || !is_used(m))
		return 0;
	fill_place(e, m, w);
	if (w->pid != 0)
		w->max_rss = MAX(w->max_rss, sys_memory_peak(w->pid));
	return 1;
}

/* Returns the time after which an item takes long: half of its timeout, or much
   longer than most others. */
static uint64_t long_ns(const struct engine *e)
{
	uint64_t usual = times_part(&e->tally.times, 900);

	if (e->set.item_ns > 0)
		return e->set.item_ns / 2;
	return MAX(LONG_NS, LONG_TIMES * usual);
}

char stats_letter(const struct engine *e, size_t place, uint64_t *index,
    uint64_t *ns)
{
	static const char letters[] = {
		[VM_WORKER_DEAD] = 'x',
		[VM_WORKER_SETUP] = 'S',
		[VM_WORKER_IDLE] = '.',
		[VM_WORKER_RUNS] = 'R',
		[VM_WORKER_LEAVING] = '.',
		[VM_WORKER_GIVEN_UP] = 'x',
	};
	const struct member *m = &e->crew.members[place];
	enum vm_worker_state state = state_of(m);

	if (!is_used(m))
		return '\0';
	if (state != VM_WORKER_RUNS)
		return letters[state];
	*ns = seen_since(e, MAX(m->sent->sent_at, m->moved_at));
	return *ns > long_ns(e) && find_item(m, index) ? '!' : 'R';
}

/* ---- the pool ---- */

/* Sums up all places.  The memory of workers that are alive is left out: to
   look it up takes long.  Returns the part of busy_ns that links have. */
static uint64_t add_places(const struct engine *e, struct vm_stats *s)
{
	struct vm_worker_stats w;
	uint64_t far = 0;

	for (size_t i = 0; i < e->crew.count; i++) {
		fill_place(e, &e->crew.members[i], &w);
		s->setups += w.setups;
		s->setup_ns += w.setup_ns;
		s->busy_ns += w.busy_ns;
		s->idle_ns += w.idle_ns;
		s->blocked_ns += w.blocked_ns;
		s->cpu_ns += w.cpu_ns;
		s->max_rss = MAX(s->max_rss, w.max_rss);
		far += i >= e->crew.first_link ? w.busy_ns : 0;
	}
	return far;
}

static void fill_counts(const struct engine *e, struct vm_stats *s)
{
	const struct tally *t = &e->tally;
	const struct results *r = &e->results;

	s->inputs = e->intake.seq + e->resume.skipped;
	s->resumed = e->resume.skipped + e->resume.answered;
	s->unrecorded = e->resume.lacking;
	s->total = stats_total(e);
	s->exceptions = tally_failed(t);
	s->outputs = t->answered - s->exceptions;
	for (size_t i = 0; i < COUNTOF(s->by_cause); i++)
		s->by_cause[i] = t->failed[i];
	s->taken = r->taken + (r->left > 0 ? r->hand->count - r->left : 0);
	s->input_bytes = t->input_bytes;
	s->output_bytes = t->output_bytes;
	s->retries = t->retries;
	s->deaths = t->deaths;
	s->forked = t->forked;
	s->replaced = t->replaced;
}

static void fill_times(const struct times *t, struct vm_stats *s)
{
	s->median_ns = times_part(t, 500);
	s->p90_ns = times_part(t, 900);
	s->p99_ns = times_part(t, 990);
	for (size_t i = 0; i < COUNTOF(s->slowest); i++)
		s->slowest[i] = (struct vm_slow){
			.ns = t->slowest[i].ns,
			.index = t->slowest[i].index,
			.tag = t->slowest[i].tag,
		};
}

static void fill_bounds(const struct window *w, struct vm_stats *s)
{
	s->real_peak = w->peak_sent;
	s->real_bound = w->max_real;
	s->total_peak = w->peak_chunks;
	s->total_bound = w->max_total;
	s->bytes_peak = w->peak_bytes;
	s->bytes_bound = w->max_bytes;
}

/* Adds what limits the run. */
static void judge(const struct engine *e, bool far, struct vm_stats *s,
    struct words *w)
{
	struct verdict_facts f = {
		.stats = s,
		.cpus = e->cpus,
		.serial = e->set.serial,
		.ordered = e->set.ordered,
		.restarts = e->set.max_items > 0 || e->set.max_rss > 0,
		.far = far,
		.pushed = e->intake.pushed.index > s->inputs / 2,
		.lacked_ns = e->tally.lacked_ns,
	};

	for (int i = 0; i < WANTS; i++)
		f.want_ns[i] = e->tally.want_ns[i];
	s->limit = verdict_find(&f, w);
	s->sentence = w->text;
}

void stats_fill(struct engine *e, struct vm_stats *s, struct words *w)
{
	struct tally *t = &e->tally;
	uint64_t now = sys_now();

	if (is_empty(e))
		tally_rest(t);
	*s = (struct vm_stats){ .workers = (int)e->set.workers };
	fill_counts(e, s);
	fill_bounds(&e->window, s);
	fill_times(&t->times, s);
	s->wall_ns = tally_wall(t, now);
	s->yours_ns = t->yours_ns + (t->resting ? 0 : now - t->left_at);
	s->sources_ns = t->sources_ns;
	s->asleep_ns = t->asleep_ns;
	judge(e, add_places(e, s) > 0, s, w);
}
