"""The output of `trenova dev` when it is ready."""

from pathlib import Path

import pytest

from trenova.dev.screen import Screen
from trenova.runtime.installation import DEFAULT_DATA_DIR
from trenova.runtime.installation.running import DevJson

STATE = DevJson(
    api_url="http://127.0.0.1:8080",
    api_key="key",
    temporal_address="127.0.0.1:7233",
    temporal_namespace="default",
    ui_url="http://127.0.0.1:8233",
    database_url="postgresql://localhost/trenova",
    metrics_url="http://127.0.0.1:8080/metrics",
    worker_metrics_url="http://127.0.0.1:9464/metrics",
    pids={},
)


def test_only_a_folder_other_than_the_default_is_named_in_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for data_dir, command in (
        (DEFAULT_DATA_DIR, "trenova logs --follow"),
        (DEFAULT_DATA_DIR.resolve(), "trenova logs --follow"),
        (tmp_path / "my data", f"trenova logs --follow --data-dir '{tmp_path}/my data'"),
        (tmp_path / "deeper" / DEFAULT_DATA_DIR, f"trenova logs --follow --data-dir {tmp_path}/deeper/.trenova"),
    ):
        Screen().show_ready(STATE, data_dir)
        lines = capsys.readouterr().out.splitlines()
        assert lines[-1] == f"Follow the logs with `{command}`; stop with Ctrl-C."
        exports = [line.strip() for line in lines if "export TRENOVA_DATA_DIR=" in line]
        _, _, quoted = command.partition(" --data-dir ")
        assert exports == ([f"export TRENOVA_DATA_DIR={quoted}"] if quoted else [])
