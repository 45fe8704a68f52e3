#!/bin/sh
# loops.sh - the examples of event loops, examples/loop_glib and
# examples/loop_uv, get every result and are not woken in vain.
#
# Usage: tests/script/loops.sh, with the programs in $LOOPS (by default those
# two in ./examples).
# Exit status: 0 for success, 1 for failure, 77 if none was built, for lack of
# its library.

srcdir=${srcdir:-.}
LOOPS=${LOOPS:-./examples/loop_glib ./examples/loop_uv}
LC_ALL=C
export LC_ALL

# A wake-up may bring nothing, and a retry, a death and a clock bring some of
# their own; a loop that spins for the 2000 ms of the timeout has far more.
wakes_most=4000

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
tried=0
failures=0
ulimit -c 0
fail()
{
	echo "FAIL: $*"
	failures=$((failures + 1))
}

# Of 1,000 numbers: 100, 350, 600, 850 crash; 300 hangs; 42, 142 ... 942 are
# tried again.
expected='outputs 995 killed 4 timed-out 1 others 0 retried 10'

for program in $LOOPS; do
	if [ ! -x "$program" ]; then
		echo "no program $program: skipped"
		continue
	fi
	tried=$((tried + 1))
	"$program" >"$tmp/out" 2>&1
	status=$?
	[ $status -eq 0 ] || fail "$program: exit status $status"
	[ "$(head -n 1 "$tmp/out")" = "$expected" ] ||
	    fail "$program: $(cat "$tmp/out")"
	wakes=$(sed -n 's/^wakes \([0-9]*\) .*/\1/p' "$tmp/out")
	echo "$program: ${wakes:-no} wake-ups"
	[ "${wakes:-0}" -ge 1 ] && [ "$wakes" -le $wakes_most ] ||
	    fail "$program: ${wakes:-no} wake-ups"
	ticks=$(sed -n 's/^wakes .* ticks \([0-9]*\)$/\1/p' "$tmp/out")
	[ "${ticks:-0}" -ge 1 ] || fail "$program: its timer never ran"
done
[ $tried -gt 0 ] || exit 77
[ $failures -eq 0 ]
