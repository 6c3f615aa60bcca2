"""Splitting a body into entries, in memory that does not grow with an invalid body."""

import subprocess
import sys

import pytest

from trenova.api import bodies
from trenova.config import LimitSettings
from trenova.errors import InvalidRequest, RequestTooLarge

JSON, NDJSON = "application/json", "application/x-ndjson"
MIB = 1024 * 1024
MOST = 60 * MIB
"""The memory that an invalid body may take. It used to be hundreds of megabytes."""

PEAK = """
import re, sys
from pathlib import Path
from contextlib import suppress
from trenova.api import bodies
from trenova.config import LimitSettings
from trenova.errors import TrenovaError

def peak():  # not getrusage, which starts with the peak of the parent process
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

body = eval(sys.argv[1])
before = peak()
with suppress(TrenovaError):
    bodies.split_entries(body, content_type=sys.argv[2], limits=LimitSettings())
print(peak() - before)
"""

BOMBS = {
    "objects": ('b"[" + b"{}," * 5_500_000 + b"{}]"', JSON),
    "numbers": ('b"[" + b"0," * 8_000_000 + b"0]"', JSON),
    "arrays": ('b"[" + b"[]," * 5_500_000 + b"[]]"', JSON),
    "objects that end too early": ('b"[" + b"{}," * 5_500_000', JSON),
    "objects inside one": ('b"[[" + b"{}," * 5_500_000 + b"{}]]"', JSON),
    "lines": ('b"{}\\n" * 5_500_000', NDJSON),
    "blank lines": ('b"\\n" * 16_000_000', NDJSON),
    "spaces": ('b" " * 16_000_000', NDJSON),
    "lines of spaces": ('(b" " * 1000 + b"\\r\\n") * 16_000', NDJSON),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_an_invalid_body_costs_little_more_memory_than_its_own_bytes(bomb: str) -> None:
    body, content_type = BOMBS[bomb]
    ran = subprocess.run([sys.executable, "-c", PEAK, body, content_type], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < MOST


def entries(body: bytes, content_type: str = JSON, most: int = 5) -> list[bytes]:
    limits = LimitSettings.model_validate({"maxRequestEntries": most})
    return list(bodies.split_entries(body, content_type=content_type, limits=limits))


def test_an_array_is_split_the_same_way_whether_it_looks_large_or_not() -> None:
    few, many = b'[ {"a":1} , 17, [2] ]', b'[ {"a":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]} , 17, [2] ]'
    assert entries(few)[1:] == entries(many)[1:] == [b"17", b"[2]"]
    assert entries(many)[0].startswith(b'{"a":[1,')
    assert len(entries(b"[" + b"{}," * 4 + b"{}]")) == 5


@pytest.mark.parametrize("body", [b"[" + b"{}," * 5 + b"{}]", b"[" + b"0," * 5000 + b"0]"])
def test_one_entry_too_many_is_an_error_that_names_the_limit(body: bytes) -> None:
    with pytest.raises(RequestTooLarge, match="at least 6 entries, the limit is 5"):
        entries(body)
    with pytest.raises(RequestTooLarge, match="at least 6 entries, the limit is 5"):
        entries(b"{}\n" * 6, NDJSON)


def test_lines_are_split_at_line_ends_only_and_blank_ones_do_not_count() -> None:
    assert entries(b'\n \r\n{"a": 1}\r\n\n\t\n  17 \n\n{}', NDJSON) == [b'{"a": 1}\r', b"17 ", b"{}"]
    with pytest.raises(InvalidRequest, match="no entries"):
        entries(b"\n \n", NDJSON)


def test_a_broken_array_that_looks_large_is_an_error_that_names_the_place() -> None:
    with pytest.raises(InvalidRequest, match="byte "):
        entries(b"[{}," + b'{"a":[' + b"1," * 50 + b"x]}]")
