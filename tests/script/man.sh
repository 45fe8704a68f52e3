#!/bin/sh
# man.sh - the manual pages are good mdoc, show their headings whole, and name
# every public function.
#
# mandoc checks and renders the pages; without it those parts are skipped.

srcdir=${srcdir:-.}
here=$srcdir/tests/script
status=0

for name in $(for header in "$srcdir"/include/*.h; do
	awk -f "$here/strip.awk" "$header" | awk -f "$here/public.awk"
done); do
	grep -w "$name" "$srcdir"/man/*.3 >/dev/null && continue
	echo "FAIL: no page of section 3 names $name()"
	status=1
done
[ $status -eq 0 ] || exit $status

if ! command -v mandoc >/dev/null 2>&1; then
	echo "no mandoc: skipped"
	exit 77
fi
mandoc -T lint -W warning "$srcdir"/man/*.[1-9] || status=1

# An argument of .Sh or .Ss that is the name of a macro, such as In or An, is
# taken as that macro and lost from the heading unless \& stands before it.
backspace=$(printf '\b')
for page in "$srcdir"/man/*.[1-9]; do
	rendered=$(mandoc -T ascii "$page" | sed "s/.$backspace//g")
	headings=$(sed -n 's/^\.S[hs] //p' "$page" | sed 's/\\&//g; s/"//g')
	while IFS= read -r heading; do
		printf '%s\n' "$rendered" | grep -Fx \
		    -e "$heading" -e "   $heading" >/dev/null && continue
		echo "FAIL: $page is rendered without the heading '$heading'"
		status=1
	done <<-END
	$headings
	END
done
exit $status
