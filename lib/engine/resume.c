/* resume.c - see resume.h: inputs that are finished, by the journal. */
#include "config.h"

#include "engine/resume.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/base.h"
#include "engine/answer.h"
#include "engine/debug.h"
#include "engine/engine.h"
#include "os/sys.h"

/* The data of a failure have fewer bytes. */
#define DATA_MOST ((size_t)64 * 1024)
/* The causes that lie in an item, or may. */
#define OF_ITEMS (VM_FAILED | VM_KILLED | VM_EXITED | VM_TIMED_OUT | \
	VM_TOO_BIG | VM_GARBLED)

int resume_open(struct engine *e)
{
	const struct vm_worker *worker = &e->set.plan.hooks;
	struct resume *m = &e->resume;
	int r;

	buf_init(&m->data, SIZE_MAX / 4);
	if (e->set.journal == NULL)
		return 0;
	r = journal_open(&m->journal, &(struct journal_wants){
		.path = e->set.journal,
		.name = worker->name != NULL ? worker->name : "",
		.version = worker->version != NULL ? worker->version : "",
		.outputs = e->set.journal_outputs,
	    }, e->words);
	m->on = r == 0;
	if (r < 0 || !e->set.journal_sync)
		return r;
	r = sys_sync_name(e->set.journal);
	return r == 0 ? 0 : words_set(e->words, -r, "The directory of the "
	    "journal %.200s cannot be written to the disk: %s.",
	    e->set.journal, words_of(-r));
}

void resume_close(struct engine *e, void (*close)(int *fd))
{
	struct resume *m = &e->resume;

	m->on = false;
	journal_close(&m->journal, close);
	buf_release(&m->data);
}

/* ---- inputs ---- */

const struct digest *resume_key(struct engine *e, struct source *s)
{
	const void *key = s->input;
	size_t size = s->size;

	if (s->met == s->index + 1)
		return &s->key;
	if (e->set.journal_key != NULL) {
		e->intake.in_hook = true;
		key = e->set.journal_key(e->set.plan.hooks.config,
		    s->input != NULL ? s->input : "", s->size, &size);
		e->intake.in_hook = false;
	}
	s->key = digest_of(&e->resume.journal.keys, key,
	    key != NULL ? size : 0);
	s->met = s->index + 1;
	return &s->key;
}

/* Returns the ledger that has an entry of a key; NULL if none has. */
static struct ledger *find(struct resume *m, bool again,
    const struct digest *key)
{
	if (ledger_find(&m->journal.done, key) != 0)
		return &m->journal.done;
	return !again && ledger_find(&m->journal.failed, key) != 0 ?
	    &m->journal.failed : NULL;
}

/* The input that the source holds is dealt with. */
static void pass(struct source *s)
{
	s->held = false;
	s->index++;
}

/* Gives a span the frame of a result, with room for a body of that size.
   Returns a pointer to the body, or NULL without memory. */
static unsigned char *frame(struct engine *e, struct span *s,
    enum frame_kind kind, size_t size)
{
	const size_t length = frame_length(size);
	unsigned char *at;

	s->rxbuf = rxbuf_new(&e->crew.rxlist, FRAME_START + length);
	if (s->rxbuf == NULL)
		return NULL;
	at = s->rxbuf->data + FRAME_START;
	frame_head(at, kind, size);
	frame_pad(at, size);
	s->rxbuf->len = FRAME_START + length;
	s->output_at = FRAME_START;
	s->bytes = length;
	return at + FRAME_HEAD;
}

/* Reads an output to a span.  Returns 0, -ENOMEM, or another -errno if the
   journal does not have it whole. */
static int read_output(struct engine *e, struct span *s, uint64_t at,
    const struct entry *entry)
{
	const size_t lead = e->set.plan.lead;
	const struct frame_times t = { entry->wall_ns, entry->cpu_ns };
	unsigned char *body;

	if (entry->size > e->set.plan.max_item)
		return -EPROTO;
	body = frame(e, s, FRAME_OUTPUT, lead + (size_t)entry->size);
	if (body == NULL)
		return -ENOMEM;
	if (lead > 0)
		memcpy(body, &t, sizeof t);
	return journal_read_data(&e->resume.journal, at, entry, body + lead);
}

