"""The system user that runs PostgreSQL when root starts us."""

import subprocess
import sys
from pathlib import Path

# Creates no user, takes a second, and writes down when it began and ended.
SLOW_USERADD = """#!/bin/sh
echo began >> "$DIARY"
sleep 1
echo ended >> "$DIARY"
echo "this useradd creates nobody" >&2
exit 1
"""
ENSURE = """
import trenova.dev.users as users
from trenova.errors import PartFailed
users.SYSTEM_USER = "trenova-nobody"
try:
    users.ensure_user()
except PartFailed as error:
    print(error.message)
"""


def test_concurrent_starts_create_the_user_one_after_the_other(tmp_path: Path) -> None:
    """Two useradds at once both succeed, and the second changes the id that the first start has used."""
    useradd, diary = tmp_path / "useradd", tmp_path / "diary"
    useradd.write_text(SLOW_USERADD)
    useradd.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "DIARY": str(diary)}

    starts = [
        subprocess.Popen([sys.executable, "-c", ENSURE], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    messages = [start.communicate()[0] for start in starts]

    assert diary.read_text().split() == ["began", "ended"] * 3
    assert all("trenova-nobody cannot be created: this useradd creates nobody" in message for message in messages)
