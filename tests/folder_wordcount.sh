#!/bin/sh
# folder_wordcount.sh - examples/folder_wordcount counts each file of a folder
# as standard tools do, and tells of each that it can't count.
#
# Usage: tests/folder_wordcount.sh, with the program in $FOLDER (by default
# ./examples/folder_wordcount) and the sources in $srcdir (by default .).
# Exit status: 0 for success, 1 for failure, 77 if there is no program.

program=${FOLDER:-./examples/folder_wordcount}
srcdir=${srcdir:-.}
. "$srcdir/tests/program.sh"

# expect WHAT STATUS ARGUMENT...: the program prints "$dir/expected" and has
# that exit status.
expect()
{
	what=$1
	expected=$2
	shift 2
	"$program" "$@" >"$dir/out" 2>"$dir/err"
	status=$?
	[ $status -eq "$expected" ] ||
	    fail "$what: exit status $status, not $expected"
	compare "$what" "$dir/out"
}

# compare WHAT FILE: it has what is expected.
compare()
{
	diff "$dir/expected" "$2" >"$dir/diff" && return
	fail "$1: other counts (< expected, > counted):"
	head -n 20 "$dir/diff"
}

# quiet WHAT: nothing was told on stderr.
quiet()
{
	[ ! -s "$dir/err" ] || fail "$1: $(head -n 5 "$dir/err")"
}

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
    "$srcdir"/lib/p*.c "$texts" && : >"$texts/empty" &&
    printf '\n \t\v\f\r\n\n' >"$texts/blank.c" &&
    printf ' no newline' >"$texts/end.c" && : >"$dir/text*s/other" ||
    { echo "FAIL: no texts"; exit 1; }

count "$texts"/* >"$dir/expected"
for workers in 1 4 0; do
	expect "$workers workers" 0 -s -n $workers "$texts"
	quiet "$workers workers"
done
"$program" "$texts" >"$dir/any" 2>"$dir/err" || fail "exit status $?"
quiet "as they come"
sort -k 4 "$dir/any" >"$dir/out"
sort -k 4 "$dir/expected" >"$dir/sorted"
diff "$dir/sorted" "$dir/out" || fail "as they come: other lines"

"$program" -s -o "$dir/file" "$texts" >"$dir/out" 2>"$dir/err" ||
    fail "-o: exit status $?"
compare "-o" "$dir/file"
[ ! -s "$dir/out" ] || fail "-o: something on stdout"
quiet "-o"

count "$texts"/*.c >"$dir/expected"
expect "-g" 0 -s -g '*.c' "$texts"
quiet "-g"
expect "-p" 0 -s -p -g '*.c' "$texts"
awk '{ print NR " done: " $4 }' "$dir/expected" >"$dir/steps"
diff "$dir/steps" "$dir/err" || fail "-p: other progress"

# Failures are told one by one.
: >"$dir/expected"
expect "no match" 1 -g '*.h' "$texts"
[ -s "$dir/err" ] || fail "no match: no message"
expect "no folder" 1 "$dir/not there"
[ -s "$dir/err" ] || fail "no folder: no message"
mkdir "$texts/folder" && ln -s "not there" "$texts/link" || fail "no folder"
count "$texts"/*.* >"$dir/expected"
for name in COPYING empty; do
	count "$texts/$name"
done >>"$dir/expected"
sort -k 4 "$dir/expected" >"$dir/sorted"
"$program" "$texts" >"$dir/any" 2>"$dir/err"
status=$?
[ $status -eq 1 ] || fail "failures: exit status $status, not 1"
sort -k 4 "$dir/any" >"$dir/out"
diff "$dir/sorted" "$dir/out" || fail "failures: other lines"
for words in 'folder: Is a directory' 'link: No such file or directory'; do
	grep -F "$texts/$words" "$dir/err" >/dev/null || fail "no '$words'"
done
[ "$(wc -l <"$dir/err")" -eq 2 ] || fail "failures: not just two messages"

# Bad usage.
: >"$dir/expected"
for arguments in "" "a b" "-n" "-n x ." "-n -1 ." "-q ."; do
	# shellcheck disable=SC2086 # several words are meant
	expect "'$arguments'" 2 $arguments
	[ -s "$dir/err" ] || fail "'$arguments': no message"
done

# Output that can't be written is noticed.
expect "-o in no folder" 1 -o "$dir/not there/out" "$texts"
[ -s "$dir/err" ] || fail "-o in no folder: no message"
if [ -c /dev/full ]; then
	expect "-o /dev/full" 1 -g COPYING -o /dev/full "$texts"
	grep -F "can't write" "$dir/err" >/dev/null ||
	    fail "-o /dev/full: no message"
	"$program" -g COPYING "$texts" >/dev/full 2>"$dir/err"
	status=$?
	[ $status -eq 1 ] || fail "full disk: exit status $status, not 1"
	grep -F "can't write" "$dir/err" >/dev/null ||
	    fail "full disk: no message"
fi

[ $failures -eq 0 ]
