#!/bin/sh
# bench.sh - each program of the benchmark runs, each workload gives the
# checksum that it must, and what is printed is what bench/run.sh reads.
#
# Usage: tests/script/bench.sh, with the programs in ./bench and the sources in
# $srcdir (by default .).  Some of the cases are tried, by the day.  Sizes are
# tiny: this says nothing about speed.
# Exit status: 0 for success, 1 for failure, 77 if the programs are not built.

srcdir=${srcdir:-.}
# shellcheck disable=SC1091 # it is not followed
. "$srcdir/tests/script/sample.sh"
LC_ALL=C
export LC_ALL

if [ ! -x bench/pool ]; then
	echo "no program bench/pool: skipped"
	exit 77
fi
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

failures=0
fail()
{
	echo "FAIL: $*"
	failures=$((failures + 1))
}

# A bound on the time of each, where there is timeout(1): the limit of a test.
limit=${VIMAP_TEST_LIMIT:-120}
if command -v timeout >/dev/null 2>&1; then
	bounded() { timeout "$limit" "$@"; }
else
	bounded() { "$@"; }
fi

# sum WORKLOAD ITEMS: the checksum, where it is easily told.
sum()
{
	case $1 in
	kib|*[0-9][km]|mib|sum|index)	echo any;;
	start)			echo $(($2 * 16));;
	*)			echo $(($2 * $2));;
	esac
}

# try "COMMAND" WORKLOAD ITEMS [ARGUMENT...]: the line has its five fields,
# with the numbers that are known, or seven.
try()
{
	command=$1
	shift
	# shellcheck disable=SC2086 # words are meant
	line=$(bounded $command "$@")
	status=$?
	[ $status -ne 77 ] || return 0
	[ $status -eq 0 ] || fail "$command $*: exit status $status"
	echo "$line" | awk -v items="$2" -v sum="$(sum "$@")" '
	NR == 1 && (NF == 5 || NF == 7) && $1 == items &&
	    $2 ~ /^[0-9]+\.[0-9]+$/ && $3 ~ /^[0-9]+\.[0-9]+$/ &&
	    $4 ~ /^[0-9]+$/ && (sum == "any" || $4 == sum) &&
	    $5 ~ /^[0-9]+$/ { good = 1 }
	END { exit !(good && NR == 1) }' || fail "$command $*: printed $line"
}

# Every program finds the same sums, since each has compared them with its
# own.
for workload in tiny kib us ms skew; do
	for program in pool map_array by_hand raw_pipe raw_shm peer_threads \
	    peer_openmp peer_zmq; do
		[ ! -x bench/$program ] || ! drawn 4 ||
		    try bench/$program $workload 20 2 3 2
	done
done
! drawn 4 || try bench/pool mib 3 2
! drawn 4 || try bench/map_array mib 3 2
for workload in 16k 64k 256k 4m 16m; do
	! drawn 4 || try bench/pool $workload 3 2
	! drawn 4 || try bench/by_hand $workload 3 2
	! drawn 4 || try bench/raw_shm $workload 3 2 1 2
done
! drawn 4 || try bench/pool sum 66 2
! drawn 4 || try bench/pool index 66 2
! drawn 4 || try bench/pool pingpong 20 1
! drawn 4 || try bench/pool start 2 3 0 0 1
! drawn 4 || try bench/pool exec 3 2
! drawn 4 || try bench/pool tiny 1000
! drawn 4 || try bench/pool tiny 1000 2 0 0 0 1000
! drawn 4 || try bench/by_hand mib 3 2
! drawn 4 || try bench/by_hand pingpong 20 1
! drawn 4 || try bench/by_hand start 2 3
! drawn 4 || try bench/raw_pipe mib 3 2
! drawn 4 || try bench/raw_pipe pingpong 20 1
! drawn 4 || try bench/raw_pipe start 2 3
! drawn 4 || try bench/raw_shm mib 3 2
! drawn 4 || try bench/raw_shm pingpong 20 1
! drawn 4 || try bench/raw_fork sum 66 2
! drawn 4 || try bench/peer_xargs exec 3 2
if [ -x bench/peer_zmq ]; then
	! drawn 4 || try bench/peer_zmq mib 3 2
	! drawn 4 || try bench/peer_zmq pingpong 20 1
fi

# Where MPI starts anything at all.
OMPI_ALLOW_RUN_AS_ROOT=1
OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM \
    OMPI_MCA_rmaps_base_oversubscribe
if ! drawn 4; then
	:
elif [ ! -x bench/peer_mpi ] ||
    ! bounded mpirun -np 3 true </dev/null >"$dir/mpi" 2>&1; then
	echo "MPI is not here, or does not start: skipped"
else
	try "mpirun -np 3 bench/peer_mpi" tiny 20 2 3 2
	try "mpirun -np 3 bench/peer_mpi" mib 5 2
	try "mpirun -np 2 bench/peer_mpi" pingpong 20 1
fi

