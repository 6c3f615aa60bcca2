"""One corpus of valid and mutated files, on each of which all verifiers agree.

The same bytes each time, from `unit.ledger.sample_ledgers`. Every case is given to every verifier: the package,
`trenova verify`, verify_evidence.py, and the lines of docs/proofs.md. A rule that one of them does not know shows
here first, so add a case to the corpus, not a test to one verifier.
"""

import io
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from contract.ledger.test_standalone import ALONE
from contract.tamper.corpus.evidence_files import Evidence, evidence
from contract.tamper.corpus.parties import KEY
from contract.tamper.corpus.receipts import Receipt, all_receipts
from trenova.cli.verify_files import CONSISTENT, NOT_PROVED, PROVED
from trenova.errors import VerificationError
from trenova.ledger import note, receipt, signing
from trenova.ledger.evidence import check as checking
from trenova.ledger.evidence.verdict import Verdict
from unit.ledger.sample_ledgers import ORIGIN

PAGE = Path(__file__).parents[3] / "docs" / "proofs.md"


@pytest.fixture(scope="module")
def receipts() -> list[Receipt]:
    return list(all_receipts())


@pytest.fixture(scope="module")
def files() -> list[Evidence]:
    return list(evidence())


def test_the_corpus_holds_each_case_once(receipts: list[Receipt], files: list[Evidence]) -> None:
    for cases in (receipts, files):
        names = [case.name for case in cases]
        assert sorted(set(names)) == sorted(names)
        assert {case.refused for case in cases} == {True, False}


def test_package_and_page_agree_on_each_receipt(receipts: list[Receipt]) -> None:
    opinions = {case.name: (refused_by_package(case), refused_by_hand(case)) for case in receipts}
    assert opinions == {case.name: (case.refused, case.refused) for case in receipts}


def refused_by_package(case: Receipt) -> bool:
    try:
        keys = [note.parse_key(case.key)]
        receipt.check(receipt.parse(case.data), body=case.body, origin=keys[0].name, keys=keys, check=signing.check)
    except VerificationError:
        return True
    return False


def refused_by_hand(case: Receipt) -> bool:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    try:
        exec(found[1], {"receipt": case.data, "body": case.body, "key": case.key})
    except Exception:  # noqa: BLE001 - whatever it raises, it refuses
        return True
    return False


def test_package_and_script_agree_on_each_file(
    files: list[Evidence],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    opinions = {}
    for case in files:
        (tmp_path / "file").write_bytes(case.data)
        said, code = {}, 2
        for form in ([], ["--json"]):
            of_key = [] if case.key is None else ["--key", case.key]
            monkeypatch.setattr(sys, "argv", ["verify_evidence.py", str(tmp_path / "file"), *of_key, *form])
            code = ALONE.main()
            said[len(form)] = capsys.readouterr()
            harmless("".join(said[len(form)]))
        opinions[case.name] = refused_by_checker(case), code not in {PROVED, CONSISTENT}
        assert (code == CONSISTENT) == (case.key is None and not case.refused)
        if code != 2:  # a witness's key in place of a ledger's is a usage error, not a verdict
            agree(case, json.loads(said[1].out))
    assert opinions == {case.name: (case.refused, case.refused) for case in files}


def verdict_of(case: Evidence) -> Verdict:
    keys = None if case.key is None else [note.parse_key(case.key)]
    return checking.check(io.BytesIO(case.data), check_signature=signing.check, keys=keys)


def refused_by_checker(case: Evidence) -> bool:
    return not verdict_of(case).holds


def agree(case: Evidence, theirs: dict[str, Any]) -> None:
    """Both name the same kinds of damage; but which of many come before a limit need not be the same."""
    ours = {str(damage.kind) for damage in verdict_of(case).damages}
    found = {damage["kind"] for damage in theirs["damages"]}
    assert ours == found or "limit" in ours & found, case.name


def harmless(text: str) -> None:
    """Check that nothing rewrites a terminal or hides in it, and that only JSON has very long lines."""
    assert [sign for sign in text if sign != "\n" and not sign.isprintable()] == []
    assert all(len(line) <= 600 or line.startswith("{") for line in text.splitlines())


def test_the_command_agrees_and_prints_nothing_harmful(files: list[Evidence], tmp_path: Path) -> None:
    by_key: dict[str | None, list[tuple[str, bool]]] = defaultdict(list)
    for number, case in enumerate(files):
        (tmp_path / f"{number}.evidence").write_bytes(case.data)
        by_key[case.key].append((f"{number}.evidence", case.refused))
    for key, of_this in by_key.items():
        of_key = [] if key is None else ["--key", key]
        names = [name for name, _ in of_this]
        lines = run(tmp_path, *names, *of_key, "--json")
        if key is not None and note.parse_key(key).algorithm != note.ED25519:
            assert lines == []
            continue
        found = {one["file"]: not one["holds"] for one in map(json.loads, lines)}
        assert found == dict(of_this), key
        if key is None:
            run(tmp_path, *names, *of_key)
    some = [name for name, _ in by_key[KEY]]
    assert any(ORIGIN in line for line in run(tmp_path, *some, "--key", KEY))


def run(folder: Path, *arguments: str) -> list[str]:
    command = [sys.executable, "-m", "trenova", "verify", *arguments]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    harmless(ended.stdout)
    assert ended.returncode in {PROVED, NOT_PROVED, CONSISTENT} or not ended.stdout
    return ended.stdout.splitlines()
