"""Where all is well the doctor says so, in words and in numbers."""

import time
from pathlib import Path

import pytest

from acceptance.conftest import LIMIT_S, Dev, User
from acceptance.doctor.conftest import Told, told

COMES_WITH_IT = Path(__file__).parents[3] / "config" / "config.yaml"


@pytest.mark.parametrize(
    "flags", [pytest.param([], id="no settings"), pytest.param(["--config", str(COMES_WITH_IT)], id="its own settings")]
)
def test_a_trenova_dev_on_other_ports_is_healthy(healthy: Dev, tmp_path: Path, flags: list[str]) -> None:
    found = told_well(User(tmp_path, healthy.data_dir, ""), *flags)
    assert found.states("ok") == set(found.findings)
    assert len(found.findings) >= 30
    assert all(each["cause"] and not each["next_step"] for each in found.findings.values())


def told_well(user: User, *flags: str) -> Told:
    """What the doctor says once all is well: the worker makes its schedules last, and a machine that stalls is late."""
    deadline = time.monotonic() + LIMIT_S
    while (found := told(user("doctor", "--json", *flags))).exit_code != 0:
        assert time.monotonic() < deadline, found
    return found


def test_each_check_is_a_line_and_no_line_holds_a_secret(healthy: Dev, tmp_path: Path) -> None:
    told_well(User(tmp_path, healthy.data_dir, ""))
    ended = User(tmp_path, healthy.data_dir, "")("doctor")
    assert (ended.exit_code, ended.err) == (0, "")
    assert {line[:12].strip() for line in ended.lines} == {"ok"}
    kept = [file.read_text().strip() for file in (healthy.data_dir / "secrets").iterdir()]
    assert len(kept) >= 4
    assert [secret for secret in kept if secret in ended.out] == []


def test_another_temporal_is_asked_where_one_is_given(healthy: Dev, tmp_path: Path) -> None:
    other = {"TRENOVA_TEMPORAL__HOST_PORT": "127.0.0.1:1"}
    found = told(User(tmp_path, healthy.data_dir, "")("doctor", "--json", stdin=b"", **other))
    assert "127.0.0.1:1" in found.fault("temporal port")
    assert found.findings["database"]["state"] == "ok"
