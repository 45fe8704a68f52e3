/*
 * chaos.h - what the parts of the chaos program share.
 *
 * A round is a pool with options, inputs and fates that are drawn from the
 * seed, so each process that knows the seed knows what is to come of an item.
 * Four processes: the watch, which sees that there is progress; the killer;
 * the host, which has the pool; and the host's workers.  They note in one
 * shared "world" what only they can know.
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

/* ---- chance ---- */

struct rng {
	uint64_t state;
};

/* One number of two; the same two, the same number. */
uint64_t mix(uint64_t a, uint64_t b);

/* The next number, and one of 0 .. n - 1; true once in n times. */
uint64_t draw(struct rng *);
uint32_t draw_below(struct rng *, uint32_t n);
bool draw_once_in(struct rng *, uint32_t n);

/* ---- a round ---- */

/* What an attempt at an item does.  Those before FATE_GARBAGE end well, one
   that writes garbage may, those after it do not. */
enum fate {
	FATE_FINE, FATE_SLOW, FATE_STUBBORN, FATE_PARENT, FATE_HUGE,
	FATE_EMPTY, FATE_GARBAGE, FATE_FAIL, FATE_TALK, FATE_TOO_BIG,
	FATE_SEGV, FATE_ABORT, FATE_KILL, FATE_EXIT, FATE_LOOP, FATES
};

/* What failures and exits say of themselves. */
enum { FAIL_CODE = 1000, TALK_CODE = 1001, BAD_INPUT = 1002,
	EXIT_STATUS = 33 };

struct round {
	uint64_t seed;		/* of this round */
	uint64_t number;
	uint32_t items;
	uint32_t odds[FATES];	/* in 2^32 */
	uint32_t odds_medium, odds_big;	/* of inputs, likewise */
	struct vm_options options;
	int jobs;		/* of so many items, one after the other */
	uint32_t cancel_at;	/* results of the first to take before that; */
	uint32_t close_at;	/* UINT32_MAX: not at all */
	uint32_t resize_every, nap_every; /* results, about; 0: never */
	uint32_t hunt_us;	/* between two blows of the killer; 0: none */
	bool hunt_to_end;	/* also in vm_close() */
	bool prompt;		/* the source has a wait_fd */
};

/* Draws a round. */
void round_draw(struct round *, uint64_t seed, uint64_t number);

/* Prints what it is, on one line. */
void round_print(const struct round *);

/* What was drawn for an item. */
enum fate fate_of(const struct round *, uint64_t index, int attempt);
size_t input_size(const struct round *, uint64_t index);
size_t output_size(const struct round *, uint64_t index, int attempt);
uint64_t input_key(const struct round *, uint64_t index);
uint64_t output_key(const struct round *, uint64_t index, int attempt);

/* Bytes made of a key; are they? */
void content_fill(void *to, size_t size, uint64_t key);
bool content_is(const void *from, size_t size, uint64_t key);

/* ---- the world ---- */

/* A worker's life.  last: the item it began last, as AT() has it, with 1
   added until that has returned; 0: none. */
struct record {
	atomic_int pid;
	atomic_int parent;
	atomic_int hit;		/* the killer has struck at it */
	_Atomic uint64_t last;
	int charged;		/* host: items that were blamed for its death */
};

#define AT(index, attempt) \
	(((uint64_t)(index) + 1) << 16 | (uint64_t)(attempt) << 1)

struct world {
	/* Of the present round. */
	atomic_int nrecords;
	atomic_int nstrays;
	atomic_int fresh_hits;	/* on workers that had begun nothing */
	atomic_int hits;
	atomic_uint hunt_us;
	struct record records[RECORDS_MOST];
	atomic_int stray[STRAYS_MOST];
	atomic_uchar runs[ITEMS_MOST];	/* how often it was begun */
	/* Killer and host. */
	atomic_int hunting;	/* the killer may strike */
	atomic_int striking;	/* it is at it */
	/* Of the whole run. */
	uint64_t seed;
	atomic_ulong progress;
	atomic_ulong round;
	atomic_ulong rounds, items, stops, resizes, strays;
	atomic_ulong deaths[FATES];	/* FATE_FINE: by the killer */
	atomic_ulong innocent_timeouts;
};

extern struct world *world;

/* Forgets the last round; or the last job. */
void world_clear(void);
void world_clear_job(void);

/* All deaths of the run. */
unsigned long world_deaths(void);

/* The last worker of that number, or NULL. */
struct record *world_find(int pid);

/* ---- processes ---- */

/* State and parent of a process that runs this program: false if there is
   none of that number, or another one, or a zombie. */
bool process_look(int pid, int *parent);

/* Sleeps. */
void nap_us(unsigned us);

/* Nanoseconds of the monotonic clock. */
uint64_t now_ns(void);

/* What workers do. */
struct vm_worker chaos_worker(struct round *);

/* ---- verdicts, in the host ---- */

/* What the host knows of a round. */
struct ledger {
	const struct round *round;
	int job;
	uint32_t handed, taken;	/* inputs, results */
	uint32_t charges;	/* attempts that only the killer explains */
	bool cancelled;
	bool seen[ITEMS_MOST];
	uint64_t handed_at[ITEMS_MOST];
};

/* Prints round and reason, and ends the host. */
_Noreturn void fail(const struct round *, const char *format, ...)
    VM_PRINTF(2, 3);

/* Judges a result, and a round whose last result was taken. */
void check_result(struct ledger *, const struct vm_result *);
void check_all_seen(const struct ledger *);

/* Judges what is left after vm_close(). */
void check_nothing_left(const struct round *);

/* Notes what is there before the first round: files, descriptors. */
void check_begin(void);

#endif
