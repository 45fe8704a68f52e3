/* crash.c - see crash.h: a worker that crashes reports its stack. */
#include "config.h"

#include "worker/crash.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>
#ifdef HAVE_DLADDR
#include <dlfcn.h>
#include <link.h>
#endif
#ifdef HAVE_UNWIND
#include <unwind.h>
#endif

#include "base/base.h"
#include "base/digits.h"
#include "base/signals.h"
#include "os/sys.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define STACK_SIZE ((size_t)64 * 1024)
#define FRAMES_MOST 48
/* Time limit in seconds for the stack: names of functions need a lock of the
   dynamic linker. */
#define NAMES_S 2

static const struct crash *crash;

/* ---- text without stdio ---- */

struct line {
	char text[256];
	size_t size;
};

static void put(struct line *l, const char *text)
{
	size_t n = strlen(text);

	n = MIN(n, sizeof l->text - l->size);
	memcpy(l->text + l->size, text, n);
	l->size += n;
}

static void put_number(struct line *l, uint64_t x, unsigned base)
{
	char digits[DIGITS_MOST + 1] = "";

	put(l, digits_before(digits + DIGITS_MOST, x, base));
}

static void put_address(struct line *l, uint64_t x)
{
	put(l, "0x");
	put_number(l, x, 16);
}

static void end_line(struct line *l)
{
	l->size = MIN(l->size, sizeof l->text - 1);
	l->text[l->size++] = '\n';
	slot_tell_crash(crash->slot, l->text, l->size);
	l->size = 0;
}

/* ---- the signal ---- */

/* Returns the meaning of a signal's code, for the common codes. */
static const char *meaning(int signal, int code)
{
	static const struct { int signal, code; const char *text; } all[] = {
		{ SIGSEGV, SEGV_MAPERR, "nothing is mapped there" },
		{ SIGSEGV, SEGV_ACCERR, "access is not allowed there" },
		{ SIGBUS, BUS_ADRALN, "wrong alignment" },
		{ SIGBUS, BUS_ADRERR, "no memory behind the mapping" },
		{ SIGFPE, FPE_INTDIV, "integer division by zero" },
		{ SIGILL, ILL_ILLOPN, "no such instruction" },
	};

	if (code <= 0)
		return "sent by a program";
	for (size_t i = 0; i < COUNTOF(all); i++)
		if (all[i].signal == signal && all[i].code == code)
			return all[i].text;
	return "raised by the kernel";
}

static void tell_signal(int signal, const siginfo_t *info)
{
	struct line l = { .size = 0 };
	int code = info->si_code;

	put(&l, signals_name(signal));
	put(&l, " (signal ");
	put_number(&l, (uint64_t)signal, 10);
	put(&l, "), code ");
	if (code < 0)
		put(&l, "-");
	put_number(&l, (uint64_t)(code < 0 ? -(int64_t)code : code), 10);
	put(&l, ": ");
	put(&l, meaning(signal, code));
	if (code > 0) {
		put(&l, ", address ");
		put_address(&l, (uint64_t)(uintptr_t)info->si_addr);
	}
	end_line(&l);
}

/* ---- the stack trace ---- */

/* Returns the program counter at the crash; 0 on other machines. */
static uintptr_t program_counter(const void *context)
{
	const ucontext_t *u = context;

#if defined(__x86_64__)
	return (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)u->uc_mcontext.pc;
#else
	(void)u;
	return 0;
#endif
}

#ifdef HAVE_DLADDR
/* Appends the module, the offset in it for debuggers, and the function. */
static void put_place(struct line *l, void *frame)
{
	Dl_info info;
	const ElfW(Ehdr) *head;
	uintptr_t at = (uintptr_t)frame;

	if (dladdr(frame, &info) == 0 || info.dli_fbase == NULL)
		return;
	head = info.dli_fbase;
	put(l, " ");
	put(l, info.dli_fname ? info.dli_fname : "?");
	put(l, "+");
	put_address(l, head->e_type == ET_EXEC ? at :
	    at - (uintptr_t)info.dli_fbase);
	if (info.dli_sname == NULL)
		return;
	put(l, " (");
	put(l, info.dli_sname);
	put(l, "+");
	put_address(l, at - (uintptr_t)info.dli_saddr);
	put(l, ")");
}
#else
static void put_place(struct line *l, void *frame)
{
	(void)l;
	(void)frame;
}
#endif

static void tell_frame(int number, uintptr_t at)
{
	struct line l = { .size = 0 };

	put(&l, "#");
	put_number(&l, (uint64_t)number, 10);
	put(&l, " ");
	put_address(&l, (uint64_t)at);
	put_place(&l, (void *)at);
	end_line(&l);
}

#ifdef HAVE_UNWIND
/* State of the stack walk; frames of the handler come first. */
struct walk {
	uintptr_t pc;		/* of the crash; 0: not known */
	bool told;		/* the frame of the crash was met */
	int count;
};

static _Unwind_Reason_Code see_frame(struct _Unwind_Context *context,
    void *walk)
{
	uintptr_t at = (uintptr_t)_Unwind_GetIP(context);
	struct walk *w = walk;

	w->told |= w->pc == 0 || at == w->pc;
	if (w->told)
		tell_frame(w->count++, at);
	return w->count < FRAMES_MOST ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void tell_stack(uintptr_t pc)
{
	struct walk w = { .pc = pc };

	_Unwind_Backtrace(see_frame, &w);
	if (w.count == 0)
		tell_frame(0, pc);
}
#else
/* Without an unwinder: only the frame of the crash. */
static void tell_stack(uintptr_t pc)
{
	tell_frame(0, pc);
}
#endif

/* When this returns, the faulty instruction runs again, or abort() goes on, and
   ends the process.  A signal sent by a program must be raised again. */
static void on_crash(int signal, siginfo_t *info, void *context)
{
	int kept = errno;

	if (crash->slot != NULL && !owner_is_other(crash->owner)) {
		tell_signal(signal, info);
		sys_alarm(NAMES_S);
		tell_stack(program_counter(context));
		sys_alarm(0);
	}
	errno = kept;
	if (info->si_code <= 0)
		sys_raise(signal);
}

void crash_prepare(const struct crash *c)
{
	static _Alignas(16) unsigned char stack[STACK_SIZE];
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL,
		SIGABRT, SIGSYS };

	crash = c;
	if (SANITIZED || sys_alt_stack(stack, sizeof stack) < 0)
		return;
	for (size_t i = 0; i < COUNTOF(signals); i++)
		sys_catch_once(signals[i], on_crash);
}
