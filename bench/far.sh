#!/bin/bash
# far.sh - what a link costs: pools against plain bytes through ssh, in a private
# world of machines (tests/machines/world.sh), which needs root.
#
# Usage: bench/far.sh, in the build tree; $srcdir has the sources (.).
#	ROUNDS		of each comparison, in turns (5)
#	RATE		of the wire, as tc(8) has it (100mbit)
#	FAR_ITEMS	of 64 KiB in a run on that wire (800)
#
# Prints each run, medians, and least and greatest of the ratios.

set -euo pipefail
srcdir=${srcdir:-.}
rounds=${ROUNDS:-5}
rate=${RATE:-100mbit}
items=${FAR_ITEMS:-800}
big=65536

[ -n "${WORLD:-}" ] || exec "$srcdir/tests/machines/world.sh" "$BASH" "$0"

far=$PWD/bench/far
sink='echo; cat >/dev/null; echo; exec sleep 60'
mirror='echo; exec cat'

pool() { "$far" pool "$@" ssh h1 "'$far'"; }

# field NAME: of lines of pairs, the values.
field()
{
	awk -v name="$1" '{
		for (i = 1; i < NF; i += 2)
			if ($i == name)
				print $(i + 1)
	}'
}

# middle: the median, least and greatest of numbers.
middle()
{
	sort -g | awk '{ v[NR] = $1 }
	    END { printf "%.3g (%.3g to %.3g)\n", v[int((NR + 1) / 2)], v[1], v[NR] }'
}

# in_turns TITLE ITEMS OUT COMMAND: the pool, and the same bytes.
in_turns()
{
	local round

	echo "== $1"
	: >"$TMPDIR/pool"
	: >"$TMPDIR/bytes"
	for ((round = 0; round < rounds; round++)); do
		pool "$2" $big "$3" | tee -a "$TMPDIR/pool"
		"$far" bytes "$2" $big "$3" ssh h1 "$4" | tee -a "$TMPDIR/bytes"
	done
	echo "rate of the pool, of that of bytes: $(paste -d' ' \
	    <(field mb <"$TMPDIR/pool") <(field mb <"$TMPDIR/bytes") |
	    awk '{ print $1 / $2 }' | middle)"
	for role in caller link ssh sshd agent workers all; do
		echo "CPU s/GB: $role pool" \
		    "$(field $role <"$TMPDIR/pool" | gigabyte "$2" | middle)" \
		    "bytes" \
		    "$(field $role <"$TMPDIR/bytes" | gigabyte "$2" | middle)"
	done
}

# gigabyte ITEMS: CPU times of so many items as those of 10^9 bytes.
gigabyte()
{
	awk -v n="$1" -v size=$big '{ print $1 * 1e9 / (n * size) }'
}

# limit RATE: of the wire, in both directions.
limit()
{
	tc qdisc add dev v1 root tbf rate "$1" burst 128kb latency 50ms
	nsenter --net=/run/netns/h1 \
	    tc qdisc add dev eth0 root tbf rate "$1" burst 128kb latency 50ms
}

echo "load: $(cut -d' ' -f1-3 /proc/loadavg), CPUs: $(getconf _NPROCESSORS_ONLN)"
in_turns "64 KiB in, 8 bytes out, no limit" $((4 * items)) 8 "$sink"
in_turns "64 KiB in and out, no limit" $((4 * items)) $big "$mirror"
echo "== 10^6 items of 8 bytes"
for ((round = 0; round < rounds; round++)); do
	pool 1000000 8 8
done | tee "$TMPDIR/tiny"
echo "seconds $(field seconds <"$TMPDIR/tiny" | middle)," \
    "CPU in all $(field all <"$TMPDIR/tiny" | middle)"
limit "$rate"
in_turns "64 KiB in, 8 bytes out, $rate" "$items" 8 "$sink"
in_turns "64 KiB in and out, $rate" "$items" $big "$mirror"
