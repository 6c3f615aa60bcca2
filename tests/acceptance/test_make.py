"""The set-up by `make`, in two terminals at once: the real Makefile, with a Python that installs nothing."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from acceptance.conftest import environment
from waiting import LIMIT_S, until

CHECKOUT = Path(__file__).parents[2]
# Creates a virtual environment whose Python is this script. Its pip logs its begin and end, and waits at the gate.
PYTHON = """#!/bin/sh
case "$1 $2" in
"-m venv") mkdir -p "$3/bin" && cp "{stub}" "$3/bin/python" ;;
"-m pip")
  test "$3" = install || exit 0
  echo "began $$" >> "{diary}"
  while test -e "{gate}"; do sleep 0.05; done
  test ! -e "{no_network}" || exit 1
  printf '#!/bin/sh\\necho "trenova $*"\\n' > .venv/bin/trenova
  chmod +x .venv/bin/trenova
  echo "ended $$" >> "{diary}" ;;
"-c "*) exit 0 ;;
*) exec "{python}" "$@" ;;
esac
"""
WAITS = "waiting for it"


@dataclass(frozen=True, slots=True)
class Clone:
    """The parts of a fresh clone that the set-up needs."""

    path: Path
    terminals: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def gate(self) -> Path:
        return self.path / "gate"

    @property
    def diary(self) -> list[str]:
        """The lines of every pip: `began` or `ended`, and its process id."""
        file = self.path / "diary"
        return file.read_text().splitlines() if file.exists() else []

    def type(self, target: str) -> Path:
        """Run `make` with this target in a new terminal; returns the file with its output."""
        output = self.path / f"output-{len(self.terminals)}"
        with output.open("wb") as file:
            words = ["make", "--no-print-directory", target, f"PYTHON={self.path / 'stub'}"]
            self.terminals.append(
                subprocess.Popen(
                    words, cwd=self.path, env=environment(), stdout=file, stderr=file, start_new_session=True
                )
            )
        return output

    def pips(self, event: str) -> list[str]:
        return [line for line in self.diary if line.startswith(event)]

    def ran_one_at_a_time(self) -> bool:
        """Whether each pip began after the previous one had ended."""
        return [line.split()[0] for line in self.diary] == ["began", "ended"] * (len(self.diary) // 2)


@contextmanager
def stop_afterwards(clone: Clone) -> Iterator[Clone]:
    try:
        yield clone
    finally:
        clone.gate.unlink(missing_ok=True)
        for terminal in clone.terminals:
            terminal.wait(LIMIT_S)


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Clone]:
    shutil.copy(CHECKOUT / "Makefile", tmp_path)
    shutil.copytree(CHECKOUT / "tools", tmp_path / "tools")
    (tmp_path / "requirements").mkdir()
    for name in ("pyproject.toml", "requirements/dev.txt", "gate"):
        (tmp_path / name).touch()
    stub = tmp_path / "stub"
    files = {name: tmp_path / name for name in ("stub", "diary", "gate", "no_network")}
    names = {**files, "python": sys.executable}
    stub.write_text(PYTHON.format_map(names))
    stub.chmod(0o755)
    with stop_afterwards(Clone(tmp_path)) as made:
        yield made


def test_two_concurrent_makes_on_a_fresh_clone_install_once_and_both_continue(clone: Clone) -> None:
    outputs = [clone.type("run-worker"), clone.type("run")]
    until(lambda: any(WAITS in output.read_text() for output in outputs), lambda: clone.diary)
    until(lambda: clone.pips("began"))
    clone.gate.unlink()
    assert [terminal.wait(LIMIT_S) for terminal in clone.terminals] == [0, 0]
    assert len(clone.pips("ended")) == 2  # the requirements, and the program itself
    assert clone.ran_one_at_a_time()
    assert [output.read_text().splitlines()[-1] for output in outputs] == ["trenova worker", "trenova api"]


def test_a_make_after_a_killed_one_begins_with_an_empty_folder(clone: Clone) -> None:
    clone.type("run-worker")
    until(lambda: clone.pips("began"))
    os.killpg(clone.terminals[0].pid, signal.SIGKILL)
    half_done = clone.path / ".venv" / "half-done"
    half_done.touch()
    clone.gate.unlink()
    second = clone.type("run")
    assert clone.terminals[1].wait(LIMIT_S) == 0
    assert second.read_text().splitlines()[-1] == "trenova api"
    assert not half_done.exists()


def test_a_make_whose_pip_fails_changes_nothing_else(clone: Clone) -> None:
    clone.gate.unlink()
    clone.type("run")
    assert clone.terminals[0].wait(LIMIT_S) == 0
    mine, no_network = clone.path / ".venv" / "mine", clone.path / "no_network"
    mine.touch()
    no_network.touch()
    later = (clone.path / ".venv" / ".installed").stat().st_mtime + 1
    os.utime(clone.path / "requirements" / "dev.txt", (later, later))
    for number in (1, 2):
        output = clone.type("run")
        assert clone.terminals[number].wait(LIMIT_S) != 0
        assert "error: pip could not install the dependencies" in output.read_text()
        assert mine.exists()
    no_network.unlink()
    clone.type("run")
    assert clone.terminals[3].wait(LIMIT_S) == 0
    assert mine.exists()


def test_a_make_waits_for_the_pip_of_a_killed_one(clone: Clone) -> None:
    clone.type("run-worker")
    until(lambda: clone.pips("began"))
    clone.terminals[0].kill()  # only make: its pip keeps running
    second = clone.type("run")
    until(lambda: WAITS in second.read_text())
    assert len(clone.pips("began")) == 1
    clone.gate.unlink()
    assert clone.terminals[1].wait(LIMIT_S) == 0
    assert clone.ran_one_at_a_time()
