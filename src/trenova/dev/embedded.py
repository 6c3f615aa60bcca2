"""The PostgreSQL of a data folder for processes that were given no other: `trenova api` and `trenova worker`.

The first of them starts the keeper (`trenova.dev.keeper`), which is a process of its own; those that come later use it,
in whatever order they go again. Where a `trenova dev` runs, they use its PostgreSQL.
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

from trenova.dev import binaries, keeper, keys, orphans, registry
from trenova.dev.cluster import remembered
from trenova.dev.environment import own_world
from trenova.dev.process import last_lines, rotate
from trenova.errors import PartFailed
from trenova.runtime.installation import command_line, members
from trenova.runtime.installation.folder import Folder, read_json
from trenova.runtime.installation.members import Member

log = structlog.get_logger()

LOOK_EVERY_S = 0.1
# A keeper takes the folder before it says so: another that finds it taken may see nobody for a moment.
MOST_TRIES = 30
RETRY_AFTER_S = 1.0


def is_installed() -> bool:
    """Whether there are programs of a PostgreSQL to start at all."""
    return any(binaries.examine(folder) for folder in binaries.candidates())


@contextmanager
def joined(folder: Folder, member: Member) -> Iterator[None]:
    """Use the folder's PostgreSQL, which is ready and stays until the block ends, whichever other member goes.

    That of a `trenova dev` goes with it, and is back on the same port with the next start on the folder: a worker waits
    for that.
    """
    with members.register(folder, member):
        Entrance(folder).wait_ready()
        yield


@dataclass(slots=True)
class Entrance:
    """The way of one member to a PostgreSQL that is ready."""

    folder: Folder
    keeper: subprocess.Popen[bytes] | None = None
    tries: int = 0
    said: set[str] = field(default_factory=set)

    def wait_ready(self) -> None:
        """Raises PartFailed where PostgreSQL cannot run. It may take as long as a recovery takes."""
        while not self._is_ready():
            time.sleep(LOOK_EVERY_S)
        if self.keeper is not None and self.keeper.stdout is not None:
            self.keeper.stdout.close()
        export = command_line.export(self.folder.path)
        log.info(
            "PostgreSQL is ready",
            data=str(remembered(self.folder)),
            api_key_file=str(self.folder.secret_file(keys.FILE)),
            **({"in_other_terminals": export} if export else {}),
        )

    def _is_ready(self) -> bool:
        if dev := orphans.recorded(self.folder.record(registry.DEV)):
            self._say(f"waiting for trenova dev (pid {dev.pid}), which works in this data folder")
            return self.folder.state.exists()
        if kept := orphans.recorded(self.folder.record(registry.KEEPER)):
            self._say("waiting for PostgreSQL to be started")
            return read_json(self.folder.embedded).get("pid") == kept.pid
        self._start_keeper()
        return False

    def _start_keeper(self) -> None:
        """Start one unless somebody has just done so, and see it take the folder.

        Killed anywhere in here: the keeper, if there is one already, goes on for other members, or ends without any.
        """
        self._look_how_it_ended()
        with members.door(self.folder):
            if any(orphans.recorded(self.folder.record(name)) for name in (registry.DEV, registry.KEEPER)):
                return
            self._say("starting PostgreSQL")
            self.keeper = launch(self.folder)
            while orphans.recorded(self.folder.record(registry.KEEPER)) is None and self.keeper.poll() is None:
                time.sleep(LOOK_EVERY_S)

    def _look_how_it_ended(self) -> None:
        """Raises PartFailed where it is no use to start it again."""
        if self.keeper is None or self.keeper.stdout is None:
            return
        code, told = self.keeper.wait(), self.keeper.stdout.read()
        self.keeper.stdout.close()
        self.keeper = None
        self.tries += 1
        if code == keeper.FAILED or self.tries > MOST_TRIES:
            raise failure(self.folder, told)
        time.sleep(RETRY_AFTER_S if code else 0)

    def _say(self, what: str) -> None:
        """Once."""
        if what not in self.said:
            self.said.add(what)
            log.info(what, data_folder=str(self.folder.path))


def launch(folder: Folder) -> subprocess.Popen[bytes]:
    log_file = folder.log(registry.KEEPER)
    rotate(log_file)
    with log_file.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own program
            (sys.executable, "-m", keeper.__name__, str(folder.path)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            cwd="/",
            env={**own_world(os.environ), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C in the terminal of one member must not take it from the others
        )


def failure(folder: Folder, told: bytes) -> PartFailed:
    """What the keeper has told before it ended; where it could not, the end of its log."""
    log_file = folder.log(registry.KEEPER)
    try:
        said = json.loads(told)
    except ValueError:
        said = {"message": (last_lines(log_file, 1) or ["it ended without a word"])[0]}
    return PartFailed(
        f"the PostgreSQL of the data folder cannot be started: {said['message']}",
        hint=said.get("hint") or f"the whole log is in {log_file}",
    )
