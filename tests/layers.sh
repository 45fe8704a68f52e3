#!/bin/sh
# layers.sh - the files of lib/ keep to their layers, as Makefile.am has them.
#
# Includes go to the same or a lower layer; only sys*.c call the system; only
# few files wait; each prototype in a header has its contract.  Then the same
# checks must find every fault of a small bad tree, or they prove nothing.

srcdir=${srcdir:-.}
here=$srcdir/tests
LC_ALL=C
export LC_ALL

# The system calls, and what is as good as one, that only sys*.c may make.
calls='read write readv writev pread pwrite open openat creat close dup dup2
dup3 pipe pipe2 fcntl ioctl lseek ftruncate fsync fstat stat lstat access
readlink readlinkat unlink rename mkdir mkostemp fallocate getdents64 memfd_create eventfd
fork vfork clone execv execve execvp execl execlp posix_spawn system popen
_exit _Exit getpid getppid gettid setpgid setpgrp setsid getsid getpgid
getpgrp
poll ppoll select pselect epoll_create1 epoll_ctl epoll_wait epoll_pwait
waitid wait wait3 wait4 waitpid kill killpg tgkill raise abort
mmap munmap mremap mprotect madvise mlock shm_open shm_unlink
socket socketpair connect bind send sendto sendmsg recv recvfrom
recvmsg shutdown prctl syscall getrlimit setrlimit prlimit getrusage
sched_getaffinity sched_setaffinity sched_yield sysconf
clock_gettime gettimeofday time clock_nanosleep nanosleep sleep usleep
signal sigaction sigprocmask pthread_sigmask sigpending sigsuspend sigtimedwait
sigwait sigwaitinfo alarm setitimer timer_create timerfd_create signalfd'

# Who may wait, be it for no time.
waiters='sys.c engine.c forkserver.c lines.c'

