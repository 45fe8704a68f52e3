#!/bin/sh
# bootstrap.sh - what ./bootstrap says and does where things are as they should
# not be: it works, or says in one sentence what is missing and fails.
#
# It runs in a tree of its own, with a PATH of stubs for all that would install,
# configure or build.  Some of the cases are tried, by the day.  With VIMAP_LONG=1
# in the environment all are, and it also builds for real, which takes minutes:
# in a tree whose path has a space, with umask 077, in German and with stdin
# closed; and beside a tree that is read-only.

srcdir=${srcdir:-.}
# shellcheck disable=SC1091 # it is not followed
. "$srcdir/tests/script/sample.sh"
MAKE=${MAKE:-make}
unset MAKEFLAGS MFLAGS VIMAP_BUILD

tmp=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
failures=0

fail()
{
	echo "FAIL: $what: $*"
	sed 's/^/	/' "$tmp/out" "$tmp/err"
	failures=$((failures + 1))
}

# ---- A machine of stubs ----------------------------------------------------

# stub NAME: a program of that name, which does what stdin says.
stub()
{
	{
		echo '#!/bin/sh'
		echo "tmp='$tmp'"
		cat
	} >"$tmp/bin/$1"
	chmod +x "$tmp/bin/$1"
}

# Anything that is only asked for whether it is there.
stub_silent()
{
	for name; do
		stub "$name" </dev/null
	done
}

# What configure is: the real one makes these files, too.
stub_autoreconf()
{
	stub autoreconf <<-'END'
	echo autoreconf >>"$tmp/did"
	[ ! -e "$tmp/break" ] || { echo "the reason"; exit 9; }
	cat >configure <<-'CONFIGURE'
	#!/bin/sh
	echo "configure in $PWD" >>did
	: >config.status
	: >Makefile
	CONFIGURE
	chmod +x configure
	: >Makefile.in
	: >config.h.in
	END
}

# It builds a file, with a warning, and has two tests.
stub_make()
{
	stub make <<-'END'
	echo "make $*" >>"$tmp/did"
	[ ! -e "$tmp/broken" ] || { echo "no rule"; exit 7; }
	( : 3<&0 ) || exit 8
	echo "  CC       lib/a.lo"
	case "$*" in
	*TESTS=*) ;;
	*check*) echo "PASS: tests/one"; echo "# PASS:  1";;
	*demo*) echo "   1 worker";;
	*) echo "../lib/a.c:3:5: warning: what is this? [-Wunused]";;
	esac
	END
}

