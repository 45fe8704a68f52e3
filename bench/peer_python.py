#!/usr/bin/env python3
"""peer_python.py - the workloads on Python's own process pools.

Usage: peer_python.py imap|futures WORKLOAD ITEMS [WORKERS [CHUNK]]

"imap" is multiprocessing's Pool.imap_unordered(), "futures" the map() of
concurrent.futures' ProcessPoolExecutor, which answers in order.  Prints what
the C programs print (bench.h), and does the same with each item.
"""
import concurrent.futures
import multiprocessing
import sys
import time

BYTE = 0x5A
MASK = int.from_bytes(bytes([BYTE]) * 8, "little")
FLIPPED = bytes(i ^ BYTE for i in range(256))
SIZES = {"kib": 1024, "mib": 1024 * 1024}
SKEW_SEED = 20261121
START_ITEMS = 4
WORD = 0xFFFFFFFF


def run_tiny(x):
    """What is done with a number."""
    return 2 * x + 1


def run_block(block):
    """What is done with a block: each byte is flipped."""
    return block.translate(FLIPPED)


def burn(seconds):
    """Keeps this thread busy for so much CPU time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def run_ms(x):
    """1 ms of work."""
    burn(1e-3)
    return run_tiny(x)


def is_heavy(i):
    """As in bench.c."""
    h = (i * 2654435769 + SKEW_SEED) & WORD
    h ^= h >> 15
    h = h * 2246822519 & WORD
    return (h >> 16) % 100 == 0


def run_skew(x):
    """50 ms for one in a hundred, 0.2 ms for the others."""
    burn(50e-3 if is_heavy(x) else 0.2e-3)
    return run_tiny(x)


RUNS = {"tiny": run_tiny, "kib": run_block, "mib": run_block, "ms": run_ms,
        "skew": run_skew, "pingpong": run_tiny, "start": run_tiny}


def inputs(name, items):
    """All inputs: numbers, or blocks that begin and end with one."""
    if name not in SIZES:
        yield from range(items)
        return
    body = bytes(SIZES[name] - 16)
    for i in range(items):
        word = i.to_bytes(8, "little")
        yield word + body + word


def value(out):
    """What an output adds to the checksum."""
    if isinstance(out, int):
        return out
    return (int.from_bytes(out[:8], "little") +
            int.from_bytes(out[-8:], "little"))


def expected(name, items):
    """What the checksum must be."""
    if name == "start":
        return items * START_ITEMS * START_ITEMS
    if name in SIZES:
        return sum(2 * (i ^ MASK) for i in range(items)) & (1 << 64) - 1
    return items * items


def peak_kib():
    """The most memory this process has had; 0 if that is not told."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status
                        if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return 0


def open_pool(kind, workers):
    """A pool, with its map: (function, inputs, chunk) to outputs."""
    context = multiprocessing.get_context("fork")
    if kind == "imap":
        pool = context.Pool(workers)
        return pool, pool.imap_unordered, pool.terminate
    pool = concurrent.futures.ProcessPoolExecutor(workers, context)

    def mapped(run, values, chunk):
        return pool.map(run, values, chunksize=chunk)
    return pool, mapped, pool.shutdown


def take(results):
    """How many results there are, and their checksum."""
    count = total = 0
    for out in results:
        total += value(out)
        count += 1
    return count, total


def run_starts(kind, items, workers):
    """Pools opened, given some items, and closed."""
    count = total = 0
    for _ in range(items):
        pool, mapped, close = open_pool(kind, workers)
        with pool:
            n, part = take(mapped(run_tiny, range(START_ITEMS), 1))
        close()
        count += n
        total += part
    return count // START_ITEMS, total


def run_items(mapped, name, items, chunk):
    """All items through an open pool."""
    if name == "pingpong":
        parts = [take(mapped(run_tiny, [i], 1)) for i in range(items)]
        return len(parts), sum(part[1] for part in parts)
    return take(mapped(RUNS[name], inputs(name, items), chunk))


def main(argv):
    """One run, as the command line says."""
    kind, name, items = argv[1], argv[2], int(argv[3])
    workers = int(argv[4]) if len(argv) > 4 else 2
    chunk = max(1, int(argv[5])) if len(argv) > 5 else 1
    close = None
    if name not in RUNS or kind not in ("imap", "futures"):
        sys.exit("peer_python.py: no such workload or pool")
    if name != "start":
        _, mapped, close = open_pool(kind, workers)
        take(mapped(run_tiny, range(START_ITEMS * workers), 1))
    cpu, wall = time.process_time(), time.monotonic()
    if name == "start":
        count, total = run_starts(kind, items, workers)
    else:
        count, total = run_items(mapped, name, items, chunk)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    total &= (1 << 64) - 1
    each = {"pingpong": f" {1e6 * wall / items:.2f} us",
            "start": f" {1e3 * wall / items:.3f} ms"}.get(name, "")
    print(f"{items} {wall:.6f} {cpu:.6f} {total} {peak_kib()}{each}")
    if close:
        close()
    if count != items or total != expected(name, items):
        sys.exit(f"peer_python.py: {name}: {count} results, checksum {total}")


if __name__ == "__main__":
    main(sys.argv)
