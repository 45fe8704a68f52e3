/* server.c - see server.h: the caller's handle on its fork server. */
#include "config.h"

#include "pool/server.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "os/fdlist.h"
#include "os/streams.h"
#include "os/sys.h"

/* Bounds on the silence before its first answer, and before any other. */
#define FIRST_NS (10000 * MS_IN_NS)
#define ANSWER_NS (5000 * MS_IN_NS)
/* The most time that counts between two looks, and the time between looks at
   the process. */
#define STEP_NS (250 * MS_IN_NS)
/* Slow time counts as silence with one part in SLOW. */
#define SLOW 12
/* Consecutive looks that find it asleep and not prepared before it counts as
   stuck: with the state that /proc shows, and without. */
#define NAPS 3
#define NAPS_UNSEEN 40

/* ---- starting ---- */

/* In the child: closes and unmaps all that the fork server does not need. */
static _Noreturn void be_server(struct forkserver *f)
{
	if (slots_shut_inputs(&f->slots) < 0)
		sys_exit(EXIT_FAILURE);
	fdlist_drop_all();
	slots_drop_others(&f->slots, f->caller);
	forkserver_main(f);
}

/* Forks without the pages that the workers do not need: their page tables need
   not be copied, nor each page that the caller writes to later.  Any other fork
   of the host meanwhile lacks the pages, too; the forks of other pools are kept
   out by the lock. */
static pid_t fork_without(const struct plan *p)
{
	bool left_out = p->left_out_size > 0 &&
	    sys_dont_fork(p->left_out, p->left_out_size) == 0;
	pid_t pid = sys_fork();

	if (left_out && pid != 0)
		sys_do_fork(p->left_out, p->left_out_size);
	return pid;
}

/* Forks with the lock of fdlist held and all signals blocked.  The fork server
   closes what is on the list, so it gets copies that are not. */
static int fork_server(struct server *s, struct forkserver *f)
{
	int ends[2] = { -1, -1 };
	sigset_t mask;
	int r = sys_socketpair(ends);

	if (r < 0)
		return r;
	f->socket = ends[1];
	f->door = f->door < 0 ? -1 : sys_copy(f->door);
	if (f->door < -1) {
		r = f->door;
		goto out;
	}
	f->caller_fd = sys_pidfd_open(f->caller);
	f->caller_fd = MAX(f->caller_fd, -1);
	r = fdlist_add(ends[0]);
	if (r < 0)
		goto out;
	s->socket = ends[0];
	ends[0] = -1;
	r = sys_block_signals(&mask);
	if (r < 0)
		goto out;
	streams_release();
	r = fork_without(f->plan);
	if (r == 0)
		be_server(f);
	sys_set_mask(&mask);
	if (r > 0) {
		s->pid = r;
		s->pidfd = sys_pidfd_open(r);
		if (s->pidfd < 0 || fdlist_add(s->pidfd) < 0)
			sys_close(&s->pidfd);
		sys_identify(s->pidfd, &s->file);
		s->state = SERVER_RUNNING;
		r = 0;
	}
out:
	sys_close(&ends[0]);
	sys_close(&f->door);
	sys_close(&f->caller_fd);
	sys_close(&f->socket);
	return r;
}

int server_start(struct server *s, struct plan *plan,
    struct slots *slots, int door, struct words *words)
{
	struct forkserver f = {
		.socket = -1,
		.caller_fd = -1,
		.door = door,
		.caller = sys_getpid(),
		.plan = plan,
		.slots = *slots,
	};
	int r = -ENOMEM;

	*s = (struct server){ .socket = -1, .pidfd = -1, .slots = slots };
	slots_set_step(slots, SLOTS_FORKED);
	s->room = 2 * slots->count + 4;
	s->queue = calloc(s->room, sizeof *s->queue);
	f.children = calloc(slots->count, sizeof *f.children);
	f.pids = calloc(slots->count, sizeof *f.pids);
	if (s->queue == NULL || f.children == NULL || f.pids == NULL)
		goto out;
	for (size_t i = 0; i < slots->count; i++)
		for (int k = 0; k < NOTICE_FDS; k++)
			f.children[i].fds[k] = -1;
	fdlist_lock();
	r = fork_server(s, &f);
	fdlist_unlock();
out:
	free(f.children);
	free(f.pids);
	if (r < 0)
		words_set(words, -r, "The fork server could not be started: "
		    "%s.", strerror(-r));
	return r;
}

/* ---- orders ---- */

static void order(struct server *s, int kind, uint32_t slot,
    uint32_t generation, int index)
{
	if (s->state != SERVER_RUNNING)
		return;
	assert(s->count < s->room);
	s->queue[s->count++] = (struct notice){
		.kind = kind,
		.slot = slot,
		.generation = generation,
		.index = index,
	};
	server_flush(s);
}

void server_hire(struct server *s, uint32_t slot, uint32_t generation,
    int index)
{
	order(s, NOTICE_HIRE, slot, generation, index);
	if (generation > 1)
		server_spare(s, true);
}

void server_kill(struct server *s, uint32_t slot, uint32_t generation)
{
	order(s, NOTICE_KILL, slot, generation, 0);
	server_ping(s);
}

void server_end(struct server *s)
{
	order(s, NOTICE_END, 0, 0, 0);
	if (s->state == SERVER_RUNNING)
		s->state = SERVER_ENDING;
}

