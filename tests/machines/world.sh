#!/bin/sh
# world.sh - runs a command in a private world of three machines, or more, each
# with a real sshd.
#
# Usage: tests/machines/world.sh COMMAND [ARGUMENT]...
#	MACHINES	their numbers (1 2 3)
# Exit status: that of the command; 77 where such a world cannot be made.
#
# The machines h1, h2 and h3 are network namespaces of these names, with the
# addresses 10.77.0.1 to 10.77.0.3, on a bridge of the command's own namespace.
# The other end of hN's wire is the link vN there.  "ssh hN" needs no password;
# its settings and keys are in $WORLD/home/.ssh.  "ssh stranger" leads to h1 with
# a key that opens nothing, and the user "noisy" has a shell that talks.
# Processes and files are those of all three; temporary files go to $TMPDIR there.
#
#	cut hN:		ip link set vN down
#	silently:	nsenter --net=/run/netns/hN iptables -A INPUT -j DROP
#	rate of hN:	tc qdisc add dev vN root tbf ...
#
# Nothing is left when the command ends, or this script is killed: all is in
# namespaces of its own, and all files are in memory.  No file of the machine is
# written but those of packages that were missing.

here=$(dirname "$0")

# The outer part.
if [ -z "$WORLD" ]; then
	. "$here/packages.sh"
	[ "$(id -u)" -eq 0 ] || skip "not root, so there is no private network"
	case $PWD/ in
	/run/*) skip "the world has a /run of its own";;
	esac
	need unshare:util-linux sshd:openssh-server:ssh ssh:openssh-client \
	    ip:iproute2 tc:iproute2 iptables:iptables
	set -- unshare --net --mount --pid --ipc --uts --fork --kill-child \
	    --mount-proc /bin/sh "$0" "$@"
	# shellcheck disable=SC2016 # for the other shell
	unshare --net --mount --pid --ipc --uts --fork --kill-child \
	    --mount-proc sh -c 'mount -t tmpfs world /run &&
	    ip link add br0 type bridge && ip link add v1 type veth' \
	    >/dev/null 2>&1 || skip "no namespaces, mounts or bridges"
	WORLD=/run/world
	export WORLD
	exec "$@"
fi

# ---- The inner part: the first process of the world -------------------------

trap 'exit 1' HUP INT TERM
machines=${MACHINES:-1 2 3}

fail()
{
	echo "FAIL: no world: $*"
	exit 1
}

# Files in memory, over those of the machine.
make_files()
{
	umask 077
	mount -t tmpfs -o mode=755 world /run && mkdir /run/netns &&
	    mkdir -m 755 /run/sshd "$WORLD" "$WORLD/home" "$WORLD/noisy" &&
	    mkdir "$WORLD/home/.ssh" "$WORLD/tmp" || return
	for key in key badkey hostkey; do
		ssh-keygen -q -t ed25519 -N '' -C $key \
		    -f "$WORLD/home/.ssh/$key" || return
	done
	{
		sed '/^root:/d' /etc/passwd
		echo "root:*:0:0::$WORLD/home:/bin/sh"
		echo "noisy:*:0:0::$WORLD/noisy:$WORLD/shell"
	} >"$WORLD/passwd"
	{
		cat /etc/hosts
		echo 10.77.0.254 caller
		for n in $machines; do
			echo "10.77.0.$n h$n"
		done
	} >"$WORLD/hosts"
	printf 'root:*:1::::::\nnoisy:*:1::::::\n' >"$WORLD/shadow"
	: >"$WORLD/resolv.conf"
	cat >"$WORLD/shell" <<-END
	#!/bin/sh
	echo "Welcome to \$(hostname)."
	printf 'You have mail.' >&2
	exec /bin/sh "\$@"
	END
	chmod 755 "$WORLD/shell"
	chmod 644 "$WORLD/passwd" "$WORLD/hosts" "$WORLD/resolv.conf"
	for file in passwd hosts shadow resolv.conf; do
		[ ! -e /etc/$file ] ||
		    mount --bind "$WORLD/$file" /etc/$file || return
	done
}

make_settings()
{
	cat >"$WORLD/sshd_config" <<-END
	ListenAddress 0.0.0.0
	HostKey $WORLD/home/.ssh/hostkey
	AuthorizedKeysFile $WORLD/home/.ssh/key.pub
	PasswordAuthentication no
	KbdInteractiveAuthentication no
	PermitRootLogin prohibit-password
	UsePAM no
	UseDNS no
	PidFile none
	PrintMotd no
	PrintLastLog no
	END
	{
		for n in $machines; do
			printf 'h%s,10.77.0.%s ' "$n" "$n"
			cat "$WORLD/home/.ssh/hostkey.pub"
		done
	} >"$WORLD/home/.ssh/known_hosts"
	cat >"$WORLD/home/.ssh/config" <<-END
	Host stranger
	  HostName h1
	  IdentityFile $WORLD/home/.ssh/badkey
	Host h*
	  IdentityFile $WORLD/home/.ssh/key
	Host *
	  IdentitiesOnly yes
	  StrictHostKeyChecking yes
	  GlobalKnownHostsFile none
	  BatchMode yes
	  ConnectTimeout 15
	  ServerAliveInterval 15
	END
}

# make_machine N: its network, and its sshd.
make_machine()
{
	ip netns add "h$1" &&
	    ip link add "v$1" type veth peer name eth0 netns "h$1" &&
	    ip link set "v$1" master br0 up &&
	    ip -n "h$1" addr add "10.77.0.$1/24" dev eth0 &&
	    ip -n "h$1" link set eth0 up && ip -n "h$1" link set lo up ||
	    return
	# "ip netns exec" would hide the control groups.
	# shellcheck disable=SC2016 # for the other shell
	nsenter "--net=/run/netns/h$1" unshare --uts sh -c '
	    hostname "$0" && exec "$(command -v sshd)" -D -e -f "$1"' \
	    "h$1" "$WORLD/sshd_config" 2>"$WORLD/sshd$1.log" &
}

# await_machine N: its sshd listens.
await_machine()
{
	tries=0
	until grep 'Server listening' "$WORLD/sshd$1.log" >/dev/null 2>&1; do
		[ $((tries += 1)) -le 600 ] || return
		sleep 0.05
	done
}

make_files || fail "its files"
make_settings || fail "its settings"
HOME=$WORLD/home
TMPDIR=$WORLD/tmp
export HOME TMPDIR
hostname caller
ip link set lo up && ip link add br0 type bridge &&
    ip addr add 10.77.0.254/24 dev br0 && ip link set br0 up ||
    fail "its bridge"
for n in $machines; do
	make_machine "$n" || fail "h$n"
done
for n in $machines; do
	await_machine "$n" || fail "sshd of h$n: $(cat "$WORLD/sshd$n.log")"
done

"$@"
