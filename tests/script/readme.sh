#!/bin/sh
# readme.sh - the first C program of README.md compiles without a warning, runs,
# and prints lines that README.md shows.
#
# It is the first thing that a new user tries.

srcdir=${srcdir:-.}
CC=${CC:-cc}
LIBTOOL=${LIBTOOL:-./libtool}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

awk '
/^```c[ \t]*$/ && !done { on = 1; next }
/^```/ { done = done || on; on = 0 }
on' "$srcdir/README.md" >"$tmp/readme.c"
if ! grep main "$tmp/readme.c" >/dev/null; then
	echo "README.md has no C program as its first block of C"
	exit 1
fi

# shellcheck disable=SC2086 # several words are meant
$CC -std=c11 -Wall -Wextra -Werror $USER_CFLAGS -I"$srcdir/include" \
    -c "$tmp/readme.c" -o "$tmp/readme.o" &&
    $LIBTOOL --quiet --tag=CC --mode=link $CC $USER_CFLAGS -no-install \
	-o "$tmp/readme" "$tmp/readme.o" libvimap.la || exit 1
# libtool splits the run path where it has a space.
LD_LIBRARY_PATH=$PWD/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
    "$tmp/readme" </dev/null >"$tmp/out"
result=$?
cat "$tmp/out"
echo "(exit status $result)"
[ $result -eq 0 ] && [ -s "$tmp/out" ] || exit 1
while IFS= read -r line; do
	grep -Fx "    $line" "$srcdir/README.md" >/dev/null && continue
	echo "FAIL: README.md does not show '$line'"
	exit 1
done <"$tmp/out"
