#!/bin/sh
# vimap.sh - the command vimap: each record once, in order, whatever its bytes;
# failures named, exit statuses, signals; nothing is left behind.
#
# Usage: tests/script/vimap.sh, with the program in $VIMAP (by default
# ./bin/vimap) and the sources in $srcdir (by default .).
# Exit status: 0 for success, 1 for failure, 77 if there is no program.

program=${VIMAP:-$PWD/bin/vimap}
srcdir=${srcdir:-.}
. "$srcdir/tests/script/program.sh"
ulimit -c 0

# Waiting is for events, and this long at most, in seconds.
limit=$((${VIMAP_TEST_LIMIT:-120} / 2))
# What is left behind would have this in its environment.
VIMAP_MARK=$$-$(basename "$dir")
export VIMAP_MARK dir

# expect_of INPUT STATUS ARGUMENT...: with these bytes as printf has them.
expect_of()
{
	# shellcheck disable=SC2059 # it is a format
	printf "$1" >"$dir/in"
	shift
	expect "$@" <"$dir/in"
}
# wanted TEXT: what is to be printed, as printf has it.
# shellcheck disable=SC2059 # it is a format
wanted() { printf "$1" >"$dir/expected"; }
# says TEXT...: the messages are these lines.
says()
{
	printf '%s\n' "$@" >"$dir/expected"
	same "messages" "$dir/err"
}

# The processes of this test that are not this shell's, by pid.
left()
{
	for environ in /proc/[0-9]*/environ; do
		if { tr '\0' '\n' <"$environ"; } 2>/dev/null |
		    grep -qx "VIMAP_MARK=$VIMAP_MARK"; then
			pid=${environ#/proc/}
			pid=${pid%/environ}
			case $(cat "/proc/$pid/comm" 2>/dev/null) in
			sleep|vimap*|lt-vimap*|yes) echo "$pid";;
			esac
		fi
	done
}

# ---- The examples of the manual: after "$ " a command, then what it prints.

awk -v to="$dir/example" '
/^\.Bd -literal/ { on = 1; n++; next }
/^\.Ed/ { on = 0 }
on { gsub(/\\e/, "\\"); gsub(/\\&/, "") }
on && /^\$ / { print substr($0, 3) >(to "." n ".sh"); next }
on { print >(to "." n ".out") }
' "$srcdir/man/vimap.1"
count=0
for example in "$dir"/example.*.sh; do
	PATH=$(dirname "$program"):$PATH sh "$example" >"$dir/out" 2>&1
	diff "${example%.sh}.out" "$dir/out" ||
	    fail "$(cat "$example"): (< manual, > printed)"
	count=$((count + 1))
done
[ $count -eq 5 ] || fail "the manual has 5 examples, and $count were found"

# ---- Records

wanted ''
expect_of '' 0 false
wanted '<>\n<a  "b'"'"' $c\\\\*>\n<>\n<last>\n'
expect_of '\na  "b'"'"' $c\\\\*\n\nlast' 0 printf '<%s>\n'
wanted '<a\nb>\n<c>\n'
expect_of 'a\nb\0c\0' 0 -0 printf '<%s>\n'
wanted 'a-a x{}\nb-b x{}\n'
expect_of 'a:b' 0 -d : sh -c 'echo "$1-$2 $3"' sh {} {} 'x{}'
wanted '1,2\n3,\n'
expect_of '1\n2\n3\n\n' 0 -n 2 sh -c 'echo "$1,$2"' sh
wanted '1\n\n2\n'
expect_of '1\n\n2' 0 -n 9 -i cat
printf '7\n8\n' >"$dir/file"
wanted '7 7 0\n8 7 1\n'
expect_of 'not read' 0 -j 1 -a "$dir/file" sh -c '
	read -r line && exit 1
	echo "$1 $((VIMAP_WORKER + 7)) $VIMAP_INDEX"' sh
