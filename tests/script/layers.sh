#!/bin/sh
# layers.sh - the folders of lib/ are layers, and their files keep to them.
#
# Includes go to files of the same folder or of one before it, and a function is
# defined in the folder whose header declares it, so calls do as well; only
# os/sys_*.c call the system; only few files wait; each prototype in a header has
# its contract; Makefile.am has each file once.  Then the same checks must find
# every fault of a small bad tree, or they prove nothing.

srcdir=${srcdir:-.}
here=$srcdir/tests/script
LC_ALL=C
export LC_ALL

# From the ground up.  The last stands on the public headers, bytes and the system.
folders='base os journal wire shm items report worker link forkserver pool engine api agent reduce'

# The system calls, and what is as good as one, that only os/sys_*.c may make.
calls='read write readv writev pread pwrite open openat creat close dup dup2
dup3 pipe pipe2 fcntl ioctl lseek ftruncate flock fsync fdatasync fstat stat lstat access
readlink readlinkat unlink rename mkdir mkostemp fallocate getdents64 memfd_create eventfd
fork vfork clone execv execve execvp execl execlp posix_spawn system popen
_exit _Exit getpid getppid gettid setpgid setpgrp setsid getsid getpgid
getpgrp
poll ppoll select pselect epoll_create1 epoll_ctl epoll_wait epoll_pwait
tcgetpgrp tcgetattr tcsetattr secure_getenv
waitid wait wait3 wait4 waitpid kill killpg tgkill raise abort
mmap munmap mremap mprotect madvise mlock shm_open shm_unlink
socket socketpair connect bind send sendto sendmsg recv recvfrom
recvmsg shutdown prctl syscall getrlimit setrlimit prlimit getrusage
sched_getaffinity sched_setaffinity sched_yield sysconf
clock_gettime clock_getcpuclockid gettimeofday time clock_nanosleep nanosleep sleep usleep
signal sigaction sigprocmask pthread_sigmask sigpending sigsuspend sigtimedwait
sigwait sigwaitinfo alarm setitimer timer_create timerfd_create timerfd_settime signalfd'

# Who may wait, be it for no time.
waiters='sys_io.c turn.c forkserver.c lines.c command.c guest.c link.c agent.c join.c relay.c'

# Every file of lib/ is in Makefile.am once, and the other way round.
check_list()
{
	grep -o 'lib/[a-z]*/[a-z_]*\.[ch]' "$1/Makefile.am" | sort >"$tmp/listed"
	(cd "$1" && ls -- lib/*/*.[ch]) | sort >"$tmp/there"
	uniq -d "$tmp/listed" | sed 's/$/: twice in Makefile.am/'
	sort -u "$tmp/listed" | comm -23 - "$tmp/there" |
	    sed 's/$/: in Makefile.am, but not there/'
	sort -u "$tmp/listed" | comm -13 - "$tmp/there" |
	    sed 's/$/: not in Makefile.am/'
}

# The public headers and config.h may be included anywhere.
check_includes()
{
	(cd "$1" && grep -n '^[ 	]*#[ 	]*include[ 	]*"' lib/*/*.[ch]) |
	    sed 's|^lib/\([a-z]*\)/\([^:]*\):\([0-9]*\):[^"]*"\([^"]*\)".*|\1 \2 \3 \4|' |
	    awk -v folders="$folders" '
	BEGIN {
		n = split(folders, names)
		for (i = 1; i <= n; i++)
			rank[names[i]] = i
	}
	$4 == "vimap.h" || $4 == "vimap_reduce.h" || $4 == "config.h" { next }
	{
		at = "lib/" $1 "/" $2 ":" $3 ": "
		folder = $4
		sub(/\/.*/, "", folder)
		if (!($1 in rank))
			print at "a folder without a rank"
		else if (!(folder in rank))
			print at "includes " $4 ", which is in no folder"
		else if (rank[folder] > rank[$1] || ($1 == names[n] &&
		    folder != $1 && rank[folder] > 2))
			print at "includes " $4
	}'
}

