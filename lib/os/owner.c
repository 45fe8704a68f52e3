/* owner.c - see owner.h: is this still the process that made the object? */
#include "config.h"

#include "os/owner.h"

#include "os/sys.h"

void owner_init(struct owner *o)
{
	size_t size = sys_page_size();

	o->page = sys_map_private(size);
	if (o->page != NULL && sys_wipe_on_fork(o->page, size) < 0)
		owner_release(o);
	owner_claim(o);
}

void owner_claim(struct owner *o)
{
	o->pid = sys_getpid();
	if (o->page != NULL)
		*o->page = 1;
}

bool owner_has_other_pid(const struct owner *o)
{
	return sys_getpid() != o->pid;
}

void owner_release(struct owner *o)
{
	sys_unmap(o->page, sys_page_size());
	o->page = NULL;
}
