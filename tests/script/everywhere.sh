#!/bin/sh
# everywhere.sh - the whole suite again and again, under conditions that other
# machines have: alone, beside other load, on one CPU, at the lowest priority
# beside load, with forks that take twenty times as long.
#
# Usage: tests/script/everywhere.sh [ALONE [BESIDE [ONE [NICE [SLOW]]]]], in the build
# tree, with the sources in $srcdir: how many runs of each kind, 10 5 3 1 1.
# Prints a line a run with its time; stops at the first that fails, whose output
# is in everywhere.log.

srcdir=${srcdir:-.}
cpus=$(getconf _NPROCESSORS_ONLN)
log=everywhere.log
busy=

stop_load()
{
	# A loop that has just been forked may take TERM for its shell's.
	# shellcheck disable=SC2086 # several numbers are meant
	[ -z "$busy" ] || kill -9 $busy
	busy=
}
trap stop_load EXIT
trap 'exit 1' HUP INT TERM

# start_load NICE: four busy processes a CPU, at that priority.
start_load()
{
	i=0
	while [ $i -lt $((cpus * 4)) ]; do
		nice -n "$1" sh -c 'while :; do :; done' &
		busy="$busy $!"
		i=$((i + 1))
	done
}

# run KIND NUMBER COMMAND...
run()
{
	kind=$1
	number=$2
	shift 2
	begin=$(date +%s)
	if "$@" make -s -j $((cpus + 1)) check >$log 2>&1; then
		echo "$kind $number: passed after $(($(date +%s) - begin)) s;" \
		    "$(sed -n 's/^Tests on: //p' $log | tail -n 1)"
		return
	fi
	echo "$kind $number: FAILED after $(($(date +%s) - begin)) s, see $log"
	exit 1
}

# repeat KIND COUNT COMMAND...
repeat()
{
	kind=$1
	count=$2
	shift 2
	number=1
	while [ $number -le "$count" ]; do
		run "$kind" $number "$@"
		number=$((number + 1))
	done
}

# With forks that take twenty times as long as here.
repeat_slow()
{
	[ "$1" -gt 0 ] || return 0
	${CC:-cc} -shared -fPIC -O2 -o slow_fork.so \
	    "$srcdir/tests/tools/slow_fork.c" -ldl || exit 1
	# The figures that are there may be those beside load.
	rm -f tests/machine.env
	make -s tests/machine.env || exit 1
	more=$(sed -n 's/.*fork \([0-9.]*\) ms.*/\1/p' tests/machine.env |
	    awk '{ print int($1 * 19000) }')
	repeat "forks of ${more} us more" "$1" env LD_PRELOAD="$PWD/slow_fork.so" \
	    SLOW_FORK_US="$more"
}

repeat alone "${1-10}"
start_load 0
repeat "beside $((cpus * 4)) busy processes" "${2-5}"
stop_load
repeat "on one CPU" "${3-3}" taskset -c 0
# Load of nice 0 would leave a process of nice 19 a sixtieth of its weight: the
# suite would take hours.
start_load 10
repeat "nice 19 beside $((cpus * 4)) busy processes of nice 10" "${4-1}" \
    nice -n 19
stop_load
repeat_slow "${5-1}"
