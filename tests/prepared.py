"""Data folders whose PostgreSQL is initialised and has our schema, for tests of what comes after that.

They are copies of one that is made once per process, which takes a second of processor time.
"""

import asyncio
import atexit
import functools
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from trenova.dev import schema
from trenova.dev.postgres import Postgres


@functools.cache
def original() -> Path:
    path = Path(tempfile.mkdtemp(prefix="trenova-test-"))
    path.chmod(0o755)  # PostgreSQL's user enters it
    atexit.register(shutil.rmtree, path, ignore_errors=True)

    async def make() -> None:
        async with Postgres(path / "data").running() as server:
            await schema.prepare(server)

    # In a thread, because a caller may be inside of an event loop.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, make()).result()
    return path / "data"


def prepare(folder: Path) -> Path:
    """Create the folder as such a copy; returns it."""
    # cp keeps the owner of PostgreSQL's files, which shutil does not.
    subprocess.run(["cp", "--archive", "--reflink=auto", str(original()), str(folder)], check=True)
    return folder
