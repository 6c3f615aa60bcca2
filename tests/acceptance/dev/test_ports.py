"""Ports that are in use, or named twice."""

import os
import socket
import subprocess
import sys

import pytest

from trenova.dev import ports
from trenova.errors import PartFailed


def test_a_port_in_use_is_named_with_its_flag_and_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(
            PartFailed, match=rf"port {port} \(--ui-port\) is already in use by .* \(pid {os.getpid()}\)"
        ):
            ports.check({"--ui-port": port})


def test_a_port_of_a_process_that_is_about_to_end_is_available() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ports.check({"--ui-port": server.getsockname()[1]}, besides=[os.getppid(), os.getpid()])


def test_two_flags_with_the_same_port_are_an_error() -> None:
    port = ports.choose()
    with pytest.raises(PartFailed, match=f"--api-port and --ui-port are both {port}"):
        ports.check({"--api-port": port, "--ui-port": port})


def test_a_chosen_port_is_not_chosen_again_and_a_server_can_bind_it_repeatedly() -> None:
    port = ports.choose()
    program = f"from trenova.dev import ports; print(ports.reserve({port}), ports.is_free({port}))"
    for _ in range(2):
        assert not ports.reserve(port)
        assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False True\n"
        with socket.create_server((ports.LOCALHOST, port)) as server:
            assert not ports.is_free(port)
            # A connection that the server closes first is remembered for a minute.
            with socket.create_connection((ports.LOCALHOST, port)):
                server.accept()[0].close()
