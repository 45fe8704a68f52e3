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
	uint64_t ping_at;	/* time of the next ping of the fork server, ns;
				   0: the caller waits for no worker */
};

/* Receives and handles all notices; does not block. */
void server_events_hear(struct engine *, uint64_t now);

/* The fork server is dead (ECHILD) or silent (ETIMEDOUT): kills its workers and
   breaks the pool. */
void server_events_broken(struct engine *, int error);

/* While the caller waits for a worker, the fork server must be there to report
   its death.  The second function pings it when due, and returns 0; the first
   returns when that is, or NEVER. */
uint64_t server_events_alarm(const struct engine *, uint64_t now);
int server_events_ask(struct engine *, uint64_t now);

/* Does the fork server owe an answer? */
bool server_events_owed(const struct engine *);

#endif
