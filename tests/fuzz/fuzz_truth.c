/* fuzz_truth.c - see fuzz_truth.h: records of the truth, and checks. */
#include "config.h"

#include "fuzz_truth.h"

#include <string.h>
#include <sys/wait.h>

#include "base/base.h"
#include "fuzz_puppet.h"
#include "shm/slot.h"
#include "worker/capture.h"
#include "worker/context.h"

/* Bounds of the library: for a worker to begin an item, and to tear down. */
#define BEGIN_NS (5000 * MS_IN_NS)
#define TEARDOWN_NS (5000 * MS_IN_NS)
/* Consecutive deaths before an item is begun that are blamed on the item. */
#define SUSPICIONS 3
#define OWN_DOING (VM_FAILED | VM_KILLED | VM_EXITED | VM_TIMED_OUT | \
	VM_TOO_BIG | VM_GARBLED)

struct truth truth[ITEMS_MOST];
struct end_of_life ends[WORLD_LIVES];
vm_pool *pool;
struct vm_options options;
uint64_t given;
bool cancelled, unfit, harmed, starved;

/* Sums over all results. */
static int told_failed, told_cancelled;
static int idle_deaths;		/* of workers at no item */

void truth_begin(void)
{
	for (size_t i = 0; i < ITEMS_MOST; i++)
		truth[i] = (struct truth){ .done_by = -1, .last.life = -1 };
	given = 0;
	cancelled = unfit = harmed = starved = false;
	told_failed = told_cancelled = 0;
	idle_deaths = 0;
}

bool truth_is_done(uint64_t number)
{
	int by = truth[number].done_by;

	return by >= 0 && !world.bad[by];
}

/* ---- events in workers ---- */

static uint64_t ns_of(int ms)
{
	return (uint64_t)ms * MS_IN_NS;
}

static uint64_t pause_before(int attempt)
{
	uint64_t pause = ns_of(options.retry_delay_ms);
	uint64_t most = ns_of(options.retry_delay_max_ms);

	for (int i = 2; i < attempt; i++)
		pause = MIN(2 * pause, (uint64_t)1 << 60);
	return MIN(pause, most ? most : 60000 * MS_IN_NS);
}

/* Checks another attempt: it must have been allowed, and not be too early.  An
   attempt may be over before it was begun. */
static void check_again(const struct truth *t, int attempt)
{
	int unbegun = (idle_deaths - t->idle_deaths) / SUSPICIONS;

	WORLD_REQUIRE(attempt == t->attempt || world.any_bad ||
	    t->attempt == 0 || (attempt > t->attempt &&
	    attempt <= t->attempt + 1 + unbegun), "an attempt is left out");
	if (attempt <= t->attempt || t->attempt == 0 || world.any_bad)
		return;
	WORLD_REQUIRE(t->cause == 0 || options.retry_on == 0 ||
	    (options.retry_on & (unsigned)t->cause) != 0,
	    "tried again for a cause that is not worth it");
	WORLD_REQUIRE(world.now >= t->failed_at + pause_before(attempt),
	    "tried again too early");
}

void truth_begun(size_t which, uint64_t n, int attempt)
{
	struct truth *t = &truth[n % ITEMS_MOST];
	int life = world.place[which].life;

	if (world.bad[life])
		return;
	WORLD_REQUIRE(n < given, "an item that was never read");
	WORLD_REQUIRE(!truth_is_done(n), "an item is done again");
	WORLD_REQUIRE(attempt >= 1 && attempt <= options.max_attempts,
	    "an attempt too many");
	check_again(t, attempt);
	t->attempt = attempt;
	t->idle_deaths = idle_deaths;
	t->cause = 0;
	t->begun++;
	WORLD_REQUIRE(world.any_bad || t->begun <= options.max_attempts,
	    "begun more often than max_attempts");
	ends[life].items++;
	WORLD_REQUIRE(options.worker_max_items == 0 ||
	    ends[life].items <= options.worker_max_items,
	    "a worker begins more than it may");
}

void truth_done(size_t which, uint64_t n)
{
	struct truth *t = &truth[n % ITEMS_MOST];

	if (world.bad[world.place[which].life])
		return;
	t->done_by = world.place[which].life;
	t->done_attempt = t->attempt;
}

