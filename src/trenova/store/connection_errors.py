"""Why a database accepts no connection, in one word of a small fixed set, and the next step for each.

Decided by the words of the error, as nothing better is available: libpq gives no SQLSTATE for a failed connection, and
PostgreSQL has one for all of recovering, starting and stopping. In other languages than English the reason is `other`.
"""

import re
from dataclasses import dataclass

from trenova.errors import DATABASE_SETTING

WAIT_OR_RESTART = (
    "while it recovers, its process `postgres: startup` runs and uses processor and disk: wait, however long that "
    "takes; without such a process it never ends: stop it with `pg_ctl stop -m immediate`, and start it"
)
START_OR_CORRECT = f"start PostgreSQL, or correct {DATABASE_SETTING}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    name: str
    words: re.Pattern[str]
    next_step: str
    plain: str
    """Public: it names neither the database nor its address nor a login."""
    is_of_server: bool = True
    """Whether the server itself answers so. Otherwise the network does, or nothing answers."""

    @property
    def state(self) -> str:
        """`unavailable` if the server answers but cannot serve us, else `unreachable`."""
        return "unavailable" if self.is_of_server else "unreachable"

    @property
    def public_text(self) -> str:
        return f"{self.state}: {self.plain}"


REASONS = (
    Reason(
        name="recovering",
        words=re.compile(r"in recovery mode|not (yet )?accepting connections"),
        next_step=WAIT_OR_RESTART,
        plain="it is recovering",
    ),
    Reason(
        name="starting",
        words=re.compile(r"system is starting up"),
        next_step=WAIT_OR_RESTART,
        plain="it is starting up",
    ),
    Reason(
        name="stopping",
        words=re.compile(r"system is shutting down|due to administrator command"),
        next_step="let it stop, then start it; `pg_ctl stop -m fast` does not wait for its clients",
        plain="it is shutting down",
    ),
    Reason(
        name="too_many_connections",
        words=re.compile(r"too many (clients|connections)|connection slots are reserved"),
        next_step="raise max_connections or the login's limit, or lower database.poolSize; pg_stat_activity shows them",
        plain="it has no connection left",
    ),
    Reason(
        name="no_answer",
        words=re.compile(r"timeout expired|no answer|did not answer|[Cc]onnection timed out"),
        next_step="check its machine and its disk for what hangs, and look for a firewall that drops packets",
        plain="it does not answer",
        is_of_server=False,
    ),
    Reason(
        name="unreachable",
        words=re.compile(
            r"Connection refused|could not translate|[Nn]ame or service|resolve host|No route|unreachable|Host is down"
            r"|No such file or directory|Connection reset|closed the connection|connection is (lost|closed)|Broken pipe"
        ),
        next_step=START_OR_CORRECT,
        plain="nothing accepts connections at its address",
        is_of_server=False,
    ),
    Reason(name="other", words=re.compile(""), next_step=START_OR_CORRECT, plain="it denies this process a connection"),
)
NAMES = tuple(reason.name for reason in REASONS)


# What a server answers to a connection that it rejects. Where a name has several addresses, the same error also says
# how the others failed: the server that answers at one of them decides.
REJECTED_BY_SERVER = "FATAL:"


def reason_of(error: str) -> Reason:
    """The reason for an error of the database, in its own words or in ours around them."""
    answered = REJECTED_BY_SERVER in error
    return next(reason for reason in REASONS if reason.words.search(error) and (reason.is_of_server or not answered))
