#!/bin/sh
# examples.sh - every example runs and ends well, and the first prints what
# its head promises.
#
# What the others print is tested by scripts of their own.

srcdir=${srcdir:-.}
EXAMPLES=${EXAMPLES:-examples/double examples/wordcount examples/failures}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
failures=0

# run PROGRAM ARGUMENT...
run()
{
	echo "$*"
	"$@" </dev/null >"$tmp/out"
	result=$?
	[ $result -eq 0 ] && return
	cat "$tmp/out"
	echo "FAIL: exit status $result"
	failures=$((failures + 1))
}

for program in $EXAMPLES; do
	case $program in
	*/wordcount|*/cluster_wordcount)
		run "./$program" "$srcdir/COPYING";;
	*/double)
		run "./$program"
		[ "$(paste -sd' ' "$tmp/out")" = "2 4 6 8" ] && continue
		cat "$tmp/out"
		echo "FAIL: not 2 4 6 8"
		failures=$((failures + 1));;
	*/folder_wordcount)
		run "./$program" "$srcdir/man";;
	*/service)
		;;		# until a signal: test_service
	*/hotmap)
		;;		# waits for workers: hotmap.sh
	*/mincemeat)
		run "./$program" server "$tmp/queue";;
	*/loop_*)
		;;		# loops.sh
	*/squares)
		run "./$program" -d 0;;
	*/failures)
		# A sanitizer needs more address space than it allows.
		case $USER_CFLAGS in
		*-fsanitize=*) continue;;
		esac
		run "./$program";;
	*)
		run "./$program";;
	esac
done
[ $failures -eq 0 ]
