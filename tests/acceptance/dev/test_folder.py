"""The data folder: its lock, its errors and its secrets."""

import errno
import os
from pathlib import Path

import pytest

from acceptance.dev.observed import store_one
from trenova.dev.postgres import Postgres
from trenova.dev.temporal import Temporal
from trenova.errors import PartFailed
from trenova.runtime.installation.folder import FORMAT, Folder


def test_a_folder_of_a_newer_release_is_an_error_and_is_not_changed(folder: Path) -> None:
    Folder(folder)
    (folder / "version").write_text(f"{FORMAT + 1}\n")
    with pytest.raises(PartFailed, match="this release supports only 1") as failure:
        Folder(folder)
    assert "newer release" in str(failure.value.hint)
    assert (folder / "version").read_text() == f"{FORMAT + 1}\n"


def test_a_folder_is_locked_by_one_run_at_a_time(folder: Path) -> None:
    with (
        Folder(folder).hold(),
        pytest.raises(PartFailed, match=rf"in use by another trenova dev \(pid {os.getpid()}\)"),
        Folder(folder).hold(),
    ):
        pass
    with Folder(folder).hold():
        pass


async def test_two_runs_cannot_share_one_postgres_or_one_temporal(folder: Path) -> None:
    async with Postgres(folder).running() as postgres, Temporal(folder).running():
        with pytest.raises(PartFailed, match="in use by another"):
            async with Postgres(folder).running():
                pass
        with pytest.raises(PartFailed, match="in use by another"):
            async with Temporal(folder).running():
                pass
        store_one(postgres)


def test_a_data_folder_that_cannot_be_created_is_an_error_with_a_hint(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(PartFailed, match="cannot be used") as failure:
        Folder(folder / "file" / "data")
    assert "--data-dir" in str(failure.value.hint)


def test_a_file_of_another_user_in_the_folder_is_named(folder: Path) -> None:
    with (
        pytest.raises(PartFailed, match=r"/run/door belongs to another user") as failure,
        Folder(folder).explain_permission_errors(),
    ):
        raise PermissionError(errno.EACCES, "Permission denied", str(folder / "run" / "door"))
    assert "as the user who started it before" in str(failure.value.hint)


def test_only_the_owner_can_read_secrets(folder: Path) -> None:
    home = Folder(folder / "data")
    assert home.secret("one") == home.secret("one") != home.secret("two")
    assert (home.path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (home.path / "secrets" / "one").stat().st_mode & 0o777 == 0o600
