#!/bin/sh
# run.sh - runs the benchmark's programs in turns and tells how they compare.
#
# Usage: bench/run.sh, in a build tree with the programs in ./bench.  From the
# environment:
#	ROUNDS		how often each program runs (5)
#	SCALE		the numbers of items, in per cent (100)
#	BENCH_LONG	not empty: those workloads, too, that take long
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

if [ ! -x bench/pool ] || [ ! -x bench/counted ]; then
	echo "run.sh: there are no programs here: call \"make bench\"" >&2
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

# The rows for one CPU begin with this: the first one that we may use.
one_cpu=taskset
if command -v taskset >/dev/null 2>&1; then
	one_cpu="taskset -c $(taskset -cp $$ | sed 's/.*: *//; s/[-,].*//')"
fi
# What MPI is told where it would not start more processes than there are CPUs,
# or any as root.
OMPI_ALLOW_RUN_AS_ROOT=1
OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM \
    OMPI_MCA_rmaps_base_oversubscribe

# wanted GROUP: is it in BENCH_ONLY, whole or up to its hyphen?  Those that are
# long must be meant.
wanted()
{
	for word in $BENCH_ONLY; do
		[ "$word" != "$1" ] || return 0
	done
	case $1 in *-long) [ -n "$BENCH_LONG" ] || return 1;; esac
	[ -n "$BENCH_ONLY" ] || return 0
	for word in $BENCH_ONLY; do
		[ "$word" != "${1%%-*}" ] || return 0
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

# lacking COMMAND...: what of it is not here: the command, another one that it
# is to call, or a program of ours.
lacking()
{
	command -v "$1" >/dev/null 2>&1 || echo "$1"
	shift
	for word; do
		case $word in
		mpirun|taskset)	command -v "$word" >/dev/null 2>&1 ||
		    echo "$word";;
		bench/*)	[ -e "$word" ] || echo "$word";;
		esac
	done
}

# run_row ROUND NAME COMMAND: one run, whose line goes to the data.
run_row()
{
	! grep -Fqx "$2" "$tmp/given_up" || return 0
	eval "set -- \"\$1\" \"\$2\" $3"
	round=$1
	name=$2
	shift 2
	missing=$(lacking "$@")
	if [ -n "$missing" ]; then
		give_up "$name" "there is no $(echo $missing): skipped"
		return
	fi
	bounded bench/counted "$tmp/faults" "$@" </dev/null >"$tmp/line" \
	    2>"$tmp/errors"
	status=$?
	if [ $status -eq 77 ]; then
		give_up "$name" "$(cat "$tmp/errors"): skipped"
	elif [ $status -ne 0 ]; then
		cat "$tmp/errors" >&2
		give_up "$name" "FAILED: $* (exit status $status)"
		failures=$((failures + 1))
	else
		read -r items seconds cpu _ peak _ <"$tmp/line"
		read -r faults <"$tmp/faults"
		echo "$group|$name|$round|$items|$seconds|$cpu|$peak|$faults" \
		    >>"$data"
	fi
}

# run_group ROUNDS: its programs one after the other, so many times, back and
# forth.
run_group()
{
	: >"$tmp/given_up"
	n=1
	while [ $n -le "$1" ]; do
		while IFS='|' read -r name command <&3; do
			run_row $n "$name" "$command"
		done 3<"$tmp/group"
		sed '1!G; h; $!d' "$tmp/group" >"$tmp/back"
		mv "$tmp/back" "$tmp/group"
		n=$((n + 1))
	done
}

# measure [COMMAND...]: the figures by which machines differ, in a second;
# COMMAND binds it to CPUs.
measure()
{
	"$@" tests/tools/measure 2>/dev/null |
	    sed -n "s/^VIMAP_TEST_MACHINE='\(.*\)'/\1/p"
}

# note_limit LIMIT: computes it (rows.txt) and adds a line "GROUP|SECONDS".
note_limit()
{
	[ -n "$1" ] || return 0
	on=env
	! grep -Fq "\$one_cpu" "$tmp/group" || on=$one_cpu
	# shellcheck disable=SC2086 # several words are meant
	measure $on | awk -v limit="$1" -v group="$group" '
	function cost(name,   at) {
		at = index($0, name " ")
		return at ? substr($0, at + length(name) + 1) + 0 : 0
	}
	{
		unit["fork"] = cost("fork") * 1e-3
		unit["trip"] = cost("round trip") * 1e-6
		unit["call"] = cost("system call") * 1e-6
		unit["fault"] = cost("page fault") * 1e-6
		unit["busy"] = 1e-3 / ($1 + 0 < 2 ? 1 : 2)
		n = split(limit, word, " ")
		for (i = 1; i < n; i += 3)
			sum += word[i] * unit[word[i + 1]]
		if (sum > 0)
			printf "%s|%.9g\n", group, sum
	}' >>"$tmp/limits"
}

machine=$(measure)

choose >"$tmp/rows"
if [ ! -s "$tmp/rows" ]; then
	echo "run.sh: no workload is called so: $BENCH_ONLY" >&2
	exit 1
fi
: >"$data"
: >"$tmp/limits"
for group in $(cut -d '|' -f 1 "$tmp/rows" | uniq); do
	sed -n "s/^$group|//p" "$tmp/rows" >"$tmp/group"
	times=$(sed -n '1s/^[^|]*|[^|]*|x\([0-9]*\).*/\1/p' "$tmp/group")
	limit=$(sed -n '1s/^[^|]*|[^|]*|[^|]*|//p' "$tmp/group")
	rounds=$((ROUNDS * ${times:-1}))
	sed 1d "$tmp/group" >"$tmp/rest"
	mv "$tmp/rest" "$tmp/group"
	note_limit "$limit"
	echo "$group: $rounds rounds of $(grep -c . "$tmp/group") programs" >&2
	run_group $rounds
done
{
	echo "$(uname -s -r -m), $(date -u '+%Y-%m-%d %H:%M'), $ROUNDS rounds"
	echo "The machine, before: $machine"
	awk -v ratios="$tmp/ratios" -v limits="$tmp/limits" \
	    -f "$src/table.awk" "$tmp/rows" "$data"
} >"$table"
awk -f "$src/chart.awk" "$tmp/ratios" >"$chart"
cat "$table"
echo "This table is in $table, a chart of it in $chart."
[ $failures -eq 0 ]
