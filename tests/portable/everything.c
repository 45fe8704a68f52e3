/*
 * everything.c - a run in which everything happens, for compilers and C
 * libraries that the test suite does not run on.
 *
 * 1,000 ordered items of three workers, with a crash, an exit, an item that
 * hangs, one that fails, one that is tried again and a large output.  Prints a
 * line of counts.  Exit status: 0 if all is as it must be, else 1.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vimap.h>

#define ITEMS 1000
#define LARGE ((size_t)3 << 20)

enum special { CRASHES = 100, EXITS = 200, HANGS = 300, FAILS = 400,
	GROWS = 500, FAILS_ONCE = 600 };

static int work(struct vm_context *me, const void *input, size_t size)
{
	int64_t i;
	void *room;

	memcpy(&i, input, sizeof i);
	if (size != sizeof i)
		return vm_fail(me, 1, "an input of %u bytes", (unsigned)size);
	switch (i) {
	case CRASHES:
		abort();
	case EXITS:
		exit(3);
	case HANGS:
		for (;;)
			pause();
	case FAILS:
		return vm_fail(me, 7, "item %" PRId64 " is bad", i);
	case FAILS_ONCE:
		if (me->attempt == 1)
			return vm_fail(me, 8, "not yet");
		break;
	case GROWS:
		room = vm_reserve(me, LARGE);
		if (room == NULL)
			return -1;
		memset(room, 'x', LARGE);
		return vm_commit(me, LARGE);
	default:
		break;
	}
	i *= 2;
	return vm_output(me, &i, sizeof i);
}

/* Is the result of that number as it must be? */
static int is_right(const struct vm_result *r, int64_t number)
{
	int64_t i, out;

	memcpy(&i, r->input, sizeof i);
	if (i != number || r->index != (uint64_t)number)
		return 0;
	if (r->type == VM_EXCEPTION)
		return (i == CRASHES && r->exception->cause == VM_KILLED) ||
		    (i == EXITS && r->exception->cause == VM_EXITED &&
		    (r->exception->exit_status == 3 ||
		    r->exception->exit_status == -1)) ||
		    (i == HANGS && r->exception->cause == VM_TIMED_OUT) ||
		    (i == FAILS && r->exception->code == 7);
	if (i == GROWS)
		return r->output_size == LARGE;
	if (r->output_size != sizeof out || i == CRASHES || i == EXITS ||
	    i == HANGS || i == FAILS)
		return 0;
	memcpy(&out, r->output, sizeof out);
	return out == 2 * i && r->attempts == 1 + (i == FAILS_ONCE);
}

int main(void)
{
	const struct vm_worker worker = { .process = work };
	const struct vm_options options = { .workers = 3, .flags = VM_ORDERED,
		.item_timeout_ms = 3000, .max_attempts = 2,
		.retry_on = VM_FAILED };
	vm_pool *pool = vm_fork(&worker, &options);
	int64_t count = 0, right = 0;
	struct vm_result r;
	int rc;

	if (pool == NULL || vm_imap(pool, vm_range(0, ITEMS)) != 0) {
		printf("%s\n", vm_error(pool));
		return 1;
	}
	while ((rc = vm_zip_in_out(pool, &r)) == 1)
		right += is_right(&r, count++);
	if (rc < 0)
		printf("%s\n", vm_error(pool));
	if (vm_close(pool) != 0)
		printf("%s\n", vm_error(NULL));
	printf("%" PRId64 " items, %" PRId64 " right\n", count, right);
	return rc != 0 || count != ITEMS || right != ITEMS;
}
