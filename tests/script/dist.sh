#!/bin/sh
# dist.sh - "make dist" packs what git has, no more and no less.
#
# What autoreconf makes is packed beside it; what only developers' tools read
# is not.  A file that git neither has nor ignores counts as had, so that it
# is noticed before it is committed.

srcdir=${srcdir:-.}
MAKE=${MAKE:-make}
unset MAKEFLAGS MFLAGS
LC_ALL=C
export LC_ALL

if [ ! -e "$srcdir/.git" ] || ! command -v git >/dev/null 2>&1; then
	echo "no git checkout, or no git: skipped"
	exit 77
fi
tmp=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# The build tree may be a folder in the sources.
built=$(pwd -P)/
top=$(cd "$srcdir" && pwd -P)/
within=
case $built in
"$top"?*) within=${built#"$top"} ;;
esac

(cd "$srcdir" && git ls-files --cached --others --exclude-standard \
    ${within:+--exclude="/$within"} |
    while IFS= read -r path; do
	[ -e "$path" ] && printf '%s\n' "$path"
    done) | grep -Ev '^(\.[^/]*|\.ci/.*)$' | sort >"$tmp/git"
if [ ! -s "$tmp/git" ]; then
	echo "git lists no files: skipped"
	exit 77
fi

if ! $MAKE distdir distdir="$tmp/dist" >"$tmp/log" 2>&1; then
	cat "$tmp/log"
	echo "FAIL: make distdir"
	exit 1
fi
(cd "$tmp/dist" && find . -type f) | sed 's|^\./||' |
    grep -Ev '^(aclocal\.m4|config\.h\.in|configure|Makefile\.in)$' |
    grep -Ev '^(build-aux/|tests/programs\.am$)' | sort >"$tmp/packed"

if ! diff "$tmp/git" "$tmp/packed"; then
	echo "FAIL: (< in git, > packed)"
	exit 1
fi
