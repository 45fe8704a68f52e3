/*
 * server_events.h - the fork server's notices, and its own death.
 *
 * Runs in: caller.
 */
#ifndef SERVER_EVENTS_H
#define SERVER_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

struct engine;

struct server_events {
	uint64_t ping_at;	/* when the fork server is asked whether it is
				   there, ns; 0: nothing is awaited of it */
};

/* Takes all that the fork server has to tell. */
void server_events_hear(struct engine *, uint64_t now);

/* The fork server is dead (ECHILD) or silent (ETIMEDOUT): so are its workers,
   or will be. */
void server_events_broken(struct engine *, int error);

/* While anything is awaited of workers the fork server must be there to tell
   of their deaths: asks it now and then.  When it is due next, or NEVER. */
uint64_t server_events_alarm(const struct engine *, uint64_t now);
int server_events_ask(struct engine *, uint64_t now);

/* Does it owe an answer? */
bool server_events_owed(const struct engine *);

#endif
