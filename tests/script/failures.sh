#!/bin/sh
# failures.sh - examples/failures prints exactly examples/failures.expected.
#
# Usage: tests/script/failures.sh, with the program in $FAILURES (by default
# ./examples/failures) and the sources in $srcdir (by default .).
# Exit status: 0 for success, 1 for failure, 77 if there is no program.

program=${FAILURES:-./examples/failures}
expected=${srcdir:-.}/examples/failures.expected
. "${srcdir:-.}/tests/script/program.sh"
case $USER_CFLAGS in
*-fsanitize=*)
	echo "a sanitizer needs more address space than the example allows"
	exit 77;;
esac

# What is left behind would have this in its environment.
FAILURES_MARK=$$-$(basename "$dir")
export FAILURES_MARK
"$program" >"$dir/out" 2>"$dir/err"
status=$?
for environ in /proc/[0-9]*/environ; do
	pid=${environ#/proc/}
	pid=${pid%/environ}
	case $(cat "/proc/$pid/comm" 2>/dev/null) in
	failures|failures:*) ;;
	*) continue;;
	esac
	if tr '\0' '\n' <"$environ" 2>/dev/null |
	    grep -qx "FAILURES_MARK=$FAILURES_MARK"; then
		fail "process $pid is left behind"
	fi
done
[ $status -eq 0 ] || fail "exit status $status, not 0"
diff "$expected" "$dir/out" || fail "the table is not the one expected"
if [ -s "$dir/err" ]; then
	cat "$dir/err"
	fail "there was something on stderr"
fi

on_full_disk

[ $failures -eq 0 ]
