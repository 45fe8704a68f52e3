#!/bin/sh
# header.sh - each public header alone compiles without a warning in every
# language it is for: C99 to C2x and C++11 to C++20, with each compiler there is.
# The oldest of both with GCC are always tried, of the others some by the day.
#
# Warnings include those on padding: structs that users fill have none.

srcdir=${srcdir:-.}
# shellcheck disable=SC1091 # it is not followed
. "$srcdir/tests/script/sample.sh"
warnings='-Wall -Wextra -Wpedantic -Wshadow -Wpadded -Werror'

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
status=0
compiled=0

# The structs a user fills, all zero as the language says it.
write_users()
{
	echo '#include <vimap.h>' >"$tmp/alone.c"
	cat >"$tmp/zero.c" <<-'END'
	#include <vimap.h>
	struct vm_worker zero_worker = {0};
	struct vm_options zero_options = {0}, some = { .workers = 4 };
	struct vm_source zero_source = {0};
	struct vm_result zero_result = {0};
	vm_pool *forked(void);
	vm_pool *forked(void)
	{
		struct vm_worker worker = {0};
		struct vm_options options = {0};
		return vm_fork(&worker, &options);
	}
	END
	# Arguments with commas of their own, which a macro must not count.
	cat >"$tmp/commas.c" <<-'END'
	#include <vimap.h>
	struct pair { int a, b; };
	int push(vm_pool *);
	int push(vm_pool *pool)
	{
		return vm_submit(pool, &(struct pair){ 1, 2 },
		    sizeof(struct pair), NULL);
	}
	END
	cat >"$tmp/commas.cc" <<-'END'
	#include <vimap.h>
	template <int a, int b> struct pair { int sum = a + b; };
	int push(vm_pool *pool, const pair<1, 2> *input)
	{
		return vm_submit(pool, input, sizeof(pair<1, 2>), nullptr);
	}
	END
	# Arrays of strings of every type, without a cast, in both languages.
	cat >"$tmp/strings.c" <<-'END'
	#include <vimap.h>
	void give(vm_pool *, char **, char *const *, const char **,
	    const char *const *);
	void give(vm_pool *pool, char **a, char *const *b, const char **c,
	    const char *const *d)
	{
		(void)vm_strings(a + 1, 1);
		(void)vm_strings(b, 1);
		(void)vm_strings(c, 1);
		(void)vm_strings(d, 1);
		(void)vm_strings((const char *const *)a, 1);
		(void)vm_blocks(a, 1, 0, '\n');
		(void)vm_files(d, 1);
		(void)(vm_imap(pool, vm_strings(0, 0)) == 0);
	}
	END
	cp "$tmp/strings.c" "$tmp/strings.cc"
	echo '#include <vimap_reduce.h>' >"$tmp/reduce.c"
	cat >>"$tmp/reduce.c" <<-'END'
	struct vm_job zero_job = {0};
	struct vm_reduce_options zero_how = {0}, how = { .flags = VM_SORTED };
	vm_reducer *forked(void);
	vm_reducer *forked(void)
	{
		return vm_fork_jobs(&zero_job, 1, NULL, &how);
	}
	END
	cat >"$tmp/reduce.cc" <<-'END'
	#include <vimap_reduce.h>
	vm_reducer *forked()
	{
		struct vm_job job = {};
		struct vm_reduce_options how = {};
		struct vm_reduced result = {};
		how.flags = VM_SORTED;
		return result.key != nullptr ? nullptr :
		    vm_fork_jobs(&job, 1, nullptr, &how);
	}
	END
	cp "$tmp/alone.c" "$tmp/alone.cc"
	cat >"$tmp/zero.cc" <<-'END'
	#include <vimap.h>
	struct vm_result zero_result = {};
	vm_pool *forked()
	{
		struct vm_worker worker = {};
		struct vm_options options = {};
		struct vm_source source = {};
		options.workers = 4;
		return vm_imap(nullptr, source) == 0 ? nullptr :
		    vm_fork(&worker, &options);
	}
	END
}

# try COMPILER STANDARD SUFFIX
try()
{
	command -v "$1" >/dev/null 2>&1 || return 0
	echo "int x;" >"$tmp/empty.$3"
	if ! "$1" -std="$2" -fsyntax-only "$tmp/empty.$3" 2>/dev/null; then
		echo "$1 does not know $2"
		return 0
	fi
	for user in alone zero commas strings reduce; do
		compiled=$((compiled + 1))
		# shellcheck disable=SC2086 # several words are meant
		"$1" -std="$2" $warnings -I"$srcdir/include" -fsyntax-only \
		    "$tmp/$user.$3" && continue
		echo "FAIL: $user.$3 with $1 -std=$2"
		status=1
	done
}

write_users
try gcc c99 c
try g++ c++11 cc
for standard in c99 c11 c2x; do
	[ $standard = c99 ] || ! drawn 4 || try gcc $standard c
	! drawn 4 || try clang $standard c
done
for standard in c++11 c++14 c++17 c++20; do
	[ $standard = c++11 ] || ! drawn 4 || try g++ $standard cc
	! drawn 4 || try clang++ $standard cc
done
echo "$compiled compilations"
[ $compiled -gt 0 ] || exit 77
exit $status
