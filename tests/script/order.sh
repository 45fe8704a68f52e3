#!/bin/sh
# order.sh - each function of lib/often.txt exists, and in the shared library
# they lie next to each other, if objcopy could mark them (ORDER_OBJCOPY).

srcdir=${srcdir:-.}
NM=${NM:-nm}
LC_ALL=C
export LC_ALL

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
status=0
list=$srcdir/lib/often.txt
library=.libs/libvimap.so

if ! [ -s "$list" ] || ! sort -uc "$list"; then
	echo "lib/often.txt is empty, or not sorted"
	status=1
fi
# A definition begins at the left margin, and its name is there or behind it.
sed -n 's/^[a-zA-Z].*[ *]\([a-z_][a-z0-9_]*\)(.*/\1/p' \
    "$srcdir"/lib/*/*.[ch] | sort -u >"$tmp/defined"
if comm -23 "$list" "$tmp/defined" | grep .; then
	echo "^ in lib/often.txt, but no function of the library;" \
	    "\"make bench-often\" prints the list"
	status=1
fi
if [ -z "$ORDER_OBJCOPY" ] || [ ! -f $library ]; then
	echo "not ordered here, or no $library"
	exit $status
fi
# Others have their names too: parts that never run, and functions of other
# files that the compiler takes for rare.
$NM -n --defined-only $library | awk '
FNR == NR { often[$1]; next }
$2 ~ /[tT]/ && $3 !~ /\.cold/ {
	stem = $3
	sub(/[.@].*/, "", stem)
	if (!(stem in often)) {
		row = 0
		next
	}
	there += !(stem in seen)
	seen[stem]
	if (++row > longest)
		longest = row
}
END {
	printf "%d functions in a row, of %d names\n", longest, there
	exit longest < 0.9 * there
}' "$list" - || {
	echo "^ of lib/often.txt in $library; after another configure," \
	    "call \"make clean\" first"
	status=1
}
exit $status
