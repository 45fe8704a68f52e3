/* rlimits.c - see rlimits.h: resource limits of a worker. */
#include "config.h"

#include "worker/rlimits.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/words.h"
#include "os/sys.h"

/* OOM score of a worker, so that the kernel, when memory runs out, kills a
   worker and not the host. */
#define OOM_SCORE 500
#define OOM_TEXT "500"
#define OOM_FILE "/proc/self/oom_score_adj"

/* Bytes the library needs beside the hooks: a buffer of inputs, an output. */
#define ROOM_TO_WORK ((size_t)256 * 1024)

int rlimits_limit(const struct plan *p, struct vm_context *me)
{
	uint64_t cpu = (uint64_t)p->max_cpu_s;
	int r = 0;

	/* The host may ignore the signal; then nothing would show the cause. */
	if (cpu > 0) {
		sys_default(SIGXCPU);
		r = sys_limit(RLIMIT_CPU, cpu, cpu + 1);
	}
	if (r == 0 && p->max_address_space > 0)
		r = sys_limit(RLIMIT_AS, p->max_address_space,
		    p->max_address_space);
	if (r < 0)
		return vm_fail(me, -r, "Limits cannot be set: %s.",
		    words_of(-r));
	if (sys_has_room(ROOM_TO_WORK) < 0)
		return vm_fail(me, ENOMEM, "There is no memory to work "
		    "with.");
	return 0;
}

/* If the host's own score is as high, workers inherit it. */
bool rlimits_must_volunteer(void)
{
	char now[16] = "";
	int fd = sys_open(OOM_FILE, O_RDONLY);
	ssize_t size = fd >= 0 ? sys_read(fd, now, sizeof now - 1) : 0;
	int score = 0;

	sys_close(&fd);
	for (const char *at = now; *at >= '0' && *at <= '9'; at++)
		score = score * 10 + *at - '0';
	return size > 0 && score < OOM_SCORE;
}

void rlimits_volunteer(void)
{
	int fd = sys_open(OOM_FILE, O_WRONLY);

	if (fd >= 0)
		sys_write(fd, OOM_TEXT, sizeof OOM_TEXT - 1);
	sys_close(&fd);
}
