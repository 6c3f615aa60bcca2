"""Ports that are taken, or named twice."""

import os
import socket
import subprocess
import sys

import pytest

from trenova.dev import ports
from trenova.errors import PartFailed


def test_a_taken_port_is_named_with_its_flag_and_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(
            PartFailed, match=rf"port {port} \(--ui-port\) is already in use by .* \(pid {os.getpid()}\)"
        ):
            ports.check({"--ui-port": port})


def test_a_port_of_a_process_that_is_about_to_end_can_be_had() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ports.check({"--ui-port": server.getsockname()[1]}, besides=[os.getppid(), os.getpid()])


def test_two_flags_with_one_port_are_refused() -> None:
    port = ports.choose()
    with pytest.raises(PartFailed, match=f"--api-port and --ui-port are both {port}"):
        ports.check({"--api-port": port, "--ui-port": port})


def test_a_chosen_port_is_chosen_by_nobody_else_and_a_server_can_have_it_again_and_again() -> None:
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
