"""Where all is well the doctor says so, in words and in numbers."""

from pathlib import Path

from acceptance.conftest import Dev, User
from acceptance.doctor.conftest import told


def test_a_trenova_dev_is_healthy(healthy: Dev, tmp_path: Path) -> None:
    found = told(User(tmp_path, healthy.data_dir, "")("doctor", "--json"))
    assert found.exit_code == 0, found
    assert found.states("ok") == set(found.findings)
    assert len(found.findings) >= 30
    assert all(each["cause"] and not each["next_step"] for each in found.findings.values())


def test_each_check_is_a_line_and_no_line_holds_a_secret(healthy: Dev, tmp_path: Path) -> None:
    ended = User(tmp_path, healthy.data_dir, "")("doctor")
    assert (ended.exit_code, ended.err) == (0, "")
    assert {line[:12].strip() for line in ended.lines} == {"ok"}
    kept = [file.read_text().strip() for file in (healthy.data_dir / "secrets").iterdir()]
    assert len(kept) >= 4
    assert [secret for secret in kept if secret in ended.out] == []
