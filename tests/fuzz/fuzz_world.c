/* fuzz_world.c - see fuzz_world.h: system calls simulated in memory. */
#include "config.h"

#include "fuzz_world.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "fuzz_puppet.h"
#include "os/sys.h"

_Static_assert((int)EPOLLIN == POLLIN && (int)EPOLLOUT == POLLOUT &&
    (int)EPOLLHUP == POLLHUP, "one function tells both");

/* Descriptors: the socket, its other end, the eventfd, the epoll set, a
   source's; five per worker. */
enum { SOCKET = 100, FAR_SOCKET, COUNTER, SET, READABLE, FIRST_WORKER = 200 };
enum { RESULTS, TASKS, ERRORS, OWN_TASKS, OWN_RESULTS, ENDS };
#define SERVER_PID 4242
#define POLLS_MOST 100000
#define PAGE ((size_t)4096)

struct world world;

void world_fail(const char *reason, const char *condition)
{
	fprintf(stderr, "FINDING: %s (%s)\n", reason, condition);
	abort();
}

void world_begin(size_t workers)
{
	for (size_t i = 0; i < WORLD_WORKERS; i++) {
		struct place *h = &world.place[i];

		h->lives = false;
		h->slot = NULL;
		h->tasks.len = h->results.len = 0;
	}
	memset(world.open, 0, sizeof world.open);
	memset(world.watched, 0, sizeof world.watched);
	memset(world.bad, 0, (size_t)world.lives * sizeof *world.bad);
	world.now = 1000 * MS_IN_NS;
	world.workers = workers;
	world.norders = world.nnews = 0;
	world.room = WORLD_NOTICES;
	world.gone = world.mute = false;
	world.lose = world.refuse = world.leaving = false;
	world.captures = false;
	world.any_bad = world.any_refused = false;
	world.woken = 0;
	world.memory = world.race = 0;
	world.lives = 0;
	world.polls = 0;
}

void world_end(void)
{
	for (size_t i = 0; i < COUNTOF(world.open); i++)
		WORLD_REQUIRE(!world.open[i], "a descriptor was left open");
	WORLD_REQUIRE(world.slots.at == NULL && world.slots.inputs == NULL,
	    "the slots are still mapped");
}

/* ---- pipes ---- */

int world_task_end(size_t which)
{
	return (int)(FIRST_WORKER + which * ENDS + OWN_TASKS);
}

int world_result_end(size_t which)
{
	return (int)(FIRST_WORKER + which * ENDS + OWN_RESULTS);
}

size_t world_write(struct world_pipe *p, const void *from, size_t size)
{
	size_t n = p->cap > p->len ? MIN(size, p->cap - p->len) : 0;

	if (p->first + p->len + n > WORLD_PIPE) {
		memmove(p->data, p->data + p->first, p->len);
		p->first = 0;
	}
	if (n > 0)
		memcpy(p->data + p->first + p->len, from, n);
	p->len += n;
	return n;
}

static ssize_t take(struct world_pipe *p, void *to, size_t size)
{
	size_t n = MIN(size, p->len);

	if (n == 0)
		return p->ended ? 0 : -EAGAIN;
	memcpy(to, p->data + p->first, n);
	p->first += n;
	p->len -= n;
	if (p->len == 0)
		p->first = 0;
	return (ssize_t)n;
}

static struct place *place_of(int fd, int end)
{
	int n = fd - FIRST_WORKER;

	WORLD_REQUIRE(n >= 0 && n < ENDS * WORLD_WORKERS && n % ENDS == end,
	    "a descriptor was used that is not what it is used for");
	WORLD_REQUIRE(end > ERRORS || world.open[fd],
	    "a descriptor was used that is closed");
	return &world.place[n / ENDS];
}

static void open_fd(int fd)
{
	WORLD_REQUIRE(!world.open[fd], "a descriptor came twice");
	world.open[fd] = true;
}

/* ---- the fork server ---- */

