"""Keeping processes small that hold batches: blocks of a megabyte or two that live for a moment.

Each thread would get heaps of its own from glibc, and they only grow; two are enough. Blocks are taken from them,
not mapped one by one: the system would clear every page of every block, which took a third of a worker's time. Python
frees at once what nobody refers to, but a workflow that has ended is a ring of objects that refer to each other, and
holds its batch until the collector comes by; by itself that comes after a hundred batches or more. So it comes twice a
second. What is free goes back to the system, but seldom: taking it again costs a fault and a cleared page for every
4 KiB. May import: nothing.
"""

import asyncio
import ctypes
import gc
from contextlib import suppress

from trenova.config import MIB

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of malloc.h
LARGE_BYTES = 32 * MIB  # the most that glibc takes from a heap; set, so that it does not move by itself
ARENAS = 2
COLLECT_EVERY_S = 0.5  # takes some milliseconds, once what was imported is left out
COLLECTIONS_A_TRIM = 10  # with one each time a worker took a tenth more processor time, for some tens of MiB less


def limit_heaps() -> None:
    """For this process, before it starts threads. Does nothing where the C library has no such setting."""
    with suppress(OSError, AttributeError, TypeError):
        c_library().mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        c_library().mallopt(M_ARENA_MAX, ARENAS)


async def keep_collecting() -> None:
    """Collect rings and give free memory back, again and again until cancelled."""
    gc.collect()
    gc.freeze()  # modules and classes stay anyway: nobody need look at them again
    while True:
        for _ in range(COLLECTIONS_A_TRIM):
            await asyncio.sleep(COLLECT_EVERY_S)
            gc.collect()
        with suppress(OSError, AttributeError, TypeError):
            c_library().malloc_trim(0)


def c_library() -> ctypes.CDLL:
    """Raises OSError or TypeError where there is none to be found by this way."""
    return ctypes.CDLL(None)
