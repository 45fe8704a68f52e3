/*
 * test_regress.c - failures that other tests have met by chance, each in a test
 * of its own.
 */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base.h"
#include "tools.h"

/* The item that kills its worker. */
#define BAD 5
/* Longer than the caller waits for a death notice after the end of a pipe. */
#define LATE_MS 600

static struct shared *sh;

/* Stops the fork server for a while, so that its next notices come late. */
static void make_late(void)
{
	pid_t server = getppid();

	kill(server, SIGSTOP);
	if (fork() != 0)
		return;
	setsid();
	for (int fd = 3; fd < 256; fd++)
		close(fd);
	nap_ms(LATE_MS);
	kill(server, SIGCONT);
	_exit(0);
}

static int die_unnoticed(struct vm_context *me, const void *input,
    size_t size)
{
	atomic_fetch_add(&sh->counter[me->index], 1);
	if (me->index == BAD) {
		make_late();
		raise(SIGKILL);
	}
	return vm_output(me, input, size);
}

START_TEST(a_death_that_is_told_late_is_no_garbage)
{
	const struct vm_worker worker = { .process = die_unnoticed };
	const struct vm_options options = { .workers = 1, .chunk_size = 10 };
	struct vm_result r;
	vm_pool *pool;

	no_cores();
	sh = shared_new();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 10));
	for (int i = 0; i < 10; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, r.index == BAD ? VM_EXCEPTION :
		    VM_OUTPUT);
		if (r.index != BAD)
			continue;
		ck_assert_msg(r.exception->cause == VM_KILLED, "%s",
		    vm_cause_name(r.exception->cause));
		ck_assert_int_eq(r.exception->signal, SIGKILL);
	}
	take_end(pool);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(sh->counter[i], 1);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_death_that_is_told_late_is_no_garbage };

	return run_tests("regress", tests, COUNTOF(tests));
}
