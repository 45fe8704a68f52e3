#!/bin/sh
# table.sh - each block of mutants.txt still applies: its file and tests exist, and
# its old lines are there once.  mutants.sh, which compiles them, takes hours.

srcdir=${srcdir:-.}
LC_ALL=C
export LC_ALL

awk -v root="$srcdir/" '
function fail(why) {
	print "FAIL: mutant " name ": " why
	failures++
}
function text_of(path,    text, line, r) {
	text = "\n"
	while ((r = (getline line <(root path))) > 0)
		text = text line "\n"
	close(root path)
	return r < 0 ? "" : text
}
function check(    at) {
	count++
	if (!(path in texts))
		texts[path] = text_of(path)
	if (texts[path] == "")
		return fail("no file " path)
	at = index(texts[path], old)
	if (old == "\n" || at == 0)
		fail("its old lines are not in " path)
	else if (index(substr(texts[path], at + 1), old) != 0)
		fail("its old lines are in " path " more than once")
}
FILENAME ~ /programs\.txt$/ { there[$1] = 1; next }
/^mutant / {
	if (name != "")
		check()
	name = $2
	path = ""
	old = "\n"
	next
}
/^file / { path = $2 }
/^tests / {
	for (i = 2; i <= NF; i++) {
		sub(/@.*/, "", $i)
		if (!($i in there))
			fail("no test " $i)
	}
}
/^[- ]/ { old = old substr($0, 2) "\n" }
END {
	check()
	print count " mutants, " failures + 0 " that do not apply"
	exit failures > 0
}' "$srcdir/tests/programs.txt" "$srcdir/tests/script/mutants.txt"
