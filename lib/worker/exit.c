/* exit.c - see exit.h: how a worker exits. */
#include "config.h"

#include "worker/exit.h"

#include <stdlib.h>

#include "os/streams.h"
#include "os/sys.h"
#include "shm/slot.h"

_Noreturn void exit_leave(int status)
{
	streams_flush();
	sys_exit(status);
}

_Noreturn void exit_give_up(void)
{
	exit_leave(EXIT_FAILURE);
}

/* The slot of this worker; NULL: it has none yet. */
static struct slot *noted;
static pid_t noted_by;		/* children of the worker may exit as well */

void exit_note(struct slot *s)
{
	noted = s;
	noted_by = sys_getpid();
}

/* Keeps an exit() in a hook from running the host's handlers: it is registered
   after them, so it runs first.  The fork server, which registers it, leaves by
   _exit() only.  The status is not known: it counts as failure. */
static void on_quick_way_out(void)
{
	if (noted != NULL && sys_getpid() == noted_by)
		slot_hide_exit(noted);
	exit_leave(EXIT_FAILURE);
}

#ifdef HAVE_ON_EXIT
static void on_way_out(int status, void *unused)
{
	(void)unused;
	exit_leave(status);
}

int exit_guard(void)
{
	return on_exit(on_way_out, NULL) | at_quick_exit(on_quick_way_out);
}
#else
int exit_guard(void)
{
	return atexit(on_quick_way_out) | at_quick_exit(on_quick_way_out);
}
#endif
