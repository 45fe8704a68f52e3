#!/bin/sh
# link.sh - runs libtool's command that links the library; then makes its
# archive anew of a single object, in which only the functions of the public
# headers are global names.
#
# Usage: OBJCOPY= LD= AR= RANLIB= link.sh ARCHIVE COMMAND...
#
# Names with _ before them, a compiler's own, stay as they are: objects of the
# host may share them, as the functions for addresses of code on i686.
#
# Without the archive (it is made on request), or with an empty OBJCOPY (see
# configure.ac), the command is all.

archive=$1
shift
"$@" || exit 1
[ -n "$OBJCOPY" ] && [ -f "$archive" ] || exit 0

whole=$archive.o
trap 'rm -f "$whole"' EXIT
trap 'exit 1' HUP INT TERM
# The commands may have arguments.
# shellcheck disable=SC2086
$LD -r --whole-archive "$archive" -o "$whole" &&
    $OBJCOPY -w --localize-symbol='!vm_*' --localize-symbol='!_*' \
	--localize-symbol='*' "$whole" &&
    rm -f "$archive" && $AR cr "$archive" "$whole" && $RANLIB "$archive"
