"""An auditor types the commands of docs/evidence.md, docs/proofs.md and docs/witnesses.md beside the given files."""

import re
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from acceptance.conftest import BESIDE_PYTHON, CommandResult, Dev, User, environment, run
from trenova.config import Settings
from trenova.keys.signing import load_signer
from trenova.witness.decision import Misdeed
from trenova.witness.evidence import Evidence
from unit.ledger.sample_ledgers import SIGNER, sample_ledger

CHECKOUT = Path(__file__).parents[2]
SCRIPT = "src/trenova/ledger/evidence/verify_evidence.py"
HERE = "<!-- run by tests/acceptance/test_auditor.py -->"


def blocks(page: str, language: str = "sh|console") -> list[str]:
    """The page's command blocks marked for this test, without prompts and output."""
    found = re.findall(
        rf"^{HERE}\n```({language})\n(.*?)^```$", (CHECKOUT / page).read_text(), re.DOTALL | re.MULTILINE
    )
    return [without_prompts(text) if kind == "console" else text for kind, text in found]


def without_prompts(text: str) -> str:
    return "".join(line[2:] for line in text.splitlines(keepends=True) if line.startswith(("$ ", "> ")))


@pytest.fixture
def shell(trenova: User, dev: Dev) -> Callable[..., CommandResult]:
    """A function that runs a script in a folder, with real values in place of the pages' examples."""
    today = datetime.now(UTC)
    real = {
        "--tenant acme ": f"--tenant {trenova.tenant} ",
        "2026-01-01T00:00:00Z": (today - timedelta(days=1)).isoformat(),
        "2026-02-01T00:00:00Z": (today + timedelta(days=1)).isoformat(),
    }

    def run_script(script: str, folder: Path, programs: Path = BESIDE_PYTHON, **replaced: str) -> CommandResult:
        for shown, stands_for in {**real, **replaced}.items():
            script = script.replace(shown, stands_for)
        state = dev.state
        return run(
            ["bash", "-euo", "pipefail", "-c", script],
            folder,
            PATH=f"{programs}:/usr/local/bin:/usr/bin:/bin",
            HOME=str(folder),
            TRENOVA_DATA_DIR=str(trenova.data_dir),
            TRENOVA_API_URL=state["api_url"],
            TRENOVA_API_KEY=state["api_key"],
        )

    return run_script


def checkpoint_of(user: User) -> bytes:
    with user.api() as api:
        return api.get(f"/v1/log/{user.tenant}/checkpoint").content


