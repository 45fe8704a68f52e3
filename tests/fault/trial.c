/*
 * trial.c - see trial.h: lives of pools under plans of faults.
 *
 * Three processes deep: the test forks a watcher for each trial; the watcher
 * arms the plan and forks the host, the caller of the pool.  The watcher is a
 * subreaper: processes that outlive the host become its children.
 */
#include "config.h"

#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "os/paging.h"
#include "sample.h"
#include "tools.h"

/* Inputs of the first source, and of both sources together. */
#define FIRST 40
#define ITEMS 43
/* Items with a special behaviour. */
#define LONG_INPUT 11
#define CRASHES_ONCE 7
#define CRASHES 13
#define FAILS_ONCE 20
#define FAILS 25
#define LONG_OUTPUT 30
#define LEAVES_ORPHAN 5
/* At least the orphans that all attempts leave. */
#define ORPHANS 4
#define LONG_INPUT_SIZE ((size_t)100 * 1024)
#define LONG_OUTPUT_SIZE ((size_t)200 * 1024)

/* Bounds: life of a host, wait for a result, life of the host's remains; and
   time before a stopped process is continued. */
#define HOST_MS (limit_ms() / 4 * 3)
#define RESULT_MS (limit_ms() / 2)
#define LEFT_MS (limit_ms() / 4)
#define STOP_MS 300
#define SPARE_MS 10
/* Speed of the library's clock in trials that stop a process for good, so that
   bounds of seconds pass. */
#define HASTE 8

