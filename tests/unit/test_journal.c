/*
 * test_journal.c - the file of a journal: digests by the published vectors,
 * entries and files that are cut or changed at each byte, equal keys, files that
 * are no journal, several workers.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "journal/journal.h"
#include "journal/little.h"
#include "os/fdlist.h"
#include "sample.h"
#include "tools.h"

static const struct digest secret = { { 0x0706050403020100u,
	0x0f0e0d0c0b0a0908u } };

/* ---- digests ---- */

static void check_digest(size_t size, const char *hex)
{
	unsigned char bytes[64], out[16];
	struct digest d;
	char text[33];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)i;
	d = digest_of(&secret, bytes, size);
	little_put64(out, d.word[0]);
	little_put64(out + 8, d.word[1]);
	for (int i = 0; i < 16; i++)
		snprintf(text + 2 * i, 3, "%02x", out[i]);
	ck_assert_str_eq(text, hex);
}

START_TEST(digests_are_those_of_siphash)
{
	check_digest(0, "a3817f04ba25a8e66df67214c7550293");
	check_digest(1, "da87c1d86b99af44347659119b22fc45");
}
END_TEST

START_TEST(each_byte_changes_a_digest)
{
	unsigned char bytes[40] = { 0 };
	struct digest all[COUNTOF(bytes) * 2];
	size_t n = 0;

	for (size_t i = 0; i < sizeof bytes; i++) {
		all[n++] = digest_of(&secret, bytes, i);
		bytes[i] ^= 1;
		all[n++] = digest_of(&secret, bytes, sizeof bytes);
		bytes[i] ^= 1;
	}
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			ck_assert(!digest_is(&all[i], &all[k]));
}
END_TEST

/* ---- entries ---- */

static const struct entry some = { .type = ENTRY_FAILURE,
	.key = { { 1, UINT64_MAX } }, .index = 3, .wall_ns = 4, .cpu_ns = 5,
	.attempts = 6, .replaces = true, .size = 7, .check = 8 };

START_TEST(heads_are_read_as_written)
{
	unsigned char head[ENTRY_HEAD];
	struct entry e;

	entry_write(head, &some, &secret);
	ck_assert_int_eq(entry_read(&e, head, &secret), 0);
	ck_assert_int_eq(e.type, some.type);
	ck_assert(digest_is(&e.key, &some.key));
	ck_assert_uint_eq(e.index, some.index);
	ck_assert_uint_eq(e.wall_ns, some.wall_ns);
	ck_assert_uint_eq(e.cpu_ns, some.cpu_ns);
	ck_assert_uint_eq(e.attempts, some.attempts);
	ck_assert(e.replaces);
	ck_assert_uint_eq(e.size, some.size);
	ck_assert_uint_eq(e.check, some.check);
}
END_TEST