void truth_failed(size_t which, uint64_t n, const struct frame_failure *f,
    size_t written)
{
	struct truth *t = &truth[n % ITEMS_MOST];

	t->cause = (enum vm_cause)f->cause;
	t->failed_at = world.now;
	t->last = (struct attempt){
		.life = world.place[which].life,
		.failed = true,
		.cause = f->cause,
		.message = f->message_size,
		.wall_ns = f->wall_ns,
		.cpu_ns = f->cpu_ns,
		.written = written,
	};
}

void world_hired(size_t which)
{
	ends[world.place[which].life] = (struct end_of_life){
		.born_at = world.now,
	};
	world_born(which);
}

/* Is its item's time over, rather than that it ended by a signal before the
   order to kill it? */
static bool is_late(const struct end_of_life *end)
{
	return end->excused && (end->ordered || !WIFSIGNALED(end->status));
}

void world_died(size_t which, int status, bool ordered)
{
	const struct puppet_work *w = puppet_work(which);
	struct end_of_life *end = &ends[world.place[which].life];
	struct truth *t = &truth[w->number % ITEMS_MOST];

	end->busy = w->busy;
	end->number = w->number;
	end->begun_at = w->begun_at;
	end->written = w->written;
	end->died_at = world.now;
	end->status = status;
	end->ordered = ordered;
	idle_deaths += !w->busy;
	if (!w->busy || world.bad[world.place[which].life])
		return;
	/* It was begun when another attempt's time was over already. */
	t->begun -= is_late(end) && end->spared;
	if (is_late(end) && end->spared)
		return;
	t->failed_at = world.now;
	t->cause = is_late(end) ? VM_TIMED_OUT : WIFSIGNALED(status) ?
	    VM_KILLED : VM_EXITED;
}

/* ---- kills ---- */

/* Was the time over, for its item or for the begin of its first item? */
static bool is_overdue(const struct puppet_work *w)
{
	uint64_t most = ns_of(options.item_timeout_ms);
	/* An item that is over just now may not have been seen yet. */
	bool now = w->seen_at == world.now;
	uint64_t at = w->begun_at < world.now ? w->begun_at : w->before_at;

	if (most == 0)
		return false;
	if (w->busy || w->lingers || (now && at > 0))
		return at > 0 && world.now >= at + most;
	return world.now >= w->seen_at + most + BEGIN_NS;
}

void truth_excuse(size_t which, enum vm_cause blame, bool greeted)
{
	const struct puppet_work *w = puppet_work(which);
	struct end_of_life *end = &ends[world.place[which].life];
	uint64_t setup = ns_of(options.setup_timeout_ms);
	bool late_setup = setup > 0 && world.now >= end->born_at + setup;

	/* A pool with a worker that is refused at the start ends. */
	if (world.leaving || (world.any_refused && pool == NULL) ||
	    end->excused || world.bad[world.place[which].life])
		return;
	unfit |= late_setup && !greeted;
	if (blame == VM_LOST)
		WORLD_REQUIRE(w->left_at > 0 &&
		    world.now >= w->left_at + TEARDOWN_NS,
		    "a worker is killed that tears down");
	else
		WORLD_REQUIRE((blame == 0 || blame == VM_TIMED_OUT) &&
		    (greeted ? is_overdue(w) : late_setup),
		    "an honest worker is killed");
	end->excused = true;
	end->spared = w->begun_at == world.now;
}

/* ---- results ---- */

static bool is_all(const char *text, size_t size, char of)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if (text[i] != of)
			return false;
	return n == size;
}

/* All texts of a result can be read, and are within their bounds. */
static void check_texts(const struct vm_exception *x)
{
	size_t most = MAX(options.max_item_bytes, CONTEXT_FAILURE_ROOM);

	WORLD_REQUIRE(x->message[0] != '\0' && strlen(x->message) < most,
	    "no words, or too many");
	WORLD_REQUIRE(x->traceback == NULL ||
	    strlen(x->traceback) <= SLOT_CRASH, "a long traceback");
	WORLD_REQUIRE(x->stderr_tail == NULL ||
	    strlen(x->stderr_tail) <= most, "a long tail");
	WORLD_REQUIRE(x->out_of_memory == 0, "memory was never short");
}

