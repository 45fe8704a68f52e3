#!/bin/sh
# mincemeat.sh - examples/mincemeat counts the words of Humpty Dumpty with
# clients that come, are killed and come again, directly and, where spiped is
# installed, through an encrypted connection.
#
# Usage: tests/script/mincemeat.sh, with the program in $MINCEMEAT (by default
# ./examples/mincemeat).
# Exit status: 0 for success, 1 for failure, 77 if there is no program.

program=${MINCEMEAT:-./examples/mincemeat}
. "${srcdir:-.}/tests/script/program.sh"

queue=$dir/queue
others=
delay=5
leave()
{
	[ -z "$others" ] || kill -9 $others 2>"$dir/kill"
}

# come [ARGUMENT...]: starts a client.
come()
{
	"$program" -d "$delay" client "$@" >>"$dir/client" 2>&1 &
	last=$!
	others="$others $last"
}

# counts TIMES: the words of Humpty Dumpty, of that many copies.
counts()
{
	printf '%s\n' "1 All" "1 Couldn't" "2 Dumpty" "3 Humpty" "2 King's" \
	    "2 a" "1 again" "1 all" "1 and" "1 fall" "1 great" "1 had" \
	    "1 horses" "1 men" "1 on" "1 put" "1 sat" "2 the" "1 together" \
	    "1 wall" | awk -v n="$1" '{ print $1 * n, $2 }'
}

# serve FILE: the server counts its words; clients have done some.
serve()
{
	"$program" -d "$delay" server "$queue" "$@" >"$dir/out" 2>"$dir/err" ||
	    fail "server: exit status $?: $(cat "$dir/err")"
	same "server $*"
	grep '^[1-9][0-9]* clients$' "$dir/err" >"$dir/clients" ||
	    fail "server: $(cat "$dir/err")"
}

counts 1 >"$dir/expected"
run_alone=$("$program" server "$queue" 2>"$dir/err")
[ "$run_alone" = "$(cat "$dir/expected")" ] || fail "alone: $run_alone"

text='Humpty Dumpty sat on a wall
Humpty Dumpty had a great fall
All the King'\''s horses and all the King'\''s men
Couldn'\''t put Humpty together again'
i=0
while [ $i -lt 50 ]; do
	printf '%s\n' "$text"
	i=$((i + 1))
done >"$dir/text"
counts 50 >"$dir/expected"

# Two that were there before; one of them is killed, and another comes for it.
# Where the run has ended by then, the lines are given longer.
for delay in 20 100 500; do
	come "$queue"
	stays=$last
	come "$queue"
	dies=$last
	(
		while [ ! -S "$queue" ]; do
			sleep 0.05
		done
		sleep 0.2
		kill -9 "$dies" 2>"$dir/kill"
		exec "$program" -d "$delay" client "$queue"
	) >>"$dir/client" 2>&1 &
	comes=$!
	others="$others $comes"
	serve "$dir/text"
	wait "$stays" || fail "the client that stayed: exit status $?"
	wait "$dies"
	status=$?
	[ $status -ne 137 ] || break
	kill "$comes"
done
[ $status -eq 137 ] || fail "the client was not killed in the middle: $status"
wait "$comes" || fail "the client that came: exit status $?"

if command -v spiped >"$dir/which" && command -v spipe >"$dir/which"; then
	dd if=/dev/urandom of="$dir/key" bs=32 count=1 2>"$dir/dd"
	dd if=/dev/urandom of="$dir/wrong" bs=32 count=1 2>"$dir/dd"
	spiped -F -d -s "$dir/outer" -t "$queue" -k "$dir/key" &
	others="$others $!"
	come - spipe -t "$dir/outer" -k "$dir/wrong"
	come - spipe -t "$dir/outer" -k "$dir/key"
	stays=$last
	serve "$dir/text"
	wait "$stays" || fail "the client by spipe: exit status $?"
else
	echo "no spiped: the part with it is left out"
fi
run 2
[ "$failures" -eq 0 ]
