#!/bin/sh
# squaresum.sh - examples/squaresum cuts where it should and comes to sums
# that are known.
#
# Usage: tests/script/squaresum.sh, with the program in $SQUARESUM (by default
# ./examples/squaresum).
# Exit status: 0 for success, 1 for failure, 77 if there is no program.

program=${SQUARESUM:-./examples/squaresum}
. "${srcdir:-.}/tests/script/program.sh"

cat >"$dir/expected" <<END
0 2500001 5208336458333750000
2500001 2500001 36458367708343750001
5000002 2500001 98958436458368750004
7500003 2499997 192708142708288749995
333333283333335000000
END
expect 0
expect 0 -H env
expect 0 -H env -H "env A=1"

run 0 1000
cut -d' ' -f 1,2 "$dir/out" | paste -sd' ' - >"$dir/cuts"
[ "$(cat "$dir/cuts")" = "0 251 251 251 502 251 753 247 332833500" ] ||
    fail "1000: other parts or another sum: $(cat "$dir/cuts")"
for parts in 1 2 3 7 999 1000 5000; do
	run 0 1000 $parts
	[ "$(tail -n 1 "$dir/out")" = 332833500 ] ||
	    fail "1000 in $parts parts: $(tail -n 1 "$dir/out")"
done
echo 0 >"$dir/expected"
expect 0 0
# About 10^18, where a second digit is needed, and the first has zeroes.
for end in 1442250:999999853754584125 1442251:1000001933839646625; do
	cat >"$dir/expected" <<-END
	0 ${end%:*} ${end#*:}
	${end#*:}
	END
	expect 0 ${end%:*} 1
done

for arguments in x -1 1.5 1000000001 "10 0" "10 2 3" "-H"; do
	# shellcheck disable=SC2086 # several words are meant
	run 2 $arguments
done

on_full_disk

[ $failures -eq 0 ]
