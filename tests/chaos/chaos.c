/*
 * chaos.c - pools under chaos: workers crash, hang, leave, write nonsense, are
 * killed and stopped from outside, while the pool is resized, cancelled and
 * closed.  The promises P1 to P4 of the manual page must hold all the same.
 *
 *	chaos [SECONDS [SEED [ROUND [ITEMS [DEATHS]]]]]
 *
 * Begins with round ROUND of SEED (0, and a fresh one).  Fails if a check
 * fails, if no result comes for a minute, or if it ends with fewer than ITEMS
 * items or DEATHS deaths.  A failure is printed with its seed and round; they
 * draw the same again, though not at the same moments.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "chaos.h"

/* The run fails if no result comes for this time. */
#define PATIENCE_NS 60000000000u
/* Workers that may be killed before they begin an item; the fifth such death in
   a place would give it up. */
enum { FRESH_MOST = 3 };

struct world *world;

/* ---- the world ---- */

void world_clear(void)
{
	int n = atomic_load(&world->nrecords);

	memset(world->records, 0, sizeof world->records[0] *
	    (size_t)(n < RECORDS_MOST ? n : RECORDS_MOST));
	memset(world->stray, 0, sizeof world->stray);
	world_clear_job();
	atomic_store(&world->nrecords, 0);
	atomic_store(&world->nstrays, 0);
	atomic_store(&world->fresh_hits, 0);
	atomic_store(&world->hits, 0);
}

void world_clear_job(void)
{
	memset(world->runs, 0, sizeof world->runs);
}

unsigned long world_deaths(void)
{
	unsigned long n = 0;

	for (int f = 0; f < FATES; f++)
		n += atomic_load(&world->deaths[f]);
	return n;
}

struct record *world_find(int pid)
{
	int n = atomic_load(&world->nrecords);

	for (int i = (n < RECORDS_MOST ? n : RECORDS_MOST) - 1; i >= 0; i--)
		if (atomic_load(&world->records[i].pid) == pid)
			return &world->records[i];
	return NULL;
}

/* ---- processes ---- */

bool process_look(int pid, int *parent)
{
	static char own[32];
	char path[64], name[32], state;
	FILE *f;
	bool known;

	if (own[0] == '\0')
		prctl(PR_GET_NAME, own);
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	known = fscanf(f, "%*d (%31[^)]) %c %d", name, &state, parent) == 3;
	fclose(f);
	/* The names of the pool's processes begin with 8 bytes of it. */
	return known && strncmp(name, own, 8) == 0 && state != 'Z' &&
	    state != 'X';
}

