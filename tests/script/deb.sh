#!/bin/sh
# deb.sh - builds the Debian packages in a temporary directory, which lintian must
# find nothing in; unpacks them, and runs the package's own test with that copy.
#
# Usage: make check-deb.  The packages' build runs the tests of the library only
# with VIMAP_LONG=1 in the environment.  As root it installs what it needs with
# apt-get.  Exit status: 0, 1, or 77 if something is missing.

srcdir=${srcdir:-.}
MAKE=${MAKE:-make}
LC_ALL=C
export LC_ALL
unset MAKEFLAGS MFLAGS

tmp=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
source=$tmp/vimap

give_up()
{
	[ ! -f "$tmp/log" ] || {
		grep -A30 '^FAIL' "$tmp/log"
		tail -30 "$tmp/log"
	}
	echo "FAIL: $*"
	exit 1
}

# lacks: prints what is missing for the build.
lacks()
{
	command -v dpkg-buildpackage >/dev/null 2>&1 || echo dpkg-dev
	command -v lintian >/dev/null 2>&1 || echo lintian
	command -v dpkg-checkbuilddeps >/dev/null 2>&1 || return
	(cd "$srcdir" && dpkg-checkbuilddeps 2>&1) |
	    sed -n 's/.*nmet build dependencies: //p' |
	    sed 's/([^)]*)//g; s/debhelper-compat/debhelper/'
}

missing=$(lacks)
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] &&
    command -v apt-get >/dev/null 2>&1; then
	# Several words are meant.
	# shellcheck disable=SC2086
	{
		DEBIAN_FRONTEND=noninteractive
		export DEBIAN_FRONTEND
		apt-get update -qq
		apt-get install -y -qq --no-install-recommends $missing
	} >"$tmp/log" 2>&1
	missing=$(lacks)
fi
if [ -n "$missing" ]; then
	echo "skipped: no" $missing
	exit 77
fi

options=parallel=$(getconf _NPROCESSORS_ONLN)
[ "$VIMAP_LONG" = 1 ] || options="$options nocheck"
$MAKE distdir distdir="$source" >"$tmp/log" 2>&1 || give_up "make distdir"
(cd "$source" && env -u CC -u CFLAGS -u VIMAP_LONG \
    DEB_BUILD_OPTIONS="$options" dpkg-buildpackage -us -uc) >"$tmp/log" 2>&1 ||
    give_up "dpkg-buildpackage"
! grep 'dpkg-gensymbols: warning\|dh_missing: warning' "$tmp/log" ||
    give_up "a warning of the package's build"

lintian --allow-root "$tmp"/*.changes >"$tmp/log" 2>&1
[ $? -eq 0 ] && ! grep -q '^[EW]:' "$tmp/log" || give_up lintian

count=0
for package in "$tmp"/*.deb; do
	case $package in
	*-dbgsym_*) continue;;
	esac
	echo "$(basename "$package"): $(dpkg-deb -c "$package" |
	    grep -c '^-') files"
	dpkg-deb -x "$package" "$tmp/root" || give_up "$package"
	count=$((count + 1))
done
[ $count -ge 3 ] || give_up "there are $count packages"
[ -f "$tmp/root/usr/share/man/man3/vm_cancel.3.gz" ] ||
    give_up "the page of vm_cancel()"

dir=$(dirname "$(find "$tmp/root" -name vimap.pc)")
(cd "$source" && PKG_CONFIG_LIBDIR=$dir PKG_CONFIG_PATH='' \
    PKG_CONFIG_SYSROOT_DIR=$tmp/root LD_LIBRARY_PATH=$(dirname "$dir") \
    debian/tests/program) >"$tmp/log" 2>&1 || give_up "the package's test"
cat "$tmp/log"
