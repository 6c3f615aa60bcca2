"""Fixtures for the tests of single parts of `trenova dev`."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from trenova.dev import users


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user may enter, unlike pytest's own when root runs the tests."""
    path = Path(tempfile.mkdtemp(prefix="trenova-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def unrelated_process() -> Iterator[psutil.Popen]:
    """An unrelated program, run by the user that runs PostgreSQL."""
    user = users.ensure_user() if os.geteuid() == 0 else None
    with psutil.Popen(["/bin/sleep", "600"], cwd="/", **users.run_as(user)) as process:
        yield process
        process.kill()
