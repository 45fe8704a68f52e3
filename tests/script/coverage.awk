# coverage.awk - what "gcov -b -c -t" says of lib/, as one table.
#
# A line or branch counts as covered if any object covered it: sys.c is
# compiled twice, and headers are many times.  Variables: lines and branches,
# the least percentages.  Fails if a total is below.

# The file this part is of; "" if it is not in lib/.
/:[ \t]*0:Source:/ {
	file = $0
	sub(/^.*:0:Source:/, "", file)
	file = file ~ /(^|\/)lib\/[a-z]+\/[a-z_]+\.[ch]$/ ? file : ""
	sub(/^.*\//, "", file)
	if (file != "" && !(file in last))
		names[++nfiles] = file
	line = 0
}

# A function of several objects comes once without its name, then for each
# with the name it has there; the library's own comes first.
/^function / { name = $2 }
/^-----/ { name = "" }

/^ *([0-9]+\*?|#+|=+|-): *[1-9][0-9]*:/ && file != "" {
	split($0, part, ":")
	line = part[2] + 0
	if (part[1] ~ /- *$/)
		next
	key = file ":" line
	if (name != "" && !(key in owner))
		owner[key] = name
	ran[key] += part[1] + 0 > 0
	if (last[file] < line)
		last[file] = line
}

# Calls are numbered together with branches, so that numbers are left out.
/^branch +[0-9]+ / && line > 0 {
	key = file ":" line
	if (most[key] < $2 + 1)
		most[key] = $2 + 1
	taken[key, $2] += $3 == "taken" && $4 > 0
}

function percent(part, all)
{
	return all ? 100 * part / all : 100
}

function row(name, ran, lines, taken, branches)
{
	printf "%-14s %5d %6.1f %9d %6.1f\n", name, lines, \
	    percent(ran, lines), branches, percent(taken, branches)
}

# Adds a range of lines that did not run to the list.
function note(file, from, to)
{
	key = file ":" from
	missed = missed sprintf("%-20s in %s()\n", \
	    key (from < to ? "-" to : ""), owner[key])
}

function measure(file,    i, j, key, from, to, n, r, b, t)
{
	for (i = 1; i <= last[file]; i++) {
		key = file ":" i
		if (!(key in ran))
			continue
		n++
		r += ran[key] > 0
		for (j = 0; j < most[key]; j++) {
			b += (key, j) in taken
			t += taken[key, j] > 0
		}
		if (from && (ran[key] || owner[key] != owner[file ":" from])) {
			note(file, from, to)
			from = 0
		}
		if (!ran[key]) {
			from = from ? from : i
			to = i
		}
	}
	if (from)
		note(file, from, to)
	row(file, r, n, t, b)
	nlines += n
	nran += r
	nbranches += b
	ntaken += t
}

function sort_names(    i, j, x)
{
	for (i = 2; i <= nfiles; i++) {
		x = names[i]
		for (j = i; j > 1 && names[j - 1] > x; j--)
			names[j] = names[j - 1]
		names[j] = x
	}
}

END {
	sort_names()
	print "file           lines  % ran  branches % taken"
	for (i = 1; i <= nfiles; i++)
		measure(names[i])
	row("all", nran, nlines, ntaken, nbranches)
	if (missed != "")
		printf "\nWhat did not run:\n%s", missed
	if (nlines == 0 || percent(nran, nlines) < lines || \
	    percent(ntaken, nbranches) < branches) {
		print "Too little: " lines " % of lines and " branches \
		    " % of branches are to run."
		exit 1
	}
}
