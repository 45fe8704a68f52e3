#!/bin/sh
# words.sh - counts the words of a large text, on a pool and in other ways.
#
# Usage: bench/words.sh, in a build tree with the programs in ./bench.  From the
# environment:
#	WORDS_MB	how large the text is (1000), made of the system's own
#	WORDS_ROUNDS	how often each program runs (5); those that take long
#			run once
#	WORKERS		processes (2)
#	PYTHON		how it is called
# The counts of all must be the same.  Exit status: 0, or 1 if they are not.

src=${0%/*}
WORDS_MB=${WORDS_MB:-1000}
WORDS_ROUNDS=${WORDS_ROUNDS:-5}
WORKERS=${WORKERS:-2}
PYTHON=${PYTHON:-python3}
LC_ALL=C
export LC_ALL

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
status=0

# Plain texts of the system, over and over; each time another word in them, so
# that there are more of them the larger the text is.
make_text()
{
	find /usr/share/common-licenses /usr/share/doc /usr/share/perl \
	    /usr/include "$src/.." -type f \( -name '*.txt' -o -name '*.pod' \
	    -o -name '*.h' -o -name '*.md' -o -name 'GPL*' -o -name '*.pm' \
	    -o -name copyright \) -print 2>/dev/null | sort |
	    xargs cat 2>/dev/null | tr -cd '\11\12\40-\176' >"$tmp/once"
	[ -s "$tmp/once" ] || return 1
	size=0
	n=0
	while [ "$size" -lt "$((WORDS_MB * 1000000))" ]; do
		n=$((n + 1))
		sed "s/\\(the\\|if\\|int\\)\$/\\1$n/" "$tmp/once"
		size=$((size + $(wc -c <"$tmp/once")))
	done | head -c "$((WORDS_MB * 1000000))" >"$tmp/text"
}

# What words_pool and words_one say of themselves: seconds, CPU of the caller,
# CPU of workers.
run_one() { ./bench/words_one "$tmp/text"; }
run_pool() { ./bench/words_pool "$tmp/text" "$WORKERS"; }
run_awk()
{
	awk '{ for (i = 1; i <= NF; i++) n[$i]++ }
	    END { for (w in n) printf "%7d %s\n", n[w], w }' "$tmp/text" |
	    sort -k2
}
run_python()
{
	"$PYTHON" "$src/words_python.py" "$tmp/text" "$WORKERS"
}

now() { date +%s.%N; }

# measure NAME: adds the seconds to NAME.times, and compares the counts.
measure()
{
	from=$(now)
	"run_$1" >"$tmp/$1.out" 2>"$tmp/$1.err" || {
		echo "FAIL: $1"
		cat "$tmp/$1.err"
		status=1
		return
	}
	to=$(now)
	awk -v from="$from" -v to="$to" 'BEGIN { print to - from }' \
	    >>"$tmp/$1.times"
	tail -n 1 "$tmp/$1.err" >>"$tmp/$1.said"
	if [ ! -f "$tmp/right" ]; then
		sort -k2 "$tmp/$1.out" >"$tmp/right"
	elif ! sort -k2 "$tmp/$1.out" | cmp -s - "$tmp/right"; then
		echo "FAIL: $1 counts other words"
		status=1
	fi
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

make_text || {
	echo "words.sh: there are no texts here" >&2
	exit 1
}
cat "$tmp/text" >/dev/null
round=0
while [ "$round" -lt "$WORDS_ROUNDS" ]; do
	measure one
	measure pool
	round=$((round + 1))
done
measure awk
if command -v "$PYTHON" >/dev/null 2>&1; then
	measure python
else
	echo "words.sh: no $PYTHON here: skipped"
fi

one=$(median <"$tmp/one.times")
echo "$WORDS_MB MB, $(wc -l <"$tmp/right") different words, $WORKERS workers:"
for name in pool one awk python; do
	[ -s "$tmp/$name.times" ] || continue
	median <"$tmp/$name.times" | awk -v name="$name" -v one="$one" '
	BEGIN {
		what["pool"] = "vm_map_reduce()"
		what["one"] = "one process in C"
		what["awk"] = "awk"
		what["python"] = "multiprocessing"
	}
	{ printf "%-18s %7.2f s  %5.2f x one process\n", what[name], $1,
	    one / $1 }'
done
awk '{ share = $2 / ($2 + $3); v[NR] = share }
END {
	for (i = 2; i <= NR; i++)
		for (j = i; j > 1 && v[j] < v[j - 1]; j--) {
			t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
		}
	printf "the caller has %.1f %% of the CPU time\n",
	    100 * v[int((NR + 1) / 2)]
}' "$tmp/pool.said"
exit $status
