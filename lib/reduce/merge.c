/* merge.c - see merge.h: merges sorted runs with a heap of scans. */
#include "config.h"

#include "reduce/merge.h"

#include <errno.h>
#include <stdlib.h>

static bool is_before(const struct merge *m, size_t a, size_t b)
{
	const struct record *x = &m->scans[a].now, *y = &m->scans[b].now;
	int r = record_compare(x->key, x->key_size, y->key, y->key_size);

	return r != 0 ? r < 0 : a < b;
}

/* Restores the heap after its element "at" has changed. */
static void sink_down(struct merge *m, size_t at)
{
	size_t moved = m->heap[at], next;

	while ((next = 2 * at + 1) < m->left) {
		if (next + 1 < m->left &&
		    is_before(m, m->heap[next + 1], m->heap[next]))
			next++;
		if (!is_before(m, m->heap[next], moved))
			break;
		m->heap[at] = m->heap[next];
		at = next;
	}
	m->heap[at] = moved;
}

int merge_open(struct merge *m, const struct store *store,
    const struct run *runs, size_t count, size_t key_most)
{
	int r = 0;

	*m = (struct merge){ .fresh = true };
	m->scans = calloc(count + 1, sizeof *m->scans);
	m->heap = calloc(count + 1, sizeof *m->heap);
	if (m->scans == NULL || m->heap == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count && r >= 0; i++) {
		r = scan_open(&m->scans[i], store, &runs[i], key_most);
		m->count++;
		if (r == 0)
			r = scan_next(&m->scans[i]);
		if (r == 1)
			m->heap[m->left++] = i;
	}
	for (size_t i = m->left / 2; i > 0; i--)
		sink_down(m, i - 1);
	return r < 0 ? r : 0;
}

int merge_next(struct merge *m, struct record *record)
{
	struct scan *first;
	int r;

	if (!m->fresh && m->left > 0) {
		r = scan_next(&m->scans[m->heap[0]]);
		if (r < 0)
			return r;
		if (r == 0)
			m->heap[0] = m->heap[--m->left];
		if (m->left > 0)
			sink_down(m, 0);
	}
	m->fresh = false;
	if (m->left == 0)
		return 0;
	first = &m->scans[m->heap[0]];
	*record = first->now;
	return 1;
}

void merge_close(struct merge *m)
{
	for (size_t i = 0; i < m->count; i++)
		scan_release(&m->scans[i]);
	free(m->scans);
	free(m->heap);
	*m = (struct merge){ .fresh = true };
}
