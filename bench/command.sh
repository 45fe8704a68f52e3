#!/bin/bash
# command.sh - the CPU time of a job of vimap(1) against xargs -P and, if it is
# installed, GNU parallel.
#
# Usage: bench/command.sh, in a build tree with ./bin/vimap.  From the
# environment:
#	JOBS	processes of a run (1000)
#	LINES	of a run of a filter (20000)
#	ROUNDS	of each comparison, in turns (5)
#	WORKERS	at a time (2)
#
# Prints CPU time of all processes together, user and system, in milliseconds a
# job, and the ratio of each pair: of 2.0 vimap takes half as much.  Medians, with
# the least and the greatest.

set -euo pipefail
jobs=${JOBS:-1000}
lines=${LINES:-20000}
rounds=${ROUNDS:-5}
workers=${WORKERS:-2}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# The shell that libtool wraps around the program would count.  So would the time
# that each process of a command needs to look for its own library in the build
# tree, or for the files of a locale: neither is the cost of what starts it.
vimap=$PWD/bin/vimap
if [ -x bin/.libs/vimap ]; then
	vimap="$(ldd bin/.libs/vimap | awk '$1 ~ /\/ld-/ { print $1; exit }')"
	vimap="$vimap --library-path $PWD/.libs $PWD/bin/.libs/vimap"
fi
export LC_ALL=C

# cpu COUNT COMMAND...: milliseconds for each of so many records.
cpu()
{
	local count=$1 TIMEFORMAT='%U %S'

	shift
	seq "$count" >"$tmp/in"
	{ time "$@" <"$tmp/in" >"$tmp/out" 2>"$tmp/err"; } 2>"$tmp/time" || {
		cat "$tmp/err" >&2
		return 1
	}
	awk -v n="$count" '{ print 1000 * ($1 + $2) / n }' "$tmp/time"
}

# middle: of numbers.
middle()
{
	sort -g | awk '{ v[NR] = $1 }
	    END { printf "%.3g (%.3g to %.3g)", v[int((NR + 1) / 2)], v[1], v[NR] }'
}

# pair TITLE COUNT "OURS" "THEIRS": commands of words without blanks in them.
pair()
{
	local round

	: >"$tmp/pairs"
	for ((round = 0; round < rounds; round++)); do
		# shellcheck disable=SC2086 # words are meant
		echo "$(cpu "$2" $3) $(cpu "$2" $4)" >>"$tmp/pairs"
	done
	echo "$1: $(cut -d' ' -f1 "$tmp/pairs" | middle) against" \
	    "$(cut -d' ' -f2 "$tmp/pairs" | middle) ms, ratio" \
	    "$(awk '{ print $2 / $1 }' "$tmp/pairs" | middle)"
}

echo "load: $(cut -d' ' -f1-3 /proc/loadavg), CPUs: $(getconf _NPROCESSORS_ONLN)"
pair "true, xargs -P" "$jobs" "$vimap -j $workers true" \
    "xargs -n 1 -P $workers true"
pair "echo, xargs -P without order" "$jobs" "$vimap -j $workers echo" \
    "xargs -n 1 -P $workers echo"
if command -v parallel >/dev/null; then
	pair "true, GNU parallel" "$jobs" "$vimap -j $workers true" \
	    "parallel -j $workers true"
	pair "echo, GNU parallel -k" "$jobs" "$vimap -j $workers echo" \
	    "parallel -k -j $workers echo"
	pair "a line of sed, GNU parallel -k --pipe -N 1000" "$lines" \
	    "$vimap -j $workers -F sed -u s/1/x/" \
	    "parallel -k -j $workers --pipe -N 1000 sed s/1/x/"
else
	echo "GNU parallel is not installed: left out"
fi
echo "load: $(cut -d' ' -f1-3 /proc/loadavg)"
