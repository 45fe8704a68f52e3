#!/bin/sh
# analyze.sh - what static analysers find in lib/ and bin/; nothing is to be
# found.
#
# Usage: tests/script/analyze.sh
#        tests/script/analyze.sh TOOL FILE: one tool on one file
#
# One that is not installed is left out; one that finds no fault in a small
# bad file proves nothing.  FLAGS are those the library is compiled
# with.  What clang-tidy looks for is in .clang-tidy.  Where a tool is wrong,
# the code is written so that it understands, or says beside the line why not.
# With ANALYZE_DRAWN_OF a part of the files is looked at, drawn by
# VIMAP_TEST_SEED: that number of seeds in a row draws all.

srcdir=${srcdir:-.}
LC_ALL=C
export LC_ALL

# have TOOL: is it there?
have()
{
	command -v "$1" >/dev/null 2>&1 && return 0
	echo "$1 is not installed: left out"
	return 1
}

# find_with TOOL: runs it on each file that is drawn, one on each CPU.
find_with()
{
	have "$1" || return 0
	if sh "$0" "$1" "$tmp/bad.c" >/dev/null 2>&1; then
		echo "$1 finds nothing wrong with a bad file"
		status=1
	fi
	if printf '%s\n' "$srcdir"/bin/*.c "$srcdir"/lib/*/*.c |
	    awk -v seed="${VIMAP_TEST_SEED:-0}" -v of="${ANALYZE_DRAWN_OF:-1}" \
	    '(NR + seed) % of == 0' |
	    tr '\n' '\0' | xargs -0 -n 1 -P "$(getconf _NPROCESSORS_ONLN)" \
	    sh "$0" "$1" >"$tmp/log"; then
		echo "$1: no findings"
		return
	fi
	cat "$tmp/log"
	echo "$1: findings"
	status=1
}

# The output of a run that found something, in one piece.
analyse()
{
	case $1 in
	gcc)		with_gcc "$2";;
	clang-tidy)	with_clang_tidy "$2";;
	cppcheck)	with_cppcheck "$2";;
	*)		false;;
	esac >"$tmp/found" 2>&1 || {
		cat "$tmp/found"
		return 1
	}
}

with_gcc()
{
	# shellcheck disable=SC2086 # several words are meant
	gcc $FLAGS -O2 -fanalyzer -Werror -c -o "$tmp/object" "$1"
}

# One file a run: what it believes of one it takes into the next.
with_clang_tidy()
{
	# shellcheck disable=SC2086 # several words are meant
	clang-tidy --quiet --config-file="$srcdir/.clang-tidy" "$1" -- $FLAGS
}

with_cppcheck()
{
	# shellcheck disable=SC2086 # several words are meant
	cppcheck --quiet --std=c11 --enable=warning,performance,portability \
	    --inline-suppr --error-exitcode=1 $FLAGS "$1"
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
status=0
if [ $# -eq 2 ]; then
	analyse "$1" "$2"
	exit
fi
cat >"$tmp/bad.c" <<END
#include <stdlib.h>
int bad(void);
int bad(void)
{
	int *p = malloc(sizeof *p), few[2] = { 0 };
	if (p == NULL)
		return few[2];
	*p = 1;
	free(p);
	return *p;
}
END

find_with gcc
if [ -f "$srcdir/.clang-tidy" ]; then
	find_with clang-tidy
else
	echo "no .clang-tidy here: clang-tidy is left out"
fi
find_with cppcheck
exit $status
