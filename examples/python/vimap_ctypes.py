"""vimap_ctypes.py - a map over worker processes from Python, by ctypes.

imap(function, inputs) calls the function, bytes to bytes, in forked workers,
and yields each input with its output, or with the Failed that says why there
is none: an exception of the function, a crash, an exit, a timeout.  It shows
how another language binds the library: vm_fork_sized() is told the sizes of
the structs as they are laid out here, so these may end where their last field
in use does.

Any function will do, also a lambda: workers have the interpreter as it was at
the fork.  Call imap() while no other thread runs.  The hooks of
os.register_at_fork() are not called.

Usage: vimap_ctypes.py [NUMBER...]
LIBVIMAP in the environment is the library to load.
"""
import ctypes as C
import os
import sys
import traceback

ORDERED = 1 << 0
OUTPUT = 1

_path = os.environ.get("LIBVIMAP", "libvimap.so.0")
_lib = C.CDLL(_path, use_errno=True)
# Forks while it has the interpreter's lock, so that no other thread has it.
_fork = C.PyDLL(_path, use_errno=True).vm_fork_sized


class _Context(C.Structure):
    _fields_ = [("config", C.c_void_p), ("state", C.c_void_p),
                ("worker_index", C.c_int), ("attempt", C.c_int),
                ("index", C.c_uint64), ("seed", C.c_uint64)]


class _Worker(C.Structure):
    _fields_ = [("setup", C.c_void_p), ("process", C.c_void_p)]


class _Options(C.Structure):
    _fields_ = [("workers", C.c_int), ("flags", C.c_uint),
                ("worker_indices", C.c_void_p), ("chunk_size", C.c_size_t),
                ("max_real_in_flight_factor", C.c_int),
                ("max_total_in_flight_factor", C.c_int),
                ("max_in_flight_bytes", C.c_size_t),
                ("max_item_bytes", C.c_size_t),
                ("max_attempts", C.c_int), ("retry_on", C.c_uint),
                ("retry_delay_ms", C.c_int), ("retry_delay_max_ms", C.c_int),
                ("max_failures", C.c_int), ("item_timeout_ms", C.c_int)]


class _Source(C.Structure):     # passed by value, so it is whole
    _fields_ = [("next", C.c_void_p), ("close", C.c_void_p),
                ("from_", C.c_void_p), ("wait_fd", C.c_void_p),
                ("length", C.c_uint64), ("tag", C.c_void_p),
                ("reserved", C.c_void_p * 3)]


class _Exception(C.Structure):
    _fields_ = [("cause", C.c_int), ("code", C.c_int), ("signal", C.c_int),
                ("exit_status", C.c_int), ("core_dumped", C.c_int),
                ("out_of_memory", C.c_int), ("pid", C.c_int),
                ("worker_index", C.c_int), ("message", C.c_char_p)]


class _Result(C.Structure):     # filled by the library, so it is whole
    _fields_ = [("input", C.c_void_p), ("input_size", C.c_size_t),
                ("output", C.c_void_p), ("output_size", C.c_size_t),
                ("exception", C.POINTER(_Exception)), ("tag", C.c_void_p),
                ("index", C.c_uint64), ("type", C.c_int),
                ("attempts", C.c_int), ("worker_index", C.c_int),
                ("host", C.c_int), ("wall_ns", C.c_uint64),
                ("cpu_ns", C.c_uint64)]


_PROCESS = C.CFUNCTYPE(C.c_int, C.POINTER(_Context), C.c_void_p, C.c_size_t)
_NEXT = C.CFUNCTYPE(C.c_int, C.c_void_p, C.POINTER(C.c_void_p),
                    C.POINTER(C.c_size_t))

_fork.restype = C.c_void_p
_fork.argtypes = [C.POINTER(_Worker), C.c_size_t, C.POINTER(_Options),
                  C.c_size_t]
