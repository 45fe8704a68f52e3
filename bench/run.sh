#!/bin/sh
# run.sh - runs the benchmark's programs in turns and tells how they compare.
#
# Usage: bench/run.sh, in a build tree with the programs in ./bench.  From the
# environment:
#	ROUNDS		how often each program runs (5)
#	SCALE		the numbers of items, in per cent (100)
#	BENCH_ONLY	the workloads to run, as "W1 W3b-index W8" (all);
#			W8 stands for W8-8, W8-64 and so on
#	BENCH_TIMEOUT	seconds one run may take (60)
#	BENCH_RESULTS	what the files that it writes are called, without
#			.data (each run), .txt (the table) and .svg (a chart)
#			(bench-results)
#	PYTHON, PERL	how these are called
# What is not installed or built is skipped, with a message.
# Exit status: 0, or 1 if a run failed or printed a wrong checksum.

src=${0%/*}
ROUNDS=${ROUNDS:-5}
SCALE=${SCALE:-100}
PYTHON=${PYTHON:-python3}
PERL=${PERL:-perl}
BENCH_TIMEOUT=${BENCH_TIMEOUT:-60}
LC_ALL=C
export LC_ALL

results=${BENCH_RESULTS:-bench-results}
data=$results.data
table=$results.txt
chart=$results.svg
failures=0

if [ ! -x bench/pool ]; then
	echo "run.sh: there is no bench/pool here: call \"make bench\"" >&2
	exit 1
fi
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

if command -v timeout >/dev/null 2>&1; then
	bounded() { timeout "$BENCH_TIMEOUT" "$@"; }
else
	bounded() { "$@"; }
fi

# wanted GROUP: is it in BENCH_ONLY, whole or up to its hyphen?
wanted()
{
	[ -n "$BENCH_ONLY" ] || return 0
	for word in $BENCH_ONLY; do
		[ "$word" != "$1" ] && [ "$word" != "${1%%-*}" ] || return 0
	done
	return 1
}

# The rows that are wanted, with their numbers of items.
choose()
{
	grep -v '^#' "$src/rows.txt" | awk -v scale="$SCALE" '
	match($0, /@[0-9]+/) {
		n = int(substr($0, RSTART + 1, RLENGTH - 1) * scale / 100)
		$0 = substr($0, 1, RSTART - 1) sprintf("%d", n < 1 ? 1 : n) \
		    substr($0, RSTART + RLENGTH)
	}
	NF' | while IFS= read -r row; do
		wanted "${row%%|*}" && printf '%s\n' "$row"
	done
}

# give_up NAME WHY: this row is not run again.
give_up()
{
	echo "$group: $1: $2" >&2
	echo "$1" >>"$tmp/given_up"
}

# run_row ROUND NAME COMMAND: one run, whose line goes to the data.
run_row()
{
	! grep -Fqx "$2" "$tmp/given_up" || return 0
	eval "set -- \"\$1\" \"\$2\" $3"
	round=$1
	name=$2
	shift 2
	if ! command -v "$1" >/dev/null 2>&1; then
		give_up "$name" "there is no $1: skipped"
		return
	fi
	bounded "$@" </dev/null >"$tmp/line" 2>"$tmp/errors"
	status=$?
	if [ $status -eq 77 ]; then
		give_up "$name" "$(cat "$tmp/errors"): skipped"
	elif [ $status -ne 0 ]; then
		cat "$tmp/errors" >&2
		give_up "$name" "FAILED: $* (exit status $status)"
		failures=$((failures + 1))
	else
		read -r items seconds cpu _ <"$tmp/line"
		echo "$group|$name|$round|$items|$seconds|$cpu" >>"$data"
	fi
}

# One group: its programs one after the other, so many times.
run_group()
{
	: >"$tmp/given_up"
	n=1
	while [ $n -le "$ROUNDS" ]; do
		while IFS='|' read -r name command <&3; do
			run_row $n "$name" "$command"
		done 3<"$tmp/group"
		n=$((n + 1))
	done
}

choose >"$tmp/rows"
if [ ! -s "$tmp/rows" ]; then
	echo "run.sh: no workload is called so: $BENCH_ONLY" >&2
	exit 1
fi
: >"$data"
for group in $(cut -d '|' -f 1 "$tmp/rows" | uniq); do
	sed -n "s/^$group|//p" "$tmp/rows" | sed 1d >"$tmp/group"
	echo "$group: $ROUNDS rounds of $(grep -c . "$tmp/group") programs" >&2
	run_group
done
{
	echo "$(uname -s -r -m), $(getconf _NPROCESSORS_ONLN) CPUs," \
	    "$(date -u '+%Y-%m-%d %H:%M'), $ROUNDS rounds," \
	    "$(uptime | sed 's/.*load/load/')"
	awk -v ratios="$tmp/ratios" -f "$src/table.awk" "$tmp/rows" "$data"
} >"$table"
awk -f "$src/chart.awk" "$tmp/ratios" >"$chart"
cat "$table"
echo "This table is in $table, a chart of it in $chart."
[ $failures -eq 0 ]
