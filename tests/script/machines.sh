#!/bin/sh
# machines.sh - pools on the machines of tests/machines/world.sh, which ssh leads
# to: results are those of a local pool; whatever is lost, each input comes back
# exactly once, and soon; a machine that cannot serve is named with the reason;
# no process is left.
#
# Usage: tests/script/machines.sh, with the sources in $srcdir (by default .).
# A part of the cases is drawn (sample.sh).
# Exit status: 0 for success, 1 for failure, 77 where no such world can be made.

srcdir=${srcdir:-.}
program=$PWD/tests/machines/drive
words=$PWD/examples/cluster_wordcount

# The long chaos takes eight.
[ "${VIMAP_LONG:-}" != 1 ] || export MACHINES="1 2 3 4 5 6 7 8"
[ -n "$WORLD" ] || exec /bin/sh "$srcdir/tests/machines/world.sh" /bin/sh "$0"

. "$srcdir/tests/script/program.sh"
. "$srcdir/tests/script/sample.sh"
. "$srcdir/tests/machines/checks.sh"
far="'$program'"
connect=60000

# three OPTION...: the driver on the three machines.
three()
{
	drive "$program" -s $silence "$@" -- ssh h1 "$far" -- \
	    ssh h2 "$far" -- ssh h3 "$far"
}

# lost WHAT HOW N: a machine is harmed shortly before the end.
lost()
{
	three -u 2000 -a "2500:$harm $2 $3"
	whole "$1" 3000 "${4:-0}"
	soon "$1"
}

# named WHAT WORDS MORE COMMAND...: a pool with no other machine says so.
named()
{
	what=$1 text=$2 more=$3
	shift 3
	drive "$program" -n 10 -p 1 -c $connect -- "$@"
	[ $status -eq 1 ] && grep '^error ' "$dir/out" | grep -e "$text" |
	    grep -e "$more" >/dev/null && return
	fail "$what: exit status $status, no '$text' and '$more'"
	show
}

# ---- Counts ----