def auditors_python(folder: Path) -> Path:
    """The folder of programs of a Python that has our dependencies but not Trenova."""
    python = bare_python(folder)
    site = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    # Python ignores .pth files, such as that of an editable install, in a folder that a .pth file names.
    (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    assert python_says(python, "import cryptography") == 0
    assert python_says(python, "import trenova") == 1
    return python.parent


def bare_python(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


def python_says(python: Path, code: str) -> int:
    return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode


def test_the_commands_of_the_pages_lead_from_the_database_to_an_auditors_verdict(
    trenova: User, shell: Callable[..., CommandResult], tmp_path: Path
) -> None:
    operator, auditor = trenova.folder, tmp_path / "auditor"
    auditor.mkdir()
    trenova.add(*({} for _ in range(150)))
    # As a mail program may deliver it.
    (operator / "last-year.checkpoint").write_bytes(checkpoint_of(trenova).replace(b"\n", b"\r\n") + b"\r\n")
    trenova.add(*({} for _ in range(100)))
    writing, handing_out, verifying, reading_aloud, checking, keeping = blocks("docs/evidence.md")
    ended = shell(writing + handing_out + verifying, operator)
    assert ended.exit_code == 0, ended
    assert ended.lines[-2].startswith("acme.evidence.gz: proved: 250 entries from 0 of the ledger ")
    given = ["acme.evidence.gz", "acme.key", "verify_evidence.py"]
    for name in given:
        (operator / name).rename(auditor / name)
    trenova.add({})
    assert trenova("evidence", "--tenant", trenova.tenant, "-o", str(auditor / "next-year.evidence.gz")).exit_code == 0
    alone = auditors_python(tmp_path / "audit")
    ended = shell(reading_aloud + checking + keeping, auditor, alone)
    assert (ended.exit_code, ended.err) == (0, "")
    read_aloud, first, _, second, _ = ended.lines
    assert re.fullmatch(r"[0-9a-f]{64}  acme\.key", read_aloud)
    assert first.startswith("proved: 250 entries from 0 of the ledger ")
    assert second.startswith("proved: 251 entries from 0 of the ledger ")
    # The same with the years swapped.
    swapped = keeping.replace("next-year", "this-year").replace("acme.evidence", "next-year.evidence")
    ended = shell(swapped.replace("this-year", "acme"), auditor, alone)
    assert (ended.exit_code, ended.lines[-1]) == (1, "NOT PROVED: 1 finding")
    assert ended.lines[0].startswith("older: ")


def test_the_python_code_on_the_page_checks_a_receipt(trenova: User, shell: Callable[..., CommandResult]) -> None:
    trenova.add({}, {}, {})
    entry = trenova.stored_entries()[1]["id"]
    fetching, checking = blocks("docs/proofs.md")
    ((_, lines),) = re.findall(
        rf"^{HERE}\n```(python)\n(.*?)^```$", (CHECKOUT / "docs/proofs.md").read_text(), re.DOTALL | re.MULTILINE
    )
    (trenova.folder / "check_receipt.py").write_text(lines)
    (trenova.folder / "acme.key").write_text(trenova("keys", "public", "--tenant", trenova.tenant).out)
    ended = shell(fetching + checking, trenova.folder, **{"01a205c2-b91c-73de-ade5-2534f2fd6d5a": entry})
    assert (ended.exit_code, ended.lines[-1]) == (0, "the receipt holds"), ended
    body = trenova.folder / "body"
    body.write_bytes(body.read_bytes() + b" ")
    ended = shell(checking, trenova.folder)
    assert (ended.exit_code, ended.out) == (1, "")


def test_the_commands_on_the_page_show_a_fork(trenova: User, shell: Callable[..., CommandResult], dev: Dev) -> None:
    file = dev.data_dir / "secrets" / "signing-key"
    signer = load_signer(Settings.model_validate({"ledger": {"signingKeyFile": file}}), {})
    trenova.add(*({} for _ in range(3)))
    fork = Evidence(
        misdeed=Misdeed.FORK,
        origin=signer.keys(trenova.tenant)[0].name,
        refused_at=datetime.now(UTC),
        status=409,
        old_size=3,
        proof=[],
        refused=signer.sign(trenova.tenant, size=3, root=bytes(32)).decode(),
        remembered=checkpoint_of(trenova).decode(),
    )
    (trenova.folder / "fork.json").write_bytes(msgspec.json.encode(fork))
    (trenova.folder / "acme.key").write_text(signer.keys(trenova.tenant)[0].text)
    assert trenova("evidence", "--tenant", trenova.tenant, "-o", "acme.evidence.gz").exit_code == 0
    (showing,) = blocks("docs/witnesses.md")
    ended = shell(showing, trenova.folder)
    assert ended.exit_code == 1, ended
    first, last = ended.lines
    assert first.startswith("acme.evidence.gz: inconsistent: at size 3 your checkpoint has the root 00000000")
    assert last == "acme.evidence.gz: NOT PROVED: 1 finding"


def script(python: Sequence[str | Path], *words: str | Path) -> CommandResult:
    return run([*map(str, python), str(CHECKOUT / SCRIPT), *map(str, words)], CHECKOUT)


def test_without_cryptography_the_script_says_what_to_install(tmp_path: Path) -> None:
    """Nothing was checked, so the exit code differs from that of damage."""
    evidence = tmp_path / "acme.evidence"
    evidence.write_bytes(sample_ledger(40).evidence())
    python = bare_python(tmp_path / "bare")
    inside = script([python], evidence)
    assert (inside.exit_code, inside.out) == (2, "")
    assert inside.err.splitlines() == [
        f"error: nothing was checked: {python} has no package cryptography: No module named 'cryptography'",
        f"hint: install it: {python} -m pip install cryptography",
    ]
    systems = str(python.resolve())
    outside = script([systems, "-I", "-S"], evidence)
    assert outside.exit_code == 2
    making = f"{systems} -m venv audit && audit/bin/pip install cryptography"
    hint = f"hint: install it: {making}; then start this script with audit/bin/python"
    assert outside.err.splitlines()[1:] == [hint]


def test_the_wheel_contains_the_script(tmp_path: Path) -> None:
    """Built and installed without a network; its dependencies are those of the tests."""
    building = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "wheels")]
    assert run(building, CHECKOUT).exit_code == 0
    (wheel,) = (tmp_path / "wheels").iterdir()
    source = (CHECKOUT / SCRIPT).read_bytes()
    assert zipfile.ZipFile(wheel).read(SCRIPT.removeprefix("src/")) == source
    programs = auditors_python(tmp_path / "installed")
    installing = ["-m", "pip", "--python", str(programs / "python"), "install", "--no-deps", "--no-index", str(wheel)]
    ended = run([sys.executable, *installing], tmp_path)
    assert ended.exit_code == 0, ended
    (tmp_path / "acme.evidence").write_bytes(sample_ledger(40).evidence())
    printed = subprocess.run(
        [programs / "trenova", "verify", "--script"], env=environment(), capture_output=True, check=True
    )
    assert printed.stdout == source
    words = ["acme.evidence", "--key", SIGNER.key.text]
    ended = run([str(programs / "trenova"), "verify", *words], tmp_path)
    assert (ended.exit_code, ended.err) == (0, "")