/* Writes a failure as the frame of a worker, and the rest to the span. */
static int put_failure(struct engine *e, struct span *s,
    const struct entry *entry, const struct entry_failure *f)
{
	const size_t message = strlen(f->message);
	const size_t trace = f->traceback ? strlen(f->traceback) : 0;
	const size_t tail = f->stderr_tail ? strlen(f->stderr_tail) : 0;
	const struct frame_failure head = {
		.code = f->code,
		.cause = f->cause,
		.wall_ns = entry->wall_ns,
		.cpu_ns = entry->cpu_ns,
		.message_size = (uint32_t)message,
		.tail_size = f->stderr_tail ? (int32_t)tail : -1,
	};
	unsigned char *body = frame(e, s, FRAME_FAILURE, sizeof head +
	    message + (f->stderr_tail ? 1 + tail : 0));

	s->evidence = trace > 0 ? evidence_new(trace, 0, 0) : NULL;
	if (body == NULL || (trace > 0 && s->evidence == NULL))
		return -ENOMEM;
	if (trace > 0)
		memcpy(s->evidence->traceback, f->traceback, trace + 1);
	memcpy(body, &head, sizeof head);
	memcpy(body + sizeof head, f->message, message);
	if (f->stderr_tail != NULL) {
		body[sizeof head + message] = '\0';
		memcpy(body + sizeof head + message + 1, f->stderr_tail, tail);
	}
	s->outcome.signal = f->signal;
	s->outcome.exit_status = f->exit_status;
	s->outcome.core_dumped = f->core_dumped;
	s->outcome.out_of_memory = f->out_of_memory;
	s->outcome.max_rss = f->max_rss;
	return 0;
}

/* The same for a failure.  Sets *cause. */
static int read_failure(struct engine *e, struct span *s, uint64_t at,
    const struct entry *entry, unsigned *cause)
{
	struct buf *b = &e->resume.data;
	struct entry_failure f;
	int r;

	b->len = 0;
	r = entry->size > DATA_MOST ? -EPROTO :
	    buf_reserve(b, (size_t)entry->size);
	if (r == 0)
		r = journal_read_data(&e->resume.journal, at, entry, b->data);
	if (r == 0)
		r = entry_read_failure(&f, b->data, (size_t)entry->size);
	if (r == 0 && (f.cause & OF_ITEMS) == 0)
		r = -EPROTO;
	if (r != 0)
		return r;
	*cause = f.cause;
	return put_failure(e, s, entry, &f);
}

/* Returns a chunk with the input that a source holds alone, or NULL. */
static struct chunk *wrap(struct engine *e, const struct source *s,
    void *const *tag)
{
	struct chunk *c = chunk_new(&e->intake.freelist, s->index,
	    e->intake.seq, tag != NULL ? *tag : s->hooks.tag);

	if (c == NULL)
		return NULL;
	c->skipped = e->resume.skipped;
	if (chunk_pack(c, s->input, s->size) < 0) {
		chunk_drop(c);
		return NULL;
	}
	return c;
}

/* Has the window the item with the result of a span, which is not in it. */
static int admit(struct engine *e, struct chunk *c, struct span *answer)
{
	struct span *s;

	if (window_admit(&e->window, c) < 0)
		return -ENOMEM;
	s = e->window.near;
	s->attempt = answer->attempt;
	s->rxbuf = answer->rxbuf;
	s->output_at = answer->output_at;
	s->bytes = answer->bytes;
	if (answer->evidence != NULL)
		s->bytes += answer->evidence->size;
	s->evidence = answer->evidence;
	s->outcome = answer->outcome;
	answer_span(e, s);
	return 0;
}

/* Answers the input that a source holds by an entry.  Returns 1; -ENOMEM; or
   another -errno if the journal does not have it whole. */
static int answer(struct engine *e, struct source *s, uint64_t at,
    void *const *tag)
{
	struct span result = { .attempt = 0 };
	struct chunk *c = NULL;
	struct entry entry;
	unsigned cause = 0;
	int r = journal_read(&e->resume.journal, at, &entry);

	if (r < 0)
		return r;
	result.attempt = (int)MAX(entry.attempts, 1);
	r = entry.type == ENTRY_OUTPUT ?
	    read_output(e, &result, at, &entry) :
	    read_failure(e, &result, at, &entry, &cause);
	if (r == 0)
		c = wrap(e, s, tag);
	if (r == 0)
		r = c != NULL ? admit(e, c, &result) : -ENOMEM;
	if (r < 0) {
		rxbuf_drop(result.rxbuf);
		evidence_free(result.evidence);
	} else {
		if (cause != 0)
			tally_fail(&e->tally, cause, 1);
		e->resume.answered++;
		e->intake.seq++;
		pass(s);
	}
	chunk_drop(c);
	return r < 0 ? r : 1;
}

