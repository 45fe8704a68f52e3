/*
 * fdlist.h - the descriptors the library holds in this process, of all pools.
 *
 * Runs in: caller; once in a new fork server.  A child that the host or
 * another pool forks without exec gets copies of our descriptors, and a copy
 * of a pipe end in the wrong process hides an end of file.  So every one is
 * on this list, and a new fork server closes what is not its own.
 *
 * Easy to get wrong: making descriptors, listing them and forking must not
 * mix between threads; hold the lock from the making to the listing.  And a
 * host may close what it has not opened: then the number may be a file of its
 * own, or of another pool, by the time it is dropped.
 */
#ifndef FDLIST_H
#define FDLIST_H

#include <stdbool.h>
#include <stdint.h>

/*
 * One lock for the process.  Held over create-and-fork and over
 * receive-and-register.  A process forked meanwhile, by whichever thread, has a
 * lock of its own, that is free.
 */
void fdlist_lock(void);
void fdlist_unlock(void);

/* Under the lock: a number of the books that are kept under it.  If it is not
   the one from before, those are of the process that this one was forked from,
   and what they say must be forgotten. */
unsigned fdlist_books(void);

/* Lists a descriptor, and which file it is; the lock is held.  0 or
   -ENOMEM. */
int fdlist_add(int fd);

/* Takes it off the list and closes it, unless the host has closed it and the
   number stands for another file; nothing for -1.  The lock is not held.  Makes
   it -1, keeps errno. */
void fdlist_drop(int *fd);

/* The same, but leaves open what the number stands for.  For what cannot be
   told from files of the host's. */
void fdlist_leave(int *fd);

/* In a new fork server, forked by the thread that has the lock: closes every
   listed descriptor that is what it was, and empties the list. */
void fdlist_drop_all(void);

/* How many more descriptors this process may open, of any kind.  False if that
   is not known, for want of /proc: then half the limit is taken to be left. */
bool fdlist_left(uint64_t *left);

#endif