# Nor can commands in the process of vimap read its input.
export VIMAP_WORKERS=serial
seq 99999 >"$dir/in"
cp "$dir/in" "$dir/expected"
expect 0 -n 9999 sh -c 'cat; printf "%s\n" "$@"' sh <"$dir/in"
# They fail too if whoever started vimap ignores the end of children.  libtool's
# script would not pass that on.
real=$(dirname "$program")/.libs/vimap
[ -x "$real" ] || real=$program
if env --ignore-signal=CHLD true 2>/dev/null; then
	LD_LIBRARY_PATH=$PWD/.libs env --ignore-signal=CHLD "$real" \
	    -a "$dir/file" false 2>"$dir/err"
	[ $? -eq 1 ] || fail "SIGCHLD is ignored: not exit status 1"
fi
unset VIMAP_WORKERS
wanted 'a\0b\nc\n'
expect_of 'a\0b\nc' 0 -i cat
expect_of 'a\0b\nc' 0 -F cat
wanted 'a\n'
expect_of 'a\nb\0c\n' 3 -n 1 echo
grep 'a 0 byte' "$dir/err" >/dev/null || fail "a 0 byte: $(cat "$dir/err")"

# Records and answers beyond what pipes hold, and those that are not read.
awk 'BEGIN { while (i++ < 70000) printf "some bytes "; print "" }' >"$dir/long"
cat "$dir/long" "$dir/long" >"$dir/expected"
expect 0 -j 2 -i cat <"$dir/expected"
expect 0 -j 2 -F cat <"$dir/expected"
wanted ''
expect 0 -i true <"$dir/long"
# Those that are read on behind the end of the output, or of an answer.
expect 0 -i sh -c 'exec >&-; exec cat >"$dir/read"' <"$dir/long"
cp "$dir/long" "$dir/expected"
same "-i: what was read after the output" "$dir/read"
{ head -c 100000 "$dir/long"; printf '\nb\n'; } >"$dir/in"
wanted 'some byte\nb\n'
expect 0 -j 1 -F sh -c 'while c=$(dd bs=9 count=1 2>/dev/null) && [ "$c" ]; do
	echo "$c"; read -r rest; done; :' <"$dir/in"
wanted ''
run 1 echo <"$dir/long"
grep "^vimap: record 0 'some bytes .*\.\.\.': Argument list too long$" \
    "$dir/err" >/dev/null || fail "a long argument: $(cat "$dir/err")"

# ---- Order: the first is done last; with -u it waits until the second was
# printed.

waiting='n=0; until [ -s "$dir/$0" ] || [ $((n += 1)) -gt '$limit'0 ]; do
	sleep 0.1; done'
wanted '1\n2\n'
expect_of '1\n2\n' 0 -j 2 sh -c "
	echo \$1; if [ \$1 = 2 ]; then echo >\"\$dir/done\"; else $waiting; fi" done
wanted '2\n1\n'
expect_of '1\n2\n' 0 -u -j 2 sh -c "
	[ \$1 = 2 ] || { $waiting; }; echo \$1" out

# ---- Failures

wanted 'b\n'
expect_of 'a\nb\n' 1 -j 1 sh -c '
	echo "$1"; echo "error $1" >&2; [ "$1" = b ] || kill -9 $$' sh
says "vimap: record 0 'a': killed by signal 9 (Killed)" 'error a' 'error b'
printf 'a\033[1m\302\265' >"$dir/in"
run 1 sh -c 'printf "no newline" >&2; exit 7' <"$dir/in"
says "vimap: record 0 'a?[1m$(printf '\302\265')': exit status 7" 'no newline'

# The name is short, though a character in it is whole.
awk 'BEGIN { while (i++ < 99) printf "%s", i < 60 ? "a" : "\342\202\254" }' \
    >"$dir/in"
run 1 false <"$dir/in"
says "vimap: record 0 '$(head -c 62 "$dir/in")...': exit status 1"
awk 'BEGIN { while (i++ < 99) printf "\200" }' >"$dir/in"
run 1 false <"$dir/in"
says "vimap: record 0 '$(head -c 64 "$dir/in")...': exit status 1"

