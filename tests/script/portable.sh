#!/bin/sh
# portable.sh - builds the library with other compilers, for other machines and
# another C library, without a warning and, in the archive, without a name that
# is not public; and runs tests/portable/everything.c.
#
# Usage: make check-portable; or in a build tree, with $srcdir set:
# tests/script/portable.sh [NAME...]
#
# Programs for other machines run under qemu-user.  What is missing is installed
# with apt-get as root; a compiler that cannot be had is skipped with a message.
# Exit status: 0, 1 if a compiler failed, 77 if all were skipped.

srcdir=${srcdir:-.}
LC_ALL=C
export LC_ALL

# NAME, compiler, its package, what runs the program and its package, flags.
table='
musl	musl-gcc	musl-tools	-	-	-
clang	clang	clang	-	-	-
lto	gcc	gcc	-	-	-flto
i686	i686-linux-gnu-gcc	gcc-i686-linux-gnu	qemu-i386	qemu-user	-
armhf	arm-linux-gnueabihf-gcc	gcc-arm-linux-gnueabihf	qemu-arm	qemu-user	-
arm64	aarch64-linux-gnu-gcc	gcc-aarch64-linux-gnu	qemu-aarch64	qemu-user	-
s390x	s390x-linux-gnu-gcc	gcc-s390x-linux-gnu	qemu-s390x	qemu-user	-
'

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
source=$(cd "$srcdir" && pwd)

# have COMMAND PACKAGE: is it there, or could it be installed?
have()
{
	command -v "$1" >/dev/null 2>&1 && return 0
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return 1
	apt-get install -y -qq "$2" >"$tmp/apt.log" 2>&1 ||
	    { apt-get update -qq && apt-get install -y -qq "$2"; } \
	    >"$tmp/apt.log" 2>&1
	command -v "$1" >/dev/null 2>&1
}

# has_public_names FLAGS: the archive has no other global names than vm_*; with
# -flto they cannot be hidden, and configure says so.
has_public_names()
{
	case $1 in
	*-flto*) grep -q 'global names without vm_' config.log;;
	*)
		nm -g --defined-only .libs/libvimap.a >names.log || return 1
		grep -q ' vm_fork' names.log &&
		    ! grep -E ' [A-Z] [a-uw-z]' names.log;;
	esac
}

# build NAME COMPILER FLAGS: the library and the program, in $tmp/NAME.
build()
{
	mkdir "$tmp/$1" && cd "$tmp/$1" || return 1
	case $2 in
	*-linux-*) host=--host=${2%-gcc};;
	*) host=;;
	esac
	# $host is a word or none.
	# shellcheck disable=SC2086
	"$source/configure" -q $host CC="$2" CFLAGS="-O2 $3" \
	    --disable-shared --enable-werror >configure.log 2>&1 &&
	    ${MAKE:-make} -s libvimap.la >make.log 2>&1 &&
	    has_public_names "$3" &&
	    "$2" -O2 $3 -std=c99 -D_GNU_SOURCE -static -I"$source/include" \
	    -o everything "$source/tests/portable/everything.c" \
	    .libs/libvimap.a -lpthread >link.log 2>&1
}

# check NAME COMPILER PACKAGE RUNNER PACKAGE FLAGS
check()
{
	[ "$6" = - ] && flags= || flags=$6
	[ "$4" = - ] && runner= || runner=$4
	if ! have "$2" "$3" || { [ -n "$runner" ] && ! have "$4" "$5"; }; then
		echo "$1: skipped: no $2 ($3)${runner:+, or no $4 ($5)}"
		return 0
	fi
	if ! (build "$1" "$2" "$flags"); then
		echo "$1: cannot be built with $2 $flags:"
		cat "$tmp/$1"/*.log | tail -20
		return 1
	fi
	# The variable is empty where the program runs on this machine.
	# shellcheck disable=SC2086
	if timeout 300 $runner "$tmp/$1/everything" >"$tmp/out" 2>&1; then
		echo "$1: $(cat "$tmp/out")"
		ran=yes
	else
		echo "$1: the program failed:"
		cat "$tmp/out"
		return 1
	fi
}

status=77
ran=
failed=
while read -r name compiler package runner runners flags; do
	[ -n "$name" ] || continue
	case " $* " in
	'  '|*" $name "*) ;;
	*) continue;;
	esac
	check "$name" "$compiler" "$package" "$runner" "$runners" "$flags" ||
	    failed="$failed $name"
done <<EOF
$table
EOF
[ -z "$ran" ] || status=0
[ -z "$failed" ] || { echo "Failed:$failed"; status=1; }
exit $status
