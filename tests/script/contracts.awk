# contracts.awk - which prototypes of a header have their contract?
#
# Reads what strip.awk makes of headers.  Prints one line a prototype, "yes" or
# "no", the header's name, its line number and text.  The contract is a comment beside it or
# above it; one comment may serve several that follow without a blank line.

# The name of a function before "(", and not a pointer to one.
function prototype(text)
{
	return text !~ /^(typedef|#)/ && text ~ /[A-Za-z0-9_][ \t]*\(/ &&
	    text !~ /[{}=]/
}

FNR == 1 {
	name = FILENAME
	sub(/.*\//, "", name)
	depth = served = continued = 0
	text = ""
}
{
	comment = substr($0, 1, 1) == "c"
	code = substr($0, 2)
	gsub(/^[ \t]+|[ \t]+$/, "", code)
}

comment { served = 1 }
code == "" && !comment && text == "" { served = 0 }
code == "" { next }
continued || code ~ /^#/ {
	continued = code ~ /\\$/
	if (!continued)
		served = 0
	next
}
depth > 0 || code ~ /[{}]/ {
	depth += gsub(/\{/, "{", code) - gsub(/\}/, "}", code)
	text = depth > 0 || code !~ /;$/ ? text : ""
	if (depth == 0)
		text = ""
	served = 0
	next
}
{
	if (text == "")
		line = FNR
	text = text (text == "" ? "" : " ") code
}
code ~ /;$/ {
	if (prototype(text))
		print (served ? "yes" : "no"), name ":" line, text
	text = ""
}
