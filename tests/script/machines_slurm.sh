#!/bin/sh
# machines_slurm.sh - pools on the nodes of a real cluster of Slurm, in the world
# of tests/machines/slurm.sh: results in salloc and sbatch; a node that is cut off
# and a command that is killed cost no input; the queue is empty in the end.
#
# Usage: tests/script/machines_slurm.sh, with the sources in $srcdir (by default
# .), and VIMAP_LONG=1 in the environment, as "make check-long" has it.
# Exit status: 0 for success, 1 for failure, 77 where Slurm cannot run.

srcdir=${srcdir:-.}
program=$PWD/tests/machines/drive
words=$PWD/examples/cluster_wordcount

if [ -z "$WORLD" ]; then
	. "$srcdir/tests/machines/packages.sh"
	[ "$VIMAP_LONG" = 1 ] || skip "only for make check-long"
	need slurmctld:slurmctld:slurmctld slurmd:slurmd:slurmd \
	    srun:slurm-client munged:munge:munge
	exec /bin/sh "$srcdir/tests/machines/world.sh" \
	    /bin/sh "$srcdir/tests/machines/slurm.sh" /bin/sh "$0"
fi

. "$srcdir/tests/script/program.sh"
. "$srcdir/tests/machines/checks.sh"

# job OPTION...: the driver in a job with the three nodes.
job()
{
	set -- salloc -Q -N3 --no-kill "$program" -s $silence -u 2000 "$@"
	for n in 1 2 3; do
		set -- "$@" -- srun --unbuffered --overlap --cpu-bind=none \
		    --no-kill -N1 -n1 -w h$n "$program"
	done
	drive "$@"
}

# no_job WHAT: is left, in the end.
no_job()
{
	tries=0
	until squeue -h >"$dir/queue" && [ ! -s "$dir/queue" ]; do
		[ $((tries += 1)) -le $((limit * 5)) ] || {
			fail "$1: jobs are left"
			cat "$dir/queue"
			return
		}
		sleep 0.1
	done
	none_left "$1"
}

cat "$srcdir"/lib/*/*.c >"$dir/text" && "$words" -j 2 "$dir/text" \
    "$srcdir/COPYING" >"$dir/expected" || fail "words here: exit status $?"
salloc -Q -N3 "$words" -s "$dir/text" "$srcdir/COPYING" >"$dir/out" \
    2>"$dir/err" || fail "words in salloc: $(cat "$dir/err")"
same "words in salloc"
cat >"$dir/batch" <<END
#!/bin/sh
exec '$words' -s '$dir/text' '$srcdir/COPYING'
END
sbatch -Q -W -N3 -D "$PWD" -o "$dir/out" -e "$dir/err" "$dir/batch" ||
    fail "words in sbatch: $(cat "$dir/err")"
same "words in sbatch"
no_job "words"

# Pilots: the jobs of an array join when they begin, two of them while items run.
pilots()
{
	cat >"$dir/pilot" <<-END
	#!/bin/sh
	exec '$program' -J '$dir/door'
	END
	sbatch -Q -N1 -n1 --array="$1" -D "$PWD" -o "$dir/pilot-%a" \
	    -e "$dir/pilot-%a" "$dir/pilot" || fail "pilots: sbatch"
}

pilots 1
action="500:$(command -v sbatch) -Q -N1 -n1 --array=2-3 -D '$PWD' \
    -o '$dir/pilot-%a' -e '$dir/pilot-%a' '$dir/pilot'"
drive "$program" -s $silence -u 2000 -L "$dir/door" -a "$action"
whole "pilots" 3000
[ "$(grep -c '^host [1-9][0-9]* [1-9]' "$dir/out")" -eq 3 ] || {
	fail "pilots: not all three had work"
	show
}
no_job "pilots"

job
whole "all is well" 3000
usual=$(sed -n 's/^after //p' "$dir/out")
for n in 1 2 3; do
	said "host $n [1-9].*" || fail "h$n had nothing to do: $(show)"
done
no_job "all is well"

for how in "cut 2" "drop 3" "command 1" "agent 2" "stop 1"; do
	job -a "2500:$harm $how"
	whole "$how" 3000
	soon "$how"
	case $how in
	cut*) eval "$harm heal 2";;
	drop*) eval "$harm accept 3";;
	esac
	no_job "$how"
done

[ $failures -eq 0 ]
