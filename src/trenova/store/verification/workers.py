"""Processes to verify in: SHA-256 is quick, but the Python around it keeps a core busy."""

import atexit
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager


@contextmanager
def processes(count: int) -> Iterator[Executor]:
    """At most `count`, started as they are needed. Work that has not begun when the block ends is dropped."""
    executor = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=begin)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def begin() -> None:
    """Leave Ctrl-C to the parent process, and end with it, also when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    atexit.register(gc.freeze)  # as in cli/main
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    # The queue of the pool would never close: a process that waits for work holds both ends of it.
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
