#!/bin/sh
# tutorial.sh - every C program of doc/tutorial.md compiles without a warning
# and prints the text shown below it.
#
# A block of C begins with a comment that names its file.  In a "console" block
# the lines with "$ " are commands; the other lines are the output of all of
# them.

srcdir=${srcdir:-.}
CC=${CC:-cc}
LIBTOOL=${LIBTOOL:-./libtool}
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
exit $status