static void tell(const struct notice *n)
{
	WORLD_REQUIRE(world.nnews < WORLD_NOTICES, "too much news");
	world.news[world.nnews++] = *n;
}

static void bury(size_t which, int status, bool ordered)
{
	struct place *h = &world.place[which];

	if (!h->lives)
		return;
	world_died(which, status, ordered);
	h->lives = false;
	h->results.ended = true;
	tell(&(struct notice){
		.kind = NOTICE_DIED,
		.slot = (uint32_t)which,
		.generation = h->generation,
		.pid = 1000 + h->life,
		.status = status,
		.ordered = ordered,
		.max_rss = 1 << 20,
		.cpu_ns = puppet_cpu(h->born_at, world.now),
		.died_at = world.now,
	});
}

void world_death(size_t which, int status)
{
	bury(which, status, false);
}

static void hire(const struct notice *order)
{
	struct place *h = &world.place[order->slot];
	struct notice news = *order;

	WORLD_REQUIRE(!h->lives, "a place is filled that is not vacant");
	news.kind = world.refuse ? NOTICE_REFUSED : NOTICE_HIRED;
	news.error = world.refuse ? EAGAIN : 0;
	news.pid = 1000 + world.lives;
	if (!world.refuse) {
		WORLD_REQUIRE(world.lives < WORLD_LIVES, "a flood of hires");
		h->lives = true;
		h->life = world.lives++;
		h->generation = order->generation;
		h->born_at = world.now;
		h->slot = slots_get(&world.slots, order->slot);
		h->errors.size = 0;
		h->tasks.first = h->tasks.len = 0;
		h->results.first = h->results.len = 0;
		h->tasks.ended = h->results.ended = false;
		world_hired(order->slot);
	}
	world.any_refused |= world.refuse;
	world.refuse = false;
	tell(&news);
}

static void obey(const struct notice *n)
{
	struct place *h = &world.place[n->slot];

	if (n->kind == NOTICE_HIRE) {
		hire(n);
	} else if (n->kind == NOTICE_KILL && h->lives &&
	    h->generation == n->generation) {
		world_kills(n->slot);
		bury(n->slot, SIGTERM, true);
	} else if (n->kind == NOTICE_PING) {
		tell(&(struct notice){ .kind = NOTICE_PONG });
	} else if (n->kind == NOTICE_END) {
		for (size_t i = 0; i < world.workers; i++)
			world_death(i, SIGKILL);
		tell(&(struct notice){ .kind = NOTICE_ENDED });
		world.gone = true;
	}
}

void world_serve(void)
{
	if (world.mute || world.gone)
		return;
	for (size_t i = 0; i < world.norders && !world.gone; i++)
		obey(&world.orders[i]);
	world.norders = 0;
}

/* ---- the twins: the fork server ---- */

int __wrap_sys_socketpair(int ends[2]);
pid_t __wrap_sys_fork(void);
int __wrap_sys_pidfd_open(pid_t pid);
int __wrap_sys_reap_one(int pidfd, pid_t pid);
int __wrap_sys_pidfd_kill(int pidfd, pid_t pid, int signal);
int __wrap_sys_process(pid_t pid, struct sys_process *);
int __wrap_sys_kill_in(pid_t pid, pid_t session);
int __wrap_sys_send(int fd, const void *message, size_t size, const int *fds,
    int count);
ssize_t __wrap_sys_receive(int fd, void *message, size_t size,
    int fds[SYS_FDS], bool *lost);
void __wrap_cgroup_each(const char *root, const char *controller,
    void (*show)(void *, const char *, char *, bool), void *to);
uint64_t __wrap_memory_usable(const char *root);

/* This world has no control groups, and unlimited memory. */
uint64_t __wrap_memory_usable(const char *root)
{
	(void)root;
	return UINT64_MAX;
}

void __wrap_cgroup_each(const char *root, const char *controller,
    void (*show)(void *, const char *, char *, bool), void *to)
{
	(void)root;
	(void)controller;
	(void)show;
	(void)to;
}

