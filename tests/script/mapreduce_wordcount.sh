#!/bin/sh
# mapreduce_wordcount.sh - examples/mapreduce_wordcount counts the words of
# Humpty Dumpty, and of real texts as standard tools do, whatever the number of
# workers and the chunk size.
#
# Usage: tests/script/mapreduce_wordcount.sh, with the program in $MAPREDUCE (by
# default ./examples/mapreduce_wordcount) and the sources in $srcdir (by
# default .).
# Exit status: 0 for success, 1 for failure, 77 if there is no program.

program=${MAPREDUCE:-./examples/mapreduce_wordcount}
srcdir=${srcdir:-.}
. "$srcdir/tests/script/program.sh"

# Lines "COUNT WORD" of stdin, in the order that the program promises.
count()
{
	tr -s '[:space:]' '\n' | grep . | sort | uniq -c |
	    awk '{ print $1, $2 }'
}

# The 20 words, in byte order.
cat >"$dir/expected" <<'END'
1 All
1 Couldn't
2 Dumpty
3 Humpty
2 King's
2 a
1 again
1 all
1 and
1 fall
1 great
1 had
1 horses
1 men
1 on
1 put
1 sat
2 the
1 together
1 wall
END
expect 0
for workers in 1 4; do
	for chunk_size in 1 2; do
		expect 0 -w $workers -c $chunk_size
	done
done

expect 0 -w 1 -H env
expect 0 -w 1 -c 1 -H env -H "env A=1"

# Real texts: copies, so that nobody changes them meanwhile.  Their ends are
# easily got wrong.
mkdir "$dir/texts" && cp "$srcdir/README.md" "$srcdir/COPYING" \
    "$srcdir"/lib/engine/*.c "$srcdir"/lib/reduce/*.c "$dir/texts" && : >"$dir/texts/empty" &&
    printf '\n \t\v\f\r\n\n' >"$dir/texts/blank" &&
    printf ' no newline ' >"$dir/texts/end" ||
    { echo "FAIL: no texts"; exit 1; }
cat "$dir"/texts/* | count >"$dir/expected"
[ "$(wc -l <"$dir/expected")" -gt 1000 ] || fail "hardly any words"
for workers in 1 2 9; do
	for chunk_size in 1 0; do
		expect 0 -w $workers -c $chunk_size "$dir"/texts/*
	done
done

expect 0 -w 1 -H env -H "env A=1" "$dir"/texts/*

# Files that are not there or no files: named, and all others are counted.
expect 1 "$dir/not there" "$dir" "$dir"/texts/*
grep "$dir/not there: No such file" "$dir/err" >/dev/null ||
    fail "missing file: no message names it"
grep "$dir: Is a directory" "$dir/err" >/dev/null ||
    fail "directory: no message names it"
[ "$(wc -l <"$dir/err")" -eq 2 ] || fail "missing file: not just two messages"

: >"$dir/expected"
expect 0 "$dir/texts/empty" "$dir/texts/blank"
for arguments in "-w" "-w x" "-w -1" "-c 1k" "-H" "-q"; do
	# shellcheck disable=SC2086 # several words are meant
	expect 2 $arguments
done

on_full_disk

[ $failures -eq 0 ]
