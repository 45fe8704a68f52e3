/*
 * fetch.c - fetches pages, on connections that stay open between pages.
 *
 * Usage: fetch [-w workers] [-t seconds] [URL...]
 *
 *	-w	number of worker processes (4; 0: the number of CPUs)
 *	-t	timeout for a page, in whole seconds (30)
 *
 * Fetches the URLs, or those on stdin, one per line, if none is given.  Prints
 * "URL STATUS BYTES" for each, in their order: the status of HTTP and the
 * length of the page.  A page that fails is reported on stderr, and the others
 * are fetched all the same.
 *
 * It shows a use of setup and teardown.  Each worker makes a handle of libcurl
 * in its setup, uses it for all its pages, so that the connection stays open,
 * and frees it in its teardown.  No handle is shared between processes: the
 * caller has none.
 *
 * Exit status: 0 if all went well, 1 if not, 2 for a usage error.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <vimap.h>

/* The output for a page. */
struct page {
	long status;
	uint64_t bytes;
};

/* ---- In the worker ----------------------------------------------------- */

/* vm_context.state: kept by a worker between pages. */
struct fetcher {
	CURL *curl;
	struct page page;		/* result of the present page */
	char words[CURL_ERROR_SIZE];	/* libcurl's error text */
};

/* Callback of libcurl: counts the bytes of a piece of the page. */
static size_t take_piece(char *data, size_t size, size_t count, void *arg)
{
	struct page *page = arg;

	(void)data;
	page->bytes += size * count;
	return size * count;
}

/* Sets the options that are the same for all pages. */
static CURLcode prepare(struct fetcher *f)
{
	CURLcode code;

	code = curl_easy_setopt(f->curl, CURLOPT_ERRORBUFFER, f->words);
	if (code == CURLE_OK)
		code = curl_easy_setopt(f->curl, CURLOPT_PROTOCOLS_STR,
					"http,https");
	if (code == CURLE_OK)
		code = curl_easy_setopt(f->curl, CURLOPT_WRITEFUNCTION,
					take_piece);
	if (code == CURLE_OK)
		code = curl_easy_setopt(f->curl, CURLOPT_WRITEDATA, &f->page);
	return code;
}

/* f->curl may be NULL. */
static void release(struct fetcher *f)
{
	curl_easy_cleanup(f->curl);
	free(f);
	curl_global_cleanup();
}

static int set_up(struct vm_context *me)
{
	CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
	struct fetcher *f;

	if (code != CURLE_OK)
		return vm_fail(me, code, "%s", curl_easy_strerror(code));
	f = calloc(1, sizeof *f);
	if (!f) {
		curl_global_cleanup();
		return vm_fail(me, ENOMEM, "No memory for a fetcher.");
	}
	f->curl = curl_easy_init();
	code = f->curl ? prepare(f) : CURLE_FAILED_INIT;
	if (code != CURLE_OK) {
		release(f);
		return vm_fail(me, code, "%s", curl_easy_strerror(code));
	}
	me->state = f;
	return 0;
}

static void tear_down(struct vm_context *me)
{
	release(me->state);
}

/* The input is a URL: the library puts a 0 byte behind each input. */
static int fetch(struct vm_context *me, const void *input, size_t size)
{
	struct fetcher *f = me->state;
	CURLcode code;

	(void)size;
	f->page = (struct page){ 0 };
	f->words[0] = '\0';
	code = curl_easy_setopt(f->curl, CURLOPT_URL, input);
	if (code == CURLE_OK)
		code = curl_easy_perform(f->curl);
	if (code == CURLE_OK)
		code = curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE,
					 &f->page.status);
	if (code != CURLE_OK)
		return vm_fail(me, code, "%s", f->words[0] ? f->words :
			       curl_easy_strerror(code));
	if (f->page.status >= 400)
		return vm_fail(me, (int)f->page.status,
			       "The server said %ld.", f->page.status);
	return vm_output(me, &f->page, sizeof f->page);
}

/* ---- In the caller ----------------------------------------------------- */

static void complain(const char *words)
{
	fprintf(stderr, "fetch: %s\n", words);
}

static void print_result(const struct vm_result *r)
{
	const char *url = r->input;
	const struct page *page = r->output;

	if (r->type == VM_OUTPUT)
		printf("%s %ld %" PRIu64 "\n", url, page->status, page->bytes);
	else
		fprintf(stderr, "fetch: %s: %s\n", url, r->exception->message);
}

/* Prints all results.  Returns 0, or -1 if a page or the pool has failed. */
static int print_results(vm_pool *pool)
{
	struct vm_result r;
	int rc, status = 0;

	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		print_result(&r);
		if (r.type != VM_OUTPUT)
			status = -1;
	}
	if (rc == -1) {
		complain(vm_error(pool));
		status = -1;
	}
	return status;
}

/* Fetches all pages.  Returns 0, or -1 after a message. */
static int fetch_all(struct vm_source urls, const struct vm_options *options)
{
	static const struct vm_worker worker = {
		.setup = set_up,
		.process = fetch,
		.teardown = tear_down,
	};
	vm_pool *pool = vm_fork(&worker, options);
	int status = -1;

	/* If vm_fork() failed, vm_imap() fails too and vm_error() says why. */
	if (vm_imap(pool, urls) == -1)
		complain(vm_error(pool));
	else
		status = print_results(pool);
	if (vm_close(pool) != 0) {
		complain(vm_error(NULL));
		status = -1;
	}
	return status;
}

/* Parses a decimal number from 0 to max.  Returns 0, or -1 after a message. */
static int parse_number(const char *text, int max, int *number)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 &&
	    n <= max) {
		*number = (int)n;
		return 0;
	}
	fprintf(stderr, "fetch: '%s' is no number from 0 to %d\n", text, max);
	return -1;
}

/* Parses the options up to the first URL.  Returns 0, or -1 after a message. */
static int parse_options(int argc, char **argv, struct vm_options *options)
{
	int letter, seconds;

	while ((letter = getopt(argc, argv, "t:w:")) != -1) {
		switch (letter) {
		case 't':
			if (parse_number(optarg, INT_MAX / 1000,
					 &seconds) == -1)
				return -1;
			options->item_timeout_ms = seconds * 1000;
			break;
		case 'w':
			if (parse_number(optarg, INT_MAX,
					 &options->workers) == -1)
				return -1;
			break;
		default:
			return -1;
		}
	}
	return 0;
}

/* Checks that all output was written.  Returns 0, or -1 after a message. */
static int close_stdout(void)
{
	int failed = ferror(stdout);

	if (fclose(stdout) == 0 && !failed)
		return 0;
	complain("can't write the output");
	return -1;
}

int main(int argc, char **argv)
{
	struct vm_options options = {
		.workers = 4,
		.flags = VM_ORDERED,
		.chunk_size = 1,	/* a page takes far longer than a
					   message */
		.item_timeout_ms = 30000,
	};
	struct vm_source urls;
	int status;

	if (parse_options(argc, argv, &options) == -1) {
		complain("usage: fetch [-w workers] [-t seconds] [URL...]");
		return 2;
	}
	if (optind < argc)
		urls = vm_strings(argv + optind, (size_t)(argc - optind));
	else
		urls = vm_lines_fd(STDIN_FILENO);
	status = fetch_all(urls, &options);
	if (close_stdout() == -1)
		status = -1;
	return status == 0 ? 0 : 1;
}
