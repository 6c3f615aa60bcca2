"""Evidence files that say little and unpack to much: both verifiers refuse them in little memory and name the limit."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trenova.ledger.hashing import SALT_BYTES
from unit.ledger.logs import SIGNER, log, of

SCRIPT = Path(__file__).parents[3] / "tools" / "verify_evidence.py"
MIB = 1 << 20
MOST_MEMORY = (
    300 * MIB
)  # the command takes 90 MiB to start; what these files unpack to takes 350 MiB, and as objects more
VERIFIERS = {"command": ["-m", "trenova", "verify"], "script": [str(SCRIPT)]}
GOOD = log(300).evidence()
HEADER, REST = GOOD.split(b"\n", 1)
TILE, *_ = REST.split(b"\n", 1)


def refused(verifier: str, file: Path) -> tuple[int, dict[str, object], int]:
    """Exit code, verdict, and the most memory that the process and its children had, in bytes."""
    command = [sys.executable, *VERIFIERS[verifier], str(file), "--json", "--key", SIGNER.key.text]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    out = process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, json.loads(out), usage.ru_maxrss << 10


def packed(path: Path, start: bytes, unit: bytes, size: int, end: bytes = b"") -> Path:
    """A gzip file of `start`, at least `size` bytes of repeated units, and `end`."""
    block = unit * max(1, MIB // len(unit))
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(start)
        for _ in range(-(-size // len(block))):
            file.write(block)
        file.write(end)
    return path


@pytest.mark.parametrize(
    ("start", "unit", "kind", "told"),
    [
        pytest.param(b"", b"x", "limit", "more than", id="a first line without end"),
        pytest.param(HEADER[:-3], b"[],", "limit", "more than", id="a first line of lists"),
        pytest.param(HEADER + b"\n" + TILE + b"\n", b"x", "limit", "more than", id="a line without end"),
        pytest.param(HEADER + b"\n" + TILE + b"\n", b"\n", "limit", "damaged places", id="empty lines"),
        pytest.param(
            HEADER + b"\n", b'{"tile":7,"commitments":"","path":[]}\n', "limit", "damaged places", id="empty tiles"
        ),
        pytest.param(GOOD, b"\0", "limit", "more than", id="no end"),
    ],
)
def test_a_bomb_is_refused_in_little_memory(tmp_path: Path, start: bytes, unit: bytes, kind: str, told: str) -> None:
    file = packed(tmp_path / "bomb", start, unit, 350 * MIB)
    assert file.stat().st_size < 6 * MIB
    for verifier in VERIFIERS:
        code, verdict, memory = refused(verifier, file)
        assert code == 1
        damages = verdict["damages"]
        assert isinstance(damages, list)
        assert any(damage["kind"] == kind and told in damage["detail"] for damage in damages)
        assert memory < MOST_MEMORY, verifier


def test_a_good_file_of_large_entries_takes_little_memory(tmp_path: Path) -> None:
    """Half a MiB each, as large as entries can be, so that one tile alone has 128 MiB."""
    file = packed(tmp_path / "large", b"", large(257), 1)
    for verifier in VERIFIERS:
        code, verdict, memory = refused(verifier, file)
        assert (code, verdict["entries"], verdict["damages"]) == (0, 257, [])
        assert memory < MOST_MEMORY, verifier


def large(size: int) -> bytes:
    body = b'{"action":"shipment.update","pad":"' + b"x" * (MIB // 2) + b'"}'
    return of(tuple((index.to_bytes(SALT_BYTES, "big"), body) for index in range(size))).evidence()