for file in "$srcdir/README.md" "$srcdir/COPYING" "$srcdir"/lib/*/*.c; do
	cat "$file"
done >"$dir/text"
"$words" -j 2 "$dir/text" "$srcdir/COPYING" >"$dir/expected" ||
    fail "words here: exit status $?"
for from in "-h h1 -h h2 -h h3" "-j 1 -h h2"; do
	# shellcheck disable=SC2086 # several words are meant
	"$words" $from "$dir/text" "$srcdir/COPYING" >"$dir/out" 2>"$dir/err" ||
	    fail "words by ssh: exit status $?: $(cat "$dir/err")"
	same "words by ssh: $from"
done

# same_there EXAMPLE ARGUMENT...: it prints the same with two machines.
same_there()
{
	example=$PWD/examples/$1
	shift
	"$example" "$@" >"$dir/expected" || fail "$example: exit status $?"
	"$example" -H "over h1" -H "over h2" "$@" >"$dir/out" 2>"$dir/err" ||
	    fail "$example by ssh: exit status $?"
	[ ! -s "$dir/err" ] || fail "$example by ssh: $(cat "$dir/err")"
	same "$example by ssh"
}

# A path may need quotes there.
mkdir "$dir/bin" && cat >"$dir/bin/over" <<'END'
#!/bin/sh
exec ssh "$1" "'$2' $3"
END
chmod 700 "$dir/bin/over" || exit 1
PATH=$dir/bin:$PATH
same_there integrate
same_there integrate 23
same_there squaresum
same_there mapreduce_wordcount
same_there mapreduce_wordcount -w 1 "$dir/text"

three -u 2000
whole "all is well" 3000
usual=$(sed -n 's/^after //p' "$dir/out")
for n in 1 2 3; do
	said "host $n [1-9].*" || fail "h$n had nothing to do: $(show)"
done

# ---- A tree ----

# tree OPTION...: the driver on two machines behind a third.
tree()
{
	drive "$program" -s $silence -t "$@" -- ssh h1 "$far" -- \
	    ssh h2 "$far" -- ssh h3 "$far"
}

tree -u 2000
whole "a tree" 3000
if drawn 7; then
	tree -u 2000 -a "2500:$harm agent 1"
	whole "a gateway that is killed" 3000
	none_left "a gateway that is killed"
fi
if drawn 7; then
	tree -u 2000 -a "2500:$harm cut 3"
	whole "a cut wire behind a gateway" 3000
	said 'lost 0' || fail "a cut wire behind a gateway: h1 was lost"
	eval "$harm heal 3"
	none_left "a cut wire behind a gateway"
fi

# ---- Machines that come and go ----

if drawn 7; then
	three -u 2000 -A 1000 -R 1500
	whole "a machine that comes late, and another that goes" 3000
	said "host 3 [1-9].*" || fail "h3 came late, and had nothing to do"
	said "state 1 5 .*" || {
		fail "h1 was removed, and is not gone"
		show
	}
	said "lost 0" || fail "machines that come and go: one was lost"
	none_left "machines that come and go"
fi

# ---- Losses ----

lost "a machine that hears nothing" drop 1
none_left "a machine that hears nothing"
eval "$harm accept 1"

if drawn 7; then
	lost "a cut wire" cut 2
	none_left "a cut wire"
	eval "$harm heal 2"
fi
if drawn 7; then
	lost "a killed ssh" command 3
	none_left "a killed ssh"
fi
if drawn 7; then
	lost "a killed agent" agent 1
	none_left "a killed agent"
fi
if drawn 7; then
	# The item that it was at.
	lost "a killed worker" worker 2 '[01]'
	none_left "a killed worker"
fi
if drawn 7; then
	lost "a stopped agent" stop 3
	eval "$harm resume 3"
	none_left "a resumed agent"
fi

# ssh notices it too, if told to, and the link hears of that.
if drawn 7; then
	drive "$program" -s 600000 -u 2000 -a "2500:$harm drop 1" -- \
	    ssh -oServerAliveInterval=1 -oServerAliveCountMax=2 h1 "$far" -- \
	    ssh h2 "$far"
	whole "ssh notices" 3000
	grep 'h1: Timeout, server h1 not responding' "$dir/err" >/dev/null || {
		fail "ssh notices: its words are missing"
		show
	}
	eval "$harm accept 1"
	none_left "ssh notices"
fi

# A machine comes back: a replaced link is a replaced worker.
for how in "cut 1:heal 1" "drop 2:accept 2" "agent 3:command 1"; do
	drawn 7 || continue
	three -n 1000000 -u 2000 -e -a "1000:$harm ${how%:*}" \
	    -a "3000:$harm ${how#*:}"
	whole "$how" "[0-9]*"
	none_left "$how"
done

# ---- Chaos ----

# harms PID N: until that process ends, harms the machine, and heals its wire.
# A machine that has nothing to harm just now is spared.
harms()
{
	awk -v seed="${VIMAP_TEST_SEED:-0}$2" 'BEGIN {
		n = split("cut drop agent command agent command", how)
		split("heal accept : : : :", back)
		for (srand(seed); i++ < 100000; ) {
			k = 1 + int(rand() * n)
			print how[k], back[k], 1 + rand() * (k < 3 ? 3 : 2)
		}
	}' >"$dir/harms$2"
	while read -r how back pause; do
		kill -0 "$1" 2>/dev/null || break
		eval "$harm $how $2"
		sleep "$pause"
		[ "$back" = : ] || eval "$harm $back $2"
	done <"$dir/harms$2" >/dev/null 2>&1
}

# chaos INPUTS LOSSES US MACHINE...: that many inputs, each of that time, come
# back although all machines are lost again and again, that often at least.
chaos()
{
	inputs=$1 losses=$2 us=$3
	shift 3
	machines=$*
	set --
	for n in $machines; do
		set -- "$@" -- ssh "h$n" "$far"
	done
	began=$(uptime)
	"$program" -s 1000 -n "$inputs" -u "$us" -l 1000 "$@" >"$dir/out" \
	    2>"$dir/err" &
	pid=$!
	for n in $machines; do
		harms $pid "$n" &
	done
	wait $pid
	status=$?
	wait
	whole "chaos" "$inputs"
	lost=$(sed -n 's/^lost //p' "$dir/out")
	echo "$inputs results, machines lost $lost times," \
	    "$((($(uptime) - began) / 1000)) s"
	[ "${lost:-0}" -ge "$losses" ] || fail "chaos: fewer than $losses losses"
	none_left "chaos"
}

# Milliseconds since the machine was started.
uptime()
{
	read -r seconds _ </proc/uptime
	echo "${seconds%.*}${seconds#*.}0"
}

if [ "${VIMAP_LONG:-}" = 1 ]; then
	chaos 1000000 500 1000 $MACHINES
elif drawn 7; then
	chaos 40000 1 1000 1 2 3
fi

# ---- The caller killed ----

# killed_caller WHAT COMMAND: with a command of the shell first.  Nothing is left
# after the bound on silence and some time to end, longer on a slow machine.
killed_caller()
{
	rm -f "$dir/going"
	"$program" -s $silence -n 1000000 -u 2000 -a "500:$2" \
	    -a "501:: >'$dir/going'" -- ssh h1 "$far" -- ssh h2 "$far" \
	    >"$dir/out" 2>"$dir/err" &
	caller=$!
	until [ -e "$dir/going" ]; do
		kill -0 $caller 2>/dev/null || {
			fail "$1: the caller has ended"
			show
			return
		}
		sleep 0.05
	done
	kill -KILL $caller
	wait $caller 2>/dev/null
	began=$(uptime)
	none_left "$1"
	took=$(($(uptime) - began))
	[ $took -le $(((silence + 2000) * (limit > 120 ? limit : 120) /
	    120)) ] || fail "$1: after $took ms"
}

killed_caller "a killed caller" :
if drawn 7; then
	killed_caller "a killed caller, and a cut wire" "$harm cut 1"
	eval "$harm heal 1"
fi

# The caller's machine is cut for good, with all that runs there.
if drawn 7; then
	killed_caller "a caller that vanishes" \
	    "for n in 1 2 3; do $harm cut \$n; done"
	for n in 1 2 3; do
		eval "$harm heal $n"
	done
fi

# ---- Machines that cannot serve ----

named "a wrong key" stranger 'Permission denied (publickey)' \
    ssh stranger "$far"
if drawn 7; then
	named "an unknown name" nosuch 'not resolve hostname nosuch' \
	    ssh nosuch "$far"
	named "an unknown host key" h2 'Host key verification failed' \
	    ssh -oUserKnownHostsFile=/dev/null h2 "$far"
fi
if drawn 7; then
	# Without a path: of a long text, the error tells only the beginning.
	named "no such program" drive.none 'not found' ssh h2 drive.none
	named "another build" h2 'is another build' ssh h2 "'${program}_again'"
fi
if drawn 7; then
	named "another worker" h2 "no worker of the name 'drive'" ssh h2 "'$words'"
	named "a main() without vm_agent()" 'call vm_agent()' '2 4 6 8' \
	    ssh h2 "'$PWD/examples/double'"
fi
if drawn 7; then
	named "garbage" 'nothing of an agent' 'y y y' ssh h2 'yes #'
	connect=300
	named "a machine that says nothing" connect_timeout_ms ssh \
	    ssh h2 'cat >&2 #'
	connect=60000
fi

# A noisy shell does no harm.
if drawn 7; then
	drive "$program" -u 2000 -- ssh noisy@h1 "$far"
	whole "a noisy shell" 3000
fi

# Beside them the others do all work.
drive "$program" -n 1000000 -u 2000 -g -- ssh h1 "$far" -- \
    ssh stranger "$far" -- ssh h3 "$far"
whole "beside a wrong key" "[0-9]*"
said 'state 2 .*Permission denied (publickey).*' || {
	fail "beside a wrong key: it is not named"
	show
}
none_left "machines that cannot serve"

[ $failures -eq 0 ]