# Packages come with their programs.
stub_apt()
{
	stub apt-get <<-'END'
	echo "apt-get $*" >>"$tmp/did"
	[ ! -e "$tmp/offline" ] || { echo "E: no network"; exit 100; }
	[ "$1" = install ] || exit 0
	mv "$tmp"/later/* "$tmp/bin/"
	END
}

# new_machine USER: all is there, and nothing has been done.
new_machine()
{
	chmod -R u+w "$tmp"
	(cd "$tmp" && rm -rf bin later tree did break broken offline)
	mkdir "$tmp/bin" "$tmp/later" "$tmp/tree"
	cp "$srcdir/bootstrap" "$tmp/tree/"
	chmod 755 "$tmp" "$tmp/tree" "$tmp/tree/bootstrap"
	for name in sh dirname date tail mkdir rm cat env mv chmod; do
		ln -s "$(command -v "$name")" "$tmp/bin/$name"
	done
	echo "echo $1" | stub id
	echo 'echo 2' | stub getconf
	stub_silent automake libtoolize pkg-config cc g++ mandoc
	stub_autoreconf
	stub_make
	stub_apt
	: >"$tmp/did"
}

# later NAME...: these programs come with packages only.
later()
{
	for name; do
		mv "$tmp/bin/$name" "$tmp/later/"
	done
}

# boot WHAT ARGUMENT...: starts it; $tree is where, $set what is in the
# environment.  What it prints is in $tmp/out and $tmp/err.
tree=$tmp/tree
set=A=A
boot()
{
	what=$1
	shift
	(cd "$tmp" && env -i PATH="$tmp/bin" "$set" "$tree/bootstrap" "$@") \
	    >"$tmp/out" 2>"$tmp/err"
	status=$?
}

# expect STATUS
expect()
{
	[ $status -eq "$1" ] || fail "exit status $status, not $1"
}

# shows PATTERN, hides PATTERN, did PATTERN, did_not PATTERN
shows() { cat "$tmp/out" "$tmp/err" | grep -e "$1" >/dev/null ||
    fail "nothing says '$1'"; }
hides() { ! cat "$tmp/out" "$tmp/err" | grep -e "$1" >/dev/null ||
    fail "something says '$1'"; }
did() { grep -e "$1" "$tmp/did" >/dev/null || fail "not done: $1"; }
did_not() { ! grep -e "$1" "$tmp/did" >/dev/null || fail "done: $1"; }

# refused PATTERN: in one sentence, before anything was done.
refused()
{
	expect 1
	shows "$1"
	[ "$(cat "$tmp/out" "$tmp/err" | wc -l)" -eq 1 ] ||
	    fail "more than one line"
	did_not .
}

# ---- What is said of a good machine ----------------------------------------

test_check()
{
	new_machine 0
	boot "check" check
	expect 0
	did '^autoreconf'
	did 'check TESTS='
	did_not '^apt-get'
	shows '^ *make configure .*seconds'
	shows '^ *run the tests .*minutes'
	shows '^bootstrap: build: done in [0-9]* s'
	shows 'a\.c:3:5: warning: what'
	shows '^PASS: tests/one'
	shows '^# PASS:  1'
	hides '^  CC'
	shows '^bootstrap: next: '
	grep '^  CC' "$tree/build/bootstrap.log" >/dev/null ||
	    fail "the log has not all"
	boot "check again" check
	expect 0
	shows '^PASS'
	[ "$(grep -c autoreconf "$tmp/did")" -eq 1 ] || fail "autoreconf again"
	[ "$(wc -l <"$tree/build/did")" -eq 1 ] || fail "configure again"
}

test_demo()
{
	new_machine 0
	stub_fails pkg-config	# Check is not there, and not needed
	boot "demo" demo
	expect 0
	did_not '^apt-get'
	shows '^ *count words.* seconds'
	shows '^   1 worker'
	shows '^bootstrap: next: .*check'
}

test_usage()
{
	new_machine 0
	boot "usage" clean
	expect 2
	did_not .
}

# ---- Packages --------------------------------------------------------------

stub_fails() { echo 'exit 1' | stub "$1"; }

# What was configured without them is configured again.
test_install()
{
	new_machine 0
	later autoreconf automake libtoolize cc g++ mandoc
	mkdir "$tree/build"
	: >"$tree/build/config.status"
	: >"$tree/build/Makefile"
	boot "fresh machine" check
	expect 0
	did 'install .* autoconf automake libtool gcc libc6-dev g++ mandoc'
	shows 'install packages.* minutes: autoconf automake'
	[ -s "$tree/build/did" ] || fail "it did not configure again"
}

test_sudo()
{
	new_machine 1000
	# shellcheck disable=SC2016 # the stub is to expand it
	echo '[ "$2" = true ] || { shift; exec "$@"; }' | stub sudo
	later mandoc
	boot "sudo" check
	expect 0
	did 'install .* mandoc'
}

test_no_packages()
{
	new_machine 1000
	later automake
	boot "no root, no sudo" demo
	refused 'please run: sudo apt-get install -y automake'
	stub_fails sudo
	boot "no root, sudo wants a password" demo
	refused 'please run: sudo apt-get install -y automake'
	rm "$tmp/bin/apt-get"
	boot "no apt-get" demo
	refused 'please install: automake'
	new_machine 0
	later automake
	: >"$tmp/offline"
	boot "no network" demo
	expect 100
	shows 'E: no network'
	shows 'Is there a network? Needed: automake .*bootstrap.log'
	did 'apt-get update'
	did_not autoreconf
}

# ---- Steps that fail -------------------------------------------------------

test_failures()
{
	new_machine 0
	: >"$tmp/break"
	boot "autoreconf fails" check
	expect 9
	shows '^the reason'
	shows 'make configure: failed .*build/bootstrap\.log'
	did_not '^make'
	new_machine 0
	: >"$tmp/broken"
	boot "make fails" check
	expect 7
	shows '^no rule'
	hides '^bootstrap: build: done'
	shows 'build: failed .*build/bootstrap\.log'
}

# ---- Places ----------------------------------------------------------------

test_names()
{
	new_machine 0
	mkdir "$tmp/a b" "$tmp/c&d"
	cp "$tree/bootstrap" "$tmp/a b/"
	cp "$tree/bootstrap" "$tmp/c&d/"
	tree="$tmp/c&d"
	boot "an ampersand" check
	refused 'please move'
	tree="$tmp/a b"
	set=VIMAP_BUILD=here
	boot "a space, and another build directory" check
	refused 'leave it out or move'
	set=A=A
	boot "a space" check
	expect 0
	[ -s "$tmp/a b/build/did" ] || fail "it did not configure there"
	tree=$tmp/tree
}

test_elsewhere()
{
	new_machine 0
	for set in "VIMAP_BUILD=$tmp/there" VIMAP_BUILD=here; do
		boot "$set" demo
		expect 0
		grep "^configure in $tmp/${set##*[/=]}" \
		    "$tmp/${set##*[/=]}/did" >/dev/null ||
		    fail "it did not configure there"
	done
	set=A=A
	[ ! -e "$tree/build" ] || fail "it built in ./build"
}

# Root can write anywhere, so it must be somebody else.
if [ "$(id -u)" -ne 0 ]; then
	as_nobody() { "$@"; }
elif setpriv --reuid=65534 --clear-groups true 2>/dev/null; then
	as_nobody() { setpriv --reuid=65534 --clear-groups "$@"; }
else
	as_nobody() { false; }
fi

# boot_as_nobody WHAT ARGUMENT...: as boot.
boot_as_nobody()
{
	what=$1
	shift
	as_nobody env -i PATH="$tmp/bin" "$set" "$tree/bootstrap" "$@" \
	    >"$tmp/out" 2>"$tmp/err"
	status=$?
}

test_read_only()
{
	as_nobody true || {
		echo "read-only trees: nobody to try it as"
		return 0
	}
	new_machine 1000
	chmod a+rw "$tmp/did"
	chmod a-w "$tree"
	boot_as_nobody "read-only tree" check
	refused 'please copy this tree'
	chmod u+w "$tree"
	(cd "$tree" && PATH="$tmp/bin" autoreconf)
	chmod a-w "$tree"
	: >"$tmp/did"
	boot_as_nobody "read-only tree with configure" check
	refused 'VIMAP_BUILD=/some/where ./bootstrap check'
	mkdir "$tmp/elsewhere"
	chmod 777 "$tmp/elsewhere"
	set=VIMAP_BUILD=$tmp/elsewhere
	boot_as_nobody "read-only tree, built elsewhere" check
	set=A=A
	expect 0
	did "make -C $tmp/elsewhere"
}

# ---- Streams, modes and languages ------------------------------------------

test_streams()
{
	new_machine 0
	boot "stdin closed" check <&-
	expect 0
	shows '^PASS'
	what="stdout closed"
	env -i PATH="$tmp/bin" "$tree/bootstrap" check >&- 2>"$tmp/err"
	status=$?
	: >"$tmp/out"
	expect 1
	shows 'standard output is closed'
	what="stderr closed"
	env -i PATH="$tmp/bin" "$tree/bootstrap" check >"$tmp/out" 2>&-
	status=$?
	: >"$tmp/err"
	expect 0
	shows '^PASS'
}

# What packages put in place is for all, whatever the mask of who installs.
test_umask()
{
	new_machine 0
	later mandoc
	# shellcheck disable=SC2016 # the stub is to expand it
	echo 'umask >>"$tmp/did"; mv "$tmp"/later/* "$tmp/bin/"' | stub apt-get
	umask 077
	boot "umask 077" check
	umask 022
	expect 0
	did '^0*22$'
}

test_language()
{
	new_machine 0
	# shellcheck disable=SC2016 # the stub is to expand it
	echo 'echo "in $LC_ALL"' | stub make
	set=LC_ALL=de_DE.UTF-8
	boot "German" check
	set=A=A
	expect 0
	shows '^in C$'
}

# ---- For real --------------------------------------------------------------

# really WHAT COMMAND...: it succeeds.
really()
{
	what=$1
	shift
	"$@" >"$tmp/out" 2>"$tmp/err" || fail "exit status $?"
}

# In the tree that make has packed, so that git is not needed.
pack()
{
	rm -rf "$1"
	$MAKE distdir distdir="$tmp/packed" >"$tmp/out" 2>"$tmp/err" &&
	    mv "$tmp/packed" "$1" && rm "$1/configure"
}

# Of the two only bootstrap can do without stdin: libtool cannot.
in_odd_tree()
{
	(umask 077; LANG=de_DE.UTF-8; LC_ALL=de_DE.UTF-8; export LANG LC_ALL
	cd "$tmp/a b" && "$@")
}

beside_read_only()
{
	(cd "$tmp/beside" && "$@")
}

some="TESTS=tests/script/readme.sh tests/script/examples.sh \
tests/script/wordcount.sh tests/script/failures.sh tests/script/install.sh \
tests/fuzz/replay_worker"
few="check_PROGRAMS=tests/fuzz/replay_worker"

test_for_real()
{
	what="packing"
	pack "$tmp/a b" || fail "make distdir"
	cp -Rp "$tmp/a b" "$tmp/source"
	really "demo, all odd" in_odd_tree sh -c './bootstrap demo <&-'
	shows 'times as fast'
	really "tests, all odd" in_odd_tree \
	    "$MAKE" -C build check "$some" "$few"
	(cd "$tmp/source" && autoreconf -i) >"$tmp/out" 2>"$tmp/err"
	chmod -R a-w "$tmp/source"
	mkdir "$tmp/beside"
	chmod 777 "$tmp/beside"
	what="read-only"
	as_nobody true || fail "nobody to try it as"
	really "configure beside a read-only tree" \
	    beside_read_only as_nobody ../source/configure -q
	really "tests beside a read-only tree" \
	    beside_read_only as_nobody "$MAKE" -j 2 check "$some" "$few"
}

: >"$tmp/out"
: >"$tmp/err"
test_check
for point in demo usage install sudo no_packages failures names elsewhere \
    read_only streams umask language; do
	! drawn 3 || test_$point
done
[ "${VIMAP_LONG:-}" != 1 ] || test_for_real
[ $failures -eq 0 ]
