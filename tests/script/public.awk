# public.awk - the functions that a public header declares, a name a line, unsorted.
#
# Reads what strip.awk makes of the header.  A declaration goes from VM_EXPORT
# to the next semicolon.

{ code = substr($0, 2) }
code ~ /^[ \t]*#/ { next }
code ~ /VM_EXPORT/ { text = "" }
{ text = text " " code }
text ~ /VM_EXPORT/ && code ~ /;/ {
	if (match(text, /vm_[a-z0-9_]+\(/))
		print substr(text, RSTART, RLENGTH - 1)
	text = ""
}
