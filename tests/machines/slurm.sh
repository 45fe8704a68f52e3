#!/bin/sh
# slurm.sh - runs a command in a cluster of Slurm: inside tests/machines/world.sh,
# whose machines are the nodes, with two CPUs each.
#
# Usage: tests/machines/world.sh tests/machines/slurm.sh COMMAND [ARGUMENT]...
# Exit status: that of the command; 77 where Slurm does not start.
#
# The controller runs beside the command.  All files are in $WORLD/slurm.

here=$(dirname "$0")
. "$here/packages.sh"
at=$WORLD/slurm

# until_true COMMAND...: waits for it; fails after a minute.
until_true()
{
	tries=0
	until "$@" >/dev/null 2>&1; do
		[ $((tries += 1)) -le 300 ] || return
		sleep 0.2
	done
}

no_slurm()
{
	echo "$*"
	tail -n 5 "$at"/*.log "$at"/*.out 2>/dev/null
	skip "Slurm does not start"
}

# Authentication: a key of this cluster alone.
start_munge()
{
	mkdir -m 755 "$at/munge" && head -c 1024 /dev/urandom >"$at/munge/key" ||
	    return
	munged --force --foreground --socket="$at/munge/socket" \
	    --key-file="$at/munge/key" --seed-file="$at/munge/seed" \
	    --log-file="$at/munge.log" --pid-file="$at/munge/pid" \
	    >"$at/munge.out" 2>&1 &
	until_true test -S "$at/munge/socket"
}

make_settings()
{
	cat >"$at/slurm.conf" <<-END
	ClusterName=vimap
	SlurmctldHost=caller(10.77.0.254)
	SlurmUser=root
	SlurmdUser=root
	AuthType=auth/munge
	AuthInfo=socket=$at/munge/socket
	CredType=cred/munge
	StateSaveLocation=$at/state
	SlurmdSpoolDir=$at/%n.spool
	SlurmctldPidFile=$at/controller.pid
	SlurmdPidFile=$at/%n.pid
	SlurmctldLogFile=$at/controller.log
	SlurmdLogFile=$at/%n.log
	ProctrackType=proctrack/pgid
	TaskPlugin=task/none
	SelectType=select/cons_tres
	SelectTypeParameters=CR_CPU
	JobAcctGatherType=jobacct_gather/none
	AccountingStorageType=accounting_storage/none
	MpiDefault=none
	ReturnToService=2
	InactiveLimit=0
	KillWait=2
	SchedulerParameters=sched_interval=1,batch_sched_delay=0
	END
	for n in 1 2 3; do
		echo "NodeName=h$n NodeAddr=10.77.0.$n CPUs=2 State=UNKNOWN"
	done >>"$at/slurm.conf"
	echo "PartitionName=all Nodes=ALL Default=YES State=UP" \
	    >>"$at/slurm.conf"
	version=v1
	[ ! -e /sys/fs/cgroup/cgroup.controllers ] || version=v2
	printf 'CgroupPlugin=cgroup/%s\nCgroupAutomount=no\n' $version \
	    >"$at/cgroup.conf"
	chmod 644 "$at"/*.conf
}

# start_node N
start_node()
{
	mkdir "$at/h$1.spool" || return
	# shellcheck disable=SC2016 # for the other shell
	nsenter "--net=/run/netns/h$1" unshare --uts sh -c \
	    'hostname "$0" && exec slurmd -D -N "$0" -f "$1"' \
	    "h$1" "$at/slurm.conf" >"$at/h$1.out" 2>&1 &
}

all_idle()
{
	[ "$(sinfo -h -N -o %T | grep -c '^idle$')" -eq 3 ]
}

umask 022
mkdir -m 755 "$at" && mkdir -m 700 "$at/state" || exit 1
start_munge || no_slurm "no munge"
make_settings
SLURM_CONF=$at/slurm.conf
export SLURM_CONF
slurmctld -D -f "$SLURM_CONF" >"$at/controller.out" 2>&1 &
for n in 1 2 3; do
	start_node $n
done
until_true all_idle || no_slurm "no nodes: $(sinfo -h -N -o '%n %T')"

"$@"
