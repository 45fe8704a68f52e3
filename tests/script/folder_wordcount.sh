#!/bin/sh
# folder_wordcount.sh - examples/folder_wordcount counts each file of a folder
# as standard tools do, and tells of each that it can't count.
#
# Usage: tests/script/folder_wordcount.sh, with the program in $FOLDER (by default
# ./examples/folder_wordcount) and the sources in $srcdir (by default .).
# Exit status: 0 for success, 1 for failure, 77 if there is no program.

program=${FOLDER:-./examples/folder_wordcount}
srcdir=${srcdir:-.}
. "$srcdir/tests/script/program.sh"

# The line for each of these files, in the order of the arguments.
count()
{
	for file; do
		echo "$(($(wc -l <"$file")))" \
		    "$(($(tr -s '[:space:]' '\n' <"$file" | grep -c .)))" \
		    "$(($(wc -c <"$file")))" "$file"
	done
}

# A folder whose name would match others if it were a pattern.
texts="$dir/te[x]t*s"
mkdir "$texts" "$dir/text*s" && cp "$srcdir/README.md" "$srcdir/COPYING" \
    "$srcdir"/lib/*/p*.c "$texts" && : >"$texts/empty" &&
    printf '\n \t\v\f\r\n\n' >"$texts/blank.c" &&
    printf ' no newline' >"$texts/end.c" && : >"$dir/text*s/other" ||
    { echo "FAIL: no texts"; exit 1; }

count "$texts"/* >"$dir/expected"
for workers in 1 4 0; do
	expect 0 -s -n $workers "$texts"
done
run 0 -s -o "$dir/file" "$texts"
same "-o" "$dir/file"
[ ! -s "$dir/out" ] || fail "-o: something on stdout"

# As they come.
run 0 "$texts"
sort -k 4 "$dir/out" >"$dir/sorted"
sort -k 4 -o "$dir/expected" "$dir/expected"
same "as they come" "$dir/sorted"

count "$texts"/*.c >"$dir/expected"
expect 0 -s -g '*.c' "$texts"
"$program" -s -p -g '*.c' "$texts" >"$dir/out" 2>"$dir/err" ||
    fail "-p: exit status $?"
same "-p"
awk '{ print NR " done: " $4 }' "$dir/out" >"$dir/expected"
same "-p: progress" "$dir/err"

# Failures are told one by one.
: >"$dir/expected"
expect 1 -g '*.h' "$texts"
expect 1 "$dir/not there"
mkdir "$texts/folder" && ln -s "not there" "$texts/link" || fail "no folder"
count "$texts"/*.* >"$dir/expected"
for name in COPYING empty; do
	count "$texts/$name"
done >>"$dir/expected"
sort -k 4 -o "$dir/expected" "$dir/expected"
run 1 "$texts"
sort -k 4 "$dir/out" >"$dir/sorted"
same "failures" "$dir/sorted"
for words in 'folder: Is a directory' 'link: No such file or directory'; do
	grep -F "$texts/$words" "$dir/err" >/dev/null || fail "no '$words'"
done
[ "$(wc -l <"$dir/err")" -eq 2 ] || fail "failures: not just two messages"

# Bad usage.
: >"$dir/expected"
for arguments in "" "a b" "-n" "-n x ." "-n -1 ." "-q ."; do
	# shellcheck disable=SC2086 # several words are meant
	expect 2 $arguments
done

# Output that can't be written is noticed.
expect 1 -o "$dir/not there/out" "$texts"
if [ -c /dev/full ]; then
	expect 1 -g COPYING -o /dev/full "$texts"
	grep -F "can't write" "$dir/err" >/dev/null ||
	    fail "-o /dev/full: no message"
fi
on_full_disk -g COPYING "$texts"

[ $failures -eq 0 ]
