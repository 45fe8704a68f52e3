/*
 * test_cut.c - texts that do not fit are cut between two characters, wherever
 * the library cuts them.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/base.h"
#include "base/cut.h"
#include "base/words.h"
#include "tools.h"
#include "worker/capture.h"

/* Characters of 1 to 4 bytes, the first and the last of each length. */
static const char *const characters[] = {
	"\x01", "z", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
	"\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
};

/* ---- the functions of cut.h ---- */

/* A text of two characters, cut after each byte. */
static void check_pair(const char *first, const char *second)
{
	size_t a = strlen(first), b = strlen(second);
	char text[16];

	snprintf(text, sizeof text, "%s%s", first, second);
	for (size_t n = 0; n <= a + b; n++) {
		size_t whole = n < a ? 0 : n < a + b ? a : a + b;
		size_t rest = n <= a ? a - n : a + b - n;

		ck_assert_uint_eq(cut_end(text, n), whole);
		ck_assert_uint_eq(cut_to(text, a + b, n), whole);
		/* The same bytes, cut from the end. */
		ck_assert_uint_eq(cut_begin(text + n, a + b - n),
		    n == 0 || n == a ? 0 : rest);
	}
	ck_assert_uint_eq(cut_to(text, a + b, 100), a + b);
}

START_TEST(each_character_at_each_byte)
{
	for (size_t i = 0; i < COUNTOF(characters); i++)
		for (size_t k = 0; k < COUNTOF(characters); k++)
			check_pair(characters[i], characters[k]);
}
END_TEST

/* At most three bytes are dropped, whatever the text. */
START_TEST(other_encodings)
{
	const char rests[] = "\x80\x80\x80\x80\x80\x80\x80\x80";
	const char latin[] = "caf\xe9";
	unsigned char bytes[4];
	unsigned wrong = 0;

	ck_assert_uint_eq(cut_end(rests, 8), 8);
	ck_assert_uint_eq(cut_begin(rests, 8), 3);
	ck_assert_uint_eq(cut_end(latin, 4), 3);
	for (unsigned i = 0; i < 1u << 16; i++) {
		memcpy(bytes, &(uint32_t){ i * 65537u }, sizeof bytes);
		wrong += cut_begin((char *)bytes, 4) > 3;
		wrong += cut_end((char *)bytes, 4) < 1;
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(cut_end("", 0), 0);
	ck_assert_uint_eq(cut_begin("", 0), 0);
}
END_TEST

static void print(char *to, size_t room, const char *format, ...)
    PRINTF_LIKE(3, 4);
static void print(char *to, size_t room, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	cut_print(to, room, format, ap);
	va_end(ap);
}

START_TEST(printed)
{
	char text[8] = "before";

	errno = EXDEV;
	print(text, sizeof text, "%s", "1234567");
	ck_assert_str_eq(text, "1234567");
	print(text, sizeof text, "%s", "123456\xc3\xa9");
	ck_assert_str_eq(text, "123456");
	print(text, sizeof text, "%s", "12345\xe2\x82\xac");
	ck_assert_str_eq(text, "12345");
	print(text, 1, "%s", "\xe2\x82\xac");
	ck_assert_str_eq(text, "");
	/* A text that was not cut is returned as it is, even if it ends in half
	   a character. */
	print(text, sizeof text, "%s", "12345\xe2");
	ck_assert_str_eq(text, "12345\xe2");
	print(text, sizeof text, "%lc", (wint_t)0x7fffffff);
	ck_assert_str_eq(text, "");
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

/* Checks that text ends behind a whole character of 3 bytes, and that no
   further character fits into "most" bytes. */
static void check_whole(const char *text, size_t most)
{
	size_t size = strlen(text), head = strcspn(text, "\xe2");

	ck_assert_uint_gt(size, head);
	ck_assert_uint_eq((size - head) % 3, 0);
	ck_assert_uint_le(size, most);
	ck_assert_uint_gt(size + 3, most);
}

/* Returns euro signs behind that number of letters. */
static char *euros(size_t letters)
{
	static char text[10000];
	size_t n = letters;

	memset(text, 'x', n);
	for (; n + 3 < sizeof text; n += 3)
		memcpy(text + n, "\xe2\x82\xac", 3);
	text[n] = '\0';
	return text;
}

START_TEST(words)
{
	struct words w;

	for (size_t i = 0; i < 3; i++) {
		words_set(&w, 0, "%s", euros(i));
		check_whole(w.text, sizeof w.text - 1);
		words_set(&w, 0, "%s", "x");
		words_add(&w, "%s", euros(i));
		check_whole(w.text, sizeof w.text - 1);
	}
}
END_TEST

/* ---- in a pool ---- */

static int fails(struct vm_context *me, const void *input, size_t size)
{
	(void)size;
	return vm_fail(me, 1, "%s", euros((size_t)number(input)));
}

START_TEST(messages)
{
	struct vm_worker worker = { .process = fails };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 1 });
	struct vm_result r;

	imap_to(pool, vm_range(0, 3));
	for (int i = 0; i < 3; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		check_whole(r.exception->message, 4095);
	}
	close_pool(pool);
}
END_TEST

static size_t letters;

static int cannot_be_set_up(struct vm_context *me)
{
	return vm_fail(me, 1, "%s", euros(letters));
}

/* The hook's message follows a sentence of the library, both in vm_error() and
   in the exception of an item. */
START_TEST(words_of_a_setup)
{
	struct vm_worker worker = { .setup = cannot_be_set_up,
		.process = fails };
	struct vm_result r;
	const char *text;
	vm_pool *pool;

	for (letters = 0; letters < 3; letters++) {
		pool = fork_pool(&worker, &(struct vm_options){
		    .workers = 1 });
		imap_to(pool, vm_range(0, 1));
		take(pool, &r);
		ck_assert_int_eq(r.exception->cause, VM_SETUP_FAILED);
		text = strstr(vm_error(pool), ": ");
		ck_assert_ptr_nonnull(text);
		check_whole(text + 2, 400);
		text = strstr(r.exception->message, "up.  ");
		ck_assert_ptr_nonnull(text);
		check_whole(text + 5, 400);
		close_pool(pool);
	}
}
END_TEST

/* Writes a text that ends with 0 to 2 letters; aborts for inputs from 3 on. */
static int writes(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);

	(void)size;
	fprintf(stderr, "%s%.*s", euros(0), (int)(n % 3), "zzz");
	if (n >= 3)
		abort();
	return vm_fail(me, 1, "wrote");
}

START_TEST(tails)
{
	struct vm_worker worker = { .process = writes };
	vm_pool *pool;
	struct vm_result r;

	no_cores();
	pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 1, .flags = VM_STDERR_TAIL });
	imap_to(pool, vm_range(0, 6));
	for (int i = 0; i < 6; i++) {
		const char *tail;
		size_t size;

		take(pool, &r);
		tail = r.exception->stderr_tail;
		ck_assert_ptr_nonnull(tail);
		size = strlen(tail);
		ck_assert_uint_le(size, CAPTURE_MOST);
		ck_assert_uint_gt(size + 3, CAPTURE_MOST);
		ck_assert_int_eq(strncmp(tail, "\xe2\x82\xac", 3), 0);
		ck_assert_uint_eq(size % 3, r.index % 3);
	}
	close_pool(pool);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		each_character_at_each_byte,
		other_encodings,
		printed,
		words,
		messages,
		words_of_a_setup,
		tails,
	};

	return run_tests("cut", tests, COUNTOF(tests));
}
