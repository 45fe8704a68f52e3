# checks.sh - checks of a run of tests/machines/drive in a world of machines; read
# with ".", after tests/script/program.sh.
#
# $silence is the bound on silence in ms, and $usual the time of a run in which
# nothing is lost.

harm="sh '$srcdir/tests/machines/harm.sh'"
limit=${VIMAP_TEST_LIMIT:-120}
silence=2000

# drive COMMAND...: runs the driver; what it prints is kept.
drive()
{
	"$@" >"$dir/out" 2>"$dir/err"
	status=$?
}

show()
{
	cat "$dir/out" "$dir/err"
}

# said LINE: the driver has printed that line.
said()
{
	grep -x "$1" "$dir/out" >/dev/null
}

# whole WHAT N [FAILED]: all results are there, and right.
whole()
{
	[ $status -eq 0 ] &&
	    said "results $2 wrong 0 twice 0 missing 0 failed ${3:-0}" && return
	fail "$1: exit status $status"
	show
}

# soon WHAT: no longer than after the bound on silence, the time that the whole
# takes when nothing is lost, and 2 s, all of them longer on a slow machine.
soon()
{
	most=$(((silence + 2000 + usual) * (limit > 120 ? limit : 120) / 120))
	took=$(sed -n 's/^after //p' "$dir/out")
	[ "${took:-$most}" -lt "$most" ] || fail "$1: $took ms, not $most"
}

# Processes of the driver, and commands, that are no zombies.
left()
{
	cat /proc/[0-9]*/stat 2>/dev/null |
	    grep -E '^[0-9]+ \((drive|drive:[^)]*|ssh|srun)\) [^ZX]'
}

# none_left WHAT: in the end, on any machine.
none_left()
{
	tries=0
	while left >"$dir/left"; do
		[ $((tries += 1)) -le $((limit * 5)) ] || {
			fail "$1: processes are left"
			cat "$dir/left"
			return
		}
		sleep 0.1
	done
}
