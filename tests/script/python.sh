#!/bin/sh
# python.sh - examples/python/vimap_ctypes.py: a map from Python has each result,
# in order; exceptions, crashes, exits and timeouts are those of their inputs.
#
# Usage: tests/script/python.sh, with the library in ./.libs and the sources in
# $srcdir (by default .).
# Exit status: 0 for success, 1 for failure, 77 without python3 or that library.

srcdir=${srcdir:-.}
LC_ALL=C
LIBVIMAP=$PWD/.libs/libvimap.so
PYTHONPATH=$srcdir/examples/python
PYTHONDONTWRITEBYTECODE=1
export LC_ALL LIBVIMAP PYTHONPATH PYTHONDONTWRITEBYTECODE

if ! python3 -c 'import ctypes, sys; sys.exit(sys.version_info < (3, 10))' \
    2>/dev/null; then
	echo "no python3 of 3.10 or later with ctypes: skipped"
	exit 77
fi
if [ ! -f "$LIBVIMAP" ]; then
	echo "no .libs/libvimap.so: skipped"
	exit 77
fi
case $USER_CFLAGS in
*-fsanitize=*)
	echo "a sanitizer must be in the program, here python3: skipped"
	exit 77;;
esac
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
ulimit -c 0

cat >"$tmp/user.py" <<'END'
import os
import signal
import sys
import time

from vimap_ctypes import Failed, imap

offset = 1000


def work(data):
    number = int(data)
    if number == 10:
        raise KeyError("ten")
    if number == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 30:
        os._exit(3)
    if number == 40:
        sys.exit(4)
    if number == 50:
        return None             # no bytes
    if number == 60:
        raise ValueError("no UTF-8: \udcff")
    return b"\0%d" % (offset + number)


def inputs(count):
    for i in range(count):
        yield b"%d" % i


def children():
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None


# Each once, in order, failures in their places.
results = list(imap(work, inputs(300), workers=3))
assert [data for data, _ in results] == list(inputs(300))
failed = {int(d): r for d, r in results if isinstance(r, Failed)}
assert sorted(failed) == [10, 20, 30, 40, 50, 60], failed
assert all(r == b"\0%d" % (1000 + int(d)) for d, r in results
           if not isinstance(r, Failed))
assert failed[10].cause == "failed"
assert str(failed[10]).startswith("KeyError: 'ten'\n")
assert "user.py" in str(failed[10]) and "in work" in str(failed[10])
assert failed[20].cause == "killed" and failed[20].signal == signal.SIGKILL
assert failed[30].cause == "exited" and failed[30].exit_status == 3
assert str(failed[40]).startswith("SystemExit: 4\n")
assert str(failed[50]).startswith("TypeError")
assert str(failed[60]).startswith("ValueError: no UTF-8: ?\n")

# Any order, empty inputs, and bytes of every value.
every = bytes(range(256))
assert sorted(imap(lambda b: b[::-1], [b"", every, b""], flags=0,
                   workers=2)) == [(b"", b""), (b"", b""),
                                   (every, every[::-1])]

# A timeout is its input's; another attempt has its own.
slow = list(imap(lambda b: time.sleep(1000) if b == b"2" else b,
                 [b"1", b"2", b"3"], workers=1, item_timeout_ms=500))
assert [r for _, r in slow][::2] == [b"1", b"3"]
assert slow[1][1].cause == "timed out"


# An exception of the inputs comes behind the results before it.
def broken():
    yield b"1"
    raise ValueError("no more")


seen = []
try:
    for data, result in imap(lambda b: b, broken(), workers=1):
        seen.append(result)
    assert False, "no exception"
except ValueError as e:
    assert str(e) == "no more" and seen == [b"1"]

# A loop that is left closes the pool, and a refused option is told.
for data, result in imap(lambda b: b, inputs(10**6), workers=2):
    break
del data, result
try:
    next(imap(lambda b: b, [b"1"], workers=-5))
    assert False, "no exception"
except OSError as e:
    assert "workers" in str(e), e
assert children() is None, children()
print("done")
END
printf '1: 1.0000\n0: failed: ZeroDivisionError: float division by zero\n' \
    >"$tmp/expected"
printf '13: killed: The worker was killed by signal 6 (SIGABRT).\n' \
    >>"$tmp/expected"
python3 "$srcdir/examples/python/vimap_ctypes.py" 1 0 13 >"$tmp/out" &&
    diff "$tmp/expected" "$tmp/out" || {
	echo "FAIL: the example (< expected, > printed)"
	exit 1
}
# Text is printed once, that of the function too, also if it fails.
cat >"$tmp/text.py" <<'END'
from vimap_ctypes import imap


def work(data):
    print("in", data)
    return data if data == b"1" else None


print("before")
for data, _ in imap(work, [b"1", b"2"], workers=1):
    print("of", data)
END
printf '%s\n' before "in b'1'" "in b'2'" "of b'1'" "of b'2'" >"$tmp/expected"
PYTHONUNBUFFERED='' python3 "$tmp/text.py" >"$tmp/out" &&
    diff "$tmp/expected" "$tmp/out" || {
	echo "FAIL: printed text (< expected, > printed)"
	exit 1
}
[ "$(python3 "$tmp/user.py")" = "done" ]
