"""The auditor's verifier: alone with Python and `cryptography`, and of one opinion with the package."""

import ast
import gzip
import importlib.util
import io
import json
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from trenova.ledger import signing
from trenova.ledger.evidence import check as checking
from unit.ledger.sample_ledgers import SIGNER, STRANGER, sample_ledger

SCRIPT = Path(__file__).parents[3] / "src/trenova/ledger/evidence/verify_evidence.py"
WHOLE = sample_ledger(600)
FILE = WHOLE.evidence(removed=(9, 10), earlier=(100,))
ROUNDS = 300


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_evidence", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ALONE = load()


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    # -I: no current directory, no PYTHONPATH. The editable install of this project is out of reach as well: the module
    # is made unimportable, so that an import of it would fail.
    program = f"import sys, runpy; sys.modules['trenova'] = None; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-I", "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_it_imports_nothing_but_the_standard_library_and_cryptography() -> None:
    nodes = list(ast.walk(ast.parse(SCRIPT.read_text())))
    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    imported = {name.split(".")[0] for name in imported}
    assert imported <= set(sys.stdlib_module_names) | {"cryptography"}


def test_it_accepts_a_good_file_and_says_what_is_proved(tmp_path: Path) -> None:
    file, kept = tmp_path / "evidence.ndjson.gz", tmp_path / "checkpoint"
    file.write_bytes(gzip.compress(FILE))
    kept.write_bytes(WHOLE.signed_checkpoint(300).encode())
    result = run(file, "--key", SIGNER.key.text, "--known", kept)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("proved: 600 entries from 0 of the ledger audit.example.com/v1/log/acme\n")
    assert "2 have no body any more" in result.stdout
    unvouched = run(file)
    assert unvouched.returncode == 3
    assert unvouched.stdout.startswith("consistent, but signed by a key that nobody vouched for: 600 entries from 0 of")
    assert "proved" not in unvouched.stdout


def test_it_reports_every_place_of_a_damaged_file(tmp_path: Path) -> None:
    file = tmp_path / "evidence.ndjson"
    file.write_bytes(
        FILE.replace(b'"index":77,"pad', b'"index":78,"pad').replace(b'"index":577,"pad', b'"index":578,"pad')
    )
    result = run(file, "--key", SIGNER.key.text, "--json")
    assert result.returncode == 1
    assert [(one["kind"], one["first"]) for one in json.loads(result.stdout)["damages"]] == [
        ("changed", 77),
        ("changed", 577),
    ]
    assert "changed: entry 77, " in run(file).stdout


def test_it_does_not_prove_with_another_key_or_wrong_usage(tmp_path: Path) -> None:
    file = tmp_path / "evidence.ndjson"
    file.write_bytes(FILE)
    result = run(file, "--key", STRANGER.key.text, "--json")
    assert result.returncode == 1
    assert {one["kind"] for one in json.loads(result.stdout)["damages"]} == {"signature"}
    assert run(file, "--key", "nonsense").returncode == 2
    assert run(tmp_path / "absent").returncode == 2


def opinions(data: bytes, *, keys: bool, known: tuple[bytes, ...] = ()) -> tuple[Any, Any]:
    """Kinds and places that the package and the script name, ranges written out."""

    def spread(places: list[tuple[str, int | None, int | None]]) -> list[tuple[str, int]]:
        return sorted(
            {
                (str(kind), index)
                for kind, first, last in places
                for index in ([-1] if first is None or last is None else range(first, last + 1))
            }
        )

    ours = checking.check(
        io.BytesIO(data), check_signature=signing.check, keys=[SIGNER.key] if keys else None, known=known
    )
    theirs = ALONE.Audit([ALONE.read_key(SIGNER.key.text)] if keys else [], list(known)).run(io.BytesIO(data))
    assert ours.holds is theirs["holds"]
    assert {(str(one.kind), one.line) for one in ours.damages if one.line is not None} == {
        (one["kind"], one["line"]) for one in theirs["damages"] if one["line"] is not None
    }
    return (
        spread([(one.kind, one.first, one.last) for one in ours.damages]),
        spread([(one["kind"], one["first"], one["last"]) for one in theirs["damages"]]),
    )


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 513, 600])
def test_both_accept_good_files_of_every_kind_of_size(size: int) -> None:
    for known in (0, 1, 255, 256, 257, 600):
        data = WHOLE.evidence(size=size, earlier=(size // 2,))
        ours, theirs = opinions(data, keys=True, known=(WHOLE.signed_checkpoint(known).encode(),))
        assert ours == theirs
        assert bool(ours) is (known > size)


def test_both_report_the_same_places_for_any_damage() -> None:
    chance = random.Random(6962)
    good = [
        WHOLE.evidence(first=250, count=270, removed=(260,), earlier=(100,)),
        FILE,
        sample_ledger(40).evidence(removed=(3,)),
    ]
    known = (WHOLE.signed_checkpoint(300).encode(), sample_ledger(601).signed_checkpoint(500).encode())
    for round_ in range(ROUNDS):
        lines = chance.choice(good).splitlines(keepends=True)
        for _ in range(chance.randint(1, 5)):
            tamper(lines, chance)
        data = b"".join(lines)
        if chance.random() < 0.1:
            data = data[: chance.randrange(len(data) + 1)]
        ours, theirs = opinions(data, keys=chance.random() < 0.5, known=known[: chance.randint(0, 2)])
        assert ours == theirs, f"round {round_}"


def tamper(lines: list[bytes], chance: random.Random) -> None:
    places = [place for place, line in enumerate(lines) if line.startswith(b'{"tile"')]
    place = chance.choice([0, len(lines) - 1, *places]) if chance.random() < 0.3 else chance.randrange(len(lines))
    other = chance.randrange(len(lines))
    match chance.randrange(8):
        case 0:
            byte = chance.randrange(len(lines[place]) or 1)
            lines[place] = lines[place][:byte] + bytes([chance.randrange(256)]) + lines[place][byte + 1 :]
        case 1:
            lines[place], lines[other] = lines[other], lines[place]
        case 2 if len(lines) > 1:
            del lines[place]
        case 3:
            lines.insert(place, lines[other])
        case 4 if len(lines) > 1:
            del lines[place : place + chance.randrange(300)]
            lines[:] = lines or [b""]
        case 5:
            lines.insert(place, chance.choice([b"\n", b"{}\n", b'{"tile":\n', b'{"end":true}\n', b"\xff", b"junk"]))
        case 6:
            lines[other:other] = lines[place : place + chance.randrange(300)]
        case _:
            lines[place] = lines[place].replace(b'"index":1', b'"index":2', 1).replace(b"update", b"delete", 1)
