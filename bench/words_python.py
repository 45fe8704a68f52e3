#!/usr/bin/env python3
"""Counts the words of a file on a pool of Python's multiprocessing.

Usage: words_python.py FILE [WORKERS [PART_KIB]]; prints what words_pool prints.
"""
import collections
import multiprocessing
import os
import sys

PATH = sys.argv[1]
WORKERS = int(sys.argv[2]) if len(sys.argv) > 2 else 2
PART = (int(sys.argv[3]) if len(sys.argv) > 3 else 8192) * 1024


def count(offset):
    """The words that begin in a part."""
    with open(PATH, "rb") as text:
        text.seek(max(offset - 1, 0))
        data = text.read(PART + min(offset, 1))
        while data and not data[-1:].isspace():
            more = text.read(4096)
            if not more:
                break
            end = next((i for i in range(len(more))
                        if more[i:i + 1].isspace()), None)
            data += more if end is None else more[:end + 1]
    if offset > 0:
        head = 0
        while head < len(data) and not data[head:head + 1].isspace():
            head += 1
        data = data[head:]
    return collections.Counter(data.split())


def main():
    parts = range(0, os.path.getsize(PATH), PART)
    total = collections.Counter()
    with multiprocessing.Pool(WORKERS) as pool:
        for counter in pool.imap_unordered(count, parts):
            total.update(counter)
    out = sys.stdout.buffer
    for word in sorted(total):
        out.write(b"%7d %s\n" % (total[word], word))


main()