int __wrap_sys_socketpair(int ends[2])
{
	ends[0] = SOCKET;
	ends[1] = FAR_SOCKET;
	open_fd(SOCKET);
	open_fd(FAR_SOCKET);
	return 0;
}

pid_t __wrap_sys_fork(void)
{
	return SERVER_PID;
}

int __wrap_sys_pidfd_open(pid_t pid)
{
	(void)pid;
	return -ENOSYS;
}

int __wrap_sys_reap_one(int pidfd, pid_t pid)
{
	(void)pidfd;
	WORLD_REQUIRE(pid == SERVER_PID, "a stranger is reaped");
	return world.gone && world.nnews == 0;
}

int __wrap_sys_pidfd_kill(int pidfd, pid_t pid, int signal)
{
	(void)pidfd;
	(void)signal;
	WORLD_REQUIRE(pid == SERVER_PID, "a stranger is killed");
	for (size_t i = 0; i < world.workers; i++)
		world_death(i, SIGKILL);
	world.gone = true;
	world.nnews = 0;
	return 0;
}

/* /proc shows nothing of the fork server. */
int __wrap_sys_process(pid_t pid, struct sys_process *p)
{
	(void)p;
	WORLD_REQUIRE(pid == SERVER_PID, "a stranger is looked at");
	return -ENOENT;
}

/* Workers of this world always die with their fork server. */
int __wrap_sys_kill_in(pid_t pid, pid_t session)
{
	WORLD_REQUIRE(pid >= 1000 && session == SERVER_PID,
	    "a stranger is killed");
	return -ESRCH;
}

int __wrap_sys_send(int fd, const void *message, size_t size, const int *fds,
    int count)
{
	(void)fds;
	WORLD_REQUIRE(fd == SOCKET && world.open[fd], "a message to nowhere");
	WORLD_REQUIRE(size == sizeof *world.orders && count == 0, "an order");
	if (world.gone)
		return -EPIPE;
	if (world.norders >= world.room)
		return -EAGAIN;
	memcpy(&world.orders[world.norders++], message, size);
	return 0;
}

ssize_t __wrap_sys_receive(int fd, void *message, size_t size,
    int fds[SYS_FDS], bool *lost)
{
	struct notice *n = message;
	int first;

	WORLD_REQUIRE(fd == SOCKET && world.open[fd], "news from nowhere");
	for (int i = 0; i < SYS_FDS; i++)
		fds[i] = -1;
	*lost = false;
	if (world.nnews == 0)
		return world.gone ? 0 : -EAGAIN;
	memcpy(message, &world.news[0], size);
	memmove(world.news, world.news + 1,
	    --world.nnews * sizeof *world.news);
	if (n->kind != NOTICE_HIRED)
		return (ssize_t)size;
	n->with = 1u << NOTICE_RESULTS | 1u << NOTICE_TASKS |
	    (unsigned)world.captures << NOTICE_ERRORS;
	first = (int)(FIRST_WORKER + n->slot * ENDS);
	*lost = world.lose;
	if (world.lose) {
		/* The worker is killed for that; the kill is no fault of the
		   pool. */
		world.bad[world.place[n->slot].life] = true;
		world.any_refused = true;
	} else {
		/* In the order of NOTICE_FDS, without those that are not
		   sent. */
		open_fd(fds[0] = first + RESULTS);
		open_fd(fds[1] = first + TASKS);
		if (world.captures)
			open_fd(fds[2] = first + ERRORS);
	}
	world.lose = false;
	return (ssize_t)size;
}

/* ---- the twins: bytes and descriptors ---- */

