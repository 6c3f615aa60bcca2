"""`trenova logs`: what it shows of the parts, and what it follows."""

from pathlib import Path

import pytest

from trenova.dev import logs
from trenova.dev.folder import Folder
from trenova.errors import NotFound


def test_logs_show_the_last_lines_under_the_name_of_their_part(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
