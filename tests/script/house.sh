#!/bin/sh
# house.sh - measures the source and fails beyond its hard limits.
#
# The limits, on lib/ and bin/: functions of 60 lines, files of 600, 80 columns, three
# levels of braces inside a function; no unfinished business noted in any file;
# and in the comments of lib/ and include/ few pronouns and enough nouns of the
# field, so that a stranger can read them.
# With "report" it prints the other measures as well, which are aims: how
# to read them is in doc/testing.md.

srcdir=${srcdir:-.}
here=$srcdir/tests/script
LC_ALL=C
export LC_ALL

longest_function=60
longest_file=600
widest_line=80
deepest=3

# strip FILE...: the code of each goes to a file of its name in an empty
# directory, "$tmp/code".
strip()
{
	rm -rf "$tmp/code"
	mkdir "$tmp/code" || exit 1
	awk -v to="$tmp/code" -f "$here/strip.awk" "$@"
}

# Lines "code N", "comment N", "function LENGTH DEPTH NAME:LINE" and
# "lines N NAME" of these files.  A function's body begins and ends with a brace
# in column 0; braces of initialisers are not levels.
measure()
{
	strip "$@"
	awk '
	function tell() {
		print "code", codes + 0
		print "comment", comments + 0
		print "lines", lines, name
	}
	FNR == 1 {
		if (name != "")
			tell()
		codes = comments = begin = 0
		name = FILENAME
		sub(/.*\//, "", name)
	}
	{ lines = FNR; code = substr($0, 2) }
	/^c/ { comments++ }
	code ~ /[^ \t]/ { codes++ }
	code ~ /^\{[ \t]*$/ { begin = FNR; depth = most = data = 0; last = "" }
	begin {
		for (i = 1; i <= length(code); i++) {
			c = substr(code, i, 1)
			if (c == "{" && (data || last ~ /[=,({]/ ||
			    substr(code, i - 1, 1) == ")"))
				data++
			else if (c == "{")
				most = depth++ > most ? depth - 1 : most
			else if (c == "}" && data)
				data--
			else if (c == "}")
				depth--
			if (c !~ /[ \t]/)
				last = c == "{" && !data ? ";" : c
		}
	}
	begin && code ~ /^\}/ {
		print "function", FNR - begin - 1, most, name ":" begin
		begin = 0
	}
	END { tell() }' "$tmp"/code/*
}

# The lines of these files that have code.
code_lines()
{
	measure "$@" | awk '$1 == "code" { n += $2 } END { print n + 0 }'
}

# The same for scripts.
script_lines()
{
	cat /dev/null "$@" | grep -c '^[	 ]*[^	 #]'
}

# percentile P FIELD KIND: of the measures of that kind.
percentile()
{
	awk -v kind="$3" -v f="$2" '$1 == kind { print $f }' "$tmp/measures" |
	    sort -n | awk -v p="$1" '
	{ v[NR] = $1 }
	END {
		i = int((NR * p + 99) / 100)
		print NR ? v[i ? i : 1] : 0
	}'
}

# wide FILE...: "FILE:LINE" for lines that are too wide, tabs being of 8.
wide()
{
	awk -v max=$widest_line '
	{
		line = ""
		n = split($0, parts, "\t")
		for (i = 1; i < n; i++) {
			line = line parts[i]
			line = line substr("        ", 1 + length(line) % 8)
		}
		if (length(line parts[n]) > max)
			print FILENAME ":" FNR
	}' "$@"
}

# The words are taken apart here so that this file does not have them.
unfinished()
{
	find "$srcdir/lib" "$srcdir/bin" "$srcdir/include" "$srcdir/tests" "$srcdir/bench" \
	    "$srcdir/examples" "$srcdir/man" -type f \
	    \( -name '*.[ch1-9]' -o -name '*.awk' -o -name '*.py' \
	    -o -name '*.sh' \) -exec \
	    grep -Enw 'TO''DO|X''XX|FIX''ME' /dev/null {} + 2>/dev/null
}

# Of 10,000 words in the comments of lib/ and include/: "NAME COUNT LIMIT" for
# pronouns, which are to be fewer, and for nouns of the field, to be more.
language()
{
	cat "$srcdir"/lib/*/*.[ch] "$srcdir"/bin/*.c "$srcdir"/include/*.h | awk '
	{
		line = $0
		text = ""
		while (line != "") {
			if (inside && match(line, /\*\//)) {
				text = text " " substr(line, 1, RSTART - 1)
				line = substr(line, RSTART + 2)
				inside = 0
			} else if (!inside && match(line, /\/\*/)) {
				line = substr(line, RSTART + 2)
				inside = 1
			} else {
				text = inside ? text " " line : text
				line = ""
			}
		}
		n = split(tolower(text), word, /[^a-z\047]+/)
		for (i = 1; i <= n; i++) {
			words += word[i] != ""
			what += word[i] == "what"
			one += word[i] ~ /^ones?$/
			many += (word[i] == "many" && last == "so") ||
			    word[i] == "manieth"
			nouns += word[i] ~ \
			    /^(pointer|buffer|queue|callback)s?$/ ||
			    (word[i] == "memory" && last == "shared")
			last = word[i] != "" ? word[i] : last
		}
	}
	END {
		print "what", 10000 * what / words, 20
		print "one", 10000 * one / words, 40
		print "so-many", 10000 * many / words, 1
		print "nouns", 10000 * nouns / words, 40
	}'
}

