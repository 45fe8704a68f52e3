/*
 * test_greeting.c - the words between a link and its agent: greetings are found
 * behind any text, split anywhere; wrong sizes and numbers are refused.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "tools.h"
#include "wire/far.h"
#include "wire/greeting.h"

static size_t write_greeting(char *to, size_t room)
{
	struct greeting g;
	size_t n;

	greeting_init(&g);
	strcpy(g.identity, "0123abcd");
	strcpy(g.host, "h1");
	g.cpus = 12;
	n = greeting_write(&g, to, room);
	ck_assert_uint_lt(n + 40, room);
	strcpy(to + n, "name square\nname cube\nlater thing\n\n");
	return strlen(to);
}

START_TEST(a_greeting_is_read_as_it_was_written)
{
	char text[512];
	size_t size = write_greeting(text, sizeof text), begin, end;
	struct greeting g;

	ck_assert(greeting_find(text, size, &begin, &end));
	ck_assert_uint_eq(end, size);
	ck_assert_int_eq(greeting_read(text + begin, end - begin, "cube", &g),
	    0);
	ck_assert_str_eq(g.identity, "0123abcd");
	ck_assert_str_eq(g.host, "h1");
	ck_assert_uint_eq(g.cpus, 12);
	ck_assert_uint_eq(g.version, GREETING_VERSION);
	ck_assert_uint_eq(g.word, sizeof(void *));
	ck_assert(g.same_order);
	ck_assert(g.has_name);
	greeting_read(text + begin, end - begin, "cub", &g);
	ck_assert(!g.has_name);
	greeting_read(text + begin, end - begin, "cubes", &g);
	ck_assert(!g.has_name);
}
END_TEST

/* Behind each text, and with each number of bytes arrived. */
START_TEST(a_greeting_is_found_behind_other_text)
{
	static const char *const before[] = { "", "Welcome to h1\n",
		"no newline", "\n\n\n", "vimap", "vimap-agent", "a vimap-agent 1"
	};

	for (size_t i = 0; i < COUNTOF(before); i++) {
		char text[1024];
		size_t n = strlen(before[i]), size, begin, end;

		strcpy(text, before[i]);
		size = n + write_greeting(text + n, sizeof text - n);
		for (size_t k = 0; k < size; k++) {
			ck_assert(!greeting_find(text, k, &begin, &end));
			ck_assert_uint_le(begin, n + 1);
		}
		ck_assert(greeting_find(text, size, &begin, &end));
		ck_assert_uint_eq(begin, n + 1);
		ck_assert_uint_eq(end, size);
	}
}
END_TEST

static int read_text(const char *text)
{
	struct greeting g;

	return greeting_read(text, strlen(text), "x", &g);
}

START_TEST(a_greeting_without_its_lines_is_refused)
{
	const char whole[] = "vimap-agent 1\norder big\nword 8\nidentity a\n"
	    "host b\ncpus 3\n\n";
	char text[256];

	ck_assert_int_eq(read_text(whole), 0);
	for (const char *at = whole; *at != '\n'; at = strchr(at, '\n') + 1) {
		const char *next = strchr(at, '\n') + 1;

		/* Without this line. */
		memcpy(text, whole, (size_t)(at - whole));
		strcpy(text + (at - whole), next);
		ck_assert_int_eq(read_text(text), -EPROTO);
	}
	ck_assert_int_eq(read_text("vimap-agent 1\norder big\nword 8\n"
	    "identity a\nhost b\ncpus many\n\n"), -EPROTO);
	ck_assert_int_eq(read_text("vimap-agent 1\norder big\nword 8\n"
	    "identity a\nhost b\ncpus 12345678901\n\n"), -EPROTO);
	ck_assert_int_eq(read_text("vimap-agent \norder big\nword 8\n"
	    "identity a\nhost b\ncpus 1\n\n"), -EPROTO);
	ck_assert_int_eq(read_text(""), -EPROTO);
}
END_TEST

START_TEST(a_long_or_unprintable_value_is_cut)
{
	char text[1024] = "vimap-agent 1\norder big\nword 8\ncpus 3\nhost ";
	struct greeting g;
	size_t n = strlen(text);

	memset(text + n, 'h', 300);
	text[n + 1] = 7;
	strcpy(text + n + 300, "\nidentity x\033[31m\n\n");
	ck_assert_int_eq(greeting_read(text, strlen(text), "x", &g), 0);
	ck_assert_uint_eq(strlen(g.host), sizeof g.host - 1);
	ck_assert_int_eq(g.host[1], '?');
	ck_assert_str_eq(g.identity, "x?[31m");
}
END_TEST

/* ---- OUTCOME and BEGIN ---- */

static unsigned char body[1024];