ssize_t __wrap_sys_read(int fd, void *to, size_t size);
ssize_t __wrap_sys_write(int fd, const void *from, size_t size);
ssize_t __wrap_sys_writev(int fd, const struct iovec *parts, int count);
int64_t __wrap_sys_size(int fd);
void __wrap_sys_identify(int fd, struct sys_file *f);
bool __wrap_sys_is(int fd, const struct sys_file *f);
ssize_t __wrap_sys_pread(int fd, void *to, size_t size, uint64_t at);
int __wrap_sys_eventfd(void);
void __wrap_sys_close(int *fd);
void *__wrap_sys_map_shared(size_t size);
int __wrap_sys_map_file(size_t size, void **at);
void __wrap_sys_unmap(void *at, size_t size);
void __real_sys_unmap(void *at, size_t size);
int __wrap_sys_dont_fork(void *at, size_t size);
void __wrap_sys_do_fork(void *at, size_t size);
int __wrap_sys_protect(void *at, size_t size, bool writable);

ssize_t __wrap_sys_read(int fd, void *to, size_t size)
{
	if (fd == COUNTER) {
		if (world.woken == 0)
			return -EAGAIN;
		memcpy(to, &world.woken, sizeof world.woken);
		world.woken = 0;
		return sizeof world.woken;
	}
	if ((fd - FIRST_WORKER) % ENDS == OWN_TASKS)
		return take(&place_of(fd, OWN_TASKS)->tasks, to, size);
	return take(&place_of(fd, RESULTS)->results, to, size);
}

/* The caller writes to its eventfd, and few bytes to a worker; workers write to
   their pipes. */
ssize_t __wrap_sys_write(int fd, const void *from, size_t size)
{
	struct place *h;
	size_t n;

	if (fd == COUNTER) {
		world.woken++;
		return (ssize_t)size;
	}
	if ((fd - FIRST_WORKER) % ENDS == TASKS) {
		n = world_write(&place_of(fd, TASKS)->tasks, from, size);
		return n ? (ssize_t)n : -EAGAIN;
	}
	h = place_of(fd, OWN_RESULTS);
	size = world_allows((size_t)(h - world.place), size);
	n = size ? world_write(&h->results, from, size) : 0;
	return n ? (ssize_t)n : -EAGAIN;
}

ssize_t __wrap_sys_writev(int fd, const struct iovec *parts, int count)
{
	struct world_pipe *p = &place_of(fd, TASKS)->tasks;
	size_t all = 0, n;

	for (int i = 0; i < count; i++) {
		n = world_write(p, parts[i].iov_base, parts[i].iov_len);
		all += n;
		if (n < parts[i].iov_len)
			break;
	}
	return all ? (ssize_t)all : -EAGAIN;
}

/* Only the library closes descriptors. */
void __wrap_sys_identify(int fd, struct sys_file *f)
{
	*f = (struct sys_file){ 1, (uint64_t)fd };
}

bool __wrap_sys_is(int fd, const struct sys_file *f)
{
	WORLD_REQUIRE(world.open[fd], "what is closed is looked at");
	return f->inode == (uint64_t)fd;
}

int64_t __wrap_sys_size(int fd)
{
	return place_of(fd, ERRORS)->errors.size;
}

/* Reads beyond the data return less, as if the file was truncated in
   between. */
ssize_t __wrap_sys_pread(int fd, void *to, size_t size, uint64_t at)
{
	const struct world_file *f = &place_of(fd, ERRORS)->errors;
	uint64_t end = (uint64_t)MIN(f->size, WORLD_FILE);
	size_t n = at < end ? (size_t)MIN(size, end - at) : 0;

	if (n > 0)
		memcpy(to, f->data + at, n);
	return (ssize_t)n;
}

int __wrap_sys_eventfd(void)
{
	open_fd(COUNTER);
	return COUNTER;
}

void __wrap_sys_close(int *fd)
{
	if (*fd >= 0) {
		WORLD_REQUIRE((size_t)*fd < COUNTOF(world.open) &&
		    world.open[*fd], "a descriptor is closed twice");
		WORLD_REQUIRE(world.watched[*fd].events == 0 ||
		    !world.open[SET], "closed while it is waited for");
		world.open[*fd] = false;
	}
	*fd = -1;
}

/* Memory with ends that a sanitizer checks.  A small pool gets the smallest
   payload arena, a larger pool none, as clearing it takes time. */