# A command may empty the file that its errors go to.
wanted ''
printf 'longest\nlonger\nlong\n' >"$dir/in"
launch 0 -j 1 sh -c 'echo "$1" >/dev/stderr; echo "$1" >&2' sh <"$dir/in"
same "/dev/stderr"
says longest longest longer longer long long

wanted 'b\n'
expect_of 'a\n' 0 -r 3 sh -c '
	echo >>"$dir/tries"; [ "$(wc -l <"$dir/tries")" -eq 3 ] && echo b' sh
wanted ''
expect_of '1\n2\n' 1 -t 0.2 sleep 1000
[ "$(grep -c "^vimap: record [01] '[12]': .*200 ms" "$dir/err")" -eq 2 ] ||
    fail "-t: $(cat "$dir/err")"
seq 200 >"$dir/in"
expect 1 -x 2 -j 1 false <"$dir/in"
count=$(grep -c "^vimap: record " "$dir/err")
[ "$count" -ge 2 ] && [ "$count" -lt 100 ] || fail "-x 2: $count failures"
wanted '262144\n'
expect_of 'a\n' 0 -m 256M sh -c 'ulimit -v' sh

# A journal: only what is not done runs again, for the same command, and all
# outputs are written.  The first run is killed at the third record, once it has
# written the outputs of the others.
doing='echo "$1" >>"$dir/ran"; [ "$1" != "$(cat "$dir/bad")" ] || {
	n=0; until grep "<2>" "$dir/out" || [ $((n += 1)) -gt '$limit'0 ]; do
		sleep 0.1; done >/dev/null
	kill -9 $(cat "$dir/pid"); exec sleep 1000; }; echo "<$1>"'
echo 3 >"$dir/bad"
printf '1\n2\n3\n4\n' | sh -c 'echo $$ >"$dir/pid"; exec "$@"' sh \
    "$program" -j 1 -J "$dir/journal" sh -c "$doing" sh >"$dir/out" 2>"$dir/err"
: >"$dir/bad"
printf '1\n2\n3\n' >"$dir/expected"
same "records that ran before the kill" "$dir/ran"
: >"$dir/ran"
wanted '<4>\n<3>\n<2>\n<1>\n'
n=0
until printf '4\n3\n2\n1\n' | "$program" -J "$dir/journal" -j 1 sh -c "$doing" \
    sh >"$dir/out" 2>"$dir/err" || [ $((n += 1)) -gt "${limit}0" ]; do
	sleep 0.1		# the pool of the killed has the file for a moment
done
same "-J"
wanted '4\n3\n'
same "records that ran after it" "$dir/ran"
wanted '1\n2\n'
expect_of '1\n2\n' 0 -J "$dir/journal" -j 1 echo
expect_of '1\n2\n' 0 -J "$dir/journal" -j 1 echo
# The same words do another thing with -i or another separator.
wanted '\n'
expect_of '1\n' 0 -J "$dir/journal" -i echo
wanted '1\n'
expect_of '1\n' 0 -J "$dir/journal" -i cat
wanted '1:'
expect_of '1:' 0 -J "$dir/journal" -d : -i cat
# Each byte of the words counts, however many there are.
wanted '1\n'
expect_of '1\n' 0 -J "$dir/journal" sh -c ": $(seq -s ' ' 999); echo \$1" sh
wanted '11\n'
expect_of '1\n' 0 -J "$dir/journal" sh -c ": $(seq -s ' ' 999); echo 1\$1" sh
wanted ''

# One sentence for all records.
wanted ''
expect_of '1\n2\n3\n' 127 -j 2 "$dir/not there"
grep '^vimap: .*/not there: No such file or directory$' "$dir/err" >"$dir/one"
[ "$(wc -l <"$dir/one")" -eq 1 ] || fail "no command: $(cat "$dir/err")"
expect_of '1\n2\n' 126 "$dir/file"
expect_of '1\n2\n' 126 "$dir/file/in it"
grep '^vimap: .*/file/in it: Not a directory$' "$dir/err" >"$dir/one"
[ "$(wc -l <"$dir/one")" -eq 1 ] || fail "no directory: $(cat "$dir/err")"
expect_of '1\n2\n' 127 -F "$dir/not there"
wanted '\n'
expect_of "$dir/not there\necho\n" 1 -j 1 {}

