/*
 * fuzz_world.h - the world of a pool, in memory only: a fork server, the pipes
 * of its workers and a clock.
 *
 * The linker puts the __wrap_ twins of fuzz_world.c in place of system calls,
 * so vm_fork() forks no process, no call blocks, and a run depends on its input
 * alone.  The fork server is honest; the steps of its workers are defined
 * elsewhere.
 *
 * Easy to get wrong: all other steps happen inside the two waits; they call
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

/* Capacity of the buffer of a pipe, which takes at most cap bytes unless cap is
   raised: a full ring and the largest frame, for which a worker would block. */
#define WORLD_PIPE ((size_t)768 * 1024)
struct world_pipe {
	size_t first, len, cap;
	bool ended;		/* the writer has closed it */
	unsigned char data[WORLD_PIPE];
};

/* A worker's stderr: a file that it may truncate and fill. */
#define WORLD_FILE ((int64_t)16 * 1024)
struct world_file {
	int64_t size;		/* apparent size; the data end at WORLD_FILE */
	unsigned char data[WORLD_FILE];
};

/* A polled descriptor; no events: it is not polled. */
struct world_watched {
	uint32_t events;
	uint64_t key;
};

/* A place for a worker, in the fork server's view. */
struct place {
	bool lives;
	int life;		/* serial number of the worker */
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
	struct slots slots;	/* on the heap, so that overruns are found */
	struct notice orders[WORLD_NOTICES], news[WORLD_NOTICES];
	size_t norders, nnews, room;
	bool gone, mute;	/* of the fork server */
	bool lose, refuse;	/* the next worker's descriptors; the next
				   worker */
	bool captures;		/* workers have a file for their stderr */
	bool open[512];		/* descriptors of the caller */
	struct world_watched watched[512];
	uint64_t woken;		/* value of the eventfd */
	int lives;
	bool bad[WORLD_LIVES];	/* that worker has been dishonest */
	bool any_bad;
	bool any_refused;	/* then vm_fork() fails, and the pool ends */
	bool leaving;		/* vm_close() has been called */
	unsigned memory;	/* allocations until one fails; 0: none fails */
	unsigned race;		/* steps of a worker during the next copy from
				   its ring */
	long polls;
};
extern struct world world;

/* Begins a new world; world_end() must have ended the last. */
void world_begin(size_t workers);

/* Checks that the pool has left no descriptors or pages. */
void world_end(void);

/* Has the fork server carry out its orders and send its notices. */
void world_serve(void);

/* Ends a worker, with a status as in wait(2). */
void world_death(size_t which, int status);

/* Return the descriptors of a worker's own ends. */
int world_task_end(size_t which);
int world_result_end(size_t which);

/* Adds bytes to a pipe.  Returns the number it took. */
size_t world_write(struct world_pipe *, const void *, size_t size);

/* Called inside a wait.  Returns true while the world may still change. */
bool world_turn(void);

/* Called for each new worker and each that ends, perhaps by an order of the
   caller, for the records; and to reset the puppet of a new worker. */
void world_hired(size_t which);
void world_died(size_t which, int status, bool ordered);
void world_born(size_t which);

/* Called when an order to kill a worker arrives. */
void world_kills(size_t which);

/* Called before a worker's bytes go to its pipe.  Returns the number of bytes
   that go there before it is killed. */
size_t world_allows(size_t which, size_t size);

/* Called in the middle of a copy from a worker's ring. */
void world_race(size_t which, unsigned steps);

#endif
