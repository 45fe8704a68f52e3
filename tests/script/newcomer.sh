#!/bin/sh
# newcomer.sh - the way of a new user by README.md alone: a clone, each command
# of its section "Install" as it stands there, and its first program as a
# program of the user's own, outside of the tree.
#
# It installs below a temporary directory, as README.md says for users without
# root, and leaves out "make check", which is the suite itself.  It takes
# minutes: only with VIMAP_LONG=1.
#
# Usage: tests/script/newcomer.sh, with the sources in $srcdir (by default .).
# Exit status: 0 for success, 1 for failure, 77 if it does not run.

srcdir=$(cd "${srcdir:-.}" && pwd) || exit 1
unset MAKEFLAGS MFLAGS VIMAP_BUILD
if [ -z "$VIMAP_LONG" ]; then
	echo "only with VIMAP_LONG=1: skipped"
	exit 77
fi
if ! git -C "$srcdir" rev-parse HEAD >/dev/null 2>&1; then
	echo "no git, or no clone to begin with: skipped"
	exit 77
fi

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
started=$(date +%s)

fail()
{
	echo "FAIL: $*"
	[ ! -f "$tmp/log" ] || tail -n 30 "$tmp/log"
	exit 1
}

# The commands of the section, a line each, without remarks.
commands()
{
	awk '/^## / { on = $2 == "Install" }
	    on && /^    / { sub(/^    /, ""); sub(/ +# .*/, ""); print }' \
	    README.md
}

# has TEXT: README.md says so.
has()
{
	grep -F -e "$1" README.md >/dev/null || fail "README.md has no '$1'"
}

# run COMMAND: as it stands, but for the place of the installation.
run()
{
	line=$(printf '%s\n' "$1" | sed "s,\./configure,& --prefix=$tmp/vimap,
	    s, && make check\$,,; s,sudo make install && sudo ldconfig,make \
install,")
	echo "$ $line"
	sh -c "$line" >"$tmp/log" 2>&1 || fail "'$line' has failed:"
}

git clone -q "$srcdir" "$tmp/a clone" || fail "git clone"
cd "$tmp/a clone" || exit 1
# shellcheck disable=SC2016 # as README.md has them
{
	has './configure --prefix=$HOME/vimap'
	has 'PKG_CONFIG_PATH=$HOME/vimap/lib/pkgconfig'
	has '-Wl,-rpath,$HOME/vimap/lib'
}
commands >"$tmp/commands"
[ "$(wc -l <"$tmp/commands")" -eq 4 ] ||
    fail "README.md does not have four commands: $(cat "$tmp/commands")"
# The last one is for the program.
sed '$d' "$tmp/commands" >"$tmp/build"
while IFS= read -r command <&3; do
	run "$command"
done 3<"$tmp/build"

mkdir "$tmp/own"
awk '/^```c$/ && !done { on = 1; next } /^```/ { done = done || on; on = 0 } on' \
    README.md >"$tmp/own/program.c"
sed -n '/^    10: 5$/,/^$/s/^    //p' README.md >"$tmp/expected"
cd "$tmp/own" || exit 1
PKG_CONFIG_PATH=$tmp/vimap/lib/pkgconfig
export PKG_CONFIG_PATH
run "$(tail -n 1 "$tmp/commands") -Wl,-rpath,$tmp/vimap/lib"
./program >"$tmp/out" || fail "program: exit status $?"
diff "$tmp/expected" "$tmp/out" || fail "it does not print what README.md shows"
[ -s "$tmp/expected" ] || fail "README.md shows no output"
MANPATH=$tmp/vimap/share/man man -w vimap >"$tmp/log" 2>&1 ||
    ! command -v man >/dev/null || fail "man vimap:"
echo "from the clone to an own program: $(($(date +%s) - started)) s"
