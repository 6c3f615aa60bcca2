"""Why a database lets nobody in, in one word of a small fixed set, and the next step for each.

Told by words, for want of anything better: to a connection that is refused libpq gives no SQLSTATE, and PostgreSQL has
one for all of recovering, starting and stopping. In another language than English the reason is `other`.
"""

import re
from dataclasses import dataclass

from trenova.errors import DATABASE_SETTING

ABANDONED = (
    "while it recovers, its process `postgres: startup` is there and uses processor and disk: then wait, however long "
    "it takes; with no such process it never ends: stop it with `pg_ctl stop -m immediate`, and start it"
)
ELSE = f"start PostgreSQL, or correct {DATABASE_SETTING}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    name: str
    words: re.Pattern[str]
    next_step: str
    plain: str
    """For anybody to read: it names neither the database nor its address nor a login."""
    of_the_server: bool = True
    """The server itself says so, and so it is there. Otherwise the network does, or nobody."""


REASONS = (
    Reason(
        name="recovering",
        words=re.compile(r"in recovery mode|not (yet )?accepting connections"),
        next_step=ABANDONED,
        plain="it is recovering",
    ),
    Reason(
        name="starting",
        words=re.compile(r"system is starting up"),
        next_step=ABANDONED,
        plain="it is starting up",
    ),
    Reason(
        name="stopping",
        words=re.compile(r"system is shutting down|due to administrator command"),
        next_step="somebody stops it: let it end, then start it; `pg_ctl stop -m fast` does not wait for its clients",
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
        next_step="look at its machine and its disk for what hangs, and for a firewall that swallows packets",
        plain="it does not answer",
        of_the_server=False,
    ),
    Reason(
        name="unreachable",
        words=re.compile(
            r"Connection refused|could not translate|[Nn]ame or service|resolve host|No route|unreachable|Host is down"
            r"|No such file or directory|Connection reset|closed the connection|connection is (lost|closed)|Broken pipe"
        ),
        next_step=ELSE,
        plain="nothing accepts connections at its address",
        of_the_server=False,
    ),
    Reason(name="other", words=re.compile(""), next_step=ELSE, plain="it refuses this process"),
)
NAMES = tuple(reason.name for reason in REASONS)


# With this the server answers a connection that it does not let in. Where a name has several addresses, the same error
# also tells how the others failed: whoever answers at one of them decides.
REFUSED_BY_SERVER = "FATAL:"


def reason_of(said: str) -> Reason:
    """What an error of the database, in its own words or in ours around them, comes to."""
    answered = REFUSED_BY_SERVER in said
    return next(reason for reason in REASONS if reason.words.search(said) and (reason.of_the_server or not answered))