START_TEST(heads_with_a_changed_bit_are_refused)
{
	unsigned char head[ENTRY_HEAD];
	struct entry e;

	entry_write(head, &some, &secret);
	for (int bit = 0; bit < 8 * ENTRY_HEAD; bit++) {
		head[bit / 8] ^= (unsigned char)(1 << bit % 8);
		ck_assert_int_eq(entry_read(&e, head, &secret), -EPROTO);
		head[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	ck_assert_int_eq(entry_read(&e, head, &some.key), -EPROTO);
	ck_assert_int_eq(entry_read(&e, head, &secret), 0);
}
END_TEST

static const struct entry_failure crash = { .cause = VM_KILLED, .code = -1,
	.signal = SIGSEGV, .exit_status = -1, .core_dumped = true,
	.out_of_memory = true, .max_rss = (uint64_t)1 << 40,
	.message = "It crashed.", .traceback = "#0 here", .stderr_tail = "" };

/* Writes a failure to a block of exactly its size. */
static unsigned char *written(const struct entry_failure *f, size_t *size)
{
	unsigned char *data;

	*size = entry_failure_size(f);
	data = malloc(*size);
	ck_assert_ptr_nonnull(data);
	entry_write_failure(data, f);
	return data;
}

START_TEST(failures_are_read_as_written)
{
	struct entry_failure f, bare = { .message = "" };
	size_t size;
	unsigned char *data = written(&crash, &size);

	ck_assert_int_eq(entry_read_failure(&f, data, size), 0);
	ck_assert_int_eq(f.cause, VM_KILLED);
	ck_assert_int_eq(f.code, -1);
	ck_assert_int_eq(f.signal, SIGSEGV);
	ck_assert_int_eq(f.exit_status, -1);
	ck_assert(f.core_dumped && f.out_of_memory);
	ck_assert_uint_eq(f.max_rss, crash.max_rss);
	ck_assert_str_eq(f.message, crash.message);
	ck_assert_str_eq(f.traceback, crash.traceback);
	ck_assert_str_eq(f.stderr_tail, "");
	free(data);
	data = written(&bare, &size);
	ck_assert_int_eq(entry_read_failure(&f, data, size), 0);
	ck_assert_str_eq(f.message, "");
	ck_assert(f.traceback == NULL && f.stderr_tail == NULL);
	ck_assert(!f.core_dumped && !f.out_of_memory);
	free(data);
}
END_TEST

/* Sanitizers see each read outside the block. */
START_TEST(failures_that_are_cut_or_changed_stay_in_their_bounds)
{
	struct entry_failure f;
	size_t size, total = 0;
	unsigned char *data = written(&crash, &size), *part;

	for (size_t have = 0; have < size; have++) {
		part = malloc(MAX(have, 1));
		ck_assert_ptr_nonnull(part);
		memcpy(part, data, have);
		ck_assert_int_eq(entry_read_failure(&f, part, have), -EPROTO);
		free(part);
	}
	for (size_t bit = 0; bit < 8 * size; bit++) {
		data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		if (entry_read_failure(&f, data, size) == 0)
			total += strlen(f.message) +
			    (f.traceback ? strlen(f.traceback) : 0) +
			    (f.stderr_tail ? strlen(f.stderr_tail) : 0);
		data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	ck_assert_uint_gt(total, 0);
	free(data);
}
END_TEST

/* ---- ledgers ---- */

#define KEYS 50

START_TEST(ledgers_give_entries_in_their_order)
{
	const int steps = sample_size(200000, 20000);
	uint64_t first[KEYS] = { 0 }, last[KEYS] = { 0 };
	struct ledger l = { .items = NULL };
	unsigned state = sample_seed();
	struct digest key = { { 0, 0 } };

	/* Positions of a key k are k + 1, k + 1 + KEYS, k + 1 + 2 KEYS ... */
	for (int i = 0; i < steps; i++) {
		unsigned k, add;

		state = state * 1103515245u + 12345;
		k = (state >> 8) % KEYS;
		add = (state >> 24) % 2;
		/* Half of the keys share a place in the table. */
		key.word[0] = k % 2 == 0 ? 7 : k;
		key.word[1] = k;
		ck_assert_uint_eq(ledger_find(&l, &key),
		    first[k] == last[k] ? 0 : first[k] * KEYS + k + 1);
		if (add) {
			ck_assert_int_eq(ledger_add(&l, &key,
			    last[k]++ * KEYS + k + 1), 0);
		} else if (first[k] < last[k]) {
			ledger_take(&l, &key);
			first[k]++;
		}
	}
	ledger_release(&l);
}
END_TEST

/* ---- files ---- */

static char dir[64], path[80];

static void make_dir(void)
{
	strcpy(dir, "/tmp/vimap_journal.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/j", dir);
}

static void remove_dir(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void put_file(const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, size), (int)size);
	close(fd);
}

/* Reads the whole file.  Returns its size. */
static size_t get_file(unsigned char *to, size_t room)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, to, room);

	ck_assert_int_ge(n, 0);
	ck_assert_int_lt(n, (int)room);
	close(fd);
	return (size_t)n;
}

static struct journal_wants wants(void)
{
	return (struct journal_wants){ .path = path, .name = "cutter",
		.version = "2", .outputs = true };
}

static void open_journal(struct journal *j, const struct journal_wants *w)
{
	struct words words;
	int r = journal_open(j, w, &words);

	ck_assert_msg(r == 0, "%s", words.text);
}

/* Adds an entry whose key, type and data follow from its number. */
static void add(struct journal *j, uint64_t n)
{
	const char *const data[] = { "", "an output", "x" };
	struct entry e = { .type = n % 2 ? ENTRY_OUTPUT : ENTRY_FAILURE,
		.key = { { n, n } }, .index = n };

	e.size = strlen(data[n % 3]);
	ck_assert_int_eq(journal_add(j, &e, data[n % 3]), 0);
}

