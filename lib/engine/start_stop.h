/*
 * start_stop.h - start and stop of an engine.
 *
 * Runs in: caller.
 */
#ifndef START_STOP_H
#define START_STOP_H

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct settings;
struct words;

/* Starts an engine with its workers forked; blocks until they are.  Returns 0,
   or -errno with the error text set and nothing left.  From then on the engine
   owns the buffers that the settings point to. */
int engine_start(struct engine *, struct settings *, struct words *);

/* Ends the workers and frees the engine.  Waits for workers until a time at
   most, and then returns VM_LATER: call it again.  Returns 0, 1 if teardowns
   have failed or workers were given up, or -ETIMEDOUT; the last two with the
   error text set.  foreign: this process did not start the engine, so only
   memory is freed. */
int engine_stop(struct engine *, bool foreign, uint64_t until);

#endif