# Filters that die, say too much, or fail at their end.
wanted '1\n3\n'
expect_of '1\n2\n3\n' 1 -j 1 -F sh -c '
	while read -r line; do [ $line != 2 ] || exit 5; echo $line; done'
says "vimap: record 1 '2': exit status 5 in place of an answer"
run 1 -j 1 -F sed -u p <"$dir/in"
wanted ''
expect_of '1\n' 1 -j 1 -F sh -c 'while read -r l; do printf "1\n1\n"; done'
says "vimap: record 0 '1': more than an answer to a record"
# It may still be in the middle of the record then, and block.
run 1 -t $limit -j 1 -F sh -c 'echo; head -c 99999 >/dev/null; exec yes' \
    <"$dir/long"
grep 'more than an answer to a record$' "$dir/err" >"$dir/one" ||
    fail "more than an answer, early: $(cat "$dir/err")"
wanted '1\n2\n'
expect_of '1\n2\n' 1 -j 1 -F sh -c 'while read -r l; do echo $l; done; exit 9'
says 'vimap: sh: Teardown failed in worker 0: exit status 9'
# They have the time of -t to end, and a signal does not wait for them.
wanted '1\n'
expect_of '1\n' 1 -t 0.3 -j 1 -F sh -c 'while read -r l; do echo $l; done
	exec sleep 1000'
grep 'longer than the 300 ms' "$dir/err" >"$dir/one" || fail "-t at the end"
printf '1\n' | sh -c 'echo $$ >"$dir/pid"; exec "$@"' sh \
    "$program" -t 1000 -j 1 -F sh -c 'while read -r l; do echo $l; done
	kill -TERM $(cat "$dir/pid"); exec sleep 1000' >"$dir/out" 2>"$dir/err"
status=$?
[ $status -eq 143 ] || fail "SIGTERM at the end: exit status $status"
same "SIGTERM at the end"
# Their errors are passed on: those behind an answer too, and in the end.
wanted '1\n2\n'
printf '1\n2\n' >"$dir/in"
launch 0 -j 1 -F sh -c '
	while read -r l; do echo $l; echo "at $l" >&2; done; echo end >&2' \
	<"$dir/in"
same "-F"
says 'at 1' 'at 2' end

# ---- Wrong arguments

wanted ''
for arguments in "" "-j 0 true" "-j -1 true" "-j x true" "-j 1.5 true" \
    "-j 99999999999 true" "-j 32767 true" "-n 0 true" "-r 0 true" \
    "-t 0 true" "-t 1e3 true" \
    "-t -1 true" "-x 0 true" "-m 5T true" "-m K true" "-m 1KK true" \
    "-d ab true" "-q true" "-F -n 2 true" "-j" "-a $dir/no/file true"; do
	# shellcheck disable=SC2086 # several words are meant
	expect 2 $arguments </dev/null
done
expect 2 -d '' true </dev/null

# ---- On a terminal the line of -p is removed before other text.

if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
	program=$program dir=$dir script -qec '"$program" -a "$dir/file" -j 1 \
	    -p sh -c '\''echo "got $1"; [ $1 = 7 ]'\'' sh' /dev/null \
	    </dev/null >"$dir/out"
	for text in 'got 7' 'vimap: record 1 '; do
		grep -F "$(printf '\r\033[K')$text" "$dir/out" >"$dir/one" ||
		    fail "-p on a terminal: $(cat "$dir/out")"
	done
else
	echo "no script that gives a terminal: -p is left out"
fi

# ---- Input and output that fail

expect 3 -a "$dir" true
if [ -c /dev/full ]; then
	"$program" -a "$dir/file" echo >/dev/full 2>"$dir/err"
	[ $? -eq 3 ] || fail "full disk: not exit status 3"
	[ "$(head -n 1 "$dir/err")" = \
	    'vimap: standard output: No space left on device' ] ||
	    fail "full disk: $(cat "$dir/err")"
