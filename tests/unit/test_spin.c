/*
 * test_spin.c - spinning is suspended for longer and longer while it does not
 * pay, and resumed as soon as it does.
 */
#include "config.h"

#include <unistd.h>

#include "base/base.h"
#include "os/spin.h"
#include "os/sys.h"
#include "tools.h"

/* ---- when a call spins ---- */

/* The result of the wrapped sys_linger(), and the time that it takes. */
static bool comes;
static uint64_t takes_ns, the_time;
static int times_tried;

bool __wrap_sys_linger(int fd, int times);
bool __wrap_sys_linger(int fd, int times)
{
	ck_assert_int_eq(fd, 77);
	ck_assert_int_eq(times, 9);
	times_tried++;
	the_time += takes_ns;
	return comes;
}

uint64_t __wrap_sys_now(void);
uint64_t __wrap_sys_now(void)
{
	return the_time;
}

/* Checks that a number of calls do not spin, and the next does. */
static void check_pause(struct spin *l, int calls)
{
	times_tried = 0;
	for (int i = 0; i < calls; i++)
		spin_at(l, 77, 9);
	ck_assert_int_eq(times_tried, 0);
	spin_at(l, 77, 9);
	ck_assert_int_eq(times_tried, 1);
}

START_TEST(is_tried_again_while_it_pays)
{
	struct spin l = { 0, 0 };

	comes = true;
	takes_ns = 30000;
	for (int i = 0; i < 100; i++)
		check_pause(&l, 0);
}
END_TEST

/* Spinning is in vain, or succeeds only after other processes had the CPU. */
START_TEST(is_left_off_where_it_does_not)
{
	static const int pauses[] = { 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023,
		1023, 1023 };

	for (int late = 0; late <= 1; late++) {
		struct spin l = { 0, 0 };

		comes = late;
		takes_ns = late ? 3000000 : 50000;
		check_pause(&l, 0);
		for (size_t i = 0; i + 1 < COUNTOF(pauses); i++)
			check_pause(&l, pauses[i]);
		/* Once spinning pays, each call spins. */
		comes = true;
		takes_ns = 1000;
		check_pause(&l, pauses[COUNTOF(pauses) - 1]);
		check_pause(&l, 0);
		comes = false;
		check_pause(&l, 0);
		check_pause(&l, 1);
	}
}
END_TEST

/* ---- sys_linger() itself ---- */

bool __real_sys_linger(int fd, int times);

START_TEST(looks_at_what_can_be_read)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert(!__real_sys_linger(fds[0], 0));
	ck_assert(!__real_sys_linger(fds[0], 20));
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	ck_assert(__real_sys_linger(fds[0], 0));
	ck_assert(__real_sys_linger(fds[0], 20));
	close(fds[1]);
	ck_assert(__real_sys_linger(fds[0], 20));
	close(fds[0]);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { is_tried_again_while_it_pays,
		is_left_off_where_it_does_not, looks_at_what_can_be_read };

	return run_tests("spin", tests, COUNTOF(tests));
}
