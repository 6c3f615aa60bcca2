"""Evidence files that unpack to much: both verifiers reject them in little memory and name the limit."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from trenova.ledger.hashing import SALT_BYTES
from unit.ledger.sample_ledgers import SIGNER, sample_ledger, sample_ledger_of

SCRIPT = Path(__file__).parents[3] / "src/trenova/ledger/evidence/verify_evidence.py"
MIB = 1 << 20
MOST_MEMORY = (
    300 * MIB
)  # the command takes 90 MiB to start; what these files unpack to takes 350 MiB, and as objects more
VERIFIERS = {"command": ["module", "trenova", "verify"], "script": ["path", str(SCRIPT)]}
GOOD = sample_ledger(300).evidence()
HEADER, REST = GOOD.split(b"\n", 1)
TILE, *_ = REST.split(b"\n", 1)


# Runs a verifier as a shell would, and prints the peak memory of it and its processes. Measured from outside,
# Linux would include what this process, which makes the files, had before it became the verifier.
MEASURED = """
import resource, runpy, sys
from pathlib import Path
report, how, program, *arguments = sys.argv[1:]
sys.argv = [program, *arguments]
try:
    {"module": runpy.run_module, "path": runpy.run_path}[how](program, run_name="__main__")
finally:
    own = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
    Path(report).write_text(str(max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)))
"""


def run_verifier(verifier: str, file: Path) -> tuple[int, dict[str, object], int]:
    """Exit code, verdict, and the peak memory of the verifier's processes, in bytes."""
    report = file.with_suffix(".memory")
    arguments = [str(report), *VERIFIERS[verifier], str(file), "--json", "--key", SIGNER.key.text]
    ended = subprocess.run([sys.executable, "-c", MEASURED, *arguments], capture_output=True, text=True, check=False)
    return ended.returncode, json.loads(ended.stdout), int(report.read_text()) << 10


def pack_file(path: Path, start: bytes, unit: bytes, size: int, end: bytes = b"") -> Path:
    """A gzip file of `start`, at least `size` bytes of repeated units, and `end`."""
    block = unit * max(1, MIB // len(unit))
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(start)
        for _ in range(-(-size // len(block))):
            file.write(block)
        file.write(end)
    return path


@pytest.mark.parametrize(
    ("start", "unit", "kind", "words"),
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
def test_a_bomb_is_rejected_in_little_memory(tmp_path: Path, start: bytes, unit: bytes, kind: str, words: str) -> None:
    file = pack_file(tmp_path / "bomb", start, unit, 350 * MIB)
    assert file.stat().st_size < 6 * MIB
    for verifier in VERIFIERS:
        code, verdict, memory = run_verifier(verifier, file)
        assert code == 1
        damages = verdict["damages"]
        assert isinstance(damages, list)
        assert any(damage["kind"] == kind and words in damage["detail"] for damage in damages)
        assert memory < MOST_MEMORY, verifier


def test_a_good_file_of_large_entries_takes_little_memory(tmp_path: Path) -> None:
    """Half a MiB each, as large as entries can be, so that one tile alone has 128 MiB."""
    file = pack_file(tmp_path / "large", b"", large(257), 1)
    for verifier in VERIFIERS:
        code, verdict, memory = run_verifier(verifier, file)
        assert (code, verdict["entries"], verdict["damages"]) == (0, 257, [])
        assert memory < MOST_MEMORY, verifier


def large(size: int) -> bytes:
    body = b'{"action":"shipment.update","pad":"' + b"x" * (MIB // 2) + b'"}'
    return sample_ledger_of(tuple((index.to_bytes(SALT_BYTES, "big"), body) for index in range(size))).evidence()
