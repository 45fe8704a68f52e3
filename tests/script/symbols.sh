#!/bin/sh
# symbols.sh - the shared library exports what its headers declare, no more and
# no less, with the version of lib/libvimap.map, which lists the same; and what
# it takes from others is bound when it is loaded, if the linker can
# (NOW_LDFLAGS), so that no worker looks it up again.
#
# vm_fork() is among it, though C programs get it inline: it is there for
# other languages.

srcdir=${srcdir:-.}
here=$srcdir/tests/script
NM=${NM:-nm}
LC_ALL=C
export LC_ALL

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
status=0

library=.libs/libvimap.so
if [ ! -f $library ]; then
	echo "no $library: skipped"
	exit 77
fi

for header in "$srcdir"/include/*.h; do
	awk -f "$here/strip.awk" "$header" | awk -f "$here/public.awk"
done | sort >"$tmp/declared"
$NM -D --defined-only $library | awk '$2 != "A" { print $NF }' |
    sort >"$tmp/versions"
sed 's/@.*//' "$tmp/versions" >"$tmp/exported"
sed -n 's/^	\(vm_[a-z0-9_]*\);$/\1/p' "$srcdir/lib/libvimap.map" |
    sort >"$tmp/listed"

if ! [ -s "$tmp/declared" ]; then
	echo "no function was found in the headers"
	status=1
fi
if grep -v '^vm_[a-z]' "$tmp/exported"; then
	echo "^ exported, but with another name than vm_"
	status=1
fi
if ! diff "$tmp/declared" "$tmp/exported"; then
	echo "(< declared in a header, > exported)"
	status=1
fi
if ! diff "$tmp/declared" "$tmp/listed"; then
	echo "(< declared in a header, > listed in lib/libvimap.map)"
	status=1
fi
case $EXPORT_LDFLAGS in
*version-script*)
	if grep -v '@@VIMAP_[0-9.]*$' "$tmp/versions"; then
		echo "^ exported without a version"
		status=1
	fi
esac
if [ -n "$NOW_LDFLAGS" ] && command -v readelf >/dev/null &&
    ! readelf -d $library | grep -q 'BIND_NOW\|Flags:.*NOW'; then
	echo "functions are bound when they are first called"
	status=1
fi
exit $status