# Peers in other languages, if these are there.
python=${PYTHON:-python3}
perl=${PERL:-perl}
if command -v "$python" >/dev/null 2>&1; then
	! drawn 4 || try "$python $srcdir/bench/peer_python.py imap" kib 10 2 2
	! drawn 4 || try "$python $srcdir/bench/peer_python.py futures" tiny 10 2 2
fi
if command -v "$perl" >/dev/null 2>&1; then
	! drawn 4 || try "$perl $srcdir/bench/peer_mce.pl" kib 10 2 2 2>/dev/null
fi

# The driver reads all that.
BENCH_TIMEOUT=$limit
export BENCH_TIMEOUT
if BENCH_ONLY=W6 BENCH_RESULTS=$dir/results ROUNDS=1 SCALE=1 \
    sh "$srcdir/bench/run.sh" >"$dir/log" 2>&1; then
	grep '^  raw_pipe .*[0-9]' "$dir/results.txt" >/dev/null ||
	    fail "no raw_pipe in the table"
	grep '^The machine, before: .*page fault [0-9]' "$dir/results.txt" \
	    >/dev/null || fail "no figures of the machine"
	grep '^W6: .*; limit [0-9.]* [um]s$' "$dir/results.txt" \
	    >/dev/null || fail "no limit of a round trip"
	awk -F'|' 'NF != 8 || $8 <= 0 { bad = 1 } END { exit bad }' \
	    "$dir/results.data" || fail "runs without page faults"
	grep '</svg>' "$dir/results.svg" >/dev/null || fail "no chart"
else
	cat "$dir/log"
	fail "the driver"
fi

# With workloads in rounds of their own, and the spread of each ratio.
if ! drawn 4; then
	:
elif BENCH_ONLY=W11 BENCH_RESULTS=$dir/paired ROUNDS=1 SCALE=1 \
    sh "$srcdir/bench/run.sh" >"$dir/log" 2>&1; then
	[ "$(grep -c '^W11|pool|' "$dir/paired.data")" -eq 3 ] ||
	    fail "not three times as many rounds"
	grep '^  pool  .* [0-9.]* .. [0-9.]*$' "$dir/paired.txt" >/dev/null ||
	    fail "no spread of a ratio"
else
	cat "$dir/log"
	fail "the driver, on rounds of their own"
fi
[ ! -x bench/steps ] || bench/steps 1000 >/dev/null || fail "bench/steps"

bounded bench/loops 50 5000 1 >/dev/null || fail "loops"

# Words are counted alike, on a pool and in a single process.
printf 'a b a\nc b a\n%s\n' "$(seq 1 2000 | sed 's/.*/x& y/')" >"$dir/text"
bounded bench/words_pool "$dir/text" 2 >"$dir/pool" 2>/dev/null ||
    fail "words_pool"
bounded bench/words_one "$dir/text" >"$dir/one" 2>/dev/null || fail "words_one"
[ "$(wc -l <"$dir/one")" -eq 2004 ] && cmp "$dir/pool" "$dir/one" ||
    fail "words are counted in different ways"

# The counter of page faults passes on how a command ends, and a signal.
bench/counted "$dir/faults" sh -c 'exit 7'
[ $? -eq 7 ] || fail "counted: not the status of its command"
bench/counted "$dir/faults" sh -c 'kill -9 $$'
[ $? -eq 137 ] || fail "counted: not the signal of its command"
bench/counted "$dir/faults" "$dir/no such program" 2>/dev/null
[ $? -eq 127 ] || fail "counted: a program that is not there"

# Items and bytes go through a command, here one that stays on this machine.
# tells WHAT COMMAND...: it prints its seconds, and CPU times.
tells()
{
	what=$1
	shift
	bounded "$@" >"$dir/far" 2>&1 &&
	    grep '^seconds [0-9.]* mb [0-9.]* caller .* all [0-9.]*$' \
		"$dir/far" >/dev/null || fail "far: $what: $(cat "$dir/far")"
}
tells items bench/far pool 20 1000 8 bench/far
tells "items back" bench/far pool 20 1000 1000 bench/far
tells bytes bench/far bytes 20 1000 8 sh -c 'echo; cat >/dev/null; echo'
tells "bytes back" bench/far bytes 20 1000 1000 sh -c 'echo; exec cat'
bounded bench/far bytes 20 1000 8 sh -c 'echo; exec head -c 9' \
    >/dev/null 2>&1 && fail "far: a command that ends early"

# Agents here, in a tree; the items take four seconds.
bounded bench/tree 2x2 >"$dir/tree" 2>&1 &&
    grep '^2x2  *4  *[0-9]' "$dir/tree" >/dev/null ||
    fail "tree: $(cat "$dir/tree")"
bounded bench/tree 2x >/dev/null 2>&1
[ $? -eq 2 ] || fail "tree: a shape that is none"

# What cannot be meant is refused.
bench/pool nonsense 1 >/dev/null 2>&1 && fail "a workload that is none"
bench/pool tiny 0 >/dev/null 2>&1 && fail "no items"

[ $failures -eq 0 ]
