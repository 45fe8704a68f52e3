# chart.awk - draws ratios as horizontal bars on a logarithmic scale, in SVG.
#
# Usage: awk -f chart.awk RATIOS
#
# RATIOS has lines "GROUP|NAME|RATIO|LEAST|MOST" (table.awk).  A bar to the
# right of the line at 1 means that the group's first program is the faster
# one; the line across its end goes from the least to the most.

BEGIN {
	FS = "|"
	left = 220
	width = 520
	right = 240
	line = 18
	low = -2	# powers of ten
	high = 3
}

{
	group[NR] = $1
	name[NR] = $2
	ratio[NR] = $3
	least[NR] = $4
	most[NR] = $5
}

# Where a ratio is; beyond the ends, at them.
function place(x,   p)
{
	p = log(x) / log(10)
	p = p < low ? low : p > high ? high : p
	return left + width * (p - low) / (high - low)
}

function text(x, y, anchor, s)
{
	gsub(/&/, "\\&amp;", s)
	gsub(/</, "\\&lt;", s)
	printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n",
	    x, y, anchor, s
}

function grid(bottom,   p, x)
{
	for (p = low; p <= high; p++) {
		x = place(10 ^ p)
		printf "<line x1=\"%.1f\" y1=\"44\" x2=\"%.1f\" y2=\"%d\" " \
		    "stroke=\"%s\"/>\n", x, x, bottom, p ? "#ccc" : "#000"
		text(x, 40, "middle", 10 ^ p)
	}
}

function bar(i, y,   x, one, from)
{
	x = place(ratio[i])
	one = place(1)
	from = x < one ? x : one
	printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" " \
	    "fill=\"%s\"/>\n", from, y - 11, x < one ? one - x : x - one,
	    line - 6, ratio[i] < 1 ? "#e09090" : "#8cc08c"
	printf "<path d=\"M%.1f %.1fH%.1f\" stroke=\"#333\" " \
	    "stroke-width=\"2\"/>\n", place(least[i]), y - 5, place(most[i])
	text(left - 8, y, "end", group[i] " / " name[i])
	text(left + width + 28, y, "start", sprintf("%.3g  (%.3g .. %.3g)",
	    ratio[i], least[i], most[i]))
}

END {
	for (i = 1; i <= NR; i++)
		gaps += i > 1 && group[i] != group[i - 1]
	height = 60 + line * NR + 6 * gaps
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" " \
	    "height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n",
	    left + width + right, height
	print "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
	text(left, 18, "start", "Speed of the first program of each group, " \
	    "divided by that of the other")
	text(left + width + 28, 40, "start", "median (least .. most)")
	grid(height - 8)
	y = 62
	for (i = 1; i <= NR; i++) {
		y += i > 1 && group[i] != group[i - 1] ? 6 : 0
		bar(i, y)
		y += line
	}
	print "</svg>"
}
