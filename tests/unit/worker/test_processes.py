"""One place of `trenova worker --processes`, whichever process fills it."""

import errno
import os
import socket
import subprocess
import sys
import time
from types import ModuleType

import psutil
import pytest

from conftest import GENEROUS_S
from trenova.worker.processes import LONGEST_PAUSE_S, Place

ENDS_AT_ONCE = [sys.executable, "-c", "pass"]
FAILURES = [(socket, "socketpair", errno.EMFILE), (subprocess, "Popen", errno.EAGAIN)]


def place() -> Place:
    return Place(ENDS_AT_ONCE, {})


def files() -> int:
    return int(psutil.Process().num_fds())


@pytest.mark.parametrize(("module", "call", "number"), FAILURES, ids=["channel", "process"])
def test_a_process_that_cannot_be_started_is_retried_after_a_pause(
    module: ModuleType, call: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> object:
        raise OSError(number, os.strerror(number))

    one, before = place(), files()
    with monkeypatch.context() as failing:
        failing.setattr(module, call, fail)
        one.supervise(100.0)
        assert (one.process, one.channel, one.due, one.is_hopeless) == (None, None, 101.0, False)
        one.supervise(101.0)
        assert one.due == 103.0
    assert files() == before
    one.supervise(102.9)
    assert files() == before
    one.supervise(103.0)
    assert one.process is not None
    assert one.wait(time.monotonic() + GENEROUS_S) == 0
    one.close()


def test_the_pause_is_bounded_however_often_a_process_was_lost() -> None:
    one = place()
    one.lost = 5_000
    one.has_worked = True
    one.channel, theirs = socket.socketpair()
    one.channel.setblocking(False)
    with theirs:
        one.handle_exit(1, 1, 10.0)
    assert one.due == 10.0 + LONGEST_PAUSE_S
