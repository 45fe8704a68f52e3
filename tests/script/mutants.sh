#!/bin/sh
# mutants.sh - changes lib/ and bin/ in small ways, each of which some test must
# notice.
#
# Usage: tests/script/mutants.sh, in the build tree of "make check-mutants",
# whose sources, in $srcdir, it changes and restores.  MUTANTS="NAME NAME"
# chooses some.
#
# tests/script/mutants.txt has the mutants: blocks of lines that begin with a word.
#	mutant NAME
#	file PATH	in the sources
#	tests FOLDER/NAME...	programs in tests/, or script/NAME.sh, of which
#			the first that fails ends it; FOLDER/NAME@SEED where the test that fails is drawn by a seed
#	-LINE +LINE	old and new lines; those with a space before are both;
#			the old ones are there once, one after another
#	why WORD...	why no test can notice: not given, if one has to
# A block that does not apply, or does not compile, is a fault of the table.
#
# A mutant may hang.  The limit of a test is here a part of the machine's own
# (VIMAP_TEST_LIMIT), twice of that the limit of a program, and the unchanged
# programs must pass in half of it.  Each program runs all its tests, with the
# cases of seed 1 where none is given, so that each day tries the same.

srcdir=${srcdir:-.}
MAKE=${MAKE:-make}
LC_ALL=C
export srcdir LC_ALL

part=6
table=$srcdir/tests/script/mutants.txt

command -v timeout >/dev/null 2>&1 || {
	echo "mutants.sh needs timeout(1), to end what hangs"
	exit 1
}
$MAKE -s tests/machine.env || exit 1
# shellcheck source=/dev/null # it is made here
. ./tests/machine.env
VIMAP_TEST_LIMIT=$((VIMAP_TEST_LIMIT / part))
limit=$((2 * VIMAP_TEST_LIMIT))
VIMAP_LONG=tests
export VIMAP_TEST_LIMIT VIMAP_TEST_SEED VIMAP_LONG

tmp=$(mktemp -d) || exit 1
changed=
# The sources are as they were, and newer than what was made of the mutant.
restore()
{
	[ -z "$changed" ] || cp "$tmp/saved" "$srcdir/$changed"
	changed=
}
trap 'restore; rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

faults=0
survivors=
# fault MUTANT WORD...: the table is wrong about it.
fault()
{
	echo "FAULT     $*"
	faults=$((faults + 1))
}

# Writes each block to files "NAME.FIELD", and the names to "names".
read_table()
{
	awk -v dir="$tmp/" '
	function bad(why) {
		print FILENAME ":" NR ": " why
		failed = 1
	}
	function rest() { return substr($0, length($1) + 2) }
	/^mutant / {
		name = $2
		if (NF != 2 || name !~ /^[a-z0-9_]+$/ || name in seen)
			bad("no name, or one that was there before")
		seen[name] = 1
		print name >(dir "names")
		next
	}
	/^#/ || /^$/ { next }
	name == "" { bad("no mutant"); next }
	/^file / || /^tests / || /^why / {
		print rest() >(dir name "." $1)
		next
	}
	/^[- +]/ {
		line = substr($0, 2)
		if (!/^\+/)
			print line >(dir name ".old")
		if (!/^-/)
			print line >(dir name ".new")
		next
	}
	{ bad("not understood") }
	END { exit failed }' "$table"
}

# mutate OLD NEW: copies a file, in which the lines of OLD become those of NEW;
# fails unless they are there once.
mutate()
{
	: >>"$2"
	awk -v old="$1" -v new="$2" '
	function read_all(path,    text, line) {
		text = ""
		while ((getline line <path) > 0)
			text = text line "\n"
		return text
	}
	{ text = text $0 "\n" }
	END {
		from = "\n" read_all(old)
		to = "\n" read_all(new)
		text = "\n" text
		at = index(text, from)
		behind = substr(text, at + 1)
		if (from == "\n" || at == 0 || index(behind, from) != 0)
			exit 1
		printf "%s", substr(text, 2, at - 1) substr(to, 2) \
		    substr(text, at + length(from))
	}'
}