static void check_tail(const struct vm_exception *x, uint64_t n,
    size_t written)
{
	if (!(options.flags & VM_STDERR_TAIL))
		WORLD_REQUIRE(x->stderr_tail == NULL, "a tail of nothing");
	else
		WORLD_REQUIRE(x->stderr_tail == NULL ? starved :
		    is_all(x->stderr_tail, MIN(written, CAPTURE_MOST),
		    puppet_letter(n)), "another tail than was written");
}

/* Checks a failure that an honest worker has sent. */
static void check_said(const struct vm_exception *x, uint64_t n)
{
	const struct attempt *a = &truth[n].last;

	WORLD_REQUIRE(a->failed && (enum vm_cause)a->cause == x->cause,
	    "failed without saying so");
	WORLD_REQUIRE(a->message == 0 ||
	    is_all(x->message, a->message, puppet_letter(n)),
	    "another message than was given");
	WORLD_REQUIRE(x->wall_ns == a->wall_ns && x->cpu_ns == a->cpu_ns,
	    "other times than it took");
	WORLD_REQUIRE(x->traceback == NULL, "a traceback of no crash");
	check_tail(x, n, a->written);
}

/* Checks an item that is blamed for the death of an honest worker. */
static void check_death(const struct vm_exception *x, uint64_t n)
{
	const struct end_of_life *end = &ends[x->pid - 1000];
	bool at_it = end->busy && end->number == n;
	uint64_t wall = end->died_at - end->begun_at;
	bool timed = at_it && (options.flags & VM_MEASURE_ITEMS);

	WORLD_REQUIRE(at_it || !end->busy, "blamed for another's doing");
	WORLD_REQUIRE((x->cause == VM_TIMED_OUT) == is_late(end),
	    "timed out or not");
	WORLD_REQUIRE(x->cause != VM_KILLED ||
	    x->signal == WTERMSIG(end->status), "another signal");
	WORLD_REQUIRE(x->cause != VM_EXITED ||
	    x->exit_status == WEXITSTATUS(end->status), "another status");
	WORLD_REQUIRE(x->wall_ns == (timed ? wall : 0),
	    "another time than it took");
	WORLD_REQUIRE(x->cpu_ns == (timed ? puppet_cpu(end->born_at,
	    end->died_at) - puppet_cpu(end->born_at, end->begun_at) : 0),
	    "other CPU time than it took");
	WORLD_REQUIRE(x->traceback == NULL ? end->crash == 0 || starved :
	    end->crash > 0 && is_all(x->traceback,
	    MIN(end->crash, SLOT_CRASH), '!'), "another traceback");
	check_tail(x, n, at_it ? end->written : 0);
}

/* Is the worker honest, before and after? */
static bool is_honest(pid_t pid)
{
	return pid >= 1000 && pid < 1000 + world.lives &&
	    !world.bad[pid - 1000];
}

void truth_check(const struct vm_result *r, uint64_t n)
{
	const struct vm_exception *x = r->exception;
	enum vm_cause cause = x->cause;

	check_texts(x);
	/* When a pool breaks down, it delivers as much as memory allows. */
	WORLD_REQUIRE(!truth_is_done(n) || (starved && vm_broken(pool)),
	    "an output made is not there");
	WORLD_REQUIRE(cause != VM_CANCELLED || cancelled ||
	    options.max_failures > 0, "cancelled by nobody");
	WORLD_REQUIRE(cause != VM_LOST || harmed || world.any_refused,
	    "lost for no reason");
	WORLD_REQUIRE(cause != VM_GARBLED || world.any_bad,
	    "garbled by nobody");
	WORLD_REQUIRE(cause != VM_SETUP_FAILED || unfit || world.any_bad ||
	    world.lives >= 5, "setup failed nowhere");
	WORLD_REQUIRE(cause != VM_TIMED_OUT || options.item_timeout_ms > 0,
	    "timed out without a timeout");
	told_failed += (cause & OWN_DOING) != 0;
	told_cancelled += cause == VM_CANCELLED;
	if (!is_honest(x->pid))
		return;
	if (cause == VM_FAILED || cause == VM_TOO_BIG)
		check_said(x, n);
	else if (cause & OWN_DOING)
		check_death(x, n);
}

void truth_check_sums(void)
{
	WORLD_REQUIRE(told_cancelled == 0 || cancelled ||
	    told_failed >= options.max_failures, "cancelled too early");
}
