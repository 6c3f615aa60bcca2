"""Settings files to load, in a home of their own."""

from pathlib import Path

import pytest

from trenova.config import load
from trenova.errors import InvalidConfiguration

SECRET = "hunter2-never-show-me"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and a home without Temporal's TOML file until a test writes one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    return tmp_path


def write_yaml(text: str, path: str = "config/config.yaml") -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def write_profiles(home: Path, text: str) -> None:
    file = home / ".config" / "temporalio" / "temporal.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)


def problems(environ: dict[str, str], file: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(InvalidConfiguration) as caught:
        load(environ, file=file)
    assert caught.value.hint is not None
    return caught.value.problems