/* Returns the position of the entry of a number; 0 if it is not there. */
static uint64_t find(const struct journal *j, uint64_t n)
{
	const struct digest key = { { n, n } };

	return ledger_find(n % 2 ? &j->done : &j->failed, &key);
}

#define FIRST_LINE 64	/* bytes */
#define ENTRIES 5
#define ROOM 4096

/* Makes a journal, and returns its size; ends[i] is its size with i entries. */
static size_t make_journal(size_t ends[ENTRIES + 1])
{
	const struct journal_wants w = wants();
	struct journal j;

	open_journal(&j, &w);
	for (size_t i = 0; i <= ENTRIES; i++) {
		ends[i] = (size_t)j.out.size;
		if (i < ENTRIES)
			add(&j, i);
	}
	journal_close(&j, fdlist_drop);
	return ends[ENTRIES];
}

START_TEST(entries_are_there_again)
{
	const struct journal_wants w = wants();
	size_t ends[ENTRIES + 1];
	struct journal j;
	struct entry e;
	struct stat s;
	char data[16] = "";

	make_dir();
	make_journal(ends);
	ck_assert_int_eq(stat(path, &s), 0);
	ck_assert_int_eq(s.st_mode & 0777, 0600);
	open_journal(&j, &w);
	for (uint64_t i = 0; i < ENTRIES; i++)
		ck_assert_uint_eq(find(&j, i), ends[i]);
	ck_assert_int_eq(journal_read(&j, find(&j, 1), &e), 0);
	ck_assert_uint_eq(e.index, 1);
	ck_assert_int_eq(journal_read_data(&j, find(&j, 1), &e, data), 0);
	ck_assert_str_eq(data, "an output");
	journal_close(&j, fdlist_drop);
	remove_dir();
}
END_TEST

/* A run was killed at any point of a write: what was whole is there, and what
   is added then is there as well. */
START_TEST(ends_that_are_torn_are_cut_off)
{
	const struct journal_wants w = wants();
	unsigned char whole[ROOM];
	size_t ends[ENTRIES + 1], size;
	struct journal j;

	make_dir();
	make_journal(ends);
	size = get_file(whole, sizeof whole);
	ck_assert_uint_eq(size, ends[ENTRIES]);
	for (size_t cut = 0; cut <= size; cut++) {
		put_file(whole, cut);
		open_journal(&j, &w);
		for (uint64_t i = 0; i < ENTRIES; i++)
			ck_assert_int_eq(find(&j, i) != 0,
			    cut >= ends[i + 1]);
		ck_assert_uint_le(cut < ends[0] ? 0 : ends[0], j.out.size);
		add(&j, 100);
		journal_close(&j, fdlist_drop);
		open_journal(&j, &w);
		ck_assert_uint_ne(find(&j, 100), 0);
		journal_close(&j, fdlist_drop);
	}
	remove_dir();
}
END_TEST

/* Flips a bit of each byte.  A changed first line is refused and stays; behind
   it the entry that was changed is not believed, and all others are. */
START_TEST(changed_bytes_are_found)
{
	const struct journal_wants w = wants();
	unsigned char whole[ROOM], after[ROOM];
	size_t ends[ENTRIES + 1], size;
	struct words words;
	struct journal j;
	struct entry e;

	make_dir();
	size = make_journal(ends);
	ck_assert_uint_eq(get_file(whole, sizeof whole), size);
	for (size_t at = 0; at < size; at++) {
		whole[at] ^= (unsigned char)(1 << at % 8);
		put_file(whole, size);
		if (journal_open(&j, &w, &words) < 0) {
			ck_assert_uint_lt(at, FIRST_LINE);
			ck_assert_uint_eq(get_file(after, ROOM), size);
			ck_assert_int_eq(memcmp(whole, after, size), 0);
			whole[at] ^= (unsigned char)(1 << at % 8);
			continue;
		}
		ck_assert_uint_ge(at, FIRST_LINE);
		for (uint64_t i = 0; i < ENTRIES; i++) {
			uint64_t found = find(&j, i);
			bool good = found != 0 &&
			    journal_read(&j, found, &e) == 0 &&
			    journal_read_data(&j, found, &e, after) == 0;

			ck_assert_int_eq(good, ends[i + 1] <= at ||
			    at < ends[i]);
		}
		journal_close(&j, fdlist_drop);
		whole[at] ^= (unsigned char)(1 << at % 8);
	}
	remove_dir();
}
END_TEST

