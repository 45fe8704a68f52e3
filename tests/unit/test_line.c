/*
 * test_line.c - the line on the progress of a run: parts, ranks and widths.
 */
#include "config.h"

#include <string.h>

#include "base/base.h"
#include "report/line.h"
#include "tools.h"

#define S_IN_NS (1000 * MS_IN_NS)

static const struct line_facts thumbs = { .name = "thumbs", .done = 4123,
	.total = 10000, .wall_ns = 204 * S_IN_NS, .failed = 3, .retried = 2,
	.workers = "RRR.R!SR", .at = 777, .at_ns = 41 * S_IN_NS };

static void draw(const struct line_facts *f, size_t width, const char *wanted)
{
	char line[LINE_MOST + 1];

	ck_assert_uint_eq(line_draw(line, width, f), strlen(line));
	ck_assert_str_eq(line, wanted);
}

START_TEST(what_does_not_fit_is_left_out)
{
	draw(&thumbs, 119, "thumbs  4,123/10,000  41%  [##########...............]  20/s  "
	    "left 4:50  3 failed  2 retried  #777 at it 0:41  RRR.R!SR");
	draw(&thumbs, 79, "thumbs  4,123/10,000  41%  20/s  left 4:50  "
	    "3 failed  #777 at it 0:41  RRR.R!SR");
	draw(&thumbs, 59, "4,123/10,000  41%  20/s  left 4:50  3 failed  "
	    "RRR.R!SR");
	draw(&thumbs, 39, "4,123/10,000  41%  left 4:50  3 failed");
	draw(&thumbs, 23, "4,123/10,000  41%  20/s");
	draw(&thumbs, 11, "41%  20/s");
	draw(&thumbs, 0, "");
}
END_TEST

START_TEST(figures_have_fitting_units)
{
	struct line_facts f = { .name = "", .workers = "" };

	draw(&f, 79, "0  0:00");
	f.done = 4123;
	f.wall_ns = 13300 * S_IN_NS;
	draw(&f, 79, "4,123  3.2 s each  3:41:40");
	f.done = 81234567;
	f.wall_ns = 3 * S_IN_NS;
	draw(&f, 79, "81,234,567  27.1M/s  0:03");
	f.wall_ns = 200 * S_IN_NS;
	draw(&f, 79, "81,234,567  406k/s  3:20");
	f.lost = 1234;
	draw(&f, 79, "81,234,567  406k/s  3:20  1,234 lost");
}
END_TEST

START_TEST(earlier_runs_took_no_time)
{
	const struct line_facts f = { .name = "", .done = 9100,
		.earlier = 9000, .total = 10000, .wall_ns = 10 * S_IN_NS,
		.workers = "" };

	draw(&f, 40, "9,100/10,000  91%  10/s  left 1:30");
}
END_TEST

START_TEST(many_workers_are_counted)
{
	char letters[101];
	struct line_facts f = thumbs;

	memset(letters, 'R', sizeof letters);
	memcpy(letters + 20, "..!x", 4);
	letters[100] = '\0';
	f.workers = letters;
	f.at_ns = 0;
	draw(&f, 79, "thumbs  4,123/10,000  41%  20/s  left 4:50  3 failed  "
	    "2 retried  96R 2. 1! 1x");
}
END_TEST

START_TEST(names_are_printable)
{
	struct line_facts f = { .name = "a\033[2J\xc3\xa9", .workers = "" };

	draw(&f, 79, "a?[2J??  0  0:00");
}
END_TEST

/* Every width, and figures of all sizes: the line fits and is ASCII.  Bytes are
   counted, as each check is noted in a file. */
START_TEST(lines_fit)
{
	char line[LINE_MOST + 1];
	struct line_facts f = thumbs;
	size_t wrong = 0;

	for (uint64_t n = 0; n < UINT64_MAX / 8; n = n * 7 + 1) {
		f.done = f.failed = f.retried = f.lost = f.at = n;
		f.total = n % 2 ? n * 2 : 0;
		f.wall_ns = f.at_ns = n;
		for (size_t width = 0; width < 300; width++) {
			size_t size = line_draw(line, width, &f);

			ck_assert_uint_le(size, MIN(width, LINE_MOST));
			ck_assert_uint_eq(size, strlen(line));
			for (size_t i = 0; i < size; i++)
				wrong += line[i] < ' ' || line[i] > '~';
		}
	}
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_does_not_fit_is_left_out, figures_have_fitting_units,
		earlier_runs_took_no_time, many_workers_are_counted,
		names_are_printable, lines_fit,
	};

	return run_tests("line", tests, COUNTOF(tests));
}
