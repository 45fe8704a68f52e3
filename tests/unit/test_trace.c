/*
 * test_trace.c - events of a trace as JSON text, and the strict reader that the
 * tests of traces use.
 */
#include "config.h"

#include <string.h>

#include "base/base.h"
#include "json.h"
#include "report/trace.h"
#include "tools.h"

static char buffer[TRACE_ROOM];

static struct json all(const char *text)
{
	return (struct json){ text, text + strlen(text) };
}

START_TEST(the_reader_is_strict)
{
	const char *const good[] = { "[]", "{}", " [ ] ", "0", "-0.5e+10",
		"\"a\\n\\u00e4\"", "[1,2,{\"a\":[true,false,null]}]",
		"{\"a\":1,\"b\":\"\"}", "\n[\n1\n]\n" };
	const char *const bad[] = { "", "[", "]", "[1,]", "[,1]", "{\"a\":1,}",
		"{a:1}", "{\"a\"}", "01", "1.", ".5", "+1", "1e", "--1",
		"\"a", "\"\n\"", "\"\\x\"", "\"\\u12g4\"", "[1]]", "[1 2]",
		"[1],", "nul", "'a'", "[}", "\"\xc3\xa4\"", "NaN" };

	for (size_t i = 0; i < COUNTOF(good); i++)
		ck_assert_msg(json_is_valid(all(good[i])), "%s", good[i]);
	for (size_t i = 0; i < COUNTOF(bad); i++)
		ck_assert_msg(!json_is_valid(all(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(the_reader_finds_values)
{
	struct json list = json_elements(all("[ {\"a\":{\"b\":2},\"b\" : -1.5},"
	    "\"text\" , 7 ]")), element, value;
	double number;

	ck_assert(json_next(&list, &element));
	ck_assert(json_member(element, "b", &value));
	ck_assert(json_number(value, &number));
	ck_assert_double_eq(number, -1.5);
	ck_assert(json_member(element, "a", &value));
	ck_assert(json_member(value, "b", &value));
	ck_assert(json_number(value, &number));
	ck_assert_double_eq(number, 2);
	ck_assert(!json_member(element, "c", &value));
	ck_assert(json_next(&list, &element));
	ck_assert(json_is(element, "text") && json_begins(element, "te"));
	ck_assert(!json_is(element, "te") && !json_number(element, &number));
	ck_assert(json_next(&list, &element));
	ck_assert(!json_next(&list, &element));
}
END_TEST

/* Ends the text, and compares it. */
static void check(struct trace *t, const char *wanted)
{
	trace_end(t);
	t->text[t->size] = '\0';
	ck_assert_str_eq(t->text, wanted);
	ck_assert(json_is_valid(all(t->text)));
}

START_TEST(events_have_their_members)
{
	struct trace t;

	trace_begin(&t, buffer, 42, 1000000);
	trace_name(&t, -1, "thumbs");
	trace_name(&t, 3, "worker 2");
	trace_slice(&t, 3, 1000000 + 1234567, 1000000 + 2000099, "item 7", "");
	trace_slice(&t, 3, 3000000, 2999000, "item 8", "\"attempt\":2");
	trace_mark(&t, 0, 500, "retry", "\"index\":7");
	trace_count(&t, 1000100, "chunks sent", UINT64_MAX);
	check(&t, "[\n"
	    "{\"ph\":\"M\",\"pid\":42,\"tid\":0,\"ts\":0.0,"
	    "\"name\":\"process_name\",\"args\":{\"name\":\"thumbs\"}},\n"
	    "{\"ph\":\"M\",\"pid\":42,\"tid\":3,\"ts\":0.0,"
	    "\"name\":\"thread_name\",\"args\":{\"name\":\"worker 2\"}},\n"
	    "{\"ph\":\"X\",\"pid\":42,\"tid\":3,\"ts\":1234.5,\"dur\":765.5,"
	    "\"name\":\"item 7\"},\n"
	    "{\"ph\":\"X\",\"pid\":42,\"tid\":3,\"ts\":2000.0,\"dur\":0.0,"
	    "\"name\":\"item 8\",\"args\":{\"attempt\":2}},\n"
	    "{\"ph\":\"i\",\"pid\":42,\"tid\":0,\"ts\":0.0,\"s\":\"t\","
	    "\"name\":\"retry\",\"args\":{\"index\":7}},\n"
	    "{\"ph\":\"C\",\"pid\":42,\"tid\":0,\"ts\":0.1,"
	    "\"name\":\"chunks sent\",\"args\":{\"value\":"
	    "18446744073709551615}}\n]\n");
}
END_TEST

START_TEST(names_cannot_end_their_string)
{
	struct trace t;
	char text[TRACE_TEXT], longest[3 * TRACE_TEXT];

	trace_quote(text, "a\"b\\c\nd\x7f\xc3\xa4");
	ck_assert_str_eq(text, "a?b?c?d???");
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	trace_quote(text, longest);
	ck_assert_uint_eq(strlen(text), TRACE_TEXT - 1);
	trace_begin(&t, buffer, 1, 0);
	trace_name(&t, 1, longest);
	trace_name(&t, 1, "\"},]");
	trace_end(&t);
	t.text[t.size] = '\0';
	ck_assert(json_is_valid(all(t.text)));
}
END_TEST

/* Adjacent slices are adjacent, whatever their times are rounded to. */
START_TEST(rounded_slices_do_not_overlap)
{
	struct json list, element, value;
	struct trace t;
	double at, took, end = 0;
	uint64_t from = 5, until;

	trace_begin(&t, buffer, 1, 3);
	for (int i = 0; i < 200; i++, from = until) {
		until = from + (uint64_t)(i * 37 % 301);
		trace_slice(&t, 1, from, until, "x", "");
	}
	trace_end(&t);
	list = json_elements((struct json){ t.text, t.text + t.size });
	while (json_next(&list, &element)) {
		ck_assert(json_member(element, "ts", &value));
		ck_assert(json_number(value, &at));
		ck_assert(json_member(element, "dur", &value));
		ck_assert(json_number(value, &took));
		ck_assert_double_ge(at, end - 0.01);
		end = at + took;
	}
	ck_assert_double_gt(end, 1);
}
END_TEST

START_TEST(a_full_buffer_has_room_for_the_end)
{
	const char *longest =
	    "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "xxxxxxxxx\":1";
	struct trace t;
	size_t before;

	ck_assert_uint_lt(strlen(longest), TRACE_ARGS);
	trace_begin(&t, buffer, INT32_MAX, 0);
	while (trace_has_room(&t)) {
		before = t.size;
		trace_slice(&t, INT32_MAX, 0, UINT64_MAX, longest + 1,
		    longest);
		ck_assert_uint_le(t.size - before, TRACE_EVENT);
	}
	trace_end(&t);
	ck_assert_uint_le(t.size, TRACE_ROOM);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_reader_is_strict, the_reader_finds_values,
		events_have_their_members, names_cannot_end_their_string,
		rounded_slices_do_not_overlap,
		a_full_buffer_has_room_for_the_end,
	};

	return run_tests("trace", tests, COUNTOF(tests));
}
