# table.awk - from rows (rows.txt) and runs (bench-results.data) to a table.
#
# Usage: awk -v ratios=FILE -v limits=FILE -f table.awk ROWS DATA
#
# The rate of a run is items by seconds.  In each round the rate of a group's
# first program is divided by that of each other; of these ratios the table
# has the median, the least and the most.  So what slows down a whole round
# does not show.  "ratios" gets a line "GROUP|NAME|MEDIAN|LEAST|MOST" for each;
# "limits" has lines "GROUP|SECONDS", the least time of an item.

BEGIN {
	FS = "|"
	while ((getline line <limits) > 0) {
		split(line, field, "|")
		limit[field[1]] = field[2]
	}
}

FNR == NR && !($1 in title) {
	title[$1] = $3
	unit[$1] = $2
	groups[++ngroups] = $1
	next
}
FNR == NR {
	names[$1, ++count[$1]] = $2
	next
}
$5 > 0 {
	rate[$1, $2, $3] = $4 / $5
	cpu[$1, $2, $3] = $6 / $4
	peak[$1, $2, $3] = $7 / 1024
	faults[$1, $2, $3] = $8 / $4
	if ($3 > rounds)
		rounds = $3
}

# Sorts v[1 .. n].
function sort(v, n,   i, j, x)
{
	for (i = 2; i <= n; i++) {
		x = v[i]
		for (j = i - 1; j > 0 && v[j] > x; j--)
			v[j + 1] = v[j]
		v[j + 1] = x
	}
}

# Of sorted v[1 .. n].
function median(v, n)
{
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}

# Three digits, with k or M.
function short(x)
{
	if (x >= 1e6)
		return sprintf("%.3g M", x / 1e6)
	return x >= 1e4 ? sprintf("%.3g k", x / 1e3) : sprintf("%.4g", x)
}

function seconds(x)
{
	if (x < 1e-6)
		return sprintf("%.3g ns", x * 1e9)
	if (x < 1e-3)
		return sprintf("%.3g us", x * 1e6)
	return sprintf("%.3g ms", x * 1e3)
}

# A rate, or the time of one round, where that is what is told.
function told(x, u)
{
	if (u == "us")
		return sprintf("%.4g", 1e6 / x)
	return u == "ms" ? sprintf("%.4g", 1e3 / x) : short(x)
}

function row(g, name, first,   i, n, m, v, c, p, f, q, low, high)
{
	for (i = 1; i <= rounds; i++) {
		if (!((g, name, i) in rate))
			continue
		v[++n] = rate[g, name, i]
		c[n] = cpu[g, name, i]
		p[n] = peak[g, name, i]
		f[n] = faults[g, name, i]
		if (name != first && (g, first, i) in rate)
			q[++m] = rate[g, first, i] / rate[g, name, i]
	}
	if (n == 0) {
		printf "  %-13s not run\n", name
		return
	}
	sort(v, n)
	sort(c, n)
	sort(p, n)
	sort(f, n)
	low = told(v[unit[g] == "" ? 1 : n], unit[g])
	high = told(v[unit[g] == "" ? n : 1], unit[g])
	printf "  %-13s %9s %19s %9s %9s %9s %9s", name,
	    told(median(v, n), unit[g]), low " .. " high,
	    seconds(median(c, n)), sprintf("%.1f", median(p, n)),
	    sprintf("%.2g", median(f, n)),
	    g in limit ? sprintf("%.2g", median(v, n) * limit[g]) : "-"
	if (m > 0) {
		sort(q, m)
		printf " %9s %19s", sprintf("%.3g", median(q, m)),
		    sprintf("%.3g .. %.3g", q[1], q[m])
		printf "%s|%s|%.6g|%.6g|%.6g\n", g, name, median(q, m), q[1],
		    q[m] >ratios
	}
	printf "\n"
}

END {
	printf "" >ratios
	for (k = 1; k <= ngroups; k++) {
		g = groups[k]
		printf "\n%s: %s%s\n", g, title[g],
		    g in limit ? "; limit " seconds(limit[g]) : ""
		printf "  %-13s %9s %19s %9s %9s %9s %9s %9s %19s\n", "",
		    unit[g] == "" ? "items/s" : unit[g], "least .. most",
		    "CPU/item", "peak MiB", "flt/item", "of limit", "ratio",
		    "least .. most"
		for (i = 1; i <= count[g]; i++)
			row(g, names[g, i], names[g, 1])
	}
	print "\nAll are medians.  CPU/item, peak MiB: of the calling " \
	    "process; its memory.\nflt/item: page faults of all " \
	    "processes of a run, its start included, by items.\nOf limit: " \
	    "the rate divided by the limit, which is computed from what " \
	    "the machine's\nown steps cost (rows.txt).\nRatio: the rate " \
	    "of the group's first program divided by that of this " \
	    "program;\nthe median of the rounds."
}