/* More than is read at once. */
#define JUNK 70000

/* Bytes of something else cost no entry, wherever they are. */
START_TEST(entries_behind_damage_are_found)
{
	const struct journal_wants w = wants();
	static unsigned char whole[ROOM], all[ROOM + JUNK];
	size_t ends[ENTRIES + 1], size;
	struct journal j;

	make_dir();
	size = make_journal(ends);
	ck_assert_uint_eq(get_file(whole, sizeof whole), size);
	for (int i = 0; i <= ENTRIES; i++) {
		memcpy(all, whole, ends[i]);
		memset(all + ends[i], i, JUNK);
		memcpy(all + ends[i] + JUNK, whole + ends[i], size - ends[i]);
		put_file(all, size + JUNK);
		open_journal(&j, &w);
		for (int k = 0; k < ENTRIES; k++)
			ck_assert_uint_eq(find(&j, (uint64_t)k),
			    ends[k] + (k < i ? 0 : JUNK));
		ck_assert_int_eq(j.out.size < size + JUNK, i == ENTRIES);
		add(&j, 100);
		journal_close(&j, fdlist_drop);
		open_journal(&j, &w);
		ck_assert(find(&j, 1) != 0 && find(&j, 100) != 0);
		journal_close(&j, fdlist_drop);
	}
	remove_dir();
}
END_TEST

/* A head that is whole, of an entry that is not, hides no other. */
START_TEST(entries_within_a_torn_one_are_found)
{
	const struct journal_wants w = wants();
	struct entry e = { .type = ENTRY_OUTPUT, .key = { { 50, 50 } },
		.size = 1 << 20 };
	unsigned char head[ENTRY_HEAD];
	size_t ends[ENTRIES + 1];
	struct journal j;
	FILE *f;

	make_dir();
	make_journal(ends);
	open_journal(&j, &w);
	entry_write(head, &e, &j.secret);
	journal_close(&j, fdlist_drop);
	f = fopen(path, "a");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(head, 1, sizeof head, f), sizeof head);
	e.size = 0;
	e.key = (struct digest){ { 51, 51 } };
	e.check = entry_check(&j.secret, NULL, 0);
	entry_write(head, &e, &j.secret);
	ck_assert_uint_eq(fwrite(head, 1, sizeof head, f), sizeof head);
	fclose(f);
	open_journal(&j, &w);
	ck_assert(find(&j, 1) != 0 && find(&j, 50) == 0 && find(&j, 51) != 0);
	journal_close(&j, fdlist_drop);
	remove_dir();
}
END_TEST

/* Asserts that a file is refused with that word in the sentence, and stays. */
static void check_refused(const struct journal_wants *w, const char *word)
{
	unsigned char before[ROOM], after[ROOM];
	size_t size = get_file(before, ROOM);
	struct words words;
	struct journal j;

	ck_assert_int_eq(journal_open(&j, w, &words), -EINVAL);
	ck_assert_ptr_nonnull(strstr(words.text, word));
	ck_assert_ptr_nonnull(strstr(words.text, path));
	ck_assert_uint_eq(get_file(after, ROOM), size);
	ck_assert_int_eq(memcmp(before, after, size), 0);
}

START_TEST(other_files_are_refused)
{
	struct journal_wants w = wants();
	size_t ends[ENTRIES + 1];

	make_dir();
	put_file("hello\n", 6);
	check_refused(&w, "no journal");
	put_file("#vimap-journey", 14);
	check_refused(&w, "no journal");
	put_file("#vimap-journal 2 outputs=1", 26);
	check_refused(&w, "another version");
	unlink(path);
	make_journal(ends);
	w.outputs = false;
	check_refused(&w, "without VM_JOURNAL_OUTPUTS");
	remove_dir();
}
END_TEST

