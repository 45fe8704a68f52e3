/*
 * fuzz_world.h - the world a pool sees, in memory only: a fork server, the
 * pipes of its workers and a clock.
 *
 * The linker puts the __wrap_ twins of fuzz_world.c in place of system calls,
 * so vm_fork() forks nobody, nothing waits, and a run depends on its input
 * alone.  The fork server is honest; what its workers do is said elsewhere.
 *
 * Easy to get wrong: the two waits are where all else happens; they call
 * world_turn(), which the fuzz target defines.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/slots.h"
#include "wire/notice.h"

#define WORLD_WORKERS 3
#define WORLD_LIVES 2048
#define WORLD_NOTICES 64

/* Ends the run as a finding, with a reason. */
#define WORLD_REQUIRE(condition, reason) \
	do { \
		if (!(condition)) \
			world_fail(reason, #condition); \
	} while (0)
_Noreturn void world_fail(const char *reason, const char *condition);

/* A pipe takes "cap" bytes at most, as long as nobody lets it take more: a
   ring full and the largest frame, which a worker would wait to write. */
#define WORLD_PIPE ((size_t)768 * 1024)
struct world_pipe {
	size_t first, len, cap;
	bool ended;		/* the writer has closed it */
	unsigned char data[WORLD_PIPE];
};

/* What a worker's stderr is: a file that it may cut and fill. */
#define WORLD_FILE ((int64_t)16 * 1024)
struct world_file {
	int64_t size;		/* it says; what is there ends at WORLD_FILE */
	unsigned char data[WORLD_FILE];
};

/* A descriptor that is waited for; no events: it is not. */
struct world_watched {
	uint32_t events;
	uint64_t key;
};

/* A place for a worker, as the fork server sees it. */
struct place {
	bool lives;
	int life;		/* the how manieth worker of all */
	uint32_t generation;
	uint64_t born_at;
	struct slot *slot;
	struct world_pipe tasks, results;
	struct world_file errors;
};

struct world {
	uint64_t now;
	size_t workers;
	struct place place[WORLD_WORKERS];
	struct slots slots;	/* in ordinary memory, so that it has ends */
	struct notice orders[WORLD_NOTICES], news[WORLD_NOTICES];
	size_t norders, nnews, room;
	bool gone, mute;	/* the fork server */
	bool lose, refuse;	/* the next worker, or its descriptors */
	bool captures;		/* workers have a file for their stderr */
	bool open[512];		/* descriptors of the caller */
	struct world_watched watched[512];
	uint64_t woken;		/* what the eventfd has */
	int lives;
	bool bad[WORLD_LIVES];	/* that worker has not been honest */
	bool any_bad;
	bool any_refused;	/* then vm_fork() fails, and ends all */
	bool leaving;		/* vm_close() has been called */
	unsigned memory;	/* so manieth next allocation fails; 0: none */
	unsigned race;		/* steps a worker makes while its ring is
				   copied, once */
	long polls;
};
extern struct world world;

/* A new world; what was before must be gone. */
void world_begin(size_t workers);

/* Nothing of the pool may be left: descriptors, pages. */
void world_end(void);

/* The fork server does what it was told and tells what it knows. */
void world_serve(void);

/* A worker ends, with a status as wait(2) gives it. */
void world_death(size_t which, int status);

/* Descriptors of a worker's own ends. */
int world_task_end(size_t which);
int world_result_end(size_t which);

/* Adds bytes to a pipe: how many it took. */
size_t world_write(struct world_pipe *, const void *, size_t size);

/* Called inside a wait: true while the world may still change. */
bool world_turn(void);

/* Called for each new worker and each that ends, for the books; and to make
   it one that can act. */
void world_hired(size_t which);
void world_died(size_t which, int status);
void world_born(size_t which);

/* Called when an order to kill a worker arrives. */
void world_kills(size_t which);

/* Called before a worker's bytes go to its pipe: how many of them will,
   before it is killed. */
size_t world_allows(size_t which, size_t size);

/* Called in the middle of a copy out of a worker's ring. */
void world_race(size_t which, unsigned steps);

#endif