# What is declared in one folder and defined in another is called upwards, or
# its header is in the wrong place.
check_definitions()
{
	awk '
	FNR == 1 {
		path = FILENAME
		sub(/.*\/code\//, "", path)
		folder = path
		sub(/\/.*/, "", folder)
		text = ""
	}
	{ code = substr($0, 2) }
	code ~ /^(static|typedef|struct [a-z_]+ \{|enum|#|\})/ { text = ""; next }
	code ~ /^[a-z]/ { text = code; line = FNR }
	code ~ /^[ \t]/ && text != "" { text = text " " code }
	code !~ /^\{/ && text !~ /;[ \t]*$/ { next }
	match(text, /[a-z_0-9]+\(/) {
		name = substr(text, RSTART, RLENGTH - 1)
		if (code ~ /^\{/)
			defined[name] = folder
		else if (path ~ /\.h$/) {
			declared[name] = folder
			at[name] = "lib/" path ":" line ": "
		}
	}
	{ text = "" }
	END {
		for (name in declared)
			if (name in defined && defined[name] != declared[name])
				print at[name] name " is defined in lib/" \
				    defined[name]
	}' "$1"/*/*
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
		path = file = FILENAME
		sub(/.*\/code\//, "lib/", path)
		sub(/.*\//, "", file)
		pointers = ""
		split("", banned)
		for (i = 1; i <= n; i++)
			if (path !~ /^lib\/os\/sys[a-z_]*\.[ch]$/)
				banned[names[i]] = "a system call outside sys_*.c"
		for (i in waits)
			if (!index(" " waiters " ", " " file " "))
				banned[waits[i]] = "a wait in the wrong file"
	}
	path == "lib/os/sys.h" { next }
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
				print path ":" FNR ": " name ": " banned[name]
		}
	}' "$1"/*/*
}

# Files that call each other in a circle, a .c file and its header being the
# same: what is left when files are taken away that call none of the others, or
# are called by none.
check_circles()
{
	awk '
	FNR == 1 {
		unit = FILENAME
		sub(/.*\/code\//, "lib/", unit)
		sub(/\.[ch]$/, "", unit)
		again = (FILENAME in seen)
		seen[FILENAME] = 1
		name = ""
	}
	{ code = substr($0, 2) }
	!again && code ~ /^[a-z]/ {
		name = ""
		if (match(code, /[a-z_0-9]+\(/))
			name = substr(code, RSTART, RLENGTH - 1)
		hidden = code ~ /^static /
	}
	!again && code ~ /^\{/ && name != "" {
		if (hidden)
			own[unit, name] = 1
		else
			home[name] = unit
		name = ""
	}
	again && (code ~ /^[ \t]/ || FILENAME ~ /\.c$/) {
		n = split(code, word, /[^a-z_0-9]+/)
		for (i = 1; i <= n; i++)
			if (word[i] in home && home[word[i]] != unit &&
			    !((unit, word[i]) in own))
				calls[unit, home[word[i]]] = 1
	}
	END {
		for (pair in calls) {
			split(pair, ends, SUBSEP)
			left[ends[1]]
			left[ends[2]]
		}
		do {
			split("", busy)
			split("", called)
			for (pair in calls) {
				split(pair, ends, SUBSEP)
				if (ends[1] in left && ends[2] in left) {
					busy[ends[1]]
					called[ends[2]]
				}
			}
			gone = 0
			for (unit in left)
				if (!(unit in busy && unit in called)) {
					delete left[unit]
					gone = 1
				}
		} while (gone)
		for (unit in left)
			print unit ": in a circle of calls"
	}' "$1"/*/* "$1"/*/* | sort
}

check_contracts()
{
	awk -f "$here/contracts.awk" "$1"/*/*.h |
	    sed -n "s/^no \([^ ]*\) /\1: no contract: /p"
}

# check_tree DIR: prints what is wrong with its lib/, a line a fault.
check_tree()
{
	check_list "$1"
	check_includes "$1"
	rm -rf "$tmp/code"
	for folder in "$1"/lib/*/; do
		folder=${folder%/}
		mkdir -p "$tmp/code/${folder##*/}" || exit 1
		awk -v to="$tmp/code/${folder##*/}" -f "$here/strip.awk" \
		    "$folder"/*.[ch]
	done
	check_definitions "$tmp/code"
	check_calls "$tmp/code"
	check_circles "$tmp/code"
	check_contracts "$tmp/code"
}

# Each file has one fault of its own, but for those that have none.
make_bad_tree()
{
	bad=$tmp/bad/lib
	mkdir -p "$bad/os" "$bad/wire" "$bad/engine" "$bad/reduce" \
	    "$bad/attic" || exit 1
	cat >"$tmp/bad/Makefile.am" <<-'END'
	OS = lib/os/sys_io.c lib/os/low.c lib/os/low.h lib/os/gone.c
	WIRE = lib/wire/middle.h lib/wire/middle.h
	ENGINE = lib/engine/high.h lib/engine/high.c
	REDUCE = lib/reduce/above.c lib/attic/old.c
	END
	printf '/* Fine. */\nint middle(int);\n/* Fine. */\nint up(int);\n' \
	    >"$bad/wire/middle.h"
	printf '/* Fine. */\nint high(int);\n' >"$bad/engine/high.h"
	printf 'int high(int x)\n{\n}\nint up(int x)\n{\n\treturn 1;\n}\n' \
	    >"$bad/engine/high.c"
	printf '#include "os/low.h"\n#include "wire/middle.h"\n' \
	    >"$bad/reduce/above.c"
	printf '#include "engine/high.h"\n#include "low.h"\n' >"$bad/os/low.c"
	printf 'void low(void);\n' >"$bad/os/low.h"
	printf '#include "os/low.h"\n' >"$bad/attic/old.c"
	printf 'int f(int x) { return read(x) + p->read(x); }\n' \
	    >"$bad/engine/extra.c"
	printf 'int g(void) { return fork() + sys_poll(); }\n' \
	    >>"$bad/engine/extra.c"
	printf 'void i(int (*read)(int))\n{\n\tread(0);\n}\n' \
	    >>"$bad/engine/extra.c"
	printf 'int j(void)\n{\n\treturn read(0, "fork()");\n}\n' \
	    >>"$bad/engine/extra.c"
	printf 'int high(int);\nint k(void)\n{\n\treturn high(0);\n}\n' \
	    >>"$bad/engine/extra.c"
	printf 'static int l(void)\n{\n\treturn k() + g();\n}\n' \
	    >>"$bad/engine/high.c"
	printf 'int h(void) { return fork(); } /* read(0) */\n' \
	    >"$bad/os/sys_io.c"
	cat >"$tmp/expected" <<-'END'
	lib/wire/middle.h: twice in Makefile.am
	lib/os/gone.c: in Makefile.am, but not there
	lib/engine/extra.c: not in Makefile.am
	lib/attic/old.c:1: a folder without a rank
	lib/os/low.c:1: includes engine/high.h
	lib/os/low.c:2: includes low.h, which is in no folder
	lib/reduce/above.c:2: includes wire/middle.h
	lib/wire/middle.h:4: up is defined in lib/engine
	lib/engine/extra.c:1: read: a system call outside sys_*.c
	lib/engine/extra.c:2: fork: a system call outside sys_*.c
	lib/engine/extra.c:2: sys_poll: a wait in the wrong file
	lib/engine/extra.c:9: read: a system call outside sys_*.c
	lib/engine/extra: in a circle of calls
	lib/engine/high: in a circle of calls
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
