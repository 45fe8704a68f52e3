/*
 * chaos.h - declarations shared by the parts of the chaos program.
 *
 * A round is a pool with options, inputs and fates that are drawn from the
 * seed, so each process that knows the seed knows the fate of an item.  Four
 * processes: the supervisor, which checks for progress; the killer; the host,
 * which has the pool; and the host's workers.  They note events that only they
 * see in the shared memory "world".
 */
#ifndef TESTS_CHAOS_H
#define TESTS_CHAOS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vimap.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum { ITEMS_MOST = 65536, RECORDS_MOST = 8192, STRAYS_MOST = 64 };

/* ---- random numbers ---- */

struct rng {
	uint64_t state;
};

/* Hashes two numbers; deterministic. */
uint64_t mix(uint64_t a, uint64_t b);

/* Return the next number, a number of 0 .. n - 1; true once in n times. */
uint64_t draw(struct rng *);
uint32_t draw_below(struct rng *, uint32_t n);
bool draw_once_in(struct rng *, uint32_t n);

/* ---- a round ---- */

/* The behaviour of an attempt at an item.  Fates before FATE_GARBAGE end well,
   an attempt that writes garbage may, those after it do not. */
enum fate {
	FATE_FINE, FATE_SLOW, FATE_STUBBORN, FATE_PARENT, FATE_HUGE,
	FATE_EMPTY, FATE_GARBAGE, FATE_FAIL, FATE_TALK, FATE_TOO_BIG,
	FATE_SEGV, FATE_ABORT, FATE_KILL, FATE_EXIT, FATE_LOOP, FATES
};

/* Codes and status of failures and exits. */
enum { FAIL_CODE = 1000, TALK_CODE = 1001, BAD_INPUT = 1002,
	EXIT_STATUS = 33 };

struct round {
	uint64_t seed;		/* of this round */
	uint64_t number;
	uint32_t items;
	uint32_t odds[FATES];	/* in 2^32 */
	uint32_t odds_medium, odds_big;	/* of medium and big inputs, likewise */
	struct vm_options options;
	int jobs;		/* sources of items inputs each, in sequence */
	uint32_t cancel_at;	/* results of the first job before
				   vm_cancel(); */
	uint32_t close_at;	/* UINT32_MAX: never */
	uint32_t resize_every, nap_every; /* mean number of results in between;
					     0: never */
	uint32_t hunt_us;	/* between two strikes of the killer; 0: none */
	bool hunt_to_end;	/* also in vm_close() */
	bool prompt;		/* the source has a wait_fd */
};

/* Draws the options, inputs and fates of a round. */
void round_draw(struct round *, uint64_t seed, uint64_t number);

/* Prints a round in a line. */
void round_print(const struct round *);

/* Return properties drawn for an item. */
enum fate fate_of(const struct round *, uint64_t index, int attempt);
size_t input_size(const struct round *, uint64_t index);
size_t output_size(const struct round *, uint64_t index, int attempt);
uint64_t input_key(const struct round *, uint64_t index);
uint64_t output_key(const struct round *, uint64_t index, int attempt);

/* Fills bytes from a key; checks such bytes. */
void content_fill(void *to, size_t size, uint64_t key);
bool content_is(const void *from, size_t size, uint64_t key);

/* ---- the world ---- */

/* A worker's life.  last: the item it began last, in the form of AT(), with 1
   added until process() has returned; 0: none. */
struct record {
	atomic_int pid;
	atomic_int parent;
	atomic_int hit;		/* the killer has struck it */
	_Atomic uint64_t last;
	int charged;		/* host: items that were blamed for its death */
};

#define AT(index, attempt) \
	(((uint64_t)(index) + 1) << 16 | (uint64_t)(attempt) << 1)

struct world {
	/* Of the present round. */
	atomic_int nrecords;
	atomic_int nstrays;
	atomic_int fresh_hits;	/* strikes at workers that had begun no item */
	atomic_int hits;
	atomic_uint hunt_us;
	struct record records[RECORDS_MOST];
	atomic_int stray[STRAYS_MOST];
	atomic_uchar runs[ITEMS_MOST];	/* times each item was begun */
	/* Flags between killer and host. */
	atomic_int hunting;	/* the killer may strike */
	atomic_int striking;	/* it is striking now */
	/* Of the whole run. */
	uint64_t seed;
	atomic_ulong progress;
	atomic_ulong round;
	atomic_ulong rounds, items, stops, resizes, strays;
	atomic_ulong deaths[FATES];	/* by fate; FATE_FINE: by the killer */
	atomic_ulong innocent_timeouts;
};

extern struct world *world;

/* Clears the state of the last round; of the last job. */
void world_clear(void);
void world_clear_job(void);

/* Returns the number of all deaths of the run. */
unsigned long world_deaths(void);

/* Returns the last worker with that pid, or NULL. */
struct record *world_find(int pid);

/* ---- processes ---- */

/* Looks up a process of this program and sets *parent.  Returns false if the
   process does not exist, is a zombie, or runs another program. */
bool process_look(int pid, int *parent);

/* Sleeps. */
void nap_us(unsigned us);

/* Returns ns of the monotonic clock. */
uint64_t now_ns(void);

/* Returns the callbacks of the workers. */
struct vm_worker chaos_worker(struct round *);

/* ---- verdicts, in the host ---- */

/* The host's record of a round. */
struct ledger {
	const struct round *round;
	int job;
	uint32_t handed, taken;	/* inputs, results */
	uint32_t charges;	/* attempts that only the killer explains */
	bool cancelled;
	bool seen[ITEMS_MOST];
	uint64_t handed_at[ITEMS_MOST];
};

/* Prints round and reason, and exits from the host. */
_Noreturn void fail(const struct round *, const char *format, ...)
    VM_PRINTF(2, 3);

/* Check a result; and after the last result that no item is missing. */
void check_result(struct ledger *, const struct vm_result *);
void check_all_seen(const struct ledger *);

/* Checks for leaks after vm_close(). */
void check_nothing_left(const struct round *);

/* Counts files and descriptors before the first round. */
void check_begin(void);

#endif
