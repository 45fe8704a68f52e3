#!/bin/sh
# names.sh - the documents name only functions, constants and files that exist,
# and doc/testing.md names every test.
#
# Looked at are names in backticks: `name()`, `NAME` and `folder/file.c`, the
# latter as of the top, of lib/ or of any folder; and links.  Functions of
# the C library are written as "fork(2)", without backticks, or are listed here.

srcdir=${srcdir:-.}
LC_ALL=C
export LC_ALL

# Functions and constants of others that users' documents name.
others="daemon rand random drand48 sched_setaffinity localtime_r setlocale
omp_set_num_threads atexit __gcov_dump flock setsid setrlimit chroot prctl
OMP_PROC_BIND"

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

cd "$srcdir" || exit 1
here=tests/script
find lib bin include tests bench examples -name '*.[ch]' >"$tmp/sources"
# The code without comments, word by word; of other files, each word.
{
	xargs awk -f $here/strip.awk <"$tmp/sources" | sed 's/^.//'
	cat Makefile.am configure.ac bootstrap tests/script/*.sh bench/run.sh
} | tr -cs 'A-Za-z0-9_' '\n' | sort -u >"$tmp/words"
echo "$others" | tr ' ' '\n' | sort -u "$tmp/words" - >"$tmp/known"
{
	ls
	find lib bin include tests bench examples man doc .ci -type f
} 2>/dev/null >"$tmp/files"

# "FILE:LINE NAME" of each name in backticks, "FILE:LINE (LINK" of each link.
awk '
{
	rest = $0
	while (match(rest, /`[^`]*`/)) {
		print FILENAME ":" FNR, \
		    substr(rest, RSTART + 1, RLENGTH - 2)
		rest = substr(rest, RSTART + RLENGTH)
	}
	rest = $0
	while (match(rest, /\]\([^)]*\)/)) {
		print FILENAME ":" FNR, substr(rest, RSTART + 1, RLENGTH - 2)
		rest = substr(rest, RSTART + RLENGTH)
	}
}' README.md HACKING.md SECURITY.md doc/*.md doc/*/*.md >"$tmp/named"

awk '
FILENAME ~ /known$/ { known[$0]; next }
FILENAME ~ /files$/ {
	file[$0]
	path = $0
	while (sub(/^[^\/]*\//, "", path))
		file[path]
	next
}
NF != 2 { next }
$2 ~ /^\(https?:/ { next }
$2 ~ /^\(/ {
	path = substr($2, 2)
	sub(/#.*/, "", path)
	folder = $1
	sub(/[^\/]*$/, "", folder)
	path = folder path
	while (sub(/[^\/.]+\/\.\.\//, "", path))
		;
	if (path != folder && !(path in file))
		print $1 ": there is no file " path
	next
}
$2 ~ /^[A-Za-z_][A-Za-z_0-9]*\(\)$/ {
	name = substr($2, 1, length($2) - 2)
	if (!(name in known))
		print $1 ": there is no function " $2
	next
}
$2 ~ /^[A-Z][A-Z0-9_]+$/ && !($2 in known) {
	print $1 ": there is no constant " $2
}
$2 ~ /^[A-Za-z0-9_.\/-]+\.(c|h|sh|awk|py|pl|txt|md|am|ac)$/ &&
    $2 !~ /FOLDER|NAME/ && !($2 in file) {
	print $1 ": there is no file " $2
}' "$tmp/known" "$tmp/files" "$tmp/named" >"$tmp/wrong"

# Each test is named by its file.
awk '/^[a-z]/ { sub(/.*\//, "", $1); print $1 }' tests/programs.txt |
    while read -r name; do
	grep -F "\`$name\`" doc/testing.md >/dev/null ||
	    echo "doc/testing.md: it does not name $name"
    done >>"$tmp/wrong"

cat "$tmp/wrong"
[ -s "$tmp/named" ] && [ ! -s "$tmp/wrong" ]
