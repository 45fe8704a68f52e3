#!/bin/sh
# tutorial.sh - every C program of doc/tutorial.md compiles without a warning
# and prints the text shown below it; and the last ends tidily at Ctrl-C.
#
# A block of C begins with a comment that names its file.  In a "console" block
# the lines with "$ " are commands; the other lines are the output of all of
# them.

srcdir=${srcdir:-.}
CC=${CC:-cc}
LIBTOOL=${LIBTOOL:-./libtool}
TERMINAL=${TERMINAL:-./tests/tools/on_terminal}
LC_ALL=C
export LC_ALL

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# Writes NAME.c, NAME.sh and NAME.expected, and prints each NAME.
names=$(awk -v dir="$tmp/" '
/^```c[ \t]*$/ { kind = "c"; name = ""; next }
/^```console[ \t]*$/ { kind = "console"; next }
/^```/ { kind = kind ? "" : "other"; next }
kind == "c" && name == "" {
	name = $2
	if (sub(/\.c$/, "", name) != 1)
		name = "nameless" NR
	print name
}
kind == "c" { print >(dir name ".c") }
kind == "console" && sub(/^\$ /, "") { print >(dir name ".sh"); next }
kind == "console" { print >(dir name ".expected") }' \
    "$srcdir/doc/tutorial.md")
if [ -z "$names" ]; then
	echo "FAIL: doc/tutorial.md has no program"
	exit 1
fi

status=0
fail()
{
	echo "FAIL: $*"
	status=1
}

# Programs are linked here and run in "$tmp".
# libtool splits the run path where it has a space.
LD_LIBRARY_PATH=$PWD/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH

# build NAME
# shellcheck disable=SC2086 # several words are meant
build()
{
	$CC -std=c11 -Wall -Wextra -Werror $USER_CFLAGS \
	    -I"$srcdir/include" -c "$tmp/$1.c" -o "$tmp/$1.o" &&
	    $LIBTOOL --quiet --tag=CC --mode=link $CC $USER_CFLAGS \
		-no-install -o "$tmp/$1" "$tmp/$1.o" libvimap.la
}

# try NAME
try()
{
	if ! grep '^int main(' "$tmp/$1.c" >/dev/null ||
	    [ ! -f "$tmp/$1.sh" ] || [ ! -f "$tmp/$1.expected" ]; then
		fail "$1: no main(), or no command with its output"
		return
	fi
	if ! build "$1"; then
		fail "$1: it does not compile"
		return
	fi
	(cd "$tmp" && sh "./$1.sh") </dev/null >"$tmp/$1.out"
	diff "$tmp/$1.expected" "$tmp/$1.out" ||
	    fail "$1: (< expected, > printed)"
}

for name in $names; do
	try "$name"
done

# Ctrl-C on a terminal, after the third line and when all are told but what runs
# on both workers.  Inputs differ behind the point.
on_ctrl_c()
{
	inputs=$(awk 'BEGIN {
		for (i = 0; i < 3; i++)
			print "0." i
		for (; i < 50; i++)
			print "9000000." i
		for (; i < 3000; i++)
			print "0." i
	}')
	# shellcheck disable=SC2086 # several words are meant
	"$TERMINAL" 3,2998 "$tmp/stop" $inputs >"$tmp/typed" ||
	    fail "stop: exit status $?"
	tail -n 1 "$tmp/typed" | grep -x 'signal 2' >/dev/null ||
	    fail "stop: $(tail -n 1 "$tmp/typed"), not signal 2"
	sed '$d' "$tmp/typed" >"$tmp/told"
	echo "$inputs" | sort >"$tmp/all"
	sed 's/: .*//' "$tmp/told" | sort | diff "$tmp/all" - ||
	    fail "stop: not each input once (< expected, > printed)"
	[ "$(grep -c ': done$' "$tmp/told")" -eq 3 ] &&
	    [ "$(grep -c ': The item was cancelled' "$tmp/told")" -eq 2997 ] ||
	    fail "stop: $(grep -v cancelled "$tmp/told")"
}
on_ctrl_c
exit $status
