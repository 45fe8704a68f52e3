#!/bin/sh
# demo.sh - counts the words of real texts, with one worker and with more.
#
# Usage: examples/demo.sh, in a build tree with the program in ./examples and
# the sources in $srcdir (by default .).  From the environment:
#	DEMO_MB		the most to read each time (160): the texts are small,
#			so each of them is an input over and over
#	DEMO_WORKERS	of the second time (by default one a CPU)
# Exit status: 0, or 1 if the counts differ or were not to be had.

srcdir=${srcdir:-.}
program=./examples/wordcount
licences=/usr/share/common-licenses
megabytes=${DEMO_MB:-160}
workers=${DEMO_WORKERS:-$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)}
LC_ALL=C
export LC_ALL

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

give_up()
{
	echo "demo: $*" >&2
	exit 1
}

# plain FILE: neither a link to another of them, nor unreadable.
plain() { [ -f "$1" ] && [ ! -h "$1" ] && [ -r "$1" ]; }

# The clock of the kernel, in hundredths of a second: date(1) may have no more
# than seconds.
now()
{
	read -r up _ </proc/uptime && echo "${up%.*}${up#*.}"
}

# count WORKERS FILE...: sets $took, in hundredths of a second.
count()
{
	began=$(now)
	"$program" -w "$@" >"$tmp/$1" || give_up "$program failed."
	took=$(($(now) - began))
	[ $took -gt 0 ] || took=1
}

# tell WORKERS NAME: a line of what was measured.
tell()
{
	awk -v t="$took" -v one="$one" -v n="$1" -v name="$2" -v read="$read" '
	BEGIN {
	printf "%4d %-8s %6.2f s, %4d MB a second", n, name, t / 100,
	    read / t / 1e4
	if (n > 1)
		printf ", %.1f times as fast", one / t
	print "" }'
}

# Why more workers are not faster, if they are not.
explain()
{
	if [ "$workers" -eq 1 ]; then
		echo "With one CPU more workers would not be faster."
	elif [ $((took * 10)) -gt $((one * 9)) ]; then
		echo "So more workers were of no use now: other programs may" \
		    "use the CPUs, or they are fewer than they seem."
	fi
}

set --
for file in "$licences"/*; do
	! plain "$file" || set -- "$@" "$file"
done
where=$licences
[ $# -gt 0 ] || {
	where="this library"
	set -- "$srcdir"/COPYING "$srcdir"/*.md
}
texts=$#
bytes=$(cat "$@" | wc -c)
[ "$bytes" -gt 0 ] || give_up "there are no texts to count."
times=1
while [ $((bytes * times * 2)) -le $((megabytes * 1000000)) ]; do
	set -- "$@" "$@"
	times=$((times * 2))
done
read=$((bytes * times))

echo "Counting the words of $texts texts of $where, $((bytes / 1000)) kB" \
    "in all, each read $times times: $# inputs, $((read / 1000000)) MB."
count 1 "$@"
one=$took
tell 1 worker
if [ "$workers" -gt 1 ]; then
	count "$workers" "$@"
	tell "$workers" workers
	cmp "$tmp/1" "$tmp/$workers" || give_up "the counts differ."
fi
explain
echo "The most frequent words, and how often they came:"
head -n 5 "$tmp/1"
