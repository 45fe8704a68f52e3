# strip.awk - C without its comments and the insides of its literals.
#
# Each line of the input gives one line: "c" if there was (part of) a comment
# in it, else "-", and then its code.  They are printed or, with -v to=DIR, go
# to a file of the same name there, for each file of the input.

BEGIN { inside = "" }

to != "" && FNR == 1 {
	if (target != "")
		close(target)
	target = FILENAME
	sub(/.*\//, "", target)
	target = to "/" target
	inside = ""
}

# The length of the literal that begins at text's first character.
function literal(text,    quote, i)
{
	quote = substr(text, 1, 1)
	for (i = 2; i <= length(text); i++) {
		if (substr(text, i, 1) == "\\")
			i++
		else if (substr(text, i, 1) == quote)
			return i
	}
	return length(text)
}

# Takes the next piece off rest and adds what is code to code.
function step(    at)
{
	if (inside == "comment") {
		comment = "c"
		at = index(rest, "*/")
		inside = at ? "" : inside
		rest = at ? substr(rest, at + 2) : ""
	} else if (rest ~ /^\/\*/) {
		inside = "comment"
		rest = " " substr(rest, 3)
		code = code " "
	} else if (rest ~ /^\/\//) {
		comment = "c"
		rest = ""
	} else if (rest ~ /^["']/ && code !~ /^[ \t]*#[ \t]*include/) {
		at = literal(rest)
		code = code substr(rest, 1, 1) substr(rest, 1, 1)
		rest = substr(rest, at + 1)
	} else {
		at = match(substr(rest, 2), /["'\/]/)
		at = at ? at : length(rest)
		code = code substr(rest, 1, at)
		rest = substr(rest, at + 1)
	}
}

{
	rest = $0
	code = ""
	comment = inside == "" ? "-" : "c"
	while (rest != "")
		step()
	if (target != "")
		print comment code >target
	else
		print comment code
}
