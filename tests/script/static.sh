#!/bin/sh
# static.sh - the static library has the global names of the headers' functions
# alone: a program whose own functions have the names of internal functions
# links with it, and its pools work.
#
# Where no static library was asked for, lib/link.sh makes an archive of the
# objects that the tests are linked with.

srcdir=${srcdir:-.}
here=$srcdir/tests/script
CC=${CC:-cc}
NM=${NM:-nm}
OBJCOPY=${HIDE_OBJCOPY-objcopy}
LD=${LD:-ld}
AR=${AR:-ar}
RANLIB=${RANLIB:-ranlib}
export OBJCOPY LD AR RANLIB
LC_ALL=C
export LC_ALL

if [ -z "$OBJCOPY" ]; then
	echo "names cannot be hidden in a static library here: skipped"
	exit 77
fi
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
status=0

# names ARCHIVE: its global names.  Those with _ before them are a compiler's.
names()
{
	$NM -g --defined-only "$1" | awk 'NF == 3 && $3 !~ /^_/ { print $3 }' |
	    sort -u
}

archive=.libs/libvimap.a
if [ ! -f $archive ]; then
	archive=$tmp/libvimap.a
	# shellcheck disable=SC2086 # commands may have arguments
	$LD -r -o "$tmp/all.o" --whole-archive .libs/libvimap_core.a \
	    .libs/libvimap_sys.a && $AR cr "$archive" "$tmp/all.o" &&
	    sh "$srcdir/lib/link.sh" "$archive" : || {
		echo "FAIL: making an archive"
		exit 1
	}
fi

for header in "$srcdir"/include/*.h; do
	awk -f "$here/strip.awk" "$header" | awk -f "$here/public.awk"
done | sort >"$tmp/declared"
names "$archive" >"$tmp/global"
if ! [ -s "$tmp/declared" ] || ! diff "$tmp/declared" "$tmp/global"; then
	echo "FAIL: (< declared in a header, > global in the archive)"
	status=1
fi

names .libs/libvimap_core.a | grep -v '^vm_' >"$tmp/inner"
if [ "$(grep -c . "$tmp/inner")" -lt 100 ] ||
    ! grep -qx buf_release "$tmp/inner"; then
	echo "FAIL: the internal names were not found"
	exit 1
fi
sed 's/.*/int &(void); int &(void) { return 7; }/' "$tmp/inner" >"$tmp/own.c"
cat >"$tmp/main.c" <<'END'
#include <vimap.h>
int buf_release(void);
static int process(struct vm_context *me, const void *in, size_t size)
{
	int x = buf_release();

	(void)in;
	(void)size;
	return vm_output(me, &x, sizeof x);
}
int main(void)
{
	struct vm_worker worker = { .process = process };
	struct vm_result r = {0};
	vm_pool *pool = vm_fork(&worker, NULL);
	int good = vm_imap(pool, vm_range(0, 3)) == 0;

	for (int i = 0; i < 3; i++)
		good = good && vm_zip_in_out(pool, &r) == 1 &&
		    r.type == VM_OUTPUT && *(const int *)r.output == 7;
	return vm_close(pool) != 0 || !good;
}
END
# shellcheck disable=SC2086 # several words are meant
$CC $USER_CFLAGS -fno-builtin -I"$srcdir/include" -o "$tmp/program" \
    "$tmp/main.c" "$tmp/own.c" "$archive" $ARCHIVE_LIBS &&
    "$tmp/program" || {
	echo "FAIL: a program with names of its own"
	status=1
}
exit $status