# programs TEST...: makes them, quietly; for a script the command.
programs()
{
	# shellcheck disable=SC2046 # several words are meant
	$MAKE -s $(printf 'tests/%s\n' "$@" |
	    sed 's/@.*//; s/.*\.sh$/bin\/vimap/') >"$tmp/make" 2>&1
}

# passes TEST SECONDS: does it?  What it leaves behind, which a mutant may,
# has this in its environment, and is ended.
passes()
{
	within=$2
	case $1 in
	*@*)	VIMAP_TEST_SEED=${1#*@};;
	*)	VIMAP_TEST_SEED=1;;
	esac
	case $1 in
	*.sh)	set -- sh "$srcdir/tests/$1";;
	*)	set -- "./tests/${1%@*}";;
	esac
	MUTANT_OF=$tmp timeout -k 5 "$within" "$@" >"$tmp/log" 2>&1
	passed=$?
	for left in $(grep -l "MUTANT_OF=$tmp" /proc/[0-9]*/environ 2>/dev/null)
	do
		left=${left#/proc/}
		kill -9 "${left%/environ}" 2>/dev/null
	done
	return $passed
}

# apply MUTANT: changes the sources; or says why it cannot.
apply()
{
	file=$(cat "$tmp/$1.file")
	cp "$srcdir/$file" "$tmp/saved" || return 1
	if ! mutate "$tmp/$1.old" "$tmp/$1.new" <"$tmp/saved" >"$tmp/mutated"
	then
		fault "$1: its old lines are not once in $file"
		return 1
	fi
	changed=$file
	cp "$tmp/mutated" "$srcdir/$file"
}

# judge MUTANT: sets $by to what noticed it, or to nothing.
judge()
{
	by=
	for test in $tests; do
		passes "$test" $limit
		case $? in
		0)	continue;;
		124|137) by="$test, which hung";;
		*)	by=$test;;
		esac
		return
	done
}

# try MUTANT
try()
{
	tests=$(cat "$tmp/$1.tests")
	apply "$1" || return
	# shellcheck disable=SC2086 # several words are meant
	if ! programs $tests; then
		fault "$1: does not build: $(head -n 5 "$tmp/make")"
		restore
		return
	fi
	judge
	restore
	why=$(cat "$tmp/$1.why" 2>/dev/null)
	if [ -n "$by" ] && [ -n "$why" ]; then
		fault "$1: noticed by $by, though: $why"
	elif [ -n "$by" ]; then
		echo "noticed   $1 ($by)"
	elif [ -n "$why" ]; then
		echo "excused   $1: $why"
	else
		echo "SURVIVED  $1"
		survivors="$survivors $1"
	fi
}

read_table || exit 1
for name in ${MUTANTS:-$(cat "$tmp/names")}; do
	if [ ! -f "$tmp/$name.file" ] || [ ! -f "$tmp/$name.tests" ]; then
		echo "no mutant $name, or without a file or tests"
		exit 1
	fi
	tr ' ' '\n' <"$tmp/$name.tests" >>"$tmp/all"
	echo "$name" >>"$tmp/chosen"
done

all=$(sort -u "$tmp/all")
# shellcheck disable=SC2086 # several words are meant
if ! programs $all; then
	cat "$tmp/make"
	echo "the unchanged tests do not build"
	exit 1
fi
for test in $all; do
	passes "$test" $((limit / 2)) && continue
	cat "$tmp/log"
	echo "the unchanged $test does not pass in $((limit / 2)) s"
	exit 1
done
echo "unchanged, all tests pass; a mutant has $limit s for each"

count=0
while read -r name; do
	count=$((count + 1))
	try "$name" </dev/null
done <"$tmp/chosen"

echo "$count mutants; survivors:${survivors:- none}"
[ $faults -eq 0 ] && [ -z "$survivors" ]
