"""Errors for addresses that a server cannot listen on name the setting to change."""

import errno
import os

import pytest

from trenova.runtime.http.listening import listen_error


@pytest.mark.parametrize(
    ("number", "port", "problem", "step"),
    [
        (errno.EADDRINUSE, 8080, "port 8080 on 127.0.0.1 is already in use", "stop the program that uses it"),
        (errno.EADDRNOTAVAIL, 8080, "127.0.0.1 is not an address of this machine", "correct the host beside api.port"),
        (errno.EACCES, 80, "port 80 on 127.0.0.1: permission denied", "choose a port from 1024 up with api.port"),
        (errno.ENOBUFS, 8080, "cannot listen on port 8080 on 127.0.0.1: No buffer space", "choose another port"),
    ],
)
def test_the_error_names_the_reason_and_the_setting(number: int, port: int, problem: str, step: str) -> None:
    error = listen_error(OSError(number, os.strerror(number)), "127.0.0.1", port, "api.port")
    assert error.problems[0].startswith(problem)
    assert error.hint is not None
    assert error.hint.startswith(step)
    assert "api.port" in error.hint
