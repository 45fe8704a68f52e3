#!/bin/sh
# html.sh - writes the manual pages as HTML, and an index of pages and
# functions.
#
# Usage: man/html.sh FOLDER PAGE...; the pages end in their section.  Links
# between them lead to each other, and those to other pages to a collection of
# manual pages.

folder=$1
shift
if ! command -v mandoc >/dev/null 2>&1; then
	echo 'make html needs mandoc (Debian: apt-get install mandoc).' >&2
	exit 1
fi
rm -rf "$folder" && mkdir -p "$folder" || exit 1

# mandoc looks for what it links to.
for page in "$@"; do
	: >"$folder/$(basename "$page").html"
done
other='https://manpages.debian.org/%N.%S'
for page in "$@"; do
	html=$(basename "$page").html
	(cd "$folder" && mandoc -T html -O man="%N.%S.html;$other" \
	    -O toc >"$html.new" && mv "$html.new" "$html") <"$page" || exit 1
done

# escape: reads the text of a macro, and writes HTML.
escape()
{
	sed 's/\\&//g; s/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g'
}

{
	cat <<-'END'
	<!DOCTYPE html>
	<html lang="en">
	<head><meta charset="utf-8"/><title>vimap</title></head>
	<body>
	<h1>vimap</h1>
	END
	for page in "$@"; do
		html=$(basename "$page").html
		printf '<h2><a href="%s">%s</a></h2>\n<p>%s</p>\n<p>\n' \
		    "$html" "${html%.html}" \
		    "$(sed -n 's/^\.Nd //p' "$page" | escape)"
		sed -n '/^\.Sh NAME/,/^\.Nd/s/^\.Nm \([a-z0-9_]*\).*/\1/p' \
		    "$page" | grep '^vm_' | sort | while read -r name; do
			to=$html
			! grep "id=\"$name\"" "$folder/$html" >/dev/null ||
			    to=$html#$name
			printf '<a href="%s">%s</a>\n' "$to" "$name"
		done
		echo '</p>'
	done
	printf '</body>\n</html>\n'
} >"$folder/index.html"
