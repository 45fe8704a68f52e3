/*
 * chaos_check.c - verdicts of the chaos program: may this item end like this,
 * and does a closed pool leave anything behind?
 *
 * The effect of an attempt itself is known from the seed.  The killer strikes
 * at random; so each worker notes which item it began last, and whether the
 * item still runs.  A death that the killer explains may be charged to that
 * item, or, if the worker was between two items, to either of them; but only
 * once.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chaos.h"

/* A sanitizer keeps freed memory, so that its amount means nothing. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
enum { MEMORY_TELLS = 0 };
#else
enum { MEMORY_TELLS = 1 };
#endif

/* Memory by which the host may grow after the first rounds. */
enum { WARM_ROUNDS = 20, GROWTH_KIB = 32 * 1024 };

void fail(const struct round *r, const char *format, ...)
{
	va_list ap;

	printf("FAILED: seed %llu, round %llu: ",
	    (unsigned long long)world->seed, (unsigned long long)r->number);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	round_print(r);
	fflush(stdout);
	_exit(1);
}

/* ---- items ---- */

/* Prints an error about a result. */
static _Noreturn void wrong(const struct ledger *l,
    const struct vm_result *r, const char *what)
{
	const struct vm_exception *x = r->exception;
	const struct record *d = x ? world_find(x->pid) : NULL;
	uint64_t last = d ? atomic_load(&d->last) : 0;

	fail(l->round, "job %d, item %llu, attempt %d, fate %d: %s: %s, "
	    "code %d, signal %d, status %d, pid %d (%s); that worker was %s "
	    "item %lld, attempt %d, and was%s hit; %d hits, %u charges",
	    l->job,
	    (unsigned long long)r->index, r->attempts,
	    (int)fate_of(l->round, r->index, r->attempts), what,
	    x ? vm_cause_name(x->cause) : "output", x ? x->code : 0,
	    x ? x->signal : 0, x ? x->exit_status : 0, x ? (int)x->pid : 0,
	    x ? x->message : "", last & 1 ? "in" : "after",
	    (long long)(last >> 16) - 1, (int)(last >> 1 & 0x7fff),
	    d && atomic_load(&d->hit) ? "" : " not",
	    atomic_load(&world->hits), l->charges);
}

static void check_output(struct ledger *l, const struct vm_result *r)
{
	const struct round *o = l->round;

	if (fate_of(o, r->index, r->attempts) > FATE_GARBAGE)
		wrong(l, r, "it cannot have ended well");
	if (r->output_size != output_size(o, r->index, r->attempts) ||
	    !content_is(r->output, r->output_size,
	    output_key(o, r->index, r->attempts)))
		wrong(l, r, "not its output");
}

/* Did the worker die in the middle of this attempt? */
static bool died_in(const struct vm_result *r)
{
	const struct record *d = world_find(r->exception->pid);

	return d != NULL && atomic_load(&d->last) ==
	    AT(r->index, r->attempts) + 1;
}

static bool has_text(const char *all, const char *part)
{
	return all != NULL && strstr(all, part) != NULL;
}

/* Did process() return the failure that was drawn? */
static bool failed_like(const struct ledger *l, const struct vm_result *r,
    enum fate f)
{
	const struct vm_exception *x = r->exception;

	if (x->cause == VM_TOO_BIG)
		return f == FATE_TOO_BIG;
	if (f == FATE_FAIL)
		return x->code == FAIL_CODE &&
		    strcmp(x->message, "to fail") == 0 &&
		    (x->wall_ns > 0) == ((l->round->options.flags &
		    VM_MEASURE_ITEMS) != 0);
	return f == FATE_TALK && x->code == TALK_CODE &&
	    has_text(x->stderr_tail, x->message);
}

/* Did its worker die in the way that was drawn? */
static bool died_like(const struct vm_result *r, enum fate f)
{
	const struct vm_exception *x = r->exception;

	switch (f) {
	case FATE_GARBAGE:
		return x->cause == VM_GARBLED || (died_in(r) &&
		    ((x->cause == VM_KILLED && x->signal == SIGKILL) ||
		    (x->cause == VM_EXITED && x->exit_status == EXIT_STATUS)));
	case FATE_SEGV:
		return died_in(r) && x->cause == VM_KILLED &&
		    x->signal == SIGSEGV;
	case FATE_ABORT:
		return died_in(r) && x->cause == VM_KILLED &&
		    x->signal == SIGABRT;
	case FATE_KILL:
		return died_in(r) && x->cause == VM_KILLED &&
		    x->signal == SIGKILL;
	case FATE_EXIT:
		return died_in(r) && x->cause == VM_EXITED &&
		    x->exit_status == EXIT_STATUS;
	case FATE_LOOP:
		return died_in(r) && x->cause == VM_TIMED_OUT;
	default:
		return false;
	}
}

/* Did the killer strike the worker, and is no other item blamed for that? */
static bool was_hit(struct ledger *l, const struct vm_result *r)
{
	const struct vm_exception *x = r->exception;
	struct record *d = world_find(x->pid);
	uint64_t last;

	if (x->cause != VM_KILLED || x->signal != SIGKILL || d == NULL ||
	    !atomic_load(&d->hit) || d->charged++ > 0)
		return false;
	last = atomic_load(&d->last);
	l->charges++;
	return !(last & 1) || last == AT(r->index, r->attempts) + 1;
}

