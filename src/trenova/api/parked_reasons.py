"""Why an entry is parked, in words that its sender may see.

The database's own words name tables, rules and logins, and are shown only to those who may read dead letters. Trenova's
own reasons, whose codes are not SQLSTATEs, concern only the entry.
"""

from trenova.domain.seal_check import CLOCK, NOT_SEALED, RESERVED
from trenova.store.dead_letters import DUPLICATE

OUR_CODES = frozenset({NOT_SEALED, RESERVED, CLOCK, DUPLICATE})
RULE = "a rule of the database rejects this entry"
# By the class of the SQLSTATE, its first two characters.
SQLSTATE_CLASSES = {
    "22": "the database cannot hold a value of this entry",
    "23": RULE,
    "54": "this entry exceeds a limit of the database",
    "P0": RULE,
}
OTHER = "the database cannot store this entry at the moment"


def reason_for_sender(code: str, reason: str) -> str:
    """A sentence without any of the database's own text, and the code, by which an operator can identify the case."""
    if code in OUR_CODES:
        return reason
    return f"{SQLSTATE_CLASSES.get(code[:2], OTHER)} ({code})"
