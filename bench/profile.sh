#!/bin/sh
# profile.sh - how many instructions an item costs, in the caller and in the
# workers, and in which functions; and what single steps of its path cost.
#
# Usage: bench/profile.sh, in a build tree with bench/pool and bench/steps.
# From the environment:
#	PROFILE_ITEMS	items of "tiny" (100000)
#	PROFILE_CHUNK	that travel together (256): valgrind is slow, so the
#			default, which is measured, would be another
#	PROFILE_WORKERS	(2)
#	VALGRIND	how it is called
# Two runs, one of twice as many items: the difference of their counts is what
# the items cost, without start and end.  The functions are those of the longer
# run, start and end included.  The steps are counted in the same way, less an
# empty loop, and timed without valgrind.  callgrind's files stay in
# ./bench-profile.
# Exit status: 0, or 1 for failure; 77 if there is no valgrind.

VALGRIND=${VALGRIND:-valgrind}
items=${PROFILE_ITEMS:-100000}
chunk=${PROFILE_CHUNK:-256}
workers=${PROFILE_WORKERS:-2}
out=$PWD/bench-profile
LC_ALL=C
export LC_ALL

if ! command -v "$VALGRIND" >/dev/null 2>&1 ||
    ! command -v callgrind_annotate >/dev/null 2>&1; then
	echo "profile.sh: there is no valgrind: skipped" >&2
	exit 77
fi
if [ ! -x bench/pool ] || [ ! -x bench/steps ]; then
	echo "profile.sh: no bench/pool here: call \"make bench-profile\"" >&2
	exit 1
fi
# Of an older profile, nothing is to be counted.
rm -rf "$out"
mkdir "$out" || exit 1

# run NAME ITEMS: a file for each process, NAME.caller or NAME.worker.PID.
run()
{
	"$VALGRIND" -q --tool=callgrind --callgrind-out-file="$out/$1.out.%p" \
	    bench/pool tiny "$2" "$workers" "$chunk" \
	    >"$out/$1.line" 2>"$out/$1.log" &
	caller=$!
	if ! wait $caller; then
		cat "$out/$1.log" >&2
		echo "profile.sh: bench/pool failed under valgrind" >&2
		exit 1
	fi
	mv "$out/$1.out.$caller" "$out/$1.caller" || exit 1
	# The fork server's file has no item done.
	for file in "$out/$1".out.*; do
		if grep -q 'run_tiny' "$file"; then
			mv "$file" "$out/$1.worker.${file##*.}"
		else
			mv "$file" "$out/$1.server"
		fi
	done
}

# total FILE...: instructions in all.
total()
{
	awk '$1 == "totals:" || $1 == "summary:" { n[FILENAME] = $2 }
	END { for (f in n) sum += n[f]; printf "%d\n", sum }' "$@"
}

# tell WHO ONCE TWICE: what an item costs.
tell()
{
	awk -v who="$1" -v once="$2" -v twice="$3" -v items="$items" 'BEGIN {
		printf "%s: %.1f instructions an item\n", who,
		    (twice - once) / items
	}'
}

# top FILE...: the functions with most instructions of their own.
top()
{
	for file; do
		callgrind_annotate --tree=none --auto=no --threshold=100 "$file"
	done 2>/dev/null | awk -v items=$((2 * items)) '
	/:/ && $1 ~ /^[0-9,]+$/ && !/PROGRAM TOTALS/ {
		n = $1
		gsub(/,/, "", n)
		sub(/^ *[0-9,]+ *(\([ 0-9.]+%\))? */, "")
		sub(/ \[.*/, "")
		sub(/^[^ ]*:/, "")
		cost[$0] += n
	}
	END {
		for (f in cost)
			printf "%12.2f  %s\n", cost[f] / items, f
	}' | sort -rn | head -n 8
}

# step_count NAME: instructions of a step, with its loop.
step_count()
{
	for n in 1 2; do
		"$VALGRIND" -q --tool=callgrind \
		    --callgrind-out-file="$out/step.$1.$n" \
		    bench/steps $((n * items)) "$1" 2>"$out/step.log" || {
			cat "$out/step.log" >&2
			exit 1
		}
	done
	echo $(($(total "$out/step.$1.2") - $(total "$out/step.$1.1")))
}

run once "$items"
run twice $((2 * items))
echo "tiny, $items items and twice as many, $workers workers," \
    "chunks of $chunk"
tell caller "$(total "$out/once.caller")" "$(total "$out/twice.caller")"
top "$out/twice.caller"
tell workers "$(total "$out"/once.worker.*)" "$(total "$out"/twice.worker.*)"
top "$out"/twice.worker.*

echo "single steps, by themselves; instructions:"
empty=$(step_count empty) || exit 1
for name in lease commit ordered frame result; do
	count=$(step_count $name) || exit 1
	awk -v name=$name -v n=$((count - empty)) -v items="$items" \
	    'BEGIN { printf "%12.2f  %s\n", n / items, name }'
done
echo "the same in time:"
bench/steps
