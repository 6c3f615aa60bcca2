"""Transactions on pooled connections to PostgreSQL, with its errors as this project's own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import psycopg
import sqlalchemy.exc
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from trenova.errors import DATABASE_SETTING, InvalidConfiguration, Unavailable
from trenova.store.service_file import with_host_of_service
from trenova.store.sqlstates import meaning

CONNECT_TIMEOUT_S = 10
# Longer than any statement of ours takes: one that exceeds it waits for something that will not come.
STATEMENT_TIMEOUT_MS = 60_000
# The kernel notices a server that vanishes silently (its host, a firewall): after 30 s without an acknowledgement of
# what was sent, or of the probes on an idle connection.
DEAD_PEER: dict[str, Any] = {
    "tcp_user_timeout": 30_000,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
# The settings of every session of ours.
SESSION = f"-c timezone=UTC -c client_min_messages=error -c statement_timeout={STATEMENT_TIMEOUT_MS}"


@dataclass(frozen=True, slots=True)
class Pool:
    """At most `size` connections, opened when they are first needed, so a database may start after its users."""

    engine: AsyncEngine

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, size: int) -> AsyncIterator["Pool"]:
        engine = engine_of(
            url,
            pool_size=size,
            max_overflow=0,
            pool_timeout=CONNECT_TIMEOUT_S,
            # A connection that died in the pool is replaced instead of failing a request.
            pool_pre_ping=True,
        )
        try:
            yield cls(engine)
        finally:
            await engine.dispose()

    @classmethod
    def without_pool(cls, url: str) -> "Pool":
        """A new connection for each transaction, closed after it: no other use can hold it up."""
        return cls(engine_of(url, poolclass=NullPool))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits when the block ends and vanishes when it raises."""
        with translate_errors(), prefer_cancellation():
            async with self.engine.begin() as connection:
                try:
                    yield connection
                except (psycopg.Error, sqlalchemy.exc.DBAPIError) as error:
                    if is_read_only(error):
                        # A failover may have left this session at the former primary, and a session keeps the settings
                        # it began with. A new one finds out where to write.
                        await connection.invalidate()
                    raise

    @asynccontextmanager
    async def cursor(self) -> AsyncIterator[psycopg.AsyncCursor[Any]]:
        """The same, as psycopg's own cursor: for COPY and for the SQL in files."""
        async with self.transaction() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            async with cast("psycopg.AsyncConnection[Any]", driver).cursor() as cursor:
                yield cursor


def engine_of(url: str, **pooling: Any) -> AsyncEngine:
    return create_async_engine(
        with_host_of_service(sqlalchemy_url(url)),
        **pooling,
        # Parameters say what is searched for and by whom. They must not reach a log, not even through a bug of ours.
        hide_parameters=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, **DEAD_PEER, "options": SESSION},
    )


def sqlalchemy_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):  # ValueError: for a port that is not a number
        raise InvalidConfiguration(
            [f"{DATABASE_SETTING}: (hidden) given, expected postgresql://user:password@host:port/database"]
        ) from None
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise InvalidConfiguration([f"{DATABASE_SETTING}: {parsed.drivername}:// given, expected postgresql://"])
    return parsed.set(drivername="postgresql+psycopg")


def is_read_only(error: psycopg.Error | sqlalchemy.exc.DBAPIError) -> bool:
    original = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error
    return isinstance(original, psycopg.errors.ReadOnlySqlTransaction)


@contextmanager
def prefer_cancellation() -> Iterator[None]:
    """Raise CancelledError in place of an error of the database, if the current task has been cancelled.

    A query that is cancelled a second time, as when a timeout and the end of a task group coincide, fails with an error
    of its connection. A task that retries such errors would never end.
    """
    try:
        yield
    except (psycopg.Error, sqlalchemy.exc.SQLAlchemyError):
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError from None
        raise


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise the database's errors as Unavailable, RowRejected, LedgerDamaged or DatabaseFault.

    Without their causes: the driver's own text may quote a row, and code that catches these may log them.
    """
    try:
        yield
    except sqlalchemy.exc.TimeoutError:
        raise Unavailable("every database connection is busy") from None
    except sqlalchemy.exc.DBAPIError as error:
        if isinstance(error.orig, psycopg.Error):
            raise meaning(error.orig) from None
        raise
    except psycopg.Error as error:
        raise meaning(error) from None
