#!/bin/sh
# wordcount.sh - examples/wordcount counts real texts as standard tools do,
# whatever the number of workers and the chunk size.
#
# Usage: tests/script/wordcount.sh, with the program in $WORDCOUNT (by default
# ./examples/wordcount) and the sources in $srcdir (by default .).
# Exit status: 0 for success, 1 for failure, 77 if there is no program.

program=${WORDCOUNT:-./examples/wordcount}
srcdir=${srcdir:-.}
. "$srcdir/tests/script/program.sh"

give_up()
{
	echo "FAIL: $*"
	exit 1
}

# The program, with a bound on its time where there is timeout(1).
if command -v timeout >/dev/null 2>&1; then
	wordcount() { timeout "${VIMAP_TEST_LIMIT:-120}" "$program" "$@"; }
else
	wordcount() { "$program" "$@"; }
fi

# The texts: copies, so that nobody changes them meanwhile.
make_texts()
{
	mkdir "$dir/texts" || return 1
	for file in /usr/share/common-licenses/* "$srcdir/README.md" \
	    "$srcdir/COPYING" "$srcdir/include/vimap.h"; do
		[ -f "$file" ] && [ ! -h "$file" ] && [ -r "$file" ] || continue
		cp "$file" "$dir/texts/" || return 1
	done
	set -- "$dir"/texts/*
	if [ $# -lt 12 ]; then
		cat "$@" >"$dir/all" &&
		    split -l 30 -a 4 "$dir/all" "$dir/texts/part " || return 1
	fi
	# Ends that are easily got wrong.
	: >"$dir/texts/empty" &&
	    echo '0 1 2 ... 3' >"$dir/texts/no word" &&
	    printf 'Licence' >"$dir/texts/no newline" &&
	    printf '\377the\000The THE\r\n@[`{' >"$dir/texts/bytes"
}

# The words of the files, a word a line.  The newline after each file keeps
# its last word apart from the first of the next.
words_of()
{
	for file; do
		cat "$file" && echo || return 1
	done | tr -cs 'A-Za-z' '\n' | tr 'A-Z' 'a-z' | grep .
}

# Lines "COUNT WORD" in the order that the program promises.
expected_of()
{
	words_of "$@" | sort | uniq -c | awk '{ print $1, $2 }' |
	    sort -k 1,1nr -k 2,2
}

# compare WHAT STATUS: what "$dir/out" has, and the exit status, is right.
compare()
{
	[ "$2" -eq 0 ] || fail "$1: exit status $2, not 0"
	diff "$dir/expected" "$dir/out" >"$dir/diff" && return
	fail "$1: other counts (< expected, > counted):"
	head -n 20 "$dir/diff"
}

make_texts || give_up "no texts"
expected_of "$dir"/texts/* >"$dir/expected"
[ "$(wc -l <"$dir/expected")" -gt 100 ] || give_up "hardly any words"

for workers in 1 2 7 64; do
	for chunk_size in 1 3 100 0; do
		what="$workers workers, chunk size $chunk_size"
		wordcount -a -w $workers -c $chunk_size "$dir"/texts/* \
		    >"$dir/out" 2>"$dir/err"
		compare "$what" $?
		[ -s "$dir/err" ] || continue
		fail "$what: there was something on stderr:"
		head -n 20 "$dir/err"
	done
done

# Without options: the same, but the top only.
wordcount "$dir"/texts/* >"$dir/out"
status=$?
cp "$dir/expected" "$dir/whole" || give_up "no copy"
head -n 20 "$dir/whole" >"$dir/expected"
compare "top 20" $status
cp "$dir/whole" "$dir/expected" || give_up "no copy"

# One file that is not there: it is named, and all others are counted.
wordcount -a -w 2 "$dir/not there" "$dir"/texts/* >"$dir/out" 2>"$dir/err"
status=$?
[ $status -eq 1 ] || fail "missing file: exit status $status, not 1"
compare "missing file" 0
grep "$dir/not there: No such file" "$dir/err" >/dev/null ||
    fail "missing file: no message names it"
[ "$(wc -l <"$dir/err")" -eq 1 ] || fail "missing file: not just one message"

# A directory can be opened but not read.
wordcount "$dir" >"$dir/out" 2>"$dir/err"
status=$?
[ $status -eq 1 ] || fail "directory: exit status $status, not 1"
[ -s "$dir/err" ] || fail "directory: no message"
[ ! -s "$dir/out" ] || fail "directory: there were words in it"

# Each result is shown: files, types, sizes.
printf 'a b a\n' >"$dir/x"
wordcount -t "$dir/x" "$dir/y" 2>/dev/null | sort >"$dir/out"
length=$(printf '%s' "$dir/x" | wc -c)
{
	printf '%s\toutput\t%d\t34\n' "$dir/x" "$length"
	printf '%s\texception\t%d\t0\n' "$dir/y" "$length"
	printf '2 a\n1 b\n'
} | sort >"$dir/expected"
compare "-t" 0

# Bad usage.
for arguments in "" "-a" "-w" "-w x /dev/null" "-w -1 /dev/null" \
    "-w 99999999999999999999 /dev/null" "-c 1k /dev/null" "-q /dev/null"; do
	# shellcheck disable=SC2086 # several words are meant
	wordcount $arguments >"$dir/out" 2>"$dir/err"
	status=$?
	[ $status -eq 2 ] || fail "'$arguments': exit status $status, not 2"
	[ -s "$dir/err" ] || fail "'$arguments': no message"
	[ ! -s "$dir/out" ] || fail "'$arguments': something on stdout"
done

on_full_disk "$dir/x"

[ $failures -eq 0 ]
