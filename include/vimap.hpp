/*
 * vimap.hpp - pools for C++17: a callable in, a range in, results out.
 *
 *	int factor = 3;
 *	std::vector<int> numbers{ 1, 2, 3 };
 *	vimap::pool pool([=](int x) { return factor * x; });
 *
 *	for (const auto &r : pool.imap(numbers))
 *		if (r)
 *			std::cout << r.input() << ": " << r.output() << '\n';
 *		else
 *			std::cerr << r.failure()->message << '\n';
 *
 * The callable runs in the workers, on their copy of the program's memory as of
 * the pool's construction: what it captures by reference is not seen to change,
 * neither there nor here.  It takes an input, or a vm_context * and an input.
 * An exception that leaves it fails the input (VM_FAILED, code 1), with what()
 * as the message.
 *
 * Inputs and outputs are std::string, std::string_view or any type that is
 * trivially copyable; a callable may also return void.  Pointers are refused.
 *
 * This header has inline functions only, on vimap.h; programs that it does not
 * fit use vm_pool, which raw() returns.
 */
#ifndef VIMAP_HPP
#define VIMAP_HPP

#include <cerrno>
#include <cstring>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include <vimap.h>

namespace vimap {

/* A call failed: code() has errno, what() begins with the text of
   vm_error(). */
class error : public std::system_error {
public:
	error(int number, const char *text) :
	    std::system_error(number, std::generic_category(), text) {}
};

/* The output of an input that has none was asked for. */
class failure : public std::runtime_error {
public:
	explicit failure(const vm_exception &e) :
	    std::runtime_error(e.message), cause(e.cause), code(e.code) {}
	vm_cause cause;
	int code;
};

namespace detail {

template <class T> inline constexpr bool is_text =
    std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>;

template <class T> inline constexpr bool travels = is_text<T> ||
    (std::is_trivially_copyable_v<T> && !std::is_pointer_v<T> &&
    std::is_default_constructible_v<T>);

/* Makes a value from bytes.  A string_view refers to them. */
template <class T> T read(const void *bytes, std::size_t size)
{
	if constexpr (is_text<T>) {
		return T(static_cast<const char *>(bytes), size);
	} else {
		T value{};

		if (size != sizeof value)
			throw std::length_error("the bytes are not those of "
			    "this type");
		std::memcpy(&value, bytes, size);
		return value;
	}
}

/* Returns the bytes of a value. */
template <class T> std::pair<const void *, std::size_t> bytes_of(const T &value)
{
	if constexpr (is_text<T>)
		return { value.data(), value.size() };
	else
		return { &value, sizeof value };
}

/* The input and the output of a callable, found by the deduction guides of
   std::function. */
template <class T> struct signature;
template <class R, class A> struct signature<std::function<R(A)>> {
	using input = std::decay_t<A>;
	using output = std::decay_t<R>;
	static constexpr bool has_context = false;
};
template <class R, class A>
struct signature<std::function<R(vm_context *, A)>> :
    signature<std::function<R(A)>> {
	static constexpr bool has_context = true;
};

/* A range as a source.  A lvalue is referred to, an rvalue is kept. */
template <class In, class Range> class walk {
public:
	walk(Range &&range, std::exception_ptr &thrown) :
	    range_(std::forward<Range>(range)), at_(std::begin(range_)),
	    thrown_(thrown) {}

	static int next(void *from, const void **input, std::size_t *size)
	    noexcept
	{
		walk &w = *static_cast<walk *>(from);

		try {
			return w.step(input, size);
		} catch (...) {
			w.thrown_ = std::current_exception();
			errno = ECANCELED;
			return -1;
		}
	}

	static void close(void *from) noexcept
	{
		delete static_cast<walk *>(from);
	}

private:
	using held = std::conditional_t<is_text<In>, std::string, In>;

	int step(const void **input, std::size_t *size)
	{
		if (at_ == std::end(range_))
			return 0;
		value_.emplace(*at_);
		++at_;
		std::tie(*input, *size) = bytes_of(*value_);
		return 1;
	}

	Range range_;
	decltype(std::begin(std::declval<Range &>())) at_;
	std::optional<held> value_;
	std::exception_ptr &thrown_;
};

struct closer {
	void operator()(vm_pool *p) const noexcept { vm_close(p); }
};

} // namespace detail

/* An input with its output or the reason why there is none; valid until the
   loop goes on. */
template <class In, class Out> class result {
public:
	explicit result(const vm_result &r) : r_(&r) {}
	/* Is there an output? */
	explicit operator bool() const { return r_->type == VM_OUTPUT; }
	In input() const
	{
		return detail::read<In>(r_->input, r_->input_size);
	}
	/* Throws a vimap::failure if there is none. */
	Out output() const
	{
		if (r_->type != VM_OUTPUT)
			throw vimap::failure(*r_->exception);
		if constexpr (!std::is_void_v<Out>)
			return detail::read<Out>(r_->output, r_->output_size);
	}
	/* Returns the exception; NULL if there is an output. */
	const vm_exception *failure() const { return r_->exception; }
	const vm_result &raw() const { return *r_; }

private:
	const vm_result *r_;
};

/* A pool whose workers call f.  Its destructor closes it.  A pool can be moved,
   but not while a loop over its results runs. */
template <class F> class pool {
	using signature =
	    detail::signature<decltype(std::function{ std::declval<F>() })>;

public:
	using input = typename signature::input;
	using output = typename signature::output;
	using result = vimap::result<input, output>;
	static_assert(detail::travels<input>, "an input is a string or is "
	    "trivially copyable, and no pointer");
	static_assert(std::is_void_v<output> || detail::travels<output>,
	    "an output is a string or is trivially copyable, and no pointer");
	static_assert(!std::is_same_v<output, std::string_view>,
	    "a string_view would refer to what the callable has left");

	/* Forks the pool, by vm_fork(); throws a vimap::error. */
	explicit pool(F f, const vm_options &options = vm_options{}) :
	    own_(std::make_unique<own>(std::move(f)))
	{
		vm_worker worker{};

		worker.process = process;
		worker.config = &own_->f;
		own_->pool.reset(vm_fork(&worker, &options));
		if (!own_->pool)
			throw error(errno, vm_error(nullptr));
	}

	class iterator {
	public:
		using iterator_category = std::input_iterator_tag;
		using value_type = typename pool::result;
		using difference_type = std::ptrdiff_t;
		using pointer = const value_type *;
		using reference = value_type;

		iterator() = default;
		explicit iterator(pool &p) : pool_(&p) { ++*this; }
		value_type operator*() const
		{
			return value_type(pool_->own_->taken);
		}
		iterator &operator++()
		{
			if (!pool_->take())
				pool_ = nullptr;
			return *this;
		}
		void operator++(int) { ++*this; }
		bool operator==(const iterator &other) const
		{
			return pool_ == other.pool_;
		}
		bool operator!=(const iterator &other) const
		{
			return pool_ != other.pool_;
		}

	private:
		pool *pool_ = nullptr;
	};

	/* The results of all sources queued so far.  To be looped over once. */
	class results {
	public:
		explicit results(pool &p) : pool_(&p) {}
		iterator begin() const { return iterator(*pool_); }
		iterator end() const { return iterator(); }

	private:
		pool *pool_;
	};

	/* Queues a range whose elements make inputs.  It is read lazily, in the
	   loop: a lvalue must live and stay until then.  An exception of its
	   iterators is thrown by the loop.  Not of a temporary pool, which
	   would be gone by then. */
	template <class Range> results imap(Range &&range) &
	{
		if constexpr (std::is_same_v<std::decay_t<Range>, vm_source>)
			return queue(range);
		else
			return queue_range(std::forward<Range>(range));
	}

	vm_pool *raw() const { return own_->pool.get(); }

private:
	/* At one address for life: the workers and the sources refer to it. */
	struct own {
		explicit own(F &&g) : f(std::move(g)) {}
		F f;
		vm_result taken{};
		std::exception_ptr thrown;
		/* Last, so that it is closed first. */
		std::unique_ptr<vm_pool, detail::closer> pool;
	};

	static void call(vm_context *me, const void *bytes, std::size_t size)
	{
		F &f = *static_cast<F *>(me->config);
		auto run = [&]() -> output {
			if constexpr (signature::has_context)
				return f(me, detail::read<input>(bytes, size));
			else
				return f(detail::read<input>(bytes, size));
		};

		if constexpr (std::is_void_v<output>) {
			run();
		} else {
			const output value = run();
			const auto [data, length] = detail::bytes_of(value);

			/* On failure the item has failed. */
			vm_output(me, data, length);
		}
	}

	static int process(vm_context *me, const void *bytes, std::size_t size)
	    noexcept
	{
		try {
			call(me, bytes, size);
			return 0;
		} catch (const std::exception &e) {
			return vm_fail(me, 1, "%s", e.what());
		} catch (...) {
			return vm_fail(me, 1, "An exception of unknown type.");
		}
	}

	results queue(const vm_source &source)
	{
		if (vm_imap(raw(), source) == -1)
			throw error(errno, vm_error(raw()));
		return results(*this);
	}

	template <class Range> results queue_range(Range &&range)
	{
		using walk = detail::walk<input, Range>;
		vm_source source{};

		source.from = new walk(std::forward<Range>(range),
		    own_->thrown);
		source.next = walk::next;
		source.close = walk::close;
		return queue(source);
	}

	/* Takes the next result.  Returns false at the end. */
	bool take()
	{
		const int rc = vm_zip_in_out(raw(), &own_->taken);

		if (rc == -1 && own_->thrown)
			std::rethrow_exception(std::exchange(own_->thrown,
			    nullptr));
		if (rc == -1)
			throw error(errno, vm_error(raw()));
		return rc == 1;
	}

	std::unique_ptr<own> own_;
};

} // namespace vimap

#endif
