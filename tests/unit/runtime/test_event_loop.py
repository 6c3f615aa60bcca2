"""Commands end when their work is done, even while a name is still being looked up."""

import asyncio
import socket
import subprocess
import sys
import time

import pytest

from trenova.runtime import event_loop

SLOW_S = 60
GIVE_UP = """
import asyncio, socket, time
from trenova.runtime import event_loop

socket.getaddrinfo = lambda *arguments: time.sleep(60)

async def work():
    try:
        async with asyncio.timeout(0.1):
            await asyncio.get_running_loop().getaddrinfo("temporal.example", 7233)
    except TimeoutError:
        return "given up"

print(event_loop.run(work()))
"""


def test_a_command_does_not_wait_for_a_name_that_is_still_being_looked_up() -> None:
    before = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", GIVE_UP], capture_output=True, timeout=2 * SLOW_S, check=True)
    assert ended.stdout == b"given up\n"
    assert time.monotonic() - before < SLOW_S / 2


def test_names_are_looked_up_as_by_python() -> None:
    async def work() -> object:
        loop = asyncio.get_running_loop()
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("127.0.0.1", "no such service")
        with pytest.raises(UnicodeError):
            await loop.getaddrinfo("a" * 70 + ".example", 80)
        return await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)

    assert event_loop.run(work()) == socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
