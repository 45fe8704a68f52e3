/*
 * title.c - see title.h: names of the pool's processes.
 *
 * Without stdio and strlen(): each worker sets a name, and would map the pages
 * of the C library that these are in, by a page fault each.
 */
#include "config.h"

#include "os/title.h"

#include <stddef.h>

#include "base/base.h"
#include "base/cut.h"
#include "base/digits.h"
#include "os/sys.h"

/* Bytes of the program's name in all names, unless the role is longer than
   "server". */
#define PROGRAM 8

static char program[SYS_NAME];

static size_t size_of(const char *text)
{
	size_t size = 0;

	while (size < SYS_NAME - 1 && text[size] != '\0')
		size++;
	return size;
}

/* Appends as much as fits.  Returns the new size. */
static size_t append(char name[SYS_NAME], size_t size, const char *text,
    size_t bytes)
{
	for (size_t i = 0; i < bytes && size < SYS_NAME - 1; i++)
		name[size++] = text[i];
	return size;
}

void title_keep(void)
{
	sys_name(program);
}

void title_set(const char *role)
{
	char name[SYS_NAME];
	size_t bytes = size_of(role);
	size_t room = SYS_NAME - 1 - MIN(bytes + 1, SYS_NAME - 1);
	size_t size = append(name, 0, program, cut_to(program,
	    size_of(program), MIN(room, PROGRAM)));

	size = append(name, size, ":", 1);
	size = append(name, size, role, bytes);
	name[size] = '\0';
	sys_rename(name);
}

void title_set_worker(int index)
{
	char role[1 + DIGITS_MOST + 1] = "";
	char *at = digits_before(role + 1 + DIGITS_MOST, (uint64_t)index, 10);

	*--at = 'w';
	title_set(at);
}
