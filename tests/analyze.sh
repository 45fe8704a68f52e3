#!/bin/sh
# analyze.sh - what static analysers find in lib/; nothing is to be found.
#
# One that is not installed is left out; one that finds no fault in a small
# bad file proves nothing.  FLAGS are those the library is compiled
# with.  What clang-tidy looks for is in .clang-tidy.  Where a tool is wrong,
# the code is written so that it understands, or says beside the line why not.

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

# find_with NAME COMMAND: runs it on each file.
find_with()
{
	found=0
	if "$2" "$tmp/bad.c" >/dev/null 2>&1; then
		echo "$1 finds nothing wrong with a bad file"
		status=1
	fi
	for path in "$srcdir"/lib/*.c; do
		"$2" "$path" >"$tmp/log" 2>&1 && continue
		cat "$tmp/log"
		found=$((found + 1))
	done
	echo "$1: findings in $found files"
	[ $found -eq 0 ] || status=1
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

have gcc && find_with 'gcc -fanalyzer' with_gcc
if have clang-tidy && [ ! -f "$srcdir/.clang-tidy" ]; then
	echo "no .clang-tidy here: clang-tidy is left out"
elif have clang-tidy >/dev/null; then
	find_with clang-tidy with_clang_tidy
fi
have cppcheck && find_with cppcheck with_cppcheck
exit $status
