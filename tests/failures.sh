#!/bin/sh
# failures.sh - examples/failures prints exactly examples/failures.expected.
#
# Usage: tests/failures.sh, with the program in $FAILURES (by default
# ./examples/failures) and the sources in $srcdir (by default .).
# Exit status: 0 for success, 1 for failure, 77 if there is no program.

FAILURES=${FAILURES:-./examples/failures}
expected=${srcdir:-.}/examples/failures.expected
LC_ALL=C
export LC_ALL

if [ ! -x "$FAILURES" ]; then
	echo "no program $FAILURES: skipped"
	exit 77
fi
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

failures=0
fail()
{
	echo "FAIL: $*"
	failures=$((failures + 1))
}

"$FAILURES" >"$dir/out" 2>"$dir/err"
status=$?
[ $status -eq 0 ] || fail "exit status $status, not 0"
diff "$expected" "$dir/out" || fail "the table is not the one expected"
if [ -s "$dir/err" ]; then
	cat "$dir/err"
	fail "there was something on stderr"
fi

if [ -c /dev/full ]; then
	"$FAILURES" >/dev/full 2>"$dir/err"
	status=$?
	[ $status -eq 1 ] || fail "full disk: exit status $status, not 1"
	[ -s "$dir/err" ] || fail "full disk: no message"
fi

[ $failures -eq 0 ]
