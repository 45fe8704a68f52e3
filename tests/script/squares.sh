#!/bin/sh
# squares.sh - examples/squares makes as many squares at once as it has
# workers, and tells them in order.
#
# Usage: tests/script/squares.sh, with the program in $SQUARES (by default
# ./examples/squares).
# Exit status: 0 for success, 1 for failure, 77 if there is no program.

program=${SQUARES:-./examples/squares}
. "${srcdir:-.}/tests/script/program.sh"

# squares STATUS ARGUMENT...: the lines of the output joined, in $lines; the
# time is left out.
squares()
{
	launch "$@"
	lines=$(sed 's/, [0-9.]* s$//' "$dir/out" | paste -sd'|' -)
}

# is LINES
is()
{
	[ "$lines" = "$1" ] || fail "'$lines' and not '$1'"
}

squares 0 -w 1 -d 0.01
is '1|4|9|16|25|at most 1 at once'

# Where the machine is so busy that a worker has not begun when another has
# ended, they are given longer.
for delay in 1 5 25; do
	squares 0 -w 5 -d $delay
	[ "$lines" != '1|4|9|16|25|at most 5 at once' ] || break
done
is '1|4|9|16|25|at most 5 at once'

squares 1 -w 1 -d 0 3 x 99999999999 -7
is "$(printf '%s|' 9 "exception: 'x' is no number." \
    'exception: 99999999999 is too big to square.' 49)at most 1 at once"
[ ! -s "$dir/err" ] || fail "there was something on stderr"

for arguments in "-w" "-w x" "-w -1" "-d" "-d -1" "-d nan" "-d 1s" "-q"; do
	# shellcheck disable=SC2086 # several words are meant
	squares 2 $arguments
	[ -s "$dir/err" ] || fail "'$arguments': no message"
	is ''
done

on_full_disk -d 0

[ $failures -eq 0 ]