static size_t outcome(int32_t traceback, int32_t tail)
{
	const struct far_outcome head = { .cause = VM_KILLED, .signal = 11,
		.exit_status = -1, .pid = 5, .traceback_size = traceback,
		.tail_size = tail, .host_size = -1 };

	memcpy(body, &head, sizeof head);
	memset(body + sizeof head, 'x', sizeof body - sizeof head);
	return sizeof head;
}

static void set(size_t offset, int32_t value)
{
	memcpy(body + offset, &value, sizeof value);
}

static int parse(size_t size)
{
	unsigned char *copy = malloc(size + 1);
	struct outcome_told told;
	int r;

	/* Of just that size, so that a read beyond it is seen. */
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, body, size);
	r = far_outcome(copy, size, &told);
	free(copy);
	return r;
}

START_TEST(an_outcome_has_its_texts)
{
	struct outcome_told told;
	size_t at = outcome(3, 0);

	memcpy(body + at, "abc\0\0", 5);
	ck_assert_int_eq(far_outcome(body, at + 5, &told), 0);
	ck_assert_str_eq(told.traceback, "abc");
	ck_assert_str_eq(told.tail, "");
	at = outcome(-1, -1);
	ck_assert_int_eq(far_outcome(body, at, &told), 0);
	ck_assert_ptr_null(told.traceback);
	ck_assert_ptr_null(told.tail);
	ck_assert_ptr_null(told.host);
	set(offsetof(struct far_outcome, host_size), 2);
	memcpy(body + at, "h1", 3);
	ck_assert_int_eq(far_outcome(body, at + 3, &told), 0);
	ck_assert_str_eq(told.host, "h1");
}
END_TEST

START_TEST(an_impossible_outcome_is_refused)
{
	size_t at = outcome(-1, -1);

	for (size_t k = 0; k < at; k++)
		ck_assert_int_eq(parse(k), -EPROTO);
	ck_assert_int_eq(parse(at), 0);
	ck_assert_int_eq(parse(at + 1), -EPROTO);
	set(offsetof(struct far_outcome, traceback_size), INT32_MAX);
	ck_assert_int_eq(parse(at + 5), -EPROTO);
	set(offsetof(struct far_outcome, traceback_size), -2);
	ck_assert_int_eq(parse(at + 5), -EPROTO);
	set(offsetof(struct far_outcome, traceback_size), 4);
	ck_assert_int_eq(parse(at + 5), -EPROTO);
	body[at + 4] = 0;
	ck_assert_int_eq(parse(at + 5), 0);
	outcome(-1, -1);
	set(offsetof(struct far_outcome, cause), VM_FAILED);
	ck_assert_int_eq(parse(at), -EPROTO);
	set(offsetof(struct far_outcome, cause), VM_KILLED | VM_EXITED);
	ck_assert_int_eq(parse(at), -EPROTO);
	set(offsetof(struct far_outcome, cause), 0);
	ck_assert_int_eq(parse(at), -EPROTO);
	outcome(-1, -1);
	set(offsetof(struct far_outcome, signal), 4711);
	ck_assert_int_eq(parse(at), -EPROTO);
	outcome(-1, -1);
	set(offsetof(struct far_outcome, pid), -1);
	ck_assert_int_eq(parse(at), -EPROTO);
}
END_TEST

START_TEST(a_begin_must_have_its_sizes)
{
	struct far_begin head = { .name_size = 2, .config_size = 3 };
	struct begin_told told;

	memcpy(body, &head, sizeof head);
	memcpy(body + sizeof head, "abcde", 5);
	ck_assert_int_eq(far_begin(body, sizeof head + 5, &told), 0);
	ck_assert_int_eq(memcmp(told.name, "ab", 2), 0);
	ck_assert_int_eq(memcmp(told.config, "cde", 3), 0);
	for (size_t k = 0; k < sizeof head + 5; k++)
		ck_assert_int_eq(far_begin(body, k, &told), -EPROTO);
	ck_assert_int_eq(far_begin(body, sizeof head + 6, &told), -EPROTO);
	head.behind_size = 1;
	memcpy(body, &head, sizeof head);
	ck_assert_int_eq(far_begin(body, sizeof head + 5, &told), -EPROTO);
	ck_assert_int_eq(far_begin(body, sizeof head + 6, &told), 0);
	ck_assert_ptr_eq(told.behind, body + sizeof head + 5);
	head.config_size = UINT64_MAX;
	head.name_size = 6;
	memcpy(body, &head, sizeof head);
	ck_assert_int_eq(far_begin(body, sizeof head + 5, &told), -EPROTO);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { a_greeting_is_read_as_it_was_written,
		a_greeting_is_found_behind_other_text,
		a_greeting_without_its_lines_is_refused,
		a_long_or_unprintable_value_is_cut, an_outcome_has_its_texts,
		an_impossible_outcome_is_refused, a_begin_must_have_its_sizes };

	return run_tests("greeting", tests, COUNTOF(tests));
}
