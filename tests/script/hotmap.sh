#!/bin/sh
# hotmap.sh - examples/hotmap squares on workers that join: from two "machines",
# a half directly and a half through a relay; and when one of them is killed.
#
# Usage: tests/script/hotmap.sh, with the program in $HOTMAP (by default
# ./examples/hotmap).
# Exit status: 0 for success, 1 for failure, 77 if there is no program.

program=${HOTMAP:-./examples/hotmap}
. "${srcdir:-.}/tests/script/program.sh"

queue=$dir/queue
workers=
leave()
{
	[ -z "$workers" ] || kill -9 $workers 2>"$dir/kill"
}

# work ARGUMENT...: starts a worker of the queue, with the command.
work()
{
	"$program" worker "$queue" "$@" >>"$dir/worker" 2>&1 &
	workers="$workers $!"
	last=$!
}

# map NUMBER...: the squares joined in $squares, the number of workers in $seen.
map()
{
	run 0 map "$queue" "$@"
	squares=$(sed '$d' "$dir/out" | paste -sd' ' -)
	seen=$(sed -n '$s/ workers.*//p' "$dir/out")
}

# Workers that were there before the queue.
work
work
for i in 1 2 3; do
	work "$program" --vimap-relay "$queue"
done
# Where the machine is so busy that a worker has not joined when another has its
# second number, it is tried again.
for try in 1 2 3; do
	map 1 2 3 4 5
	[ "$squares" = '1 4 9 16 25' ] || fail "squares: $squares"
	echo "5 numbers, $(tail -n 1 "$dir/out")"
	[ "$seen" != 5 ] || break
done
[ "$seen" = 5 ] || fail "$seen workers, not 5"

# A worker is killed in the middle: its number is squared by another.
(sleep 0.5; exec kill -9 "$last") &
map 6 7 8 9 10
[ "$squares" = '36 49 64 81 100' ] || fail "after a kill: $squares"

launch 1 map "$queue" x 3
printf "exception: 'x' cannot be squared.\n9\n" >"$dir/expected"
sed -i '$d' "$dir/out"
same 'no number'
run 2 map
run 1 worker 'a b'
[ ! -s "$dir/worker" ] || fail "a worker said: $(head -n 3 "$dir/worker")"
[ ! -e "$queue" ] || fail 'the socket is still there'
[ "$failures" -eq 0 ]
