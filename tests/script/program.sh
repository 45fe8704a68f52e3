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

# launch STATUS ARGUMENT...: the program ends with that status.  What it prints
# is in "$dir/out" and "$dir/err".
launch()
{
	expected=$1
	shift
	"$program" "$@" >"$dir/out" 2>"$dir/err"
	status=$?
	[ $status -eq "$expected" ] ||
	    fail "'$*': exit status $status, not $expected"
}

# run STATUS ARGUMENT...: the same, and it says why unless that is 0.
run()
{
	launch "$@"
	shift
	if [ "$expected" -ne 0 ]; then
		[ -s "$dir/err" ] || fail "'$*': no message"
	elif [ -s "$dir/err" ]; then
		fail "'$*': $(head -n 5 "$dir/err")"
	fi
}

# same WHAT [FILE]: "$dir/out", or that file, is as "$dir/expected".
same()
{
	diff "$dir/expected" "${2:-$dir/out}" >"$dir/diff" && return
	fail "$1: (< expected, > printed)"
	head -n 20 "$dir/diff"
}

# expect STATUS ARGUMENT...: the same, and it prints "$dir/expected".
expect()
{
	run "$@"
	shift
	same "'$*'"
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
