/*
 * fdlist.h - the descriptors the library holds in this process, of all pools.
 *
 * Runs in: caller; once in a new fork server.  A child that the host program or
 * another pool forks without exec gets copies of our descriptors, and a copy of
 * a pipe end in the wrong process hides an end of file.  So every descriptor is
 * on this list, and a new fork server closes all except its own.
 *
 * Easy to get wrong: making descriptors, listing them and forking must not mix
 * between threads; hold the lock from making to listing.  And a host program
 * may close descriptors it has not opened: by the time we drop a number, it may
 * be a file of the host's, or of another pool.
 */
#ifndef FDLIST_H
#define FDLIST_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Takes and releases the lock of this process; blocks.  Held over
 * create-and-fork and over receive-and-register.  A process forked meanwhile,
 * by any thread, has its own lock, which is free.
 */
void fdlist_lock(void);
void fdlist_unlock(void);

/* With the lock held: returns the generation of the lists kept under the lock.
   A change means that those lists were inherited from the parent process, and
   must be forgotten. */
unsigned fdlist_books(void);

/* Lists a descriptor and the identity of its file, with the lock held.  Returns
   0 or -ENOMEM. */
int fdlist_add(int fd);

/* Removes *fd from the list and closes it, unless the host program has closed
   it and the number refers to another file.  Sets *fd to -1; does nothing for
   -1.  Takes the lock; keeps errno. */
void fdlist_drop(int *fd);

/* The same, but leaves the descriptor open.  For files that cannot be told from
   the host program's. */
void fdlist_leave(int *fd);

/* In a new fork server, forked by the thread that holds the lock: closes every
   listed descriptor that still refers to its file, and empties the list. */
void fdlist_drop_all(void);

/* Counts the descriptors of any kind that this process may still open.  Returns
   false if /proc/self/fd cannot be read: *left is then half the limit, or 0 if
   no descriptor is left. */
bool fdlist_left(uint64_t *left);

#endif