_lib.vm_imap.argtypes = [C.c_void_p, _Source]
_lib.vm_zip_in_out.argtypes = [C.c_void_p, C.POINTER(_Result)]
_lib.vm_close.argtypes = [C.c_void_p]
_lib.vm_error.argtypes = [C.c_void_p]
_lib.vm_error.restype = C.c_char_p
_lib.vm_output.argtypes = [C.POINTER(_Context), C.c_char_p, C.c_size_t]
_lib.vm_fail.argtypes = [C.POINTER(_Context), C.c_int, C.c_char_p, C.c_char_p]
_lib.vm_cause_name.argtypes = [C.c_int]
_lib.vm_cause_name.restype = C.c_char_p


class Failed(Exception):
    """Why an input has no output.  The text of an exception of the function
    ends with its traceback."""

    def __init__(self, e):
        super().__init__(e.message.decode(errors="replace"))
        self.cause = _lib.vm_cause_name(e.cause).decode()
        self.code, self.signal = e.code, e.signal
        self.exit_status = e.exit_status


def _error(pool):
    return OSError(C.get_errno(), _lib.vm_error(pool).decode())


def _flush():
    # Text in a buffer of Python would be copied by a fork, and is dropped at
    # the end of a worker.
    for stream in sys.stdout, sys.stderr:
        if stream is not None and not stream.closed:
            stream.flush()


def _process_of(function):
    def process(me, data, size):
        try:
            try:
                output = bytes(function(C.string_at(data, size)))
            finally:
                _flush()
            return _lib.vm_output(me, output, len(output))
        except BaseException as e:  # an exit of the interpreter as well
            text = "".join([f"{type(e).__name__}: {e}\n"] +
                           traceback.format_exception(e))
            # Surrogates, as of a name of a file, have no UTF-8.
            return _lib.vm_fail(me, 1, b"%s", text.encode(errors="replace"))
    return _PROCESS(process)


def _next_of(inputs, held):
    """held: the bytes of the last input, until the next call, or the exception
    that ended the inputs."""
    inputs = iter(inputs)

    def next_input(_, data, size):
        try:
            held[:] = [bytes(next(inputs))]
        except StopIteration:
            return 0
        except BaseException as e:
            held[:] = [e]
            return -1
        data[0] = C.cast(C.c_char_p(held[0]), C.c_void_p)
        size[0] = len(held[0])
        return 1
    return _NEXT(next_input)


def imap(function, inputs, flags=ORDERED, **options):
    """Yields pairs of an input and its output or Failed, in the order of the
    inputs, which are read as there is room for them.  The workers are forked for
    the first pair, and end with the loop.  options: fields of
    vm_options, such as workers=4.  An exception of the inputs is raised when
    those before it have been answered; a failure of the pool is an OSError."""
    process = _process_of(function)
    worker = _Worker(process=C.cast(process, C.c_void_p))
    settings = _Options(flags=flags, **options)
    held = []
    source = _next_of(inputs, held)
    _flush()
    pool = _fork(worker, C.sizeof(worker), settings, C.sizeof(settings))
    if not pool:
        raise _error(None)
    try:
        if _lib.vm_imap(pool, _Source(next=C.cast(source, C.c_void_p))) != 0:
            raise _error(pool)
        r = _Result()
        while (rc := _lib.vm_zip_in_out(pool, r)) == 1:
            yield (C.string_at(r.input, r.input_size),
                   C.string_at(r.output, r.output_size)
                   if r.type == OUTPUT else Failed(r.exception[0]))
        if rc == -1 and held and isinstance(held[0], BaseException):
            raise held[0]
        if rc == -1:
            raise _error(pool)
    finally:
        _lib.vm_close(pool)


def _inverse(number):
    if number == b"13":
        os.abort()              # as bad code may do
    return b"%.4f" % (1 / float(number))


if __name__ == "__main__":
    numbers = sys.argv[1:] or ["1", "3", "0", "13", "4"]
    for number, result in imap(_inverse, (n.encode() for n in numbers)):
        if isinstance(result, Failed):
            print(f"{number.decode()}: {result.cause}:",
                  str(result).splitlines()[0])
        else:
            print(f"{number.decode()}: {result.decode()}")