void *__wrap_sys_map_shared(size_t size)
{
	size_t payload = world.workers <= 2 ? SLOT_PAYLOAD_LEAST : 0;
	size_t none = world.workers * SLOT_PAYLOAD_LEAST * 3;
	size_t most = SLOTS_BEHIND + none + 2 * world.workers * payload;
	unsigned char *at = size > most ? NULL : aligned_alloc(PAGE, size);

	if (size > most)
		return NULL;
	WORLD_REQUIRE(at != NULL, "no memory for the test itself");
	memset(at, 0, size);
	world.slots = (struct slots){
		.at = at,
		.stride = (size - SLOTS_BEHIND) / world.workers,
		.count = world.workers,
		.payload = size > none + SLOTS_BEHIND ? payload : 0,
	};
	return at;
}

int __wrap_sys_map_file(size_t size, void **at)
{
	*at = aligned_alloc(PAGE, size);
	WORLD_REQUIRE(*at != NULL, "no memory for the test itself");
	memset(*at, 0, size);
	world.slots.inputs = *at;
	world.slots.room = size / world.workers - SLOT_COPIES;
	open_fd(READABLE);
	return READABLE;
}

void __wrap_sys_unmap(void *at, size_t size)
{
	if (at == NULL || (at != world.slots.at && at != world.slots.inputs)) {
		__real_sys_unmap(at, size);
		return;
	}
	free(at);
	if (at == world.slots.at)
		world.slots.at = NULL;
	else
		world.slots.inputs = NULL;
}

int __wrap_sys_dont_fork(void *at, size_t size)
{
	(void)at;
	(void)size;
	return 0;
}

void __wrap_sys_do_fork(void *at, size_t size)
{
	__wrap_sys_dont_fork(at, size);
}

/* Caller and workers are one process here. */
int __wrap_sys_protect(void *at, size_t size, bool writable)
{
	(void)writable;
	return __wrap_sys_dont_fork(at, size);
}

/* ---- the twins: memory ---- */

void *__wrap_malloc(size_t size);
void *__real_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);
void *__real_realloc(void *at, size_t size);
void __wrap_slot_copy_out(const struct slot *s, uint64_t position, void *to,
    size_t size);
void __real_slot_copy_out(const struct slot *s, uint64_t position, void *to,
    size_t size);

static bool no_memory(void)
{
	return world.memory > 0 && --world.memory == 0;
}

void *__wrap_malloc(size_t size)
{
	return no_memory() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return no_memory() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *at, size_t size)
{
	return no_memory() ? NULL : __real_realloc(at, size);
}

/* The only place where the concurrency of workers shows: a worker makes steps
   while the caller copies. */
void __wrap_slot_copy_out(const struct slot *s, uint64_t position, void *to,
    size_t size)
{
	size_t half = world.race ? size / 2 : 0;
	unsigned steps = world.race;

	__real_slot_copy_out(s, position, to, half);
	world.race = 0;
	for (size_t i = 0; i < world.workers && steps > 0; i++)
		if (world.place[i].lives && world.place[i].slot == s)
			world_race(i, steps);
	__real_slot_copy_out(s, position + half, (char *)to + half,
	    size - half);
}

/* ---- the twins: waiting and the rest ---- */

int __wrap_sys_poll(struct pollfd *fds, size_t count, int ms);
int __wrap_sys_epoll(void);
int __wrap_sys_epoll_ctl(int set, int op, int fd, uint32_t events,
    uint64_t key);
int __wrap_sys_epoll_wait(int set, struct epoll_event *to, size_t count,
    int ms);
uint64_t __wrap_sys_now(void);
long __wrap_sys_threads(void);
int __wrap_sys_block_signals(sigset_t *old);
void __wrap_sys_set_mask(const sigset_t *mask);

