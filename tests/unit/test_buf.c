/* test_buf.c - buf: the buffer grows up to its bound, and not beyond. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "base/buf.h"
#include "tools.h"

START_TEST(appends_in_order)
{
	struct buf b;

	buf_init(&b, 100000);
	for (int i = 0; i < 10000; i++)
		ck_assert_int_eq(buf_append(&b, &(char){ (char)i }, 1), 0);
	ck_assert_uint_eq(b.len, 10000);
	for (int i = 0; i < 10000; i++)
		ck_assert_int_eq(b.data[i], (unsigned char)i);
	buf_release(&b);
}
END_TEST

START_TEST(keeps_its_bound)
{
	struct buf b;

	buf_init(&b, 10);
	ck_assert_int_eq(buf_append(&b, "0123456789", 10), 0);
	ck_assert_int_eq(buf_append(&b, "x", 1), -EFBIG);
	ck_assert_int_eq(buf_append(&b, "", 0), 0);
	ck_assert_uint_eq(b.len, 10);
	b.data[b.len] = 0;	/* a spare byte follows the data */
	ck_assert_str_eq((char *)b.data, "0123456789");
	buf_release(&b);
}
END_TEST

START_TEST(refuses_sizes_that_wrap_around)
{
	struct buf b;

	buf_init(&b, SIZE_MAX);
	ck_assert_int_eq(buf_append(&b, "abc", 3), 0);
	ck_assert_int_eq(buf_reserve(&b, SIZE_MAX), -EFBIG);
	ck_assert_int_eq(buf_reserve(&b, SIZE_MAX - 3), -ENOMEM);
	ck_assert_int_eq(memcmp(b.data, "abc", 3), 0);
	buf_release(&b);
}
END_TEST

START_TEST(keeps_little_when_it_is_empty)
{
	const char bytes[1000] = "";
	struct buf b;

	buf_init(&b, 100000);
	ck_assert_int_eq(buf_append(&b, bytes, sizeof bytes), 0);
	buf_empty(&b, b.cap);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_uint_ge(b.cap, sizeof bytes);
	buf_empty(&b, b.cap - 1);
	ck_assert_ptr_null(b.data);
	ck_assert_uint_eq(b.cap, 0);
	ck_assert_int_eq(buf_append(&b, "abc", 3), 0);
	ck_assert_uint_eq(b.max, 100000);
	buf_release(&b);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { appends_in_order, keeps_its_bound,
		refuses_sizes_that_wrap_around, keeps_little_when_it_is_empty };

	return run_tests("buf", tests, COUNTOF(tests));
}
