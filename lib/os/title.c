/* title.c - see title.h: names of the pool's processes. */
#include "config.h"

#include "os/title.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/cut.h"
#include "os/sys.h"

/* Bytes of the program's name in all names, unless the role is longer than
   "server". */
#define PROGRAM 8

static char program[SYS_NAME];

void title_keep(void)
{
	sys_name(program);
}

void title_set(const char *role)
{
	char name[SYS_NAME];
	size_t room = SYS_NAME - 1 - MIN(strlen(role) + 1, SYS_NAME - 1);
	size_t bytes = cut_to(program, strlen(program), MIN(room, PROGRAM));

	snprintf(name, sizeof name, "%.*s:%s", (int)bytes, program, role);
	sys_rename(name);
}

void title_set_worker(int index)
{
	char role[SYS_NAME];

	snprintf(role, sizeof role, "w%d", index);
	title_set(role);
}
