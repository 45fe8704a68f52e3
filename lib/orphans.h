/*
 * orphans.h - ending everything the fork server is the parent of.
 *
 * Runs in: fork server, at its end.  What workers started and left behind
 * has become its child (it is a subreaper); such processes are found in
 * /proc and killed, their children in turn, until there are none.
 *
 * Easy to get wrong: /proc may show another pid namespace; then its numbers
 * are not ours and must not be signalled.  Without a /proc of ours only the
 * workers' process groups are killed.
 */
#ifndef ORPHANS_H
#define ORPHANS_H

/* Kills every child of this process once.  Uses no heap. */
void orphans_kill(void);

#endif
