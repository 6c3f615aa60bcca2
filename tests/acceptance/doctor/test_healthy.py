"""If everything works, the doctor says so in every line and by its exit code."""

import time
from pathlib import Path

import pytest

from acceptance.conftest import Dev, User
from acceptance.doctor.conftest import DoctorReport, report_of
from waiting import LIMIT_S

OWN_CONFIGURATION = Path(__file__).parents[3] / "config" / "config.yaml"


@pytest.mark.parametrize(
    "flags",
    [pytest.param([], id="no settings"), pytest.param(["--config", str(OWN_CONFIGURATION)], id="its own settings")],
)
def test_a_trenova_dev_on_other_ports_is_healthy(healthy: Dev, tmp_path: Path, flags: list[str]) -> None:
    report = healthy_report(User(tmp_path, healthy.data_dir, ""), *flags)
    assert report.states("ok") == set(report.findings)
    assert len(report.findings) >= 30
    assert all(each["cause"] and not each["next_step"] for each in report.findings.values())


def healthy_report(user: User, *flags: str) -> DoctorReport:
    """The report once everything works: the worker creates its schedules last, and a stalling machine is late."""
    deadline = time.monotonic() + LIMIT_S
    while (report := report_of(user("doctor", "--json", *flags))).exit_code != 0:
        assert time.monotonic() < deadline, report
    return report


def test_each_check_is_a_line_and_no_line_holds_a_secret(healthy: Dev, tmp_path: Path) -> None:
    healthy_report(User(tmp_path, healthy.data_dir, ""))
    ended = User(tmp_path, healthy.data_dir, "")("doctor")
    assert (ended.exit_code, ended.err) == (0, "")
    assert {line[:12].strip() for line in ended.lines} == {"ok"}
    secrets = [file.read_text().strip() for file in (healthy.data_dir / "secrets").iterdir()]
    assert len(secrets) >= 4
    assert [secret for secret in secrets if secret in ended.out] == []


def test_a_configured_temporal_is_examined_instead_of_that_of_the_data_folder(healthy: Dev, tmp_path: Path) -> None:
    other = {"TRENOVA_TEMPORAL__HOST_PORT": "127.0.0.1:1"}
    report = report_of(User(tmp_path, healthy.data_dir, "")("doctor", "--json", stdin=b"", **other))
    assert "127.0.0.1:1" in report.fault("temporal port")
    assert report.findings["database"]["state"] == "ok"