/* With another secret all entries look damaged, but stay. */
START_TEST(a_changed_secret_is_refused)
{
	const struct journal_wants w = wants();
	size_t ends[ENTRIES + 1];
	unsigned char whole[ROOM], *digit = whole + FIRST_LINE - 2;
	size_t size;

	make_dir();
	make_journal(ends);
	size = get_file(whole, sizeof whole);
	*digit = *digit == '0' ? '1' : '0';
	put_file(whole, size);
	check_refused(&w, "damaged first line");
	remove_dir();
}
END_TEST

/* A changed worker finds nothing, and what the former left is not lost. */
START_TEST(each_worker_has_its_own_entries)
{
	const struct journal_wants w = wants();
	struct journal_wants other = w;
	size_t ends[ENTRIES + 1];
	struct journal j;

	make_dir();
	make_journal(ends);
	other.version = "3";
	open_journal(&j, &other);
	ck_assert_uint_eq(find(&j, 1), 0);
	add(&j, 7);
	journal_close(&j, fdlist_drop);
	other.name = "";
	other.version = "cutter";
	open_journal(&j, &other);
	ck_assert_uint_eq(find(&j, 1), 0);
	journal_close(&j, fdlist_drop);
	open_journal(&j, &w);
	ck_assert_uint_ne(find(&j, 1), 0);
	ck_assert_uint_eq(find(&j, 7), 0);
	add(&j, 9);
	journal_close(&j, fdlist_drop);
	open_journal(&j, &w);
	ck_assert(find(&j, 1) != 0 && find(&j, 9) != 0 && find(&j, 7) == 0);
	journal_close(&j, fdlist_drop);
	remove_dir();
}
END_TEST

START_TEST(names_and_versions_have_a_most)
{
	struct journal_wants w = wants();
	char version[1024] = "";
	struct words words;
	struct journal j;

	make_dir();
	memset(version, 'v', 1022 - strlen(w.name));
	w.version = version;
	open_journal(&j, &w);
	journal_close(&j, fdlist_drop);
	strcat(version, "v");
	ck_assert_int_eq(journal_open(&j, &w, &words), -EINVAL);
	ck_assert_ptr_nonnull(strstr(words.text, "1022 bytes at most"));
	remove_dir();
}
END_TEST

START_TEST(a_journal_is_open_once)
{
	const struct journal_wants w = wants();
	struct words words;
	struct journal j, k;

	make_dir();
	open_journal(&j, &w);
	ck_assert_int_eq(journal_open(&k, &w, &words), -EWOULDBLOCK);
	ck_assert_ptr_nonnull(strstr(words.text, "another pool"));
	journal_close(&j, fdlist_drop);
	open_journal(&k, &w);
	journal_close(&k, fdlist_drop);
	remove_dir();
}
END_TEST

START_TEST(a_replaced_failure_is_void)
{
	const struct journal_wants w = wants();
	const struct digest key = { { 4, 4 } };
	struct entry e = { .type = ENTRY_OUTPUT, .key = key,
		.replaces = true };
	struct journal j;

	make_dir();
	open_journal(&j, &w);
	add(&j, 4);
	add(&j, 4);
	ck_assert_int_eq(journal_add(&j, &e, NULL), 0);
	journal_close(&j, fdlist_drop);
	open_journal(&j, &w);
	ck_assert_uint_ne(ledger_find(&j.done, &key), 0);
	ck_assert_uint_ne(ledger_find(&j.failed, &key), 0);
	ledger_take(&j.failed, &key);
	ck_assert_uint_eq(ledger_find(&j.failed, &key), 0);
	journal_close(&j, fdlist_drop);
	remove_dir();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		digests_are_those_of_siphash,
		each_byte_changes_a_digest,
		heads_are_read_as_written,
		heads_with_a_changed_bit_are_refused,
		failures_are_read_as_written,
		failures_that_are_cut_or_changed_stay_in_their_bounds,
		ledgers_give_entries_in_their_order,
		entries_are_there_again,
		ends_that_are_torn_are_cut_off,
		changed_bytes_are_found,
		entries_behind_damage_are_found,
		entries_within_a_torn_one_are_found,
		other_files_are_refused,
		a_changed_secret_is_refused,
		each_worker_has_its_own_entries, names_and_versions_have_a_most,
		a_journal_is_open_once,
		a_replaced_failure_is_void };

	return run_tests("journal", tests, COUNTOF(tests));
}
