#!/bin/sh
# man.sh - the manual pages are good mdoc, and name every public function.
#
# mandoc judges the mdoc; without it that part is skipped.

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
mandoc -T lint -W warning "$srcdir"/man/*.[1-9]
