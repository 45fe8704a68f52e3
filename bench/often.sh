#!/bin/sh
# often.sh - prints the functions of the library that run for each result, as
# lib/often.txt has them; for "make bench-often".
#
# Usage: bench/often.sh, in a build tree with bench/pool.  From the environment:
#	VALGRIND	how it is called
# Each workload runs twice under callgrind, with N items and with three times as
# many.  A function whose instructions differ by half of one an item, in all
# processes, runs for each result.  callgrind's files stay in ./bench-often.
# Exit status: 0, or 1 for failure; 77 if there is no valgrind.

VALGRIND=${VALGRIND:-valgrind}
out=$PWD/bench-often
LC_ALL=C
export LC_ALL

if ! command -v "$VALGRIND" >/dev/null 2>&1 ||
    ! command -v callgrind_annotate >/dev/null 2>&1; then
	echo "often.sh: there is no valgrind: skipped" >&2
	exit 77
fi
if [ ! -x bench/pool ]; then
	echo "often.sh: no bench/pool here: call \"make bench-often\"" >&2
	exit 1
fi
rm -rf "$out"
mkdir "$out" || exit 1

# run DIRECTORY WORKLOAD ITEMS [WORKERS [CHUNK]]
run()
{
	dir=$out/$1
	shift
	mkdir "$dir" || exit 1
	"$VALGRIND" -q --tool=callgrind \
	    --callgrind-out-file="$dir/callgrind.%p" \
	    bench/pool "$@" >"$dir/line" 2>"$dir/log" || {
		cat "$dir/log" >&2
		echo "often.sh: bench/pool failed under valgrind" >&2
		exit 1
	}
}

# count DIRECTORY: instructions of each function of the library, in all
# processes; copies that the compiler made count for the original.
count()
{
	for file in "$out/$1"/callgrind.*; do
		callgrind_annotate --tree=none --auto=no --threshold=100 "$file"
	done 2>/dev/null | awk '
	/libvimap\.so/ && /\/lib\/[a-z]*\/[a-z_]*\.c:/ {
		n = $1
		gsub(/,/, "", n)
		sub(/ \[[^]]*\]$/, "")
		sub(/.*:/, "")
		sub(/[^a-z0-9_].*/, "")
		sum[$0] += n
	}
	END { for (f in sum) printf "%s %d\n", f, sum[f] }'
}

# compare WORKLOAD ITEMS [WORKERS [CHUNK]]
compare()
{
	load=$1
	items=$2
	shift 2
	run "$load.once" "$load" "$items" "$@"
	run "$load.more" "$load" $((3 * items)) "$@"
	count "$load.once" >"$out/once"
	count "$load.more" >"$out/more"
	awk -v items="$items" '
	FNR == NR { once[$1] = $2; next }
	$2 - once[$1] >= items { print $1 }' "$out/once" "$out/more"
}

{
	compare pingpong 4000 1
	compare us 20000 2 16
	compare tiny 1000000 2
	compare kib 40000 2
} >"$out/names" || exit 1
sort -u "$out/names"