# Lines "NUMBER FILE" from the layer lists of a Makefile.am.
layers_of()
{
	awk '
	/^LAYER_[0-9]/ { number = substr($1, 7, 1); on = 1 }
	on {
		for (i = 1; i <= NF; i++)
			if ($i ~ /^lib\//)
				print number, substr($i, 5)
		on = /\\$/
	}' "$1"
}

# Every file of lib/ is in the list once, and the other way round.
check_list()
{
	cut -d' ' -f2 "$tmp/layers" | sort >"$tmp/listed"
	(cd "$1/lib" && ls -- *.[ch]) | sort >"$tmp/there"
	uniq -d "$tmp/listed" | sed 's/$/: twice in Makefile.am/'
	sort -u "$tmp/listed" | comm -23 - "$tmp/there" |
	    sed 's/$/: in Makefile.am, but not in lib/'
	sort -u "$tmp/listed" | comm -13 - "$tmp/there" |
	    sed 's/$/: in lib, but in no layer of Makefile.am/'
}

# The public header and config.h may be included anywhere.
check_includes()
{
	grep -n '^[ 	]*#[ 	]*include[ 	]*"' "$1"/lib/*.[ch] /dev/null |
	    sed 's|^.*/\([^/]*\.[ch]\):\([0-9]*\):[^"]*"\([^"]*\)".*|\1 \2 \3|' |
	    awk '
	NR == FNR { layer[$2] = $1; next }
	$3 == "vimap.h" || $3 == "vimap_reduce.h" || $3 == "config.h" { next }
	!($3 in layer) {
		print $1 ":" $2 ": includes " $3 ", which has no layer"
		next
	}
	# What is above stands on the public headers, bytes and the ground.
	layer[$1] == 6 && layer[$3] > 1 && layer[$3] < 6 {
		print $1 ":" $2 ": layer 6 includes " $3 " of layer " layer[$3]
		next
	}
	layer[$3] > layer[$1] {
		print $1 ":" $2 ": layer " layer[$1] " includes " $3 \
		    " of layer " layer[$3]
	}' "$tmp/layers" -
}

# Calls by name; what is called through a pointer, a member or a variable of
# that function, is not meant.
check_calls()
{
	awk -v calls="$calls" -v waiters="$waiters" '
	BEGIN {
		n = split(calls, names)
		split("sys_poll sys_ppoll sys_epoll_wait", waits)
	}
	FNR == 1 {
		file = FILENAME
		sub(/.*\//, "", file)
		pointers = ""
		split("", banned)
		for (i = 1; i <= n; i++)
			if (file !~ /^sys(proc|mem|file)?\.[ch]$/)
				banned[names[i]] = "a system call outside sys*.c"
		for (i in waits)
			if (!index(" " waiters " ", " " file " "))
				banned[waits[i]] = "a wait in the wrong file"
	}
	file == "sys.h" { next }
	{
		rest = " " substr($0, 2)
		if (rest ~ /^ }/)
			pointers = ""
		if (match(rest, /\(\*[a-z_]+\)/))
			pointers = pointers " " \
			    substr(rest, RSTART + 2, RLENGTH - 3) " "
		while (match(rest, /[A-Za-z0-9_]+[ \t]*\(/)) {
			name = substr(rest, RSTART, RLENGTH - 1)
			before = substr(rest, 1, RSTART - 1)
			rest = substr(rest, RSTART + RLENGTH)
			gsub(/[ \t]/, "", name)
			if (index(pointers, " " name " ") ||
			    before ~ /(\.|->)[ \t]*$/)
				continue
			if (name in banned)
				print file ":" FNR ": " name ": " banned[name]
		}
	}' "$1"/*
}

check_contracts()
{
	awk -f "$here/contracts.awk" "$1"/*.h |
	    sed -n "s/^no \([^ ]*\) /\1: no contract: /p"
}

# check_tree DIR: prints what is wrong with its lib/, a line a fault.
check_tree()
{
	layers_of "$1/Makefile.am" >"$tmp/layers"
	check_list "$1"
	check_includes "$1"
	rm -rf "$tmp/code"
	mkdir "$tmp/code" || exit 1
	awk -v to="$tmp/code" -f "$here/strip.awk" "$1"/lib/*.[ch]
	check_calls "$tmp/code"
	check_contracts "$tmp/code"
}

make_bad_tree()
{
	mkdir "$tmp/bad" "$tmp/bad/lib" || exit 1
	cat >"$tmp/bad/Makefile.am" <<-'END'
	LAYER_0_SYS = lib/sys.c
	LAYER_0 = lib/low.c \
		lib/low.h lib/gone.c
	LAYER_1 = lib/high.h
	LAYER_3 = lib/middle.h
	LAYER_6 = lib/above.c
	END
	printf '/* Fine. */\nint middle(int);\n' >"$tmp/bad/lib/middle.h"
	printf '#include "high.h"\n#include "middle.h"\n' \
	    >"$tmp/bad/lib/above.c"
	printf '#include "high.h"\n' >"$tmp/bad/lib/low.c"
	printf 'void low(void);\n' >"$tmp/bad/lib/low.h"
	printf '/* Fine. */\nint high(int);\n' >"$tmp/bad/lib/high.h"
	printf 'int f(int x) { return read(x) + p->read(x); }\n' \
	    >"$tmp/bad/lib/extra.c"
	printf 'int g(void) { return fork() + sys_poll(); }\n' \
	    >>"$tmp/bad/lib/extra.c"
	printf 'void i(int (*read)(int))\n{\n\tread(0);\n}\n' \
	    >>"$tmp/bad/lib/extra.c"
	printf 'int j(void)\n{\n\treturn read(0, "fork()");\n}\n' \
	    >>"$tmp/bad/lib/extra.c"
	printf 'int h(void) { return fork(); } /* read(0) */\n' \
	    >"$tmp/bad/lib/sys.c"
	cat >"$tmp/expected" <<-'END'
	gone.c: in Makefile.am, but not in lib
	extra.c: in lib, but in no layer of Makefile.am
	above.c:2: layer 6 includes middle.h of layer 3
	low.c:1: layer 0 includes high.h of layer 1
	extra.c:1: read: a system call outside sys*.c
	extra.c:2: fork: a system call outside sys*.c
	extra.c:2: sys_poll: a wait in the wrong file
	extra.c:9: read: a system call outside sys*.c
	low.h:1: no contract: void low(void);
	END
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
status=0

make_bad_tree
check_tree "$tmp/bad" >"$tmp/found"
if ! diff "$tmp/expected" "$tmp/found"; then
	echo "the checks do not find what is wrong with a bad tree"
	status=1
fi

check_tree "$srcdir" >"$tmp/faults"
cat "$tmp/faults"
[ ! -s "$tmp/faults" ] || status=1
exit $status