/* On a busy machine any item may time out; but not before its time. */
static bool took_long(const struct ledger *l, const struct vm_result *r)
{
	uint64_t most = (uint64_t)l->round->options.item_timeout_ms * 1000000;

	if (r->exception->cause != VM_TIMED_OUT || most == 0 ||
	    now_ns() - l->handed_at[r->index] < most)
		return false;
	atomic_fetch_add(&world->innocent_timeouts, 1);
	return true;
}

static void check_exception(struct ledger *l, const struct vm_result *r)
{
	enum fate f = fate_of(l->round, r->index, r->attempts);

	if (r->exception == NULL || r->exception->message == NULL)
		wrong(l, r, "no exception");
	if (r->exception->cause == VM_CANCELLED) {
		if (!l->cancelled)
			wrong(l, r, "nobody cancelled it");
		return;
	}
	if (r->attempts != l->round->options.max_attempts)
		wrong(l, r, "it has attempts left");
	if (!failed_like(l, r, f) && !died_like(r, f) && !was_hit(l, r) &&
	    !took_long(l, r))
		wrong(l, r, "it cannot have ended like this");
}

/* Each run must have counted as an attempt, unless it may have been in vain;
   and attempts before the last need a cause. */
static void check_attempts(struct ledger *l, const struct vm_result *r)
{
	const struct round *o = l->round;
	int last = r->attempts;

	if (o->odds[FATE_GARBAGE] == 0 && o->options.item_timeout_ms == 0 &&
	    atomic_load(&world->runs[r->index]) > r->attempts)
		wrong(l, r, "it was run more often");

	if (r->type == VM_EXCEPTION && r->exception->cause == VM_CANCELLED)
		last++;
	if (last < 1 || last > o->options.max_attempts)
		wrong(l, r, "attempts");
	for (int i = 1; i < last; i++)
		if (fate_of(o, r->index, i) < FATE_GARBAGE &&
		    o->options.item_timeout_ms == 0)
			l->charges++;
	if (l->charges > (uint32_t)atomic_load(&world->hits))
		wrong(l, r, "more were charged than were hit");
}

void check_result(struct ledger *l, const struct vm_result *r)
{
	const struct round *o = l->round;

	if (r->input == NULL)
		fail(o, "a place was given up: %s", r->exception->message);
	if (r->index >= l->handed)
		wrong(l, r, "was never handed out");
	if (l->seen[r->index])
		wrong(l, r, "came twice");
	if ((o->options.flags & VM_ORDERED) && r->index != l->taken)
		wrong(l, r, "out of order");
	if (r->tag != o || r->input_size != input_size(o, r->index) ||
	    !content_is(r->input, r->input_size, input_key(o, r->index)))
		wrong(l, r, "not its input");
	l->seen[r->index] = true;
	l->taken++;
	if (r->type == VM_OUTPUT)
		check_output(l, r);
	else
		check_exception(l, r);
	check_attempts(l, r);
}

void check_all_seen(const struct ledger *l)
{
	if (l->taken != l->handed)
		fail(l->round, "%u inputs, %u results", l->handed, l->taken);
	if (!l->cancelled && l->handed != l->round->items)
		fail(l->round, "only %u inputs were read", l->handed);
}

/* ---- leaks ---- */

static struct {
	int fds;
	int shm;
	long kib;		/* most after the first rounds */
	unsigned long rounds;
} before;

static int count_names(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		closedir(d);
	return n;
}

/* Does the number of names exceed was for long?  Other programs may use the
   same directory for a while. */
static bool has_grown(const char *path, int was)
{
	int tries = 0;

	while (count_names(path) > was && tries < 300) {
		usleep(100000);
		tries++;
	}
	return tries == 300;
}

static long memory_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0;

	if (f != NULL && fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	if (f != NULL)
		fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

void check_begin(void)
{
	before.fds = count_names("/proc/self/fd");
	before.shm = count_names("/dev/shm");
}

static void check_memory(const struct round *r)
{
	long kib = MEMORY_TELLS ? memory_kib() : 0;

	if (before.rounds++ < WARM_ROUNDS)
		before.kib = kib > before.kib ? kib : before.kib;
	else if (kib > before.kib + GROWTH_KIB)
		fail(r, "memory has grown from %ld to %ld KiB", before.kib,
		    kib);
}

static void check_gone(const struct round *r, const char *what, int pid)
{
	int parent;

	if (pid > 0 && process_look(pid, &parent))
		fail(r, "%s %d is alive, its parent is %d", what, pid,
		    parent);
}

void check_nothing_left(const struct round *r)
{
	int n = atomic_load(&world->nrecords);
	int strays = atomic_load(&world->nstrays);
	int fds = count_names("/proc/self/fd");

	if (n > RECORDS_MOST)
		fail(r, "there were %d workers", n);
	if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
		fail(r, "a child is left");
	if (fds != before.fds)
		fail(r, "%d descriptors, were %d", fds, before.fds);
	if (has_grown("/dev/shm", before.shm))
		fail(r, "there is something new in /dev/shm");
	for (int i = 0; i < n; i++) {
		check_gone(r, "worker", atomic_load(&world->records[i].pid));
		check_gone(r, "fork server",
		    atomic_load(&world->records[i].parent));
	}
	for (int i = 0; i < strays && i < STRAYS_MOST; i++)
		check_gone(r, "child", atomic_load(&world->stray[i]));
	check_memory(r);
}