int resume_meet(struct engine *e, struct source *s, void *const *tag)
{
	struct resume *m = &e->resume;
	const struct digest key = *resume_key(e, s);
	struct ledger *l;
	int r;

	while ((l = find(m, e->set.journal_retry, &key)) != NULL) {
		if (!e->set.journal_outputs) {
			ledger_take(l, &key);
			m->skipped++;
			pass(s);
			return 1;
		}
		if (!window_room(&e->window))
			return VM_LATER;
		r = answer(e, s, ledger_find(l, &key), tag);
		if (r == -ENOMEM)
			return r;
		ledger_take(l, &key);
		if (r == 1)
			return 1;
		debug_say(e, "journal: a damaged entry of number %llu",
		    (unsigned long long)e->intake.seq);
	}
	return 0;
}

/* ---- results ---- */

/* Is an input with this result finished? */
static bool is_final(const struct vm_result *r)
{
	const struct vm_exception *x = r->exception;

	if (x == NULL)
		return true;
	if (x->cause == VM_KILLED)
		return x->signal != SIGHUP && x->signal != SIGINT &&
		    x->signal != SIGKILL && x->signal != SIGTERM;
	return (x->cause & OF_ITEMS) != 0;
}

/* Stores the data of a failure.  Returns 0 or -ENOMEM. */
static int store_failure(struct resume *m, const struct vm_exception *x)
{
	const struct entry_failure f = {
		.cause = x->cause,
		.code = x->code,
		.signal = x->signal,
		.exit_status = x->exit_status,
		.core_dumped = x->core_dumped,
		.out_of_memory = x->out_of_memory,
		.max_rss = x->max_rss,
		.message = x->message,
		.traceback = x->traceback,
		.stderr_tail = x->stderr_tail,
	};

	m->entry.size = entry_failure_size(&f);
	m->data.len = 0;
	if (buf_reserve(&m->data, (size_t)m->entry.size) < 0)
		return -ENOMEM;
	entry_write_failure(m->data.data, &f);
	return 0;
}

/* Sets the pool's error text to why the journal lacks results. */
static void explain(struct engine *e)
{
	const struct resume *m = &e->resume;

	words_set(e->words, m->error, "The journal %.200s lacks %llu "
	    "result%s: %s.", e->set.journal, (unsigned long long)m->lacking,
	    m->lacking == 1 ? "" : "s", outfile_flaw(m->error));
}

static void lack(struct engine *e, int error)
{
	struct resume *m = &e->resume;

	if (m->lacking++ > 0)
		return;
	m->error = error;
	explain(e);
	debug_say(e, "%s", e->words->text);
}

/* Writes the last result, with its data. */
static void write_out(struct engine *e, const void *data)
{
	struct resume *m = &e->resume;
	int r;

	m->entry.replaces = ledger_find(&m->journal.failed, &m->entry.key) != 0;
	r = journal_add(&m->journal, &m->entry, data);
	if (r == 0 && m->entry.replaces)
		ledger_take(&m->journal.failed, &m->entry.key);
	if (r == 0 && e->set.journal_sync)
		r = sys_sync(m->journal.out.fd);
	if (r < 0)
		lack(e, -r);
}

void resume_taken(struct engine *e)
{
	struct resume *m = &e->resume;
	int kept = errno;

	if (m->pending)
		write_out(e, m->data.data);
	m->pending = false;
	errno = kept;
}

void resume_told(struct engine *e, const struct item *item,
    const struct vm_result *r)
{
	const struct chunk *c = item->span->chunk;
	const struct digest *key = chunk_key(c, item->index - c->index);
	struct resume *m = &e->resume;
	int kept = errno, error = 0;

	resume_taken(e);
	if (key == NULL || !is_final(r) ||
	    (m->drains && !e->set.journal_outputs))
		return;
	m->entry = (struct entry){
		.type = r->exception != NULL ? ENTRY_FAILURE : ENTRY_OUTPUT,
		.key = *key,
		.index = r->index,
		.wall_ns = r->wall_ns,
		.cpu_ns = r->cpu_ns,
		.attempts = (uint32_t)r->attempts,
	};
	if (r->exception != NULL)
		error = store_failure(m, r->exception);
	else if (e->set.journal_outputs)
		m->entry.size = r->output_size;
	if (error < 0)
		lack(e, -error);
	else if (e->set.journal_outputs)
		write_out(e, r->exception != NULL ? m->data.data : r->output);
	else
		m->pending = true;
	errno = kept;
}

int resume_sum(struct engine *e)
{
	if (e->resume.lacking == 0)
		return 0;
	explain(e);
	return 1;
}