void server_spare(struct server *s, bool keep)
{
	if (s->spare == keep)
		return;
	s->spare = keep;
	order(s, NOTICE_SPARE, 0, 0, keep);
}

void server_ping(struct server *s)
{
	if (s->pinged || s->state != SERVER_RUNNING)
		return;
	s->pinged = true;
	order(s, NOTICE_PING, 0, 0, 0);
}

bool server_flush(struct server *s)
{
	size_t sent = 0;
	int r = 0;

	while (sent < s->count && r == 0) {
		r = notice_send(s->socket, &s->queue[sent], NULL);
		sent += r == 0;
	}
	s->count -= sent;
	if (s->count > 0)
		memmove(s->queue, s->queue + sent,
		    s->count * sizeof *s->queue);
	return s->count == 0;
}

/* ---- notices ---- */

/* Registers received descriptors in fdlist, or closes those that it cannot
   take. */
static int enlist(int fds[NOTICE_FDS])
{
	int r = 0, listed = 0;

	for (int i = 0; i < NOTICE_FDS && r == 0; i++) {
		if (fds[i] >= 0)
			r = fdlist_add(fds[i]);
		listed += r == 0;
	}
	for (int i = listed; i < NOTICE_FDS; i++)
		sys_close(&fds[i]);
	return r;
}

static void ended(struct server *s, int error)
{
	s->left_over = error;
	if (s->state == SERVER_RUNNING)
		s->state = SERVER_ENDING;
}

int server_receive(struct server *s, struct notice *n, int fds[NOTICE_FDS])
{
	int r, e;

	if (s->socket < 0)
		return -EPIPE;
	fdlist_lock();
	r = notice_receive(s->socket, n, fds);
	e = enlist(fds);
	fdlist_unlock();
	if (r == 1 && e < 0)
		r = e;
	if (r == 1 || r == -EMFILE || r == -ENOMEM) {
		s->answered = true;
		s->pinged = false;
		s->spent = 0;
	}
	if (r == 1 && n->kind == NOTICE_ENDED)
		ended(s, n->error);
	return r;
}

/* Returns the ns of a step that count, by the state of the process.  If /proc
   shows another process under this pid (another pid namespace), it is
   ignored. */
static uint64_t judge(struct server *s, bool ending)
{
	struct sys_process p;
	bool known = sys_process(s->pid, &p) == 0 && p.parent == sys_getpid();
	bool stopped = known && (p.state == 'T' || p.state == 't');
	bool works = known && (p.state == 'R' || p.state == 'D' ||
	    p.ticks != s->ticks);

	if (known)
		s->ticks = p.ticks;
	if (stopped || (!works && !slots_busy(s->slots)))
		return STEP_NS;
	return works && !ending ? 0 : STEP_NS / SLOW;
}

bool server_prepared(const struct server *s)
{
	return s->answered || slots_step(s->slots) == SLOTS_PREPARED;
}

bool server_is_stuck(struct server *s)
{
	struct sys_process p;
	bool known = sys_process(s->pid, &p) == 0 && p.parent == sys_getpid();

	if (slots_step(s->slots) != SLOTS_PREPARING ||
	    (known && (p.state != 'S' || p.ticks != s->ticks)))
		s->naps = 0;
	else
		s->naps++;
	if (known)
		s->ticks = p.ticks;
	return s->naps >= (known ? NAPS : NAPS_UNSEEN);
}

/* Adds time in which an answer is owed.  Most answers come before the process
   is looked at. */
static void pass(struct server *s, bool ending, uint64_t now)
{
	s->step += MIN(now - s->seen_at, STEP_NS);
	s->seen_at = now;
	if (s->step < STEP_NS)
		return;
	s->step = 0;
	s->spent += judge(s, ending);
}

bool server_overdue(struct server *s, bool owes, bool ending, uint64_t now)
{
	if (owes) {
		pass(s, ending, now);
	} else {
		s->spent = s->step = 0;
		s->seen_at = now;
	}
	return s->spent > (s->answered ? ANSWER_NS : FIRST_NS);
}

void server_expect_end(struct server *s)
{
	s->spent = s->step = 0;
	s->seen_at = sys_now();
}

bool server_outlasts(struct server *s, uint64_t bound, uint64_t now)
{
	pass(s, true, now);
	return s->spent > bound;
}

/* ---- its end ---- */

/* The host may have closed the pidfd and opened another file with its
   number. */
static void check_pidfd(struct server *s)
{
	if (s->pidfd >= 0 && !sys_is(s->pidfd, &s->file))
		fdlist_drop(&s->pidfd);
}

bool server_reap(struct server *s)
{
	check_pidfd(s);
	if (s->state == SERVER_RUNNING || s->state == SERVER_ENDING)
		if (sys_reap_one(s->pidfd, s->pid) == 1)
			s->state = SERVER_GONE;
	return s->state == SERVER_GONE || s->state == SERVER_NONE;
}

void server_shoot(struct server *s)
{
	if (!server_reap(s))
		sys_pidfd_kill(s->pidfd, s->pid, SIGKILL);
}

void server_kill_worker(struct server *s, pid_t pid)
{
	fdlist_lock();
	if (pid > 0)
		sys_kill_in(pid, s->pid);
	fdlist_unlock();
}

void server_release(struct server *s)
{
	fdlist_drop(&s->socket);
	fdlist_drop(&s->pidfd);
	free(s->queue);
	s->queue = NULL;
	s->state = SERVER_NONE;
}
