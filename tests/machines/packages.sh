# packages.sh - programs that tests of machines need; read with ".".
#
# skip() ends the test as one that cannot run here.  need() installs packages of
# Debian for programs that are missing, if it may: no service of theirs starts,
# now or when the machine starts again.

PATH=$PATH:/usr/sbin:/sbin
export PATH

skip()
{
	echo "$*: skipped"
	exit 77
}

policy=/usr/sbin/policy-rc.d

# install PACKAGE...: with a policy that keeps services from being started.
install_quietly()
{
	mine=
	[ -e $policy ] || {
		mine=yes
		printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
	}
	echo "installing $*"
	DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null 2>&1
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
	    --no-install-recommends "$@" >/dev/null 2>&1
	[ -z "$mine" ] || rm -f $policy
}

# need PROGRAM:PACKAGE[:SERVICE]...: the programs are there, or the test is
# skipped.
need()
{
	packages=
	services=
	for entry; do
		command -v "${entry%%:*}" >/dev/null && continue
		package=${entry#*:}
		packages="$packages ${package%:*}"
		[ "$package" = "${package%:*}" ] ||
		    services="$services ${package#*:}"
	done
	[ -n "$packages" ] || return 0
	[ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null ||
	    skip "no$packages"
	# shellcheck disable=SC2086 # several words are meant
	install_quietly $packages
	for service in $services; do
		systemctl disable --quiet "$service" 2>/dev/null
	done
	for entry; do
		command -v "${entry%%:*}" >/dev/null ||
		    skip "${entry#*:} could not be installed"
	done
}
