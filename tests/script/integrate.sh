#!/bin/sh
# integrate.sh - examples/integrate cuts where it should and comes to the sums
# that are known.
#
# Usage: tests/script/integrate.sh, with the program in $INTEGRATE (by default
# ./examples/integrate).
# Exit status: 0 for success, 1 for failure, 77 if there is no program.

program=${INTEGRATE:-./examples/integrate}
. "${srcdir:-.}/tests/script/program.sh"

# near: "$dir/out" is what comes from stdin, but sums may differ by one part in
# 10^14, for libraries of mathematics do in their last digits.
near()
{
	awk '
	function differs(a, b) { return (a - b) ^ 2 > (1e-14 * b) ^ 2 }
	NR == FNR { line[FNR] = $0; last[FNR] = $NF; lines = FNR; next }
	{ seen++; sum = $NF; $NF = ""; parts = line[FNR]
	  sub(/[^ ]*$/, "", parts)
	  if (differs(sum, last[FNR]) || $0 != parts) {
		print "not as expected: " $0 sum
		bad = 1
	  } }
	END { exit bad || seen != lines }' - "$dir/out" || fail "other sums"
}

run 0
near <<END
0 225000 23.071942728635943
225000 225000 218.90049784088762
450000 225000 2076.8700979617474
675000 224999 19704.57459343792
22023.41713196919
END
# On other machines, the same digits: in order, and added one after another.
for parts in 4 23; do
	run 0 $parts
	mv "$dir/out" "$dir/expected"
	expect 0 -H env $parts
	expect 0 -H env -H "env A=1" $parts
done

for parts in 1 9 1000; do
	run 0 $parts
	# Added in another order, so a little more may differ.
	sum=$(tail -n 1 "$dir/out")
	awk -v sum="$sum" 'BEGIN {
		d = sum - 22023.41713196919
		exit d * d > 1e-12
	}' || fail "in $parts parts: '$sum'"
done

for arguments in 0 x -4 4.5 "1 2" "-H"; do
	# shellcheck disable=SC2086 # several words are meant
	run 2 $arguments
done

on_full_disk

[ $failures -eq 0 ]
