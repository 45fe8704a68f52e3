#!/bin/sh
# harm.sh - harms a machine of tests/machines/world.sh, or heals it.
#
# Usage: tests/machines/harm.sh HOW N
#
#	cut, heal	the wire of hN
#	drop, accept	all that hN receives, silently
#	command		kills the ssh or srun that leads there
#	agent		kills the agent there; "stop" and "resume" it
#	worker		kills a worker there
#
# Only processes of tests/machines/drive are meant.  Fails if there is none.

# there COMM: prints the processes of that name on the machine.
there()
{
	for pid in $(ip netns pids "h$2"); do
		# shellcheck disable=SC2254 # a pattern is meant
		case $(cat "/proc/$pid/comm") in
		$1) echo "$pid";;
		esac
	done
}

# Commands whose arguments have the name of the machine.
leading_to()
{
	for file in $(grep -lxE 'ssh|srun' /proc/[0-9]*/comm 2>/dev/null); do
		if grep -qzx "h$1" "${file%comm}cmdline"; then
			file=${file#/proc/}
			echo "${file%/comm}"
		fi
	done
}

# strike SIGNAL PID...: the first of them.
strike()
{
	[ $# -ge 2 ] && kill "-$1" "$2"
}

# shellcheck disable=SC2046 # several words are meant
case $1 in
cut) ip link set "v$2" down;;
heal) ip link set "v$2" up;;
drop) nsenter "--net=/run/netns/h$2" iptables -A INPUT -j DROP;;
accept) nsenter "--net=/run/netns/h$2" iptables -D INPUT -j DROP;;
command) strike KILL $(leading_to "$2");;
agent) strike KILL $(there drive "$2");;
stop) strike STOP $(there drive "$2");;
resume) strike CONT $(there drive "$2");;
worker) strike KILL $(there 'drive:w*' "$2");;
*) exit 2;;
esac
