#!/bin/sh
# fetch.sh - examples/fetch gets pages from a real server, in order, and keeps
# its connections from page to page.
#
# Usage: tests/script/fetch.sh, with the program in $FETCH (by default
# ./examples/fetch) and the sources in $srcdir (by default .).
# Exit status: 0 for success, 1 for failure, 77 without the program, which
# needs libcurl, or without Python, which is the server.

program=${FETCH:-./examples/fetch}
srcdir=${srcdir:-.}
no_proxy=127.0.0.1
export no_proxy

if ! python3 -c 'import http.server' 2>/dev/null; then
	echo "no python3 with http.server: skipped"
	exit 77
fi
. "$srcdir/tests/script/program.sh"
server=
leave()
{
	[ -z "$server" ] || kill "$server" 2>/dev/null
}

give_up()
{
	echo "FAIL: $*"
	cat "$dir/server"
	exit 1
}

# page NAME SIZE: a page of that size.
page()
{
	head -c "$2" /dev/zero >"$dir/pages/$1" || give_up "no page"
}

# logged WORD: how many lines of the server's log say that.
logged()
{
	grep -cx "$1" "$dir/log"
}

mkdir "$dir/pages" || exit 1
page small 10
page middle 4321
page large 1000000
page empty 0

python3 "$srcdir/tests/script/http_server.py" "$dir/pages" "$dir/log" \
    2>"$dir/server" &
server=$!
tries=0
until port=$(head -n 1 "$dir/log" 2>/dev/null) && [ -n "$port" ]; do
	kill -0 "$server" 2>/dev/null || give_up "the server has ended"
	[ $((tries += 1)) -le 300 ] || give_up "the server does not begin"
	sleep 0.1
done
here=http://127.0.0.1:$port

# Three pages, three lengths, in the order of the arguments.
cat >"$dir/expected" <<END
$here/large 200 1000000
$here/small 200 10
$here/middle 200 4321
END
expect 0 "$here/large" "$here/small" "$here/middle"

# Many pages by few workers: a connection a worker, and no more.
count=0
: >"$dir/urls"
: >"$dir/expected"
while [ $count -lt 60 ]; do
	for name in small/10 empty/0 middle/4321; do
		echo "$here/${name%/*}" >>"$dir/urls"
		echo "$here/${name%/*} 200 ${name#*/}" >>"$dir/expected"
		count=$((count + 1))
	done
done
for workers in 1 3; do
	connections=$(logged connection)
	requests=$(logged request)
	expect 0 -w $workers <"$dir/urls"
	connections=$(($(logged connection) - connections))
	requests=$(($(logged request) - requests))
	[ $requests -eq $count ] || fail "$requests requests, not $count"
	[ $connections -ge 1 ] && [ $connections -le $workers ] ||
	    fail "$workers workers: $connections connections"
done
# shellcheck disable=SC2002 # a pipe is meant
cat "$dir/urls" | "$program" >"$dir/out" || fail "a pipe: exit status $?"
diff "$dir/expected" "$dir/out" || fail "a pipe: (< expected, > printed)"

# Each failure is told, and all other pages are there.
cat >"$dir/expected" <<END
$here/small 200 10
$here/middle 200 4321
END
expect 1 "$here/none" "$here/small" "file://$dir/urls" \
    http://127.0.0.1:1/ "$here/middle" ''
for words in "$here/none: The server said 404." "file://$dir/urls: Protocol" \
    "http://127.0.0.1:1/: "; do
	grep -F "fetch: $words" "$dir/err" >/dev/null || fail "no '$words'"
done
[ "$(wc -l <"$dir/err")" -eq 4 ] || fail "failures: not just four messages"

# A server that does not answer: it is stopped, so the kernel accepts alone.
kill -STOP "$server"
: >"$dir/expected"
expect 1 -t 1 "$here/small"
grep -F "$here/small: The item took longer" "$dir/err" >/dev/null ||
    fail "no answer: $(cat "$dir/err")"
kill -CONT "$server"

expect 0 </dev/null
for arguments in "-w" "-w x" "-w -1" "-t 1s" "-t 99999999" "-q"; do
	# shellcheck disable=SC2086 # several words are meant
	expect 2 $arguments
done

on_full_disk "$here/small"

[ $failures -eq 0 ]
