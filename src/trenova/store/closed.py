"""Why a database lets nobody in, in one word of a small fixed set, and the next step for each.

Told by words, for want of anything better: to a connection that is refused libpq gives no SQLSTATE, and PostgreSQL has
one for all of recovering, starting and stopping. In another language than English the reason is `other`.
"""

import re
from dataclasses import dataclass

ABANDONED = (
    "while it recovers, its process `postgres: startup` is there and uses processor and disk: then wait, however long "
    "it takes; with no such process it never ends: stop it with `pg_ctl stop -m immediate`, and start it"
)
ELSE = "start PostgreSQL, or correct database.url"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    name: str
    words: re.Pattern[str]
    next_step: str


REASONS = (
    Reason(
        name="recovering", words=re.compile(r"in recovery mode|not (yet )?accepting connections"), next_step=ABANDONED
    ),
    Reason(name="starting", words=re.compile(r"system is starting up"), next_step=ABANDONED),
    Reason(
        name="stopping",
        words=re.compile(r"system is shutting down|due to administrator command"),
        next_step="somebody stops it: let it end, then start it; `pg_ctl stop -m fast` does not wait for its clients",
    ),
    Reason(
        name="too_many_connections",
        words=re.compile(r"too many (clients|connections)|connection slots are reserved"),
        next_step="raise max_connections or the login's limit, or lower database.poolSize; pg_stat_activity shows them",
    ),
    Reason(
        name="no_answer",
        words=re.compile(r"timeout expired|no answer|did not answer|[Cc]onnection timed out"),
        next_step="look at its machine and its disk for what hangs, and for a firewall that swallows packets",
    ),
    Reason(
        name="unreachable",
        words=re.compile(r"Connection refused|could not translate|[Nn]ame or service|No route|unreachable"),
        next_step=ELSE,
    ),
    Reason(name="other", words=re.compile(""), next_step=ELSE),
)
NAMES = tuple(reason.name for reason in REASONS)


def reason_of(said: str) -> Reason:
    """What an error of the database, in its own words or in ours around them, comes to."""
    return next(reason for reason in REASONS if reason.words.search(said))
