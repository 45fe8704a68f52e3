#!/bin/sh
# programs.sh - writes tests/programs.am, which Makefile.am includes: the lists
# of the programs in tests/programs.txt that have a tag.
#
# Usage: tests/script/programs.sh, in the source tree; autoconf runs it.  The
# file stays as it is where nothing in it changes, or make would run automake.

LC_ALL=C awk '
# The programs with (or, with "!", without) each of the tags, slow ones first.
function list(name, tags,    count, tag, pass, i, k, fits) {
	printf "%s =", name
	count = split(tags, tag, " ")
	for (pass = 0; pass < 2; pass++)
		for (i = 1; i <= programs; i++) {
			fits = has(i, "slow") == !pass
			for (k = 1; k <= count && fits; k++)
				fits = meets(i, tag[k])
			if (fits)
				printf " \\\n\ttests/%s", name_of[i]
		}
	print ""
}
function meets(i, tag) {
	return sub(/^!/, "", tag) ? !has(i, tag) : has(i, tag)
}
function has(i, tag) {
	return index(tags_of[i], " " tag " ") > 0
}
/^[a-z]/ {
	name_of[++programs] = $1
	tags_of[programs] = " "
	for (i = 2; i <= NF; i++)
		tags_of[programs] = tags_of[programs] $i " "
}
END {
	print "# Made by script/programs.sh of programs.txt."
	list("CHECK_TESTS", "!fault !replay !script")
	list("FAULT_TESTS", "fault")
	list("REPLAY_TESTS", "replay")
	list("SLOW_SCRIPT_TESTS", "script slow")
	list("OTHER_SCRIPT_TESTS", "script !slow")
	list("RACY_TESTS", "racy")
	list("VALGRIND_TESTS", "valgrind")
	list("SAMPLED_TESTS", "sampled")
	for (i = 1; i <= programs; i++)
		if (has(i, "fault")) {
			name = "tests/" name_of[i]
			gsub(/\//, "_", name)
			print name "_LDADD = $(LDADD_OF_FAULT)"
			print name "_LINK = $(LINK) $(LDFLAGS_OF_FAULT)"
		}
}' tests/programs.txt >tests/programs.new &&
if cmp -s tests/programs.new tests/programs.am; then
	rm tests/programs.new
else
	mv tests/programs.new tests/programs.am
fi
