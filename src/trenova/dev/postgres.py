"""PostgreSQL on this machine: on 127.0.0.1 only, with passwords, and with every commit flushed to disk."""

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
from trenova.dev.watchdog import PostgresWatchdog
from trenova.runtime.installation import logins
from trenova.runtime.installation.folder import Folder, lock
from trenova.runtime.installation.logins import Login

DATABASE = "trenova"
FAST_STOP_LIMIT_S = 120
CHILDREN_LIMIT_S = 15
CONNECT_LIMIT_S = 5
# PostgreSQL's "fast" and "immediate" shutdown, then the kernel's.
STOP_SIGNALS: StopSignals = (
    (Signals.SIGINT, FAST_STOP_LIMIT_S),
    (Signals.SIGQUIT, KILL_LIMIT_S),
    (Signals.SIGKILL, KILL_LIMIT_S),
)
# A server that cannot come up cannot write its shutdown checkpoint either, so a fast shutdown would never finish.
ABORT_SIGNALS = STOP_SIGNALS[1:]
# How PostgreSQL says that it accepts no connections. Any other FATAL (password, too many connections) means it works.
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
        """The server as a part; its cluster is created if missing and locked for this process."""
        cluster = await open_cluster(self.folder, self._say)
        with lock(cluster.data.parent / "lock", f"the PostgreSQL data in {cluster.data}"):
            yield self._describe(cluster)

    async def create_database(self) -> None:
        """Create the database `trenova` unless it exists. A crash before this leaves nothing to repair."""
        async with await self.connect("postgres") as connection:
            existing = await connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
            if existing.rowcount == 0:
                await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    async def is_ready(self, _pid: int) -> bool:
        """Whether the owner can connect. While it recovers, it listens but accepts no connections."""
        with suppress(psycopg.OperationalError):
            async with await self.connect("postgres"):
                return True
        return False

    async def connection_problem(self) -> str | None:
        """Why it accepts no connections, in its own words; None when it does, or when it denies only ours."""
        try:
            async with await self.connect("postgres"):
                return None
        except psycopg.errors.ConnectionTimeout:
            return f"no answer within {CONNECT_LIMIT_S} s"
        except psycopg.OperationalError as error:
            last = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
            _, fatal, reason = last.partition("FATAL:")
            return None if fatal and CLOSED not in reason else (reason or last).strip()

    async def connect(self, database: str) -> psycopg.AsyncConnection[tuple[object, ...]]:
        """A connection as the owner."""
        where = make_conninfo(self.owner_url, dbname=database, connect_timeout=CONNECT_LIMIT_S)
        return await psycopg.AsyncConnection.connect(where, autocommit=True)

    def _url(self, login: Login) -> str:
        password = self.folder.secret(login.secret)
        return f"postgresql://{login.name}:{password}@{ports.LOCALHOST}:{self.port}/{DATABASE}"

    def _describe(self, cluster: Cluster) -> Part:
        async def prepare() -> None:
            await remove_remains(cluster.data)

        return Part(
            name="postgres",
            argv=(str(cluster.binaries.postgres), "-D", str(cluster.data), "-p", str(self.port), *settings()),
            env=users.NEUTRAL_ENVIRONMENT,
            log=self.folder.log("postgres"),
            record=self.folder.record("postgres"),
            is_ready=self.is_ready,
            ready_limit_s=None,  # recovery after a crash reads the whole write-ahead log
            watchdog=lambda: PostgresWatchdog(self.connection_problem),
            prepare=prepare,
            user=cluster.user,
            folder=Path("/"),
            stop_signals=STOP_SIGNALS,
            hurry_signal=Signals.SIGQUIT,
            abort_signals=ABORT_SIGNALS,
        )


def settings() -> list[str]:
    """Settings that override postgresql.conf: loopback only, and no commit that a power cut could undo."""
    fixed = {
        "listen_addresses": ports.LOCALHOST,
        "unix_socket_directories": "",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "logging_collector": "off",
        "log_timezone": "UTC",
        # Its messages are parsed here.
        "lc_messages": "C",
        # An entry's content does not belong in PostgreSQL's log, neither as a parameter nor in a rejected row.
        "log_error_verbosity": "terse",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "TimeZone": "UTC",
    }
    return [word for name, value in fixed.items() for word in ("-c", f"{name}={value}")]


async def remove_remains(data: Path) -> None:
    """Remove what a killed server left: its child processes, then a lock file whose pid another program has now.

    The children end by themselves once they notice that their server is gone; a busy one may notice late.
    """
    children = await asyncio.to_thread(postgres_processes, data)
    if children and not await orphans.wait_until_ended(children, CHILDREN_LIMIT_S):
        await orphans.kill_all(children)
    with suppress(FileNotFoundError, ValueError, IndexError):
        lock_file = data / "postmaster.pid"
        if psutil.pid_exists(int(lock_file.read_text(encoding="utf-8").splitlines()[0])):
            lock_file.unlink()  # no server uses this folder, and we hold its lock


def postgres_processes(data: Path) -> list[psutil.Process]:
    """The PostgreSQL processes of this cluster: each has the data folder as its working directory."""
    processes, place = [], str(data.resolve())
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.name() == "postgres" and process.cwd() == place and orphans.is_running(process):
                processes.append(process)
    return processes