static short events_of(int fd)
{
	struct place *h;
	short events = 0;

	if (fd == SOCKET) {
		events = world.norders < world.room ? POLLOUT : 0;
		return (short)(events | (world.nnews ? POLLIN : 0) |
		    (world.gone ? POLLIN | POLLHUP : 0));
	}
	if (fd == COUNTER)
		return world.woken ? POLLIN : 0;
	if ((fd - FIRST_WORKER) % ENDS == TASKS) {
		h = place_of(fd, TASKS);
		return h->tasks.len < h->tasks.cap ? POLLOUT : 0;
	}
	h = place_of(fd, RESULTS);
	return (short)((h->results.len ? POLLIN : 0) |
	    (h->results.ended ? POLLHUP : 0));
}

static short told(int fd, short events)
{
	return (short)(events_of(fd) & (events | POLLHUP | POLLERR));
}

static int look(struct pollfd *fds, size_t count)
{
	int ready = 0;

	for (size_t i = 0; i < count; i++) {
		fds[i].revents = 0;
		if (fds[i].fd < 0)
			continue;
		fds[i].revents = told(fds[i].fd, fds[i].events);
		ready += fds[i].revents != 0;
	}
	return ready;
}

/* The events of poll and epoll have the same numbers. */
static int look_in_set(struct epoll_event *to, size_t count)
{
	size_t ready = 0;

	for (size_t fd = 0; fd < COUNTOF(world.watched); fd++) {
		const struct world_watched *w = &world.watched[fd];
		short events = w->events ? told((int)fd, (short)w->events) : 0;

		if (events == 0 || ready == count)
			continue;
		to[ready++] = (struct epoll_event){
			.events = (uint32_t)events,
			.data.u64 = w->key,
		};
	}
	return (int)ready;
}

/* Makes a turn of the world.  Returns whether it may still change. */
static bool turn(void)
{
	WORLD_REQUIRE(world.polls++ < POLLS_MOST,
	    "the pool goes round and round");
	return world_turn();
}

/* Advances the clock after a turn.  Returns whether to look at the descriptors
   again. */
static bool waits_on(bool alive, int ready, int ms)
{
	WORLD_REQUIRE(alive || ready > 0 || ms >= 0,
	    "the pool waits for what will not come");
	if (ready == 0 && ms < 0)
		return true;
	world.now += ready ? 1000 : MAX((uint64_t)ms * MS_IN_NS, 1000);
	return false;
}

int __wrap_sys_poll(struct pollfd *fds, size_t count, int ms)
{
	bool alive;
	int ready;

	do {
		alive = turn();
		ready = look(fds, count);
	} while (waits_on(alive, ready, ms));
	return ready;
}

int __wrap_sys_epoll(void)
{
	open_fd(SET);
	return SET;
}

/* A change of an epoll set may need memory; but not for a worker that is just
   hired, which would be killed without any fault. */
int __wrap_sys_epoll_ctl(int set, int op, int fd, uint32_t events,
    uint64_t key)
{
	struct world_watched *w = &world.watched[fd];

	WORLD_REQUIRE(set == SET && world.open[SET], "no set to wait for");
	WORLD_REQUIRE(world.open[fd], "what is closed is waited for");
	WORLD_REQUIRE((op == EPOLL_CTL_ADD) == (w->events == 0),
	    "it is in the set, or is not");
	if (events & EPOLLOUT && no_memory())
		return -ENOMEM;
	*w = (struct world_watched){ events, key };
	return 0;
}

int __wrap_sys_epoll_wait(int set, struct epoll_event *to, size_t count,
    int ms)
{
	bool alive;
	int ready;

	WORLD_REQUIRE(set == SET && world.open[SET], "no set to wait for");
	do {
		alive = turn();
		ready = look_in_set(to, count);
	} while (waits_on(alive, ready, ms));
	return ready;
}

uint64_t __wrap_sys_now(void)
{
	return world.now;
}

long __wrap_sys_threads(void)
{
	return 2;
}

int __wrap_sys_block_signals(sigset_t *old)
{
	sigemptyset(old);
	return 0;
}

void __wrap_sys_set_mask(const sigset_t *mask)
{
	(void)mask;
}
