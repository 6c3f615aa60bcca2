"""Giving large blocks of memory back to the system.

Batches are blocks of a megabyte or two that live for a moment. glibc maps such blocks one by one at first, but raises
its threshold with each one that is freed, and from then on keeps them in heaps that only grow. Python frees at once
what nobody refers to, but a workflow that has ended is a ring of objects that refer to each other, and holds its batch
until the collector comes by; by itself that comes after a hundred batches or more. May import: nothing.
"""

import asyncio
import ctypes
import gc
import sys
from contextlib import suppress

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of malloc.h
LARGE_BYTES = 256 * 1024
ARENAS = 2  # each thread would else get a heap of its own to fragment
COLLECT_EVERY_S = 1  # takes some milliseconds, once what was imported is left out


def give_back_large_blocks() -> None:
    """Fix the threshold, for this process. Does nothing where the C library has no such setting."""
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(M_ARENA_MAX, ARENAS)


async def collect_rings() -> None:
    """Collect once a second, until cancelled."""
    gc.collect()
    gc.freeze()  # modules and classes stay anyway: nobody need look at them again
    while True:
        await asyncio.sleep(COLLECT_EVERY_S)
        gc.collect()