void nap_us(unsigned us)
{
	const struct timespec t = { .tv_sec = us / 1000000,
		.tv_nsec = us % 1000000 * 1000L };

	nanosleep(&t, NULL);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- the killer ---- */

/* Chooses a recent worker that is alive and may be struck; or NULL. */
static struct record *choose(struct rng *g)
{
	int n = atomic_load(&world->nrecords), parent;
	struct record *d;

	if (n == 0 || n > RECORDS_MOST)
		return NULL;
	d = &world->records[n - 1 - (int)draw_below(g, n < 12 ?
	    (uint32_t)n : 12)];
	if (atomic_load(&d->pid) <= 0 ||
	    !process_look(atomic_load(&d->pid), &parent) ||
	    parent != atomic_load(&d->parent))
		return NULL;
	if (atomic_load(&d->last) == 0 &&
	    atomic_fetch_add(&world->fresh_hits, 1) >= FRESH_MOST)
		return NULL;
	return d;
}

static void stop_for(int pid, unsigned us)
{
	kill(pid, SIGSTOP);
	nap_us(us);
	kill(pid, SIGCONT);
	atomic_fetch_add(&world->stops, 1);
}

static void strike(struct rng *g)
{
	struct record *d = choose(g);

	if (d == NULL)
		return;
	if (draw_once_in(g, 3)) {
		stop_for(atomic_load(&d->pid), 1000 + draw_below(g, 14000));
		return;
	}
	/* The fork server may be late, too, by more than a worker takes to die
	   after the loss of its pipe. */
	if (draw_once_in(g, 40)) {
		stop_for(atomic_load(&d->parent), draw_below(g, 400000));
		return;
	}
	if (atomic_exchange(&d->hit, 1) != 0)
		return;
	atomic_fetch_add(&world->hits, 1);
	if (kill(atomic_load(&d->pid), SIGKILL) == 0)
		atomic_fetch_add(&world->deaths[FATE_FINE], 1);
}

static _Noreturn void be_killer(uint64_t seed)
{
	struct rng g = { seed };
	unsigned pause;

	for (;;) {
		atomic_store(&world->striking, 1);
		if (atomic_load(&world->hunting))
			strike(&g);
		atomic_store(&world->striking, 0);
		pause = atomic_load(&world->hunt_us);
		nap_us(pause / 2 + draw_below(&g, pause + 1000));
	}
}

static void begin_hunt(const struct round *r)
{
	atomic_store(&world->hunt_us, r->hunt_us);
	atomic_store(&world->hunting, r->hunt_us > 0);
}

static void end_hunt(void)
{
	atomic_store(&world->hunting, 0);
	while (atomic_load(&world->striking))
		nap_us(100);
}

/* ---- the host: inputs ---- */

static struct ledger ledger;
static unsigned char input[1 << 20];
static int always_readable;

static int next(void *from, const void **at, size_t *size)
{
	const struct round *r = from;
	uint64_t index = ledger.handed;

	if (index == r->items)
		return 0;
	if (r->prompt && rand() % 1000 == 0)
		return VM_LATER;
	*size = input_size(r, index);
	*at = *size > 0 ? input : NULL;
	content_fill(input, *size, input_key(r, index));
	if (r->options.item_timeout_ms > 0)
		ledger.handed_at[index] = now_ns();
	ledger.handed++;
	return 1;
}

static int readable(void *from)
{
	(void)from;
	return always_readable;
}

/* ---- the host: a round ---- */

/* Calls of the caller between results: resize, nap, cancel. */
static void disturb(vm_pool *pool, const struct round *r, struct rng *g)
{
	uint32_t at = ledger.taken;

	if (r->resize_every > 0 && draw_once_in(g, r->resize_every)) {
		if (vm_resize(pool, 1 + (int)draw_below(g, 12)) != 0)
			fail(r, "vm_resize: %s", vm_error(pool));
		atomic_fetch_add(&world->resizes, 1);
	}
	if (r->nap_every > 0 && draw_once_in(g, r->nap_every))
		nap_us(draw_below(g, 20000));
	if (at >= r->cancel_at && !ledger.cancelled && ledger.job == 0) {
		ledger.cancelled = true;
		vm_cancel(pool, 0);
	}
}

/* Takes results up to the end, or to the time to close.  Returns true at the
   end. */
static bool take_results(vm_pool *pool, const struct round *r, struct rng *g)
{
	struct vm_result result;
	int rc;

	while (ledger.taken < r->close_at || ledger.job > 0) {
		rc = draw_once_in(g, 8) ?
		    vm_zip_in_out_within(pool, &result,
		    (int)draw_below(g, 10)) : vm_zip_in_out(pool, &result);
		if (rc == 0)
			return true;
		if (rc == -1)
			fail(r, "vm_zip_in_out: %s (%s), broken %d",
			    strerror(errno), vm_error(pool),
			    vm_broken(pool));
		if (rc == 1) {
			check_result(&ledger, &result);
			atomic_fetch_add(&world->progress, 1);
		}
		disturb(pool, r, g);
	}
	return false;
}

/* No worker is busy now.  The records of the killer's strikes are kept. */
static void begin_job(const struct round *r, int job)
{
	ledger.round = r;
	ledger.job = job;
	ledger.handed = ledger.taken = 0;
	ledger.cancelled = false;
	memset(ledger.seen, 0, sizeof ledger.seen);
	world_clear_job();
}

/* Runs a source from begin to end.  Returns true if the pool may get
   another. */
static bool run_job(vm_pool *pool, struct round *r, struct rng *g)
{
	bool ended;

	if (vm_imap(pool, (struct vm_source){ .next = next, .from = r,
	    .tag = r, .wait_fd = r->prompt ? readable : NULL }) != 0)
		fail(r, "vm_imap: %s", vm_error(pool));
	ended = take_results(pool, r, g);
	if (ended)
		check_all_seen(&ledger);
	atomic_fetch_add(&world->items, ledger.taken);
	return ended;
}

static void run_round(struct round *r)
{
	const struct vm_worker worker = chaos_worker(r);
	struct rng g = { r->seed + 1 };
	vm_pool *pool;
	bool more = true;

	world_clear();
	ledger.charges = 0;
	begin_hunt(r);
	pool = vm_fork(&worker, &r->options);
	if (pool == NULL)
		fail(r, "vm_fork: %s", vm_error(NULL));
	for (int job = 0; job < r->jobs && more; job++) {
		begin_job(r, job);
		more = run_job(pool, r, &g);
	}
	if (!r->hunt_to_end)
		end_hunt();
	if (vm_close(pool) != 0)
		fail(r, "vm_close: %s", vm_error(NULL));
	end_hunt();
	check_nothing_left(r);
}

static void be_host(uint64_t first, uint64_t until)
{
	struct round r;

	always_readable = open("/dev/null", O_RDONLY);
	srand((unsigned)world->seed);
	check_begin();
	for (uint64_t n = first; n == first || now_ns() < until; n++) {
		atomic_store(&world->round, n);
		round_draw(&r, world->seed, n);
		run_round(&r);
		atomic_fetch_add(&world->rounds, 1);
		atomic_fetch_add(&world->progress, 1);
	}
}

/* ---- the supervisor ---- */

static void print_totals(void)
{
	static const char *const names[FATES] = {
		[FATE_FINE] = "by the killer", [FATE_GARBAGE] = "garbage",
		[FATE_SEGV] = "crashes", [FATE_ABORT] = "aborts",
		[FATE_KILL] = "by itself", [FATE_EXIT] = "exits",
		[FATE_LOOP] = "loops",
	};

	printf("%lu rounds, %lu items, %lu deaths:", world->rounds,
	    world->items, world_deaths());
	for (int f = 0; f < FATES; f++)
		if (names[f] != NULL)
			printf(" %lu %s,", world->deaths[f], names[f]);
	printf(" %lu stops, %lu resizes, %lu children left, %lu innocents "
	    "out of time\n", world->stops, world->resizes, world->strays,
	    world->innocent_timeouts);
}

/* Waits for the host.  Returns its exit status, or 1 if it hangs. */
static int watch(pid_t host)
{
	unsigned long progress = 0;
	uint64_t since = now_ns();
	int status;

	while (waitpid(host, &status, WNOHANG) == 0) {
		nap_us(10000);
		if (atomic_load(&world->progress) != progress)
			since = now_ns();
		progress = atomic_load(&world->progress);
		if (now_ns() - since < PATIENCE_NS)
			continue;
		printf("FAILED: seed %llu, round %lu: nothing has come for a "
		    "minute\n", (unsigned long long)world->seed,
		    world->round);
		kill(host, SIGKILL);
		waitpid(host, NULL, 0);
		return 1;
	}
	if (WIFSIGNALED(status))
		printf("FAILED: seed %llu, round %lu: the host died of "
		    "signal %d\n", (unsigned long long)world->seed,
		    world->round, WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

/* Forks a process that ends with this process. */
static pid_t fork_one(void)
{
	pid_t pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pid == -1) {
		perror("fork");
		exit(1);
	}
	return pid;
}

/* Returns the n-th argument as a number, or usual without it. */
static uint64_t argument(int argc, char **argv, int n, uint64_t usual)
{
	return n < argc ? strtoull(argv[n], NULL, 0) : usual;
}

int main(int argc, char **argv)
{
	const struct rlimit none = { 0, 0 };
	uint64_t begin = now_ns();
	uint64_t until = begin + argument(argc, argv, 1, 8) * 1000000000u;
	pid_t killer, host;
	int rc;

	world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world == MAP_FAILED || setrlimit(RLIMIT_CORE, &none) != 0)
		return 1;
	world->seed = argument(argc, argv, 2, 0);
	if (world->seed == 0)
		world->seed = mix(begin, (uint64_t)getpid()) >> 32;
	printf("seed %llu\n", (unsigned long long)world->seed);
	fflush(stdout);
	killer = fork_one();
	if (killer == 0)
		be_killer(begin);
	host = fork_one();
	if (host == 0) {
		be_host(argument(argc, argv, 3, 0), until);
		exit(0);
	}
	rc = watch(host);
	kill(killer, SIGKILL);
	waitpid(killer, NULL, 0);
	print_totals();
	if (world->items < argument(argc, argv, 4, 0) ||
	    world_deaths() < argument(argc, argv, 5, 0)) {
		printf("FAILED: that is too few\n");
		rc = 1;
	}
	return rc;
}
