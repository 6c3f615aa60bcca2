"""Standard error that cannot be written for a moment, as on a full disk."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import resource
import sys

from trenova.cli.terminal import pipes

pipes.set_up()
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
for limit, line in ((most, "before"), (7, "lost"), (most, "afterwards")):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    print(line, file=sys.stderr, flush=True)
"""


def test_a_full_disk_loses_the_lines_of_that_moment_and_no_others(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("ab") as file:
        subprocess.run([sys.executable, "-c", PROGRAM], stderr=file, check=True, timeout=120)
    assert log.read_text().splitlines() == ["before", "afterwards"]
