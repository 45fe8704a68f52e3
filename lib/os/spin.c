/* spin.c - see spin.h: polling before sleeping. */
#include "config.h"

#include "os/spin.h"

#include <stdbool.h>

#include "base/base.h"
#include "os/sys.h"

/* Polling that takes longer has not paid: other processes had the CPU. */
#define PAYS_NS 100000u
#define SPIN_PAUSE_MOST 1023

void spin_at(struct spin *l, int fd, int looks)
{
	uint64_t begin;
	bool came;

	if (l->left > 0) {
		l->left--;
		return;
	}
	begin = sys_now();
	came = sys_linger(fd, looks);
	if (came && sys_now() - begin < PAYS_NS)
		l->pause = 0;
	else
		l->pause = MIN(2 * l->pause + 1, SPIN_PAUSE_MOST);
	l->left = l->pause;
}
