/*
 * far.h - the bodies of the frames between a link and its agent.
 *
 * Runs in: link and agent; caller, which gets the agent's answers from a link,
 * and sends it HOST, a record as in machine.h, before anything else.  Pure.
 * Frames as in frame.h follow the greeting of the agent:
 *
 *	link to agent: BEGIN or REFUSED; CHUNK, ITEM ...; CHUNK, ITEM ...;
 *	CANCEL; RECALL; PING; STOP
 *	agent to link: BEGUN or REFUSED; [SEEK] OUTPUT, FAILURE, OUTCOME or
 *	RETURNED for each item, as items finish; WORKERS; PING; PONG; BYE
 *
 * RETURNED, without a body, says that the item was not begun and never will be
 * there: it was the agent's choice after RECALL or STOP, or CANCEL named it.
 * An item that was cancelled while it ran has an OUTCOME.  RECALL is about all
 * items that the agent has by then, also those that the caller has sent since
 * it was asked to cancel; these it sends again.  CANCEL and RECALL have no
 * answer of their own.  The link sends those ITEMs of a CHUNK that it
 * has taken, so "count" is not used.  All ITEMs of a link are numbered from 0
 * on.  A SEEK names the item that the next answer is about; without it, that is
 * the item behind the last.  A link sends the caller SEEKs, answers and WORKERS
 * as they come.  PONG answers each PING of the link.
 *
 * Easy to get wrong: each side is untrusted to the other.
 */
#ifndef FAR_H
#define FAR_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"

/* The argument that makes a program an agent; and an agent that may have
   machines behind its own, whose commands it runs for its caller. */
#define FAR_AGENT "--vimap-agent"
#define FAR_TREE "--vimap-tree"
/* The argument that makes it a relay, to the door that the next one names. */
#define FAR_RELAY "--vimap-relay"

/* Bytes of a KNOCK at most. */
#define FAR_NAME 64

/* BEGIN: followed by the name of the worker, the bytes of its config, and the
   records of the machines behind the agent's (machine.h). */
struct far_begin {
	uint32_t name_size;
	int32_t workers;	/* 0: as many as usable CPUs; VM_ELSEWHERE:
				   none */
	uint64_t config_size;
	uint64_t behind_size;	/* of the records */
	uint64_t seed;
	uint64_t max_item;
	uint64_t max_address_space;
	uint64_t max_rss;
	uint32_t first_index;	/* vm_context.worker_index of the first
				   worker */
	uint32_t flags;		/* of enum vm_flag, for workers */
	uint32_t silence_ms;	/* the agent ends if nothing is heard for that
				   time */
	int32_t item_ms;	/* options of the same name, ms */
	int32_t setup_ms;
	int32_t teardown_ms;
	int32_t close_ms;
	int32_t fork_ms;
	int32_t max_items;
	int32_t max_cpu_s;
	int32_t connect_ms;
	int32_t patience_ms;
	int32_t max_losses;
	uint32_t nested;	/* not 0: the link is an agent's, whose inputs
				   begin with a far_carried */
	uint32_t reserved[2];
};

/* A parsed BEGIN: the pointers point into the body. */
struct begin_told {
	struct far_begin head;
	const char *name;	/* of head.name_size bytes */
	const void *config;	/* of head.config_size bytes */
	const unsigned char *behind;	/* of head.behind_size bytes */
};

/* Begins each input of an agent's pool: the number, index and attempt of the
   input at the caller. */
struct far_carried {
	uint64_t index;		/* in its source */
	uint64_t seq;		/* among all inputs */
	uint32_t attempt;
	uint32_t reserved[3];
};
_Static_assert(sizeof(struct far_carried) % 16 == 0, "keeps inputs aligned");

/* BEGUN; and WORKERS, when the number has changed. */
struct far_begun {
	uint32_t workers;	/* with those of the machines behind */
	uint32_t reserved;
};

/* CANCEL: an array of up to FAR_CANCELS of these; and SEEK. */
struct far_seek {
	uint64_t item;		/* number of the item */
};

#define FAR_CANCELS 32

/* RECALL */
struct far_recall {
	uint32_t running;	/* not 0: and end the items that run */
	uint32_t reserved;
};

/* OUTCOME: how the worker of an item ended, on its own machine; followed by the
   three texts, each with a 0 behind it. */
struct far_outcome {
	uint32_t cause;		/* VM_KILLED, VM_EXITED, VM_TIMED_OUT,
				   VM_GARBLED or VM_CANCELLED; VM_LOST: machines
				   behind were lost as often as max_losses
				   allows */
	int32_t signal;
	int32_t exit_status;
	int32_t pid;
	uint32_t core_dumped;
	uint32_t out_of_memory;
	uint64_t wall_ns;
	uint64_t cpu_ns;
	uint64_t max_rss;
	int32_t traceback_size;	/* -1: none */
	int32_t tail_size;	/* of its standard error; -1: not captured */
	int32_t host_size;	/* of the name of its machine, which is behind
				   the agent's; -1: it is the agent's */
	uint32_t reserved;
};

/* A parsed OUTCOME: the pointers point into the body. */
struct outcome_told {
	struct far_outcome head;
	const char *traceback;	/* NULL: none */
	const char *tail;
	const char *host;
};

/* The most bytes of each text, and of the body of an OUTCOME. */
#define FAR_TEXT 8192
#define FAR_OUTCOME_MOST \
	(sizeof(struct far_outcome) + 3 * ((size_t)FAR_TEXT + 1))

/* Sets the sizes in the head for its texts, cut off at FAR_TEXT; NULL: none.
   Returns the length of the OUTCOME frame in bytes.  Writes it at a pointer to
   that room. */
size_t far_outcome_length(struct outcome_told *);
void far_write_outcome(unsigned char *at, const struct outcome_told *);

/* Parses the body of an OUTCOME.  Returns 0, or -EPROTO if a size or a number
   is not possible. */
int far_outcome(const unsigned char *body, size_t size, struct outcome_told *);

/* Returns the length of a BEGIN frame in bytes, by the sizes in its head.
   Writes it at a pointer to that room. */
size_t far_begin_length(const struct begin_told *);
void far_write_begin(unsigned char *at, const struct begin_told *);

/* The code of a link's UNFIT: the agent said that it cannot serve, or is of
   another kind; to try again is of no use. */
#define FAR_NEVER ENOEXEC

/* Writes a frame of a failure whose message is a text, at a pointer to enough
   room.  Returns the frame's length. */
size_t far_write_failure(unsigned char *at, enum frame_kind, int code,
    const char *text, size_t size);

/* Parses the body of a BEGIN.  Returns 0, or -EPROTO if the sizes differ. */
int far_begin(const unsigned char *body, size_t size, struct begin_told *);

#endif
