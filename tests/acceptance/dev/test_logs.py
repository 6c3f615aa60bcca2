"""`trenova logs`: the last lines of each part, and the lines that follow."""

from dataclasses import replace
from pathlib import Path

import pytest

from trenova.dev import logs
from trenova.dev.part import Part
from trenova.dev.process import LARGE_LOG_BYTES, Process, running
from trenova.errors import NotFound, PartFailed
from trenova.runtime.installation.folder import Folder


def test_logs_show_the_last_lines_with_the_name_of_their_part(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotFound):
        logs.show(folder, follow=False)
    home = Folder(folder)
    home.log("api").write_text("one\ntwo\nthree\n")
    home.log("worker").write_text("started\n")
    logs.show(folder, follow=False, lines=2)
    assert capsys.readouterr().out == "api      | two\napi      | three\nworker   | started\n"


def test_logs_follow_what_is_appended_in_whole_lines(folder: Path) -> None:
    log = folder / "api.log"
    log.write_text("old\n")
    follower = logs.Follower(log)
    with log.open("a") as file:
        file.write("new\nhalf")
    assert list(follower.new_lines()) == ["new"]
    with log.open("a") as file:
        file.write(" done\n")
    assert list(follower.new_lines()) == ["half done"]


def writer_part(folder: Path, line: str) -> Part:
    """A worker that writes one line and is ready once the line is in its log."""
    home = Folder(folder)

    async def is_ready(_pid: int) -> bool:
        return line in home.log("worker").read_text()

    return Part(
        name="worker",
        argv=("/bin/sh", "-c", f"echo {line}; exec sleep 600"),
        env={"PATH": "/usr/bin:/bin"},
        log=home.log("worker"),
        record=home.record("worker"),
        is_ready=is_ready,
    )


async def test_a_large_log_is_renamed_before_its_part_starts_and_following_continues(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Folder(folder).log("worker")
    aside = log.with_name("worker.log.1")
    aside.write_text("oldest\n")
    full = "x" * (LARGE_LOG_BYTES - 1) + "\n"
    log.write_text(full)
    async with running(writer_part(folder, "fits")):
        assert log.read_text() == f"{full}fits\n"
        assert aside.read_text() == "oldest\n"
    follower = logs.Follower(log)
    async with running(writer_part(folder, "anew")):
        assert log.read_text() == "anew\n"
        assert aside.read_text() == f"{full}fits\n"
        assert list(follower.new_lines()) == ["anew"]
        logs.show(folder, follow=False)
    assert capsys.readouterr().out == "worker   | anew\n"


async def test_the_error_of_a_failed_start_comes_from_the_new_log(folder: Path) -> None:
    log = Folder(folder).log("worker")
    log.write_text("x" * LARGE_LOG_BYTES + "\n")
    failing = replace(writer_part(folder, "never"), argv=("/bin/sh", "-c", "echo no such setting; exit 3"))
    with pytest.raises(PartFailed, match="exit code 3") as failure:
        await Process.start(failing)
    assert failure.value.__notes__ == ["no such setting"]
