#!/bin/sh
# install.sh - an installed library is found through pkg-config and CMake by a
# program outside the tree, which then runs; each function has a manual page;
# uninstalling leaves no file.  configure refuses a folder that libtool would not
# install to; the rules of this project install to any.
#
# Without cmake or man those parts are left out.

srcdir=${srcdir:-.}
here=$srcdir/tests/script

CC=${CC:-cc}
MAKE=${MAKE:-make}
PKG_CONFIG=${PKG_CONFIG:-pkg-config}
unset MAKEFLAGS MFLAGS

if ! command -v "$PKG_CONFIG" >/dev/null 2>&1; then
	echo "no pkg-config: skipped"
	exit 77
fi
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
root=$tmp/root

give_up()
{
	echo "FAIL: $*"
	exit 1
}

write_program()
{
	cat >"$tmp/outside.c" <<-'END'
	#include <stdio.h>
	#include <string.h>
	#include <vimap.h>

	static int shout(struct vm_context *me, const void *in, size_t size)
	{
		if (vm_output(me, in, size) == -1)
			return -1;
		return vm_output(me, "!", 1);
	}

	int main(void)
	{
		const char *words[] = { "hey" };
		struct vm_worker worker = { .process = shout };
		struct vm_result r = {0};
		vm_pool *pool = vm_fork(&worker, NULL);
		int bad = vm_imap(pool, vm_strings(words, 1)) != 0 ||
		    vm_zip_in_out(pool, &r) != 1 || r.type != VM_OUTPUT ||
		    strcmp(r.output, "hey!") != 0;

		if (bad)
			puts(vm_error(pool));
		return vm_close(pool) != 0 || bad;
	}
	END
}

# pc ARGUMENT...: asks about the copy in $root only.
pc()
{
	PKG_CONFIG_LIBDIR=$dir PKG_CONFIG_PATH='' \
	    PKG_CONFIG_SYSROOT_DIR=$root "$PKG_CONFIG" "$@" vimap
}

# refused OPTION: configure ends with a sentence on the space, and makes nothing.
refused()
{
	mkdir "$tmp/refused"
	case $srcdir in
	/*)	configure=$srcdir/configure;;
	*)	configure=$PWD/$srcdir/configure;;
	esac
	if (cd "$tmp/refused" && "$configure" -q "$1") >"$tmp/log" 2>&1; then
		give_up "configure $1 went through"
	fi
	grep 'has a space in its name' "$tmp/log" >/dev/null || {
		cat "$tmp/log"
		give_up "configure $1 does not say why"
	}
	[ ! -e "$tmp/refused/Makefile" ] || give_up "configure $1 went on"
	rm -r "$tmp/refused"
}

refused --prefix="$tmp/a prefix"
refused --libdir="$tmp/a lib"
# Without libtool: the files that are only copied, and the page of each function.
odd="$tmp/it's an odd root"
$MAKE install-data DESTDIR="$odd" >"$tmp/log" 2>&1 || {
	cat "$tmp/log"
	give_up "make install-data to an odd root"
}
[ -n "$(find "$odd" -name vm_output.3)" ] || give_up "no page in an odd root"
rm -r "$odd"
$MAKE install DESTDIR="$root" >"$tmp/log" 2>&1 || {
	cat "$tmp/log"
	give_up "make install"
}
dir=$(dirname "$(find "$root" -name vimap.pc)")
[ -f "$dir/vimap.pc" ] || give_up "there is no vimap.pc"
[ -n "$(find "$root" -name vimap.hpp)" ] || give_up "no vimap.hpp"
[ "$(echo hey | LD_LIBRARY_PATH=$(dirname "$dir") \
    "$(find "$root" -path '*/bin/vimap')" echo)" = hey ] || give_up "no vimap"
[ "$(pc --modversion)" = "$VERSION" ] || give_up "another version"

# Each function's page leads to one with its name, which man(1) finds.  Of a
# function with "_sized" the inline function has a page too.
pages=$(dirname "$(find "$root" -name vimap.3)")
count=0
for name in $(for header in "$srcdir"/include/*.h; do
	awk -f "$here/strip.awk" "$header" | awk -f "$here/public.awk" |
	    sed -n 'p; s/_sized$//p'
done); do
	page=$(sed -n 's/^\.so man3\///p' "$pages/$name.3")
	grep -w "^\.Nm $name" "$pages/$page" >/dev/null ||
	    give_up "the page of $name()"
	count=$((count + 1))
done
[ $count -gt 0 ] || give_up "no function was found"
if command -v man >/dev/null 2>&1; then
	backspace=$(printf '\b')
	MANPATH=$(dirname "$pages") MANPAGER=cat man vm_cancel 2>&1 |
	    sed "s/.$backspace//g" >"$tmp/log"
	grep VM_CANCEL_UNREAD "$tmp/log" >/dev/null || {
		head "$tmp/log"
		give_up "man vm_cancel"
	}
else
	echo "no man: that part is left out"
fi

write_program
# shellcheck disable=SC2046,SC2086 # several words are meant
(cd "$tmp" && $CC $USER_CFLAGS $(pc --cflags) outside.c \
    $(pc --libs) -o outside) || give_up "compiling a program"
LD_LIBRARY_PATH=$(dirname "$dir") "$tmp/outside" || give_up "running it"

# try_cmake NAME LIBDIR: makes the program in a new directory.  Two versions are
# asked for: this one, and one that cannot be.
try_cmake()
{
	cat >"$tmp/CMakeLists.txt" <<-END
	cmake_minimum_required(VERSION 3.5...3.25)
	project(outside C)
	find_package(vimap 99 QUIET PATHS "\${where}" NO_DEFAULT_PATH)
	if(vimap_FOUND)
		message(FATAL_ERROR "version 99 is found")
	endif()
	find_package(vimap $VERSION REQUIRED PATHS "\${where}"
		NO_DEFAULT_PATH)
	add_executable(outside_cmake outside.c)
	target_link_libraries(outside_cmake vimap::vimap)
	END
	# As the options of CC it reads CFLAGS from the environment.
	(cd "$tmp" && mkdir "$1" && cd "$1" &&
	    CC=$CC CFLAGS=$USER_CFLAGS cmake -G 'Unix Makefiles' \
		-Dwhere="$2/cmake/vimap" .. &&
	    cmake --build . && ./outside_cmake) >"$tmp/log" 2>&1 || {
		cat "$tmp/log"
		give_up "CMake, $1"
	}
}

# keep_archive LIBDIR: leaves the library as an archive alone.
keep_archive()
{
	rm -f "$1"/libvimap.so*
	[ -f "$1/libvimap.a" ] || {
		${LD:-ld} -r -o "$tmp/all.o" --whole-archive \
		    .libs/libvimap_core.a .libs/libvimap_sys.a &&
		    ${AR:-ar} cr "$1/libvimap.a" "$tmp/all.o"
	} || give_up "making an archive"
}
if command -v cmake >/dev/null 2>&1; then
	try_cmake shared "$(dirname "$dir")"
	cp -R "$root" "$tmp/alone"
	alone=$tmp/alone${dir#"$root"}
	keep_archive "$(dirname "$alone")"
	try_cmake static "$(dirname "$alone")"
else
	echo "no cmake: that part is left out"
fi

$MAKE uninstall DESTDIR="$root" >"$tmp/log" 2>&1 || {
	cat "$tmp/log"
	give_up "make uninstall"
}
find "$root" ! -type d >"$tmp/left"
cat "$tmp/left"
[ ! -s "$tmp/left" ] || give_up "files are left behind"
