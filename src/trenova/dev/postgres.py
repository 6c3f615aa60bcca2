"""PostgreSQL on this machine: on 127.0.0.1 only, with passwords, and with every commit on the disk."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from signal import Signals
from typing import Self

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from trenova.dev import orphans, ports, users
from trenova.dev.cluster import Cluster, open_cluster
from trenova.dev.part import KILL_LIMIT_S, Part, StopSignals
from trenova.dev.process import running
from trenova.dev.watch import Recovery
from trenova.runtime.installation import logins
from trenova.runtime.installation.folder import Folder, lock
from trenova.runtime.installation.logins import Login

DATABASE = "trenova"
FAST_STOP_LIMIT_S = 120
STRAY_LIMIT_S = 15
CONNECT_LIMIT_S = 5
# PostgreSQL's "fast" and "immediate" shutdown, then the kernel's.
STOP_SIGNALS: StopSignals = (
    (Signals.SIGINT, FAST_STOP_LIMIT_S),
    (Signals.SIGQUIT, KILL_LIMIT_S),
    (Signals.SIGKILL, KILL_LIMIT_S),
)
# A server that cannot come up cannot write a last checkpoint either: its fast shutdown waits for that in vain.
ABORT_SIGNALS = STOP_SIGNALS[1:]
# How PostgreSQL says that it lets nobody in. Any other refusal (a password, too many connections) is of one that works.
CLOSED = "the database system is "


class Postgres:
    """The PostgreSQL server of one data folder."""

    def __init__(self, folder: Path, *, port: int | None = None, say: Callable[[str], None] = print) -> None:
        self.folder = Folder(folder)
        self.port = ports.choose() if port is None else port
        self.owner_url = self._url(logins.OWNER)
        self.api_url, self.worker_url, self.operator_url = (self._url(login) for login in logins.ALL)
        self._say = say

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        async with self.part() as part, running(part):
            await self.create_database()
            yield self

    @asynccontextmanager
    async def part(self) -> AsyncIterator[Part]:
        """The server as a part, its cluster created if need be and held for this process."""
        cluster = await open_cluster(self.folder, self._say)
        with lock(cluster.data.parent / "lock", f"the PostgreSQL data in {cluster.data}"):
            yield self._describe(cluster)

    async def create_database(self) -> None:
        """Create the database `trenova` if it is not there. A crash before this has nothing to repair."""
        async with await self.connect("postgres") as connection:
            found = await connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
            if found.rowcount == 0:
                await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    async def is_ready(self, _pid: int) -> bool:
        """Whether it lets the owner in; while it recovers it listens and refuses."""
        with suppress(psycopg.OperationalError):
            async with await self.connect("postgres"):
                return True
        return False

    async def refusal(self) -> str | None:
        """Why it lets nobody in, in its own words; None when it does, or refuses us alone."""
        try:
            async with await self.connect("postgres"):
                return None
        except psycopg.errors.ConnectionTimeout:
            return f"no answer within {CONNECT_LIMIT_S} s"
        except psycopg.OperationalError as error:
            said = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
            _, fatal, words = said.partition("FATAL:")
            return None if fatal and CLOSED not in words else (words or said).strip()

    async def connect(self, database: str) -> psycopg.AsyncConnection[tuple[object, ...]]:
        """A connection as the owner."""
        where = make_conninfo(self.owner_url, dbname=database, connect_timeout=CONNECT_LIMIT_S)
        return await psycopg.AsyncConnection.connect(where, autocommit=True)

    def _url(self, login: Login) -> str:
        password = self.folder.secret(login.secret)
        return f"postgresql://{login.name}:{password}@{ports.LOCALHOST}:{self.port}/{DATABASE}"

    def _describe(self, cluster: Cluster) -> Part:
        async def clear() -> None:
            await clear_way(cluster.data)

        return Part(
            name="postgres",
            argv=(str(cluster.binaries.postgres), "-D", str(cluster.data), "-p", str(self.port), *settings()),
            env=users.NEUTRAL,
            log=self.folder.log("postgres"),
            record=self.folder.record("postgres"),
            ready=self.is_ready,
            ready_limit_s=None,  # recovery after a crash reads the whole write-ahead log
            watch=lambda: Recovery(self.refusal),
            before=clear,
            user=cluster.user,
            folder=Path("/"),
            stop_signals=STOP_SIGNALS,
            hurry_signal=Signals.SIGQUIT,
            abort_signals=ABORT_SIGNALS,
        )


def settings() -> list[str]:
    """What must hold whatever postgresql.conf says: loopback only, and no commit that a power cut could take back."""
    held = {
        "listen_addresses": ports.LOCALHOST,
        "unix_socket_directories": "",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "logging_collector": "off",
        "log_timezone": "UTC",
        # What it answers is read here.
        "lc_messages": "C",
        # An entry's content does not belong in the log, neither as a parameter nor as the row that a rule refuses.
        "log_error_verbosity": "terse",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "TimeZone": "UTC",
    }
    return [word for name, value in held.items() for word in ("-c", f"{name}={value}")]


async def clear_way(data: Path) -> None:
    """Clear what a killed server left: its own children first, then a lock file whose pid is somebody else's by now.

    The children end by themselves once they see that their server is gone; a busy one may be slow to look.
    """
    left = await asyncio.to_thread(servers_in, data)
    if left and not await orphans.gone(left, STRAY_LIMIT_S):
        await orphans.end_all(left)
    with suppress(FileNotFoundError, ValueError, IndexError):
        lock_file = data / "postmaster.pid"
        if psutil.pid_exists(int(lock_file.read_text(encoding="utf-8").splitlines()[0])):
            lock_file.unlink()  # no server works in this folder, and we hold its lock


def servers_in(data: Path) -> list[psutil.Process]:
    """PostgreSQL processes of this cluster; every one of them has the data folder as its working directory."""
    found, place = [], str(data.resolve())
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.name() == "postgres" and process.cwd() == place and orphans.runs(process):
                found.append(process)
    return found
