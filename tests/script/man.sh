#!/bin/sh
# man.sh - the manual pages are good mdoc, show their headings whole, and name
# every public function; their whole programs compile without a warning and run.
#
# mandoc checks and renders the pages; without it those parts are skipped.

srcdir=${srcdir:-.}
here=$srcdir/tests/script
CC=${CC:-cc}
LIBTOOL=${LIBTOOL:-./libtool}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
status=0

for name in $(for header in "$srcdir"/include/*.h; do
	awk -f "$here/strip.awk" "$header" | awk -f "$here/public.awk"
done); do
	grep -w "$name" "$srcdir"/man/*.3 >/dev/null && continue
	echo "FAIL: no page of section 3 names $name()"
	status=1
done

# Writes each literal display with a main() to a file PAGE.N.c.
awk -v to="$tmp" '
FNR == 1 { page = FILENAME; sub(/.*\//, "", page); n = 0 }
/^\.Bd -literal/ { on = 1; text = ""; next }
/^\.Ed/ {
	if (text ~ /int main\(/) {
		file = to "/" page "." (++n) ".c"
		printf "%s", text >file
		close(file)
	}
	on = 0
}
on { gsub(/\\e/, "\\"); gsub(/\\&/, ""); text = text $0 "\n" }
' "$srcdir"/man/*.3

# runs FILE.c: it compiles, and prints something when it reads a page.
runs()
{
	# shellcheck disable=SC2086 # several words are meant
	$CC -std=c11 -Wall -Wextra -Werror $USER_CFLAGS -I"$srcdir/include" \
	    -c "$1" -o "$tmp/program.o" &&
	    $LIBTOOL --quiet --tag=CC --mode=link $CC $USER_CFLAGS \
		-no-install -o "$tmp/program" "$tmp/program.o" \
		libvimap.la || return
	# libtool splits the run path where it has a space.
	# shellcheck disable=SC2094 # the page is only read
	LD_LIBRARY_PATH=$PWD/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
	    "$tmp/program" "$srcdir/man/vimap.3" <"$srcdir/man/vimap.3" \
	    >"$tmp/out" && [ -s "$tmp/out" ]
}

programs=0
for program in "$tmp"/*.c; do
	runs "$program" || {
		echo "FAIL: program $(basename "$program" .c) of the manual"
		status=1
	}
	programs=$((programs + 1))
done
if [ $programs -lt 3 ]; then
	echo "FAIL: the manual has 3 programs, and $programs were found"
	status=1
fi
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
	if printf '%s\n' "$rendered" | grep '<[a-z]*>'; then
		echo "FAIL: $page has In as a macro in its text"
		status=1
	fi
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
