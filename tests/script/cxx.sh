#!/bin/sh
# cxx.sh - a program on vimap.hpp compiles without a warning as C++17 and C++20,
# with each compiler there is, and does what the header says.  The first way is
# tried by each run; of the others one is drawn (sample.sh).

srcdir=${srcdir:-.}
LC_ALL=C
LD_LIBRARY_PATH=$PWD/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LC_ALL LD_LIBRARY_PATH

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
. "$srcdir/tests/script/sample.sh"
if [ ! -f .libs/libvimap.so ]; then
	echo "no .libs/libvimap.so: skipped"
	exit 77
fi

cat >"$tmp/user.cc" <<'END'
#include <vimap.hpp>

#include <cstdio>
#include <cstdlib>
#include <list>
#include <memory>
#include <numeric>
#include <vector>

#define CHECK(x) \
	do { \
		if (!(x)) { \
			std::fprintf(stderr, "line %d: %s\n", __LINE__, #x); \
			std::exit(1); \
		} \
	} while (0)

static vm_options two(unsigned flags = 0)
{
	vm_options o{};

	o.workers = 2;
	o.flags = flags;
	return o;
}

static int twice(int x) { return 2 * x; }

/* A pool whose results a loop takes must outlive the loop. */
template <class P, class = void> struct maps : std::false_type {};
template <class P> struct maps<P, std::void_t<decltype(
    std::declval<P>().imap(std::declval<std::vector<int>>()))>> :
    std::true_type {};
static_assert(maps<vimap::pool<int (*)(int)> &>::value);
static_assert(!maps<vimap::pool<int (*)(int)>>::value);

/* A range whose third element throws. */
struct thrower {
	struct iterator {
		int at;
		int operator*() const
		{
			if (at == 2)
				throw std::range_error("third");
			return at;
		}
		iterator &operator++() { at++; return *this; }
		bool operator==(const iterator &o) const { return at == o.at; }
		bool operator!=(const iterator &o) const { return at != o.at; }
	};
	iterator begin() const { return { 0 }; }
	iterator end() const { return { 9 }; }
};

static void captures_and_failures()
{
	int factor = 3, seen = 0;
	std::list<int> numbers{ 0, 1, 2, 3, 4 };
	vimap::pool pool([&](int x) -> double {
		if (x == 1)
			throw std::range_error("one is not liked");
		if (x == 2)
			throw 2;
		if (x == 3)
			std::_Exit(5);
		return factor * x / 2.0;
	}, two(VM_ORDERED));

	factor = 1000;
	for (const auto &r : pool.imap(numbers)) {
		CHECK(r.input() == seen);
		CHECK(static_cast<bool>(r) == (seen == 0 || seen == 4));
		if (r) {
			CHECK(r.output() == 1.5 * seen);
			CHECK(r.failure() == nullptr);
		} else if (seen == 1) {
			CHECK(std::string(r.failure()->message) ==
			    "one is not liked");
			CHECK(r.failure()->cause == VM_FAILED);
			try {
				r.output();
				CHECK(!"thrown");
			} catch (const vimap::failure &e) {
				CHECK(e.code == 1 && e.cause == VM_FAILED);
			}
		} else {
			CHECK(r.failure()->cause ==
			    (seen == 2 ? VM_FAILED : VM_EXITED));
		}
		CHECK(r.raw().index == static_cast<unsigned>(seen));
		seen++;
	}
	CHECK(seen == 5);
}

static void ranges()
{
	const char *const words[] = { "one", "", "three" };
	std::size_t sum = 0;
	long total = 0;
	vimap::pool lengths([](std::string_view s) { return s.size(); }, two());
	vimap::pool shout([](const std::string &s) { return s + "!"; }, two());
	vimap::pool doubled(twice, two());
	vimap::pool moved = std::move(doubled);

	for (const auto &r : lengths.imap(words))
		sum += r.output();
	for (const auto &r : lengths.imap(std::vector<std::string>(2, "xy")))
		sum += r.output();
	CHECK(sum == 12);
	for (const auto &r : shout.imap(std::vector<std::string>{ "a" }))
		CHECK(r.input() == "a" && r.output() == "a!");
	moved.imap(std::vector<bool>{ true, true });
	moved.imap(std::vector<short>{});
	for (const auto &r : moved.imap(vm_range(0, 0)))
		total += r.output();
	CHECK(total == 4);
	for (const auto &r : moved.imap(std::vector<int>{ 7 })) {
		CHECK(r.output() == 14);
		break;
	}
}

static void contexts()
{
	int n = 0;
	const std::vector<int> three(3);
	vimap::pool pool([](vm_context *me, int) { return me->index; },
	    two(VM_ORDERED));
	vimap::pool nothing([](int) {}, two());
	vimap::pool wrong([](int64_t) { return 1; }, two());

	for (const auto &r : pool.imap(three))
		CHECK(r.output() == static_cast<unsigned>(n++));
	for (const auto &r : nothing.imap(three)) {
		CHECK(r && r.raw().output_size == 0);
		n++;
	}
	CHECK(n == 6);
	/* Inputs of another size than the callable's. */
	for (const auto &r : wrong.imap(vm_array("abc", 3, 1)))
		CHECK(!r && r.failure()->cause == VM_FAILED);
}

static void errors()
{
	vm_options bad{};
	int n = 0;

	bad.workers = -3;
	try {
		vimap::pool pool(twice, bad);
		CHECK(!"thrown");
	} catch (const vimap::error &e) {
		CHECK(e.code().value() == EINVAL);
		CHECK(std::string(e.what()).find("workers") !=
		    std::string::npos);
	}
	vimap::pool pool(twice, two());
	try {
		pool.imap(vm_array(nullptr, 1, 1));
		CHECK(!"thrown");
	} catch (const vimap::error &e) {
		CHECK(e.code().value() == EINVAL);
	}
	try {
		for (const auto &r : pool.imap(thrower())) {
			CHECK(r.output() == 2 * r.input());
			n++;
		}
		CHECK(!"thrown");
	} catch (const std::range_error &) {
		CHECK(n == 2);
	}
	for (const auto &r : pool.imap(std::vector<int>{ 1 }))
		CHECK(r.output() == 2);
}

int main()
{
	captures_and_failures();
	ranges();
	contexts();
	errors();
}
END

status=0
compiled=0
# try COMPILER STANDARD
# shellcheck disable=SC2086 # several words are meant
try()
{
	[ $compiled -eq 0 ] || drawn 3 || return 0
	echo 'int main() {}' >"$tmp/empty.cc"
	"$1" -std="$2" "$tmp/empty.cc" -o "$tmp/empty" 2>/dev/null || return 0
	compiled=$((compiled + 1))
	if ! "$1" -std="$2" -Wall -Wextra -Wpedantic -Werror \
	    $USER_CFLAGS -I"$srcdir/include" "$tmp/user.cc" -L.libs -lvimap \
	    -o "$tmp/user"; then
		echo "FAIL: $1 -std=$2 does not compile it"
		status=1
	elif ! "$tmp/user"; then
		echo "FAIL: the program of $1 -std=$2"
		status=1
	fi
}

# A library with sanitizers needs the C++ compiler that goes with $CC.
compilers="g++ clang++"
case "$USER_CFLAGS:$CC" in
*-fsanitize*:*clang*) compilers=clang++ ;;
*-fsanitize*) compilers=g++ ;;
esac
for compiler in $compilers; do
	command -v $compiler >/dev/null || continue
	for standard in c++17 c++20; do
		try $compiler $standard
	done
done
echo "$compiled compilations"
[ $compiled -gt 0 ] || exit 77
exit $status