fi
# Descriptors that are closed have no file of the command's own in their place.
"$program" echo <&- >"$dir/out" 2>"$dir/err"
[ $? -eq 3 ] && [ -s "$dir/err" ] || fail "closed input: $(cat "$dir/err")"
"$program" -a "$dir/file" echo >&- 2>"$dir/err"
[ $? -eq 3 ] && grep '^vimap: standard output: ' "$dir/err" >"$dir/one" ||
    fail "closed output: $(cat "$dir/err")"
cp "$dir/file" "$dir/expected"
for mode in -i -F; do
	"$program" -a "$dir/file" $mode cat <&- >"$dir/out" 2>&- ||
	    fail "$mode, closed input and errors: exit status $?"
	same "$mode, closed input and errors"
done
# Errors that cannot be written change nothing else.
seq 3 >"$dir/in"
wanted '1\n3\n'
erring()
{
	"$program" -p -j 2 sh -c 'echo "error $1" >&2; [ $1 != 2 ] &&
	    echo $1' sh <"$dir/in" >"$dir/out"
	[ $? -eq 1 ] && same "$1"
}
erring "errors to nowhere" 2>&- || fail "errors to nowhere"
[ ! -c /dev/full ] || erring "errors to a full disk" 2>/dev/full ||
    fail "errors to a full disk"
# A journal that cannot be used is left as it is, and nothing is run.
echo 'my text' >"$dir/mine"
wanted ''
for journal in "$dir/mine" "$dir" "$dir/no/journal"; do
	expect 3 -J "$journal" echo <"$dir/file"
	grep "^vimap: no pool: .*$journal " "$dir/err" >"$dir/one" ||
	    fail "-J $journal: $(cat "$dir/err")"
done
[ "$(cat "$dir/mine")" = 'my text' ] || fail "a file that is no journal"
# So is one of another run, while that has it.
printf '1\n' | "$program" -J "$dir/taken" sh -c '"$0" -J "$dir/taken" echo </dev/null
	[ $? -eq 3 ] && echo refused' "$program" >"$dir/out" 2>"$dir/err"
wanted 'refused\n'
same "-J in use: $(cat "$dir/err")"
{
	yes 2>/dev/null | "$program" -j 2 echo 2>"$dir/err"
	echo $? >"$dir/status"
} | head -n 1 >"$dir/out"
[ "$(cat "$dir/status")" -eq 141 ] ||
    fail "closed output: exit status $(cat "$dir/status")"

# ---- Signals: two are done, then the command sends one.

for signal in TERM INT; do
	[ $signal = TERM ] || env --default-signal=INT true 2>/dev/null || {
		echo "no env --default-signal: SIGINT is left out"
		continue
	}
	[ $signal = TERM ] && clean= || clean='env --default-signal=INT'
	printf '1\n2\n3\n4\n' | $clean sh -c 'echo $$ >"$dir/pid"; exec "$@"' sh \
	    "$program" -j 1 sh -c '
		[ "$2" -lt 3 ] && echo "$2" && exit
		setsid sleep 1000 &
		kill -"$1" "$(cat "$dir/pid")"
		exec sleep 1000' sh $signal >"$dir/out" 2>"$dir/err"
	status=$?
	[ $status -eq $((128 + $(kill -l $signal 2>/dev/null || echo 0))) ] ||
	[ $status -eq 143 ] || [ $status -eq 130 ] ||
	    fail "SIG$signal: exit status $status"
	wanted '1\n2\n'
	same "SIG$signal"
	[ -z "$(left)" ] || fail "SIG$signal: $(left) are left"
done

# After SIGKILL the pool ends by itself.
printf '1\n' | sh -c 'echo $$ >"$dir/pid"; exec "$@"' sh "$program" sh -c '
	kill -KILL "$(cat "$dir/pid")"; exec sleep 1000' sh 2>"$dir/err"
n=0
while [ -n "$(left)" ] && [ $((n += 1)) -lt "${limit}0" ]; do
	sleep 0.1
done
[ -z "$(left)" ] || fail "SIGKILL: $(left) are left"

[ $failures -eq 0 ]
