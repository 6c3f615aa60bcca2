"""The PostgreSQL of a data folder, for a `trenova api` or `trenova worker` without a `database.url`.

The first of them starts the keeper (`trenova.dev.keeper`), a separate process, and later ones share it; they may end in
any order. Where a `trenova dev` runs, they use its PostgreSQL.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from trenova.dev import binaries, keeper, keys, orphans
from trenova.dev.cluster import find_data
from trenova.dev.environment import own_environment
from trenova.dev.process import last_lines, rotate
from trenova.errors import PartFailed
from trenova.runtime.installation import command_line, members
from trenova.runtime.installation.folder import Folder, read_json
from trenova.runtime.installation.members import Member

log = structlog.get_logger()

CHECK_EVERY_S = 0.1
# A keeper locks the folder before it writes its record: another that finds the lock taken may see no record at first.
MOST_ATTEMPTS = 30
RETRY_AFTER_S = 1.0


def is_installed() -> bool:
    """Whether this machine has a PostgreSQL that can be started."""
    return any(binaries.inspect_folder(folder) for folder in binaries.candidates())


@contextmanager
def use_postgres(folder: Folder, member: Member) -> Iterator[None]:
    """Use the folder's PostgreSQL within the block: it is ready, and stays whichever other member ends.

    That of a `trenova dev` ends with it, and the next start on the folder brings it up on the same port, which a worker
    waits for.
    """
    with members.register(folder, member):
        PostgresStart(folder).wait_until_ready()
        yield


@dataclass(slots=True)
class PostgresStart:
    """How one member gets a PostgreSQL that is ready: it waits for a running one, or starts a keeper."""

    folder: Folder
    keeper: subprocess.Popen[bytes] | None = None
    attempts: int = 0
    logged: set[str] = field(default_factory=set)

    def wait_until_ready(self) -> None:
        """Raises PartFailed if PostgreSQL cannot run. It may take as long as a recovery takes."""
        while not self._is_ready():
            time.sleep(CHECK_EVERY_S)
        if self.keeper is not None and self.keeper.stdout is not None:
            self.keeper.stdout.close()
        export = command_line.export(self.folder.path)
        log.info(
            "PostgreSQL is ready",
            data=str(find_data(self.folder)),
            api_key_file=str(self.folder.secret_file(keys.FILE)),
            **({"in_other_terminals": export} if export else {}),
        )

    def _is_ready(self) -> bool:
        if dev := orphans.recorded_process(self.folder.dev_record):
            self._log_once(f"waiting for trenova dev (pid {dev.pid}), which uses this data folder")
            return self.folder.state.exists()
        if running_keeper := orphans.recorded_process(self.folder.keeper_record):
            self._log_once("waiting for PostgreSQL to start")
            return read_json(self.folder.embedded).get("pid") == running_keeper.pid
        self._start_keeper()
        return False

    def _start_keeper(self) -> None:
        """Start a keeper unless another process has just done so, and wait until it has locked the folder.

        Killed anywhere in here: a keeper that has been started serves other members, or ends without any.
        """
        self._check_previous_keeper()
        with members.membership_lock(self.folder):
            if any(orphans.recorded_process(file) for file in (self.folder.dev_record, self.folder.keeper_record)):
                return
            self._log_once("starting PostgreSQL")
            self.keeper = launch_keeper(self.folder)
            while orphans.recorded_process(self.folder.keeper_record) is None and self.keeper.poll() is None:
                time.sleep(CHECK_EVERY_S)

    def _check_previous_keeper(self) -> None:
        """Raises PartFailed if the keeper that this process has started failed in a way that a retry cannot help."""
        if self.keeper is None or self.keeper.stdout is None:
            return
        code, report = self.keeper.wait(), self.keeper.stdout.read()
        self.keeper.stdout.close()
        self.keeper = None
        self.attempts += 1
        if code == keeper.FAILED or self.attempts > MOST_ATTEMPTS:
            raise keeper_failure(self.folder, report)
        time.sleep(RETRY_AFTER_S if code else 0)

    def _log_once(self, message: str) -> None:
        if message not in self.logged:
            self.logged.add(message)
            log.info(message, data_folder=str(self.folder.path))


def launch_keeper(folder: Folder) -> subprocess.Popen[bytes]:
    log_file = folder.log("keeper")
    rotate(log_file)
    with log_file.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own program
            (sys.executable, "-m", keeper.__name__, str(folder.path)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            cwd="/",
            env={**own_environment(os.environ), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C in the terminal of one member must not stop it for the others
        )


def keeper_failure(folder: Folder, report: bytes) -> PartFailed:
    """The error that the keeper reported before it ended; without a report, the last line of its log."""
    log_file = folder.log("keeper")
    try:
        error = json.loads(report)
    except ValueError:
        error = {"message": (last_lines(log_file, 1) or ["the keeper ended without logging anything"])[0]}
    return PartFailed(
        f"the PostgreSQL of the data folder {folder.path} cannot be started: {error['message']}",
        hint=error.get("hint") or f"the whole log is in {log_file}",
    )
