"""Ports that are taken, or named twice."""

import os
import socket

import pytest

from trenova.dev import ports
from trenova.errors import PartFailed


def test_a_taken_port_is_named_with_its_flag_and_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PartFailed, match=rf"port {port} \(--ui-port\) is taken by .* \(pid {os.getpid()}\)"):
            ports.check({"--ui-port": port})


def test_two_flags_with_one_port_are_refused() -> None:
    port = ports.choose()
    with pytest.raises(PartFailed, match=f"--api-port and --ui-port are both {port}"):
        ports.check({"--api-port": port, "--ui-port": port})
