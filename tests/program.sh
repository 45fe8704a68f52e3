# program.sh - what the tests of a program share; they read it with ".".
#
# $program is set before.  Skips the test if there is no such program; then $dir
# is a directory that goes in the end, and $failures counts what fail() tells.

LC_ALL=C
export LC_ALL

if [ ! -x "$program" ]; then
	echo "no program $program: skipped"
	exit 77
fi
dir=$(mktemp -d) || exit 1
# What more is to be done in the end.
leave() { :; }
trap 'leave; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

failures=0
fail()
{
	echo "FAIL: $*"
	failures=$((failures + 1))
}

# Called with what makes the program print: a full disk is noticed.
on_full_disk()
{
	[ -c /dev/full ] || return 0
	"$program" "$@" >/dev/full 2>"$dir/err"
	status=$?
	[ $status -eq 1 ] || fail "full disk: exit status $status, not 1"
	[ -s "$dir/err" ] || fail "full disk: no message"
}
