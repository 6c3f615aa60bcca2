"""Short commands that talk to Temporal, whose SDK has threads of its own."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

# A thread of the SDK needs the interpreter once more after it has handed over an answer. If that has ended by then, the
# process aborts after all its work is done (temporalio/sdk-python#300; nearly every second time, without the pause).
PAUSE_S = 0.1

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` returns or raises, with time for the SDK's threads to let go."""
    try:
        return asyncio.run(work)
    finally:
        time.sleep(PAUSE_S)
