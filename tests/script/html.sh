#!/bin/sh
# html.sh - "make html": each manual page is there, the index leads to every
# public function, and no link between the files leads nowhere.
#
# Without mandoc the target ends with a sentence that says so.

srcdir=${srcdir:-.}
here=$srcdir/tests/script
MAKE=${MAKE:-make}
unset MAKEFLAGS MFLAGS
LC_ALL=C
export LC_ALL

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
status=0

fail()
{
	echo "FAIL: $*"
	status=1
}

$MAKE html HTML="$tmp/html" >"$tmp/log" 2>&1
made=$?
if ! command -v mandoc >/dev/null 2>&1; then
	[ $made -ne 0 ] && grep 'make html needs mandoc' "$tmp/log" && exit 77
	cat "$tmp/log"
	echo "FAIL: make html, without mandoc"
	exit 1
fi
[ $made -eq 0 ] || {
	cat "$tmp/log"
	echo "FAIL: make html"
	exit 1
}

for page in "$srcdir"/man/*.[1-9]; do
	html=$tmp/html/$(basename "$page").html
	grep '</html>' "$html" >/dev/null || fail "no $(basename "$html")"
done
for name in $(for header in "$srcdir"/include/*.h; do
	awk -f "$here/strip.awk" "$header" | awk -f "$here/public.awk"
done); do
	grep "href=\"vimap[a-z_]*\.3\.html.*>$name</a>" \
	    "$tmp/html/index.html" >/dev/null || fail "the index does not lead to $name()"
done

# FILE TARGET for each link to another of the files, or within its own.
for html in "$tmp"/html/*.html; do
	file=$(basename "$html")
	grep -o ' href="[^"]*"' "$html" | sed 's/ href="\(.*\)"/\1/' |
	    grep -v '^[a-z]*://' | sed "s/^#/$file#/; s/^/$file /" | sort -u
done >"$tmp/links"
grep ' vimap_reduce\.3\.html$' "$tmp/links" >/dev/null ||
    fail "no page leads to vimap_reduce.3"
while read -r file to; do
	page=${to%%#*}
	id=${to#"$page"}
	if [ ! -f "$tmp/html/$page" ]; then
		fail "$file leads to $page, which is not there"
	elif [ -n "$id" ] &&
	    ! grep -F "id=\"${id#?}\"" "$tmp/html/$page" >/dev/null; then
		fail "$file leads to $to, which is not there"
	fi
done <"$tmp/links"
exit $status
