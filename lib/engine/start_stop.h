/*
 * start_stop.h - start and stop of an engine.
 *
 * Runs in: caller.
 */
#ifndef START_STOP_H
#define START_STOP_H

#include <stdbool.h>

struct engine;
struct settings;
struct words;

/* Makes an engine with its workers forked.  Returns 0, or -errno with words and
   nothing left.  The engine owns what the settings point to from then on. */
int engine_start(struct engine *, struct settings *, struct words *);

/* Ends the workers and frees the engine.  Returns 0, 1 if teardowns have
   failed, or -ETIMEDOUT; the last two with words.  foreign: this process did
   not make the engine, so only memory is freed. */
int engine_stop(struct engine *, bool foreign);

#endif
