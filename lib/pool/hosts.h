/*
 * hosts.h - the other machines of a pool: commands, counts and last words.
 *
 * Runs in: caller.  A host has a number for the life of the pool.  While it is
 * wanted it has a place of the crew; the worker there, a link, gets the host's
 * HOST frame and runs its command.
 */
#ifndef HOSTS_H
#define HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"
#include "shm/slot.h"
#include "wire/far.h"
#include "wire/machine.h"
#include "vimap.h"

struct member;

/* Bytes of the frames of a CANCEL and a RECALL. */
#define HOST_ORDER (FRAME_CANCELS + 32)
#define FRAME_CANCELS (FAR_CANCELS * sizeof(struct far_seek) + 16)

struct host {
	int number;		/* from 1 on */
	int first_index;	/* vm_context.worker_index of its first
				   worker */
	const char *name;	/* for people; lies in the frame's memory, or
				   is guest */
	bool door;		/* its links wait for agents that join */
	bool knocked;		/* a door: a connection came to the present
				   link */
	char guest[FAR_NAME + 1]; /* name of the machine that joined last */
	unsigned char *frame;	/* HOST frame for its links, owned */
	size_t length;		/* bytes */
	struct member *member;	/* its place; NULL: gone for good */
	bool refused;		/* gone, as its agent can never serve */
	int times_lost;		/* connections that ended before their time */
	uint64_t done;		/* items answered by links that have ended */
	uint64_t sent_again;	/* items that were at it when it was lost */
	struct slot_traffic traffic; /* of links that have ended */
	char words[400];	/* reason for the last failure, or "" */

	/* Orders for the present link that are not queued yet. */
	struct far_seek cancels[FAR_CANCELS];
	size_t cancel_count;
	bool recalls;		/* with this body: */
	struct far_recall recall;
	unsigned char order[HOST_ORDER]; /* frames of queued orders, until */
	uint64_t order_until;	/* channel_sent() of the link reaches this */
	bool ends_items;	/* the link was told to end items that run */
};

/* Zeroed: no hosts. */
struct hosts {
	struct host **all;	/* array of pointers, by number less 1 */
	size_t count;
	size_t machines;	/* that had a number so far: hosts, and the
				   machines behind them */
};

/* Checks a host; where: the name of the struct for the words.  Returns 0, or
   -EINVAL with words. */
int hosts_check(const struct vm_host *, const char *where, struct words *);

/* Adds a copy of a host, without a place.  Returns 0, -ENOMEM, or -ERANGE if no
   number is left for it. */
int hosts_add(struct hosts *, const struct vm_host *);

/* Adds a door, without a place, under that name.  Returns as hosts_add(). */
int hosts_add_door(struct hosts *, const char *name);

/* Adds a machine behind this, without a place, by its record of that size.
   Returns 0, -ENOMEM or -EPROTO. */
int hosts_add_machine(struct hosts *, const unsigned char *record,
    size_t size);

/* A link of the door begins: forgets its guest. */
void hosts_shut(struct host *);

/* Frees the host that was added last, which has no place; its numbers are free
   again. */
void hosts_drop_last(struct hosts *);

/* Returns the host of that number, or NULL. */
struct host *hosts_get(const struct hosts *, int number);

/* Frees all hosts. */
void hosts_release(struct hosts *);

/* Writes the frames of its orders to host.order, and forgets the orders.
   Returns their length in bytes. */
size_t hosts_write_order(struct host *);

/* Forgets its orders, when its link is gone. */
void hosts_drop_order(struct host *);

/* Copies a text of size bytes as the reason for the last failure. */
void hosts_tell(struct host *, const char *text, size_t size);

#endif
