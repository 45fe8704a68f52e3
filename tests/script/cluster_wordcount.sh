#!/bin/sh
# cluster_wordcount.sh - examples/cluster_wordcount counts words as standard
# tools do, on this machine and by commands in the place of ssh and srun, which
# stay on it.  tests/script/machines.sh has the real ones.
#
# Usage: tests/script/cluster_wordcount.sh, with the program in $CLUSTER (by
# default ./examples/cluster_wordcount) and the sources in $srcdir (by default
# .).
# Exit status: 0 for success, 1 for failure, 77 if there is no program.

program=${CLUSTER:-./examples/cluster_wordcount}
srcdir=${srcdir:-.}
. "$srcdir/tests/script/program.sh"

# Texts, a word longer than a part, and ends that are easily got wrong.
mkdir "$dir/texts" "$dir/bin" && cp "$srcdir/README.md" "$srcdir/COPYING" \
    "$srcdir/include/vimap.h" "$dir/texts" && : >"$dir/texts/empty" &&
    printf 'Licence' >"$dir/texts/no newline" &&
    printf '\377the\000The THE\r\n@[`{' >"$dir/texts/bytes" &&
    { echo the; head -c 600000 /dev/zero | tr '\0' W; echo ' end'; } \
	>"$dir/texts/long" || { echo "FAIL: no texts"; exit 1; }
for file in "$dir"/texts/*; do
	cat "$file" && echo
done | tr -cs 'A-Za-z' '\n' | tr 'A-Z' 'a-z' | grep . | sort | uniq -c |
    awk '{ print $1, $2 }' | sort -k 1,1nr -k 2,2 >"$dir/expected"
[ "$(wc -l <"$dir/expected")" -gt 100 ] ||
    { echo "FAIL: hardly any words"; exit 1; }

# The commands: each drops its options and runs the rest here.
cat >"$dir/bin/ssh" <<'END'
#!/bin/sh
while [ "$1" != -- ]; do shift; done
[ "$2" != gone ] || { echo "no route to $2" >&2; exit 255; }
shift 2
exec sh -c "$*"
END
cat >"$dir/bin/srun" <<'END'
#!/bin/sh
while [ "$1" != -w ]; do shift; done
shift 2
exec "$@"
END
cat >"$dir/bin/scontrol" <<'END'
#!/bin/sh
[ "$*" = "show hostnames" ] || exit 1
echo "$SLURM_JOB_NODELIST" | tr , '\n'
END
chmod 700 "$dir"/bin/* || exit 1
PATH=$dir/bin:$PATH
export PATH

set -- "$dir"/texts/*
expect 0 "$@"
expect 0 -j 3 "$@"
expect 0 -h a -h b "$@"
expect 0 -j 1 -h a "$@"
SLURM_JOB_NODELIST=n1,n2
export SLURM_JOB_NODELIST
expect 0 -s "$@"

# A machine that is not there is named, if there is time, and the others do its
# work.
launch 0 -h gone -j 2 "$@"
same "a machine that is gone"

# A file that is not there is named, and the others are counted.
run 1 -h a "$dir/texts/none" "$@" "$dir"
same "missing file"
grep "texts/none: No such file" "$dir/err" >/dev/null ||
    fail "missing file: no message names it"
[ "$(wc -l <"$dir/err")" -eq 2 ] || fail "missing file: not two messages"

for arguments in "" "-s" "-j" "-j x f" "-j 0 f" "-h" "-q f"; do
	# shellcheck disable=SC2086 # several words are meant
	run 2 $arguments
done
unset SLURM_JOB_NODELIST
run 1 -s "$@"

on_full_disk -j 1 "$dir/texts/long"

[ $failures -eq 0 ]
