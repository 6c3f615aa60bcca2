"""Keeps the memory of our processes small although they allocate batches: short-lived blocks of a megabyte or two.

glibc gives each thread its own heaps, which only grow; two are enough. Blocks come from these heaps instead of being
mapped one by one: the system would clear every page of every block, which took a third of a worker's time. Python frees
unreferenced objects at once, but a finished workflow is a reference cycle and holds its batch until the garbage
collector runs, by default after a hundred batches or more; so it runs twice a second. Free memory goes back to the
system, but rarely: each 4 KiB that is needed again costs a page fault and a cleared page.
"""

import asyncio
import ctypes
import gc
from contextlib import suppress

from trenova.config import MIB

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of malloc.h
LARGE_BYTES = 32 * MIB  # the largest block from a heap; setting it stops glibc from adapting it
ARENAS = 2
COLLECT_EVERY_S = 0.5  # takes a few milliseconds once imported modules are frozen
COLLECTIONS_PER_TRIM = 10  # a trim each time cost a worker 10 % more processor time, and saved some tens of MiB


def limit_heaps() -> None:
    """Limit the heaps of this process before it starts threads. Does nothing if the C library has no such setting."""
    with suppress(OSError, AttributeError, TypeError):
        c_library().mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        c_library().mallopt(M_ARENA_MAX, ARENAS)


async def keep_collecting() -> None:
    """Collect reference cycles and return free memory to the system, until cancelled."""
    gc.collect()
    gc.freeze()  # modules and classes stay anyway, so the collector can skip them
    while True:
        for _ in range(COLLECTIONS_PER_TRIM):
            await asyncio.sleep(COLLECT_EVERY_S)
            gc.collect()
        with suppress(OSError, AttributeError, TypeError):
            c_library().malloc_trim(0)


def c_library() -> ctypes.CDLL:
    """The C library of this process. Raises OSError or TypeError if it cannot be loaded this way."""
    return ctypes.CDLL(None)