private_language()
{
	language | awk '$1 == "nouns" ? $2 < $3 : $2 >= $3 {
		printf "%s: %.0f of 10,000 words\n", $1, $2 }'
}

# contracts: "WITH ALL" prototypes in the headers of lib/.
contracts()
{
	strip "$srcdir"/lib/*/*.h
	awk -f "$here/contracts.awk" "$tmp"/code/* | awk '$1 == "yes" { y++ } END { print y + 0, NR }'
}

# over WHAT LIMIT COMMAND...: fails if the command prints anything.
over()
{
	what=$1
	shift
	"$@" >"$tmp/over"
	[ -s "$tmp/over" ] || return 0
	echo "HARD LIMIT: $what:"
	sed 's/^/	/' "$tmp/over"
	status=1
}

long_functions()
{
	awk -v max=$longest_function '$1 == "function" && $2 > max {
		print $4 ": " $2 " lines" }' "$tmp/measures"
}

deep_functions()
{
	awk -v max=$deepest '$1 == "function" && $3 > max {
		print $4 ": depth " $3 }' "$tmp/measures"
}

long_files()
{
	awk -v max=$longest_file '$1 == "lines" && $2 > max {
		print $3 ": " $2 " lines" }' "$tmp/measures"
}

long_command()
{
	cat "$srcdir"/bin/* 2>/dev/null | awk -v max=$longest_file '
	END { if (NR > max) print NR " lines" }'
}

report()
{
	code=$(awk '$1 == "code" { n += $2 } END { print n + 0 }' \
	    "$tmp/measures")
	comment=$(awk '$1 == "comment" { n += $2 } END { print n + 0 }' \
	    "$tmp/measures")
	tests=$(($(code_lines "$srcdir"/tests/*/*.[ch]) + \
	    $(script_lines "$srcdir"/tests/*/*.sh "$srcdir"/tests/*/*.awk)))
	functions=$(grep -c '^function' "$tmp/measures")
	# shellcheck disable=SC2046 # two words are meant
	set -- $(contracts)
	cat <<-END
	functions                 $functions
	  lines median/p90/max    $(percentile 50 2 function) / \
$(percentile 90 2 function) / $(percentile 100 2 function)  \
(aims 12 / 30, limit $longest_function)
	  depth p90/max           $(percentile 90 3 function) / \
$(percentile 100 3 function)  (limit $deepest)
	files                     $(grep -c '^lines' "$tmp/measures")
	  lines median/longest    $(percentile 50 2 lines) / \
$(percentile 100 2 lines)  (aim 150, limit $longest_file)
	code lines                $code
	comments per 100 of them  $((code ? 100 * comment / code : 0))  \
(aim 20 to 35)
	contracts of prototypes   $1 of $2
	of 10,000 comment words   $(language |
	    awk '{ printf "%s %.0f  ", $1, $2 }')
	test lines / code lines   $tests / $code = \
$(awk -v t="$tests" -v c="$code" 'BEGIN { printf "%.2f", c ? t / c : 0 }')  \
(aim 1.50)
	END
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
status=0

measure "$srcdir"/lib/*/*.[ch] "$srcdir"/bin/*.c >"$tmp/measures"
[ "${1:-}" != report ] || report
over "functions of more than $longest_function lines" long_functions
over "functions with more than $deepest levels" deep_functions
over "files of more than $longest_file lines" long_files
over "bin/ of more than $longest_file lines" long_command
over "lines of more than $widest_line columns" wide \
    "$srcdir"/lib/*/*.[ch] "$srcdir"/bin/*.c "$srcdir"/include/*.h
over "unfinished business" unfinished
over "words that hide their noun, or too few nouns of the field" private_language
exit $status
