#!/bin/sh
# order.sh - runs libtool's command that makes an archive of the library's
# objects; then marks the functions that run for each result, so that the linker
# puts them next to each other.  A process that was switched to reads each page
# of code through a translation of its address that is not cached: so code on
# few pages is faster.
#
# Usage: OBJCOPY= OBJDUMP= order.sh LIST ARCHIVE COMMAND...
#
# LIST has a function a line.  Each function is compiled to a section
# .text.NAME, and parts that the compiler splits off to .text.NAME.PART: they
# become .text.hot.NAME, which linkers keep together.
#
# With an empty OBJCOPY (see configure.ac) the command is all.

list=$1
archive=$2
shift 2
"$@" || exit 1
[ -n "$OBJCOPY" ] || exit 0

renames=$archive.renames
trap 'rm -f "$renames"' EXIT
trap 'exit 1' HUP INT TERM
# The commands may have arguments.
# shellcheck disable=SC2086
$OBJDUMP -h "$archive" | awk '
FNR == NR { often[$1]; next }
$2 ~ /^\.text\./ {
	name = stem = substr($2, 7)
	sub(/\..*/, "", stem)
	if (stem in often && !(name in seen))
		printf "--rename-section .text.%s=.text.hot.%s\n", name, name
	seen[name]
}' "$list" - >"$renames" && $OBJCOPY "@$renames" "$archive"