#define TRIAL_KIND(kind, error, other, ways) \
	[FAULT_##kind] = { #kind, { error, other }, ways },
const struct trial_kind trial_kinds[FAULT_COUNT] = {
	FAULT_KINDS(TRIAL_KIND)
};

const char *trial_role(enum fault_where where)
{
	switch (where) {
	case FAULT_HERE:
		return "caller";
	case FAULT_IN_SERVER:
		return "fork server";
	case FAULT_IN_WORKERS:
		return "worker";
	default:
		return "any";
	}
}

/* The record of a life, in shared memory of host, workers and watcher. */
static struct life {
	atomic_int given;
	atomic_int begun[ITEMS], beginner[ITEMS];
	int answered[ITEMS], attempts[ITEMS], cause[ITEMS], pid[ITEMS];
	atomic_int orphans, orphan[ORPHANS];
	bool rich;		/* the pool has all options, and the host waits
				   for its descriptor, not in calls */
	int fd;			/* of vm_fd(), or -1 */
	bool forked, broken, unclosed;
	int failures;		/* API calls that failed */
	bool wrong;
	char why[256];
} *life;

static void __attribute__((__format__(__printf__, 1, 2)))
wrong(const char *format, ...)
{
	va_list ap;

	if (life->wrong)
		return;
	life->wrong = true;
	va_start(ap, format);
	vsnprintf(life->why, sizeof life->why, format, ap);
	va_end(ap);
}

/* ---- the items ---- */

static unsigned char text[LONG_OUTPUT_SIZE + ITEMS];

static void fill_text(void)
{
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (unsigned char)(i * 7 + i / 251);
}

static size_t input_size(int n)
{
	return n == LONG_INPUT ? LONG_INPUT_SIZE :
	    sizeof n + (size_t)(n * n * 37 % 3000);
}

static size_t output_size(int n)
{
	return n == LONG_OUTPUT ? LONG_OUTPUT_SIZE : input_size(n);
}

/* Is the data the number and then text from that offset? */
static bool is_right(int n, const void *data, size_t size, size_t expected)
{
	return size == expected && memcmp(data, &n, sizeof n) == 0 &&
	    memcmp((const char *)data + sizeof n, text + n,
	    size - sizeof n) == 0;
}

static void make(int n, unsigned char *to, size_t size)
{
	memcpy(to, &n, sizeof n);
	memcpy(to + sizeof n, text + n, size - sizeof n);
}

static int next(void *last, const void **input, size_t *size)
{
	static unsigned char at[LONG_INPUT_SIZE];
	int n = atomic_load(&life->given);

	if (n == *(const int *)last)
		return 0;
	atomic_fetch_add(&life->given, 1);
	*size = input_size(n);
	make(n, at, *size);
	*input = at;
	return 1;
}

/* Forks an orphan outside the groups of the pool; returns only once it has left
   them. */
static void leave_orphan(void)
{
	int nth = atomic_fetch_add(&life->orphans, 1) % ORPHANS;

	if (fork() == 0) {
		setsid();
		atomic_store(&life->orphan[nth], getpid());
		for (;;)
			pause();
	}
	for (int ms = 0; ms < limit_ms() && life->orphan[nth] == 0; ms++)
		nap_ms(1);
}

static int process(struct vm_context *me, const void *input, size_t size)
{
	static unsigned char at[LONG_OUTPUT_SIZE];
	int n;

	memcpy(&n, input, sizeof n);
	if (n < 0 || n >= ITEMS ||
	    !is_right(n, input, size, input_size(n)))
		return vm_fail(me, -1, "a wrong input");
	atomic_fetch_add(&life->begun[n], 1);
	atomic_store(&life->beginner[n], getpid());
	if (n == LEAVES_ORPHAN)
		leave_orphan();
	if (n == CRASHES || (n == CRASHES_ONCE && me->attempt == 1))
		raise(SIGSEGV);
	if (n == FAILS && life->rich)
		fprintf(stderr, "it fails");
	if (n == FAILS || (n == FAILS_ONCE && me->attempt == 1))
		return vm_fail(me, n, "as it should");
	size = output_size(n);
	make(n, at, size);
	return vm_output(me, at, size);
}

/* Returns the cause with which an item must fail, 0: none. */
static int cause_due(int n, int attempts)
{
	if (n == CRASHES || (n == CRASHES_ONCE && attempts == 1))
		return VM_KILLED;
	if (n == FAILS || (n == FAILS_ONCE && attempts == 1))
		return VM_FAILED;
	return 0;
}

static int attempts_due(int n, int attempts)
{
	bool special = n == CRASHES || n == CRASHES_ONCE || n == FAILS ||
	    n == FAILS_ONCE;

	return special ? attempts : 1;
}

static bool kills(const struct trial *t)
{
	return fault_hits() > 0 && (t->fault.act == FAULT_KILL_BEFORE ||
	    t->fault.act == FAULT_KILL_AFTER);
}

/* Does the plan stop a process for good, until it is killed?  Has it done
   so? */
static bool is_stop(const struct trial *t)
{
	return !t->goes_on && (t->fault.act == FAULT_STOP_BEFORE ||
	    t->fault.act == FAULT_STOP_AFTER);
}

static bool stops(const struct trial *t)
{
	return fault_hits() > 0 && is_stop(t);
}

/* May orphans of workers remain?  Yes if the fork server was killed or stopped,
   or is not the process that inherits them. */
static bool stays(const struct trial *t)
{
	return t->fault.kind == FAULT_SUBREAPER ||
	    (t->fault.where == FAULT_IN_SERVER && (kills(t) || stops(t)));
}

/* ---- the host ---- */

/* Only allocations of the library count. */
#define LIB(result, call) \
	do { \
		fault_malloc_on(1); \
		(result) = (call); \
		fault_malloc_on(0); \
	} while (0)

/* The stderr tail may be missing, but must not be another text. */
static bool has_tail(const char *tail)
{
	return tail == NULL || tail[0] == '\0' ||
	    strcmp(tail, "it fails") == 0;
}

static void note(const struct vm_result *r)
{
	int n = -1;

	if (r->input_size >= sizeof n)
		memcpy(&n, r->input, sizeof n);
	if (n < 0 || n >= ITEMS || !is_right(n, r->input, r->input_size,
	    input_size(n))) {
		wrong("an input came back as another one");
		return;
	}
	life->answered[n]++;
	life->attempts[n] = r->attempts;
	if (r->type == VM_EXCEPTION) {
		life->cause[n] = r->exception->cause;
		life->pid[n] = r->exception->pid;
		if (n == FAILS && !has_tail(r->exception->stderr_tail))
			wrong("the end of stderr is \"%s\"",
			    r->exception->stderr_tail);
		if (r->exception->message[0] == '\0')
			wrong("the exception of %d has no message", n);
	} else if (!is_right(n, r->output, r->output_size,
	    output_size(n))) {
		wrong("the output of %d is not its own", n);
	}
}

/* Notes a failed API call: it must set an error message, and only a few calls
   may fail. */
static void failed(vm_pool *pool, const char *what, int error)
{
	if (vm_error(pool)[0] == '\0')
		wrong("%s fails with %s, without words", what,
		    strerror(error));
	if (++life->failures > 3)
		wrong("%s fails again and again: %s", what, vm_error(pool));
}

/* Returns the value of a call for the next result, VM_LATER after RESULT_MS. */
static int next_result(vm_pool *pool, struct vm_result *r)
{
	struct pollfd p = { .fd = life->fd, .events = POLLIN };
	int rc = VM_LATER;

	if (life->fd < 0) {
		LIB(rc, vm_zip_in_out_within(pool, r, RESULT_MS));
		return rc;
	}
	while (rc == VM_LATER && poll(&p, 1, RESULT_MS) > 0)
		LIB(rc, vm_zip_in_out_within(pool, r, 0));
	return rc;
}

/* Takes all results.  Returns false if the pool is broken. */
static bool take_all(vm_pool *pool)
{
	struct vm_result r;
	int rc;

	do {
		rc = next_result(pool, &r);
		if (rc == 1)
			note(&r);
		if (rc == VM_LATER)
			wrong("nothing came for %d ms", RESULT_MS);
		if (rc != -1)
			continue;
		life->broken = vm_broken(pool) == 1;
		if (life->broken && errno != EPIPE)
			wrong("broken, but %s", strerror(errno));
		failed(pool, "vm_zip_in_out()", errno);
	} while (rc == 1 || (rc == -1 && !life->broken && !life->wrong));
	return rc == 0;
}

/* Gives inputs up to a number and takes their results. */
static bool run(vm_pool *pool, const int *last)
{
	const struct vm_source source = { .next = next,
		.from = (void *)last };
	int rc;

	do {
		LIB(rc, vm_imap(pool, source));
		if (rc == -1)
			failed(pool, "vm_imap()", errno);
		life->broken = vm_broken(pool) == 1;
	} while (rc == -1 && !life->broken && !life->wrong);
	return take_all(pool);
}

/* The second run is after a vm_cancel() that finds nothing to cancel.  Before
   it a pool whose workers are replaced has time to fork a spare. */
static void use(vm_pool *pool)
{
	static const int first = FIRST, all = ITEMS;
	int rc;

	life->fd = -1;
	if (life->rich)
		LIB(life->fd, vm_fd(pool));
	if (life->rich && life->fd < 0)
		failed(pool, "vm_fd()", errno);
	if (run(pool, &first)) {
		vm_cancel(pool, 0);
		if (life->rich)
			nap_ms(SPARE_MS);
		if (life->rich && vm_resize(pool, 3) == -1)
			failed(pool, "vm_resize()", errno);
		run(pool, &all);
	}
	LIB(rc, vm_close(pool));
	life->unclosed = rc == -1;
	if (rc == -1)
		failed(NULL, "vm_close()", errno);
}

/* After vm_close() of an unbroken pool, workers and their orphans must be gone
   at once. */
static void check_gone(const struct trial *t)
{
	if (life->broken || life->unclosed || stays(t))
		return;
	for (int n = 0; n < ITEMS; n++)
		if (life->beginner[n] > 0 && is_alive(life->beginner[n]))
			wrong("a worker outlives vm_close()");
	for (int i = 0; i < ORPHANS; i++)
		if (life->orphan[i] > 0 && is_alive(life->orphan[i]))
			wrong("what a worker left outlives vm_close()");
}

/* Every other life has all options of a pool; the others have ordered
   results. */
static struct vm_options options_of(const struct trial *t)
{
	struct vm_options o = { .workers = 2, .max_attempts = t->attempts };

	life->rich = t->fault.nth % 2 == 1;
	if (!life->rich) {
		o.flags = VM_ORDERED;
		return o;
	}
	o.retry_delay_ms = 2;
	o.item_timeout_ms = o.setup_timeout_ms = RESULT_MS;
	o.worker_max_items = 12;
	o.worker_max_cpu_seconds = 60;
	o.worker_max_rss_bytes = (size_t)1 << 30;
	o.flags = VM_MEASURE_ITEMS | VM_STDERR_TAIL;
	return o;
}

/* A host with standard input closed makes the library move descriptors; a host
   that leaves the number of workers open makes it look for CPUs. */
static void be_host(const struct trial *t)
{
	const struct vm_worker worker = { .process = process };
	struct vm_options o = options_of(t);
	int null = open("/dev/null", O_WRONLY);
	long blocks;
	int fds;
	vm_pool *pool;

	dup2(null, 2);
	if (t->fault.kind == FAULT_LIFT)
		close(0);
	if (t->fault.kind == FAULT_AFFINITY)
		o.workers = 0;
	if (is_stop(t))
		fault_hasten(HASTE);
	fds = count_fds();
	blocks = fault_blocks();
	LIB(pool, vm_fork(&worker, &o));
	life->forked = pool != NULL;
	if (pool == NULL)
		failed(NULL, "vm_fork()", errno);
	else
		use(pool);
	/* Check allocates, too: count the blocks before. */
	blocks = fault_blocks() - blocks;
	check_gone(t);
	if (blocks != 0)
		wrong("%ld blocks of memory are left", blocks);
	if (count_fds() != fds)
		wrong("%d descriptors are left", count_fds() - fds);
	if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
		wrong("a child of the caller is left");
}

/* ---- the watcher ---- */

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

/* Continues a process some time after it has stopped itself. */
static void wake_up(long now)
{
	static pid_t last;
	static long since;
	pid_t victim = fault_victim();

	if (victim == 0 || !is_stopped(victim))
		return;
	if (victim != last || now - since > 2 * STOP_MS) {
		last = victim;
		since = now;
	} else if (now - since > STOP_MS) {
		kill(victim, SIGCONT);
	}
}

/* Kills the orphans that are allowed to remain. */
static void kill_orphans(const struct trial *t)
{
	for (int i = 0; i < ORPHANS && (life->broken || stays(t)); i++) {
		pid_t pid = life->orphan[i];

		if (pid > 0 && waitpid(pid, NULL, WNOHANG) == 0)
			kill(pid, SIGKILL);
	}
}

/* The watcher blocks SIGCHLD and waits for it, instead of polling. */
static void hear_children(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* Returns when a child has ended, or after 10 ms, as stops raise no signal. */
static void await_child(void)
{
	const struct timespec most = { .tv_nsec = 10000000 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigtimedwait(&set, NULL, &most);
}

/* Waits until the host and all its descendants are gone.  Returns the host's
   status. */
static int watch(const struct trial *t, pid_t host)
{
	long now = now_ms(), until = now + HOST_MS;
	int status, host_status = 0;
	bool alone = false;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) != -1) {
		if (pid == host) {
			host_status = status;
			until = now_ms() + LEFT_MS;
			alone = true;
		}
		if (pid > 0)
			continue;
		if (alone)
			kill_orphans(t);
		now = now_ms();
		if (t->goes_on)
			wake_up(now);
		if (now > until) {
			wrong(alone ? "%d processes outlive the pool" :
			    "hangs (with %d processes)", count_children());
			kill_children();
		}
		await_child();
	}
	return host_status;
}

/* ---- verdicts ---- */

/* Checks an item with an unexpected outcome.  Its worker may have taken it and
   died before process() was called. */
static void judge_odd(const struct trial *t, int n)
{
	int cause = life->cause[n];

	if (cause == 0)
		wrong("%d has an output and should not", n);
	else if (cause == VM_TOO_BIG || cause == VM_CANCELLED)
		wrong("%d ends with cause %d", n, cause);
	else if (cause == VM_FAILED && t->fault.kind != FAULT_MALLOC)
		wrong("%d fails without a reason", n);
	else if (kills(t) && cause != VM_LOST &&
	    (cause != VM_KILLED || life->pid[n] != fault_victim()))
		wrong("%d is blamed for another's death (cause %d)", n, cause);
	else if (kills(t) && cause == VM_KILLED &&
	    life->begun[n] >= life->attempts[n] &&
	    life->beginner[n] != fault_victim())
		wrong("%d is blamed, but %d had begun it", n,
		    life->beginner[n]);
}

/* P1: each input read has exactly one result. */
static void judge_answers(void)
{
	for (int n = 0; n < ITEMS; n++)
		if (life->answered[n] != (n < life->given))
			wrong("%d is answered %d times (%d given)", n,
			    life->answered[n], life->given);
	if (life->forked && !life->broken && life->given != ITEMS)
		wrong("only %d inputs were read", life->given);
}

/* Does the fault make the caller take a worker for garbled?  Its finished items
   that were not received run again. */
static bool is_disbelieved(const struct trial *t)
{
	return t->fault.where == FAULT_HERE && t->fault.act == FAULT_FAIL &&
	    (t->fault.kind == FAULT_READ || t->fault.kind == FAULT_WRITE ||
	    t->fault.kind == FAULT_WRITEV);
}

/* P2: a fault costs an item an attempt at most; a broken pool loses the items
   that had not ended. */
static void judge_costs(const struct trial *t)
{
	int odd = 0, attempts = 0, repeats = 0, most = !t->harmless;

	for (int n = 0; n < life->given; n++) {
		if (life->cause[n] != cause_due(n, t->attempts)) {
			judge_odd(t, n);
			odd += life->cause[n] != VM_LOST &&
			    life->cause[n] != VM_SETUP_FAILED;
		}
		attempts += abs(life->attempts[n] -
		    attempts_due(n, t->attempts));
		repeats += abs(life->begun[n] - life->attempts[n]);
		if (!life->broken && life->cause[n] == VM_LOST)
			odd++;
	}
	if (odd > most)
		wrong("%d items did not end as they should", odd);
	if (!life->broken && attempts > most)
		wrong("%d attempts too many or too few", attempts);
	if (!life->broken && repeats > most && !is_disbelieved(t))
		wrong("attempts and begins differ by %d", repeats);
	if (t->harmless && (!life->forked || life->broken || life->failures))
		wrong("the pool should not have noticed");
	if (kills(t) && life->unclosed)
		wrong("vm_close() failed");
	if (kills(t) && t->fault.where == FAULT_IN_WORKERS &&
	    (!life->forked || life->failures > 0))
		wrong("the pool failed with its worker");
}

static void judge(const struct trial *t, int status)
{
	if (t->fault.where == FAULT_HERE && kills(t))
		return;
	if (status != 0)
		wrong("the caller ended with status 0x%x", (unsigned)status);
	judge_answers();
	judge_costs(t);
}

/* ---- trials ---- */

static void report(const struct trial *t)
{
	static const char *const acts[] = { "fails with ", "moves one byte",
		"moves half", "kills before", "kills after", "stops before",
		"stops after" };
	const struct fault *f = &t->fault;

	fprintf(stderr, "%s in the %s, call %d, %s%s%s%s: %s\n",
	    trial_kinds[f->kind].name, trial_role(f->where), f->nth,
	    acts[f->act], f->act == FAULT_FAIL ? strerror(f->error) : "",
	    f->lacks ? ", without " : "",
	    f->lacks ? trial_kinds[f->lacks].name : "", life->why);
}

/* Runs a life.  Returns whether it met its fault. */
static bool try(const struct trial *t)
{
	pid_t host;

	memset(life, 0, sizeof *life);
	fault_arm(&t->fault);
	host = fork();
	if (host == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		be_host(t);
		_exit(0);
	}
	if (host < 0)
		wrong("the test could not fork");
	judge(t, watch(t, host));
	if (life->wrong)
		report(t);
	return fault_hits() > 0;
}

/* Runs all lives of a trial, in a process of its own.  Every other life may
   lack a call, so two misses in a row end the trial. */
static int watcher(struct trial t, int *hits)
{
	int missed = 0, bad = 0, range;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	hear_children();
	life = mmap(NULL, sizeof *life, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (life == MAP_FAILED)
		return 1;
	t.fault.times = MAX(t.fault.times, 1);
	for (int n = MAX(t.only, 1); missed < 2 && bad < 3; n += range) {
		range = sample_all() || t.only != 0 ? 1 : 1 + n / 2;
		t.fault.nth = n + (int)sample_pick(t.number, t.drawn_of,
		    (unsigned)range);
		missed = try(&t) ? 0 : missed + 1;
		*hits += missed == 0;
		bad += life->wrong;
		if (t.only != 0)
			break;
	}
	return bad > 0;
}

int trials_run(const struct trial *t, size_t count, int at_a_time, int *hits)
{
	size_t size = (count + 1) * sizeof *hits, started = 0;
	int *met = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int running = 0, bad = 0, status;

	ck_assert_ptr_ne(met, MAP_FAILED);
	no_cores();
	/* So that the long output is read in place on every machine. */
	paging_assume(PAGING_CHEAP);
	fill_text();
	while (started < count || running > 0) {
		if (started < count && running < at_a_time) {
			if (fork() == 0)
				_exit(watcher(t[started], &met[started]));
			started++;
			running++;
			continue;
		}
		ck_assert_int_gt(wait(&status), 0);
		bad += status != 0;
		running--;
	}
	for (size_t i = 0; i < count; i++)
		hits[i] += met[i];
	munmap(met, size);
	return bad;
}
